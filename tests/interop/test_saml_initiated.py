"""Sign-ins that the IdP begins, by samlify and by pysaml2's Server, through an app and a strict user pool, in a browser.

Both make a Response that names no request, neither in the message nor in the confirmation, and sign it. samlify's XML stack
shares nothing with ours; pysaml2 signs with libxmlsec, and proves how another implementation of the protocol writes it.

The browser goes the whole way by itself: from the ACS to the app, which begins at the pool, and through the bridge back.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.counterparts.browser import new_browser
from tests.counterparts.pysaml2_idp import Pysaml2Idp
from tests.counterparts.samlify_idp import AES_128_GCM, IdpSettings, SamlifyIdp
from tests.interop.bridge import CLIENT_ID
from tests.interop.initiating import (
    APP,
    AUTHORIZE,
    CALLBACK,
    DASHBOARD,
    POOL,
    STRAIGHT,
    Idp,
    Neighbours,
    Person,
    Pysaml2,
    Samlify,
    stations,
    to_idp,
)
from tests.interop.saml_bridge import IDP, SSO, SamlBridge, running_saml_bridge, saml_trip
from tests.support.keys import private_pem
from tests.unit.sp.idp import certificate

pytestmark = pytest.mark.interop

TARGETS = {
    "dashboard": {
        "client_id": CLIENT_ID,
        "initiate_login_uri": f"{APP}/sso?tenant=1",
        "target_link_uri": DASHBOARD,
    },
    "straight": {"client_id": CLIENT_ID, "cognito_authorize_url": f"{AUTHORIZE}?{urlencode(STRAIGHT)}"},
}


@pytest.fixture(scope="module")
def samlify() -> Iterator[SamlifyIdp]:
    with SamlifyIdp() as program:
        yield program


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SamlBridge]:
    with running_saml_bridge(tmp_path_factory.mktemp("saml-initiated")) as bridge:
        yield bridge


KEY, CERTIFICATE = certificate(37)


def declare(
    bridge: SamlBridge,
    *,
    initiated: Mapping[str, Any] | None = None,
    assertion: Mapping[str, Any] | None = None,
) -> None:
    """Write the connection, which takes what the IdP begins."""
    (bridge.folder / "idp.pem").write_text(CERTIFICATE)
    assertion = assertion or {}
    decryption = {"decryption_keys": [bridge.keys("decrypt", 33)]} if "encryption" in assertion else {}
    bridge.declare({
        "provider": {"single_sign_on_service": SSO, "certificates": [f"file:{bridge.folder / 'idp.pem'}"]},
        "signing_keys": [bridge.keys("sign", 32)],
        "initiated": {"targets": TARGETS, **(initiated or {})},
        "assertion": assertion,
        **decryption,
    })  # fmt: skip


@pytest.fixture(params=["samlify", "pysaml2"])
def idp(request: pytest.FixtureRequest, bridge: SamlBridge, samlify: SamlifyIdp, tmp_path: Any) -> Idp:
    declare(bridge)
    key = private_pem(KEY)
    if request.param == "samlify":
        settings = IdpSettings(entity_id=IDP, url=SSO, key=key, certificate=CERTIFICATE)
        return Samlify(program=samlify, settings=settings, bridge=bridge)
    server = Pysaml2Idp.configured(
        tmp_path, entity_id=IDP, sso=SSO, key=key, certificate=CERTIFICATE, sp_metadata=bridge.metadata()
    )
    return Pysaml2(idp=server, bridge=bridge)


@pytest.fixture
def neighbours() -> Iterator[Neighbours]:
    with Neighbours() as neighbours:
        thread = threading.Thread(target=neighbours.serve_forever)
        thread.start()
        try:
            yield neighbours
        finally:
            neighbours.shutdown()
            thread.join()


@pytest.fixture
def another(bridge: SamlBridge, neighbours: Neighbours) -> Iterator[Callable[[], Person]]:
    """Brings one more person, with a browser of their own, to the same app and pool."""
    declare(bridge)
    with ExitStack() as stack:
        pool = stack.enter_context(saml_trip(bridge)).pool
        neighbours.pool, neighbours.issuer = pool, f"{bridge.url}/saml-idp"
        origins = {APP: neighbours.url, POOL: neighbours.url}

        def bring() -> Person:
            browser = stack.enter_context(new_browser(origins=origins))
            return Person(bridge=bridge, pool=pool, browser=browser)

        yield bring


@pytest.fixture
def ana(another: Callable[[], Person]) -> Person:
    return another()


@pytest.mark.parametrize("both", [False, True], ids=["assertion", "both"])
def test_the_app_begins_and_the_person_is_signed_in_without_a_trip_to_the_idp(bridge, idp, ana, both):
    trip = ana.arrive(idp.initiate(both=both))
    assert stations(trip) == [
        "app.example /sso",
        f"{urlsplit(POOL).hostname} /oauth2/authorize",
        f"{urlsplit(bridge.url).hostname} /saml-idp/saml/login",
        f"{urlsplit(POOL).hostname} /oauth2/idpresponse",
    ]
    user = ana.sign_in_at(trip)
    assert user.attributes["email"] == "ana@example.com"
    assert user.claims["iss"] == f"{bridge.url}/saml-idp"


def test_the_identity_is_used_once_and_then_the_idp_is_asked_for_the_same_user(idp, ana):
    first = ana.sign_in_at(ana.arrive(idp.initiate()))
    second = ana.go(f"{AUTHORIZE}?{urlencode({**STRAIGHT, 'state': 'again'})}")
    query = to_idp(second)
    answer = ana.bring(idp.respond(query), dict(parse_qsl(query))["RelayState"])
    assert answer.status_code == 303, answer.text
    back = ana.go(answer.headers["location"])
    assert dict(parse_qsl(urlsplit(back.url).query))["state"] == "again"
    assert ana.pool.redeem(dict(parse_qsl(urlsplit(back.url).query))["code"]).username == first.username
    assert len(ana.pool.users) == 1


@pytest.mark.parametrize("browser", ["same", "another"])
def test_a_response_that_came_before_is_refused(idp, ana, another, caplog, browser):
    response = idp.initiate()
    ana.sign_in_at(ana.arrive(response))
    thief = ana if browser == "same" else another()
    refused = thief.bring(response)
    assert refused.status_code == 400
    assert "location" not in refused.headers
    assert "set-cookie" not in refused.headers
    assert reasons(caplog) == ["saml_assertion_replayed"]
    to_idp(thief.go(f"{AUTHORIZE}?{urlencode(STRAIGHT)}"))
    ana.sign_in_at(ana.arrive(idp.initiate()))


def test_another_browser_gets_nothing_of_it_and_uses_nothing_up(idp, ana, another):
    answer = ana.bring(idp.initiate())
    to_idp(another().go(answer.headers["location"]))
    ana.sign_in_at(ana.go(answer.headers["location"]))


def test_what_names_no_target_leads_nowhere(idp, ana, caplog):
    refused = ana.bring(idp.initiate(), "https://evil.example/")
    assert refused.status_code == 400
    assert "location" not in refused.headers
    assert reasons(caplog) == ["saml_target_unknown"]
    ana.sign_in_at(ana.arrive(idp.initiate()))


def test_what_was_changed_on_the_way_is_refused(idp, ana, neighbours):
    changed = base64.b64decode(idp.initiate()).replace(b"ana-at-the-idp", b"eve-at-the-idp")
    refused = ana.bring(base64.b64encode(changed).decode())
    assert refused.status_code == 400
    assert "location" not in refused.headers
    assert not neighbours.flows
    ana.sign_in_at(ana.arrive(idp.initiate()))


def test_the_answer_to_a_request_is_not_what_nobody_asked_for(idp, ana, another, caplog):
    """Stolen on its way, in a browser that did not ask, with a RelayState that leads to the app."""
    query = to_idp(ana.go(f"{AUTHORIZE}?{urlencode(STRAIGHT)}"))
    refused = another().bring(idp.respond(query))
    assert refused.status_code == 400
    assert "location" not in refused.headers
    assert reasons(caplog) == ["saml_in_response_to_mismatch"]


def test_with_a_login_hint_it_takes_the_app_to_bring_it_back(bridge, idp, ana, neighbours):
    declare(bridge, initiated={"require_login_hint": True})
    ana.sign_in_at(ana.arrive(idp.initiate()))
    neighbours.passes_hint = False
    to_idp(ana.arrive(idp.initiate()))


def test_a_connection_takes_it_only_if_it_says_so(bridge, idp, ana, caplog):
    bridge.declare({
        "provider": {"single_sign_on_service": SSO, "certificates": [f"file:{bridge.folder / 'idp.pem'}"]},
        "signing_keys": [bridge.keys("sign", 32)],
    })  # fmt: skip
    refused = ana.bring(idp.initiate())
    assert refused.status_code == 400
    assert "location" not in refused.headers
    assert reasons(caplog) == ["browser_cookie_missing"]


class TestStraightToCognito:
    """`cognito_authorize_url`: the app has not begun, so it has nothing to compare."""

    def test_an_app_that_compares_nothing_is_signed_in(self, idp, ana, neighbours):
        neighbours.compares = False
        trip = ana.arrive(idp.initiate(), "straight")
        assert "app.example /sso" not in stations(trip)
        assert "state" not in dict(parse_qsl(urlsplit(trip.url).query))
        assert ana.sign_in_at(trip, target=APP).attributes["email"] == "ana@example.com"
        to_idp(ana.go(f"{AUTHORIZE}?{urlencode(STRAIGHT)}"))  # It was used up.

    def test_an_app_that_compares_its_state_refuses_what_it_did_not_begin(self, idp, ana):
        trip = ana.arrive(idp.initiate(), "straight")
        assert trip.url.startswith(f"{CALLBACK}?code=")
        assert ana.browser.send(trip.next_request).status_code == 403


def test_samlify_encrypts_inside_a_signed_response(bridge, samlify, ana):
    declare(bridge, assertion={"signed": "both", "encryption": "required"})
    settings = IdpSettings(
        entity_id=IDP,
        url=SSO,
        key=private_pem(KEY),
        certificate=CERTIFICATE,
        encryption=AES_128_GCM,
        order="encrypt-then-sign",
    )
    response = Samlify(program=samlify, settings=settings, bridge=bridge).initiate(both=True)
    assert b"ana@example.com" not in base64.b64decode(response)
    assert ana.sign_in_at(ana.arrive(response)).attributes["email"] == "ana@example.com"


@pytest.mark.parametrize("both", [False, True], ids=["assertion", "both"])
def test_neither_names_a_request(idp, both):
    document = base64.b64decode(idp.initiate(both=both))
    assert b"InResponseTo" not in document
    assert document.count(b"SignatureValue>") == (4 if both else 2)


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what the operators read of refusals."""
    found = [vars(record).get("fields", {}).get("reason") for record in caplog.records]
    return [reason for reason in found if reason is not None]
