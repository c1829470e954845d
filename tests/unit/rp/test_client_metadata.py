"""What is registered is what a connection needs, and what is granted is held against it."""

from dataclasses import replace

import pytest

from fedbridge.errors import ConfigurationError
from fedbridge.model.connection import (
    AuthorizationRequestProfile,
    ClientAuthentication,
    IdTokenPolicy,
    UserinfoPolicy,
)
from fedbridge.model.logout import Logout, UserPool
from fedbridge.model.policies import (
    AuthorizationResponsePolicy,
    DPoP,
    MutualTls,
    RequestObject,
    TokenDecryption,
)
from fedbridge.rp.client_metadata import Facts, requested, updated
from fedbridge.rp.granted_metadata import shortcomings
from tests.unit.rp.idp import connection

CALLBACK = "https://bridge.example/acme/callback"
JWKS_URI = "https://bridge.example/acme/client-jwks.json"
SIG = {"kty": "EC", "crv": "P-256", "x": "x", "y": "y", "kid": "sig-1", "use": "sig", "alg": "ES256"}
ENC_RSA = {"kty": "RSA", "n": "n", "e": "AQAB", "kid": "enc-1", "use": "enc"}
ENC_EC = {"kty": "EC", "crv": "P-256", "x": "x", "y": "y", "kid": "enc-2", "use": "enc"}

PLAIN = connection(
    client_authentication=ClientAuthentication(method="client_secret_basic", secret="env:SECRET"),
    authorization=AuthorizationRequestProfile(scope="openid email"),
)
SIGNING = replace(PLAIN, client_authentication=ClientAuthentication(method="private_key_jwt", key="env:KEY"))
STRICT = replace(
    SIGNING,
    dpop=DPoP(),
    token_decryption=TokenDecryption(keys=("env:ENC",)),
    authorization=AuthorizationRequestProfile(
        scope="openid", par="required", response_mode="query.jwt",
        request_object=RequestObject(encryption_algorithm="RSA-OAEP-256", content_encryption="A256GCM"),
    ),
    authorization_response=AuthorizationResponsePolicy(algorithms=("PS256",), encryption="required"),
    id_token=IdTokenPolicy(algorithms=("PS256", "ES256"), encryption="required"),
    userinfo=UserinfoPolicy(format="jwe", algorithms=("ES256",)),
)  # fmt: skip


def facts(**members):
    return Facts(
        **{"callback_url": CALLBACK, "client_name": "Acme", "method": "client_secret_basic", **members}
    )


def signing(**members):
    return facts(
        **{
            "method": "private_key_jwt",
            "assertion_algorithm": "ES256",
            "jwks": (SIG,),
            "jwks_uri": JWKS_URI,
            **members,
        }
    )


def strict(**members):
    return signing(**{"request_object_algorithm": "ES256", "jwks": (SIG, ENC_RSA), "pushes": True, **members})


BASE = {
    "redirect_uris": [CALLBACK],
    "response_types": ["code"],
    "grant_types": ["authorization_code"],
    "client_name": "Acme",
    "scope": "openid email",
    "token_endpoint_auth_method": "client_secret_basic",
    "id_token_signed_response_alg": "ES256",
}


def test_a_plain_connection_registers_nothing_else():
    assert requested(PLAIN, facts()) == BASE


def test_an_oauth_connection_says_nothing_of_id_tokens_and_userinfo():
    expected = {name: value for name, value in BASE.items() if not name.startswith("id_token")}
    assert requested(replace(PLAIN, protocol="oauth2"), facts()) == expected


def test_keys_by_their_url():
    assert requested(SIGNING, signing()) == {
        **BASE,
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
        "jwks_uri": JWKS_URI,
    }


def test_keys_themselves():
    metadata = requested(SIGNING, signing(jwks_uri=None))
    assert metadata["jwks"] == {"keys": [SIG]}
    assert "jwks_uri" not in metadata


def test_everything_that_a_strict_connection_needs():
    assert requested(STRICT, strict()) == {
        **BASE,
        "scope": "openid",
        "token_endpoint_auth_method": "private_key_jwt",
        "token_endpoint_auth_signing_alg": "ES256",
        "jwks_uri": JWKS_URI,
        "id_token_signed_response_alg": "PS256",
        "id_token_encrypted_response_alg": "RSA-OAEP-256",
        "id_token_encrypted_response_enc": "A256GCM",
        "userinfo_signed_response_alg": "ES256",
        "userinfo_encrypted_response_alg": "RSA-OAEP-256",
        "userinfo_encrypted_response_enc": "A256GCM",
        "authorization_signed_response_alg": "PS256",
        "authorization_encrypted_response_alg": "RSA-OAEP-256",
        "authorization_encrypted_response_enc": "A256GCM",
        "request_object_signing_alg": "ES256",
        "request_object_encryption_alg": "RSA-OAEP-256",
        "request_object_encryption_enc": "A256GCM",
        "require_pushed_authorization_requests": True,
        "require_signed_request_object": True,
        "dpop_bound_access_tokens": True,
    }


def test_a_client_certificate_by_its_subject():
    at = replace(
        PLAIN,
        client_authentication=ClientAuthentication(method="tls_client_auth"),
        mutual_tls=MutualTls(certificate="env:CERT", key="env:KEY"),
    )
    metadata = requested(at, facts(method="tls_client_auth", certificate_subject="CN=bridge,O=Acme"))
    assert metadata["tls_client_auth_subject_dn"] == "CN=bridge,O=Acme"
    assert metadata["tls_client_certificate_bound_access_tokens"] is True
    assert (
        requested(replace(at, dpop=DPoP()), facts(method="tls_client_auth"))
        .keys()
        .isdisjoint({"tls_client_certificate_bound_access_tokens"})
    )


@pytest.mark.parametrize("key,algorithm", [(ENC_RSA, "RSA-OAEP-256"), (ENC_EC, "ECDH-ES+A256KW")])
def test_the_encryption_is_one_that_the_published_key_serves(key, algorithm):
    assert requested(STRICT, strict(jwks=(SIG, key)))["id_token_encrypted_response_alg"] == algorithm


def test_a_key_with_an_algorithm_of_its_own_gets_that():
    jwks = (SIG, {**ENC_RSA, "alg": "RSA-OAEP"})
    assert requested(STRICT, strict(jwks=jwks))["userinfo_encrypted_response_alg"] == "RSA-OAEP"


def test_what_the_idp_supports_decides_among_what_the_connection_takes():
    supported = {
        "id_token_signing_alg_values_supported": ("RS256", "ES256"),
        "id_token_encryption_alg_values_supported": ("RSA-OAEP",),
        "userinfo_encryption_enc_values_supported": ("A128CBC-HS256",),
    }
    metadata = requested(STRICT, strict(supported=supported))
    assert metadata["id_token_signed_response_alg"] == "ES256"
    assert metadata["id_token_encrypted_response_alg"] == "RSA-OAEP"
    assert metadata["userinfo_encrypted_response_enc"] == "A128CBC-HS256"
    assert metadata["id_token_encrypted_response_enc"] == "A256GCM"


@pytest.mark.parametrize(
    "name,values",
    [
        ("token_endpoint_auth_methods_supported", ("client_secret_basic",)),
        ("token_endpoint_auth_signing_alg_values_supported", ("RS256",)),
        ("id_token_signing_alg_values_supported", ("RS256", "none")),
        ("id_token_encryption_alg_values_supported", ("RSA1_5",)),
        ("id_token_encryption_enc_values_supported", ("A192GCM",)),
        ("userinfo_signing_alg_values_supported", ("RS256",)),
        ("authorization_signing_alg_values_supported", ()),
        ("request_object_signing_alg_values_supported", ("RS256",)),
        ("request_object_encryption_alg_values_supported", ("RSA-OAEP",)),
    ],
)
def test_an_idp_that_supports_nothing_of_it_is_asked_nothing(name, values):
    with pytest.raises(ConfigurationError, match=name):
        requested(STRICT, strict(supported={name: values}))


def test_no_key_that_serves_an_allowed_encryption():
    at = replace(STRICT, token_decryption=TokenDecryption(keys=("env:ENC",), algorithms=("ECDH-ES",)))
    with pytest.raises(ConfigurationError, match="no key of token_decryption"):
        requested(at, strict())


@pytest.mark.parametrize("method", ["private_key_jwt", "self_signed_tls_client_auth"])
def test_a_method_of_keys_without_any(method):
    with pytest.raises(ConfigurationError, match="needs a key to register"):
        requested(SIGNING, signing(method=method, jwks=()))


# --- what is granted -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at,its", [(PLAIN, facts()), (SIGNING, signing()), (STRICT, strict()),
                                    (SIGNING, signing(jwks_uri=None))])  # fmt: skip
def test_what_was_asked_for_will_do(at, its):
    assert shortcomings(at, its, requested(at, its)) == []


def test_an_answer_that_says_little_means_the_defaults():
    """client_secret_basic, RS256, the code flow, no encryption: RFC 7591 §2, Dynamic Client Registration 1.0 §2."""
    at = replace(PLAIN, id_token=IdTokenPolicy())
    assert shortcomings(at, facts(), {}) == []
    assert [line.partition(":")[0] for line in shortcomings(SIGNING, signing(), {})] == [
        "token_endpoint_auth_method",
        "id_token_signed_response_alg",
    ]


def test_another_value_that_the_connection_takes_will_do():
    granted = {**requested(STRICT, strict()), "id_token_signed_response_alg": "ES256",
               "id_token_encrypted_response_alg": "RSA-OAEP", "id_token_encrypted_response_enc": "A128CBC-HS256"}  # fmt: skip
    assert shortcomings(STRICT, strict(), granted) == []


@pytest.mark.parametrize(
    "member,value",
    [
        ("token_endpoint_auth_method", "client_secret_basic"),
        ("token_endpoint_auth_method", ["private_key_jwt"]),
        ("token_endpoint_auth_signing_alg", "RS256"),
        ("id_token_signed_response_alg", "none"),
        ("id_token_signed_response_alg", "HS256"),
        ("id_token_encrypted_response_alg", "RSA1_5"),
        ("id_token_encrypted_response_alg", "ECDH-ES"),
        ("id_token_encrypted_response_alg", None),
        ("id_token_encrypted_response_enc", "A192GCM"),
        ("userinfo_signed_response_alg", None),
        ("userinfo_signed_response_alg", "RS256"),
        ("userinfo_encrypted_response_alg", None),
        ("authorization_signed_response_alg", "RS256"),
        ("authorization_encrypted_response_alg", None),
        ("request_object_signing_alg", "RS256"),
        ("request_object_encryption_enc", "A128GCM"),
        ("redirect_uris", []),
        ("redirect_uris", CALLBACK),
        ("response_types", ["code id_token"]),
        ("grant_types", ["implicit"]),
        ("scope", "email"),
        ("jwks_uri", "https://elsewhere.example/jwks"),
        ("jwks_uri", ["https://elsewhere.example/jwks"]),
        ("jwks_uri", {}),
    ],
)
def test_what_would_fail_sign_ins_is_named(member, value):
    lines = shortcomings(STRICT, strict(), {**requested(STRICT, strict()), member: value})
    assert [line.partition(":")[0] for line in lines] == [member]


@pytest.mark.parametrize(
    "member",
    [
        "id_token_encrypted_response_alg",
        "userinfo_signed_response_alg",
        "userinfo_encrypted_response_alg",
    ],
)
def test_what_was_not_asked_for_and_cannot_be_read_is_named(member):
    (line,) = shortcomings(PLAIN, facts(), {**BASE, member: "RS256"})
    assert line == f"{member}: granted is RS256, the connection needs none"


@pytest.mark.parametrize(
    "member,remedy",
    [
        ("require_pushed_authorization_requests", "authorization.par"),
        ("require_signed_request_object", "authorization.request_object"),
        ("dpop_bound_access_tokens", "dpop"),
        ("tls_client_certificate_bound_access_tokens", "mutual_tls"),
    ],
)
def test_what_the_idp_demands_and_sign_ins_would_not_do_is_named(member, remedy):
    (line,) = shortcomings(PLAIN, facts(), {**BASE, member: True})
    assert line.startswith(f"{member}: the IdP demands it: set {remedy}")
    assert shortcomings(PLAIN, facts(), {**BASE, member: False}) == []


def test_encryption_that_is_optional_is_not_asked_for_but_may_be_granted():
    at = replace(STRICT, id_token=IdTokenPolicy(algorithms=("ES256",), encryption="optional"))
    metadata = requested(at, strict())
    assert "id_token_encrypted_response_alg" not in metadata
    assert shortcomings(at, strict(), {**metadata, "id_token_encrypted_response_alg": "RSA-OAEP"}) == []
    (line,) = shortcomings(at, strict(), {**metadata, "id_token_encrypted_response_alg": "RSA1_5"})
    assert line.startswith("id_token_encrypted_response_alg")


def test_a_redirect_uri_that_is_not_ours_is_named():
    other = "redirect_uris: others than the connection's are registered: codes could be sent there"
    assert shortcomings(PLAIN, facts(), {**BASE, "redirect_uris": [CALLBACK, "https://thief.example/"]}) == [
        other
    ]
    assert shortcomings(PLAIN, facts(), {**BASE, "redirect_uris": [CALLBACK, {}]}) == [other]
    assert shortcomings(PLAIN, facts(), {**BASE, "redirect_uris": [CALLBACK + "/"]}) == [
        f"redirect_uris: {CALLBACK} is not among the granted",
        other,
    ]


@pytest.mark.parametrize("jwks_uri", [None, "https://bridge.example/acme/client-jwks.json"])
def test_a_key_that_is_not_ours_is_named(jwks_uri):
    its = signing(jwks_uri=jwks_uri)
    granted = {**requested(SIGNING, its), "jwks": {"keys": [SIG]}}
    assert shortcomings(SIGNING, its, granted) == []
    granted["jwks"]["keys"].append({**SIG, "kid": "a-thiefs"})
    (line,) = shortcomings(SIGNING, its, granted)
    assert line.startswith("jwks: further keys than the connection's are registered")


@pytest.mark.parametrize("kid", ["another", None, ["another"], {}])
def test_other_keys_than_were_registered_are_named(kid):
    its = signing(jwks_uri=None)
    granted = {**requested(SIGNING, its), "jwks": {"keys": [{**SIG, "kid": kid}, "no key"]}}
    assert shortcomings(SIGNING, its, granted) == ["jwks: the IdP keeps other keys than were registered"]


def test_granted_values_are_shown_bounded_and_printable():
    (line,) = shortcomings(PLAIN, facts(), {**BASE, "token_endpoint_auth_method": "\x1b[2J" + "x" * 1000})
    assert line.isprintable()
    assert len(line) < 400


# --- updates -------------------------------------------------------------------------------------------------------


def test_an_update_keeps_what_the_idp_holds_beside_ours_and_drops_what_is_no_longer_said():
    current = {
        **requested(STRICT, strict(jwks_uri=None)),
        "contacts": ["ops@acme.example"],
        "subject_type": "pairwise",
        "logo_uri": None,
        "scope": "openid old",
    }
    metadata = updated(SIGNING, signing(), current, "the-client")
    assert metadata == {
        **requested(SIGNING, signing()),
        "contacts": ["ops@acme.example"],
        "subject_type": "pairwise",
        "client_id": "the-client",
    }


# --- signing out ------------------------------------------------------------------------------------------------------


def leaving(logout, pool=None):
    party = replace(PLAIN.relying_parties[0], user_pool=pool)
    return replace(PLAIN, logout=logout, relying_parties=(party,))


POOL = UserPool(id="eu-west-1_People", identity_provider="Acme")
HERE = CALLBACK.removesuffix("/callback")


def test_a_connection_that_signs_out_registers_where_browsers_come_back_to():
    assert requested(leaving(Logout(mode="client_id")), facts()) == {
        **BASE,
        "post_logout_redirect_uris": [f"{HERE}/logout/callback"],
    }


def test_logouts_are_asked_for_where_there_is_somebody_to_sign_out():
    policy = Logout(sessions=True, back_channel=True, front_channel=True)
    assert requested(leaving(policy), facts()) == BASE
    assert requested(leaving(policy, POOL), facts()) == {
        **BASE,
        "backchannel_logout_uri": f"{HERE}/backchannel-logout",
        "backchannel_logout_session_required": True,
        "frontchannel_logout_uri": f"{HERE}/frontchannel-logout",
        "frontchannel_logout_session_required": True,
    }
    by_subject = requested(leaving(Logout(back_channel=True), POOL), facts())
    assert by_subject["backchannel_logout_session_required"] is False


def test_an_update_takes_back_what_the_connection_no_longer_says():
    current = {"post_logout_redirect_uris": ["x"], "backchannel_logout_uri": "y", "contacts": ["z"]}
    assert updated(PLAIN, facts(), current, "c") == {**BASE, "contacts": ["z"], "client_id": "c"}


def test_an_idp_that_grants_another_way_back_is_said_to():
    granted = {**BASE, "post_logout_redirect_uris": ["https://elsewhere.example/"]}
    (line,) = shortcomings(leaving(Logout(mode="client_id")), facts(), granted)
    assert line.startswith("post_logout_redirect_uris:")
