"""SAML scenarios: sound connections, a provider whose answers the bridge takes, floors that can be measured, honest figures."""

import base64
from collections import Counter

import pytest
import xmlsec
from lxml import etree

from bench import floor, saml, saml_floor
from bench.cold import ColdStart
from bench.cold import figures as cold_figures
from bench.saml_identity_provider import response
from bench.saml_scenarios import ENCRYPTED, SCENARIOS, SIGNED, make_keys
from bench.saml_trip import SamlTrip, begin, resume
from bench.trip import HOPS, Trip, WrongAnswer
from bench.worker import Took
from bench.world import connection
from fedbridge.configuration.rules import problems_of
from fedbridge.configuration.urls import Allowed
from tests.unit.sp.idp import NS

BANK = connection("bank", "https://localhost:8443", "secretsmanager:fedbridge/bench/client-key")
EACH = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=lambda scenario: scenario.name)


@EACH
def test_a_scenario_is_a_connection_that_could_be_published(scenario):
    allowed = Allowed(local=False, private_hosts=frozenset())
    assert problems_of(scenario.connection(BANK), allowed) == []


@EACH
def test_every_reference_of_a_scenario_is_a_secret_that_is_made(scenario, tmp_path):
    made = {f"secretsmanager:{name}" for name in make_keys(tmp_path)}
    asked = scenario.connection(BANK).saml
    keys = (*asked.signing_keys, *asked.decryption_keys)
    assert {
        *asked.provider.certificates,
        *(key.key for key in keys),
        *(key.certificate for key in keys),
    } <= made


@EACH
def test_the_provider_signs_and_encrypts_as_the_scenario_says(scenario, tmp_path):
    make_keys(tmp_path)
    answer = response("_1", acs="https://a", sp="https://b", folder=tmp_path, encrypted=scenario.encrypted)
    root = etree.fromstring(base64.b64decode(answer))
    assert root.get("InResponseTo") == "_1"
    assert (root.find("saml:EncryptedAssertion", NS) is not None) is scenario.encrypted
    assert (root.find("saml:Assertion/ds:Signature", NS) is None) is scenario.encrypted


def test_the_floor_is_what_the_protocol_demands():
    took = {**dict.fromkeys(floor.operations(), 0.001), "xml_verify": 0.010, "xml_decrypt": 0.100}
    assert floor.total(took, SIGNED.floor) == pytest.approx(0.002 + 0.010)
    assert floor.total(took, ENCRYPTED.floor) == pytest.approx(0.002 + 0.010 + 0.100)


def test_every_operation_runs():
    took = floor.measure(saml_floor.operations(), 1)
    assert took.keys() == {"xml_verify", "xml_decrypt"}
    assert min(took.values()) > 0


def test_the_signature_check_of_the_floor_fails_on_an_assertion_that_was_changed():
    assertion, key = saml_floor.signed_assertion()
    saml_floor.verification(assertion, key)()
    (name_id,) = assertion.iterfind("saml:Subject/saml:NameID", NS)
    name_id.text = "somebody-else"
    with pytest.raises(xmlsec.Error):
        saml_floor.verification(assertion, key)()


def test_a_connection_decides_how_its_sign_in_goes(tmp_path):
    walk = begin(SIGNED.name, tmp_path)
    assert isinstance(walk, SamlTrip)
    assert walk.hops == ("login", "acs", "token", "jwks", "userinfo")
    assert type(begin("bank", tmp_path)) is Trip
    assert begin("bank", tmp_path).hops == HOPS
    walk.code = "kept"
    assert resume(vars(walk), tmp_path) == walk


SENT = {"location": "https://idp.bank.example/sso?SAMLRequest=r&RelayState=s&SigAlg=a&Signature=x"}


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": 200, "headers": SENT},
        {"statusCode": 302, "headers": {"location": SENT["location"].replace("idp.bank", "other")}},
        {"statusCode": 302, "headers": {"location": SENT["location"].partition("&SigAlg")[0]}},
    ],
    ids=["no redirect", "elsewhere", "not signed"],
)
def test_an_answer_that_is_no_sign_in_is_not_measured(tmp_path, answer):
    with pytest.raises(WrongAnswer):
        begin(SIGNED.name, tmp_path).took("login", answer)


@pytest.mark.parametrize(
    "calls,held",
    [
        ({"dynamodb:transactions:PutItem": 1, "dynamodb:transactions:UpdateItem": 4}, [True, True]),
        ({"dynamodb:transactions:PutItem": 2, "dynamodb:transactions:UpdateItem": 4}, [False, True]),
        ({"dynamodb:transactions:PutItem": 1, "secretsmanager:GetSecretValue": 1}, [True, False]),
        ({"dynamodb:transactions:PutItem": 1, "idp:/metadata": 1}, [True, False]),
    ],
)
def test_a_call_more_than_openid_connect_makes_is_a_budget_missed(calls, held):
    assert [figure.held for figure in saml.call_figures(SIGNED, Counter(calls))] == held


def test_a_sign_in_is_all_of_its_hops_beside_its_floor():
    costs = {"login": 0.002, "acs": 0.020, "token": 0.003, "jwks": 0.001, "userinfo": 0.001}
    trip = [Took(hop=hop, cpu=costs[hop], wall=1.0, log_lines=1, log_bytes=100) for hop in SamlTrip.hops]
    found = saml.cpu_figures(SIGNED, [[trip]] * 5, [0.004, 0.004, 0.005, 0.9, 0.001])
    assert [figure.value for figure in found] == [pytest.approx(value) for value in (2.0, 20.0, 27.0, 4.0)]


def test_its_init_is_told_beside_the_front_channels():
    def starts(init):
        return [ColdStart(init_cpu=init, init_wall=9, first_cpu=0.1, first_wall=9, peak_memory=1 << 20)] * 3

    given = dict.fromkeys(("stand-in", "back", "back, KMS", "front, callback", "saml, acs"), starts(1.0))
    found = {
        figure.name: figure for figure in cold_figures({**given, "front": starts(0.4), "saml": starts(0.6)})
    }
    assert found["init of the SAML function (/saml/login), CPU"].value == pytest.approx(600)
    assert found["init of the SAML function against the front channel's"].value == pytest.approx(1.5)
