"""Cases 88 and 89 where a preset says that ID tokens are keyed with the client secret, as LINE's are."""

import hmac
import json

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from fedbridge.errors import ConfigurationError, UpstreamError
from fedbridge.jws import b64url, encode_json
from fedbridge.model.connection import ClientAuthentication, Endpoints, IdTokenPolicy
from tests.unit.rp.idp import (
    ISSUER,
    KEY_REFERENCE,
    SECRET,
    SECRET_REFERENCE,
    FakeIdp,
    KeySigner,
    connection,
    native,
    private_key,
    public_jwk,
    sign,
)

WITH_SECRET = ClientAuthentication(method="client_secret_post", secret=SECRET_REFERENCE)


def symmetric(*algorithms, **fields):
    policy = IdTokenPolicy(algorithms=algorithms or ("HS256",), symmetric=True)
    return connection(**{"id_token": policy, "client_authentication": WITH_SECRET, **fields})


def keyed(idp, secret=SECRET, alg="HS256", **header):
    """Return an ID token keyed with this secret; LINE sends no kid."""
    protected = {"typ": "JWT", "alg": alg, **header}
    head = f"{b64url(encode_json(protected))}.{b64url(encode_json(idp.id_token_claims()))}"
    octets = secret.encode() if isinstance(secret, str) else secret
    return f"{head}.{b64url(hmac.digest(octets, head.encode(), f'sha{alg[2:]}'))}"


def sign_in(token, at=None, idp=None):
    idp = idp or FakeIdp()
    idp.answer_token(lambda _: idp.token_answer(id_token=token(idp)))
    return idp.sign_in(at or symmetric()), idp


def refuse(token, reason, at=None):
    at = at or symmetric()
    with pytest.raises(UpstreamError) as failure:
        sign_in(token, at)
    assert (failure.value.reason, failure.value.error) == (reason, "server_error")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("header", [{}, {"kid": "whatever"}])
def test_the_client_secret_is_the_key_and_no_published_one_is_fetched(algorithm, header):
    identity, idp = sign_in(lambda idp: keyed(idp, alg=algorithm, **header), symmetric(algorithm))
    assert identity.subject == "ana"
    assert idp.http.calls(idp.url("/jwks")) == []


def test_such_an_idp_need_not_publish_keys():
    idp = FakeIdp(metadata={"jwks_uri": None})
    assert sign_in(keyed, idp=idp)[0].subject == "ana"
    endpoints = Endpoints(authorization_endpoint=f"{ISSUER}/authorize", token_endpoint=f"{ISSUER}/token")
    assert sign_in(keyed, symmetric(endpoints=endpoints))[0].subject == "ana"


@pytest.mark.parametrize("form", ["pem", "der", "jwk", "modulus"])
def test_case_88_hmac_keyed_with_the_public_key(form):
    def token(idp):
        key = private_key("RS256") if form == "modulus" else idp.key
        idp.serve_keys(public_jwk(idp.key), public_jwk(key))
        public = native(key).public_key()
        numbers = public_jwk(key)
        secrets = {
            "pem": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "der": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
            "jwk": json.dumps(numbers).encode(),
            "modulus": numbers.get("n", "").encode(),
        }
        return keyed(idp, secrets[form], kid=key.kid)

    refuse(token, "id_token_signature_invalid")


@pytest.mark.parametrize(
    "secret", ["", SECRET[:-1], SECRET + "x", SECRET.upper(), "another-secret-of-32-characters!"]
)
def test_case_88_another_secret(secret):
    refuse(lambda idp: keyed(idp, secret), "id_token_signature_invalid")


@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256"])
def test_case_88_a_genuine_signature_of_the_published_key_is_no_symmetric_token(alg):
    """What was configured is the secret alone: nobody may choose."""

    def token(idp):
        key = private_key(alg)
        idp.serve_keys(public_jwk(key))
        return sign({"alg": alg, "kid": key.kid}, json.dumps(idp.id_token_claims()).encode(), key)

    refuse(token, "id_token_algorithm_refused")


@pytest.mark.parametrize("alg", ["HS384", "HS512"])
def test_case_89_another_hmac_than_the_pinned(alg):
    refuse(lambda idp: keyed(idp, alg=alg), "id_token_algorithm_refused")


@pytest.mark.parametrize("alg", ["none", "None", "hs256", "HS1", ""])
def test_case_87_no_algorithm(alg):
    def token(idp):
        head = b64url(encode_json({"alg": alg}))
        return f"{head}.{b64url(encode_json(idp.id_token_claims()))}."

    refuse(token, "id_token_algorithm_refused")


@pytest.mark.parametrize("algorithms", [(), ("HS256", "RS256"), ("RS256",), ("none",)])
def test_case_89_a_list_that_mixes_both_sorts_is_no_list(algorithms):
    policy = IdTokenPolicy(algorithms=algorithms, symmetric=True)
    with pytest.raises(ConfigurationError) as failure:
        sign_in(keyed, connection(id_token=policy, client_authentication=WITH_SECRET))
    assert failure.value.reason == "id_token_algorithms_unusable"


def test_case_89_hmac_needs_to_be_said_to_be_symmetric():
    with pytest.raises(ConfigurationError) as failure:
        sign_in(keyed, connection(id_token=IdTokenPolicy(algorithms=("HS256",))))
    assert failure.value.reason == "id_token_algorithms_unusable"


@pytest.mark.parametrize(("algorithm", "length"), [("HS256", 31), ("HS384", 47), ("HS512", 63)])
def test_a_secret_shorter_than_the_hash_is_no_key(algorithm, length):
    """RFC 7518 §3.2."""
    for short in (True, False):
        idp = FakeIdp()
        idp.secrets.values[SECRET_REFERENCE] = secret = "s" * (length if short else length + 1)
        token = lambda idp, secret=secret: keyed(idp, secret, algorithm)  # noqa: E731
        if short:
            with pytest.raises(ConfigurationError) as failure:
                sign_in(token, symmetric(algorithm), idp)
            assert failure.value.reason == "client_secret_too_short"
        else:
            assert sign_in(token, symmetric(algorithm), idp)[0].subject == "ana"


def test_a_secret_that_is_a_key_is_the_operators_mistake():
    idp = FakeIdp()
    key = native(private_key("ES256")).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    idp.secrets.values[SECRET_REFERENCE] = pem
    with pytest.raises(ConfigurationError):
        sign_in(lambda idp: keyed(idp, pem), idp=idp)


def test_without_a_secret_there_is_no_key():
    idp = FakeIdp()
    idp.keys.signers[KEY_REFERENCE] = KeySigner(private_key("ES256", 2), "ES256")
    by_key = ClientAuthentication(method="private_key_jwt", key=KEY_REFERENCE)
    with pytest.raises(ConfigurationError, match=r"needs client_authentication\.secret"):
        sign_in(keyed, symmetric(client_authentication=by_key), idp)


def test_the_claims_are_checked_as_of_any_other():
    for claims, reason in (
        ({"nonce": "other"}, "id_token_nonce_mismatch"),
        ({"aud": "other"}, "id_token_audience_mismatch"),
        ({"exp": 0}, "id_token_expired"),
    ):
        with pytest.raises(UpstreamError, match=reason):
            sign_in(keyed, idp=FakeIdp(claims=claims))
