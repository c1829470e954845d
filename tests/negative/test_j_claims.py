"""Cases 94 to 100: claims, JSON and base64 of the upstream ID token, and the token response around it.

Each token is genuine but for one thing, and its good twin passes afterwards.
"""

import base64
import hashlib
import json

import pytest

from fedbridge.errors import UpstreamError
from fedbridge.jws import b64url, encode_json
from fedbridge.model.connection import AuthorizationRequestProfile, IdTokenPolicy
from tests.negative.id_tokens import passes, pinned, raw, refuse, sign_raw
from tests.unit.rp.idp import CLIENT_ID, ISSUER, NOW, FakeIdp, connection, public_jwk, sign


def refuse_claims(claims, reason, *, at=None, error="server_error"):
    idp = FakeIdp(claims=claims)
    refuse(idp, reason, at=at, error=error)
    return idp


@pytest.mark.parametrize(
    "issuer",
    [
        None,
        "",
        "https://other.example",
        f"{ISSUER}/",
        "https://IDP.example",
        "http://idp.example",
        f"{ISSUER}:443",
        f" {ISSUER}",
        [ISSUER],
        {"iss": ISSUER},
        7,
        "https://login.example/{tenantid}/v2.0",
        f"{ISSUER}/tenant-b",
    ],
)
def test_case_94_another_issuer(issuer):
    passes(refuse_claims({"iss": issuer}, "id_token_issuer_mismatch"))


def test_case_94_a_token_of_another_connections_issuer():
    """Even where A's JWKS has come to hold B's key."""
    idp, other = FakeIdp(), FakeIdp(issuer="https://b.example")
    idp.serve_keys(public_jwk(other.key))

    def token(idp):
        other.nonce = idp.nonce
        return other.id_token()

    refuse(idp, "id_token_issuer_mismatch", token=token)


@pytest.mark.parametrize(
    "template", ["https://login.example/{tenantid}/v2.0", "https://login.example/common/v2.0"]
)
def test_case_94_a_tenant_template_is_no_issuer(template):
    at = connection(issuer="https://login.example/0b5f/v2.0")
    idp = FakeIdp(issuer=at.issuer, claims={"iss": template})
    with pytest.raises(UpstreamError, match="id_token_issuer_mismatch"):
        idp.sign_in(at)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": None}, "id_token_audience_mismatch"),
        ({"aud": "other"}, "id_token_audience_mismatch"),
        ({"aud": "bridge2"}, "id_token_audience_mismatch"),
        ({"aud": "bridg"}, "id_token_audience_mismatch"),
        ({"aud": "Bridge"}, "id_token_audience_mismatch"),
        ({"aud": "bridge other"}, "id_token_audience_mismatch"),
        ({"aud": ""}, "id_token_audience_mismatch"),
        ({"aud": []}, "id_token_audience_mismatch"),
        ({"aud": ["other"]}, "id_token_audience_mismatch"),
        ({"aud": [["bridge"]]}, "id_token_audience_mismatch"),
        ({"aud": ["bridge", 7]}, "id_token_audience_mismatch"),
        ({"aud": ["bridge", None]}, "id_token_audience_mismatch"),
        ({"aud": {"bridge": True}}, "id_token_audience_mismatch"),
        ({"aud": 7}, "id_token_audience_mismatch"),
        ({"aud": [CLIENT_ID, "evil"]}, "id_token_audience_untrusted"),
        ({"aud": [CLIENT_ID, "evil"], "azp": CLIENT_ID}, "id_token_audience_untrusted"),
        ({"aud": [CLIENT_ID, "api"]}, "id_token_azp_mismatch"),
        ({"aud": [CLIENT_ID, "api"], "azp": "api"}, "id_token_azp_mismatch"),
        ({"azp": "other"}, "id_token_azp_mismatch"),
        ({"azp": ""}, "id_token_azp_mismatch"),
        ({"azp": [CLIENT_ID]}, "id_token_azp_mismatch"),
    ],
)
def test_case_95_another_audience_or_authorized_party(claims, reason):
    at = connection(id_token=IdTokenPolicy(algorithms=("ES256",), trusted_audiences=("api",)))
    passes(refuse_claims(claims, reason, at=at), at)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": None}, "id_token_exp_malformed"),
        ({"exp": str(NOW + 300)}, "id_token_exp_malformed"),
        ({"exp": True}, "id_token_exp_malformed"),
        ({"exp": [NOW + 300]}, "id_token_exp_malformed"),
        ({"exp": NOW - 60, "iat": NOW - 100}, "id_token_expired"),
        ({"exp": 0}, "id_token_expired"),
        ({"exp": -1}, "id_token_expired"),
        ({"exp": NOW + 24 * 3600 + 1}, "id_token_lifetime_refused"),
        ({"exp": 10**30}, "id_token_lifetime_refused"),
        ({"exp": 1e300}, "id_token_lifetime_refused"),
        ({"exp": NOW, "iat": NOW}, "id_token_lifetime_refused"),
        ({"exp": NOW - 10, "iat": NOW}, "id_token_lifetime_refused"),
        ({"iat": None}, "id_token_iat_malformed"),
        ({"iat": str(NOW)}, "id_token_iat_malformed"),
        ({"iat": False}, "id_token_iat_malformed"),
        ({"iat": NOW + 61}, "id_token_from_the_future"),
        ({"iat": NOW - 3661}, "id_token_too_old"),
        ({"iat": NOW - 7 * 24 * 3600}, "id_token_too_old"),
        ({"iat": 0}, "id_token_too_old"),
        ({"nbf": NOW + 61}, "id_token_not_yet_valid"),
        ({"nbf": str(NOW)}, "id_token_nbf_malformed"),
        ({"nbf": True}, "id_token_nbf_malformed"),
    ],
)
def test_case_96_times(claims, reason):
    passes(refuse_claims(claims, reason))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e309", "1" + "0" * 309, "9" * 5000])
@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
def test_case_96_numbers_that_are_none(name, number):
    idp = FakeIdp()

    def token(idp):
        text = json.dumps({**idp.id_token_claims(), name: "?"}).replace('"?"', number)
        return sign({"alg": "ES256", "kid": idp.key.kid}, text.encode(), idp.key)

    refuse(idp, "id_token_malformed", token=token)
    passes(idp)


def test_case_96_the_skew_is_the_connections():
    at = connection(id_token=IdTokenPolicy(algorithms=("ES256",), clock_skew=0))
    refuse_claims({"iat": NOW + 1}, "id_token_from_the_future", at=at)
    refuse_claims({"exp": NOW, "iat": NOW - 1}, "id_token_expired", at=at)
    refuse_claims({"iat": NOW - 3601}, "id_token_too_old", at=at)


@pytest.mark.parametrize("nonce", [None, "", "other", 7, True, ["x"], "é"])
def test_case_97_another_nonce(nonce):
    passes(refuse_claims({"nonce": nonce}, "id_token_nonce_mismatch"))


@pytest.mark.parametrize(
    "change", [str.lower, str.upper, lambda n: n[:-1], lambda n: n + "x", lambda n: f" {n}"]
)
def test_case_97_nearly_the_nonce(change):
    idp = FakeIdp()
    redirect = idp.begin(at := pinned("ES256"))
    idp.nonce = change(idp.nonce)
    with pytest.raises(UpstreamError, match="id_token_nonce_mismatch"):
        idp.finish(redirect, at)


def test_case_97_the_token_of_another_sign_in():
    idp, at = FakeIdp(), pinned("ES256")
    idp.begin(at)
    stolen = idp.id_token()
    refuse(idp, "id_token_nonce_mismatch", token=stolen)
    passes(idp)


def test_case_97_a_token_is_good_for_one_sign_in():
    idp, at = FakeIdp(), pinned("ES256")
    redirect = idp.begin(at)
    token = idp.id_token()
    idp.answer_token(idp.token_answer(id_token=token))
    assert idp.finish(redirect, at).subject == "ana"
    refuse(idp, "id_token_nonce_mismatch", token=token)


@pytest.mark.parametrize("name", ["at_hash", "c_hash", "s_hash"])
@pytest.mark.parametrize("value", ["AAAA", "", None, 7, [], "right, but padded", "right, but base64"])
def test_case_98_hashes(name, value):
    digest = hashlib.sha256({"at_hash": b"at", "c_hash": b"the-code", "s_hash": b"S" * 43}[name]).digest()[
        :16
    ]
    if value == "right, but padded":
        value = base64.urlsafe_b64encode(digest).decode()
    if value == "right, but base64":
        value = base64.b64encode(digest).decode()
    idp = FakeIdp()
    refuse(
        idp,
        f"id_token_{name}_mismatch",
        token=lambda idp: raw(
            idp,
            {"alg": "ES256", "kid": idp.key.kid},
            lambda data: sign_raw(idp.key.private_key, data),
            {**idp.id_token_claims(), name: value},
        ),
    )
    passes(idp)


@pytest.mark.parametrize(
    "subject",
    [
        None,
        "",
        "x" * 256,
        7,
        True,
        ["ana"],
        {"sub": "ana"},
        " ana",
        "ana ",
        "a\nb",
        "a\tb",
        "a\x00b",
        "\u200bana",
        "a\u202eb",
        "\u2028",
        " ",
    ],
)
def test_case_99_subjects(subject):
    passes(refuse_claims({"sub": subject}, "id_token_subject_malformed"))


ASSURANCE = AuthorizationRequestProfile(
    acr_values=("substantial", "high"), parameters={"max_age": "300", "vtr": '["P2.Cm"]'}
)
MET = {"acr": "high", "auth_time": NOW - 10, "vot": "P2.Cm"}


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"acr": None}, "id_token_acr_unmet"),
        ({"acr": "low"}, "id_token_acr_unmet"),
        ({"acr": ["high"]}, "id_token_acr_unmet"),
        ({"acr": "substantial high"}, "id_token_acr_unmet"),
        ({"vot": None}, "id_token_vot_unmet"),
        ({"vot": "P0.Cm"}, "id_token_vot_unmet"),
        ({"auth_time": None}, "id_token_auth_time_missing"),
        ({"auth_time": str(NOW)}, "id_token_auth_time_missing"),
        ({"auth_time": NOW - 361}, "id_token_auth_time_unmet"),
        ({"auth_time": NOW + 61}, "id_token_auth_time_unmet"),
    ],
)
def test_case_99_assurance_that_was_asked_for_and_not_given(claims, reason):
    at = connection(authorization=ASSURANCE, id_token=IdTokenPolicy(algorithms=("ES256",)))
    idp = refuse_claims(MET | claims, reason, at=at, error="access_denied")
    idp.claims = MET
    assert idp.sign_in(at).acr == "high"


@pytest.mark.parametrize(("name", "value"), [("acr_values", "high"), ("max_age", "60")])
def test_case_99_assurance_that_an_app_asked_for_through_cognito(name, value):
    at = connection(
        authorization=AuthorizationRequestProfile(pass_through=("acr_values", "max_age")),
        id_token=IdTokenPolicy(algorithms=("ES256",)),
    )
    idp = FakeIdp(claims={"acr": "low", "auth_time": NOW - 3000})
    assert idp.sign_in(at).subject == "ana"
    with pytest.raises(UpstreamError) as failure:
        idp.sign_in(at, **{name: value})
    assert (failure.value.error, failure.value.description) == ("access_denied", "assurance_not_met")
    idp.claims = {"acr": "high", "auth_time": NOW}
    assert idp.sign_in(at, **{name: value}).subject == "ana"


# --- 100: JSON and base64 -------------------------------------------------------------------------------------------


def payloads(document):
    """Return spellings of an object that has a `sub` or an `alg`."""
    text, name = json.dumps(document), "alg" if "alg" in document else "sub"
    return {
        "repeated member": text[:-1] + f',"{name}":"ES256"}}',
        "repeated member, escaped": text[:-1] + f',"\\u00{ord(name[0]):x}{name[1:]}":"ES256"}}',
        "NaN": text[:-1] + ',"x":NaN}',
        "100,000 deep": text[:-1] + ',"x":' + "[" * 20_000 + "]" * 20_000 + "}",
        "5,000 digits": text[:-1] + ',"x":' + "9" * 5000 + "}",
        "lone surrogate": text[:-1] + ',"x":"\\ud800"}',
        "a list": f"[{text}]",
        "a string": json.dumps(text),
        "null": "null",
        "two documents": text + text,
        "truncated": text[:-1],
        "empty": "",
        "byte order mark": "\ufeff" + text,
        "single quotes": text.replace('"', "'"),
        "trailing comma": text[:-1] + ",}",
    }


@pytest.mark.parametrize("name", payloads({}))
def test_case_100_payloads_that_are_no_json_object(name):
    idp = FakeIdp()
    refuse(
        idp,
        "id_token_malformed",
        token=lambda idp: sign(
            {"alg": "ES256", "kid": idp.key.kid}, payloads(idp.id_token_claims())[name].encode(), idp.key
        ),
    )
    passes(idp)


@pytest.mark.parametrize("name", [name for name in payloads({}) if name != "100,000 deep"])
def test_case_100_headers_that_are_no_json_object(name):
    idp = FakeIdp()

    def token(idp):
        header = payloads({"alg": "ES256", "kid": idp.key.kid})[name].encode()
        signing_input = f"{b64url(header)}.{b64url(encode_json(idp.id_token_claims()))}"
        return f"{signing_input}.{b64url(sign_raw(idp.key.private_key, signing_input.encode()))}"

    refuse(idp, "id_token_malformed", token=token)
    passes(idp)


def respelled(segment):
    octets = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    yield base64.urlsafe_b64encode(octets + b"").decode() + "="
    yield segment + "=="
    yield segment[:4] + "\n" + segment[4:]
    yield segment[:4] + " " + segment[4:]
    yield segment + "\n"
    yield segment[:4] + "+" + segment[5:]
    yield segment[:4] + "/" + segment[5:]
    yield segment[:4] + "é" + segment[5:]
    yield segment + "A" * (1 + -len(segment) % 4)
    if len(segment) % 4:
        yield segment[:-1] + alphabet[alphabet.index(segment[-1]) + 1]


@pytest.mark.parametrize("position", [0, 1, 2])
def test_case_100_base64_in_any_other_spelling(position):
    idp, at = FakeIdp(), pinned("ES256")
    idp.sign_in(at)
    segments = idp.id_token().split(".")
    for other in respelled(segments[position]):
        changed = ".".join([*segments[:position], other, *segments[position + 1 :]])
        refuse(idp, "id_token_malformed", token=changed)
    passes(idp)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("", "id_token_missing"),
        ("a", "id_token_malformed"),
        ("a.b", "id_token_malformed"),
        ("a.b.c.d", "id_token_malformed"),
        ("..", "id_token_malformed"),
        ("a.b.c.d.e", "id_token_encrypted"),
        ("....", "id_token_encrypted"),
        ("{}", "id_token_malformed"),
        ("x" * (64 * 1024 + 1), "upstream_response_invalid"),
        ("a.b." + "x" * (63 * 1024), "id_token_malformed"),
    ],
)
def test_case_100_what_is_no_compact_jws(token, reason):
    idp = FakeIdp()
    refuse(idp, reason, token=token)
    passes(idp)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"id_token": None}, "id_token_missing"),
        ({"id_token": 7}, "id_token_missing"),
        ({"id_token": {"alg": "none"}}, "id_token_missing"),
        ({"id_token": ["x"]}, "id_token_missing"),
        ({"token_type": None}, "token_type_unsupported"),
        ({"token_type": "DPoP"}, "token_type_unsupported"),
        ({"token_type": "mac"}, "token_type_unsupported"),
        ({"token_type": "Bearer "}, "token_type_unsupported"),
        ({"token_type": ["Bearer"]}, "token_type_unsupported"),
        ({"access_token": None}, "access_token_missing"),
        ({"access_token": ""}, "access_token_missing"),
        ({"access_token": 7}, "access_token_missing"),
        ({"access_token": "a b"}, "access_token_missing"),
        ({"access_token": "a\r\nX-Evil: 1"}, "access_token_missing"),
        ({"access_token": "é"}, "access_token_missing"),
    ],
)
def test_case_100_token_responses_that_lack_something(members, reason):
    idp = FakeIdp()
    redirect = idp.begin(at := pinned("ES256"))
    idp.answer_token(idp.token_answer(**members))
    with pytest.raises(UpstreamError) as failure:
        idp.finish(redirect, at)
    assert failure.value.reason == reason
    assert idp.http.calls(idp.url("/userinfo")) == []
    passes(idp)


@pytest.mark.parametrize("token_type", ["Bearer", "bearer", "BEARER"])
def test_case_100_the_good_twin_of_the_token_type(token_type):
    idp = FakeIdp()
    redirect = idp.begin(at := pinned("ES256"))
    idp.answer_token(idp.token_answer(token_type=token_type))
    assert idp.finish(redirect, at).subject == "ana"
