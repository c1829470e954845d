"""Group G of the checklist where Responses are fetched: what holds for a posted one holds for one behind an artifact."""

import threading
from dataclasses import dataclass, replace

import pytest

from fedbridge.model.saml import AssertionPolicy
from tests.negative.saml import ACS_PATH, SamlGateway, SamlVisitor
from tests.negative.saml_vectors import EVIL, VECTORS
from tests.support.gateway import Answer, assert_refused
from tests.unit.sp.artifacts import Answered, ArtifactIdp, ResolutionService, artifact
from tests.unit.sp.idp import GCM256, Message, encode


def service(gateway: SamlGateway) -> ResolutionService:
    """The IdP's artifact resolution service."""
    assert isinstance(gateway.saml_idp, ArtifactIdp)
    return gateway.saml_idp.service


@dataclass
class ArtifactVisitor(SamlVisitor):
    """A browser that brings artifacts."""

    def hold(self, message: Message | None = None) -> str:
        return service(self.gateway).hold(self.document(message or Message()))

    def bring(self, reference: str, *, method: str = "GET", name: str | None = None, **others: str) -> Answer:
        sent = {"SAMLart": reference, "RelayState": self.relay_state, **others}
        at, cookies = name or self.name, self.cookies
        if method == "GET":
            return self.gateway.send("GET", ACS_PATH, name=at, query=sent, cookies=cookies)
        return self.gateway.send("POST", ACS_PATH, name=at, form=sent, cookies=cookies)


def gateway_for(**policy):
    return SamlGateway(ArtifactIdp(policy=AssertionPolicy(**policy)))


@pytest.fixture
def gateway():
    return gateway_for()


@pytest.fixture(scope="module")
def gateways():
    return {}


def signs_in(gateway, method="GET"):
    visitor = ArtifactVisitor(gateway).start()
    policy = gateway.saml_idp.policy
    message = Message(signed=policy.signed, encrypt=GCM256 if policy.encryption == "required" else None)
    answer = visitor.bring(visitor.hold(message), method=method)
    assert answer.status == (302 if method == "GET" else 303), answer
    tokens = gateway.redeem(answer.location["code"])
    return gateway.read_userinfo(tokens.json["access_token"]).json


def assert_page(gateway, answer, reason):
    assert answer.status == 400, answer
    assert "location" not in answer.headers
    assert_refused(answer, reason)
    assert signs_in(gateway)["email"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_whole_sign_in(gateway, method):
    claims = signs_in(gateway, method)
    assert claims["email"] == "ana.saml@example.com"
    assert len(service(gateway).requests) == 1


def test_it_costs_what_every_sign_in_costs():
    """put, claim, authorize, redeem, read, and the one call that the protocol demands."""
    gateway = gateway_for()
    counted: list[str] = []

    class Counting:
        def __getattr__(self, name):
            counted.append(name)
            return getattr(gateway.bridge.store, name)

    counting = Counting()
    gateway.saml = replace(gateway.saml, transactions=counting)
    gateway.serve_with(transactions=counting)
    assert signs_in(gateway)["email"]
    assert counted == ["put", "claim", "authorize", "redeem", "read"]
    assert len(service(gateway).requests) == 1


OF_A_DOCUMENT = {"byte-order-mark", "trailing-text"}
"""Within another document these are a blank, and text that stands beside the Response: nothing that is read."""

FETCHED = sorted((each for each in VECTORS if each.name not in OF_A_DOCUMENT), key=str)


@pytest.mark.parametrize("vector", FETCHED, ids=str)
def test_cases_49_to_71_a_response_behind_an_artifact_is_refused_as_a_posted_one_is(gateways, vector):
    policy = {"signed": "assertion", **vector.policy}
    gateway = gateways.setdefault(tuple(sorted(policy.items())), gateway_for(**policy))
    visitor = ArtifactVisitor(gateway).start()
    # Unsigned, because the envelope is written here as text, around whatever the vector makes of the Response.
    service(gateway).answered = Answered(signed=False)
    answer = visitor.bring(service(gateway).hold(visitor.document(vector.message)))
    assert answer.status == 400, answer
    assert "location" not in answer.headers
    assert EVIL not in answer.body + str(answer.headers) + str(answer.events)
    (reason,) = answer.reasons
    # What breaks the text of a document breaks the envelope's, too, and may be called by another name.
    assert reason.startswith("saml_") if vector.message.text else reason == vector.reason


def test_case_70_an_artifact_is_sent_to_the_idp_once(gateway):
    visitor = ArtifactVisitor(gateway).start()
    reference = visitor.hold()
    first = visitor.bring(reference)
    again = visitor.bring(reference)
    assert first.status == again.status == 302
    assert again.location == first.location  # The same browser may be sent the same redirect again.
    assert len(service(gateway).requests) == 1
    assert gateway.redeem(first.location["code"]).status == 200
    after = visitor.bring(reference)
    assert_page(gateway, after, "sign_in_already_complete")
    assert len(service(gateway).requests) == 2  # the good sign-in's


def test_case_70_fifty_at_once_are_one_request_to_the_idp(gateway):
    visitor = ArtifactVisitor(gateway).start()
    reference, answers = visitor.hold(), []
    threads = [threading.Thread(target=lambda: answers.append(visitor.bring(reference))) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(service(gateway).requests) == 1
    codes = {answer.location["code"] for answer in answers if answer.status == 302}
    assert len(codes) == 1
    assert {answer.status for answer in answers} <= {302, 200}
    assert gateway.redeem(codes.pop()).status == 200


def test_case_70_an_artifact_that_failed_is_not_sent_again(gateway):
    visitor = ArtifactVisitor(gateway).start()
    service(gateway).answered = Answered(http_status=503)
    reference = visitor.hold()
    failed = visitor.bring(reference)
    assert failed.location["error"] == "temporarily_unavailable"
    service(gateway).answered = Answered()
    again = visitor.bring(reference)
    assert len(service(gateway).requests) == 1
    assert_page(gateway, again, "sign_in_already_failed")


def test_case_70_an_artifact_of_another_sign_in(gateway):
    """A stolen one is resolved, and its Response answers another request than that of the browser that brings it."""
    victim, thief = ArtifactVisitor(gateway).start(), ArtifactVisitor(gateway).start()
    assert_page(gateway, thief.bring(victim.hold()), "saml_in_response_to_mismatch")


def test_case_13_another_browser(gateway):
    visitor, other = ArtifactVisitor(gateway).start(), ArtifactVisitor(gateway).start()
    reference = visitor.hold()
    visitor.cookies = other.cookies
    answer = visitor.bring(reference)
    assert service(gateway).requests == []
    assert_page(gateway, answer, "browser_mismatch")


def test_case_13_no_cookie(gateway):
    visitor = ArtifactVisitor(gateway).start()
    visitor.cookies = ()
    answer = visitor.bring(visitor.hold())
    assert service(gateway).requests == []
    assert_page(gateway, answer, "browser_cookie_missing")


def test_case_15_at_another_connection(gateway):
    visitor = ArtifactVisitor(gateway).start()
    answer = visitor.bring(visitor.hold(), name="other")
    assert service(gateway).requests == []
    assert_page(gateway, answer, "state_unknown")


@pytest.mark.parametrize("relay_state", ["", "https://evil.example", "Z" * 43, "javascript:alert(1)"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_case_72_an_artifact_that_nobody_asked_for_is_sent_nowhere(gateway, method, relay_state):
    visitor = ArtifactVisitor(gateway).start()
    answer = visitor.bring(artifact(), method=method, RelayState=relay_state)
    assert service(gateway).requests == []
    assert_page(gateway, answer, "state_unknown")


def test_case_72_another_idps_artifact(gateway):
    visitor = ArtifactVisitor(gateway).start()
    answer = visitor.bring(artifact("https://other-idp.example"))
    assert service(gateway).requests == []
    assert_page(gateway, answer, "saml_artifact_source_mismatch")


def test_case_72_a_posted_response_where_artifacts_are_asked_for_is_a_downgrade(gateway):
    visitor = ArtifactVisitor(gateway).start()
    answer = visitor.post(SAMLResponse=encode(visitor.document(Message())))
    assert_page(gateway, answer, "response_mode_mismatch")


def test_case_72_both_at_once(gateway):
    visitor = ArtifactVisitor(gateway).start()
    answer = visitor.bring(visitor.hold(), method="POST", SAMLResponse=encode(visitor.document(Message())))
    assert service(gateway).requests == []
    assert_page(gateway, answer, "response_mode_mismatch")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_case_72_an_artifact_where_none_is_asked_for(method):
    gateway = SamlGateway()
    visitor = ArtifactVisitor(gateway).start()
    answer = visitor.bring(artifact(), method=method)
    assert answer.status == 400
    assert_refused(answer, "response_mode_mismatch")
    assert visitor.respond().status == 303  # Nothing was burnt.


def test_case_72_a_repeated_artifact(gateway):
    visitor = ArtifactVisitor(gateway).start()
    reference = visitor.hold()
    query = f"SAMLart={artifact()}&SAMLart={artifact()}&RelayState={visitor.relay_state}".replace("=&", "&")
    answer = gateway.send("GET", ACS_PATH, query=query.replace("+", "%2B"), cookies=visitor.cookies)
    assert service(gateway).requests == []
    assert_refused(answer, "repeated_parameter")
    assert visitor.bring(reference).status == 302
