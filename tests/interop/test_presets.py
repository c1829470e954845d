"""Presets at an IdP that nobody here wrote, made to demand what their providers do: each sign-in is whole, to a user pool.

What stands in the connection is what an operator writes, and the issuer, which is the IdP's own here. That the values are
those of the real providers is told by tests/presets; that they work together is told here.
"""

import base64
import secrets

import pytest

from tests.counterparts.browser import new_browser
from tests.counterparts.cognito import SignInError, UserPool
from tests.counterparts.oidc_provider import AssertionRules, OidcProvider, User
from tests.interop.bridge import Declared, running_bridge
from tests.interop.passage import sign_in_at_pool
from tests.support.keys import ec_key, private_pem, rsa_key

pytestmark = pytest.mark.interop

SECURITY_LEVEL = "helseid://claims/identity/security_level"
ALGORITHMS = ["RS256", "PS256", "ES256"]
KEY_ALGORITHMS = ["RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]
CONTENT_ALGORITHMS = ["A128CBC-HS256", "A256CBC-HS512", "A256GCM"]
SETTINGS = {
    "claims": {
        "helseid://scopes/identity/pid": ["helseid://claims/identity/pid"],
        "helseid://scopes/identity/security_level": [SECURITY_LEVEL],
        "entity.identity": ["sub_attributes"],
        "user.identity": ["act"],
    },
    "clientAuthMethods": ["private_key_jwt", "client_secret_post"],
    "features": {
        "dPoP": {
            "enabled": True,
            "requireNonce": True,
            "nonceSecret": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("="),
        },
        "encryption": {"enabled": True},
        "jwtUserinfo": {"enabled": True},
        "pushedAuthorizationRequests": {"enabled": True},
        "requestObjects": {"enabled": True},
    },
    "enabledJWA": {
        "clientAuthSigningAlgValues": ALGORITHMS,
        "dPoPSigningAlgValues": ["ES256"],
        "idTokenSigningAlgValues": ALGORITHMS,
        "requestObjectSigningAlgValues": ALGORITHMS,
        "userinfoSigningAlgValues": ALGORITHMS,
        **{
            f"{kind}Encryption{what}Values": values
            for kind in ("idToken", "userinfo")
            for what, values in {"Alg": KEY_ALGORITHMS, "Enc": CONTENT_ALGORITHMS}.items()
        },
    },
}
PUSHED = {"require_pushed_authorization_requests": True}
BOUND = {"dpop_bound_access_tokens": True}
SIGNED = {"require_signed_request_object": True, "request_object_signing_alg": "RS256"}
LEVELS = {
    "singpass_fapi": ("urn:singpass:authentication:loa:2", "urn:singpass:authentication:loa:1"),
    "itsme": ("http://itsme.services/v2/claim/acr_basic", "http://itsme.services/v2/claim/acr_none"),
    "franceconnect_plus": ("eidas2", "eidas1"),
    "ftn_idura": ("urn:grn:authn:fi:bank-id", "urn:grn:authn:fi:none"),
    "id_porten": ("idporten-loa-high", "idporten-loa-low"),
    "esignet": ("mosip:idp:acr:generated-code", "mosip:idp:acr:static-code"),
}
"""What the person brings who gets in, and the one who does not."""

ENTITY = {"sub_attributes": {"entity_reg_number": "200012345A"}, "act": {"sub": "a-person"}}
EMAIL = {"email": "ana@example.com", "email_verified": True}
USERS = [
    User(
        name="ana",
        claims={**EMAIL, SECURITY_LEVEL: "4", "helseid://claims/identity/pid": "05898597468", **ENTITY},
    ),
    User(name="weak", claims={**EMAIL, SECURITY_LEVEL: "3"}),
    *(
        User(name=f"{preset}-{which}", claims=EMAIL, acr=acr)
        for preset, (strong, weak) in LEVELS.items()
        for which, acr in (("strong", strong), ("weak", weak))
    ),
]


def encrypted(alg, enc, *, userinfo="RS256"):
    """The registration of a client whose ID tokens and userinfo are encrypted; `userinfo` signs the latter."""
    return {
        "id_token_encrypted_response_alg": alg,
        "id_token_encrypted_response_enc": enc,
        "userinfo_signed_response_alg": userinfo,
        "userinfo_encrypted_response_alg": alg,
        "userinfo_encrypted_response_enc": enc,
    }


def declared(preset, *lines, key, alg, id_token="RS256", rules=None, scope="openid email", **metadata):
    return Declared(
        name=preset.replace("_", "-"),
        yaml="\n".join([f"preset: {preset}", *lines]),
        key=key,
        authorization=f"{{scope: {scope}}}",
        client={
            "token_endpoint_auth_signing_alg": alg,
            "id_token_signed_response_alg": id_token,
            "assertion": rules or AssertionRules(audience=["issuer"], max_lifetime=300),
            "metadata": metadata,
        },
    )


KEYED = "client_authentication: {key: $key}"
HELSEID_SCOPES = "openid email helseid://scopes/identity/pid helseid://scopes/identity/security_level"


def connections(folder):
    def opened_by(number, kind):
        file = folder / f"decryption-{number}"
        file.write_text(private_pem(rsa_key(number=number) if kind == "RSA" else ec_key("P-256", number)))
        return f"token_decryption: {{keys: ['file:{file}']}}"

    strict = AssertionRules(audience=["issuer"], max_lifetime=60)
    return [
        declared("fapi2_generic", KEYED, key="RSA", alg="PS256", id_token="PS256", rules=strict, **PUSHED, **BOUND),
        declared(
            "singpass_fapi", KEYED, opened_by(90, "EC"), key="P-256", alg="ES256", id_token="ES256",
            rules=AssertionRules(audience=["issuer"], max_lifetime=120, typ="JWT"),
            **PUSHED, **BOUND, **encrypted("ECDH-ES+A128KW", "A256CBC-HS512", userinfo="ES256"),
        ),
        declared(
            "corppass_fapi", KEYED, opened_by(91, "EC"), key="P-256", alg="ES256", id_token="ES256", rules=strict,
            scope="openid user.identity entity.identity",
            **PUSHED, **BOUND, **encrypted("ECDH-ES+A256KW", "A256GCM", userinfo="ES256"),
        ),
        # The real one's audience is pinned, so it has to be told that this is another host.
        declared(
            "itsme", "client_authentication: {key: $key, audience: token_endpoint}", opened_by(92, "RSA"), key="RSA",
            alg="RS256", rules=AssertionRules(audience=["token_endpoint"]), **encrypted("RSA-OAEP-256", "A128CBC-HS256"),
        ),
        Declared(
            name="franceconnect-plus",
            yaml=f"preset: franceconnect_plus\nclient_authentication: {{secret: $secret}}\n{opened_by(93, 'EC')}",
            secret=secrets.token_urlsafe(32),
            key="P-256",  # It is not used, and makes the IdP fetch the key that it encrypts to.
            authorization="{scope: openid email}",
            client={
                "token_endpoint_auth_method": "client_secret_post",
                "id_token_signed_response_alg": "ES256",
                "metadata": encrypted("ECDH-ES", "A256GCM", userinfo="ES256"),
            },
        ),
        declared(
            "helseid", KEYED, key="RSA", alg="PS256", scope=HELSEID_SCOPES, **PUSHED, **BOUND,
            rules=AssertionRules(
                audience=["issuer"], max_lifetime=60, typ="client-authentication+jwt", required_claims=["nbf"]
            ),
        ),
        declared(
            "ftn_idura", KEYED, opened_by(94, "RSA"), key="RSA", alg="RS256",
            **SIGNED, **encrypted("RSA-OAEP-256", "A256GCM"),
        ),
        declared("id_porten", KEYED, key="RSA", alg="RS256"),
        declared(
            "esignet", KEYED, key="RSA", alg="PS256", id_token="PS256", userinfo_signed_response_alg="PS256",
            rules=AssertionRules(audience=["token_endpoint"], max_lifetime=60),
        ),
    ]  # fmt: skip


NAMES = [
    "fapi2-generic", "singpass-fapi", "corppass-fapi", "itsme", "franceconnect-plus", "helseid", "ftn-idura", "id-porten",
    "esignet",
]  # fmt: skip


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bridge")
    acrs = sorted(
        {acr for pair in LEVELS.values() for acr in pair}
        | {"urn:grn:authn:fi:all", "idporten-loa-substantial"}
    )
    with (
        OidcProvider(
            users=USERS, acr_values=acrs, claims_in_id_token=True, require_pkce=False, oidc_provider=SETTINGS
        ) as op,
        running_bridge(op, folder, connections(folder)) as bridge,
    ):
        yield bridge


@pytest.fixture
def sign_in(bridge):
    def sign_in(name, user):
        with UserPool() as pool, new_browser() as browser:
            pool.create_identity_provider(bridge.identity_provider(name))
            return sign_in_at_pool(bridge, pool, browser, user)

    return sign_in


@pytest.mark.parametrize("name", NAMES)
def test_a_preset_signs_in(sign_in, name):
    preset = name.replace("-", "_")
    user, passage = sign_in(name, f"{preset}-strong" if preset in LEVELS else "ana")
    assert user.username.startswith("bank_")
    pushed = {"fapi2-generic", "singpass-fapi", "corppass-fapi", "helseid"}
    assert bool(passage.all("pushed_authorization_request")) == (name in pushed)


@pytest.mark.parametrize("name", [*(preset.replace("_", "-") for preset in LEVELS), "helseid"])
def test_a_weaker_sign_in_is_refused(sign_in, name):
    preset = name.replace("-", "_")
    with pytest.raises(SignInError, match=r"access_denied assurance_not_met \(ref "):
        sign_in(name, f"{preset}-weak" if preset in LEVELS else "weak")
