"""Import of private keys from PEM, JWK and JWKS, and their public JWKs."""

import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from joserfc.jwk import ECKey, OctKey, RSAKey

from fedbridge.errors import ConfigurationError
from fedbridge.jws import b64url
from fedbridge.keys.jwk import import_public_key, public_jwk, thumbprint
from fedbridge.keys.strength import has_roca_fingerprint
from tests.support.keys import (
    CURVES,
    ec_key,
    jwk_text,
    private_jwk,
    private_pem,
    public_pem,
    rsa_key,
    thumbprint_of,
)
from tests.unit.keys.refusals import assert_quotes_nothing, imported, refusal

KEYS = [
    pytest.param(lambda: rsa_key(2048), id="RSA-2048"),
    pytest.param(lambda: rsa_key(3072), id="RSA-3072"),
    *(pytest.param(lambda curve=curve: ec_key(curve), id=curve) for curve in CURVES),
]
# Made for this test in the shape of Infineon's library: both primes are k * primorial + a power of 65537.
ROCA_P = 0xFDE26F93E5ECFF3B8E51219DE1F8BC89E2F928C6B9F3D982898B9C9CB081612FAF639FEF9E46120176FA9932539042A0F5196D8BB63F48E642DF0094E3C32CBC0EB5C15C009F24D3FDE4808B5B2C0EC2B833217E5F7CD4BECBA532996BEB60E91621A3E8DF36D84479C96E1DE1D563FE76031A4C6FB474FB3093917C660738FD  # fmt: skip
ROCA_Q = 0xFF489001A53F9D081D0D13BA5CEBD359CE46E26B166973701940F65D5EEB9A2900A7791D992FE40FEA6B6197E28392F239409CD984828BA44BFDD9929966E725AC6FC2195D33FD157CED4D8ABB1DB965A0F244B939F910372151FE942A52DDD3A52E9D403D0CA23BF96E610940BE1F37EB6F9FCFD54AA05ACE02CCD78219F391  # fmt: skip

both_kinds_of_trust = pytest.mark.parametrize("trusted", [False, True], ids=["untrusted", "trusted"])


@pytest.mark.parametrize("make", KEYS)
@pytest.mark.parametrize(
    "form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL], ids=["PKCS#8", "PKCS#1 or SEC1"]
)
@both_kinds_of_trust
def test_pem(make, form, trusted):
    assert (
        imported(private_pem(make(), form), trusted=trusted).key.private_numbers() == make().private_numbers()
    )


@pytest.mark.parametrize("make", KEYS)
@both_kinds_of_trust
def test_jwk(make, trusted):
    key = imported(jwk_text(make(), kid="mine", use="sig", key_ops=["sign"]), trusted=trusted)

    assert key.key.private_numbers() == make().private_numbers()
    assert key.algorithm is None


def test_a_jwk_says_its_algorithm():
    assert imported(jwk_text(rsa_key(), alg="PS256")).algorithm == "PS256"


@pytest.mark.parametrize(
    "mangle",
    [
        pytest.param(lambda pem: pem.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(lambda pem: pem.replace("\n", " "), id="line ends turned into blanks, as consoles do"),
        pytest.param(
            lambda pem: pem.replace("\n", "\\n"), id="line ends escaped, as in environment variables"
        ),
        pytest.param(lambda pem: f"\ufeff\n  {pem}  \n", id="byte order mark and blanks around"),
        pytest.param(lambda pem: f"{public_pem(rsa_key(2048, 1))}{pem}", id="another block before"),
        pytest.param(lambda pem: f"subject=bridge\n{pem}notes", id="text around"),
    ],
)
def test_pem_as_people_store_it(mangle):
    assert imported(mangle(private_pem(rsa_key()))).key.private_numbers() == rsa_key().private_numbers()


def test_a_file_of_openssl_with_curve_parameters():
    parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"

    key = imported(parameters + private_pem(ec_key(), PrivateFormat.TraditionalOpenSSL)).key

    assert key.private_numbers() == ec_key().private_numbers()


class TestDocumentsWithSeveralKeys:
    first, second = ec_key("P-256", 1), ec_key("P-256", 2)
    jwks = json.dumps({"keys": [private_jwk(first, kid="one"), private_jwk(second, kid="two")]})

    def chosen(self, text, fragment):
        return imported(text, fragment=fragment).key.private_numbers()

    @pytest.mark.parametrize("fragment", [None, "one"])
    def test_the_first_or_the_one_of_this_kid(self, fragment):
        assert self.chosen(self.jwks, fragment) == self.first.private_numbers()
        assert self.chosen(self.jwks, "two") == self.second.private_numbers()

    def test_by_thumbprint(self):
        assert self.chosen(self.jwks, thumbprint_of(self.second)) == self.second.private_numbers()

    def test_a_member_of_a_secret(self):
        pem, jwk = private_pem(self.first), private_jwk(self.second)
        secret = json.dumps({"pem": pem, "jwk": jwk, "jwk_as_text": json.dumps(jwk), "n": 1})

        assert self.chosen(secret, "pem") == self.first.private_numbers()
        assert (
            self.chosen(secret, "jwk") == self.chosen(secret, "jwk_as_text") == self.second.private_numbers()
        )
        assert "no key in a member 'n'" in refusal(secret, fragment="n")
        assert "no key in a member 'x'" in refusal(secret, fragment="x")
        assert "name the member" in refusal(secret)

    @pytest.mark.parametrize(
        "keys,fragment",
        [
            ([], None),
            ({}, None),
            (["text"], None),
            ([private_jwk(first, kid="one")], "two"),
            ([private_jwk(first, kid="one"), private_jwk(second, kid="one")], "one"),
            ([{"kty": ["RSA"]}], "one"),
        ],
    )
    def test_none_or_several_are_refused(self, keys, fragment):
        refusal(json.dumps({"keys": keys}), fragment=fragment)

    def test_a_single_jwk_must_have_the_kid(self):
        refusal(jwk_text(self.first, kid="one"), fragment="two")

    def test_a_pem_has_no_members(self):
        assert "not a JSON document" in refusal(private_pem(self.first), fragment="one")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "correct horse battery staple",
        "{",
        "[]",
        '{"keys"',
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY----------END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nnot base64!\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADAN\n-----END PRIVATE KEY-----",
        "{" * 100_000,
    ],
)
def test_malformed_text(text):
    refusal(text)


@pytest.mark.parametrize("make", KEYS)
@both_kinds_of_trust
def test_a_cut_pem(make, trusted):
    lines = private_pem(make()).splitlines()

    assert "not a well-formed private key" in refusal("\n".join([*lines[:-2], lines[-1]]), trusted=trusted)


def test_an_encrypted_key():
    assert "encrypted" in refusal(private_pem(rsa_key(), password="secret"))
    assert "encrypted" in refusal(private_pem(rsa_key(), PrivateFormat.TraditionalOpenSSL, password="secret"))


def test_several_private_keys_in_one_pem():
    assert "2 private keys" in refusal(private_pem(ec_key()) + private_pem(rsa_key()))


def test_public_keys():
    public = RSAKey.import_key(rsa_key()).as_dict(private=False)

    assert "holds no private key, only PUBLIC KEY" in refusal(public_pem(rsa_key()))
    assert "public JWK" in refusal(json.dumps(public))


def test_symmetric_keys():
    assert "RSA or EC" in refusal(json.dumps(OctKey.generate_key(256).as_dict(private=True)))


@pytest.mark.parametrize(
    "key", [ed25519.Ed25519PrivateKey.generate(), dsa.generate_private_key(2048)], ids=["Ed25519", "DSA"]
)
def test_keys_of_other_types(key):
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    assert "neither RSA nor EC" in refusal(pem)


def test_openssh_keys():
    pem = ec_key().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()

    assert "convert it to PKCS#8" in refusal(pem)


@pytest.mark.parametrize(
    "curve", [ec.SECP256K1(), ec.SECP224R1(), ec.BrainpoolP256R1()], ids=lambda curve: curve.name
)
def test_other_curves(curve):
    assert "P-256, P-384 or P-521" in refusal(private_pem(ec.generate_private_key(curve)))


@pytest.mark.parametrize("curve", ["secp256k1", "P-192", "", None, ["P-256"]])
def test_other_curves_in_a_jwk(curve):
    assert "P-256, P-384 or P-521" in refusal(jwk_text(ec_key(), crv=curve))


@pytest.mark.filterwarnings("ignore:Key size should be")  # joserfc writes the JWK, and warns
@both_kinds_of_trust
def test_rsa_keys_below_2048_bits(trusted):
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)

    assert "2048 to 8192" in refusal(private_pem(weak), trusted=trusted)
    assert "2048 to 8192" in refusal(jwk_text(weak), trusted=trusted)


@both_kinds_of_trust
def test_rsa_keys_with_a_small_exponent(trusted):
    weak = rsa.generate_private_key(public_exponent=3, key_size=2048)

    assert "exponent" in refusal(private_pem(weak), trusted=trusted)


@both_kinds_of_trust
def test_rsa_keys_of_infineons_library(trusted):
    assert "ROCA" in refusal(private_pem(_rsa_key_of(ROCA_P, ROCA_Q)), trusted=trusted)


def test_no_other_modulus_looks_like_infineons():
    assert not has_roca_fingerprint(rsa_key(2048).public_key().public_numbers().n)
    assert not has_roca_fingerprint(rsa_key(3072).public_key().public_numbers().n)
    # Either prime of that shape alone gives nothing away.
    assert not has_roca_fingerprint(ROCA_P * rsa_key(2048).private_numbers().p)


class TestPartsOfDifferentKeys:
    @pytest.mark.parametrize("member", ["n", "e", "d", "p", "q", "dp", "dq", "qi"])
    @both_kinds_of_trust
    def test_rsa(self, member, trusted):
        other = private_jwk(rsa_key(2048, 1)) | {"e": "AQAD"}

        refusal(jwk_text(rsa_key(), **{member: other[member]}), trusted=trusted)

    @pytest.mark.parametrize("member", ["x", "y", "d"])
    @both_kinds_of_trust
    def test_ec(self, member, trusted):
        refusal(jwk_text(ec_key(), **{member: private_jwk(ec_key("P-256", 1))[member]}), trusted=trusted)

    @both_kinds_of_trust
    def test_rsa_in_pem(self, trusted):
        numbers, other = rsa_key().private_numbers(), rsa_key(2048, 1).private_numbers()
        mixed = rsa.RSAPrivateNumbers(
            numbers.p, numbers.q, other.d, numbers.dmp1, numbers.dmq1, numbers.iqmp, numbers.public_numbers
        ).private_key(unsafe_skip_rsa_key_validation=True)

        refusal(private_pem(mixed), trusted=trusted)


@pytest.mark.parametrize("right_factor", ["p", "q"])
def test_an_exponent_that_is_right_for_one_factor_alone(right_factor):
    """Its CRT numbers follow from it, so that only the exponent itself tells."""
    numbers = rsa_key().private_numbers()
    p, q = numbers.p, numbers.q
    d = numbers.d + ((p - 1) if right_factor == "p" else (q - 1))
    members = {"d": d, "dp": d % (p - 1), "dq": d % (q - 1)}

    refusal(
        jwk_text(rsa_key(), **{name: _base64url_uint(value) for name, value in members.items()}), trusted=True
    )


def test_composite_factors_are_found_unless_the_copy_is_trusted():
    """Fermat's last word: consistent arithmetic proves everything but the primality of p and q."""
    composite = rsa_key(2048, 1).private_numbers()
    text = private_pem(_rsa_key_of(composite.p, composite.q * 0x10001))

    assert "not prime" in refusal(text)
    assert imported(text, trusted=True).key.key_size > 2048


@pytest.mark.parametrize(
    "members",
    [
        {"oth": [{"r": "AQ", "d": "AQ", "t": "AQ"}]},
        {"p": None},
        {"d": ""},
        {"d": 5},
        {"n": "AQAB=="},
        {"n": "AQ B"},
        {"e": "AAEAAQ"},
        {"e": "AQAC"},
    ],
)
def test_rsa_members_that_are_not_what_they_must_be(members):
    refusal(jwk_text(rsa_key(), **members))


def test_an_rsa_jwk_without_its_primes():
    jwk = private_jwk(rsa_key())

    assert "all of p, q, dp, dq, qi" in refusal(
        json.dumps({name: jwk[name] for name in ("kty", "n", "e", "d")})
    )


@pytest.mark.parametrize("member", ["x", "y", "d"])
@pytest.mark.parametrize("value", ["", "AQ", 7, None, "A" * 44, "A" * 43 + "="])
def test_ec_members_that_are_not_what_they_must_be(member, value):
    refusal(jwk_text(ec_key(), **{member: value}))


@pytest.mark.parametrize("member", ["x", "y", "d"])
def test_ec_members_with_a_zero_too_many_or_bits_left_over(member):
    """The number is right, its form is not (RFC 7518 §6.2.1.2; RFC 4648 §3.5)."""
    value = private_jwk(ec_key())[member]
    octets = base64.urlsafe_b64decode(value + "=")
    left_over = value[:-1] + chr(ord(value[-1]) + 1)
    assert base64.urlsafe_b64decode(left_over + "=") == octets

    refusal(jwk_text(ec_key(), **{member: b64url(b"\0" + octets)}))
    refusal(jwk_text(ec_key(), **{member: left_over}))


@pytest.mark.parametrize("member", ["x", "y"])
def test_an_ec_jwk_without_its_point(member):
    jwk = private_jwk(ec_key())

    refusal(json.dumps({name: value for name, value in jwk.items() if name != member}))


@pytest.mark.parametrize(
    "members",
    [{"use": "enc"}, {"key_ops": ["decrypt"]}, {"key_ops": "sign"}, {"key_ops": 1}, {"use": ["sig"]}],
)
def test_a_jwk_for_another_use(members):
    assert "not for signing" in refusal(jwk_text(rsa_key(), **members))


@pytest.mark.parametrize("algorithm", ["RSA-OAEP", "HS256", "none", "", ["RS256"], 1])
def test_a_jwk_for_another_algorithm(algorithm):
    assert "'alg'" in refusal(jwk_text(rsa_key(), alg=algorithm))


@pytest.mark.parametrize("key_type", [["RSA"], None, "rsa", 1])
def test_a_jwk_of_no_type(key_type):
    refusal(jwk_text(rsa_key(), kty=key_type))


def test_repeated_members():
    """Two readers could take different ones; here both are even the same."""
    jwk = private_jwk(ec_key())

    refusal(json.dumps(jwk)[:-1] + f', "kty": "EC", "d": "{jwk["d"]}"}}')


@pytest.mark.parametrize("make", KEYS)
def test_the_public_jwk_is_joserfcs(make):
    expected = (RSAKey if isinstance(make(), rsa.RSAPrivateKey) else ECKey).import_key(make())

    jwk = public_jwk(make().public_key(), "X")

    members = {name: value for name, value in jwk.items() if name not in ("kid", "use", "alg")}
    assert members == {k: v for k, v in expected.as_dict(private=False).items() if k != "kid"}
    assert (jwk["kid"], jwk["use"], jwk["alg"]) == (expected.thumbprint(), "sig", "X")


def test_the_thumbprint_of_rfc_7638():
    """The example of section 3.1."""
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3"
        "oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdA"
        "ZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-"
        "kEgU8awapJzKnqDKgw"
    )
    modulus = int.from_bytes(base64.urlsafe_b64decode(n + "=="), "big")

    assert (
        thumbprint(rsa.RSAPublicNumbers(65537, modulus).public_key())
        == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    )


def test_a_public_key_that_is_none():
    with pytest.raises(ConfigurationError, match="unknown kind"):
        import_public_key(b"\x30\x00", source="arn")


def test_a_public_key_of_another_type():
    key = ed25519.Ed25519PrivateKey.generate().public_key()

    with pytest.raises(ConfigurationError, match="neither RSA nor EC"):
        import_public_key(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), source="arn")


@pytest.mark.parametrize(
    "leak",
    [
        lambda text: ConfigurationError(f"cannot read {text}"),
        lambda text: ConfigurationError(text[:80]),
        lambda text: _caused_by(json.JSONDecodeError("bad", text, 0)),
        lambda text: _caused_by(ValueError(text)),
    ],
)
def test_a_refusal_that_quoted_a_key_would_be_noticed(leak):
    text = jwk_text(ec_key())

    with pytest.raises(AssertionError):
        assert_quotes_nothing(leak(text), text)


def _caused_by(error: Exception) -> ConfigurationError:
    caused = ConfigurationError("bad")
    caused.__context__ = error
    caused.__suppress_context__ = True
    return caused


def _base64url_uint(number: int) -> str:
    return b64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _rsa_key_of(p: int, q: int) -> rsa.RSAPrivateKey:
    d = rsa.rsa_recover_private_exponent(65537, p, q)
    numbers = rsa.RSAPrivateNumbers(
        p,
        q,
        d,
        rsa.rsa_crt_dmp1(d, p),
        rsa.rsa_crt_dmq1(d, q),
        rsa.rsa_crt_iqmp(p, q),
        rsa.RSAPublicNumbers(65537, p * q),
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)
