"""K. Encrypted ID tokens: cases 101 to 104, algorithms, lengths and tampering, and what would keep us busy.

Each token is genuine but for one thing, and its good twin passes afterwards on the same process.
"""

import itertools
import json
import tracemalloc
import zlib

import pytest
from joserfc.errors import SecurityWarning

from fedbridge.errors import UpstreamError
from fedbridge.jws import b64url
from fedbridge.model.policies import CONTENT_ENCRYPTION_ALGORITHMS, KEY_ENCRYPTION_ALGORITHMS
from fedbridge.rp.base64url import decode_base64url
from tests.negative.encrypted_tokens import EC, RSA, Encrypting, with_part
from tests.unit.rp.encryption import decryption_key, encrypt, key_for, reheaded, with_policy


@pytest.fixture
def here() -> Encrypting:
    return Encrypting()


# --- 101: the key management algorithm -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "alg",
    [
        "RSA1_5", "dir", "A128KW", "A192KW", "A256KW", "A128GCMKW", "A256GCMKW", "PBES2-HS256+A128KW",
        "PBES2-HS512+A256KW", "RSA-OAEP-384", "RSA-OAEP-512", "ECDH-1PU", "ECDH-ES+A128GCMKW", "ECDH-ES+XC20PKW", "none",
        "", "rsa-oaep", "RSA-OAEP ", "RS256", None, 0, True, [], ["RSA-OAEP"], {}, ...,
    ],
)  # fmt: skip
def test_case_101_an_algorithm_that_nobody_accepts(here, alg):
    header = {"enc": "A256GCM", "kid": RSA.thumbprint()} | ({} if alg is ... else {"alg": alg})
    here.refuse("encryption_algorithm_refused", lambda: reheaded(here.encrypted(RSA, "RSA-OAEP"), header))


def test_case_101_a_genuine_rsa1_5(here):
    """Bleichenbacher's: the key would decrypt it."""

    def token():
        with pytest.warns(SecurityWarning, match="RSA1_5"):
            return here.encrypted(RSA, "RSA1_5")

    here.refuse("encryption_algorithm_refused", token)


@pytest.mark.parametrize("pinned,used", [*itertools.permutations(KEY_ENCRYPTION_ALGORITHMS, 2)])
def test_case_101_an_algorithm_outside_the_pin(here, pinned, used):
    here.at = with_policy(here.at, algorithms=(pinned,))
    redirect = here.idp.begin(here.at)
    here.idp.answer_token(here.idp.token_answer(id_token=here.encrypted(key_for(used), used)))
    with pytest.raises(UpstreamError) as failure:
        here.idp.finish(redirect, here.at)
    assert (failure.value.reason, here.used) == ("id_token_encryption_algorithm_refused", 0)
    here.passes(lambda: here.encrypted(key_for(pinned), pinned))


EPK = decryption_key("P-256", 7).as_dict(private=False)
OTHER_CURVE = decryption_key("P-384", 7).as_dict(private=False)


@pytest.mark.parametrize(
    "epk",
    [
        {**EPK, "y": EPK["x"]},  # a point off the curve
        {**EPK, "x": b64url(bytes(32)), "y": b64url(bytes(32))},
        {**EPK, "x": b64url(b"\xff" * 32)},  # beyond the field
        {**EPK, "x": b64url(bytes(31))},
        {**EPK, "x": b64url(bytes(33))},
        {**OTHER_CURVE, "crv": "P-256"},
        {**EPK, "crv": "P-384"},
        {**EPK, "crv": "secp256k1"},
        {**EPK, "crv": "X25519", "kty": "OKP"},
        {**EPK, "kty": "RSA"},
        {**EPK, "d": b64url(bytes(31) + b"\1")},  # a private part
        {**EPK, "x": f"{EPK['x']}="},
        {**EPK, "x": None},
        {"kty": "EC", "crv": "P-256", "x": EPK["x"]},
        {"kty": "oct", "k": "AAAA"},
        {}, [], "epk", None, ...,
    ],
)  # fmt: skip
@pytest.mark.parametrize("alg", ["ECDH-ES", "ECDH-ES+A256KW"])
def test_case_101_an_ephemeral_key_that_is_none(here, alg, epk):
    header = {"alg": alg, "enc": "A256GCM", "kid": EC.thumbprint()} | ({} if epk is ... else {"epk": epk})
    here.refuse("encryption_malformed", lambda: reheaded(here.encrypted(EC, alg), header))


def test_case_101_an_ephemeral_key_on_another_curve_than_the_key(here):
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": EC.thumbprint(), "epk": OTHER_CURVE}
    here.refuse("decryption_key_unknown", lambda: reheaded(here.encrypted(), header))


@pytest.mark.parametrize("party", ["*", "QQ==", "QR", 5, None, [], "A" * 1028])
@pytest.mark.parametrize("name", ["apu", "apv"])
def test_case_101_names_of_parties_that_are_none(here, name, party):
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": EC.thumbprint(), "epk": EPK, name: party}
    here.refuse("encryption_malformed", lambda: reheaded(here.encrypted(), header))


# --- 102: content encryption, lengths, tampering ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "enc",
    ["A192GCM", "A192CBC-HS384", "A128CBC", "A256CBC", "none", "", "a256gcm", "C20P", "XC20P", None, 1, [], ["A256GCM"], ...],
)  # fmt: skip
def test_case_102_a_content_encryption_that_nobody_accepts(here, enc):
    header = {"alg": "RSA-OAEP", "kid": RSA.thumbprint()} | ({} if enc is ... else {"enc": enc})
    here.refuse("encryption_algorithm_refused", lambda: reheaded(here.encrypted(RSA, "RSA-OAEP"), header))


@pytest.mark.parametrize("enc", ["A192GCM", "A192CBC-HS384"])
def test_case_102_a_genuine_token_of_a_content_encryption_that_nobody_accepts(here, enc):
    here.refuse("encryption_algorithm_refused", lambda: here.encrypted(RSA, "RSA-OAEP", enc))


@pytest.mark.parametrize("pinned,used", [*itertools.permutations(CONTENT_ENCRYPTION_ALGORITHMS, 2)])
def test_case_102_a_content_encryption_outside_the_pin(here, pinned, used):
    here.at = with_policy(here.at, content_encryption=(pinned,))
    redirect = here.idp.begin(here.at)
    here.idp.answer_token(here.idp.token_answer(id_token=here.encrypted(enc=used)))
    with pytest.raises(UpstreamError) as failure:
        here.idp.finish(redirect, here.at)
    assert (failure.value.reason, here.used) == ("id_token_encryption_algorithm_refused", 0)
    here.passes(lambda: here.encrypted(enc=pinned))


LENGTHS = {"A128CBC-HS256": (16, 16), "A256CBC-HS512": (16, 32), "A128GCM": (12, 16), "A256GCM": (12, 16)}
"""Octets of IV and tag."""


@pytest.mark.parametrize("enc", CONTENT_ENCRYPTION_ALGORITHMS)
def test_case_102_tags_and_ivs_of_other_lengths(here, enc):
    """Prefixes of the genuine ones: a library that compares what is there would take them."""
    token = here.encrypted(enc=enc)
    iv, _, tag = (decode_base64url(segment) for segment in token.split(".")[2:])
    assert (len(iv), len(tag)) == LENGTHS[enc]
    for part, octets in ((4, tag), (2, iv)):
        for wrong in [*(octets[:length] for length in range(len(octets))), octets + b"\0", octets * 2]:
            here.refuse("encryption_malformed", with_part(token, part, wrong))


@pytest.mark.parametrize("alg", [alg for alg in KEY_ENCRYPTION_ALGORITHMS if alg != "ECDH-ES"])
def test_case_102_encrypted_keys_of_other_lengths(here, alg):
    token = here.encrypted(key_for(alg), alg)
    genuine = decode_base64url(token.split(".")[1])
    assert len(genuine) == (256 if alg.startswith("RSA") else 40)
    for wrong in (b"", genuine[:8], genuine[:-8], genuine[:-1], genuine * 5):
        here.refuse("encryption_malformed", with_part(token, 1, wrong))


@pytest.mark.parametrize("octets", [b"\0", bytes(8), bytes(24), bytes(40), bytes(256)])
def test_case_102_an_encrypted_key_where_the_key_is_agreed_upon(here, octets):
    here.refuse("encryption_malformed", lambda: with_part(here.encrypted(), 1, octets))


def test_case_102_an_encrypted_key_as_long_as_another_modulus(here):
    token = here.encrypted(RSA, "RSA-OAEP")
    here.refuse("decryption_failed", with_part(token, 1, bytes(384)), used=1)


@pytest.mark.parametrize("enc", ["A128CBC-HS256", "A256GCM"])
@pytest.mark.parametrize("alg", KEY_ENCRYPTION_ALGORITHMS)
def test_case_102_each_part_flipped(here, alg, enc):
    token = here.encrypted(key_for(alg), alg, enc)
    for part, segment in enumerate(token.split(".")):
        octets = decode_base64url(segment)
        if part == 0 or not octets:  # the header is JSON: see below; ECDH-ES has no encrypted key
            continue
        for at in (0, len(octets) // 2, len(octets) - 1):
            flipped = octets[:at] + bytes([octets[at] ^ 1]) + octets[at + 1 :]
            here.refuse("decryption_failed", with_part(token, part, flipped), used=1)


def test_case_102_a_header_that_says_the_same_in_other_words(here):
    """The tag covers the header as it was sent."""
    token = here.encrypted()
    header = json.loads(decode_base64url(token.split(".")[0]))
    spaced = with_part(token, 0, json.dumps(header, indent=1).encode())
    here.refuse("decryption_failed", spaced, used=1)


@pytest.mark.parametrize("cut", [0, 1, 15, 16, 17])
def test_case_102_ciphertexts_of_other_lengths(here, cut):
    for enc in CONTENT_ENCRYPTION_ALGORITHMS:
        token = here.encrypted(enc=enc)
        ciphertext = decode_base64url(token.split(".")[3])
        here.refuse("decryption_failed", with_part(token, 3, ciphertext[:cut]), used=1)
        here.refuse("decryption_failed", with_part(token, 3, ciphertext + bytes(cut + 1)), used=1)


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token + "=",
        lambda token: token.replace(".", ".=", 1),
        lambda token: token.replace(".", ". ", 1),
        lambda token: token + "\n",
        lambda token: token + ".",
        lambda token: "." + token,
        lambda token: "AAAA" + token,
        lambda token: token[:20] + "+/" + token[22:],
    ],
)
def test_case_102_five_segments_that_are_no_compact_jwe(here, change):
    redirect = here.idp.begin(here.at)
    here.idp.answer_token(here.idp.token_answer(id_token=change(here.encrypted())))
    with pytest.raises(UpstreamError) as failure:
        here.idp.finish(redirect, here.at)
    assert failure.value.reason in {"id_token_encryption_malformed", "id_token_not_encrypted"}
    assert here.used == 0
    here.passes()


@pytest.mark.parametrize(
    "header",
    [
        b"", b"{}", b"[]", b"null", b"{", b"\xff", b'{"alg":"ECDH-ES","alg":"dir","enc":"A256GCM"}', b'{"alg":NaN}',
        b"[" * 5000, b'{"a":' * 1000 + b"1" + b"}" * 1000, b'{"alg":' + b"9" * 5000 + b"}", b'{"kid":"\\ud800"}',
    ],
)  # fmt: skip
def test_case_102_headers_that_are_no_json_object_or_say_nothing(here, header):
    reason = "encryption_algorithm_refused" if header == b"{}" else "encryption_malformed"
    here.refuse(reason, lambda: with_part(here.encrypted(), 0, header))


# --- 103, 104: what would keep us busy -------------------------------------------------------------------------------


@pytest.mark.parametrize("p2c", [2**31 - 1, 0, -1, 1000, "1000", None])
def test_case_103_a_password_count(here, p2c):
    password = {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2s": "AAAAAAAAAAA", "p2c": p2c}
    here.refuse("encryption_algorithm_refused", lambda: reheaded(here.encrypted(), password))
    beside = {"alg": "RSA-OAEP", "enc": "A256GCM", "kid": RSA.thumbprint(), "p2c": p2c}
    here.refuse("encryption_header_refused", lambda: reheaded(here.encrypted(RSA, "RSA-OAEP"), beside))


def test_case_104_a_genuine_compressed_token(here):
    here.refuse("encryption_header_refused", lambda: here.encrypted(zip="DEF"))


@pytest.mark.parametrize("value", ["DEF", "GZ", "", None, False, []])
def test_case_104_zip_at_all(here, value):
    header = {"alg": "RSA-OAEP", "enc": "A256GCM", "kid": RSA.thumbprint(), "zip": value}
    here.refuse("encryption_header_refused", lambda: reheaded(here.encrypted(RSA, "RSA-OAEP"), header))


def test_case_104_a_bomb_never_goes_off(here):
    bomb = zlib.compress(bytes(32 * 1024 * 1024), 9)[2:-4]
    assert len(bomb) < 33 * 1024
    token = reheaded(encrypt(bomb, RSA, "RSA-OAEP"), {"alg": "RSA-OAEP", "enc": "A256GCM", "zip": "DEF"})
    tracemalloc.start()
    try:
        here.refuse("encryption_header_refused", token)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 16 * 1024 * 1024


@pytest.mark.parametrize("name,value", [("crit", ["exp"]), ("crit", []), ("crit", "b64"), ("b64", False)])
def test_case_104_members_that_must_be_understood(here, name, value):
    header = {"alg": "RSA-OAEP", "enc": "A256GCM", "kid": RSA.thumbprint(), name: value}
    here.refuse("encryption_header_refused", lambda: reheaded(here.encrypted(RSA, "RSA-OAEP"), header))
