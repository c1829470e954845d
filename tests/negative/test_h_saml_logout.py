"""H, SAML's single logout (cases 75 and 76, and 48 for RelayState), as events through the edge.

A request that is the IdP's, but names a session that is not known here, is answered with the status UnknownPrincipal and not
by a page, so that the IdP can go on with its other participants; nobody is signed out all the same.
"""

import base64
import re
import time
import tracemalloc
import zlib
from dataclasses import replace
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from fedbridge.errors import IssuerMismatch, StoreUnavailable, UserPoolError
from fedbridge.model.deadline import Deadline
from fedbridge.sp import names
from fedbridge.sp.idp import Certificate
from fedbridge.sp.redirect import MAX_INFLATED, signed_message
from tests.fakes.events import rest_event
from tests.negative.test_h_saml_initiated import UNSOLICITED, InitiatingIdp, Person
from tests.support.bridge import CLIENT, connection
from tests.support.gateway import assert_refused
from tests.support.keys import rsa_key
from tests.support.leaving import APP
from tests.support.single_logout import (
    HERE,
    INDEX,
    SLO,
    LeavingSamlGateway,
    LogoutMessage,
    SignedIn,
    deflated,
    message_of,
    status_of,
)
from tests.unit.sp.idp import (
    IDP,
    NAME_ID,
    NS,
    PERSISTENT,
    Message,
    SamlIdp,
    _sign,
    at,
    certificate,
    encode,
    sign,
)

BINDINGS = ("redirect", "post")
MORE = "http://www.w3.org/2001/04/xmldsig-more#"
STATUS = "urn:oasis:names:tc:SAML:2.0:status:"


@pytest.fixture
def gateway():
    return LeavingSamlGateway()


@pytest.fixture
def person(gateway):
    return SignedIn(gateway).sign_in()


def subject(gateway):
    """What Cognito calls the person."""
    ((_, username),) = set(gateway.left)
    return username


def assert_refused_here(gateway, answer, reason, *, status=400):
    """A page, nobody signed out; and the session is still there: the same IdP's next good request ends it."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "location" not in answer.headers
    assert_refused(answer, reason)
    assert gateway.left == []
    good = gateway.sent("redirect", LogoutMessage(id="_the-next-good-one"))
    assert status_of(message_of(good)[0]) == ["Success"]
    assert len(gateway.left) == 1


# --- what is right ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("binding", BINDINGS)
def test_a_request_of_the_idp_ends_the_users_sessions_and_is_answered(binding):
    gateway = LeavingSamlGateway(binding=binding)
    SignedIn(gateway).sign_in()
    answer = gateway.sent(binding, LogoutMessage(), relay_state="idp-trip")
    root, parameters = message_of(answer)
    assert answer.status == (302 if binding == "redirect" else 200)
    assert root.tag == f"{{{NS['samlp']}}}LogoutResponse"
    assert (root.get("InResponseTo"), root.get("Destination")) == ("_logout-1", SLO)
    assert status_of(root) == ["Success"]
    assert parameters["RelayState"] == "idp-trip"
    assert ("Signature" in parameters) == (binding == "redirect")
    assert (root.find("ds:Signature", NS) is not None) == (binding == "post")
    ((pool, username),) = gateway.left
    assert (pool, username.partition("_")[0]) == ("eu-west-1_AcmeStaff", "Acme")
    assert [name for name, _ in answer.events] == ["sessions_ended"]
    assert any(
        line.startswith("__Host-fedbridge-session-acme=;") and "Max-Age=0" in line for line in answer.cookies
    )


def test_an_answer_goes_by_the_binding_that_the_idp_takes_answers_by():
    gateway = LeavingSamlGateway(binding="post")
    SignedIn(gateway).sign_in()
    answer = gateway.sent("redirect", LogoutMessage())
    assert answer.status == 200
    assert status_of(message_of(answer)[0]) == ["Success"]


def test_our_answers_are_signed_over_the_octets_of_the_query(gateway, person):
    answer = gateway.sent("redirect", LogoutMessage(), relay_state="a b&c=d")
    assert_signed_by(6, answer.headers["location"], "SAMLResponse")


def assert_signed_by(number, url, name):
    signed, _, signature = urlsplit(url).query.rpartition("&Signature=")
    assert signed.startswith(f"{name}=")
    rsa_key(2048, number).public_key().verify(
        base64.b64decode(unquote(signature)), signed.encode(), padding.PKCS1v15(), hashes.SHA256()
    )


def test_a_request_without_sessions_ends_whom_it_names(gateway, person):
    gateway.sent("redirect", LogoutMessage(indices=()))
    assert len(gateway.left) == 1
    ended = subject(gateway)
    gateway.left.clear()
    gateway.sent("redirect", LogoutMessage(id="_logout-2"))
    assert subject(gateway) == ended


def test_one_known_session_among_several_is_enough(gateway, person):
    answer = gateway.sent("redirect", LogoutMessage(indices=("_another", INDEX, "_a-third")))
    assert status_of(message_of(answer)[0]) == ["Success"]
    assert len(gateway.left) == 1


def test_an_encrypted_name_is_decrypted():
    gateway = LeavingSamlGateway(SamlIdp().with_policy(encryption="optional"))
    SignedIn(gateway).sign_in()
    for number, binding in enumerate(BINDINGS):
        answer = gateway.sent(binding, LogoutMessage(id=f"_logout-{number}", encrypted=True))
        assert answer.status in {302, 303}, answer
    assert len(gateway.left) == 1  # The session was forgotten when it ended.


def test_an_encrypted_name_is_refused_where_nothing_is_encrypted(gateway, person):
    answer = gateway.sent("post", LogoutMessage(encrypted=True))
    assert_refused_here(gateway, answer, "saml_encrypted")


@pytest.mark.parametrize("name", sorted(set(names.SIGNATURES) - {"ES256", "ES384", "ES512"}))
def test_rsa_signatures_of_every_kind(gateway, person, name):
    answer = gateway.slo(query=gateway.query(LogoutMessage(), algorithm=names.SIGNATURES[name]))
    assert status_of(message_of(answer)[0]) == ["Success"]


def test_ecdsa_signatures():
    gateway = LeavingSamlGateway(SamlIdp(kind="EC"))
    SignedIn(gateway).sign_in(Message(authn={"SessionIndex": INDEX}, algorithm=MORE + "ecdsa-sha256"))
    answer = gateway.slo(query=gateway.query(LogoutMessage(), algorithm=MORE + "ecdsa-sha256"))
    assert status_of(message_of(answer)[0]) == ["Success"]


# --- 75: signatures and sizes ----------------------------------------------------------------------------------------


def piece(query, name):
    (found,) = [each for each in query.split("&") if each.startswith(f"{name}=")]
    return found


def reencoded(query):
    """The same parameters with other escapes: lower case, as some libraries write them."""
    message = piece(query, "SAMLRequest")
    changed = re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), message)
    assert changed != message
    return query.replace(message, changed)


QUERIES = {
    "unsigned": (lambda q: piece(q, "SAMLRequest"), "saml_signature_missing"),
    "a Signature without SigAlg": (
        lambda q: f"{piece(q, 'SAMLRequest')}&{piece(q, 'Signature')}",
        "saml_signature_missing",
    ),
    "SigAlg without a Signature": (lambda q: q.partition("&Signature=")[0], "saml_signature_missing"),
    "an empty Signature": (
        lambda q: f"{q.partition('&Signature=')[0]}&Signature=",
        "saml_signature_invalid",
    ),
    "re-encoded": (reencoded, "saml_signature_invalid"),
    "re-ordered": (
        lambda q: "&".join([piece(q, "SigAlg"), piece(q, "SAMLRequest"), piece(q, "Signature")]),
        "saml_query_refused",
    ),
    "the Signature in front": (
        lambda q: "&".join([piece(q, "Signature"), piece(q, "SAMLRequest"), piece(q, "SigAlg")]),
        "saml_signature_missing",
    ),
    "another parameter that is not signed": (lambda q: f"{q}&RelayState=x", "saml_query_refused"),
    "another parameter in between": (
        lambda q: q.replace("&SigAlg", "&SAMLEncoding=x&SigAlg"),
        "saml_query_refused",
    ),
    "a name in escapes": (lambda q: q.replace("SAMLRequest", "%53AMLRequest"), "saml_query_refused"),
    "another RelayState": (
        lambda q: q.replace("&SigAlg", "&RelayState=other&SigAlg"),
        "saml_signature_invalid",
    ),
}


@pytest.mark.parametrize("case", QUERIES.values(), ids=QUERIES)
def test_case_75_a_query_that_is_not_signed_as_it_is(gateway, person, case):
    change, reason = case
    answer = gateway.slo(query=change(gateway.query(LogoutMessage())))
    assert_refused_here(gateway, answer, reason)


def test_case_75_another_relay_state_than_was_signed(gateway, person):
    query = gateway.query(LogoutMessage(), relay_state="mine")
    answer = gateway.slo(query=query.replace("RelayState=mine", "RelayState=yours"))
    assert_refused_here(gateway, answer, "saml_signature_invalid")


def test_case_75_a_relay_state_that_was_signed_and_left_out(gateway, person):
    query = gateway.query(LogoutMessage(), relay_state="mine")
    assert_refused_here(
        gateway, gateway.slo(query=query.replace("&RelayState=mine", "")), "saml_signature_invalid"
    )


@pytest.mark.parametrize(
    "algorithm",
    [NS["ds"] + "rsa-sha1", MORE + "rsa-md5", MORE + "hmac-sha256", NS["ds"] + "dsa-sha1", "", "RS256"],
)
def test_case_75_an_algorithm_that_is_not_accepted(gateway, person, algorithm):
    query = gateway.query(LogoutMessage())
    changed = query.replace(piece(query, "SigAlg"), f"SigAlg={quote(algorithm, safe='')}")
    assert_refused_here(gateway, gateway.slo(query=changed), "saml_algorithm_refused")


def test_case_75_a_genuine_sha_1_signature(gateway, person):
    query = gateway.query(LogoutMessage(), algorithm=NS["ds"] + "rsa-sha1")
    assert_refused_here(gateway, gateway.slo(query=query), "saml_algorithm_refused")


@pytest.mark.parametrize("binding", BINDINGS)
def test_case_75_a_signature_by_another_key(gateway, person, binding):
    key, _ = certificate(2)
    answer = gateway.sent(binding, LogoutMessage(), key=key)
    assert_refused_here(gateway, answer, "saml_signature_invalid")


def test_case_75_an_algorithm_for_another_kind_of_key(gateway, person):
    query = gateway.query(LogoutMessage())
    changed = query.replace(piece(query, "SigAlg"), f"SigAlg={quote(MORE + 'ecdsa-sha256', safe='')}")
    assert_refused_here(gateway, gateway.slo(query=changed), "saml_signature_invalid")


def test_case_75_an_unsigned_message_by_post(gateway, person):
    form = {"SAMLRequest": encode(etree.tostring(LogoutMessage().root()))}
    assert_refused_here(gateway, gateway.slo(form=form), "saml_signature_missing")


def test_case_75_a_sha_1_signature_by_post(gateway, person):
    form = gateway.form(LogoutMessage(), algorithm=NS["ds"] + "rsa-sha1", digest=NS["ds"] + "sha1")
    assert_refused_here(gateway, gateway.slo(form=form), "saml_algorithm_refused")


def test_case_75_the_redirect_signature_does_not_count_in_a_form(gateway, person):
    form = dict(parse_qsl(gateway.query(LogoutMessage())))
    form["SAMLRequest"] = encode(etree.tostring(LogoutMessage().root()))
    assert_refused_here(gateway, gateway.slo(form=form), "saml_signature_missing")


def test_case_75_a_signed_document_does_not_count_in_a_query(gateway, person):
    root = LogoutMessage().root()
    sign(root, gateway.saml_idp.key, gateway.saml_idp.pem)
    query = urlencode({"SAMLRequest": deflated(etree.tostring(root))})
    assert_refused_here(gateway, gateway.slo(query=query), "saml_signature_missing")


def test_case_75_a_second_signature_within_a_query_is_not_looked_at_but_refused(gateway, person):
    message = LogoutMessage(before=lambda root: sign(root, *certificate(2)))
    assert_refused_here(gateway, gateway.sent("redirect", message), "saml_signature_refused")


def child(parent, name):
    (found,) = parent.findall(name, NS)
    return found


def wrapped(root):
    """XSW: the signed request inside of another one, which names somebody else."""
    original = etree.fromstring(etree.tostring(root))
    root.set("ID", "_evil")
    child(root, "saml:NameID").text = "somebody-else"
    extensions = etree.SubElement(root, f"{{{NS['samlp']}}}Extensions")
    extensions.append(original)
    original.remove(child(original, "ds:Signature"))


def test_case_75_a_signed_request_wrapped_in_another_one(gateway, person):
    root = LogoutMessage().root()
    sign(root, gateway.saml_idp.key, gateway.saml_idp.pem)
    wrapped(root)
    answer = gateway.slo(form={"SAMLRequest": encode(etree.tostring(root))})
    assert_refused_here(gateway, answer, "saml_structure_refused")


def test_case_75_what_was_signed_and_changed_afterwards(gateway, person):
    root = LogoutMessage().root()
    sign(root, gateway.saml_idp.key, gateway.saml_idp.pem)
    child(root, "saml:NameID").text = "somebody-else"
    answer = gateway.slo(form={"SAMLRequest": encode(etree.tostring(root))})
    assert_refused_here(gateway, answer, "saml_signature_invalid")


def signed_by_idp(gateway, value, name="SAMLRequest"):
    """A query with anything in the message's place, signed by the IdP."""
    algorithm = MORE + "rsa-sha256"
    signed = urlencode({name: value, "SigAlg": algorithm}, quote_via=quote, safe="")
    signature = base64.b64encode(_sign(gateway.saml_idp.key, algorithm, signed.encode())).decode()
    return f"{signed}&Signature={quote(signature, safe='')}"


def bomb(times=1000):
    """A message that inflates to a thousand times its size."""
    deflate = zlib.compressobj(9, wbits=-15)
    return base64.b64encode(deflate.compress(b"<x>" + b" " * times * 5000) + deflate.flush()).decode()


def test_case_75_a_deflate_bomb_that_nobody_signed_is_not_inflated(gateway, person):
    assert len(bomb()) < 8000
    assert_refused_here(
        gateway, gateway.slo(query=urlencode({"SAMLRequest": bomb()})), "saml_signature_missing"
    )


def test_case_75_a_deflate_bomb_of_the_idp_is_inflated_no_further_than_the_cap(gateway, person):
    assert MAX_INFLATED <= 1024 * 1024
    query = signed_by_idp(gateway, bomb())
    tracemalloc.start()
    try:
        answer = gateway.slo(query=query)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
    assert_refused_here(gateway, answer, "saml_response_too_large")


MALFORMED = {
    "no base64": "***",
    "no deflate": base64.b64encode(b"\xff" * 40).decode(),
    "cut off": base64.b64encode(base64.b64decode(deflated(b"<x/>" * 9))[:-4]).decode(),
    "more behind it": base64.b64encode(base64.b64decode(deflated(b"<x/>")) + b"more").decode(),
    "not deflated": encode("<x/>"),
    "empty": "",
}


@pytest.mark.parametrize("value", MALFORMED.values(), ids=MALFORMED)
def test_case_75_what_is_no_message(gateway, person, value):
    answer = gateway.slo(query=signed_by_idp(gateway, value))
    assert_refused_here(gateway, answer, "saml_response_malformed")


def test_case_75_a_message_with_a_dtd(gateway, person):
    text = b'<!DOCTYPE x [<!ENTITY a "b">]>' + etree.tostring(LogoutMessage().root())
    assert_refused_here(
        gateway, gateway.slo(query=signed_by_idp(gateway, deflated(text))), "saml_markup_refused"
    )


def test_case_75_a_form_beyond_the_cap(gateway, person):
    answer = gateway.slo(form={"SAMLRequest": "A" * 100_001})
    assert_refused_here(gateway, answer, "saml_response_too_large")


@pytest.mark.parametrize(
    ("query", "status", "reason"),
    [
        ("", 400, "saml_message_missing"),
        ("RelayState=x", 400, "saml_message_missing"),
        ("SAMLRequest=a&SAMLResponse=b", 400, "saml_message_missing"),
        ("SAMLRequest=a&SAMLRequest=b", 400, "repeated_parameter"),
        ("SAMLRequest=%", 400, "malformed_encoding"),
        (f"SAMLRequest={'A' * 9000}", 413, "query_too_long"),
    ],
    ids=["nothing", "RelayState alone", "both", "twice", "a broken escape", "too long"],
)
def test_case_75_a_query_that_is_no_delivery(gateway, person, query, status, reason):
    assert_refused_here(gateway, gateway.slo(query=query), reason, status=status)


def test_case_75_a_rest_api_has_lost_the_query_and_takes_post(gateway, person):
    query = gateway.query(LogoutMessage())
    event = rest_event("GET", "/{connection}/saml/slo", "acme", query=query)
    result = gateway.invoke(event, "saml/slo")
    assert result["statusCode"] == 400
    assert gateway.left == []
    assert gateway.bridge.telemetry.events[-1][1]["reason"] == "saml_query_lost"
    body = urlencode(gateway.form(LogoutMessage())).encode()
    headers = [("content-type", "application/x-www-form-urlencoded")]
    event = rest_event("POST", "/{connection}/saml/slo", "acme", headers=headers, body=body)
    assert gateway.invoke(event, "saml/slo")["statusCode"] in {200, 303}
    assert len(gateway.left) == 1


# --- 76: another subject, session, connection or time ----------------------------------------------------------------

OTHERS = {
    "another subject": {"name_id": f'<saml:NameID Format="{PERSISTENT}">bob</saml:NameID>'},
    "another session": {"indices": ("_another",)},
    "another qualifier": {
        "name_id": f'<saml:NameID Format="{PERSISTENT}" NameQualifier="https://other.example">{NAME_ID}</saml:NameID>'
    },
    "another service provider's name": {
        "name_id": f'<saml:NameID Format="{PERSISTENT}" SPNameQualifier="https://other.example">{NAME_ID}</saml:NameID>'
    },
}


@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.parametrize("fields", OTHERS.values(), ids=OTHERS)
def test_case_76_another_subject_or_session_ends_nobodys(gateway, person, fields, binding):
    answer = gateway.sent(binding, LogoutMessage(**fields))
    assert status_of(message_of(answer)[0]) == ["Requester", "UnknownPrincipal"]
    assert gateway.left == []
    assert answer.reasons == ["logout_session_unknown"]
    gateway.sent("redirect", LogoutMessage(id="_the-next-good-one"))
    assert len(gateway.left) == 1


def test_case_76_a_session_of_another_connection_of_the_same_idp(gateway, person):
    at_other = LogoutMessage(destination=HERE.replace("acme", "other"))
    answer = gateway.slo(query=gateway.query(at_other), name="other")
    assert status_of(message_of(answer)[0]) == ["Requester", "UnknownPrincipal"]
    assert gateway.left == []


REFUSED = {
    "for another connection": ({"destination": HERE.replace("acme", "other")}, "saml_destination_mismatch"),
    "without destination": ({"destination": None}, "saml_destination_mismatch"),
    "for the ACS": ({"destination": HERE.replace("slo", "acs")}, "saml_destination_mismatch"),
    "of another issuer": ({"issuer": "<saml:Issuer>https://evil.example</saml:Issuer>"}, "saml_issuer_mismatch"),
    "without issuer": ({"issuer": ""}, "saml_issuer_mismatch"),
    "with two issuers": ({"issuer": f"<saml:Issuer>{IDP}</saml:Issuer>" * 2}, "saml_structure_refused"),
    "expired": ({"not_on_or_after": at(-120)}, "saml_expired"),
    "valid for days": ({"not_on_or_after": at(3 * 86400)}, "saml_validity_too_long"),
    "with no time at all": ({"not_on_or_after": "tomorrow"}, "saml_time_malformed"),
    "old": ({"issue_instant": at(-1000)}, "saml_issue_instant_refused"),
    "from the future": ({"issue_instant": at(1000)}, "saml_issue_instant_refused"),
    "without a time": ({"issue_instant": None}, "saml_time_malformed"),
    "as an answer": ({"in_response_to": "_request"}, "saml_in_response_to_mismatch"),
    "of SAML 1.1": ({"version": "1.1"}, "saml_version_refused"),
    "without ID": ({"id": None}, "saml_structure_refused"),
    "without a name": ({"name_id": ""}, "saml_name_id_malformed"),
    "with an empty name": ({"name_id": "<saml:NameID/>"}, "saml_name_id_malformed"),
    "with two names": ({"name_id": "<saml:NameID>a</saml:NameID><saml:NameID>b</saml:NameID>"}, "saml_structure_refused"),
    "with an empty session": ({"indices": ("",)}, "saml_structure_refused"),
    "with too many sessions": ({"indices": ("x",) * 33}, "saml_structure_refused"),
    "with an assertion": ({"extra": "<saml:Assertion/>"}, "saml_structure_refused"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_case_76_a_request_that_is_not_for_us_or_not_for_now(gateway, person, case):
    fields, reason = case
    assert_refused_here(gateway, gateway.sent("redirect", LogoutMessage(**fields)), reason)


@pytest.mark.parametrize("second", BINDINGS)
def test_case_76_a_request_is_taken_once(gateway, person, second):
    assert status_of(message_of(gateway.sent("redirect", LogoutMessage()))[0]) == ["Success"]
    gateway.left.clear()
    SignedIn(gateway).sign_in()
    assert_refused_here(gateway, gateway.sent(second, LogoutMessage()), "saml_logout_replayed")


def test_case_76_a_request_that_could_not_be_carried_out_may_come_again(gateway, person):
    gateway.bridge.user_pools.failure = UserPoolError(reason="user_pool_unavailable")
    answer = gateway.sent("redirect", LogoutMessage())
    assert status_of(message_of(answer)[0]) == ["Responder"]
    assert answer.reasons == ["user_pool_unavailable"]
    gateway.bridge.user_pools.failure = None
    assert status_of(message_of(gateway.sent("redirect", LogoutMessage()))[0]) == ["Success"]
    assert len(gateway.left) == 1


def test_case_76_an_assertion_or_response_is_no_logout_request(gateway, person):
    document = gateway.saml_idp.document(Message(signed="response"))
    assert_refused_here(
        gateway, gateway.slo(form={"SAMLRequest": encode(document)}), "saml_structure_refused"
    )


def test_case_76_a_logout_request_is_no_response(gateway, person):
    form = {"SAMLResponse": gateway.form(LogoutMessage())["SAMLRequest"]}
    assert_refused_here(gateway, gateway.slo(form=form), "saml_structure_refused")
    visitor = SignedIn(gateway).start()
    answer = visitor.post(SAMLResponse=gateway.form(LogoutMessage(id="_x"))["SAMLRequest"])
    assert answer.status == 400


def test_a_connection_without_single_logout_has_no_such_service(gateway):
    now = gateway.bridge.registry.get("acme", Deadline.after(20))
    gateway.bridge.registry.put(replace(now, saml=replace(now.saml, logout=None)))
    answer = gateway.sent("redirect", LogoutMessage())
    assert answer.status == 404
    assert answer.reasons == ["logout_not_offered"]


@pytest.mark.parametrize("relay_state", ["x" * 81, "ä" * 41])
def test_case_48_a_relay_state_that_is_too_long(gateway, person, relay_state):
    answer = gateway.sent("redirect", LogoutMessage(), relay_state=relay_state)
    assert_refused_here(gateway, answer, "saml_relay_state_refused")


@pytest.mark.parametrize("relay_state", ["https://evil.example/", "javascript:alert(1)", "//evil.example"])
def test_case_48_a_relay_state_is_never_a_way(gateway, person, relay_state):
    """It goes back to the IdP that sent it, and of an answer it is our own state or nothing."""
    answer = gateway.sent("redirect", LogoutMessage(), relay_state=relay_state)
    assert message_of(answer)[1]["RelayState"] == relay_state
    asked = person.sign_in().leave()
    request, _ = message_of(asked)
    forged = gateway.sent(
        "redirect",
        LogoutMessage(kind="LogoutResponse", in_response_to=request.get("ID")),
        relay_state=relay_state,
    )
    assert forged.status == 400
    assert "location" not in forged.headers


# --- the way out from here -------------------------------------------------------------------------------------------


def answered(gateway, asked, binding="redirect", **fields):
    request, parameters = message_of(asked)
    message = LogoutMessage(kind="LogoutResponse", id="_answer", in_response_to=request.get("ID"))
    return gateway.sent(binding, replace(message, **fields), relay_state=parameters["RelayState"])


@pytest.mark.parametrize("binding", BINDINGS)
def test_a_sign_out_goes_to_the_idp_and_comes_back_to_a_registered_address(binding):
    gateway = LeavingSamlGateway(binding=binding)
    person = SignedIn(gateway).sign_in()
    asked = person.leave(client_id=CLIENT, post_logout_redirect_uri=APP, state="app-state")
    request, parameters = message_of(asked)
    assert request.tag == f"{{{NS['samlp']}}}LogoutRequest"
    assert request.get("Destination") == SLO
    assert request.get("NotOnOrAfter")
    name_id = child(request, "saml:NameID")
    assert (name_id.text, name_id.get("Format")) == (NAME_ID, PERSISTENT)
    assert [each.text for each in request.findall("samlp:SessionIndex", NS)] == [INDEX]
    assert (request.find("ds:Signature", NS) is not None) == (binding == "post")
    back = answered(gateway, asked, binding)
    assert back.status == (302 if binding == "redirect" else 303)
    assert back.headers["location"].startswith("https://bridge.example/acme/logout/callback?state=")
    assert back.location == {"state": parameters["RelayState"]}
    landed = gateway.send("GET", "logout/callback", query=back.location, cookies=person.cookies)
    assert landed.headers["location"] == f"{APP}?state=app-state"


def test_the_address_of_cognito_leads_to_the_function_of_the_protocol(gateway, person):
    asked = person.leave("logout", client_id=CLIENT, post_logout_redirect_uri=APP)
    url = urlsplit(asked.headers["location"])
    assert (asked.status, url.path) == (302, "/acme/saml/logout")
    assert dict(parse_qsl(url.query)) == {"client_id": CLIENT, "post_logout_redirect_uri": APP}
    assert person.leave("logout").headers["location"] == "https://bridge.example/acme/saml/logout"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_samls_own_address_sends_no_other_connection_round_in_a_circle(gateway, method):
    gateway.bridge.registry.put(connection("plain"))
    answer = gateway.send(method, "saml/logout", name="plain", form={} if method == "POST" else None)
    assert (answer.status, answer.headers.get("location")) == (404, None)
    assert gateway.bridge.telemetry.events[-1][1]["reason"] == "other_protocol"


def test_a_browser_without_a_session_lands_at_once(gateway):
    answer = SignedIn(gateway).leave(client_id=CLIENT, post_logout_redirect_uri=APP)
    assert answer.headers["location"] == APP


def test_other_participants_that_stayed_signed_in_do_not_matter(gateway, person):
    asked = person.leave()
    status = (STATUS + "Responder", STATUS + "PartialLogout")
    assert answered(gateway, asked, status=status).status == 302


ANSWERS = {
    "of another request": ({"in_response_to": "_another"}, "saml_in_response_to_mismatch", 400),
    "of no request": ({"in_response_to": None}, "saml_in_response_to_mismatch", 400),
    "for another address": ({"destination": HERE + "/"}, "saml_destination_mismatch", 400),
    "of another issuer": (
        {"issuer": "<saml:Issuer>https://evil.example</saml:Issuer>"},
        "saml_issuer_mismatch",
        400,
    ),
    "old": ({"issue_instant": at(-1000)}, "saml_issue_instant_refused", 400),
    "refused by the IdP": ({"status": (STATUS + "Requester",)}, "saml_status_refused", 503),
    "without status": ({"status": ()}, "saml_status_malformed", 400),
}


@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.parametrize("case", ANSWERS.values(), ids=ANSWERS)
def test_case_75_an_answer_that_is_none_leads_nowhere(gateway, person, case, binding):
    fields, reason, status = case
    answer = answered(gateway, person.leave(), binding, **fields)
    assert answer.status == status
    assert "location" not in answer.headers
    assert_refused(answer, reason)


def test_case_75_an_unsigned_answer_leads_nowhere(gateway, person):
    request, parameters = message_of(person.leave())
    message = LogoutMessage(kind="LogoutResponse", in_response_to=request.get("ID"))
    unsigned = {
        "SAMLResponse": encode(etree.tostring(message.root())),
        "RelayState": parameters["RelayState"],
    }
    assert_refused(gateway.slo(form=unsigned), "saml_signature_missing")
    query = urlencode({**unsigned, "SAMLResponse": deflated(etree.tostring(message.root()))})
    assert_refused(gateway.slo(query=query), "saml_signature_missing")


def test_another_browser_learns_nothing_from_an_answer(gateway, person):
    back = answered(gateway, person.leave(client_id=CLIENT, post_logout_redirect_uri=APP))
    landed = gateway.send("GET", "logout/callback", query=back.location)
    assert landed.status == 200
    assert "location" not in landed.headers


def test_without_the_store_nobody_is_asked_and_the_sign_out_lands(gateway, person):
    class Down:
        def read(self, session_id, deadline):
            raise StoreUnavailable(reason="store_unavailable")

    gateway.saml = replace(gateway.saml, sessions=Down())
    answer = person.leave(client_id=CLIENT, post_logout_redirect_uri=APP)
    assert answer.headers["location"] == APP


def test_the_metadata_name_the_service_where_there_is_one(gateway):
    root = etree.fromstring(gateway.send("GET", "saml/metadata").body.encode())
    found = {
        (each.get("Binding", "").rpartition(":")[2], each.get("Location"))
        for each in root.iter(f"{{{NS['md']}}}SingleLogoutService")
    }
    assert found == {("HTTP-Redirect", HERE), ("HTTP-POST", HERE)}


def test_another_certificate_verifies_nothing(gateway):
    query = gateway.query(LogoutMessage())
    _, pem = certificate(2)
    other = Certificate(pem=pem, not_before=0, not_after=time.time() + 60)
    with pytest.raises(IssuerMismatch, match="saml_signature_invalid"):
        signed_message(query, "SAMLRequest", accepted=names.SIGNATURES, certificates=[other])


def test_a_sign_in_that_the_idp_began_is_kept_and_ended_like_any_other():
    gateway = LeavingSamlGateway(InitiatingIdp())
    person = Person(gateway)
    statement = replace(UNSOLICITED, authn={"SessionIndex": INDEX})
    assert person.arrive(statement).status == 303
    assert "code" in person.log_in().location
    assert "__Host-fedbridge-session-acme" in person.jar
    assert status_of(message_of(gateway.sent("redirect", LogoutMessage()))[0]) == ["Success"]
    assert len(gateway.left) == 1
