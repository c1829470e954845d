"""K. Encrypted ID tokens: cases 105 to 108, what is inside, whose key, downgrades, and one answer for all failures.

Each token is genuine but for one thing, and its good twin passes afterwards on the same process.
"""

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from fedbridge.errors import UpstreamError
from fedbridge.jws import encode_json
from fedbridge.model.connection import ClientAuthentication, IdTokenPolicy
from tests.negative.encrypted_tokens import EC, POLICY, RSA, Encrypting, with_part
from tests.negative.id_tokens import raw
from tests.unit.rp.encryption import decryption_key, encrypt, encrypted_connection, reheaded, with_policy
from tests.unit.rp.idp import KEY_REFERENCE, KeyDecrypter, KeySigner, native, private_key, sign


@pytest.fixture
def here() -> Encrypting:
    return Encrypting()


# --- 105: what is inside ---------------------------------------------------------------------------------------------


def test_case_105_claims_that_nobody_signed(here):
    """Anybody can encrypt to a public key."""
    here.refuse("not_signed", lambda: encrypt(encode_json(here.idp.id_token_claims()), EC), used=1)


def test_case_105_claims_signed_by_nobody_or_somebody_else(here):
    here.refuse("not_signed", lambda: encrypt(raw(here.idp, {"alg": "none"}), EC), used=1)
    here.refuse("algorithm_refused", lambda: encrypt(raw(here.idp, {"alg": "none"}, b"x"), EC), used=1)
    here.refuse(
        "signature_invalid",
        lambda: encrypt(
            sign(
                {"alg": "ES256", "kid": here.idp.key.kid},
                encode_json(here.idp.id_token_claims()),
                private_key("ES256", 1),
            ),
            EC,
        ),
        used=1,
    )


def test_case_105_a_jwe_in_a_jwe(here):
    here.refuse("not_signed", lambda: encrypt(here.encrypted(), EC), used=1)


@pytest.mark.parametrize("cty", ["JWT", None])
def test_case_105_a_jws_of_a_jwe(here, cty):
    """Signed around what is encrypted: the wrong way round, with and without an encryption around it."""

    def token():
        header = {"alg": "ES256", "kid": here.idp.key.kid} | ({"cty": cty} if cty else {})
        return sign(header, here.encrypted().encode(), here.idp.key)

    here.refuse("not_encrypted", token)
    here.refuse("header_refused" if cty else "malformed", lambda: encrypt(token(), EC), used=1)


@pytest.mark.parametrize("cty", ["json", "jwe", "JWE", "", "text/plain", None, 1, ["JWT"], {}])
def test_case_105_a_content_type_that_is_no_jwt(here, cty):
    header = {"alg": "RSA-OAEP", "enc": "A256GCM", "kid": RSA.thumbprint(), "cty": cty}
    here.refuse("encryption_header_refused", lambda: reheaded(here.encrypted(RSA, "RSA-OAEP"), header))


def test_case_105_without_a_content_type_a_signature_is_demanded_all_the_same(here):
    here.passes(lambda: here.encrypted(cty=None))
    claims = encode_json(here.idp.id_token_claims())
    here.refuse("not_signed", lambda: encrypt(claims, EC, cty=None), used=1)


@pytest.mark.parametrize("name,value", [("iss", "https://evil.example"), ("aud", "another"), ("sub", "eve")])
def test_case_105_claims_in_the_header_that_are_not_those_inside(here, name, value):
    here.refuse("encryption_claims_differ", lambda: here.encrypted(**{name: value}), used=1)
    here.passes(lambda: here.encrypted(iss=here.idp.issuer, aud="bridge", sub="ana"))


# --- 106: whose key --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [True, False])
def test_case_106_a_key_that_is_no_longer_in_the_overlap(here, named):
    retired = decryption_key("P-256", 2)
    here.keys["file:retired"] = KeyDecrypter(retired)
    here.at = with_policy(here.at, retired_keys=("file:retired",))
    here.passes(lambda: here.encrypted(retired, kid=retired.thumbprint() if named else None))

    here.at = with_policy(here.at, retired_keys=())
    token = lambda: here.encrypted(retired, kid=retired.thumbprint() if named else None)  # noqa: E731
    here.refuse("decryption_key_unknown" if named else "decryption_failed", token, used=0 if named else 1)


@pytest.mark.parametrize("named", [True, False])
def test_case_106_encrypted_to_the_key_that_signs(here, named):
    signing = private_key("RS256")
    here.idp.keys.signers[KEY_REFERENCE] = KeySigner(signing, "RS256")
    authentication = ClientAuthentication(method="private_key_jwt", key=KEY_REFERENCE, algorithm="RS256")
    here.at = encrypted_connection(POLICY, client_authentication=authentication)
    here.refuse(
        "decryption_key_unknown" if named else "decryption_failed",
        lambda: here.encrypted(signing, "RSA-OAEP", kid=signing.thumbprint() if named else None),
        used=0 if named else 1,
    )


@pytest.mark.parametrize("named", [True, False])
def test_case_106_encrypted_to_another_connections_key(here, named):
    theirs = decryption_key("P-256", 3)
    here.keys["file:theirs"] = KeyDecrypter(theirs)
    token = here.encrypted(theirs, kid=theirs.thumbprint() if named else None)
    here.refuse("decryption_key_unknown" if named else "decryption_failed", token, used=0 if named else 1)


@pytest.mark.parametrize("kid", ["../../etc/passwd", "unknown", "K" * 256])
def test_case_106_a_kid_that_is_nobodys(here, kid):
    here.refuse("decryption_key_unknown", lambda: here.encrypted(kid=kid))


@pytest.mark.parametrize("kid", ["", "K" * 257, "a\nb", None, 5, ["x"], {}])
def test_case_106_a_kid_that_is_none(here, kid):
    header = {"alg": "RSA-OAEP", "enc": "A256GCM", "kid": kid}
    here.refuse("encryption_malformed", lambda: reheaded(here.encrypted(RSA, "RSA-OAEP"), header))


@pytest.mark.parametrize("offer", ["jwk", "jku", "x5u", "x5c"])
def test_case_106_what_the_header_offers_chooses_no_key(here, offer):
    other = decryption_key("P-256", 7).as_dict(private=False)
    offered = {"jwk": other, "x5c": ["AAAA"]}.get(offer, "https://evil.example/keys")
    here.passes(lambda: here.encrypted(**{offer: offered}))
    assert not any("evil" in request.url for request in here.idp.http.sent)


# --- 107: downgrade --------------------------------------------------------------------------------------------------


def test_case_107_a_clear_token_where_encryption_is_required(here):
    here.refuse("not_encrypted", here.idp.id_token)


def test_case_107_a_clear_token_where_encryption_is_optional(here):
    here.at = encrypted_connection(
        POLICY, id_token=IdTokenPolicy(algorithms=("ES256",), encryption="optional")
    )
    here.passes(here.idp.id_token)
    here.passes(here.encrypted)


def test_case_107_an_encrypted_token_where_none_is_expected(here):
    plain = encrypted_connection(POLICY, id_token=IdTokenPolicy(algorithms=("ES256",)))
    redirect = here.idp.begin(plain)
    here.idp.answer_token(here.idp.token_answer(id_token=here.encrypted()))
    with pytest.raises(UpstreamError) as failure:
        here.idp.finish(redirect, plain)
    assert (failure.value.reason, here.used) == ("id_token_encrypted", 0)


# --- 108: one answer -------------------------------------------------------------------------------------------------


def test_case_108_a_bad_key_a_bad_tag_and_a_bad_signature_look_alike_outside(here):
    """The same words, after one use of the key and one decryption of the content each: a key that cannot be unwrapped is
    replaced by a random one, so that there is no shorter way.
    """
    token = here.encrypted(RSA, "RSA-OAEP")
    digest = hashes.SHA1()
    oaep = padding.OAEP(padding.MGF1(digest), digest, None)
    public = native(RSA).public_key()
    wrongly_padded = public.encrypt(bytes(32), padding.PKCS1v15())
    wrong_length = public.encrypt(bytes(16), oaep)
    wrong_key = public.encrypt(bytes(32), oaep)
    tampered = with_part(token, 4, bytes(16))
    decrypted = [
        here.refuse("decryption_failed", bad, used=1)
        for bad in (
            *(with_part(token, 1, key) for key in (wrongly_padded, wrong_length, wrong_key)),
            tampered,
        )
    ]
    forged = sign(
        {"alg": "ES256", "kid": here.idp.key.kid},
        encode_json(here.idp.id_token_claims()),
        private_key("ES256", 1),
    )
    signed = here.refuse("signature_invalid", encrypt(forged, RSA, "RSA-OAEP"), used=1)
    outside = {(type(failure), failure.error, failure.description) for failure in [*decrypted, signed]}
    assert len(outside) == 1
