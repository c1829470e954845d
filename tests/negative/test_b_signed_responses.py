"""Cases 16, 17 and 20 on JWT-secured authorization responses (JARM), and 13, 15 and 160 on finding their sign-in.

Each is refused before the code goes anywhere: the token endpoint hears nothing.
"""

import hmac
import json
from dataclasses import replace

import pytest

from fedbridge.errors import IssuerMismatch, KeyUnavailable, UpstreamError
from fedbridge.jws import b64url, encode_json
from fedbridge.model.connection import AuthorizationRequestProfile, IdTokenPolicy
from fedbridge.model.deadline import Deadline
from fedbridge.model.policies import AuthorizationResponsePolicy
from tests.support.counting import Counted
from tests.support.gateway import Gateway, Visitor, assert_page, assert_refused, assert_sent_back
from tests.unit.rp.encryption import decrypting, decryption_key, encrypt
from tests.unit.rp.idp import (
    CLIENT_ID,
    ISSUER,
    STATE,
    FakeIdp,
    KeyDecrypter,
    connection,
    private_key,
    public_jwk,
    sign,
)

MODES = {"jwt": "GET", "query.jwt": "GET", "form_post.jwt": "POST"}
PROFILE = AuthorizationRequestProfile(response_mode="jwt")


def signed(**fields):
    return connection(**{"authorization": PROFILE, **fields})


def encrypted(encryption="required"):
    return signed(
        authorization_response=AuthorizationResponsePolicy(encryption=encryption),
        token_decryption=decrypting(),
    )


def refused(idp, response, at=None, kind=UpstreamError):
    """Return the failure of a sign-in that this response should have finished; the next one succeeds."""
    at = at or signed()
    redirect = idp.begin(at)
    redeemed = len(idp.http.calls(idp.url("/token")))
    parameters = response if isinstance(response, dict) else {"response": response}
    with pytest.raises(kind) as failure:
        idp.finish(redirect, at, **parameters)
    assert len(idp.http.calls(idp.url("/token"))) == redeemed
    assert failure.value.error in {"server_error", "access_denied"}
    good = idp.response_jwt()
    if at.token_decryption is not None:
        good = encrypt(good, decryption_key())
    assert idp.finish(idp.begin(at), at, response=good).subject == "ana"
    return failure.value


def altered(token, part, text):
    segments = token.split(".")
    segments[part] = text
    return ".".join(segments)


# --- 20: plain where a JWT was asked for, and the reverse -----------------------------------------------------------------


@pytest.fixture
def gateway():
    gateway = Gateway()
    gateway.connect(FakeIdp(), authorization=PROFILE)
    return gateway


PLAIN = [
    {"code": "x"},
    {"error": "access_denied"},
    {"code": "x", "iss": ISSUER},
    {"code": "x", "response": "{response}"},
    {"error": "access_denied", "response": "{response}"},
]


@pytest.mark.parametrize("parameters", PLAIN, ids=str)
def test_case_20_plain_parameters_in_the_place_of_a_jwt_or_beside_it(gateway, parameters):
    """A downgrade, errors included; nothing is moved, so that the signed response still arrives."""
    browser = Visitor(gateway)
    state = browser.start()
    response = gateway.idp.response_jwt(state=state)
    counted = Counted(gateway)
    sent = {name: value.format(response=response) for name, value in parameters.items()}
    answer = browser.callback(state, **sent)
    counted.assert_nothing()
    arrived = browser.callback_raw(f"response={response}")
    assert gateway.redeem(arrived.location["code"]).status == 200
    assert_page(gateway, answer, "response_mode_mismatch")


@pytest.mark.parametrize("parameters", [{"code": "x"}, {"error": "access_denied"}, {}])
def test_case_20_the_relying_partys_side_takes_no_plain_response_either(parameters):
    """The configuration may have changed during the trip; the sign-in ends on the one that it began with."""
    failure = refused(FakeIdp(), {"state": STATE, **parameters})
    assert failure.reason == "authorization_response_unsigned"


@pytest.mark.parametrize(("mode", "method"), MODES.items())
def test_case_20_a_jwt_comes_another_way_than_it_was_asked_for(mode, method):
    gateway = Gateway()
    gateway.connect(FakeIdp(), authorization=AuthorizationRequestProfile(response_mode=mode))
    browser = Visitor(gateway)
    state = browser.start()
    counted = Counted(gateway)
    wrong = {"GET": "POST", "POST": "GET"}[method]
    answer = browser.callback(state, method=wrong)
    counted.assert_nothing()
    assert answer.status == 400
    assert_refused(answer, "response_mode_mismatch")
    arrived = browser.callback(state, method=method)
    assert arrived.status == (302 if method == "GET" else 303)
    assert gateway.redeem(arrived.location["code"]).status == 200


# --- 20: the JWT itself -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None])
def test_case_20_alg_none(alg):
    idp = FakeIdp()
    header = {"alg": alg} if alg is not None else {}
    unsigned = f"{b64url(encode_json(header))}.{b64url(encode_json(idp.response_claims()))}."
    assert refused(idp, unsigned).reason == "authorization_response_algorithm_refused"


def test_case_20_keyed_with_the_public_key():
    rsa = private_key("RS256")
    idp = FakeIdp(key=rsa, algorithm="RS256")
    at = signed(
        authorization_response=AuthorizationResponsePolicy(algorithms=("RS256",)),
        id_token=IdTokenPolicy(algorithms=("RS256",)),
    )
    signing_input = f"{b64url(encode_json({'alg': 'HS256', 'kid': rsa.kid}))}.{b64url(payload(idp))}"
    mac = hmac.digest(rsa.as_pem(private=False), signing_input.encode(), "sha256")
    assert (
        refused(idp, f"{signing_input}.{b64url(mac)}", at).reason
        == "authorization_response_algorithm_refused"
    )


def payload(idp, **claims):
    return json.dumps(idp.response_claims(**claims)).encode()


def test_case_20_another_algorithm_than_the_pinned_one():
    idp, rsa = FakeIdp(), private_key("RS256")
    idp.serve_keys(public_jwk(idp.key), public_jwk(rsa))
    response = sign({"alg": "RS256", "kid": rsa.kid}, payload(idp), rsa)
    assert refused(idp, response).reason == "authorization_response_algorithm_refused"


def test_case_20_a_strangers_key_under_the_idps_name():
    idp, stranger = FakeIdp(), private_key("ES256", 3)
    response = sign({"alg": "ES256", "kid": idp.key.kid}, payload(idp), stranger)
    assert refused(idp, response).reason == "authorization_response_signature_invalid"
    response = sign({"alg": "ES256", "kid": stranger.kid}, payload(idp), stranger)
    assert refused(idp, response).reason == "authorization_response_key_unknown"


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
def test_case_20_a_key_that_the_response_brings_along(member):
    idp, stranger = FakeIdp(), private_key("ES256", 3)
    brought = {
        "jwk": public_jwk(stranger),
        "jku": "https://evil.example/jwks",
        "x5u": "https://evil.example/certificate",
        "x5c": ["AAAA"],
    }
    header = {"alg": "ES256", "kid": stranger.kid, member: brought[member]}
    assert refused(idp, sign(header, payload(idp), stranger)).reason == "authorization_response_key_unknown"
    assert all(request.url.startswith(ISSUER) for request in idp.http.sent)


@pytest.mark.parametrize("name", ["code", "state", "iss", "aud", "exp"])
def test_case_20_another_claim_under_the_same_signature(name):
    idp = FakeIdp()
    claims = idp.response_claims()
    claims[name] = claims[name] + (1 if name == "exp" else "x")
    response = altered(idp.response_jwt(), 1, b64url(encode_json(claims)))
    assert refused(idp, response).reason == "authorization_response_signature_invalid"


@pytest.mark.parametrize("signature", ["", "A" * 86, b64url(b"\0" * 64), "A" * 85])
def test_case_20_no_signature_of_anybodys(signature):
    idp = FakeIdp()
    response = altered(idp.response_jwt(), 2, signature)
    assert refused(idp, response).reason in {
        "authorization_response_signature_invalid",
        "authorization_response_malformed",
    }


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        ("x", "authorization_response_malformed"),
        ("a.b", "authorization_response_malformed"),
        ("a.b.c", "authorization_response_malformed"),
        ("a.b.c.d", "authorization_response_malformed"),
        ("a.b.c.d.e", "authorization_response_encrypted"),
        ("e30.e30.", "authorization_response_algorithm_refused"),
        ("W10.e30.", "authorization_response_malformed"),
        ("e30=.e30.", "authorization_response_malformed"),
        ("x" * 70_000 + ".e30.", "authorization_response_malformed"),
    ],
    ids=range(9),
)
def test_case_20_what_is_no_jwt(response, reason):
    assert refused(FakeIdp(), response).reason == reason


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"crit": ["exp"]}, "authorization_response_header_refused"),
        ({"b64": False}, "authorization_response_header_refused"),
        ({"cty": "JWT"}, "authorization_response_header_refused"),
        ({"typ": "at+jwt"}, "authorization_response_type_refused"),
        ({"typ": "logout+jwt"}, "authorization_response_type_refused"),
        ({"kid": "../../etc/passwd\n"}, "authorization_response_kid_malformed"),
        ({"kid": ["a"]}, "authorization_response_kid_malformed"),
    ],
)
def test_case_20_a_header_that_means_something_else(header, reason):
    idp = FakeIdp()
    # Through the serializer of JSON alone: joserfc would refuse to make some of these.
    signed_part = {"alg": "ES256", "kid": idp.key.kid, **header}
    response = f"{b64url(encode_json(signed_part))}.{b64url(payload(idp))}.{'A' * 86}"
    assert refused(idp, response).reason == reason


@pytest.mark.parametrize(
    "document",
    [
        b'{"iss":"x","iss":"y"}',
        b'{"exp":NaN}',
        b"[]",
        b"null",
        b"",
        b'"x"',
        b"[" * 100_000,
        b'{"a":"\xff"}',
        b'{"state":"\\ud800"}',
    ],
    ids=range(9),
)
def test_case_100_json_that_reads_in_two_ways(document):
    idp = FakeIdp()
    response = sign({"alg": "ES256", "kid": idp.key.kid}, document[:40_000], idp.key)
    assert refused(idp, response).reason == "authorization_response_malformed"


WRONG = [
    ({"state": None}, "state_mismatch"),
    ({"state": ""}, "state_mismatch"),
    ({"state": "B" * 43}, "state_mismatch"),
    ({"state": STATE.lower()}, "state_mismatch"),
    ({"state": STATE + " "}, "state_mismatch"),
    ({"state": [STATE]}, "state_mismatch"),
    ({"state": "\u00e9" * 43}, "state_mismatch"),
    ({"aud": None}, "audience_mismatch"),
    ({"aud": ""}, "audience_mismatch"),
    ({"aud": "other"}, "audience_mismatch"),
    ({"aud": CLIENT_ID + "/"}, "audience_mismatch"),
    ({"aud": CLIENT_ID.upper()}, "audience_mismatch"),
    ({"aud": []}, "audience_mismatch"),
    ({"aud": [CLIENT_ID, "other"]}, "audience_mismatch"),
    ({"aud": [CLIENT_ID, CLIENT_ID]}, "audience_mismatch"),
    ({"aud": {CLIENT_ID: 1}}, "audience_mismatch"),
    ({"aud": True}, "audience_mismatch"),
    ({"exp": None}, "time_malformed"),
    ({"exp": "4102444800"}, "time_malformed"),
    ({"exp": True}, "time_malformed"),
    ({"exp": [1]}, "time_malformed"),
    ({"exp": 0}, "expired"),
    ({"exp": -1}, "expired"),
    ({"exp": 1_800_000_000 - 60}, "expired"),
    ({"nbf": 1_800_000_000 + 61}, "not_yet_valid"),
    ({"nbf": "1"}, "time_malformed"),
    ({"iat": 1_800_000_000 + 61}, "from_the_future"),
    ({"iat": "1"}, "time_malformed"),
    ({"code": 7}, "parameter_malformed"),
    ({"code": ["x"]}, "parameter_malformed"),
    ({"code": True}, "parameter_malformed"),
    ({"code": None, "error": {"a": 1}}, "parameter_malformed"),
    ({"code": None}, "empty"),
    ({"code": ""}, "empty"),
    ({"error": "access_denied"}, "ambiguous"),
]


@pytest.mark.parametrize(("claims", "reason"), WRONG, ids=str)
def test_case_20_a_claim_is_missing_or_wrong(claims, reason):
    idp = FakeIdp()
    failure = refused(idp, idp.response_jwt(**claims))
    assert failure.reason == f"authorization_response_{reason}"


@pytest.mark.parametrize("code", ["x" * 2049, "a\r\nSet-Cookie: x", "a\x00b", "é"])
def test_case_17_a_code_that_could_not_travel(code):
    idp = FakeIdp()
    assert refused(idp, idp.response_jwt(code=code)).reason == "authorization_code_malformed"


@pytest.mark.parametrize("outcome", [{}, {"code": None, "error": "access_denied"}])
@pytest.mark.parametrize(
    "iss",
    [
        None,
        "",
        f"{ISSUER}/",
        "https://IDP.example",
        "http://idp.example",
        f"{ISSUER}:443",
        "https://b.example",
        [ISSUER],
        7,
        {"a": 1},
    ],
    ids=str,
)
def test_case_16_another_issuer_inside_the_jwt(iss, outcome):
    idp = FakeIdp()
    failure = refused(idp, idp.response_jwt(iss=iss, **outcome), kind=IssuerMismatch)
    assert failure.reason == "authorization_response_iss_mismatch"


def test_case_97_an_id_token_is_no_response():
    """It has the right issuer, audience, times and signature."""
    idp = FakeIdp()
    redirect = idp.begin(signed())
    with pytest.raises(UpstreamError) as failure:
        idp.finish(redirect, signed(), response=idp.id_token())
    assert failure.value.reason == "authorization_response_state_mismatch"
    assert idp.http.calls(idp.url("/token")) == []


def test_case_20_hostile_errors_within_a_good_jwt_are_mapped():
    idp = FakeIdp()
    error = refused(idp, idp.response_jwt(code=None, error="<script>\r\n", error_description="x" * 10_000))
    assert (error.error, error.upstream_code) == ("server_error", "free_text")


# --- encryption -------------------------------------------------------------------------------------------------------------


def with_keys(idp, **keys):
    for name, key in keys.items():
        idp.keys.decrypters[f"file:{name}"] = KeyDecrypter(key)
    return idp


def test_case_107_a_clear_response_where_encryption_is_required():
    idp = with_keys(FakeIdp(), key=decryption_key())
    assert refused(idp, idp.response_jwt(), encrypted()).reason == "authorization_response_not_encrypted"


def test_case_20_an_encrypted_response_where_none_was_agreed():
    idp = with_keys(FakeIdp(), key=decryption_key())
    response = encrypt(idp.response_jwt(), decryption_key())
    assert refused(idp, response).reason == "authorization_response_encrypted"
    assert idp.keys.decrypters["file:key"].used == 0


@pytest.mark.parametrize("encryption", ["required", "optional"])
def test_case_105_bare_claims_in_an_encrypted_response(encryption):
    """Anybody can encrypt to a public key; what the IdP signed is inside or nowhere."""
    idp = with_keys(FakeIdp(), key=decryption_key())
    response = encrypt(json.dumps(idp.response_claims()), decryption_key())
    failure = refused(idp, response, encrypted(encryption))
    assert failure.reason == "authorization_response_not_signed"


def test_case_105_another_signature_in_an_encrypted_response():
    idp, stranger = with_keys(FakeIdp(), key=decryption_key()), private_key("ES256", 3)
    forged = sign({"alg": "ES256", "kid": idp.key.kid}, payload(idp), stranger)
    failure = refused(idp, encrypt(forged, decryption_key()), encrypted())
    assert failure.reason == "authorization_response_signature_invalid"


# --- 13, 15, 160: which sign-in a response belongs to -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "state", [None, "", "A" * 42, "A" * 44, "A" * 42 + "-", 7, ["A" * 43], "https://evil.example/"]
)
def test_case_12_the_state_inside_is_missing_or_no_state(gateway, state):
    browser = Visitor(gateway)
    browser.start()
    counted = Counted(gateway)
    answer = browser.callback_raw(f"response={gateway.idp.response_jwt(state=state)}")
    counted.assert_nothing()
    assert_page(gateway, answer, "state_unknown")


def test_case_12_a_response_without_a_sign_in_of_ours(gateway):
    browser = Visitor(gateway)
    browser.start()
    counted = Counted(gateway)
    answer = browser.callback_raw(f"response={gateway.idp.response_jwt(state='A' * 43)}")
    assert set(counted.calls) <= {"connections.get", "store.claim"}
    assert_page(gateway, answer, "state_unknown")


def test_case_13_a_stranger_with_the_very_response_burns_nothing(gateway):
    stranger, victim = Visitor(gateway), Visitor(gateway)
    stranger.start()
    response = f"response={gateway.idp.response_jwt(state=victim.start())}"
    assert_refused(stranger.callback_raw(response), "browser_mismatch")
    assert_refused(Visitor(gateway).callback_raw(response), "browser_cookie_missing")
    assert gateway.idp.http.calls(gateway.idp.url("/token")) == []
    arrived = victim.callback_raw(response)
    assert gateway.redeem(arrived.location["code"]).status == 200


def test_case_13_a_forged_response_with_the_right_state_is_a_failed_sign_in_and_no_code(gateway):
    """Only the browser itself can do this, which has the state in its history; the IdP hears nothing of it."""
    browser = Visitor(gateway)
    state = browser.start()
    stranger = private_key("ES256", 3)
    claims = json.dumps(gateway.idp.response_claims(state=state)).encode()
    forged = sign({"alg": "ES256", "kid": gateway.idp.key.kid}, claims, stranger)
    answer = browser.callback_raw(f"response={forged}")
    assert gateway.idp.http.calls(gateway.idp.url("/token")) == []
    assert_sent_back(gateway, answer, "server_error", "authorization_response_signature_invalid")


def test_case_16_another_idps_response_is_not_answered(gateway):
    """Signed by the right key, but in another's name: nobody is told, not even by an error."""
    browser = Visitor(gateway)
    response = gateway.idp.response_jwt(state=browser.start(), iss="https://other.example")
    answer = browser.callback_raw(f"response={response}")
    assert_page(gateway, answer, "authorization_response_iss_mismatch")


def test_case_14_the_same_response_again_is_the_same_redirect(gateway):
    browser = Visitor(gateway)
    response = f"response={gateway.idp.response_jwt(state=browser.start())}"
    first, second = browser.callback_raw(response), browser.callback_raw(response)
    assert first.headers["location"] == second.headers["location"]
    assert len(gateway.idp.http.calls(gateway.idp.url("/token"))) == 1
    assert gateway.redeem(first.location["code"]).status == 200
    assert_refused(browser.callback_raw(response), "sign_in_already_complete")


def test_case_15_a_response_at_the_callback_of_another_connection(gateway):
    gateway.bridge.registry.put(
        replace(gateway.bridge.registry.get("acme", Deadline.after(9)), name="bank", version="other")
    )
    browser = Visitor(gateway)
    response = f"response={gateway.idp.response_jwt(state=browser.start())}"
    at_bank = Visitor(gateway, "bank", browser.cookies)
    assert_refused(at_bank.callback_raw(response), "state_unknown")
    assert gateway.idp.http.calls(gateway.idp.url("/token")) == []
    assert gateway.redeem(browser.callback_raw(response).location["code"]).status == 200


@pytest.fixture
def opening():
    """A gateway whose IdP encrypts its responses, and the key that they are opened with."""
    gateway = Gateway()
    idp = with_keys(FakeIdp(), key=decryption_key())
    policy = AuthorizationResponsePolicy(encryption="required")
    gateway.connect(idp, authorization=PROFILE, authorization_response=policy, token_decryption=decrypting())
    gateway.mend = lambda: gateway.connect(idp)
    return gateway, idp.keys.decrypters["file:key"]


JUNK = {
    "no JWE": lambda: "a.b.c.d.e",
    "another key's": lambda: encrypt("x.y.z", decryption_key("P-256", 5)),
    "RSA": lambda: encrypt("x.y.z", decryption_key("RSA"), "RSA-OAEP"),
    "another content encryption": lambda: encrypt("x.y.z", decryption_key(), enc="A192GCM"),
    "compressed": lambda: encrypt("x" * 1000, decryption_key(), zip="DEF"),
    "too long": lambda: encrypt("x" * 70_000, decryption_key()),
}


@pytest.mark.parametrize("junk", JUNK.values(), ids=JUNK)
def test_case_160_junk_that_looks_encrypted_reaches_no_key(opening, junk):
    gateway, key = opening
    browser = Visitor(gateway)
    browser.start()
    counted = Counted(gateway)
    answer = gateway.send("POST", "callback", form={"response": junk()}, cookies=browser.cookies)
    assert answer.status in {400, 413}
    answer = browser.callback_raw(f"response={junk()[:7000]}")
    counted.assert_nothing()
    assert key.used == 0
    assert_page(gateway, answer, "state_unknown")


def test_case_160_without_the_cookie_nothing_is_opened_at_all(opening):
    gateway, key = opening
    for_us = encrypt(gateway.idp.response_jwt(), decryption_key())
    for _ in range(100):
        gateway.send("GET", "callback", query=f"response={for_us}")
    answer = gateway.send("GET", "callback", query=f"response={for_us}")
    assert key.used == 0
    assert_page(gateway, answer, "browser_cookie_missing")


def test_case_160_what_strangers_encrypt_to_us_costs_one_opening_and_moves_nothing(opening):
    gateway, key = opening
    browser = Visitor(gateway)
    browser.start()
    counted = Counted(gateway)
    for text in (
        "x.y.z",
        gateway.idp.response_jwt(state="B" * 43),
        json.dumps(gateway.idp.response_claims()),
    ):
        used = key.used
        assert browser.callback_raw(f"response={encrypt(text, decryption_key())}").status == 400
        assert key.used == used + 1
    assert set(counted.calls) <= {"connections.get", "store.claim"}
    assert gateway.idp.http.calls(gateway.idp.url("/token")) == []


@pytest.mark.parametrize("transient", [True, False])
def test_case_140_without_the_key_the_browser_is_told_where_it_stands_and_nothing_is_burned(
    opening, transient
):
    gateway, _ = opening
    browser = Visitor(gateway)
    response = encrypt(gateway.idp.response_jwt(state=browser.start()), decryption_key())
    counted = Counted(gateway)
    gateway.idp.keys.failure = KeyUnavailable(reason="secret_throttled", transient=transient)
    answer = browser.callback_raw(f"response={response}")
    assert set(counted.calls) <= {"connections.get"}
    gateway.idp.keys.failure = None
    arrived = browser.callback_raw(f"response={response}")
    assert gateway.redeem(arrived.location["code"]).status == 200
    assert_page(gateway, answer, "secret_throttled", status=503)


def test_an_encrypted_response_arrives(opening):
    gateway, _ = opening
    browser = Visitor(gateway)
    state = browser.start()
    answer = browser.callback_raw(
        f"response={encrypt(gateway.idp.response_jwt(state=state), decryption_key())}"
    )
    assert gateway.redeem(answer.location["code"]).status == 200
