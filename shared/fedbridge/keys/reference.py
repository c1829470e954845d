"""References to keys and secrets: `scheme:name`, with an optional `#fragment` inside the document that is meant."""

from __future__ import annotations

from dataclasses import dataclass

from fedbridge.errors import ConfigurationError

LOCAL_SCHEMES = ("env", "file")
STORED_SCHEMES = ("secretsmanager", "ssm")
SCHEMES = (*LOCAL_SCHEMES, *STORED_SCHEMES, "kms")


@dataclass(frozen=True, slots=True)
class Reference:
    """A parsed reference; `document` is the reference without its fragment."""

    scheme: str
    name: str
    fragment: str | None

    @property
    def document(self) -> str:
        """The reference to the whole document."""
        return f"{self.scheme}:{self.name}"


def parse_reference(text: str) -> Reference:
    """Parse `scheme:name[#fragment]`.

    Raises ConfigurationError, which quotes nothing: what is no reference may be the secret itself, pasted.
    """
    scheme, colon, rest = text.partition(":")
    if scheme == "ring":
        raise ConfigurationError(
            f"{text[:80]}: a key ring is filled in from the Connections table, by --table; without one, name a key"
        )
    name, hash_sign, fragment = rest.partition("#")
    if (
        scheme not in SCHEMES
        or not colon
        or not name
        or (hash_sign and not fragment)
        or not text.isprintable()
    ):
        raise ConfigurationError(
            f"a key or secret must be a reference ({', '.join(f'{scheme}:…' for scheme in SCHEMES)}), never a value"
        )
    return Reference(scheme, name, fragment or None)
