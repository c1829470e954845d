"""OAuth 2.0 without OpenID Connect: what it needs, and what it has no use for."""

import pytest

from tests.unit.configuration.files import REMOVED, changed, loaded, problems

SOCIAL = changed(
    protocol="oauth2",
    issuer="https://social.example",
    endpoints={
        "authorization_endpoint": "https://social.example/authorize",
        "token_endpoint": "https://social.example/token",
    },
    client_authentication={"method": "client_secret_post", "secret": "ssm:/social"},
    authorization={"scope": "read:user user:email"},
    oauth2={
        "documents": [
            {"name": "user", "url": "https://api.social.example/user"},
            {"name": "emails", "url": "https://api.social.example/user/emails", "required": False},
        ],
        "subject": "user.id",
    },
    claims={"preferred_username": "user.login"},
)
DOES_NOT_APPLY = "does not apply to protocol oauth2"


def found(folder, **changes):
    body = changed(SOCIAL, **changes)
    return [problem.removeprefix("acme: ") for problem in problems(folder, {"acme": body})]


def test_what_it_needs(tmp_path):
    connection = loaded(tmp_path, SOCIAL)
    assert connection.oauth2 is not None
    assert connection.endpoints is not None
    assert connection.oauth2.documents[0].url == "https://api.social.example/user"
    assert connection.endpoints.jwks_uri is None


def test_any_scope_but_openid(tmp_path):
    assert found(tmp_path, authorization={"scope": "a"}) == []
    openid = ["authorization.scope: must be the scopes of the documents, without openid"]
    assert found(tmp_path, authorization={"scope": "a openid"}) == openid
    assert found(tmp_path, authorization=REMOVED) == openid


@pytest.mark.parametrize("name", ["oauth2", "endpoints", "claims"])
def test_what_is_missing_is_named(tmp_path, name):
    reasons = {
        "oauth2": "it says where to read who signed in",
        "endpoints": "there is no discovery without OpenID Connect",
        "claims": "documents have no standard claims",
    }
    assert found(tmp_path, **{name: REMOVED}) == [f"{name}: is missing: {reasons[name]}"]


@pytest.mark.parametrize(
    "name, value",
    [
        ("id_token", {"algorithms": ["ES256"]}),
        ("userinfo", {"method": "none"}),
        ("subject_claims", ["oid"]),
        ("assurance", {"amr": ["mfa"]}),
        ("token_decryption", {"keys": ["ssm:/decryption"]}),
        ("authorization_response", {"algorithms": ["ES256"]}),
        ("registration", {"endpoint": "https://social.example/register"}),
        ("dpop", {}),
        ("endpoint_hosts", ["api.social.example"]),
        ("tenants", {"issuer_template": "https://social.example/{tenantid}", "allowed": ["a"]}),
    ],
)
def test_what_rests_on_openid_connect_is_refused(tmp_path, name, value):
    assert f"{name}: {DOES_NOT_APPLY}" in found(tmp_path, **{name: value})


@pytest.mark.parametrize(
    "path, value, problem",
    [
        ("endpoints__jwks_uri", "https://social.example/jwks", f"endpoints.jwks_uri: {DOES_NOT_APPLY}"),
        (
            "endpoints__userinfo_endpoint",
            "https://social.example/userinfo",
            f"endpoints.userinfo_endpoint: {DOES_NOT_APPLY}",
        ),
        (
            "authorization__pkce",
            "off",
            "authorization.pkce: must stay S256: there is no nonce, and nothing else tells a stolen code",
        ),
        ("authorization__acr_values", ["high"], f"authorization.acr_values: {DOES_NOT_APPLY}"),
        ("authorization__request_object", {}, f"authorization.request_object: {DOES_NOT_APPLY}"),
        (
            "authorization__response_mode",
            "query.jwt",
            "authorization.response_mode: must not be signed: there are no keys to verify it with",
        ),
        *(
            (
                "authorization__parameters",
                {name: value},
                f"authorization.parameters.{name}: cannot be checked: there is no ID token to answer it",
            )
            for name, value in {"max_age": "60", "vtr": '["P1"]', "claims": "{}"}.items()
        ),
    ],
)
def test_what_could_not_be_checked_is_refused(tmp_path, path, value, problem):
    assert problem in found(tmp_path, **{path: value})


def test_there_is_no_token_to_relay(tmp_path):
    assert "tokens: cannot be relay: there is no ID token" in found(tmp_path, tokens="relay")


@pytest.mark.parametrize(
    "path, value, problem",
    [
        ("oauth2__documents", [], "oauth2.documents: must be 1 to 5"),
        (
            "oauth2__documents",
            [{"name": f"d{i}", "url": "https://social.example/d"} for i in range(6)],
            "oauth2.documents: must be 1 to 5",
        ),
        ("oauth2__documents__1__name", "user", "oauth2.documents[1].name: is there twice"),
        *(
            (
                "oauth2__documents__0__name",
                name,
                "oauth2.documents[0].name: must be letters, digits and _, and none of upstream_sub, upstream_iss",
            )
            for name in ("", "a.b", "a-b", "1a", "upstream_sub", "upstream_iss")
        ),
        (
            "oauth2__documents__0__url",
            "http://social.example/user",
            "oauth2.documents[0].url: must begin with https://",
        ),
        (
            "oauth2__documents__0__url",
            "https://169.254.169.254/latest/meta-data",
            "oauth2.documents[0].url: must name a host, not an IP address",
        ),
        ("oauth2__subject", "user[", "oauth2.subject: must be a JMESPath expression"),
        ("oauth2__subject", "", "oauth2.subject: must be a JMESPath expression"),
        ("oauth2__accept", "a\nb: c", "oauth2.accept: must be 1 to 256 printable ASCII characters"),
        ("oauth2__accept", "", "oauth2.accept: must be 1 to 256 printable ASCII characters"),
    ],
)
def test_the_profile(tmp_path, path, value, problem):
    assert found(tmp_path, **{path: value}) == [problem]


def test_openid_connect_has_no_such_profile(tmp_path):
    body = changed(oauth2=SOCIAL["oauth2"])
    assert problems(tmp_path, {"acme": body}) == ["acme: oauth2: needs protocol: oauth2"]


def test_openid_connect_needs_keys(tmp_path):
    body = changed(endpoints=SOCIAL["endpoints"], client_authentication=SOCIAL["client_authentication"])
    assert problems(tmp_path, {"acme": body}) == [
        "acme: endpoints.jwks_uri: is missing: ID tokens are verified with these keys"
    ]


# --- Sign in with Apple ---------------------------------------------------------------------------------------------

APPLE = {
    "method": "apple_client_secret",
    "key": "secretsmanager:fedbridge/prod/apple",
    "kid": "ABC123DEFG",
    "assertion_issuer": "DEF123GHIJ",
}


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({}, []),
        ({"algorithm": "ES256", "lifetime": 300, "audience": "https://appleid.apple.com"}, []),
        ({"algorithm": "ES384"}, ["algorithm: must be ES256: Apple takes no other"]),
        ({"kid": "thumbprint"}, ["kid: must be the id that Apple gave the key"]),
        ({"kid": "omit"}, ["kid: must be the id that Apple gave the key"]),
        (
            {"assertion_issuer": None},
            ["assertion_issuer: is missing: apple_client_secret needs the team id"],
        ),
        ({"assertion_issuer": "a b"}, ["assertion_issuer: must be printable ASCII without blanks"]),
        ({"key": None}, ["key: is missing: apple_client_secret needs it"]),
        ({"secret": "ssm:/secret"}, ["secret: does not apply to apple_client_secret"]),
        ({"x5c": True}, ["x5c: does not apply to apple_client_secret", "x5c: needs certificate"]),
    ],
)
def test_apples_client_secret(tmp_path, changes, expected):
    fields = {name: value for name, value in {**APPLE, **changes}.items() if value is not None}
    body = changed(client_authentication=fields)
    assert problems(tmp_path, {"acme": body}) == [
        f"acme: client_authentication.{problem}" for problem in expected
    ]


def test_the_team_is_apples_alone(tmp_path):
    body = changed(client_authentication__assertion_issuer="DEF123GHIJ")
    assert problems(tmp_path, {"acme": body}) == [
        "acme: client_authentication.assertion_issuer: does not apply to private_key_jwt"
    ]
