"""Encrypted tokens: what opens, by which key, and what one reason hides."""

import itertools
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from fedbridge.errors import ConfigurationError, DeadlineExceeded, KeyUnavailable, UpstreamError
from fedbridge.jws import b64url, encode_json
from fedbridge.rp.jwe import MAX_ATTEMPTS, MAX_PARTY_INFO, decrypt_compact
from fedbridge.rp.jwt import MAX_HEADER, MAX_TOKEN
from tests.unit.rp.encryption import (
    CONTENT,
    ECDH,
    RSA,
    SIGNED,
    context,
    decrypting,
    decryption_key,
    encrypt,
    encrypted_connection,
    holding,
    key_for,
    reheaded,
)
from tests.unit.rp.idp import CLIENT_ID, ISSUER, FakeKeys, KeyDecrypter, connection

KEY = decryption_key()


def opened(token, keys=None, policy=None, **fields):
    at = encrypted_connection(policy, **fields)
    return decrypt_compact(context(at, keys or holding(key=KEY)), token, kind="userinfo")


def reason(token, keys=None, policy=None):
    with pytest.raises(UpstreamError) as failure:
        opened(token, keys, policy)
    return failure.value.reason


def nested(**claims):
    return ".".join([b64url(b'{"alg":"ES256"}'), b64url(encode_json(claims)), "AAAA"])


class TestWhatOpens:
    @pytest.mark.parametrize("enc", CONTENT)
    @pytest.mark.parametrize("alg", [*RSA, *ECDH])
    def test_every_algorithm_with_every_content_encryption(self, alg, enc):
        key = key_for(alg)

        assert opened(encrypt(SIGNED, key, alg, enc), holding(key=key)) == SIGNED

    @pytest.mark.parametrize("alg", ECDH)
    @pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521"])
    def test_every_curve(self, curve, alg):
        key = decryption_key(curve)

        assert opened(encrypt(SIGNED, key, alg), holding(key=key)) == SIGNED

    @pytest.mark.parametrize("alg", ["ECDH-ES", "ECDH-ES+A256KW"])
    @pytest.mark.parametrize(
        "parties", [{"apu": "QWxpY2U"}, {"apv": "Qm9i"}, {"apu": "QWxpY2U", "apv": "Qm9i"}]
    )
    def test_the_names_of_the_parties_go_into_the_key(self, alg, parties):
        assert opened(encrypt(SIGNED, KEY, alg, **parties)) == SIGNED

    def test_the_example_of_rfc_7518_appendix_c(self):
        """The derived key is the RFC's own; only the content is ours."""
        bob = ECKey.import_key({
            "kty": "EC", "crv": "P-256",
            "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ",
            "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck",
            "d": "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw",
        })  # fmt: skip
        header = {
            "alg": "ECDH-ES", "enc": "A128GCM", "apu": "QWxpY2U", "apv": "Qm9i",
            "epk": {
                "kty": "EC", "crv": "P-256",
                "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0",
                "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps",
            },
        }  # fmt: skip
        aad = b64url(encode_json(header))
        derived = bytes.fromhex("56aa8deaf8236d205c2228cd71a7101a")  # VqqN6vgjbSBcIijNcacQGg
        sealed = AESGCM(derived).encrypt(bytes(12), SIGNED.encode(), aad.encode())
        token = ".".join([aad, "", b64url(bytes(12)), b64url(sealed[:-16]), b64url(sealed[-16:])])

        assert opened(token, holding(key=bob)) == SIGNED

    @pytest.mark.parametrize("cty", ["JWT", "jwt", "application/jwt", None])
    def test_a_content_type_of_jwt_or_none(self, cty):
        assert opened(encrypt(SIGNED, KEY, cty=cty)) == SIGNED

    def test_members_that_change_nothing(self):
        header: dict[str, Any] = {"typ": "JWT", "jku": "https://evil.example", "x5t": "AAAA", "vendor": [1]}

        assert opened(encrypt(SIGNED, KEY, **header)) == SIGNED

    def test_a_token_near_the_cap(self):
        jws = f"{SIGNED[:20]}.{'A' * 40_000}.AAAA"

        assert opened(encrypt(jws, KEY)) == jws


class TestWhichKey:
    OTHER, RETIRED = decryption_key(number=1), decryption_key(number=2)

    @pytest.fixture
    def keys(self):
        return holding(key=KEY, other=self.OTHER, retired=self.RETIRED)

    POLICY = decrypting("file:key", "file:other", retired=("file:retired",))

    @pytest.mark.parametrize("key", [KEY, OTHER, RETIRED])
    @pytest.mark.parametrize("kid", ["its own", None])
    def test_published_and_retired_keys_open_with_a_kid_and_without(self, keys, key, kid):
        token = encrypt(SIGNED, key, kid=key.thumbprint() if kid else None)

        assert opened(token, keys, self.POLICY) == SIGNED
        if kid:
            assert sum(decrypter.used for decrypter in keys.decrypters.values()) == 1

    def test_a_key_that_is_no_longer_named(self, keys):
        assert reason(encrypt(SIGNED, self.RETIRED), keys) == "userinfo_decryption_key_unknown"
        assert reason(encrypt(SIGNED, self.RETIRED, kid=None), keys) == "userinfo_decryption_failed"
        assert [keys.decrypters[f"file:{name}"].used for name in ("key", "other", "retired")] == [1, 0, 0]

    def test_a_kid_that_nobody_has(self, keys):
        assert (
            reason(encrypt(SIGNED, KEY, kid="another"), keys, self.POLICY)
            == "userinfo_decryption_key_unknown"
        )

    def test_a_kid_of_another_keys_type(self):
        keys = holding(key=KEY, rsa=decryption_key("RSA"))
        policy = decrypting("file:key", "file:rsa")
        token = encrypt(SIGNED, decryption_key("RSA"), "RSA-OAEP", kid=KEY.thumbprint())

        assert reason(token, keys, policy) == "userinfo_decryption_key_unknown"

    def test_without_a_kid_only_suitable_keys_are_tried(self):
        keys = holding(key=decryption_key("P-384"), rsa=decryption_key("RSA"), other=KEY)
        policy = decrypting("file:key", "file:rsa", "file:other")

        assert opened(encrypt(SIGNED, KEY, kid=None), keys, policy) == SIGNED
        assert [decrypter.used for decrypter in keys.decrypters.values()] == [0, 0, 1]

    def test_no_key_is_suitable(self):
        token = encrypt(SIGNED, decryption_key("P-384"), kid=None)

        assert reason(token) == "userinfo_decryption_key_unknown"

    def test_without_a_kid_attempts_are_bounded(self):
        numbers = range(10, 10 + MAX_ATTEMPTS + 1)
        keys = holding(**{f"key{n}": decryption_key(number=n) for n in numbers})
        token = encrypt(SIGNED, decryption_key(number=numbers[-1]), kid=None)

        assert reason(token, keys, decrypting(*keys.decrypters)) == "userinfo_decryption_failed"
        assert [decrypter.used for decrypter in keys.decrypters.values()] == [1] * MAX_ATTEMPTS + [0]

    def test_a_key_whose_jwk_names_an_algorithm_serves_no_other(self):
        class Declared(KeyDecrypter):
            @property
            def public_jwk(self):
                return {**super().public_jwk, "alg": "ECDH-ES+A256KW"}

        keys = FakeKeys(decrypters={"file:key": Declared(KEY)})

        assert opened(encrypt(SIGNED, KEY, "ECDH-ES+A256KW"), keys) == SIGNED
        assert reason(encrypt(SIGNED, KEY, "ECDH-ES"), keys) == "userinfo_decryption_key_unknown"


class TestKeysOutOfReach:
    @pytest.mark.parametrize(
        "failure",
        [KeyUnavailable(reason="kms_key_disabled"), ConfigurationError("no key"), DeadlineExceeded()],
    )
    def test_it_is_said_as_it_is(self, failure):
        with pytest.raises(type(failure)) as raised:
            opened(encrypt(SIGNED, KEY), FakeKeys(failure=failure))
        assert raised.value is failure

    @pytest.fixture
    def keys(self):
        class Partly(FakeKeys):
            def decrypter(self, reference, deadline):
                if reference == "file:gone":
                    raise KeyUnavailable(reason="kms_key_disabled")
                return super().decrypter(reference, deadline)

        return Partly(decrypters=holding(key=KEY).decrypters)

    @pytest.mark.parametrize("kid", ["its own", None])
    @pytest.mark.parametrize(
        "policy", [decrypting("file:gone", "file:key"), decrypting(retired=("file:gone",))]
    )
    def test_another_key_is_not_hindered(self, keys, policy, kid):
        token = encrypt(SIGNED, KEY, kid=KEY.thumbprint() if kid else None)

        assert opened(token, keys, policy) == SIGNED

    @pytest.mark.parametrize("kid", ["its own", None])
    def test_a_token_that_no_other_key_opens_may_be_to_the_missing_one(self, keys, kid):
        missing = decryption_key(number=3)
        token = encrypt(SIGNED, missing, kid=missing.thumbprint() if kid else None)

        with pytest.raises(KeyUnavailable):
            opened(token, keys, decrypting("file:key", "file:gone"))

    def test_an_outage_while_a_token_is_opened(self):
        class Failing(KeyDecrypter):
            def agree(self, public_jwk, deadline):
                raise KeyUnavailable(reason="kms_throttled", transient=True)

        with pytest.raises(KeyUnavailable):
            opened(encrypt(SIGNED, KEY), FakeKeys(decrypters={"file:key": Failing(KEY)}))

    def test_a_connection_without_keys(self):
        with pytest.raises(ConfigurationError) as failure:
            decrypt_compact(context(connection(), FakeKeys()), encrypt(SIGNED, KEY), kind="id_token")
        assert failure.value.reason == "token_decryption_missing"


class TestOneReason:
    """Whatever is wrong behind the header costs one use of the key, and is told apart by nobody."""

    @pytest.fixture(params=["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW"])
    def alg(self, request):
        return request.param

    @pytest.mark.parametrize("enc", ["A128CBC-HS256", "A256GCM"])
    def test_a_bit_of_any_part(self, alg, enc):
        keys = holding(key=key_for(alg))
        segments = encrypt(SIGNED, key_for(alg), alg, enc).split(".")
        parts = [part for part in (1, 2, 3, 4) if segments[part]]  # ECDH-ES alone has no encrypted key
        for part in parts:
            flipped = "B" if segments[part][0] == "A" else "A"
            token = ".".join([*segments[:part], flipped + segments[part][1:], *segments[part + 1 :]])

            assert reason(token, keys) == "userinfo_decryption_failed"
        assert keys.decrypters["file:key"].used == len(parts)

    def test_another_header(self, alg):
        token = encrypt(SIGNED, key_for(alg), alg)
        header = {"kid": key_for(alg).thumbprint(), "alg": alg, "enc": "A256GCM"}
        if alg.startswith("ECDH"):
            header["epk"] = {**decryption_key(number=5).as_dict(private=False)}

        assert reason(reheaded(token, header), holding(key=key_for(alg))) == "userinfo_decryption_failed"

    def test_another_key_under_the_kid(self, alg):
        kind = "RSA" if alg in RSA else "P-256"
        token = encrypt(SIGNED, decryption_key(kind, 1), alg, kid=key_for(alg).thumbprint())

        assert reason(token, holding(key=key_for(alg))) == "userinfo_decryption_failed"

    def test_a_content_key_of_another_length(self):
        """RSA wraps whatever it is given."""
        token = encrypt(SIGNED, key_for("RSA-OAEP"), "RSA-OAEP", "A128GCM")
        header = {"alg": "RSA-OAEP", "enc": "A256GCM", "kid": key_for("RSA-OAEP").thumbprint()}

        assert (
            reason(reheaded(token, header), holding(key=key_for("RSA-OAEP"))) == "userinfo_decryption_failed"
        )


class TestWhatIsInside:
    @pytest.mark.parametrize(
        "content",
        [
            b'{"sub":"ana"}', b'{"a":"1.2.3"}', b"", b"a.b", b"a..c", b"a.b.c.d", b" a.b.c", b"a.b.c\n", b"a.b.c=",
            b"\xff\xfe", encrypt(SIGNED, KEY).encode(),
        ],
    )  # fmt: skip
    def test_anything_but_one_compact_jws(self, content):
        assert reason(encrypt(content, KEY)) == "userinfo_not_signed"

    GOOD = (
        ({"iss": ISSUER, "aud": CLIENT_ID, "sub": "ana"}, {"iss": ISSUER, "aud": CLIENT_ID, "sub": "ana"}),
        ({"aud": CLIENT_ID}, {"aud": [CLIENT_ID]}),
        ({"aud": [CLIENT_ID, "x"]}, {"aud": [CLIENT_ID, "x"]}),
        ({"iss": ISSUER, "aud": CLIENT_ID}, {"sub": "ana"}),
        ({"iss": "https://other.example"}, {"iss": "https://other.example"}),
        ({"exp": 1, "nonce": "x"}, {"exp": 2}),
    )

    @pytest.mark.parametrize("header,claims", GOOD)
    def test_claims_in_the_header_that_agree(self, header, claims):
        assert opened(encrypt(nested(**claims), KEY, **header)) == nested(**claims)

    @pytest.mark.parametrize(
        "header,claims",
        [
            ({"iss": ISSUER}, {"iss": f"{ISSUER}/"}),
            ({"iss": "https://other.example"}, {"sub": "ana"}),
            ({"aud": "other"}, {"aud": CLIENT_ID}),
            ({"aud": "other"}, {"sub": "ana"}),
            ({"aud": CLIENT_ID}, {"aud": [CLIENT_ID, "other"]}),
            ({"sub": "eve"}, {"sub": "ana"}),
            ({"sub": "ana"}, {"iss": ISSUER}),
        ],
    )
    def test_claims_in_the_header_that_differ(self, header, claims):
        assert opened(encrypt(nested(**claims), KEY)) == nested(**claims)
        assert reason(encrypt(nested(**claims), KEY, **header)) == "userinfo_encryption_claims_differ"

    def test_claims_in_the_header_and_none_inside(self):
        assert reason(encrypt("AAAA.AAAA.AAAA", KEY, iss=ISSUER)) == "userinfo_malformed"


class TestAnything:
    TOKENS = tuple(
        encrypt(SIGNED, key_for(alg), alg, enc) for alg, enc in itertools.product([*RSA, *ECDH], CONTENT[1:3])
    )
    KEYS = holding(key=KEY, rsa=decryption_key("RSA"))
    POLICY = decrypting("file:key", "file:rsa")

    @settings(deadline=None, max_examples=150)
    @given(st.sampled_from(TOKENS), st.integers(0, 4), st.integers(0, 3000), st.text(max_size=3))
    def test_only_one_kind_of_error_leaves(self, token, part, at, replacement):
        segments = token.split(".")
        segment = segments[part]
        at %= len(segment) + 1
        segments[part] = segment[:at] + replacement + segment[at + len(replacement) :]
        try:
            assert opened(".".join(segments), self.KEYS, self.POLICY) == SIGNED
        except UpstreamError:
            assert segments[part] != segment
        else:
            assert segments[part] == segment

    JSON = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=6,
    )
    NAMES = ("alg", "enc", "epk", "apu", "apv", "kid", "cty", "zip", "crit", "p2c", "iss", "aud", "typ")
    EPK = KEY.as_dict(private=False)

    @settings(deadline=None, max_examples=200)
    @given(
        st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4),
        st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "d"]), JSON, max_size=2),
    )
    def test_no_header_gets_anything_else_out(self, members, epk):
        header = {"alg": "ECDH-ES", "enc": "A256GCM", "epk": {**self.EPK, **epk}, **members}

        assert reason(reheaded(self.TOKENS[5], header), self.KEYS, self.POLICY).startswith("userinfo_")

    @settings(deadline=None, max_examples=100)
    @given(st.text(max_size=200) | st.text("a.A_-=\ud800é", max_size=60))
    def test_nor_does_any_text(self, text):
        assert reason(text) == "userinfo_encryption_malformed"

    @pytest.mark.parametrize("size", [MAX_HEADER, MAX_TOKEN])
    def test_nor_does_length(self, size):
        token = encrypt(SIGNED, KEY)
        header = {"alg": "ECDH-ES", "enc": "A256GCM", "x": "a" * size}
        long_party = {"alg": "ECDH-ES", "enc": "A256GCM", "epk": self.EPK, "apu": "A" * (MAX_PARTY_INFO + 4)}

        assert reason(reheaded(token, header)) == "userinfo_encryption_malformed"
        assert reason(reheaded(token, long_party)) == "userinfo_encryption_malformed"
        assert reason(token + "A" * size * 2) == "userinfo_encryption_malformed"
        assert reason(token + "." * size) == "userinfo_encryption_malformed"
