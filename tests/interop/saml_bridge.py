"""The bridge's SAML side among neighbours that nobody here wrote: its functions behind HTTP, configured as operators do."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
import yaml

from fedbridge.cli.secrets import new_client_secret
from fedbridge.op.client_authentication import secret_hash
from tests.counterparts.api_gateway import ApiGateway, in_process
from tests.counterparts.browser import forms_of, new_browser
from tests.counterparts.cognito import FederatedUser, UserPool
from tests.counterparts.cognito_configuration import OidcIdentityProvider
from tests.interop.bridge import CLIENT_ID, _close_connections, _handlers, _watched, self_signed
from tests.support import canaries
from tests.support.keys import private_pem, rsa_key

IDP = "https://idp.example/saml"
SSO = "https://idp.example/sso"
POOL = "https://acme.auth.eu-west-1.amazoncognito.com/oauth2/idpresponse"

_numbers = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class SamlBridge:
    """`url` is where it serves; a connection can be changed by writing the file anew."""

    url: str
    folder: Path
    secret: str = field(repr=False)

    @property
    def sp_entity_id(self) -> str:
        return f"{self.url}/saml-idp/saml/metadata"

    @property
    def secret_hashes(self) -> list[str]:
        return [secret_hash(self.secret)]

    def declare(self, saml: Mapping[str, Any], **more: Any) -> None:
        """Write connections.yaml with one connection, `saml-idp`."""
        connection = {
            "protocol": "saml",
            "issuer": IDP,
            "client_id": self.sp_entity_id,
            "saml": dict(saml),
            "claims": {
                "email": '"urn:oid:0.9.2342.19200300.100.1.3"',
                "groups": {"value": "groups", "type": "list"},
            },
            "relying_parties": [
                {
                    "client_id": CLIENT_ID,
                    "secret_hashes": [secret_hash(self.secret)],
                    "redirect_uris": [POOL],
                    "restart_url": "https://app.example/",
                }
            ],
            **more,
        }
        (self.folder / "connections.yaml").write_text(
            yaml.safe_dump({"connections": {"saml-idp": connection}})
        )

    def keys(self, kind: str, number: int) -> dict[str, str]:
        """Write a key of the bridge and its certificate; return their references."""
        key = rsa_key(2048, number)
        (self.folder / f"{kind}.key").write_text(private_pem(key))
        (self.folder / f"{kind}.pem").write_bytes(self_signed(key))
        return {
            "key": f"file:{self.folder / f'{kind}.key'}",
            "certificate": f"file:{self.folder / f'{kind}.pem'}",
        }

    def metadata(self) -> str:
        """Return the bridge's metadata, as its IdP fetches them."""
        answer = httpx.get(f"{self.url}/saml-idp/saml/metadata")
        assert answer.status_code == 200, answer.text
        return answer.text


@contextmanager
def running_saml_bridge(folder: Path, **environ: str) -> Iterator[SamlBridge]:
    """Serve the functions with the memory store and connections from a file in `folder`."""
    with pytest.MonkeyPatch.context() as environment:
        gateway = ApiGateway({}, payload="2.0")
        (folder / "id-token.pem").write_text(private_pem(rsa_key()))
        given = {
            "FEDBRIDGE_ENVIRONMENT": "interop",
            "FEDBRIDGE_BASE_URL": gateway.url,
            "FEDBRIDGE_TRANSACTIONS": f"memory:saml-{next(_numbers)}",
            "FEDBRIDGE_CONNECTIONS": f"file:{folder / 'connections.yaml'}",
            "FEDBRIDGE_ID_TOKEN_KEYS": f"file:{folder / 'id-token.pem'}",
            "POWERTOOLS_METRICS_NAMESPACE": "fedbridge/interop",
            **environ,
        }
        for name, value in given.items():
            environment.setenv(name, value)
        gateway.routes = {
            key: _watched(in_process(handler, timeout=29.0))
            for key, handler in _handlers(environment).items()
        }
        with gateway:
            secret = canaries.canary(new_client_secret(), "client_secret")
            yield SamlBridge(url=gateway.url, folder=folder, secret=secret)
    _close_connections()


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The AuthnRequest as the browser would bring it to the IdP: the raw query, or a form."""

    query: str | None
    form: Mapping[str, str] | None

    @property
    def parameters(self) -> Mapping[str, str]:
        return dict(parse_qsl(self.query, strict_parsing=True)) if self.query is not None else self.form or {}


@dataclass
class SamlTrip:
    """A user pool federated to the connection, and a browser that goes to both."""

    bridge: SamlBridge
    pool: UserPool
    browser: httpx.Client

    def ask(self) -> Asked:
        """Begin at the pool; return what the bridge asks the IdP."""
        start = self.pool.authorize("Bank")
        assert urlsplit(start).path == "/saml-idp/saml/login"
        answer = self.browser.get(start)
        if answer.status_code == 200:
            (form,) = forms_of(answer)
            assert (form.action, form.method) == (SSO, "POST")
            return Asked(query=None, form=form.fields)
        assert answer.status_code == 302, answer.text
        assert answer.headers["location"].startswith(f"{SSO}?")
        return Asked(query=urlsplit(answer.headers["location"]).query, form=None)

    def answer(self, response: str, relay_state: str) -> httpx.Response:
        """Bring a Response (base64) to the ACS."""
        form = {"SAMLResponse": response, "RelayState": relay_state}
        return self.browser.post(f"{self.bridge.url}/saml-idp/saml/acs", data=form)

    def finish(self, response: str, relay_state: str) -> FederatedUser:
        """Bring the Response, go back to the pool, and let it redeem the code and read userinfo."""
        answer = self.answer(response, relay_state)
        assert answer.status_code == 303, answer.text
        return self.pool.redeem(self.pool.idpresponse(answer.headers["location"]).code)


@contextmanager
def saml_trip(bridge: SamlBridge) -> Iterator[SamlTrip]:
    with UserPool() as pool, new_browser() as browser:
        pool.create_identity_provider(
            OidcIdentityProvider(
                name="Bank",
                client_id=CLIENT_ID,
                client_secret=bridge.secret,
                oidc_issuer=f"{bridge.url}/saml-idp",
                attribute_mapping={"email": "email", "custom:groups": "groups", "username": "sub"},
            )
        )
        yield SamlTrip(bridge=bridge, pool=pool, browser=browser)


def encoded(document: str) -> str:
    return base64.b64encode(document.encode()).decode()
