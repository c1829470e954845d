"""Facts of governments' identity providers, from the reference: literals, never read from the presets."""

from tests.presets.facts import (
    EC_ENCRYPTION,
    KEY,
    KID,
    RSA_ENCRYPTION,
    SECRET,
    Assertion,
    Facts,
    Proof,
    Weaker,
    endpoints,
)

FRANCE_CONNECT_PARAMETERS = frozenset({
    "client_id", "acr_values", "claims", "response_type", "nonce", "state", "redirect_uri", "scope", "prompt", "idp_hint",
    "ui_locales",
})  # fmt: skip

LOGIN_GOV = Facts(
    preset="login_gov",
    own={"client_authentication": {"key": KEY}},
    issuer="https://secure.login.gov/",
    at=endpoints(
        "https://secure.login.gov",
        authorization="/openid_connect/authorize",
        token="/api/openid_connect/token",
        userinfo="/api/openid_connect/userinfo",
    ),
    assertion=Assertion(
        header={"alg": "RS256", "typ": "JWT"},
        aud="https://secure.login.gov/api/openid_connect/token",
        lifetime=300,
    ),
    request={
        "scope": "openid email",
        "acr_values": "urn:acr.login.gov:auth-only",
        "prompt": "select_account",
    },
    pkce=False,
    allowed=frozenset({
        "acr_values", "client_id", "nonce", "prompt", "redirect_uri", "response_type", "scope", "state", "locale",
        "verified_within",
    }),
    random=(22, 2048, r"[\x21-\x7e]"),
    id_token={"acr": "urn:acr.login.gov:auth-only"},
    userinfo={"email": "ana@example.com", "email_verified": True},
    received={"email": "ana@example.com", "email_verified": True},
    weaker=(Weaker(claims={"acr": None}), Weaker(claims={"acr": "urn:acr.login.gov:less"})),
    stronger=({"acr": "urn:acr.login.gov:verified"},),
)  # fmt: skip

GOVUK = Facts(
    preset="govuk_one_login",
    own={"client_authentication": {"key": KEY}},
    issuer="https://oidc.account.gov.uk/",
    at=endpoints("https://oidc.account.gov.uk"),
    assertion=Assertion(
        header={"alg": "RS256", "typ": "JWT", "kid": KID},
        aud="https://oidc.account.gov.uk/token",
        lifetime=300,
    ),
    request={"scope": "openid email", "vtr": '["Cl.Cm"]', "ui_locales": "en"},
    max_query=4096,
    algorithms=("ES256", "RS256"),
    id_token={"vot": "Cl.Cm"},
    userinfo={"email": "ana@example.com", "email_verified": True},
    received={"email": "ana@example.com", "email_verified": True},
    weaker=(
        Weaker(claims={"vot": "Cl"}, reason="id_token_vot_unmet"),
        Weaker(claims={"vot": None}, reason="id_token_vot_unmet"),
    ),
)

SINGPASS = Facts(
    preset="singpass_fapi",
    own={"client_authentication": {"key": KEY}, "token_decryption": {"keys": [EC_ENCRYPTION]}},
    issuer="https://id.singpass.gov.sg/fapi",
    at=endpoints("https://id.singpass.gov.sg/fapi", par="/par"),
    assertion=Assertion(
        header={"alg": "ES256", "typ": "JWT", "kid": KID},
        aud="https://id.singpass.gov.sg/fapi",
        lifetime=60,
    ),
    request={
        "scope": "openid",
        "authentication_context_type": "APP_AUTHENTICATION_DEFAULT",
        "redirect_uri_https_type": "standard_https",
        "acr_values": "urn:singpass:authentication:loa:2",
    },
    random=(30, 255, r"[A-Za-z0-9/+_\-=.]"),
    proof=Proof(code_bound_by="proof", lifetime=120),
    algorithms=("ES256",),
    encryption=tuple(
        (alg, enc)
        for alg in ("ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW")
        for enc in ("A256CBC-HS512", "A256GCM")
    ),
    userinfo_format=("jws", "jwe"),
    id_token={"acr": "urn:singpass:authentication:loa:2"},
    userinfo={"name": "Ana Tan"},
    received={"name": "Ana Tan"},
    weaker=(
        Weaker(claims={"acr": "urn:singpass:authentication:loa:1"}),
        Weaker(claims={"acr": None}),
    ),
)

CORPPASS = Facts(
    preset="corppass_fapi",
    own={
        "issuer": "https://corppass.example/fapi",
        "client_authentication": {"key": KEY},
        "token_decryption": {"keys": [EC_ENCRYPTION]},
    },
    issuer="https://corppass.example/fapi",
    at=endpoints("https://corppass.example/fapi", par="/par"),
    assertion=Assertion(
        header={"alg": "ES256", "typ": "JWT", "kid": KID}, aud="https://corppass.example/fapi", lifetime=60
    ),
    request={
        "scope": "openid user.identity entity.identity",
        "authentication_context_type": "APP_AUTHENTICATION_DEFAULT",
    },
    proof=Proof(code_bound_by="proof", lifetime=120),
    algorithms=("ES256",),
    encryption=tuple(
        (alg, enc)
        for alg in ("ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW")
        for enc in ("A128GCM", "A256GCM")
    ),
    userinfo_format=("jws", "jwe"),
    # An entity, and the person who acts for it.
    id_token={
        "sub_attributes": {"entity_type": "UEN", "entity_reg_number": "200012345A", "entity_coi": "SG"},
        "act": {
            "sub": "a-person",
            "sub_attributes": {
                "account_type": "standard",
                "identity_number": "S1234567A",
                "identity_coi": "SG",
            },
        },
    },
    received={
        "entity_type": "UEN",
        "entity_reg_number": "200012345A",
        "entity_coi": "SG",
        "account_type": "standard",
        "identity_number": "S1234567A",
        "identity_coi": "SG",
    },
)

ITSME = Facts(
    preset="itsme",
    own={
        "client_authentication": {"key": KEY},
        "token_decryption": {"keys": [RSA_ENCRYPTION]},
        "authorization": {"scope": "openid service:ACME_LOGIN profile email"},
    },
    issuer="https://idp.prd.itsme.services/v2",
    at=endpoints("https://idp.prd.itsme.services/v2"),
    assertion=Assertion(
        header={"alg": "RS256", "typ": "JWT", "kid": KID},
        aud="https://idp.prd.itsme.services/v2/token",
        lifetime=300,
    ),
    request={
        "scope": "openid service:ACME_LOGIN profile email",
        "acr_values": "http://itsme.services/v2/claim/acr_basic",
        "ui_locales": "en",
    },
    encryption=(("RSA-OAEP-256", "A128CBC-HS256"),),
    userinfo_format=("jwe",),
    id_token={"acr": "http://itsme.services/v2/claim/acr_basic"},
    userinfo={"name": "Ana Peeters", "email": "ana@example.com", "email_verified": True},
    received={"name": "Ana Peeters", "email": "ana@example.com", "email_verified": False},
    weaker=(
        Weaker(claims={"acr": "http://itsme.services/v2/claim/acr_none"}),
        Weaker(claims={"acr": None}),
    ),
)

FRANCE_CONNECT = Facts(
    preset="franceconnect",
    own={"client_authentication": {"secret": SECRET}},
    issuer="https://app.franceconnect.gouv.fr/api/v2",
    at=endpoints("https://app.franceconnect.gouv.fr/api/v2"),
    method="post",
    request={"scope": "openid given_name family_name birthdate email", "acr_values": "eidas1"},
    pkce=False,
    allowed=FRANCE_CONNECT_PARAMETERS,
    random=(22, 2048, r"[\x21-\x7e]"),
    algorithms=("ES256", "RS256"),
    userinfo_format=("jws",),
    id_token={"acr": "eidas1"},
    userinfo={"given_name": "Ana", "family_name": "Martin", "birthdate": "1990-01-01"},
    received={"given_name": "Ana", "family_name": "Martin", "birthdate": "1990-01-01"},
    weaker=(Weaker(claims={"acr": "eidas0"}), Weaker(claims={"acr": None})),
    stronger=({"acr": "eidas2"}, {"acr": "eidas3"}),
)

FRANCE_CONNECT_PLUS = Facts(
    preset="franceconnect_plus",
    own={
        "client_authentication": {"secret": SECRET},
        "token_decryption": {"keys": [EC_ENCRYPTION, RSA_ENCRYPTION]},
    },
    issuer="https://auth.franceconnect.gouv.fr/api/v2",
    at=endpoints("https://auth.franceconnect.gouv.fr/api/v2"),
    method="post",
    request={"scope": "openid given_name family_name birthdate email", "acr_values": "eidas2"},
    pkce=False,
    allowed=FRANCE_CONNECT_PARAMETERS,
    random=(22, 2048, r"[\x21-\x7e]"),
    algorithms=("ES256",),
    encryption=(("ECDH-ES", "A256GCM"), ("RSA-OAEP", "A256GCM"), ("RSA-OAEP-256", "A256GCM")),
    userinfo_format=("jwe",),
    userinfo_algorithms=("ES256",),
    id_token={"acr": "eidas2"},
    userinfo={"given_name": "Ana", "family_name": "Martin"},
    received={"given_name": "Ana", "family_name": "Martin"},
    weaker=(Weaker(claims={"acr": "eidas1"}), Weaker(claims={"acr": None})),
    stronger=({"acr": "eidas3"},),
)

PROCONNECT = Facts(
    preset="proconnect",
    own={"client_authentication": {"secret": SECRET}},
    issuer="https://auth.agentconnect.gouv.fr/api/v2",
    at=endpoints("https://auth.agentconnect.gouv.fr/api/v2"),
    method="post",
    request={
        "scope": "openid given_name usual_name email uid siret idp_id",
        "claims": '{"id_token":{"amr":{"essential":true}}}',
    },
    pkce=False,
    allowed=frozenset({
        "response_type", "client_id", "redirect_uri", "scope", "claims", "state", "nonce", "prompt", "idp_hint",
        "login_hint",
    }),
    random=(32, 2048, r"[\x21-\x7e]"),
    userinfo_format=("jws",),
    id_token={"amr": ["pwd"]},
    userinfo={"usual_name": "Martin", "given_name": "Ana", "email": "ana@example.fr", "uid": "1", "siret": "130"},
    received={
        "family_name": "Martin", "given_name": "Ana", "email": "ana@example.fr", "email_verified": False, "uid": "1",
        "siret": "130",
    },
)  # fmt: skip

ID_PORTEN = Facts(
    preset="id_porten",
    own={"client_authentication": {"key": KEY}},
    issuer="https://idporten.no",
    at=endpoints("https://idporten.no"),
    assertion=Assertion(
        header={"alg": "RS256", "typ": "JWT", "kid": KID}, aud="https://idporten.no", lifetime=100
    ),
    request={
        "scope": "openid profile",
        "acr_values": "idporten-loa-substantial",
        "ui_locales": "nb",
        "response_mode": "query",
    },
    id_token={"acr": "idporten-loa-substantial", "pid": "12057912345"},
    userinfo={"pid": "12057912345", "locale": "nb"},
    received={"pid": "12057912345", "locale": "nb"},
    weaker=(Weaker(claims={"acr": "idporten-loa-low"}), Weaker(claims={"acr": None})),
    stronger=({"acr": "idporten-loa-high"},),
)

TARA = Facts(
    preset="tara",
    own={"client_authentication": {"secret": SECRET}},
    issuer="https://tara.ria.ee",
    at=endpoints("https://tara.ria.ee"),
    method="basic",
    request={"scope": "openid idcard mid smartid eidas", "acr_values": "high"},
    # at_hash of "at-1" in plain Base64, padding and all.
    id_token={
        "acr": "high",
        "amr": ["smartid"],
        "at_hash": "R8PYaIQdcYEdkSc9TeGyiQ==",
        "email": "ana@example.ee",
        "email_verified": False,
        "profile_attributes": {"given_name": "Ana", "family_name": "Tamm", "date_of_birth": "1990-01-01"},
    },
    received={
        "given_name": "Ana",
        "family_name": "Tamm",
        "birthdate": "1990-01-01",
        "email": "ana@example.ee",
        "email_verified": False,
    },
    weaker=(
        Weaker(claims={"acr": "substantial"}),
        Weaker(claims={"acr": "low"}),
        Weaker(claims={"acr": None}),
    ),
)

ESIGNET = Facts(
    preset="esignet",
    own={"issuer": "https://esignet.example", "client_authentication": {"key": KEY}},
    issuer="https://esignet.example",
    at=endpoints("https://esignet.example"),
    assertion=Assertion(
        header={"alg": "PS256", "typ": "JWT", "kid": KID}, aud="https://esignet.example/token", lifetime=60
    ),
    request={"scope": "openid profile", "acr_values": "mosip:idp:acr:generated-code"},
    algorithms=("PS256",),
    userinfo_format=("jws",),
    id_token={"acr": "mosip:idp:acr:generated-code"},
    userinfo={"name": "Ana"},
    received={"name": "Ana"},
    weaker=(Weaker(claims={"acr": "mosip:idp:acr:static-code"}), Weaker(claims={"acr": None})),
)

FACTS = (
    LOGIN_GOV, GOVUK, SINGPASS, CORPPASS, ITSME, FRANCE_CONNECT, FRANCE_CONNECT_PLUS, PROCONNECT, ID_PORTEN, TARA, ESIGNET,
)  # fmt: skip
