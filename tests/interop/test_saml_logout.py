"""SAML's single logout, both ways, with identity providers that nobody here wrote, an emulated user pool, and a browser.

samlify verifies our Redirect signatures over the octets of the query, and makes its own, without a line of ours or of
libxmlsec; so does pysaml2, which signs and verifies documents with libxmlsec, as we do.
"""

import base64
import re
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.counterparts.browser import forms_of, new_browser, travel
from tests.counterparts.cognito_configuration import OidcIdentityProvider
from tests.counterparts.federated_pool import FederatedPool
from tests.counterparts.ministack import MiniStack
from tests.counterparts.pysaml2_idp import Pysaml2Idp
from tests.counterparts.samlify_idp import IdpSettings, SamlifyIdp, SamlUser
from tests.interop.bridge import CLIENT_ID
from tests.interop.saml_bridge import IDP, SSO, SamlBridge, encoded, running_saml_bridge
from tests.support.keys import private_pem
from tests.unit.sp.idp import certificate

pytestmark = [pytest.mark.interop, pytest.mark.ministack]

SLO = "https://idp.example/slo"
APP = "https://app.example/signed-out"
NAME_ID = "ana-at-the-idp"
BINDINGS = ("redirect", "post")


@pytest.fixture(scope="module")
def emulator():
    with MiniStack() as emulator:
        yield emulator


@pytest.fixture(scope="module")
def samlify():
    with SamlifyIdp() as idp:
        yield idp


@pytest.fixture(scope="module")
def bridge(tmp_path_factory, emulator):
    with pytest.MonkeyPatch.context() as environment:
        for name, value in emulator.aws_environment.items():
            environment.setenv(name, value)
        folder = tmp_path_factory.mktemp("saml-logout")
        with running_saml_bridge(folder, FEDBRIDGE_SESSIONS="memory:saml-logout") as bridge:
            yield bridge


@pytest.fixture(scope="module")
def pool(bridge, emulator):
    return emulator.create_federated_pool(
        OidcIdentityProvider(
            name="Bank",
            client_id=CLIENT_ID,
            client_secret=bridge.secret,
            oidc_issuer=f"{bridge.url}/saml-idp",
            attribute_mapping={"email": "email", "username": "sub"},
        )
    )


def declare(bridge, pool, binding, **provider):
    """Write the connection; `provider` is the IdP by hand or its metadata."""
    bridge.declare(
        {
            **provider,
            "signing_keys": [bridge.keys("sign", 32)],
            "logout": {"binding": binding},
        },
        logout={"sessions": True},
        relying_parties=[
            {
                "client_id": CLIENT_ID,
                "secret_hashes": bridge.secret_hashes,
                "redirect_uris": [pool.redirect_uri],
                "restart_url": "https://app.example/",
                "post_logout_redirect_uris": [APP],
                "user_pool": {"id": pool.pool_id, "identity_provider": "Bank"},
            }
        ],
    )


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody who is signed in at an app behind the pool."""

    bridge: SamlBridge
    pool: FederatedPool
    browser: httpx.Client
    tokens: Any
    session_index: str

    def refreshes(self) -> bool:
        """Whether the app's session at the pool goes on."""
        form = {"grant_type": "refresh_token", "refresh_token": self.tokens["refresh_token"]}
        with httpx.Client(trust_env=False) as app:
            answer = app.post(
                f"{self.pool.local_url}/oauth2/token",
                data=form,
                auth=(self.pool.app_client_id, self.pool.app_client_secret),
            )
        return answer.status_code == 200

    def leave(self) -> httpx.Response:
        """Sign out at Cognito with the bridge as its logout_uri; the answer takes the browser to the IdP."""
        cognitos = {"client_id": self.pool.app_client_id, "logout_uri": f"{self.bridge.url}/saml-idp/logout"}
        trip = travel(
            self.browser,
            str(httpx.URL(f"{self.pool.base_url}/logout", params=cognitos)),
            until=lambda request: request.url.path.endswith("/saml/logout"),
        )
        return self.browser.send(trip.next_request)

    def bring(self, message: Any) -> httpx.Response:
        """Let the browser bring the IdP's message."""
        if "form" in message:
            return self.browser.post(message["url"], data=message["form"])
        return self.browser.get(message["url"])

    def land(self, answer: httpx.Response) -> str:
        """Go on from the bridge's answer; return where it ends."""
        trip = travel(
            self.browser,
            answer.headers["location"],
            until=lambda request: request.url.host == "app.example",
        )
        return trip.url


def message_to_idp(answer: httpx.Response) -> tuple[dict[str, Any], dict[str, str]]:
    """Return what samlify wants of a message to the IdP, and its parameters."""
    if answer.status_code == 200:
        (form,) = forms_of(answer)
        assert form.action == SLO
        return {"form": dict(form.fields)}, dict(form.fields)
    assert answer.status_code in {302, 303}, answer.text
    url = urlsplit(answer.headers["location"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == SLO
    return {"query": url.query}, dict(parse_qsl(url.query, strict_parsing=True))


@pytest.fixture
def signed_in(bridge, pool):
    """Signs a person in; the IdP answers with `respond(query)`, the XML of a Response."""
    browsers = []

    def sign_in(respond):
        browser = new_browser(origins=pool.origins)
        browsers.append(browser)
        start = travel(browser, pool.sign_in_url(), until=lambda request: str(request.url).startswith(SSO))
        query = urlsplit(start.url).query
        document = respond(query)
        relay_state = dict(parse_qsl(query))["RelayState"]
        form = {"SAMLResponse": encoded(document), "RelayState": relay_state}
        answer = browser.post(f"{bridge.url}/saml-idp/saml/acs", data=form)
        assert answer.status_code == 303, answer.text
        end = travel(
            browser,
            answer.headers["location"],
            until=lambda request: str(request.url).startswith(pool.app_callback),
        )
        tokens = pool.redeem(dict(parse_qsl(urlsplit(end.url).query))["code"])
        time.sleep(1.0 - time.time() % 1.0)  # The emulator ends what was issued in an earlier second.
        (index,) = re.findall(r'SessionIndex="([^"]+)"', document)
        person = Person(bridge=bridge, pool=pool, browser=browser, tokens=tokens, session_index=index)
        assert person.refreshes()
        return person

    yield sign_in
    for browser in browsers:
        browser.close()


class TestSamlify:
    @pytest.fixture
    def idp(self, bridge, pool, samlify):
        key, pem = certificate(31)
        settings = IdpSettings(entity_id=IDP, url=SSO, logout_url=SLO, key=private_pem(key), certificate=pem)
        (bridge.folder / "idp.xml").write_text(samlify.metadata(settings))

        def configured(binding):
            declare(bridge, pool, binding, metadata={"source": f"file:{bridge.folder / 'idp.xml'}"})
            return settings

        return configured

    def signed_in(self, signed_in, samlify, bridge, settings):
        user = SamlUser(name_id=NAME_ID, mail="ana@example.com")

        def respond(query):
            response, _ = samlify.respond(settings, bridge.metadata(), user, query=query)
            return base64.b64decode(response).decode()

        return signed_in(respond)

    @pytest.mark.parametrize("binding", BINDINGS)
    def test_from_here(self, bridge, samlify, idp, signed_in, binding):
        """samlify verifies our LogoutRequest, and we its LogoutResponse; the browser ends where it may."""
        settings = idp(binding)
        ana = self.signed_in(signed_in, samlify, bridge, settings)
        message, parameters = message_to_idp(ana.leave())
        answer = samlify.answer_logout(
            settings, bridge.metadata(), message, binding, relay_state=parameters["RelayState"]
        )
        assert answer["request"]["nameID"] == NAME_ID
        assert answer["request"]["sessionIndex"] == ana.session_index
        assert answer["request"]["issuer"] == bridge.sp_entity_id
        assert ana.land(ana.bring(answer)) == APP

    @pytest.mark.parametrize("binding", BINDINGS)
    def test_from_the_idp(self, bridge, samlify, idp, signed_in, binding):
        """We verify samlify's LogoutRequest, Cognito's session ends, and samlify verifies our LogoutResponse."""
        settings = idp(binding)
        ana = self.signed_in(signed_in, samlify, bridge, settings)
        request = samlify.logout_request(
            settings,
            bridge.metadata(),
            binding,
            name_id=NAME_ID,
            session_index=ana.session_index,
            relay_state="idp-trip",
        )
        message, parameters = message_to_idp(ana.bring(request))
        read = samlify.read_logout_response(settings, bridge.metadata(), message)
        assert read["response"]["inResponseTo"] == request["id"]
        assert parameters["RelayState"] == "idp-trip"
        assert not ana.refreshes()

    def test_what_was_changed_on_the_way_ends_nothing(self, bridge, samlify, idp, signed_in):
        settings = idp("redirect")
        ana = self.signed_in(signed_in, samlify, bridge, settings)
        request = samlify.logout_request(
            settings,
            bridge.metadata(),
            "redirect",
            name_id=NAME_ID,
            session_index=ana.session_index,
            relay_state="idp-trip",
        )
        answer = ana.browser.get(request["url"].replace("RelayState=idp", "RelayState=xdp"))
        assert answer.status_code == 400
        assert ana.refreshes()


class TestPysaml2:
    @pytest.fixture
    def idp(self, bridge, pool, tmp_path):
        key, pem = certificate(35)
        (bridge.folder / "pysaml2.pem").write_text(pem)
        provider = {
            "single_sign_on_service": SSO,
            "single_logout_service": SLO,
            "certificates": [f"file:{bridge.folder / 'pysaml2.pem'}"],
        }

        def configured(binding):
            # By hand there is one binding for both; sign-ins here go by Redirect, so the metadata say the rest.
            declare(bridge, pool, None, provider=provider)
            server = Pysaml2Idp.configured(
                tmp_path,
                entity_id=IDP,
                sso=SSO,
                slo=SLO,
                key=private_pem(key),
                certificate=pem,
                sp_metadata=bridge.metadata(),
            )
            (bridge.folder / "idp-2.xml").write_text(server.metadata())
            declare(bridge, pool, binding, metadata={"source": f"file:{bridge.folder / 'idp-2.xml'}"})
            return server

        return configured

    def signed_in(self, signed_in, server):
        def respond(query):
            return server.respond(
                query=dict(parse_qsl(query)),
                name_id=NAME_ID,
                attributes={"mail": ["ana@example.com"]},
                sign_assertion=True,
            )

        return signed_in(respond)

    @pytest.mark.parametrize("binding", BINDINGS)
    def test_from_here(self, bridge, idp, signed_in, binding):
        server = idp(binding)
        ana = self.signed_in(signed_in, server)
        _, parameters = message_to_idp(ana.leave())
        answer = server.answer_logout(parameters, f"{bridge.url}/saml-idp/saml/slo", binding)
        assert answer["name_id"] == NAME_ID
        assert answer["session_index"] == ana.session_index
        assert ana.land(ana.bring(answer)) == APP

    @pytest.mark.parametrize("binding", BINDINGS)
    def test_from_the_idp(self, bridge, idp, signed_in, binding):
        server = idp(binding)
        ana = self.signed_in(signed_in, server)
        request = server.logout_request(
            bridge.sp_entity_id,
            f"{bridge.url}/saml-idp/saml/slo",
            binding,
            name_id=NAME_ID,
            session_index=ana.session_index,
            relay_state="idp-trip",
        )
        _, parameters = message_to_idp(ana.bring(request))
        read = server.read_logout_response(parameters, binding)
        assert read.in_response_to == request["id"]
        assert read.status.status_code.value.endswith(":Success")
        assert not ana.refreshes()
