"""Request objects (RFC 9101): what is signed, what stands beside it, and to whom it is encrypted."""

import json
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc import jwe, jws
from joserfc.jwe import JWERegistry
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from fedbridge.errors import ConfigurationError, KeyUnavailable, UpstreamError
from fedbridge.model.connection import AuthorizationRequestProfile, ClientAuthentication
from fedbridge.model.policies import CONTENT_ENCRYPTION_ALGORITHMS, KEY_ENCRYPTION_ALGORITHMS, RequestObject
from fedbridge.rp.jwks import FRESH, REFETCH_COOLDOWN
from fedbridge.rp.request_encryption import choose_key
from tests.fakes.http import json_answer
from tests.support.client_certificates import self_signed
from tests.unit.rp.encryption import decryption_key, key_for
from tests.unit.rp.idp import (
    CALLBACK,
    CLIENT_ID,
    ISSUER,
    KEY_REFERENCE,
    NOW,
    REQUEST_URI,
    STATE,
    FakeIdp,
    KeySigner,
    connection,
    form,
    native,
    private_key,
    public_jwk,
)

OWN_KEY = "env:REQUEST_KEY"


def idp_with_keys(algorithm="ES256"):
    idp = FakeIdp()
    idp.keys.signers[KEY_REFERENCE] = KeySigner(private_key("ES256", 7), "ES256")
    idp.keys.signers[OWN_KEY] = KeySigner(private_key(algorithm, 8), algorithm)
    return idp


def requesting(request_object=None, authentication=None, **profile):
    return connection(
        client_authentication=authentication
        or ClientAuthentication(method="private_key_jwt", key=KEY_REFERENCE),
        authorization=AuthorizationRequestProfile(
            request_object=request_object or RequestObject(), **profile
        ),
    )


def query(redirect):
    pairs = parse_qsl(urlsplit(redirect.url).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def verified(token, key, algorithm="ES256"):
    registry = JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    registry.max_header_length = 8192
    found = jws.deserialize_compact(token, key, registry=registry)
    return found.headers(), json.loads(found.payload)


def test_the_parameters_are_claims_of_a_jwt_signed_with_the_key_of_assertions():
    idp = idp_with_keys()
    redirect = idp.begin(requesting(), login_hint="ana é")
    assert redirect.url.startswith(f"{ISSUER}/authorize?client_id=bridge&request=")
    sent = query(redirect)
    assert sent.keys() == {"client_id", "request"}
    header, claims = verified(sent["request"], private_key("ES256", 7))
    assert header == {
        "alg": "ES256",
        "kid": private_key("ES256", 7).thumbprint(),
        "typ": "oauth-authz-req+jwt",
    }
    assert len(claims.pop("jti")) == 43
    assert claims.pop("code_challenge")
    assert claims == {
        "iss": CLIENT_ID,
        "aud": ISSUER,
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 300,
        "client_id": CLIENT_ID,
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid",
        "state": STATE,
        "nonce": redirect.remembered["nonce"],
        "code_challenge_method": "S256",
        "login_hint": "ana é",
    }
    assert idp.finish(redirect, requesting()).subject == "ana"


def test_it_is_no_client_assertion():
    """RFC 9101 §10.8: without `sub`, and with a type of its own, it is worth nothing at the token endpoint."""
    idp = idp_with_keys()
    header, claims = verified(query(idp.begin(requesting()))["request"], private_key("ES256", 7))
    assert "sub" not in claims
    assert header["typ"] == "oauth-authz-req+jwt"


def test_values_have_their_json_types():
    asked = {
        "max_age": "060",
        "claims": '{"userinfo":{"https://x/é":null},"id_token":{"amr":{"essential":true}}}',
        "vtr": '["Cl.Cm"]',
        "authorization_details": '[{"type":"x"}]',
        "idp_params": '{"mitid":1}',
        "prompt": "none",
        "verified_within": "180",
    }
    idp = idp_with_keys()
    _, claims = verified(
        query(idp.begin(requesting(pass_through=tuple(asked)), **asked))["request"], private_key("ES256", 7)
    )
    assert {name: claims[name] for name in asked} == {
        "max_age": 60,
        "claims": {"userinfo": {"https://x/é": None}, "id_token": {"amr": {"essential": True}}},
        "vtr": ["Cl.Cm"],
        "authorization_details": [{"type": "x"}],
        "idp_params": '{"mitid":1}',
        "prompt": "none",
        "verified_within": "180",
    }


def test_json_that_is_none_stays_text():
    idp = idp_with_keys()
    at = requesting(parameters={"authorization_details": "[{]"})
    _, claims = verified(query(idp.begin(at))["request"], private_key("ES256", 7))
    assert claims["authorization_details"] == "[{]"


@pytest.mark.parametrize("name", ["iss", "aud", "exp", "jti"])
def test_no_parameter_takes_the_place_of_what_makes_it_a_jwt(name):
    idp = idp_with_keys()
    at = requesting(parameters={name: "mallory"}, pass_through=())
    _, claims = verified(query(idp.begin(at))["request"], private_key("ES256", 7))
    assert claims[name] != "mallory"


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        ("issuer", ISSUER),
        ("authorization_endpoint", f"{ISSUER}/authorize"),
        ("https://oidc.account.gov.uk/authorize", "https://oidc.account.gov.uk/authorize"),
    ],
)
def test_the_audience_is_one_string(audience, expected):
    idp = idp_with_keys()
    at = requesting(RequestObject(audience=audience))
    _, claims = verified(query(idp.begin(at))["request"], private_key("ES256", 7))
    assert claims["aud"] == expected


def test_discovery_does_not_steer_the_audience_of_the_issuer():
    idp = idp_with_keys()
    idp.serve_metadata(authorization_endpoint=f"{ISSUER}/elsewhere")
    _, claims = verified(query(idp.begin(requesting()))["request"], private_key("ES256", 7))
    assert claims["aud"] == ISSUER


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES384"])
def test_a_key_of_its_own(algorithm):
    idp = idp_with_keys(algorithm)
    at = requesting(RequestObject(key=OWN_KEY, algorithm=algorithm, lifetime=60, typ=None))
    key = private_key(algorithm, 8)
    header, claims = verified(query(idp.begin(at))["request"], key, algorithm)
    assert header == {"alg": algorithm, "kid": key.thumbprint()}
    assert claims["exp"] - claims["iat"] == 60


@pytest.mark.parametrize(("kid", "expected"), [("omit", None), ("bank-7", "bank-7")])
def test_the_header_is_that_of_assertions_where_the_key_is(kid, expected):
    idp = idp_with_keys()
    authentication = ClientAuthentication(method="private_key_jwt", key=KEY_REFERENCE, kid=kid)
    own = RequestObject(key=OWN_KEY)
    header, _ = verified(
        query(idp.begin(requesting(authentication=authentication)))["request"], private_key("ES256", 7)
    )
    assert header.get("kid") == expected
    header, _ = verified(
        query(idp.begin(requesting(own, authentication)))["request"], private_key("ES256", 8)
    )
    assert header["kid"] == private_key("ES256", 8).thumbprint()


def test_the_certificate_of_assertions_goes_with_it_where_the_key_does():
    """GOV.UK and others know a client by its certificate: whatever the key signs names it."""
    idp, key = idp_with_keys("RS256"), private_key("RS256", 7)
    idp.keys.signers[KEY_REFERENCE] = KeySigner(key, "RS256")
    idp.secrets.values["env:CERTIFICATE"] = self_signed(native(key))
    authentication = ClientAuthentication(
        method="private_key_jwt",
        key=KEY_REFERENCE,
        certificate="env:CERTIFICATE",
        x5t_s256=True,
        x5c=True,
        kid="omit",
    )
    header, _ = verified(query(idp.begin(requesting(authentication=authentication)))["request"], key, "RS256")
    assert header.keys() == {"alg", "typ", "x5t#S256", "x5c"}
    own = requesting(RequestObject(key=OWN_KEY), authentication)
    header, _ = verified(query(idp.begin(own))["request"], private_key("RS256", 8), "RS256")
    assert header.keys() == {"alg", "typ", "kid"}


def test_a_client_with_a_secret_signs_with_a_key_of_its_own_or_not_at_all():
    idp = idp_with_keys()
    secret = ClientAuthentication(method="client_secret_jwt", secret="env:CLIENT_SECRET", algorithm="HS256")
    verified(
        query(idp.begin(requesting(RequestObject(key=OWN_KEY), secret)))["request"], private_key("ES256", 8)
    )
    with pytest.raises(ConfigurationError, match="request_object needs a key"):
        idp.begin(requesting(authentication=secret))


def test_what_the_idp_wants_to_see_stands_beside_it():
    idp = idp_with_keys()
    at = requesting(RequestObject(echo=("response_type", "scope", "acr_values")), scope="openid email")
    redirect = idp.begin(at)
    sent = query(redirect)
    _, claims = verified(sent.pop("request"), private_key("ES256", 7))
    assert sent == {"client_id": CLIENT_ID, "response_type": "code", "scope": "openid email"}
    assert sent == {name: claims[name] for name in sent}


def test_a_request_object_is_pushed_alone():
    """RFC 9126 §3: beside `request` there are only parameters of client authentication; `client_id` is one of them."""
    idp = idp_with_keys()
    par = idp.serve_par()
    idp.http.answer("POST", par, json_answer({"request_uri": REQUEST_URI, "expires_in": 60}, 201))
    redirect = idp.begin(requesting(RequestObject(echo=("scope", "response_type"))))
    assert query(redirect) == {"client_id": CLIENT_ID, "request_uri": REQUEST_URI}
    (request,) = idp.http.calls(par)
    sent = form(request)
    assert sent.keys() == {"client_id", "request", "client_assertion", "client_assertion_type"}
    _, claims = verified(sent["request"], private_key("ES256", 7))
    assert claims["nonce"] == redirect.remembered["nonce"]
    assert claims["jti"] not in sent["client_assertion"]


def test_every_request_object_is_new():
    idp = idp_with_keys()
    drawn = [
        verified(query(idp.begin(requesting()))["request"], private_key("ES256", 7))[1] for _ in range(50)
    ]
    assert len({claims["jti"] for claims in drawn}) == len({claims["nonce"] for claims in drawn}) == 50


def test_a_key_that_cannot_be_used_sends_nothing():
    idp = idp_with_keys()
    idp.keys.failure = KeyUnavailable(reason="kms_throttled", transient=True)
    par = idp.serve_par()
    with pytest.raises(KeyUnavailable):
        idp.begin(requesting())
    assert idp.http.calls(par) == []


# --- encrypted --------------------------------------------------------------------------------------------------------


def encrypting(algorithm="RSA-OAEP-256", content_encryption="A128CBC-HS256"):
    return requesting(RequestObject(encryption_algorithm=algorithm, content_encryption=content_encryption))


def serve_encryption_key(idp, key, **members):
    idp.serve_keys(public_jwk(idp.key), public_jwk(key, use="enc", **members))


def opened(token, key, algorithm, content_encryption):
    registry = JWERegistry(algorithms=[algorithm, content_encryption])
    found = jwe.decrypt_compact(token, key, registry=registry)
    assert found.plaintext is not None
    return found.headers(), found.plaintext.decode()


@pytest.mark.parametrize("content_encryption", CONTENT_ENCRYPTION_ALGORITHMS)
@pytest.mark.parametrize("algorithm", KEY_ENCRYPTION_ALGORITHMS)
def test_the_signed_object_is_encrypted_to_the_idps_key(algorithm, content_encryption):
    idp, key = idp_with_keys(), key_for(algorithm)
    serve_encryption_key(idp, key, kid="enc-1", alg=algorithm)
    sent = query(idp.begin(encrypting(algorithm, content_encryption)))
    header, signed = opened(sent["request"], key, algorithm, content_encryption)
    epk = header.pop("epk", None)
    assert header == {"alg": algorithm, "enc": content_encryption, "cty": "JWT", "kid": "enc-1"}
    assert (epk is not None) == algorithm.startswith("ECDH-ES")
    assert "d" not in (epk or {})
    _, claims = verified(signed, private_key("ES256", 7))
    assert claims["state"] == STATE


@pytest.mark.parametrize("curve", ["P-256", "P-384", "P-521"])
def test_every_curve_and_every_time_another_ephemeral_key(curve):
    idp, key = idp_with_keys(), decryption_key(curve)
    serve_encryption_key(idp, key, kid=None)
    seen = set()
    for _ in range(5):
        header, _ = opened(
            query(idp.begin(encrypting("ECDH-ES")))["request"], key, "ECDH-ES", "A128CBC-HS256"
        )
        assert "kid" not in header
        assert header["epk"]["crv"] == curve
        ECKey.import_key(header["epk"])
        seen.add(header["epk"]["x"])
    assert len(seen) == 5


def test_the_idps_keys_are_fetched_once_and_serve_id_tokens_too():
    idp, key = idp_with_keys(), key_for("RSA-OAEP-256")
    serve_encryption_key(idp, key)
    for _ in range(2):
        assert idp.sign_in(encrypting()).subject == "ana"
    assert len(idp.http.calls(idp.url("/jwks"))) == 1


def test_a_key_that_the_idp_has_published_since_is_looked_for_at_most_once_in_a_while():
    idp, key = idp_with_keys(), key_for("RSA-OAEP-256")

    def refused():
        with pytest.raises(UpstreamError) as failure:
            idp.begin(encrypting())
        assert failure.value.reason == "request_encryption_key_missing"
        assert failure.value.error == "server_error"

    refused()
    idp.clock.now += 1
    refused()
    fetched = len(idp.http.calls(idp.url("/jwks")))
    refused()
    assert len(idp.http.calls(idp.url("/jwks"))) == fetched
    serve_encryption_key(idp, key)
    idp.clock.now += REFETCH_COOLDOWN
    assert query(idp.begin(encrypting())).keys() == {"client_id", "request"}
    idp.clock.now += FRESH
    assert query(idp.begin(encrypting())).keys() == {"client_id", "request"}


def published(kind, **members):
    return public_jwk(decryption_key(kind), use="enc", **members)


UNFIT_FOR_RSA = {
    "another type": lambda: published("P-256"),
    "another algorithm": lambda: published("RSA", alg="RSA-OAEP"),
    "too short": lambda: published("RSA", n="AQAB"),
    "an exponent of 1": lambda: published("RSA", e="AQ"),
    "a private key": lambda: {**published("RSA"), "d": "AQAB"},
    "a number as kid": lambda: published("RSA", kid=7),
    "a list as algorithm": lambda: published("RSA", alg=["RSA-OAEP-256"]),
    "an object as algorithm": lambda: published("RSA", alg={"name": "RSA-OAEP-256"}),
    "symmetric": lambda: {"kty": "oct", "k": "AAAA", "use": "enc"},
    "no key": lambda: {"kty": "RSA", "use": "enc"},
    "no type": lambda: {"use": "enc"},
}
UNFIT_FOR_ECDH = {
    "another type": lambda: published("RSA"),
    "another algorithm": lambda: published("P-256", alg="ECDH-ES+A128KW"),
    "another curve's name": lambda: published("P-256", crv="P-384"),
    "a curve that is not ours": lambda: published("P-256", crv="secp256k1"),
    "a list as curve": lambda: published("P-256", crv=["P-256"]),
    "a point off its curve": lambda: published("P-256", x="AQAB"),
}


@pytest.mark.parametrize("member", UNFIT_FOR_RSA.values(), ids=UNFIT_FOR_RSA)
def test_what_rsa_cannot_encrypt_to_is_passed_over(member):
    assert choose_key([member()], "RSA-OAEP-256") is None
    found = choose_key([member(), published("RSA", kid="good")], "RSA-OAEP-256")
    assert found is not None
    assert found[0] == "good"


@pytest.mark.parametrize("member", UNFIT_FOR_ECDH.values(), ids=UNFIT_FOR_ECDH)
def test_what_ecdh_cannot_agree_with_is_passed_over(member):
    assert choose_key([member()], "ECDH-ES") is None
    assert choose_key([member(), published("P-256")], "ECDH-ES") is not None
