"""Case 93: the IdP's JWK Set. Bad keys are dropped, the good one beside them works."""

import hashlib
import hmac
import json
from functools import cache

import pytest
from joserfc.jwk import OKPKey

from fedbridge.errors import UpstreamError
from fedbridge.jws import b64url
from fedbridge.rp.jwk_set import MAX_KEYS, parse_jwk_set
from tests.fakes.http import json_answer
from tests.negative.id_tokens import passes, pinned, raw, refuse
from tests.unit.rp.idp import FakeIdp, native, private_key, public_jwk


def rsa_numbers(modulus, exponent=65537):
    def encode(number):
        return b64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))

    return {"kty": "RSA", "n": encode(modulus), "e": encode(exponent)}


def modulus():
    return native(private_key("RS256")).public_key().public_numbers().n


@cache
def roca_modulus():
    """A modulus with the fingerprint of CVE-2017-15361: a power of 65537 modulo the product of the first primes."""
    primes = [number for number in range(3, 168) if all(number % divisor for divisor in range(2, number))]
    product = 2
    for prime in primes:
        product *= prime
    return (1 << 2047) // product * product + pow(65537, 12345, product)


GOOD_RSA = public_jwk(private_key("RS256"), kid="bad")
GOOD_EC = public_jwk(private_key("ES256", 1), kid="bad")
BAD_KEYS = {
    "oct": {"kty": "oct", "k": b64url(b"k" * 32)},
    "oct that says RS256": {"kty": "oct", "k": b64url(b"k" * 32), "alg": "RS256"},
    "private RSA": {**private_key("RS256").as_dict(private=True)},
    "private EC": {**private_key("ES256", 1).as_dict(private=True)},
    "one private member": {**GOOD_RSA, "dq": "AQAB"},
    "RSA 1024": rsa_numbers(modulus() >> 1024 | 1),
    "RSA 2047": rsa_numbers(modulus() >> 1 | 1),
    "RSA 16384": rsa_numbers((1 << 16383) + 1),
    "e = 1": rsa_numbers(modulus(), 1),
    "e even": rsa_numbers(modulus(), 65538),
    "e = 0": {**GOOD_RSA, "e": "AA"},
    "e huge": rsa_numbers(modulus(), (1 << 300) + 1),
    "ROCA": rsa_numbers(roca_modulus()),
    "n missing": {name: value for name, value in GOOD_RSA.items() if name != "n"},
    "n a number": {**GOOD_RSA, "n": 7},
    "n padded": {**GOOD_RSA, "n": GOOD_RSA["n"] + "=="},
    "n not base64url": {**GOOD_RSA, "n": "!" * 342},
    "off curve": {**GOOD_EC, "y": GOOD_EC["x"]},
    "zero point": {**GOOD_EC, "x": b64url(bytes(32)), "y": b64url(bytes(32))},
    "unknown curve": {**GOOD_EC, "crv": "P-192"},
    "secp256k1": {**GOOD_EC, "crv": "secp256k1"},
    "curve missing": {name: value for name, value in GOOD_EC.items() if name != "crv"},
    "wrong curve": {**GOOD_EC, "crv": "P-384"},
    "x a list": {**GOOD_EC, "x": []},
    "use enc": {**GOOD_RSA, "use": "enc"},
    "use unknown": {**GOOD_RSA, "use": "SIG"},
    "use null": {**GOOD_RSA, "use": None},
    "key_ops encrypt": {**GOOD_RSA, "key_ops": ["encrypt"]},
    "key_ops empty": {**GOOD_RSA, "key_ops": []},
    "key_ops a string": {**GOOD_RSA, "key_ops": "verify"},
    "kty unknown": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
    "kty lower": {**GOOD_RSA, "kty": "rsa"},
    "kty missing": {name: value for name, value in GOOD_RSA.items() if name != "kty"},
    "kty a list": {**GOOD_RSA, "kty": ["RSA"]},
    "OKP": {**OKPKey.generate_key("Ed25519").as_dict(private=False)},
    "kid a number": {**GOOD_RSA, "kid": 7},
    "alg a list": {**GOOD_RSA, "alg": ["RS256"]},
    "not an object": "key",
    "null": None,
    "list": [],
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_case_93_a_bad_key_is_dropped_and_the_good_one_beside_it_works(name):
    bad = BAD_KEYS[name]
    if isinstance(bad, dict):
        bad = {"kid": "bad", **bad}
    idp = FakeIdp()
    idp.serve_keys(bad, public_jwk(idp.key))
    assert idp.sign_in(pinned("ES256")).subject == "ana"
    assert [
        key.kid for key in parse_jwk_set(json.dumps({"keys": [bad, public_jwk(idp.key)]}).encode()).keys
    ] == [idp.key.kid]
    with pytest.raises(UpstreamError, match="jwks_without_usable_key"):
        parse_jwk_set(json.dumps({"keys": [bad]}).encode())


@pytest.mark.parametrize("name", ["GOOD_RSA", "GOOD_EC"])
def test_case_93_the_keys_that_the_bad_ones_are_made_from_are_good(name):
    assert len(parse_jwk_set(json.dumps({"keys": [globals()[name]]}).encode()).keys) == 1


def test_case_93_an_oct_key_never_verifies():
    idp = FakeIdp()
    secret = b"k" * 32
    idp.serve_keys({"kty": "oct", "k": b64url(secret), "kid": "oct"}, public_jwk(idp.key))
    refuse(
        idp,
        "id_token_algorithm_refused",
        token=lambda idp: raw(
            idp, {"alg": "HS256", "kid": "oct"}, lambda data: hmac.digest(secret, data, "sha256")
        ),
    )
    refuse(
        idp,
        "id_token_key_unknown",
        token=lambda idp: raw(
            idp, {"alg": "ES256", "kid": "oct"}, lambda data: hmac.digest(secret, data, "sha256")
        ),
    )


def test_case_93_a_weak_key_never_verifies():
    """Signed with e = 1, which anyone can: the signature is the padded digest itself."""
    weak = rsa_numbers(modulus(), 1)
    idp = FakeIdp(key=private_key("RS256"), algorithm="RS256")
    idp.serve_keys({**weak, "kid": "weak"}, public_jwk(idp.key, kid="good"))

    def forged(signing_input):
        prefix = bytes.fromhex("3031300d060960864801650304020105000420")
        digest = prefix + hashlib.sha256(signing_input).digest()
        return b"\x00\x01" + b"\xff" * (256 - 3 - len(digest)) + b"\x00" + digest

    refuse(idp, "id_token_key_unknown", token=lambda idp: raw(idp, {"alg": "RS256", "kid": "weak"}, forged))


@pytest.mark.parametrize(
    ("answer", "reason", "error"),
    [
        (json_answer({"keys": []}), "jwks_without_usable_key", "server_error"),
        (json_answer({}), "jwks_malformed", "server_error"),
        (json_answer({"keys": {}}), "jwks_malformed", "server_error"),
        (json_answer([]), "jwks_malformed", "server_error"),
        (json_answer({"keys": [GOOD_EC] * (MAX_KEYS + 1)}), "jwks_too_many_keys", "server_error"),
        (json_answer({"keys": [{}] * 10_000}), "jwks_too_many_keys", "server_error"),
        (json_answer({"keys": [GOOD_EC] * 2000}), "upstream_response_invalid", "server_error"),
        (json_answer({"keys": [GOOD_EC]}, status=404), "jwks_unavailable", "server_error"),
        (json_answer({"keys": [GOOD_EC]}, status=302), "jwks_unavailable", "server_error"),
        (json_answer({"keys": [GOOD_EC]}, status=500), "jwks_unavailable", "temporarily_unavailable"),
    ],
)
def test_case_93_a_document_that_is_no_jwk_set(answer, reason, error):
    idp = FakeIdp()
    idp.http.answer("GET", idp.url("/jwks"), answer)
    with pytest.raises(UpstreamError) as failure:
        idp.sign_in(pinned("ES256"))
    assert (failure.value.reason, failure.value.error) == (reason, error)
    passes(idp)


@pytest.mark.parametrize(
    "body", [b"<html>200</html>", b"", b'{"keys":[],"keys":[]}', b"\xef\xbb\xbf{}", b"null"]
)
def test_case_93_a_document_that_is_no_json_object(body):
    with pytest.raises(UpstreamError, match="jwks_malformed"):
        parse_jwk_set(body)
