"""Cases 109 to 114: userinfo that is signed, or signed and encrypted. Each answer is right but for one thing."""

import hashlib
import hmac
import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedbridge.errors import UpstreamError
from fedbridge.jws import b64url, encode_json
from fedbridge.model.connection import ClientAuthentication, IdTokenPolicy, UserinfoPolicy
from tests.fakes.http import json_answer
from tests.negative.userinfo_jwts import GOOD, jwt_answer, signed
from tests.unit.rp.encryption import decrypting, decryption_key, encrypt
from tests.unit.rp.idp import (
    CLIENT_ID,
    ISSUER,
    NOW,
    SECRET,
    SECRET_REFERENCE,
    FakeIdp,
    KeyDecrypter,
    connection,
    private_key,
    public_jwk,
    sign,
)


def of_format(kind="jws", **policy):
    at = {"userinfo": UserinfoPolicy(format=kind, **policy)}
    return connection(**at, token_decryption=None if kind == "jws" else decrypting())


def idp_with_keys():
    idp = FakeIdp()
    idp.keys.decrypters["file:key"] = KeyDecrypter(decryption_key())
    return idp


def serve(idp, response, at):
    idp.http.answer(at.userinfo.method, idp.url("/userinfo"), response)


def refuse(response, reason, *, at=None, idp=None, error="server_error"):
    """Expect this very reason, no claim of the answer, and that the next good sign-in passes."""
    idp, at = idp or idp_with_keys(), at or of_format()
    serve(idp, response(idp) if callable(response) else response, at)
    with pytest.raises(UpstreamError) as failure:
        idp.sign_in(at)
    assert (failure.value.reason, failure.value.error) == (reason, error)
    good = signed(idp)
    serve(idp, jwt_answer(encrypt(good, decryption_key()) if at.userinfo.format == "jwe" else good), at)
    assert idp.sign_in(at).claims["email"] == "ana@example.com"


def passes(response, *, at=None, idp=None):
    idp, at = idp or idp_with_keys(), at or of_format()
    serve(idp, response(idp) if callable(response) else response, at)
    assert idp.sign_in(at).claims["email"] == "ana@example.com"
    return idp


# --- what is asked, and what is read --------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "content_type", ["application/jwt", "application/jwt;charset=UTF-8", "Application/JWT ; charset=utf-8"]
)
def test_a_signed_answer_by_either_method(method, content_type):
    at = of_format(method=method)
    idp = passes(lambda idp: jwt_answer(signed(idp), content_type), at=at)
    (request,) = idp.http.calls(idp.url("/userinfo"))
    assert (request.method, request.headers["accept"]) == (method, "application/jwt")
    assert request.headers["authorization"] == "Bearer at"


@pytest.mark.parametrize("kind", ["jwe", "jws_or_jwe"])
def test_an_encrypted_answer(kind):
    passes(lambda idp: jwt_answer(encrypt(signed(idp), decryption_key())), at=of_format(kind))


def test_either_means_signed_alone_too():
    passes(lambda idp: jwt_answer(signed(idp)), at=of_format("jws_or_jwe"))


def test_algorithms_of_its_own():
    at, idp = of_format(algorithms=("PS256",)), idp_with_keys()
    idp.serve_keys(public_jwk(idp.key), public_jwk(private_key("RS256")))
    passes(
        jwt_answer(signed(idp, key=private_key("RS256"), header={"alg": "PS256"})),
        at=at,
        idp=idp,
    )


# --- downgrades -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["jws", "jwe", "jws_or_jwe"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_case_109_plain_json_where_a_signature_is_required(kind, method):
    refuse(json_answer(GOOD), "userinfo_not_signed", at=of_format(kind, method=method))


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/jose", "application/jwt-vc", "text/html", "jwt"]
)
def test_case_109_a_jwt_that_says_it_is_something_else(content_type):
    refuse(lambda idp: jwt_answer(signed(idp), content_type), "userinfo_content_type")


def test_case_109_a_jwt_that_says_it_is_json():
    refuse(lambda idp: jwt_answer(signed(idp), "application/json"), "userinfo_not_signed")


def test_case_109_json_that_says_it_is_a_jwt():
    refuse(jwt_answer(json.dumps(GOOD)), "userinfo_malformed")


def test_case_107_signed_alone_where_encryption_is_required():
    refuse(lambda idp: jwt_answer(signed(idp)), "userinfo_not_encrypted", at=of_format("jwe"))


def test_case_107_encrypted_where_nobody_expects_it():
    refuse(lambda idp: jwt_answer(encrypt(signed(idp), decryption_key())), "userinfo_encrypted")


@pytest.mark.parametrize("kind", ["jwe", "jws_or_jwe"])
@pytest.mark.parametrize("inner", [json.dumps(GOOD), "", "a.b", "...."])
def test_case_105_encrypted_claims_that_nobody_signed(kind, inner):
    """Anybody can encrypt to a published key."""
    refuse(jwt_answer(encrypt(inner, decryption_key())), "userinfo_not_signed", at=of_format(kind))


def test_case_105_encrypted_over_somebody_elses_signature():
    key = private_key("ES256", 9)
    refuse(
        lambda idp: jwt_answer(encrypt(signed(idp, key=key, header={"kid": idp.key.kid}), decryption_key())),
        "userinfo_signature_invalid",
        at=of_format("jwe"),
    )


# --- the signature --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ["none", "None", "NONE", ""])
def test_case_110_alg_none(alg):
    parts = [b64url(encode_json({"alg": alg})), b64url(encode_json(GOOD)), ""]
    refuse(jwt_answer(".".join(parts)), "userinfo_algorithm_refused")


@pytest.mark.parametrize("alg", ["ES384", "RS256", "PS256", "HS256"])
def test_case_110_another_algorithm_than_the_pinned(alg):
    key = private_key("ES384", 3) if alg == "ES384" else private_key("RS256")

    def token(idp):
        idp.serve_keys(public_jwk(idp.key), public_jwk(key))
        if alg == "HS256":
            return jwt_answer(hmac_signed(idp, SECRET.encode()))
        return jwt_answer(signed(idp, key=key, header={"alg": alg}))

    refuse(token, "userinfo_algorithm_refused")


def hmac_signed(idp, secret, alg="HS256", **header):
    """Sign with an HMAC, whatever that key is."""
    protected = {"alg": alg, **header}
    signing_input = f"{b64url(encode_json(protected))}.{b64url(encode_json(GOOD))}"
    digest = hmac.digest(secret, signing_input.encode(), f"sha{alg[2:]}")
    return f"{signing_input}.{b64url(digest)}"


@pytest.mark.parametrize("form", ["pem", "der", "jwk", "secret"])
def test_case_88_hs256_where_tokens_are_not_symmetric(form):
    """Keyed with what everybody can fetch, or with the very client secret: refused alike."""

    def token(idp):
        key = idp.key.private_key.public_key()
        secrets = {
            "pem": key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "der": key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "jwk": json.dumps(public_jwk(idp.key)).encode(),
            "secret": SECRET.encode(),
        }
        return jwt_answer(hmac_signed(idp, secrets[form], kid=idp.key.kid))

    refuse(token, "userinfo_algorithm_refused")


def test_case_110_each_byte_of_the_signature():
    idp = idp_with_keys()
    head, _, signature = signed(idp).rpartition(".")
    for i in range(0, len(signature) - 1, 7):
        changed = signature[:i] + ("A" if signature[i] != "A" else "B") + signature[i + 1 :]
        serve(idp, jwt_answer(f"{head}.{changed}"), of_format())
        with pytest.raises(UpstreamError, match="userinfo_signature_invalid"):
            idp.sign_in(of_format())


def test_case_110_a_strangers_key():
    stranger = private_key("ES256", 5)
    refuse(lambda idp: jwt_answer(signed(idp, key=stranger)), "userinfo_key_unknown")
    refuse(
        lambda idp: jwt_answer(signed(idp, key=stranger, header={"kid": idp.key.kid})),
        "userinfo_signature_invalid",
    )
    offered = {"kid": None, "jwk": public_jwk(stranger)}
    refuse(lambda idp: jwt_answer(signed(idp, key=stranger, header=offered)), "userinfo_signature_invalid")


@pytest.mark.parametrize("header", [{"crit": ["x"], "x": 1}, {"cty": "JWT"}, {"b64": False}])
def test_case_91_headers_that_change_what_the_payload_means(header):
    refuse(lambda idp: jwt_answer(unchecked(idp, header)), "userinfo_header_refused")


def unchecked(idp, header):
    parts = signed(idp).split(".")
    return ".".join([b64url(encode_json({"alg": "ES256", "kid": idp.key.kid, **header})), *parts[1:]])


@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "AT+JWT"])
def test_case_110_another_kind_of_jwt(typ):
    refuse(lambda idp: jwt_answer(signed(idp, header={"typ": typ})), "userinfo_type_refused")


# --- the claims -----------------------------------------------------------------------------------------------------

NO_TIMES: list[object] = [str(NOW + 60), True, [NOW], {}, ""]
OTHER_ISSUERS = ["https://other.example", f"{ISSUER}/", "", [ISSUER], 7]
OTHER_AUDIENCES = ["other", "", [], ["other"], [CLIENT_ID.upper()], f"{CLIENT_ID}x", {"aud": CLIENT_ID}, 7]


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("issuer", OTHER_ISSUERS)
def test_case_110_from_somebody_else(issuer, required):
    at = of_format(require_iss_and_aud=required)
    refuse(lambda idp: jwt_answer(signed(idp, iss=issuer)), "userinfo_issuer_mismatch", at=at)


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("audience", OTHER_AUDIENCES)
def test_case_110_for_somebody_else(audience, required):
    at = of_format(require_iss_and_aud=required)
    refuse(lambda idp: jwt_answer(signed(idp, aud=audience)), "userinfo_audience_mismatch", at=at)


def test_case_110_from_or_for_nobody():
    refuse(lambda idp: jwt_answer(signed(idp, iss=None)), "userinfo_issuer_mismatch")
    refuse(lambda idp: jwt_answer(signed(idp, aud=None)), "userinfo_audience_mismatch")


def test_parties_may_be_absent_where_the_connection_says_so():
    at = of_format(require_iss_and_aud=False)
    passes(lambda idp: jwt_answer(signed(idp, iss=None, aud=None)), at=at)


def test_the_audience_may_be_a_list_with_us_in_it():
    passes(lambda idp: jwt_answer(signed(idp, aud=["api", CLIENT_ID])))


@pytest.mark.parametrize(
    "times, reason",
    [
        ({"exp": NOW - 61}, "userinfo_expired"),
        ({"exp": 0}, "userinfo_expired"),
        ({"nbf": NOW + 61}, "userinfo_not_yet_valid"),
        ({"iat": NOW + 61}, "userinfo_from_the_future"),
        *(({name: value}, "userinfo_time_malformed") for name in ("exp", "nbf", "iat") for value in NO_TIMES),
    ],
    ids=str,
)
def test_case_110_at_another_time(times, reason):
    refuse(lambda idp: jwt_answer(signed(idp, **times)), reason)


def test_case_96_a_time_that_is_no_number():
    """JSON knows no NaN, and a number too large for one is none either."""
    for text in (b'{"exp":NaN}', b'{"exp":1e400}', b'{"exp":Infinity}'):
        refuse(
            lambda idp, text=text: jwt_answer(sign({"alg": "ES256", "kid": idp.key.kid}, text, idp.key)),
            "userinfo_malformed",
        )


def test_times_within_the_skew_and_no_times_at_all():
    passes(lambda idp: jwt_answer(signed(idp, exp=NOW - 59, nbf=NOW + 60, iat=NOW + 60)))
    passes(lambda idp: jwt_answer(signed(idp)))


def test_case_110_an_id_token_replayed_as_userinfo():
    """Issuer, audience, subject, signature and times are all right; the nonce says what it is."""

    def replay(idp):
        def answer(_request):
            return jwt_answer(idp.id_token())

        return answer

    idp = idp_with_keys()
    serve(idp, replay(idp), of_format())
    with pytest.raises(UpstreamError, match="userinfo_is_id_token"):
        idp.sign_in(of_format())


@pytest.mark.parametrize("subject", [None, "", "Ana", "ANA", " ana", "ana ", "eve", 7, True, ["ana"]])
@pytest.mark.parametrize("kind", ["jws", "jwe"])
def test_case_111_another_persons_document_is_dropped_whole(subject, kind):
    def token(idp):
        jwt = signed(idp, sub=subject)
        return jwt_answer(encrypt(jwt, decryption_key()) if kind == "jwe" else jwt)

    refuse(token, "userinfo_subject_mismatch", at=of_format(kind))


def test_case_113_what_belongs_to_the_protocol_is_the_id_tokens():
    claims = {
        "acr": "urn:high", "amr": ["mfa"], "auth_time": 1, "cognito:groups": ["admin"], "identities": "x",
        "custom:role": "admin", "token_use": "id",
    }  # fmt: skip
    idp, at = idp_with_keys(), of_format()
    serve(idp, jwt_answer(signed(idp, **claims)), at)
    identity = idp.sign_in(at)
    assert (identity.acr, identity.amr, identity.auth_time) == (None, (), None)
    assert not claims.keys() & identity.claims.keys()


def test_case_114_aggregated_and_distributed_claims_are_neither_fetched_nor_read():
    sources = {
        "_claim_names": {"email": "src"},
        "_claim_sources": {"src": {"endpoint": "https://elsewhere.example/claims", "access_token": "x"}},
    }
    idp, at = idp_with_keys(), of_format()
    serve(idp, jwt_answer(signed(idp, **sources)), at)
    idp.sign_in(at)
    assert not [request for request in idp.http.sent if "elsewhere" in request.url]


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", "é.é.é".encode(), b"a.b.c\n", b" a.b.c", b"a" * 65_000])
def test_case_100_what_is_no_jwt(body):
    refuse(jwt_answer(body), "userinfo_malformed")


@pytest.mark.parametrize("status", [201, 204, 302, 400, 401, 403, 500])
def test_case_121_another_status_is_no_userinfo_however_well_signed(status):
    error = "temporarily_unavailable" if status == 500 else "server_error"
    refuse(lambda idp: jwt_answer(signed(idp), status=status), "userinfo_refused", error=error)


# --- symmetric ones -------------------------------------------------------------------------------------------------

SYMMETRIC = IdTokenPolicy(algorithms=("HS256",), symmetric=True)


def symmetric_sign_in(token, **policy):
    """Sign in at an IdP whose ID tokens are keyed with the client secret; userinfo is `token`."""
    idp = FakeIdp()
    at = connection(
        id_token=SYMMETRIC,
        client_authentication=ClientAuthentication(secret=SECRET_REFERENCE),
        userinfo=UserinfoPolicy(format="jws", **policy),
    )

    def answer(_request):
        head = f"{b64url(encode_json({'alg': 'HS256'}))}.{b64url(encode_json(idp.id_token_claims()))}"
        digest = hmac.digest(SECRET.encode(), head.encode(), hashlib.sha256)
        return idp.token_answer(id_token=f"{head}.{b64url(digest)}")

    idp.answer_token(answer)
    serve(idp, jwt_answer(token(idp)), at)
    identity = idp.sign_in(at)
    return identity, idp


def test_symmetric_userinfo_beside_symmetric_id_tokens():
    identity, idp = symmetric_sign_in(lambda idp: hmac_signed(idp, SECRET.encode()))
    assert identity.claims["email"] == "ana@example.com"
    assert idp.http.calls(idp.url("/jwks")) == []


def test_asymmetric_userinfo_beside_symmetric_id_tokens():
    identity, idp = symmetric_sign_in(signed, algorithms=("ES256",))
    assert identity.claims["email"] == "ana@example.com"
    assert len(idp.http.calls(idp.url("/jwks"))) == 1


def test_case_88_no_secret_opens_an_asymmetric_pin_and_no_key_a_symmetric_one():
    with pytest.raises(UpstreamError, match="userinfo_algorithm_refused"):
        symmetric_sign_in(lambda idp: hmac_signed(idp, SECRET.encode()), algorithms=("ES256",))
    with pytest.raises(UpstreamError, match="userinfo_algorithm_refused"):
        symmetric_sign_in(signed)
