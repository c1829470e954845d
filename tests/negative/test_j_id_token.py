"""Cases 87 to 92: algorithm, signature, header and kid of the upstream ID token.

Each token is genuine but for one thing, and its good twin passes afterwards.
"""

import base64
import hmac
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from joserfc.jwk import OKPKey

from fedbridge.errors import ConfigurationError, UpstreamError
from fedbridge.jws import b64url, encode_json
from fedbridge.model.connection import SIGNATURE_ALGORITHMS
from fedbridge.rp.jwk_set import parse_jwk_set
from fedbridge.rp.jwt import Accepted, read_header, verify_signature
from tests.negative.id_tokens import passes, pinned, raw, refuse, resigned, sign_raw
from tests.support.wycheproof import wycheproof
from tests.unit.rp.idp import ISSUER, NOW, FakeIdp, native, private_key, public_jwk, sign

SEVERAL = ("RS256", "PS256", "ES256")


# --- 87 to 89: the algorithm ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "algorithm",
    ["none", "None", "NONE", "nOnE", "none ", " none", "", "null", None, 0, False, [], ["none"], {}, ...],
)
@pytest.mark.parametrize("signature", ["empty", "genuine"])
def test_case_87_alg_none_in_any_spelling(algorithm, signature):
    idp = FakeIdp()
    if signature == "genuine":
        refuse(idp, "id_token_algorithm_refused", token=lambda idp: resigned(idp, alg=algorithm))
    else:
        header = {"kid": idp.key.kid} | ({} if algorithm is ... else {"alg": algorithm})
        refuse(idp, "id_token_algorithm_refused", token=lambda idp: raw(idp, header))
    passes(idp)


@pytest.mark.parametrize("algorithm", SEVERAL)
def test_case_87_an_empty_signature(algorithm):
    idp = FakeIdp(key=private_key(algorithm), algorithm=algorithm)
    refuse(
        idp,
        "id_token_signature_invalid",
        token=lambda idp: idp.id_token().rpartition(".")[0] + ".",
    )
    passes(idp)


def spellings_of(key):
    jwk = public_jwk(key)
    yield key.as_pem(private=False)
    yield key.as_pem(private=False).strip()
    yield key.as_der(private=False)
    yield json.dumps(jwk).encode()
    yield encode_json(jwk)
    yield (jwk.get("n") or jwk["x"]).encode()
    yield base64.urlsafe_b64decode((jwk.get("n") or jwk["x"]) + "==")
    yield b""


@pytest.mark.parametrize("algorithm", SEVERAL)
@pytest.mark.parametrize("digest", ["256", "384", "512"])
def test_case_88_hmac_keyed_with_the_public_key(algorithm, digest):
    idp = FakeIdp(key=private_key(algorithm), algorithm=algorithm)
    for secret in spellings_of(idp.key):
        refuse(
            idp,
            "id_token_algorithm_refused",
            token=lambda idp, secret=secret: raw(
                idp,
                {"alg": f"HS{digest}", "kid": idp.key.kid},
                lambda signing_input: hmac.digest(secret, signing_input, f"sha{digest}"),
            ),
        )
    passes(idp)


def test_case_88_an_hmac_that_says_rs256_does_not_verify():
    idp = FakeIdp(key=private_key("RS256"), algorithm="RS256")
    for secret in spellings_of(idp.key):
        refuse(
            idp,
            "id_token_signature_invalid",
            token=lambda idp, secret=secret: raw(
                idp,
                {"alg": "RS256", "kid": idp.key.kid},
                lambda signing_input: hmac.digest(secret, signing_input, "sha256"),
            ),
        )


@pytest.mark.parametrize(
    ("pin", "used"),
    [
        ("RS256", "PS256"), ("RS256", "RS384"), ("RS256", "RS512"), ("PS256", "RS256"), ("PS512", "PS256"),
        ("ES256", "ES384"), ("ES384", "ES256"), ("ES256", "RS256"), ("RS256", "ES256"),
    ],
)  # fmt: skip
def test_case_89_a_real_algorithm_outside_the_pinned_list(pin, used):
    idp = FakeIdp(key=private_key(used), algorithm=used)
    refuse(idp, "id_token_algorithm_refused", at=pinned(pin))
    passes(idp, pinned(pin, used))


@pytest.mark.parametrize(
    "algorithm", ["EdDSA", "Ed25519", "ES256K", "RS1", "RS256 ", "rs256", "ES256/../RS256"]
)
def test_case_89_an_algorithm_that_nobody_can_pin(algorithm):
    idp = FakeIdp()
    ed25519 = OKPKey.generate_key("Ed25519", auto_kid=True)
    idp.serve_keys(public_jwk(idp.key), {**ed25519.as_dict(private=False), "use": "sig"})
    rsa = native(private_key("RS256"))

    def signature(signing_input):
        if algorithm.startswith("Ed"):
            return native(ed25519).sign(signing_input)
        if algorithm == "RS1":
            return rsa.sign(signing_input, padding.PKCS1v15(), hashes.SHA1())
        return sign_raw(idp.key.private_key, signing_input)

    kid = ed25519.kid if algorithm.startswith("Ed") else idp.key.kid
    refuse(
        idp,
        "id_token_algorithm_refused",
        token=lambda idp: raw(idp, {"alg": algorithm, "kid": kid}, signature),
    )
    passes(idp)


@pytest.mark.parametrize("algorithms", [(), ("none",), ("HS256",), ("RS256", "HS512"), ("EdDSA",), ("RS1",)])
def test_case_89_an_empty_or_unusable_list_is_a_configuration_error(algorithms):
    idp = FakeIdp()
    with pytest.raises(ConfigurationError) as failure:
        idp.sign_in(pinned(*algorithms))
    assert failure.value.reason == "id_token_algorithms_unusable"
    passes(idp)


# --- 90: the signature ----------------------------------------------------------------------------------------------


def verify(token, jwks, algorithms):
    """Our own wrapper, without the claims: header, choice of the key, signature."""
    header = read_header(token, Accepted(kind="id_token", algorithms=tuple(algorithms)))
    key = parse_jwk_set(json.dumps({"keys": jwks}).encode()).find(header.get("kid"), header["alg"])
    if key is None:
        raise UpstreamError("id_token_key_unknown")
    return verify_signature(token, header["alg"], key, kind="id_token")


@pytest.mark.parametrize("algorithm", SIGNATURE_ALGORITHMS)
def test_case_90_every_byte_of_the_signature_counts(algorithm):
    key = private_key(algorithm)
    token = sign({"alg": algorithm, "kid": key.kid}, b'{"sub":"ana"}', key)
    signed, _, signature = token.rpartition(".")
    octets = base64.urlsafe_b64decode(signature + "==")
    assert verify(token, [public_jwk(key)], [algorithm]) == b'{"sub":"ana"}'
    for position in range(len(octets)):
        flipped = octets[:position] + bytes([octets[position] ^ 1 << position % 8]) + octets[position + 1 :]
        with pytest.raises(UpstreamError, match="id_token_signature_invalid"):
            verify(f"{signed}.{b64url(flipped)}", [public_jwk(key)], [algorithm])


@pytest.mark.parametrize("algorithm", SEVERAL)
def test_case_90_every_byte_of_header_and_payload_counts(algorithm):
    key = private_key(algorithm)
    payload = b'{"sub":"ana","iss":"https://idp.example"}'
    token = sign({"alg": algorithm, "kid": key.kid}, payload, key)
    header, _, signature = token.split(".")
    for position in range(len(payload)):
        changed = payload[:position] + bytes([payload[position] ^ 1]) + payload[position + 1 :]
        with pytest.raises(UpstreamError, match="id_token_signature_invalid"):
            verify(f"{header}.{b64url(changed)}.{signature}", [public_jwk(key)], [algorithm])
    spaced = b64url(json.dumps({"alg": algorithm, "kid": key.kid}, indent=1).encode())
    with pytest.raises(UpstreamError, match="id_token_signature_invalid"):
        verify(f"{spaced}.{b64url(payload)}.{signature}", [public_jwk(key)], [algorithm])


def bad_es256_signatures(native, signing_input):
    genuine = sign_raw(native, signing_input)
    r, s = int.from_bytes(genuine[:32], "big"), int.from_bytes(genuine[32:], "big")
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    return {
        "r = s = 0": bytes(64),
        "r = 0": bytes(32) + genuine[32:],
        "s = 0": genuine[:32] + bytes(32),
        "r = s = order": order.to_bytes(32, "big") * 2,
        "r and s swapped": genuine[32:] + genuine[:32],
        "all ones": b"\xff" * 64,
        "DER": encode_dss_signature(r, s),
        "truncated": genuine[:-1],
        "first half": genuine[:32],
        "longer": genuine + b"\x00",
        "leading zero": b"\x00" + genuine,
        "padded halves": b"\x00" + genuine[:32] + b"\x00" + genuine[32:],
    }


@pytest.mark.parametrize("name", bad_es256_signatures(private_key("ES256").private_key, b""))
def test_case_90_ecdsa_signatures_of_another_form(name):
    idp = FakeIdp()
    refuse(
        idp,
        "id_token_signature_invalid",
        token=lambda idp: raw(
            idp,
            {"alg": "ES256", "kid": idp.key.kid},
            lambda signing_input: bad_es256_signatures(idp.key.private_key, signing_input)[name],
        ),
    )
    passes(idp)


def test_case_90_a_key_on_another_curve():
    """The token says ES256, the key with its kid is on P-384."""
    idp = FakeIdp()
    idp.serve_keys(public_jwk(private_key("ES384"), kid=idp.key.kid))
    refuse(idp, "id_token_key_unknown")


def test_case_90_another_key_under_the_same_kid():
    idp = FakeIdp()
    idp.serve_keys(public_jwk(private_key("ES256", 1), kid=idp.key.kid))
    refuse(idp, "id_token_signature_invalid")


def vectors(name):
    """Yield (vector, JWKS, algorithms): every JWS, with the algorithms pinned that its keys say."""
    for group in wycheproof(name):
        published = group["public"] if "public" in group else group["private"]
        jwks = published.get("keys", [published])
        algorithms = [jwk["alg"] for jwk in jwks if jwk.get("alg") in SIGNATURE_ALGORITHMS]
        for vector in group["tests"]:
            if "jws" in vector:
                yield vector, jwks, algorithms or ["RS256", "ES256"]


def outcome(vector, jwks, algorithms):
    token = vector["jws"]
    try:
        return verify(token if isinstance(token, str) else json.dumps(token), jwks, algorithms)
    except UpstreamError as failure:
        return failure.reason


@pytest.mark.parametrize("name", ["signature", "key", "crypto"])
def test_case_90_every_invalid_wycheproof_jws_is_refused_for_a_reason(name):
    refused = 0
    for vector, jwks, algorithms in vectors(name):
        if vector["result"] == "invalid":
            assert isinstance(outcome(vector, jwks, algorithms), str), vector["tcId"]
            refused += 1
    assert refused == {"signature": 355, "key": 21, "crypto": 45}[name]


MISLABELLED = {346, 347, 350, 351}
"""RFC 7520's vectors under keys whose `alg` is another than the token's, or none that exists ("ES521")."""


def test_case_90_every_valid_wycheproof_jws_with_a_public_key_passes():
    """The good twins. Symmetric keys are never used, and a key's own `alg` is believed."""
    passed = 0
    for name in ("signature", "key", "crypto"):
        for vector, jwks, algorithms in vectors(name):
            if vector["result"] != "valid" or all(jwk["kty"] == "oct" for jwk in jwks):
                continue
            if "HS256" in json.dumps(jwks) or (name == "signature" and vector["tcId"] in MISLABELLED):
                assert outcome(vector, jwks, algorithms) == "id_token_algorithm_refused", vector["tcId"]
            else:
                assert isinstance(outcome(vector, jwks, algorithms), bytes), vector["tcId"]
                passed += 1
    assert passed == 35


# --- 91: the header -------------------------------------------------------------------------------------------------


ATTACKER = private_key("ES256", 1)


@pytest.mark.parametrize(
    "offer",
    [
        {"jwk": public_jwk(ATTACKER)},
        {"jku": "https://evil.example/jwks"},
        {"jku": f"{ISSUER}/jwks#@evil.example"},
        {"x5u": "https://evil.example/chain"},
        {"x5c": [base64.b64encode(ATTACKER.as_der(private=False)).decode()]},
        {"x5t": "AAAA", "x5t#S256": "AAAA"},
    ],
)
@pytest.mark.parametrize(
    ("kid", "reason"),
    [
        ("the IdP's", "id_token_signature_invalid"),
        ("the attacker's", "id_token_key_unknown"),
        (None, "id_token_signature_invalid"),
    ],
)
def test_case_91_a_key_in_the_header_is_never_chosen_nor_fetched(offer, kid, reason):
    idp = FakeIdp()
    names = {"the IdP's": idp.key.kid, "the attacker's": ATTACKER.kid}
    header = {"alg": "ES256", **offer} | ({"kid": names[kid]} if kid else {})
    refuse(
        idp,
        reason,
        token=lambda idp: raw(
            idp, header, lambda signing_input: sign_raw(ATTACKER.private_key, signing_input)
        ),
    )
    assert {request.url.split("/")[2] for request in idp.http.sent} == {"idp.example"}
    passes(idp)


@pytest.mark.parametrize(
    "header",
    [
        {"crit": ["exp"], "exp": NOW},
        {"crit": ["unknown"], "unknown": 1},
        {"crit": ["alg"]},
        {"crit": []},
        {"crit": None},
        {"crit": "b64"},
        {"crit": ["b64"], "b64": False},
        {"crit": ["b64"], "b64": True},
        {"b64": False},
        {"b64": True},
        {"cty": "JWT"},
        {"cty": "jwt"},
        {"cty": ""},
    ],
)
def test_case_91_a_header_that_changes_what_the_payload_means(header):
    idp = FakeIdp()
    refuse(idp, "id_token_header_refused", token=lambda idp: resigned(idp, **header))
    passes(idp)


@pytest.mark.parametrize(
    "kind", ["at+jwt", "logout+jwt", "AT+JWT", "application/at+jwt", "secevent+jwt", "", None, 7, ["JWT"]]
)
def test_case_91_another_kind_of_jwt(kind):
    """RFC 8725 §3.11; an empty type says nothing and passes."""
    idp = FakeIdp()
    if kind == "":
        idp.header = {"typ": ""}
        assert idp.sign_in(pinned("ES256")).subject == "ana"
    else:
        refuse(idp, "id_token_type_refused", token=lambda idp: resigned(idp, typ=kind))
    passes(idp)


@pytest.mark.parametrize("size", [6 * 1024, 8 * 1024, 40 * 1024])
def test_case_91_an_oversized_header(size):
    idp = FakeIdp()
    refuse(idp, "id_token_malformed", token=lambda idp: resigned(idp, vendor="x" * size))
    passes(idp)


# --- 92: the kid ------------------------------------------------------------------------------------------------


def test_case_92_kid_absent_with_one_key_passes_and_with_several_fails():
    idp = FakeIdp(header={"kid": None})
    assert idp.sign_in(pinned("ES256")).subject == "ana"
    other = FakeIdp(header={"kid": None})
    other.serve_keys(public_jwk(other.key), public_jwk(private_key("ES256", 1)))
    refuse(other, "id_token_kid_ambiguous")
    other.header = {}
    assert other.sign_in(pinned("ES256")).subject == "ana"


@pytest.mark.parametrize(
    "kid", ["unknown", "../jwks", "..%2f", "https://evil.example", "' OR 1=1", "x" * 256, "KID"]
)
def test_case_92_an_unknown_kid_fails_after_one_refetch(kid):
    idp = FakeIdp()
    assert idp.sign_in(pinned("ES256")).subject == "ana"
    refuse(idp, "id_token_key_unknown", token=lambda idp: resigned(idp, kid=kid))
    refuse(idp, "id_token_key_unknown", token=lambda idp: resigned(idp, kid=kid))
    assert len(idp.http.calls(idp.url("/jwks"))) == 2
    passes(idp)


@pytest.mark.parametrize(
    "kid", [None, 7, True, [], ["kid"], {}, "", "x" * 257, "x" * 4096, "a\nb", "a\x00b", "\x1b[0m"]
)
def test_case_92_a_kid_that_is_none(kid):
    idp = FakeIdp()
    idp.sign_in(pinned("ES256"))
    refuse(idp, "id_token_kid_malformed", token=lambda idp: resigned(idp, kid=kid))
    assert len(idp.http.calls(idp.url("/jwks"))) == 1
    passes(idp)


@pytest.mark.parametrize(
    "other", [private_key("ES256", 1), private_key("ES256"), private_key("RS256"), private_key("ES384")]
)
def test_case_92_a_kid_that_stands_there_twice_is_nobodys(other):
    idp = FakeIdp()
    idp.serve_keys(public_jwk(idp.key), public_jwk(other, kid=idp.key.kid))
    redirect = idp.begin(at := pinned("ES256"))
    with pytest.raises(UpstreamError) as failure:
        idp.finish(redirect, at)
    assert failure.value.reason == "jwks_without_usable_key"
    idp.serve_keys(public_jwk(idp.key), public_jwk(other, kid="another"))
    assert idp.sign_in(at).subject == "ana"
