"""Case 160 and the budgets for SAML: what a sign-in costs, what junk costs, and that no input finds another way out."""

import base64
import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedbridge.errors import FedbridgeError
from fedbridge.model.http import Parameters
from tests.negative.saml import ACS_PATH, LOGIN, SamlGateway, SamlVisitor, signs_in
from tests.support.bridge import CLIENT
from tests.support.counting import Counted
from tests.unit.sp.idp import STATE, Message, SamlIdp, encode


@pytest.fixture
def gateway():
    return SamlGateway()


def counted(gateway):
    """Count what all the functions reach for; SAML's front channel shares store and connections with the other one."""
    counting = Counted(gateway)
    gateway.saml = replace(
        gateway.saml,
        transactions=gateway.bridge.front.transactions,
        connections=gateway.bridge.front.connections,
    )
    return counting


def test_a_sign_in_makes_five_store_calls_as_with_openid_connect(gateway):
    counting = counted(gateway)
    signs_in(gateway)
    store = {name: count for name, count in counting.calls.items() if name.startswith("store.")}
    assert store == {
        "store.put": 1,
        "store.claim": 1,
        "store.authorize": 1,
        "store.redeem": 1,
        "store.read": 1,
    }


@pytest.mark.parametrize(
    "query",
    [{}, {"client_id": "somebody-else"}, {"client_id": CLIENT, "redirect_uri": "https://evil.example/"}],
)
def test_case_160_an_unproven_request_signs_and_stores_nothing(gateway, query):
    signed = []
    gateway.saml_idp.ports.signer = lambda *_: signed.append(1)
    counting = counted(gateway)
    answer = gateway.send("GET", LOGIN, query=query)
    assert answer.status == 400
    counting.assert_nothing()
    assert signed == []


@pytest.mark.parametrize("response", ["", "x", "A" * 100_000, encode("<x/>")])
def test_case_160_junk_at_the_acs_costs_nothing(gateway, response):
    visitor = SamlVisitor(gateway).start()
    counting = counted(gateway)
    for relay_state in ("", "x", "https://evil.example/"):
        form = {"SAMLResponse": response, "RelayState": relay_state}
        assert gateway.send("POST", ACS_PATH, form=form, cookies=visitor.cookies).status == 400
    counting.assert_nothing()


unhurried = settings(
    deadline=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def idp():
    return SamlIdp()


@unhurried
@given(seed=st.integers(0, 2**32), changes=st.integers(1, 4))
def test_no_damage_to_a_response_makes_anybody_else_of_its_person(idp, seed, changes):
    """Whatever is done to the octets: it is refused by one of our errors, or says what it said."""
    chance = random.Random(seed)
    octets = bytearray(idp.document(Message()).encode())
    good = idp.finish(Parameters(SAMLResponse=base64.b64encode(octets).decode(), RelayState=STATE))
    for _ in range(changes):
        at, kind = chance.randrange(len(octets)), chance.randrange(3)
        if kind == 0:
            octets[at] = chance.choice(b"<>/&'\"= \n\tAZaz09#:;-!?\x00\xff")
        elif kind == 1:
            del octets[at : at + chance.randrange(1, 200)]
        else:
            piece = octets[at : at + chance.randrange(1, 400)]
            octets[chance.randrange(len(octets)) : 0] = piece
    try:
        identity = idp.finish(Parameters(SAMLResponse=base64.b64encode(octets).decode(), RelayState=STATE))
    except FedbridgeError:
        return
    assert replace(identity, auth_time=good.auth_time) == good


@unhurried
@given(
    text=st.one_of(
        st.text(max_size=400), st.binary(max_size=400).map(lambda octets: base64.b64encode(octets).decode())
    )
)
def test_nothing_that_is_no_response_is_more_than_refused(idp, text):
    with pytest.raises(FedbridgeError):
        idp.finish(Parameters(SAMLResponse=text, RelayState=STATE))
