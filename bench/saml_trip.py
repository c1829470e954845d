"""A sign-in by SAML, hop by hop: `login` and `acs` of functions/saml where the others have `authorize` and `callback`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from bench.saml_scenarios import SCENARIOS, SSO
from bench.trip import BACK, SAML, Event, Trip, WrongAnswer, headers_of, location


@dataclass
class SamlTrip(Trip):
    """A sign-in under way; `folder` holds the identity provider's keys, `saml_request` what it was asked."""

    hops: ClassVar[tuple[str, ...]] = (*SAML, *BACK)
    folder: str = ""
    saml_request: str = ""

    def event(self, hop: str) -> Event:
        """Return the hop's event; those before it must be over. The provider answers when `acs` is asked for."""
        match hop:
            case "login":
                return self._event(hop, query=self._begin())
            case "acs":
                from bench.saml_identity_provider import respond  # noqa: PLC0415  lxml: OIDC goes without

                response = respond(
                    self.saml_request, Path(self.folder), encrypted=SCENARIOS[self.connection].encrypted
                )
                form = {"SAMLResponse": response, "RelayState": self.upstream_state}
                return self._event(hop, form=form, headers=(("cookie", self.cookie),))
        return super().event(hop)

    def took(self, hop: str, answer: Any) -> None:
        """Read the answer; raises WrongAnswer."""
        match hop:
            case "login":
                self._check(hop, answer, 302)
                if not headers_of(answer)["location"].startswith(f"{SSO}?"):
                    raise WrongAnswer(f"{hop}: {answer}")
                query = location(answer)
                if "Signature" not in query:
                    raise WrongAnswer(f"{hop}: the AuthnRequest is not signed")
                self.saml_request, self.upstream_state = query["SAMLRequest"], query["RelayState"]
                self._keep_cookie(answer)
            case "acs":
                self._check(hop, answer, 303)
                self._take_code(hop, answer)
            case _:
                super().took(hop, answer)


def begin(connection: str, folder: Path) -> Trip:
    """Return a sign-in by the protocol of this connection, before its first hop."""
    return resume({"connection": connection}, folder)


def resume(state: dict[str, Any], folder: Path) -> Trip:
    """Return a sign-in as its fields were left."""
    if state["connection"] in SCENARIOS:
        return SamlTrip(**{**state, "folder": str(folder)})
    return Trip(**state)
