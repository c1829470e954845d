"""Group G of the checklist: the assertion consumer service. The table of Responses is in saml_vectors.py."""

import copy
import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
import xmlsec
from lxml import etree

from fedbridge.model.saml import AssertionPolicy
from fedbridge.sp import xml
from tests.negative.saml import (
    ABSENT,
    ACS_PATH,
    SamlGateway,
    SamlVisitor,
    assert_page,
    assert_sent_back,
    signs_in,
)
from tests.negative.saml_vectors import EVIL, VECTORS, element, evil_assertion, of, part
from tests.support.bridge import REDIRECT_URI
from tests.support.machine import ROOT
from tests.unit.sp.idp import (
    CBC256,
    GCM256,
    NS,
    PASSWORD,
    PERSISTENT,
    Message,
    SamlIdp,
    certificate,
    encode,
    sign,
)

STATUS = "urn:oasis:names:tc:SAML:2.0:status:"


def gateway_for(policy):
    return SamlGateway(SamlIdp(policy=AssertionPolicy(**policy)))


@pytest.fixture(scope="module")
def gateways():
    """One warm process a policy, as a function's sandbox is."""
    return {}


@pytest.fixture
def gateway():
    return SamlGateway()


@pytest.fixture
def refused(gateways):
    """Bring a vector's Response to the ACS: a page, the vector's reason, nothing issued, and the next sign-in works."""

    def check(vector):
        policy = {"signed": "assertion", **vector.policy}
        gateway = gateways.setdefault(tuple(sorted(policy.items())), gateway_for(policy))
        answer = SamlVisitor(gateway).start().respond(vector.message)
        # Another kind of signature than the policy's would be refused for that; the good sign-in is of the policy's kind.
        assert EVIL not in answer.body + str(answer.headers) + str(answer.events)
        gateway.mend = lambda: None
        content = {"required": GCM256, "optional": None}.get(policy.get("encryption", ""))
        assert_page_with(gateway, answer, vector.reason, content, policy)

    return check


def assert_page_with(gateway, answer, reason, content, policy):
    good = Message(signed=policy["signed"], encrypt=CBC256 if policy.get("allow_aes_cbc") else content)
    assert SamlVisitor(gateway).start().respond(good).status == 303
    assert_page(gateway, answer, reason)


def test_there_are_at_least_120_responses_and_each_has_a_name_of_its_own():
    assert len(VECTORS) >= 120
    assert len({str(vector) for vector in VECTORS}) == len(VECTORS)


def case(number):
    return pytest.mark.parametrize("vector", of(number), ids=[vector.name for vector in of(number)])


@case(49)
def test_case_49_what_must_be_signed_is_not(refused, vector):
    refused(vector)


@case(51)
def test_case_51_two_of_what_there_is_one_of(refused, vector):
    refused(vector)


@case(52)
def test_case_52_a_reference_to_anything_but_its_parent(refused, vector):
    refused(vector)


@case(53)
def test_case_53_transforms(refused, vector):
    refused(vector)


@case(54)
def test_case_54_key_info_chooses_no_key(refused, vector):
    refused(vector)


@case(55)
def test_case_55_algorithms(refused, vector):
    refused(vector)


@case(56)
def test_case_56_inside_the_signatures_values(refused, vector):
    refused(vector)


@case(57)
def test_case_57_inside_the_values_that_are_read(refused, vector):
    refused(vector)


@case(58)
def test_case_58_doctypes_and_entities(refused, vector):
    refused(vector)


@case(59)
def test_case_59_encodings(refused, vector):
    refused(vector)


@case(60)
def test_case_60_namespaces_and_identifiers(refused, vector):
    refused(vector)


@case(61)
def test_case_61_sizes(refused, vector):
    refused(vector)


@case(62)
def test_case_62_the_answer_to_another_request(refused, vector):
    refused(vector)


@case(63)
def test_case_63_audiences(refused, vector):
    refused(vector)


@case(64)
def test_case_64_recipient_and_destination(refused, vector):
    refused(vector)


@case(65)
def test_case_65_times(refused, vector):
    refused(vector)


@case(66)
def test_case_66_issuers(refused, vector):
    refused(vector)


@case(67)
def test_case_67_a_status_that_is_none(refused, vector):
    refused(vector)


@case(68)
def test_case_68_name_ids_and_confirmations(refused, vector):
    refused(vector)


@case(69)
def test_case_69_attributes(refused, vector):
    refused(vector)


@case(71)
def test_case_71_encryption(refused, vector):
    refused(vector)


# --- 50: signature wrapping -----------------------------------------------------------------------------------------


def evil_response(root):
    evil = copy.deepcopy(root)
    evil.set("ID", "_evil_response")
    for signature in evil.findall("ds:Signature", NS):
        evil.remove(signature)
    part(evil, "saml:Assertion").set("ID", "_evil_of_response")
    part(evil, "saml:Assertion/saml:Subject/saml:NameID").text = EVIL
    return evil


def into_signature(signature, original):
    holder = etree.SubElement(signature, f"{{{NS['ds']}}}Object")
    holder.append(original)


def without_signature(found):
    bare = copy.deepcopy(found)
    for signature in bare.findall("ds:Signature", NS):
        bare.remove(signature)
    return bare


def wrapped(root, number, *, first):
    """Return the document of attack XSW `number` (Somorovsky et al., "On Breaking SAML", 2012; SAML Raider's numbers)."""
    if number in {1, 2}:
        evil = evil_response(root)
        signature = root.find("ds:Signature", NS)
        if signature is None:
            signature = part(root, "saml:Assertion/ds:Signature")
        moved = copy.deepcopy(signature)
        original = without_signature(root)
        if number == 1:
            into_signature(moved, original)
            evil.insert(1 if first else len(evil), moved)
        else:
            evil.insert(1 if first else len(evil), original)
            evil.append(moved)
        return evil
    assertion, evil = part(root, "saml:Assertion"), evil_assertion(root)
    index = root.index(assertion)
    if number == 3:
        root.insert(index if first else index + 1, evil)
    elif number == 4:
        root.replace(assertion, evil)
        evil.insert(1 if first else len(evil), assertion)
    elif number in {5, 6}:
        original = without_signature(assertion)
        assertion.set("ID", "_evil")
        part(assertion, "saml:Subject/saml:NameID").text = EVIL
        signature = assertion.find("ds:Signature", NS)
        signature = part(root, "ds:Signature") if signature is None else signature
        if number == 5:
            root.insert(index if first else len(root), original)
        else:
            into_signature(signature, original)
            if not first:
                assertion.append(signature)
    elif number == 7:
        extensions = element("<samlp:Extensions/>")
        extensions.append(evil)
        root.insert(1 if first else len(root), extensions)
    else:
        signature = assertion.find("ds:Signature", NS)
        signature = part(root, "ds:Signature") if signature is None else signature
        original = without_signature(assertion)
        part(assertion, "saml:Subject/saml:NameID").text = EVIL
        into_signature(signature, original)
        if not first:
            assertion.append(signature)
    return root


@pytest.mark.parametrize("first", [True, False], ids=["evil-first", "evil-last"])
@pytest.mark.parametrize("signed", ["response", "assertion", "both"])
@pytest.mark.parametrize("number", range(1, 9))
def test_case_50_signature_wrapping(gateways, number, signed, first):
    gateway = gateways.setdefault(signed, gateway_for({"signed": signed}))
    visitor = SamlVisitor(gateway).start()
    document = visitor.document(Message(signed=signed))
    hostile = wrapped(etree.fromstring(document), number, first=first)
    assert EVIL in etree.tostring(hostile, encoding="unicode")
    answer = visitor.post(SAMLResponse=encode(etree.tostring(hostile)))
    (reason,) = answer.reasons
    assert reason in {
        "saml_structure_refused", "saml_signature_refused", "saml_signature_invalid", "saml_rejected",
    }  # fmt: skip
    assert EVIL not in answer.body + str(answer.headers) + str(answer.events)
    assert_page(gateway, answer, reason)


# --- what is accepted, so that the table proves something ----------------------------------------------------------


@pytest.mark.parametrize("signed", ["assertion", "response", "both"])
@pytest.mark.parametrize("content", [None, GCM256, "http://www.w3.org/2009/xmlenc11#aes128-gcm"])
def test_the_good_response_of_the_table_is_accepted(signed, content):
    gateway = gateway_for({"signed": signed, "encryption": "optional"})
    answer = SamlVisitor(gateway).start().respond(Message(signed=signed, encrypt=content))
    assert answer.status == 303
    assert "code" in answer.location


@pytest.mark.parametrize("seconds", [-57, 57])
def test_clocks_may_differ_by_less_than_a_minute(gateway, seconds):
    from tests.unit.sp.idp import at

    message = Message(issue_instant=at(seconds), assertion_instant=at(seconds))
    assert "code" in SamlVisitor(gateway).start().respond(message).location


def test_a_signed_declaration_and_line_breaks_are_no_harm(gateway):
    visitor = SamlVisitor(gateway).start()
    document = '<?xml version="1.0" encoding="utf-8" standalone="yes"?>\n' + visitor.document(Message())
    text = encode(document)
    lines = "\r\n".join(text[i : i + 76] for i in range(0, len(text), 76))
    assert "code" in visitor.post(SAMLResponse=lines).location


# --- 52, 53, 71: nothing is opened ---------------------------------------------------------------------------------


def test_case_52_a_fifo_is_not_opened(gateway, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    visitor = SamlVisitor(gateway).start()

    def before(root):
        sign(part(root, "saml:Assertion"), *certificate(1), uri=f"file://{fifo}")

    answer = visitor.respond(Message(signed="none", before=before))
    with pytest.raises(OSError, match="No such device or address"):
        os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)  # Nobody reads.
    assert_page(gateway, answer, "saml_signature_refused")


def test_case_52_xmlsec_itself_reads_no_file_any_more(tmp_path):
    """m4: were a reference to get past the allow-list, the library would not follow it."""
    assert xml.MAX_RESPONSE
    file = tmp_path / "file.txt"
    file.write_text("x")
    root = etree.fromstring(f'<samlp:Response xmlns:samlp="{NS["samlp"]}" ID="_r"/>')
    key, pem = certificate(1)
    signature = sign(root, key, pem, uri=file.as_uri(), transforms="")
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatCertPem)
    with pytest.raises(xmlsec.Error):
        context.verify(signature)


@pytest.mark.timeout(50)
def test_all_the_hostile_documents_together_cost_less_than_64_mib():
    """m1 to m3: none hangs, and none makes the process grow. In a child, which the system would end."""
    program = """
import resource, sys, warnings
warnings.simplefilter("ignore")
from fedbridge.errors import FedbridgeError
from fedbridge.model.saml import AssertionPolicy
from tests.negative.saml_vectors import VECTORS
from tests.unit.sp.idp import SamlIdp
forms = []
for vector in VECTORS:
    idp = SamlIdp(policy=AssertionPolicy(**vector.policy))
    forms.append((idp, idp.form(vector.message)))
SamlIdp().accept()
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
refused = 0
for idp, form in forms:
    try:
        idp.finish(form)
    except FedbridgeError:
        refused += 1
print(refused, len(forms), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "shared"), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    refused, tried, grown = map(int, done.stdout.split())
    assert refused == tried == len(VECTORS)
    assert grown < 64 * 1024


# --- 58, 59, 61: before anything is parsed -------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-7"])
def test_case_59_other_encodings_than_utf_8(gateway, encoding):
    visitor = SamlVisitor(gateway).start()
    document = visitor.document(Message())
    # Python's UTF-7 leaves the angle brackets as they are, an attacker's does not.
    octets = document.replace("<", "+ADw-").encode() if encoding == "utf-7" else document.encode(encoding)
    assert_page(gateway, visitor.post(SAMLResponse=encode(octets)), "saml_response_malformed")


@pytest.mark.parametrize(
    "octets", [b"\xc0\xbc", b"\xff", b"\xed\xa0\x80"], ids=["overlong", "invalid", "surrogate"]
)
def test_case_59_what_is_no_utf_8(gateway, octets):
    visitor = SamlVisitor(gateway).start()
    document = visitor.document(Message()).encode().replace(b"</saml:NameID>", octets + b"</saml:NameID>")
    assert_page(gateway, visitor.post(SAMLResponse=encode(document)), "saml_response_malformed")


@pytest.mark.parametrize("text", ["!", "AAA", "PHg+ PC94Pg==", "PHg-_w==", "====", "é"])
def test_case_61_what_is_no_base64(gateway, text):
    answer = SamlVisitor(gateway).start().post(SAMLResponse=text)
    assert_page(gateway, answer, "saml_response_malformed")


def test_case_61_the_size_is_decided_before_anything_is_decoded(gateway):
    answer = SamlVisitor(gateway).start().post(SAMLResponse="!" * 100_001)
    assert_page(gateway, answer, "saml_response_too_large")


def test_case_61_six_megabytes(gateway):
    answer = SamlVisitor(gateway).start().post(SAMLResponse="A" * 6_000_000)
    assert_page(gateway, answer, "body_too_large", status=413)


# --- 67: what the IdP says went wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "codes,error,logged",
    [
        (("Responder", "AuthnFailed"), "access_denied", "AuthnFailed"),
        (("Responder", "RequestDenied"), "access_denied", "RequestDenied"),
        (("Responder", "UnknownPrincipal"), "access_denied", "UnknownPrincipal"),
        (("Responder", "NoAuthnContext"), "access_denied", "NoAuthnContext"),
        (("Responder", "NoPassive"), "login_required", "NoPassive"),
        (("Requester",), "server_error", "Requester"),
        (("Responder",), "server_error", "Responder"),
        (("VersionMismatch",), "server_error", "VersionMismatch"),
        (("Responder", "urn:x <b>evil</b>"), "server_error", "free_text"),
    ],
)
@pytest.mark.parametrize("signed", ["none", "response"])
def test_case_67_what_the_idp_says_becomes_a_registered_code(gateway, codes, error, logged, signed):
    def value(code):
        return (code if ":" in code else STATUS + code).replace("<", "&lt;")

    inner = "".join(f'<samlp:StatusCode Value="{value(code)}"/>' for code in codes[1:])
    status = (
        f'<samlp:Status><samlp:StatusCode Value="{value(codes[0])}">{inner}</samlp:StatusCode>'
        "<samlp:StatusMessage>text of the IdP</samlp:StatusMessage></samlp:Status>"
    )
    answer = SamlVisitor(gateway).start().respond(Message(status=status, assertions="", signed=signed))
    (event,) = [fields for name, fields in answer.events if name == "sign_in_failed"]
    assert event["upstream_code"] == logged
    assert "text of the IdP" not in str(answer.events) + answer.headers["location"]
    assert_sent_back(gateway, answer, error, "saml_status_refused")


@pytest.mark.parametrize(
    "message,reason",
    [
        (Message(in_response_to="_other"), "saml_in_response_to_mismatch"),
        (Message(destination="https://evil.example/acs"), "saml_destination_mismatch"),
        (Message(issuer="<saml:Issuer>https://other.example</saml:Issuer>"), "saml_issuer_mismatch"),
    ],
    ids=["request", "destination", "issuer"],
)
def test_case_67_an_error_that_answers_something_else_is_not_passed_on(gateway, message, reason):
    status = f'<samlp:Status><samlp:StatusCode Value="{STATUS}Responder"/></samlp:Status>'
    hostile = replace(message, status=status, assertions="", signed="none")
    assert_page(gateway, SamlVisitor(gateway).start().respond(hostile), reason)


def test_case_67_an_error_with_a_wrong_signature_is_not_passed_on(gateway):
    status = f'<samlp:Status><samlp:StatusCode Value="{STATUS}Responder"/></samlp:Status>'
    message = Message(
        status=status, assertions="", signed="none", before=lambda root: sign(root, *certificate(2))
    )
    assert_page(gateway, SamlVisitor(gateway).start().respond(message), "saml_signature_invalid")


def test_case_69_two_addresses_are_none(gateway):
    value = "<saml:AttributeValue>{}@example.com</saml:AttributeValue>"
    attributes = f'<saml:AttributeStatement><saml:Attribute Name="email">{value.format("a")}{value.format("b")}</saml:Attribute></saml:AttributeStatement>'
    answer = SamlVisitor(gateway).start().respond(Message(attributes=attributes))
    assert_sent_back(gateway, answer, "server_error", "saml_attribute_ambiguous")


# --- 70: replay -----------------------------------------------------------------------------------------------------


def test_case_70_the_same_response_again_gets_the_same_code_and_never_a_second(gateway):
    visitor = SamlVisitor(gateway).start()
    form = {"SAMLResponse": encode(visitor.document(Message()))}
    first, second = visitor.post(**form), visitor.post(**form)
    assert first.location["code"] == second.location["code"]
    assert gateway.redeem(first.location["code"]).status == 200
    third = visitor.post(**form)
    assert third.status == 400
    assert third.reasons == ["sign_in_already_complete"]


def test_case_70_fifty_at_once(gateway):
    visitor = SamlVisitor(gateway).start()
    form = {"SAMLResponse": encode(visitor.document(Message()))}
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(visitor.post(**form))) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    codes = {answer.location["code"] for answer in answers if answer.status == 303}
    assert len(codes) == 1
    assert {answer.status for answer in answers} <= {200, 303}
    authorized = [name for name, _ in gateway.bridge.telemetry.events if name == "sign_in_authorized"]
    assert len(authorized) == 1


def test_case_70_a_response_in_another_sign_in_of_the_same_browser(gateway):
    first = SamlVisitor(gateway).start()
    form = {"SAMLResponse": encode(first.document(Message()))}
    assert "code" in first.post(**form).location
    second = SamlVisitor(gateway, cookies=first.cookies).start()
    assert_page(gateway, second.post(**form), "saml_in_response_to_mismatch")


def test_case_70_the_same_assertion_in_a_fresh_envelope(gateway):
    first = SamlVisitor(gateway).start()
    used = etree.fromstring(first.document(Message()))
    assert "code" in first.post(SAMLResponse=encode(etree.tostring(used))).location
    second = SamlVisitor(gateway, cookies=first.cookies).start()
    used.set("InResponseTo", second.request_id)
    used.set("ID", "_fresh")
    answer = second.post(SAMLResponse=encode(etree.tostring(used)))
    assert_page(gateway, answer, "saml_confirmation_refused")


# --- 72: the form ---------------------------------------------------------------------------------------------------


def test_case_72_by_get(gateway):
    visitor = SamlVisitor(gateway).start()
    query = {"RelayState": visitor.relay_state, "SAMLResponse": "PHg+"}
    answer = gateway.send("GET", ACS_PATH, query=query, cookies=visitor.cookies)
    assert_page(gateway, answer, "response_mode_mismatch")
    assert "code" in visitor.respond().location


def test_case_72_a_request_beside_the_response(gateway):
    visitor = SamlVisitor(gateway).start()
    answer = visitor.post(SAMLResponse=encode(visitor.document(Message())), SAMLRequest="PHg+")
    assert_page(gateway, answer, "saml_response_missing")


def test_case_72_two_responses(gateway):
    visitor = SamlVisitor(gateway).start()
    form = f"RelayState={visitor.relay_state}&SAMLResponse=PHg%2B&SAMLResponse=PHg%2B"
    answer = gateway.send(
        "POST",
        ACS_PATH,
        body=form.encode(),
        headers=[("content-type", "application/x-www-form-urlencoded")],
        cookies=visitor.cookies,
    )
    assert_page(gateway, answer, "repeated_parameter")


@pytest.mark.parametrize(
    "relay_state",
    [ABSENT, "", "x", "https://elsewhere.example/", "javascript:alert(1)", "A" * 43, "x" * 2048],
)
def test_case_72_a_relay_state_that_is_no_handle_of_ours(gateway, relay_state):
    visitor = SamlVisitor(gateway).start()
    answer = visitor.post(SAMLResponse=encode(visitor.document(Message())), RelayState=relay_state)
    assert_page(gateway, answer, "state_unknown")
    assert REDIRECT_URI not in answer.body


def test_case_72_the_state_of_one_connection_at_the_acs_of_another(gateway):
    visitor = SamlVisitor(gateway).start()
    form = {"SAMLResponse": encode(visitor.document(Message())), "RelayState": visitor.relay_state}
    answer = gateway.send("POST", ACS_PATH, name="other", form=form, cookies=visitor.cookies)
    assert_page(gateway, answer, "state_unknown")
    assert "code" in visitor.respond().location


def test_case_72_another_browser(gateway):
    visitor = SamlVisitor(gateway).start()
    stranger = SamlVisitor(gateway).start()
    form = {"SAMLResponse": encode(visitor.document(Message())), "RelayState": visitor.relay_state}
    for cookies, reason in ((stranger.cookies, "browser_mismatch"), ((), "browser_cookie_missing")):
        assert_page(gateway, gateway.send("POST", ACS_PATH, form=form, cookies=cookies), reason)
    assert "code" in visitor.respond().location


def test_a_connection_of_another_protocol_has_no_saml_route_and_a_saml_connection_no_other(gateway):
    from tests.support.bridge import connection

    gateway.bridge.registry.put(connection("plain"))
    assert SamlVisitor(gateway, "plain").login().status == 404
    assert gateway.send("GET", "authorize", query={"client_id": "cognito"}).status == 404
    assert gateway.send("GET", "callback", query={"state": "S" * 43, "code": "x"}).status == 404


def test_an_assertion_whose_name_id_alone_is_encrypted():
    from tests.unit.sp.idp import NAME_ID, encrypt

    def before(root):
        encrypt(part(root, "saml:Assertion/saml:Subject/saml:NameID"), container="saml:EncryptedID")

    idp = SamlIdp(policy=AssertionPolicy(encryption="optional"))
    encrypted = idp.accept(Message(before=before))
    assert encrypted.subject == idp.accept().subject
    hidden = idp.document(Message(before=before))
    assert NAME_ID not in hidden
    assert PERSISTENT in idp.document(Message())
    assert encrypted.acr == PASSWORD


def test_every_good_sign_in_is_one(gateway):
    assert signs_in(gateway)["sub"] == signs_in(gateway)["sub"]
    assert signs_in(gateway, "other")["sub"] != signs_in(gateway)["sub"]
