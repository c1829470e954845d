"""The SAML function over a bridge of fakes, an IdP made here behind it, and a browser that goes to both."""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from lxml import etree

from fedbridge.flows import initiated
from fedbridge.flows.failure import refuse_browser
from fedbridge.flows.saml_metadata import saml_metadata
from fedbridge.flows.services import FrontChannel, Services
from fedbridge.flows.sign_out import logout, single_logout
from fedbridge.model.deadline import BROWSER_BUDGET
from fedbridge.net.edge import Routes, serve
from fedbridge.op import cookie
from fedbridge.saml_routes import MAX_SAML_FORM
from fedbridge.sp.single_logout import SamlSingleLogout
from fedbridge.store.sessions_memory import MemoryReplayGuard
from tests.fakes.events import LambdaContext
from tests.support.bridge import (
    CLIENT,
    CODE_PARAMETERS,
    REDIRECT_URI,
    STATE,
    Bridge,
    SettableClock,
    connection,
)
from tests.support.gateway import Answer, Gateway, assert_refused
from tests.unit.sp.idp import SP, Message, SamlIdp, encode

LOGIN, ACS_PATH, METADATA = "saml/login", "saml/acs", "saml/metadata"


class RealClock(SettableClock):
    """The time as python3-saml sees it, too: it asks the system."""

    def __call__(self) -> float:
        return time.time()


class SamlGateway(Gateway):
    """Sends events to the SAML function; connection `acme` is the IdP's, `other` is another one of the same IdP."""

    def __init__(self, idp: SamlIdp | None = None) -> None:
        super().__init__(Bridge(clock=RealClock()))
        self.saml_idp = idp or SamlIdp()
        self.replays = MemoryReplayGuard()
        self.saml = FrontChannel(
            **{name: getattr(self.bridge.front, name) for name in Services.__dataclass_fields__},
            upstream=lambda _: self.saml_idp.upstream,
            protocols=frozenset({"saml"}),
            return_path="/saml/acs",
            state_parameter="RelayState",
            unsolicited=self.saml_idp.upstream,
            single_logout=SamlSingleLogout(
                providers=self.saml_idp.upstream.providers,
                keys=self.saml_idp.upstream.keys,
                clock=self.bridge.clock,
            ),
            replays=lambda: self.replays,
            max_form=MAX_SAML_FORM,
        )
        self.saml_idp.clock = self.bridge.clock
        self.publish("acme", SP)
        self.publish("other", "https://bridge.example/other/saml/metadata")

    def publish(self, name: str, client_id: str, **fields: Any) -> None:
        given = self.saml_idp.connection
        self.bridge.registry.put(
            connection(
                name, issuer=given.issuer, client_id=client_id, protocol="saml", saml=given.saml, **fields
            )
        )

    def saml_routes(self) -> Routes:
        return {
            "/{connection}/saml/login": {"GET": partial(initiated.login, self.saml)},
            "/{connection}/saml/acs": {
                "GET": partial(initiated.receive, self.saml),
                "POST": partial(initiated.receive, self.saml),
            },
            "/{connection}/saml/metadata": {"GET": partial(saml_metadata, self.saml)},
            "/{connection}/saml/logout": {
                "GET": partial(logout, self.saml),
                "POST": partial(logout, self.saml),
            },
            "/{connection}/saml/slo": {
                "GET": partial(single_logout, self.saml),
                "POST": partial(single_logout, self.saml),
            },
        }

    def invoke(self, event: Mapping[str, Any], path: str) -> dict[str, Any]:
        if not path.startswith("saml/"):
            return super().invoke(event, path)
        return serve(
            event,
            LambdaContext(),
            routes=self.saml_routes(),
            telemetry=self.bridge.telemetry,
            budget=BROWSER_BUDGET,
            on_error=partial(refuse_browser, self.saml),
            max_body=MAX_SAML_FORM,
        )


@dataclass
class SamlVisitor:
    """A browser: it keeps the bridge's cookie, and knows what the bridge asked of the IdP."""

    gateway: SamlGateway
    name: str = "acme"
    cookies: tuple[str, ...] = ()
    relay_state: str = ""
    request: etree._Element = field(default_factory=lambda: etree.Element("none"))

    def login(self, **parameters: str | None) -> Answer:
        asked = {
            "client_id": CLIENT,
            "redirect_uri": REDIRECT_URI,
            "state": STATE,
            **CODE_PARAMETERS,
            **parameters,
        }
        query = {name: value for name, value in asked.items() if value is not None}
        answer = self.gateway.send("GET", LOGIN, name=self.name, query=query, cookies=self.cookies)
        for line in answer.cookies:
            assert line.startswith(f"{cookie.NAME}=")
            self.cookies = (line.partition(";")[0],)
        return answer

    def start(self, **parameters: str | None) -> Self:
        """Begin a sign-in at the IdP, by Redirect."""
        answer = self.login(**parameters)
        assert answer.status == 302, answer
        sent = {
            name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()
        }
        self.relay_state = sent["RelayState"]
        self.request = etree.fromstring(zlib.decompress(base64.b64decode(sent["SAMLRequest"]), -15))
        return self

    @property
    def request_id(self) -> str:
        return self.request.get("ID", "")

    def document(self, message: Message) -> str:
        return self.gateway.saml_idp.document(
            replace(
                message,
                request_id=self.request_id,
                acs=f"https://bridge.example/{self.name}/saml/acs",
                sp=f"https://bridge.example/{self.name}/saml/metadata",
            )
        )

    def respond(self, message: Message | None = None) -> Answer:
        """Bring the IdP's Response to the ACS."""
        return self.post(SAMLResponse=encode(self.document(message or Message())))

    def post(self, **form: str) -> Answer:
        given = {"RelayState": self.relay_state, **form}
        sent = {name: value for name, value in given.items() if value != ABSENT}
        return self.gateway.send("POST", ACS_PATH, name=self.name, form=sent, cookies=self.cookies)


ABSENT = "\x00absent"


def signs_in(gateway: SamlGateway, name: str = "acme") -> dict[str, Any]:
    """Walk a whole good sign-in in a new browser; returns userinfo."""
    gateway.mend()
    policy = gateway.saml_idp.policy
    from tests.unit.sp.idp import GCM256

    message = Message(signed=policy.signed, encrypt=GCM256 if policy.encryption == "required" else None)
    answer = SamlVisitor(gateway, name).start().respond(message)
    assert answer.status == 303, answer
    assert "code" in answer.location, answer
    tokens = gateway.redeem(answer.location["code"], name=name)
    assert tokens.status == 200, tokens
    claims = gateway.read_userinfo(tokens.json["access_token"], name=name)
    assert claims.status == 200, claims
    found: dict[str, Any] = claims.json
    return found


def assert_page(gateway: SamlGateway, answer: Answer, reason: str, *, status: int = 400) -> None:
    """PAGE400 of the checklist, and the next good sign-in on the same process."""
    assert answer.status == status, answer
    assert "location" not in answer.headers
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("default-src 'none';")
    assert_refused(answer, reason)
    assert signs_in(gateway)["email"]


def assert_sent_back(gateway: SamlGateway, answer: Answer, error: str, reason: str) -> None:
    """BACK(e) of the checklist, and the next good sign-in on the same process."""
    assert answer.status == 303, answer
    assert answer.headers["location"].partition("?")[0] == REDIRECT_URI
    assert answer.location["error"] == error
    assert answer.location["state"] == STATE
    assert set(answer.location) == {"error", "error_description", "state"}
    assert_refused(answer, reason)
    assert signs_in(gateway)["email"]
