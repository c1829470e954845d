"""A SAML connection that signs out both ways, its IdP's logout messages, and a person who is signed in."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx
from lxml import etree

from fedbridge.model.deadline import Deadline
from fedbridge.model.logout import Logout
from fedbridge.model.saml import SamlKey, SamlProvider
from fedbridge.model.saml_profiles import SingleLogout
from tests.counterparts.browser import forms_of
from tests.negative.saml import SamlGateway, SamlVisitor
from tests.support.gateway import Answer
from tests.support.leaving import with_ways_out
from tests.unit.sp.idp import (
    IDP,
    NAME_ID,
    NS,
    PERSISTENT,
    RSA_SHA256,
    SSO,
    SUCCESS,
    Message,
    SamlIdp,
    _sign,
    _timed,
    at,
    encode,
    encrypt,
    sign,
)

SLO = "https://idp.example/slo"
HERE = "https://bridge.example/acme/saml/slo"
INDEX = "_session-of-ana"


@dataclass(frozen=True, kw_only=True)
class LogoutMessage:
    """One logout message of the IdP; every part is text, None leaves an attribute out."""

    kind: str = "LogoutRequest"
    id: str | None = "_logout-1"
    version: str | None = "2.0"
    issue_instant: str | None = field(default_factory=at)
    destination: str | None = HERE
    not_on_or_after: str | None = None
    in_response_to: str | None = None
    issuer: str = f"<saml:Issuer>{IDP}</saml:Issuer>"
    name_id: str = f'<saml:NameID Format="{PERSISTENT}">{NAME_ID}</saml:NameID>'
    indices: tuple[str, ...] = (INDEX,)
    status: tuple[str, ...] = (SUCCESS,)
    extra: str = ""
    encrypted: bool = False
    before: Callable[[etree._Element], object] | None = None

    def root(self) -> etree._Element:
        """Return the message, unsigned."""
        given = {
            "ID": self.id,
            "Version": self.version,
            "IssueInstant": self.issue_instant,
            "Destination": self.destination,
            "NotOnOrAfter": self.not_on_or_after,
            "InResponseTo": self.in_response_to,
        }
        attributes = "".join(f' {name}="{value}"' for name, value in given.items() if value is not None)
        namespaces = " ".join(f'xmlns:{prefix}="{NS[prefix]}"' for prefix in ("saml", "samlp"))
        if self.kind == "LogoutRequest":
            indices = "".join(f"<samlp:SessionIndex>{each}</samlp:SessionIndex>" for each in self.indices)
            body = f"{self.name_id}{indices}{self.extra}"
        else:
            codes = "".join(f'<samlp:StatusCode Value="{each}">' for each in self.status)
            body = (
                f"<samlp:Status>{codes}{'</samlp:StatusCode>' * len(self.status)}</samlp:Status>{self.extra}"
            )
        text = f"<samlp:{self.kind} {namespaces}{attributes}>{self.issuer}{body}</samlp:{self.kind}>"
        root = etree.fromstring(_timed(text).encode())
        if self.encrypted:
            name_id = root.find("saml:NameID", NS)
            assert name_id is not None
            encrypt(name_id, container="saml:EncryptedID")
        if self.before is not None:
            self.before(root)
        return root


def deflated(document: bytes) -> str:
    """Return what stands in a query for it, before it is percent-encoded."""
    deflate = zlib.compressobj(wbits=-15)
    return base64.b64encode(deflate.compress(document) + deflate.flush()).decode()


class LeavingSamlGateway(SamlGateway):
    """Connections `acme` and `other` of one IdP, which sign out both ways and keep their sessions."""

    def __init__(
        self, idp: SamlIdp | None = None, *, binding: Any = "redirect", sessions: bool = True
    ) -> None:
        self.binding, self.sessions = binding, sessions
        super().__init__(idp or SamlIdp())

    def publish(self, name: str, client_id: str, **fields: Any) -> None:
        saml = self.saml_idp.connection.saml
        assert saml is not None
        provider = SamlProvider(
            single_sign_on_service=SSO,
            certificates=("env:IDP",),
            single_logout_service=SLO,
            binding=self.binding,
        )
        saml = replace(saml, provider=provider, logout=SingleLogout(), signing_keys=(SIGNING_KEY,))
        super().publish(name, client_id, logout=Logout(sessions=self.sessions), **fields)
        now = self.bridge.registry.get(name, Deadline.after(20))
        (party,) = now.relying_parties
        self.bridge.registry.put(replace(now, saml=saml, relying_parties=(with_ways_out(party),)))

    def query(
        self,
        message: LogoutMessage,
        *,
        relay_state: str | None = None,
        algorithm: str = RSA_SHA256,
        key: Any = None,
    ) -> str:
        """Return the signed query of a message by Redirect."""
        name = "SAMLRequest" if message.kind == "LogoutRequest" else "SAMLResponse"
        parameters = {name: deflated(etree.tostring(message.root()))}
        if relay_state is not None:
            parameters["RelayState"] = relay_state
        signed = urlencode({**parameters, "SigAlg": algorithm}, quote_via=quote, safe="")
        signature = _sign(key or self.saml_idp.key, algorithm, signed.encode())
        return f"{signed}&Signature={quote(base64.b64encode(signature).decode(), safe='')}"

    def form(self, message: LogoutMessage, *, relay_state: str | None = None, **how: Any) -> dict[str, str]:
        """Return the form of a message by POST."""
        root = message.root()
        sign(root, how.pop("key", self.saml_idp.key), self.saml_idp.pem, **how)
        name = "SAMLRequest" if message.kind == "LogoutRequest" else "SAMLResponse"
        form = {name: encode(etree.tostring(root))}
        return form if relay_state is None else {**form, "RelayState": relay_state}

    def slo(self, *, query: str = "", form: Mapping[str, str] | None = None, **how: Any) -> Answer:
        """Bring a message to the single logout service."""
        name = how.pop("name", "acme")
        if form is None:
            return self.send("GET", "saml/slo", name=name, query=query, **how)
        return self.send("POST", "saml/slo", name=name, form=dict(form), **how)

    def sent(self, binding: str, message: LogoutMessage, **how: Any) -> Answer:
        """Bring a good message by this binding."""
        if binding == "redirect":
            return self.slo(query=self.query(message, **how))
        return self.slo(form=self.form(message, **how))

    @property
    def left(self) -> list[tuple[str, str]]:
        """Who was signed out of which pool."""
        return self.bridge.user_pools.signed_out


SIGNING_KEY = SamlKey(key="env:SIGN", certificate="env:SIGN-CERTIFICATE")


@dataclass
class SignedIn(SamlVisitor):
    """A browser whose person signs in; `session` is the cookie of what was kept."""

    session: str = ""

    def start(self, **parameters: str | None) -> SignedIn:
        """Begin a sign-in at the IdP, by Redirect or by POST."""
        self.request, sent = message_of(self.login(**parameters), SSO)
        self.relay_state = sent["RelayState"]
        return self

    def sign_in(self, message: Message | None = None) -> SignedIn:
        self.start()
        answer = self.respond(message or Message(authn={"SessionIndex": INDEX}))
        assert answer.status == 303, answer
        assert "code" in answer.location, answer
        (line,) = [each for each in answer.cookies if each.startswith("__Host-fedbridge-session-")]
        self.session = line.partition(";")[0]
        return self

    def leave(self, path: str = "saml/logout", **query: str) -> Answer:
        """Ask the bridge to sign out."""
        cookies = (*self.cookies, self.session) if self.session else self.cookies
        answer = self.gateway.send("GET", path, name=self.name, query=query, cookies=cookies)
        for line in answer.cookies:
            if line.startswith("__Host-fedbridge-logout-"):
                self.cookies = (line.partition(";")[0],)
        return answer


def message_of(answer: Answer, at_idp: str = SLO) -> tuple[etree._Element, dict[str, str]]:
    """Return the message that an answer takes to the IdP, by Redirect or by POST, and all its parameters."""
    if answer.status == 200:
        page = httpx.Response(200, text=answer.body, request=httpx.Request("GET", HERE))
        (form,) = forms_of(page)
        parameters = dict(form.fields)
        assert form.action == at_idp
        encoded = parameters.get("SAMLRequest") or parameters["SAMLResponse"]
        return etree.fromstring(base64.b64decode(encoded)), parameters
    url = urlsplit(answer.headers["location"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == at_idp
    parameters = dict(parse_qsl(url.query, strict_parsing=True))
    encoded = parameters.get("SAMLRequest") or parameters["SAMLResponse"]
    return etree.fromstring(zlib.decompress(base64.b64decode(encoded), -15)), parameters


def status_of(root: etree._Element) -> list[str]:
    """Return the short status codes of a LogoutResponse, from the outermost."""
    return [each.get("Value", "").rpartition(":")[2] for each in root.iter(f"{{{NS['samlp']}}}StatusCode")]
