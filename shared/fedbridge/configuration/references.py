"""References stand where a secret or a key belongs, so that a configuration can be read by anyone."""

from __future__ import annotations

import re

from fedbridge.model.key_ring import RING_NAME

LOCAL = ("env", "file")

# AWS's own character sets; a key of KMS is named by its ARN, because roles reach keys by tag and aliases can be moved.
_NAMES = {
    "secretsmanager": re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}(?:#[A-Za-z0-9_.-]{1,128})?"),
    "ssm": re.compile(r"[A-Za-z0-9/_.-]{1,1011}"),
    "kms": re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+"),
    "env": re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:#[A-Za-z0-9_.-]{1,128})?"),
    "file": re.compile(r"[^\x00-\x1f\x7f]+"),
}
_RING = re.compile(rf"ring:{RING_NAME.pattern}")


def reference_problem(reference: str, *, local: bool, key: bool, ring: bool = False) -> str | None:
    """Return what is wrong with a reference, None if nothing; it is never quoted, for it may be the secret itself.

    `kms:` holds keys alone. `env:` and `file:` are for local runs. `ring` says whether a key ring may stand there (what
    else goes for it is in `ring_rules`).
    """
    scheme, _, name = reference.partition(":")
    if scheme == "ring":
        return None if ring and _RING.fullmatch(reference) else _no_ring(allowed=ring)
    schemes = [known for known in _NAMES if (local or known not in LOCAL) and (key or known != "kms")]
    if scheme in LOCAL and not local:
        return f"must be one of {_listed(schemes)}; {scheme}: is for local runs"
    if scheme == "kms" and not key:
        return "must not be a kms: reference: KMS gives no values out"
    if scheme not in schemes:
        return f"must be a reference ({_listed(schemes)}), never the value itself"
    if not _NAMES[scheme].fullmatch(name):
        return (
            "must be kms: and the ARN of a key"
            if scheme == "kms"
            else f"is not a well-formed {scheme}: reference"
        )
    return None


def _no_ring(*, allowed: bool) -> str:
    return "must be ring: and the name of a key ring" if allowed else "cannot be filled by a key ring"


def _listed(schemes: list[str]) -> str:
    return ", ".join(f"{scheme}:" for scheme in schemes)
