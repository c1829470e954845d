"""Facts of health services and of brokers of national eIDs, from the reference: literals, never read from the presets."""

from tests.presets.facts import (
    KEY,
    KID,
    RSA_ENCRYPTION,
    Assertion,
    Facts,
    Proof,
    RequestObject,
    Weaker,
    endpoints,
)

NHS_LOGIN = Facts(
    preset="nhs_login",
    own={"client_authentication": {"key": KEY}},
    issuer="https://auth.login.nhs.uk",
    at=endpoints("https://auth.login.nhs.uk"),
    assertion=Assertion(
        header={"alg": "RS512", "typ": "JWT"}, aud="https://auth.login.nhs.uk/token", lifetime=300
    ),
    request={"scope": "openid profile email", "vtr": '["P9.Cp.Cd","P9.Cp.Ck","P9.Cm"]'},
    pkce=False,
    allowed=frozenset({
        "client_id", "display", "nonce", "prompt", "redirect_uri", "response_type", "scope", "state", "vtr",
        "allow_registration", "asserted_login_identity",
    }),
    algorithms=("RS512",),
    id_token={"vot": "P9.Cp.Cd"},
    userinfo={"nhs_number": "9912003071", "family_name": "Shah", "email": "ana@example.com", "email_verified": True},
    received={"nhs_number": "9912003071", "family_name": "Shah", "email": "ana@example.com", "email_verified": True},
    weaker=(
        Weaker(claims={"vot": "P5.Cp.Cd"}, reason="id_token_vot_unmet"),
        Weaker(claims={"vot": "P0.Cp"}, reason="id_token_vot_unmet"),
        Weaker(claims={"vot": None}, reason="id_token_vot_unmet"),
    ),
    stronger=({"vot": "P9.Cm"}, {"vot": "P9.Ck.Cp"}),
)  # fmt: skip

NHS_CIS2 = Facts(
    preset="nhs_cis2",
    own={"issuer": "https://cis2.example/healthcare", "client_authentication": {"key": KEY}},
    issuer="https://cis2.example/healthcare",
    at=endpoints("https://cis2.example/healthcare"),
    assertion=Assertion(
        header={"alg": "RS512", "typ": "JWT", "kid": KID},
        aud="https://cis2.example/healthcare/token",
        lifetime=300,
    ),
    request={"scope": "openid profile nhsperson nationalrbacaccess associatedorgs"},
    userinfo={"name": "SHAH Ana (Dr)"},
    received={"name": "SHAH Ana (Dr)"},
)

HELSEID = Facts(
    preset="helseid",
    own={"client_authentication": {"key": KEY}},
    issuer="https://helseid-sts.nhn.no",
    at=endpoints("https://helseid-sts.nhn.no", par="/connect/par"),
    assertion=Assertion(
        header={"alg": "PS256", "typ": "client-authentication+jwt", "kid": KID},
        aud="https://helseid-sts.nhn.no",
        lifetime=30,
        nbf=True,
    ),
    request={
        "scope": "openid profile helseid://scopes/identity/pid helseid://scopes/identity/security_level"
    },
    proof=Proof(code_bound_by="dpop_jkt"),
    id_token={
        "helseid://claims/identity/security_level": "4",
        "helseid://claims/identity/pid": "05898597468",
    },
    userinfo={"name": "Ana Dahl"},
    received={"security_level": "4", "pid": "05898597468", "name": "Ana Dahl"},
    weaker=(
        Weaker(
            claims={"helseid://claims/identity/security_level": "3"}, reason="id_token_assurance_claim_unmet"
        ),
        Weaker(
            claims={"helseid://claims/identity/security_level": None},
            reason="id_token_assurance_claim_unmet",
        ),
    ),
)

SMART = Facts(
    preset="smart_on_fhir",
    own={
        "issuer": "https://fhir.hospital.example/oauth2",
        "client_authentication": {"key": KEY},
        "authorization": {"parameters": {"aud": "https://fhir.hospital.example/r4"}},
    },
    issuer="https://fhir.hospital.example/oauth2",
    at=endpoints("https://fhir.hospital.example/oauth2"),
    assertion=Assertion(
        header={"alg": "RS384", "typ": "JWT", "kid": KID},
        aud="https://fhir.hospital.example/oauth2/token",
        lifetime=300,
    ),
    request={"scope": "openid fhirUser", "aud": "https://fhir.hospital.example/r4"},
    # 122 bits in 62 characters.
    random=(21, 2048, r"[\x21-\x7e]"),
    userinfo_format=(),
    id_token={"fhirUser": "https://fhir.hospital.example/r4/Practitioner/7"},
    received={"fhir_user": "https://fhir.hospital.example/r4/Practitioner/7"},
)

FTN_IDURA = Facts(
    preset="ftn_idura",
    own={
        "issuer": "https://acme.idura.broker",
        "client_authentication": {"key": KEY},
        "token_decryption": {"keys": [RSA_ENCRYPTION]},
    },
    issuer="https://acme.idura.broker",
    at=endpoints("https://acme.idura.broker"),
    assertion=Assertion(
        header={"alg": "RS256", "typ": "JWT", "kid": KID}, aud="https://acme.idura.broker", lifetime=300
    ),
    request={"scope": "openid", "acr_values": "urn:grn:authn:fi:all"},
    request_object=RequestObject(
        header={"alg": "RS256", "typ": "oauth-authz-req+jwt", "kid": KID},
        aud="https://acme.idura.broker",
        lifetime=300,
    ),
    encryption=tuple(
        ("RSA-OAEP-256", enc) for enc in ("A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM")
    ),
    userinfo_format=("jwe",),
    id_token={"acr": "urn:grn:authn:fi:bank-id"},
    userinfo={"name": "Ana Virtanen"},
    received={"name": "Ana Virtanen"},
    weaker=(Weaker(claims={"acr": "urn:grn:authn:fi:none"}), Weaker(claims={"acr": None})),
    stronger=({"acr": "urn:grn:authn:fi:all"}, {"acr": "urn:grn:authn:fi:mobile-id"}),
)

MITID_IDURA = Facts(
    preset="mitid_idura",
    own={"issuer": "https://acme.idura.broker", "client_authentication": {"key": KEY}},
    issuer="https://acme.idura.broker",
    at=endpoints("https://acme.idura.broker"),
    assertion=Assertion(
        header={"alg": "RS256", "typ": "JWT", "kid": KID}, aud="https://acme.idura.broker", lifetime=300
    ),
    request={"scope": "openid", "acr_values": "urn:grn:authn:dk:mitid:substantial"},
    id_token={"acr": "urn:grn:authn:dk:mitid:substantial"},
    userinfo={"name": "Ana Jensen"},
    received={"name": "Ana Jensen"},
    weaker=(Weaker(claims={"acr": "urn:grn:authn:dk:mitid:low"}), Weaker(claims={"acr": None})),
)

NETS = Facts(
    preset="nets_eid_broker",
    own={"client_authentication": {"key": KEY}},
    issuer="https://netseidbroker.dk/op",
    at=endpoints("https://netseidbroker.dk/op", par="/connect/par"),
    assertion=Assertion(
        header={"alg": "RS256", "typ": "JWT", "kid": KID}, aud="https://netseidbroker.dk/op", lifetime=60
    ),
    request={
        "scope": "openid",
        "idp_values": "mitid",
        "idp_params": '{"mitid":{"loa_value":"substantial"}}',
    },
    id_token={"loa": "https://data.gov.dk/concept/core/nsis/Substantial"},
    userinfo={"name": "Ana Jensen"},
    received={"name": "Ana Jensen"},
    weaker=(
        Weaker(
            claims={"loa": "https://data.gov.dk/concept/core/nsis/Low"},
            reason="id_token_assurance_claim_unmet",
        ),
        Weaker(claims={"loa": None}, reason="id_token_assurance_claim_unmet"),
    ),
    stronger=({"loa": "https://data.gov.dk/concept/core/nsis/High"},),
)

SIGNICAT = Facts(
    preset="signicat",
    own={
        "issuer": "https://acme.signicat.example/auth/open",
        "client_authentication": {"key": KEY},
        "authorization": {"acr_values": ["idp:nbid"]},
    },
    issuer="https://acme.signicat.example/auth/open",
    at=endpoints("https://acme.signicat.example/auth/open", par="/connect/par"),
    assertion=Assertion(
        header={"alg": "RS256", "typ": "JWT", "kid": KID},
        aud="https://acme.signicat.example/auth/open",
        lifetime=60,
    ),
    request={"scope": "openid profile", "acr_values": "idp:nbid"},
    id_token={"acr": "idp:nbid"},
    userinfo={"name": "Ana Dahl"},
    received={"name": "Ana Dahl"},
    weaker=(Weaker(claims={"acr": "idp:other"}), Weaker(claims={"acr": None})),
)

FACTS = (NHS_LOGIN, NHS_CIS2, HELSEID, SMART, FTN_IDURA, MITID_IDURA, NETS, SIGNICAT)
