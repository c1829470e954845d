"""Facts of workforce and consumer identity providers, from the reference: literals, never read from the presets."""

from tests.presets.facts import (
    CERTIFICATE,
    KEY,
    KID,
    SECRET,
    X5T_S256,
    Assertion,
    Facts,
    Proof,
    endpoints,
)

TENANT = "11111111-2222-3333-4444-555555555555"
STANDARD = {"scope": "openid profile email"}
PERSON = {"name": "Ana Ek", "email": "ana@acme.example", "email_verified": True}
MICROSOFT = "https://login.microsoftonline.com"

ENTRA_CERTIFICATE = Facts(
    preset="entra_certificate",
    own={
        "issuer": f"{MICROSOFT}/{TENANT}/v2.0",
        "client_authentication": {"key": KEY, "certificate": CERTIFICATE},
    },
    issuer=f"{MICROSOFT}/{TENANT}/v2.0",
    at={
        "authorization_endpoint": f"{MICROSOFT}/{TENANT}/oauth2/v2.0/authorize",
        "token_endpoint": f"{MICROSOFT}/{TENANT}/oauth2/v2.0/token",
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "jwks_uri": f"{MICROSOFT}/{TENANT}/discovery/v2.0/keys",
    },
    assertion=Assertion(
        header={"alg": "PS256", "typ": "JWT", "x5t#S256": X5T_S256},
        aud=f"{MICROSOFT}/11111111-2222-3333-4444-555555555555/oauth2/v2.0/token",
        lifetime=300,
        nbf=True,
    ),
    request=STANDARD,
    userinfo_format=(),
    id_token={"tid": TENANT, "oid": "o-1", **PERSON},
    received={"tid": TENANT, "oid": "o-1", **PERSON, "email_verified": False},
)

ENTRA_MULTITENANT = Facts(
    preset="entra_multitenant",
    own={
        "tenants": {"allowed": [TENANT]},
        "client_authentication": {"key": KEY, "certificate": CERTIFICATE},
    },
    issuer=f"{MICROSOFT}/organizations/v2.0",
    discovered_issuer="https://login.microsoftonline.com/{tenantid}/v2.0",
    token_issuer="https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
    at={
        "authorization_endpoint": f"{MICROSOFT}/organizations/oauth2/v2.0/authorize",
        "token_endpoint": f"{MICROSOFT}/organizations/oauth2/v2.0/token",
        "userinfo_endpoint": "https://graph.microsoft.com/oidc/userinfo",
        "jwks_uri": f"{MICROSOFT}/organizations/discovery/v2.0/keys",
    },
    assertion=Assertion(
        header={"alg": "PS256", "typ": "JWT", "x5t#S256": X5T_S256},
        aud=f"{MICROSOFT}/organizations/oauth2/v2.0/token",
        lifetime=300,
        nbf=True,
    ),
    request=STANDARD,
    userinfo_format=(),
    id_token={"tid": TENANT, "oid": "o-1", **PERSON},
    received={"tid": TENANT, "oid": "o-1", **PERSON, "email_verified": False},
)

OKTA = Facts(
    preset="okta",
    own={"issuer": "https://acme.okta.example", "client_authentication": {"key": KEY}},
    issuer="https://acme.okta.example",
    at=endpoints("https://acme.okta.example", token="/oauth2/v1/token"),
    assertion=Assertion(
        header={"alg": "RS256", "typ": "JWT", "kid": KID},
        aud="https://acme.okta.example/oauth2/v1/token",
        lifetime=300,
    ),
    request=STANDARD,
    userinfo=PERSON,
    received=PERSON,
)

AUTH0 = Facts(
    preset="auth0",
    own={"issuer": "https://acme.eu.auth0.example/", "client_authentication": {"key": KEY}},
    issuer="https://acme.eu.auth0.example/",
    at=endpoints("https://acme.eu.auth0.example", token="/oauth/token"),
    assertion=Assertion(
        header={"alg": "RS256", "typ": "JWT"}, aud="https://acme.eu.auth0.example/", lifetime=60
    ),
    request=STANDARD,
    userinfo=PERSON,
    received=PERSON,
)

PINGONE = Facts(
    preset="pingone",
    own={"issuer": "https://auth.pingone.example/env-1/as", "client_authentication": {"key": KEY}},
    issuer="https://auth.pingone.example/env-1/as",
    at=endpoints("https://auth.pingone.example/env-1/as"),
    assertion=Assertion(
        header={"alg": "RS256", "typ": "JWT", "kid": KID},
        aud="https://auth.pingone.example/env-1/as",
        lifetime=60,
    ),
    request=STANDARD,
    userinfo=PERSON,
    received=PERSON,
)

KEYCLOAK = Facts(
    preset="keycloak",
    own={"issuer": "https://login.acme.example/realms/staff", "client_authentication": {"key": KEY}},
    issuer="https://login.acme.example/realms/staff",
    at=endpoints("https://login.acme.example/realms/staff/protocol/openid-connect"),
    assertion=Assertion(
        header={"alg": "ES256", "typ": "JWT", "kid": KID},
        aud="https://login.acme.example/realms/staff",
        lifetime=60,
    ),
    request=STANDARD,
    userinfo=PERSON,
    received=PERSON,
)

FAPI2 = Facts(
    preset="fapi2_generic",
    own={"issuer": "https://login.bank.example", "client_authentication": {"key": KEY}},
    issuer="https://login.bank.example",
    at=endpoints("https://login.bank.example", par="/par"),
    assertion=Assertion(
        header={"alg": "PS256", "typ": "JWT", "kid": KID}, aud="https://login.bank.example", lifetime=60
    ),
    request=STANDARD,
    proof=Proof(code_bound_by="dpop_jkt"),
    algorithms=("PS256", "ES256"),
    userinfo=PERSON,
    received=PERSON,
)

GENERIC = Facts(
    preset="generic_oidc",
    own={"issuer": "https://login.bank.example", "client_authentication": {"secret": SECRET}},
    issuer="https://login.bank.example",
    at=endpoints("https://login.bank.example"),
    method="basic",
    request=STANDARD,
    userinfo=PERSON,
    received=PERSON,
)

YAHOO_JAPAN = Facts(
    preset="yahoo_japan",
    own={"client_authentication": {"secret": SECRET}},
    issuer="https://auth.login.yahoo.co.jp/yconnect/v2",
    at={
        "authorization_endpoint": "https://auth.login.yahoo.co.jp/yconnect/v2/authorization",
        "token_endpoint": "https://auth.login.yahoo.co.jp/yconnect/v2/token",
        "userinfo_endpoint": "https://userinfo.yahooapis.jp/yconnect/v2/attribute",
        "jwks_uri": "https://auth.login.yahoo.co.jp/yconnect/v2/jwks",
    },
    method="basic",
    request={**STANDARD, "bail": "1"},
    userinfo=PERSON,
    received=PERSON,
)

LINE = Facts(
    preset="line",
    own={"client_authentication": {"secret": SECRET}},
    issuer="https://access.line.me",
    at={
        "authorization_endpoint": "https://access.line.me/oauth2/v2.1/authorize",
        "token_endpoint": "https://api.line.me/oauth2/v2.1/token",
        "userinfo_endpoint": "https://api.line.me/oauth2/v2.1/userinfo",
        "jwks_uri": "https://api.line.me/oauth2/v2.1/certs",
    },
    method="post",
    request={"scope": "openid profile"},
    algorithms=("HS256",),
    userinfo_format=(),
    id_token={"name": "Ana", "picture": "https://profile.line.example/ana"},
    received={"name": "Ana", "picture": "https://profile.line.example/ana"},
)

APPLE = Facts(
    preset="apple",
    own={"client_authentication": {"key": KEY, "kid": "ABC123DEFG", "assertion_issuer": "DEF123GHIJ"}},
    issuer="https://appleid.apple.com",
    at=endpoints("https://appleid.apple.com", token="/auth/token", userinfo=None),
    method="apple",
    assertion=Assertion(
        header={"alg": "ES256", "typ": "JWT", "kid": "ABC123DEFG"},
        aud="https://appleid.apple.com",
        lifetime=300,
        iss="DEF123GHIJ",
        jti=False,
    ),
    request={"scope": "openid email", "response_mode": "form_post"},
    pkce=False,
    userinfo_format=(),
    id_token={"email": "x7f@privaterelay.example", "email_verified": "true"},
    received={"email": "x7f@privaterelay.example", "email_verified": True},
)

GOOGLE = Facts(
    preset="google",
    own={"client_authentication": {"secret": SECRET}},
    issuer="https://accounts.google.com",
    at={
        "authorization_endpoint": "https://accounts.google.com/o/oauth2/v2/auth",
        "token_endpoint": "https://oauth2.googleapis.com/token",
        "userinfo_endpoint": "https://openidconnect.googleapis.com/v1/userinfo",
        "jwks_uri": "https://www.googleapis.com/oauth2/v3/certs",
    },
    method="post",
    request=STANDARD,
    userinfo=PERSON,
    received=PERSON,
)

ID_ME = Facts(
    preset="id_me",
    own={"client_authentication": {"secret": SECRET}},
    issuer="https://api.id.me/oidc",
    at=endpoints("https://api.id.me/oidc"),
    method="basic",
    request={"scope": "openid"},
    userinfo_format=(),
)

FACTS = (
    ENTRA_CERTIFICATE, ENTRA_MULTITENANT, OKTA, AUTH0, PINGONE, KEYCLOAK, FAPI2, GENERIC, YAHOO_JAPAN, LINE, APPLE, GOOGLE,
    ID_ME,
)  # fmt: skip
