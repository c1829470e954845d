"""Q. Configuration errors: cases 149, 150, 151 and 154, and the shape of names (146)."""

import copy
from typing import Any

import pytest

from tests.unit.configuration.files import REMOVED, changed, loaded, problems, write

KEY = {"key": "secretsmanager:fedbridge/prod/acme"}
SECRET = {"secret": "secretsmanager:fedbridge/prod/acme"}


def one_problem(folder: Any, body: dict[str, Any]) -> str:
    """Return the only problem of a connection: a case must not hide behind another."""
    found = problems(folder, {"acme": body})
    assert len(found) == 1, found
    return found[0].removeprefix("acme: ")


def authenticated(**fields: Any) -> dict[str, Any]:
    return {**changed(), "client_authentication": fields}


def test_the_connection_that_the_cases_spoil_is_good(tmp_path):
    assert problems(tmp_path, {"acme": changed()}) == []


# --- 149: unknown field, wrong type, missing, empty, duplicate key ------------------------------------------------


@pytest.mark.parametrize(
    "changes, path",
    [
        ({"clientid": "x"}, "clientid"),
        ({"client_authentication__alg": "RS256"}, "client_authentication.alg"),
        ({"authorization__redirect_uri": "x"}, "authorization.redirect_uri"),
        ({"id_token__strict": False}, "id_token.strict"),
        ({"id_token__verify": False}, "id_token.verify"),
        ({"userinfo__signed": True}, "userinfo.signed"),
        ({"relying_parties__0__client_secret": "x"}, "relying_parties[0].client_secret"),
        ({"claims__email": {"path": "email"}}, "claims.email.path"),
        ({"endpoints": {"authorize_url": "x"}}, "endpoints.authorize_url"),
    ],
)
def test_149_unknown_field(tmp_path, changes, path):
    assert any(
        problem.startswith(f"acme: {path}: is not known")
        for problem in problems(tmp_path, {"acme": changed(**changes)})
    )


@pytest.mark.parametrize(
    "changes, problem",
    [
        ({"client_id": 5}, "client_id: must be a string: put the value into quotes"),
        ({"issuer": ["https://a.example"]}, "issuer: must be a string"),
        ({"disabled": "yes"}, "disabled: must be true or false"),
        ({"client_authentication__lifetime": "60"}, "client_authentication.lifetime: must be a whole number"),
        ({"client_authentication__lifetime": 59.5}, "client_authentication.lifetime: must be a whole number"),
        ({"client_authentication__lifetime": True}, "client_authentication.lifetime: must be a whole number"),
        ({"id_token__algorithms": "RS256"}, "id_token.algorithms: must be a list"),
        ({"authorization__pkce": False}, "authorization.pkce: must be one of S256, off"),
        ({"authorization__pkce": "plain"}, "authorization.pkce: must be one of S256, off"),
        ({"authorization__parameters": ["a"]}, "authorization.parameters: must be a mapping"),
        ({"protocol": "ldap"}, "protocol: must be one of oidc, oauth2, saml"),
        ({"tokens": "copy"}, "tokens: must be one of reissue, relay"),
        ({"subject": "email"}, "subject: must be one of hashed, raw"),
        ({"userinfo__method": "PUT"}, "userinfo.method: must be one of GET, POST, none"),
        ({"relying_parties": {"client_id": "a"}}, "relying_parties: must be a list"),
        ({"relying_parties__0": "cognito"}, "relying_parties[0]: must be a mapping"),
        ({"claims__email": ["email"]}, "claims.email: must be a string or a mapping"),
    ],
)
def test_149_wrong_type(tmp_path, changes, problem):
    assert one_problem(tmp_path, changed(**changes)) == problem


@pytest.mark.parametrize(
    "path, name",
    [
        ("issuer", "issuer"),
        ("client_id", "client_id"),
        ("relying_parties", "relying_parties"),
        ("relying_parties__0__client_id", "relying_parties[0].client_id"),
        ("relying_parties__0__redirect_uris", "relying_parties[0].redirect_uris"),
        ("relying_parties__0__restart_url", "relying_parties[0].restart_url"),
    ],
)
def test_149_missing(tmp_path, path, name):
    assert one_problem(tmp_path, changed(**{path: REMOVED})) == f"{name}: is missing"


def test_149_missing_secret_hashes(tmp_path):
    problem = one_problem(tmp_path, changed(relying_parties__0__secret_hashes=REMOVED))
    assert problem.startswith("relying_parties[0].secret_hashes: is missing; ")


@pytest.mark.parametrize(
    "path, empty",
    [
        ("issuer", ""),
        ("client_id", ""),
        ("client_id", " "),
        ("relying_parties", []),
        ("relying_parties__0__client_id", ""),
        ("relying_parties__0__secret_hashes", []),
        ("relying_parties__0__redirect_uris", []),
        ("relying_parties__0__restart_url", ""),
        ("relying_parties__0__name", ""),
        ("client_authentication__audience", ""),
        ("client_authentication__kid", ""),
        ("client_authentication__typ", ""),
        ("authorization__scope", ""),
        ("authorization__acr_values", [""]),
        ("authorization__parameters__bail", ""),
        ("authorization__pass_through", [""]),
        ("user_agent", ""),
        ("subject_namespace", ""),
        ("endpoint_hosts", [""]),
        ("id_token__trusted_audiences", [""]),
        ("verified_email_domains", [""]),
        ("claims__email", ""),
        ("claims__email", {"constant": ""}),
        ("claims__email", {}),
        ("claims__groups", {"value": "groups", "type": "joined", "separator": ""}),
    ],
)
def test_149_empty(tmp_path, path, empty):
    name = path.split("__")
    assert one_problem(tmp_path, changed(**{path: empty})).startswith(name[0])


def test_149_no_method_for_manual_endpoints(tmp_path):
    endpoints = {
        "authorization_endpoint": "https://login.acme.example/authorize",
        "token_endpoint": "https://login.acme.example/token",
        "jwks_uri": "https://login.acme.example/jwks",
        "token_endpoint_auth_methods_supported": [],
    }
    problem = one_problem(tmp_path, changed(endpoints=endpoints))
    assert problem == "endpoints.token_endpoint_auth_methods_supported: must not be empty"


def test_149_duplicate_key(tmp_path):
    path = write(tmp_path, {"acme": changed()})
    once = path.read_text("utf-8")
    for key, where in (
        ('"issuer": "https://login.acme.example"', "acme: issuer"),
        ('"restart_url": "https://app.example.com/"', "acme: relying_parties[0].restart_url"),
        ('"method": "private_key_jwt"', "acme: client_authentication.method"),
    ):
        path.write_text(once.replace(key, f"{key}, {key}"), "utf-8")
        assert problems(tmp_path, path) == [f"{where}: is there twice, in lines 1 and 1"]


def test_149_a_connection_twice(tmp_path):
    path = tmp_path / "connections.yaml"
    path.write_text("connections:\n  acme: {}\n  acme: {}\n", "utf-8")
    assert "connections: acme: is there twice, in lines 2 and 3" in problems(tmp_path, path)


# --- 146: names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Acme",
        "ACME",
        "acme.",
        "acme/",
        "ac%2Fme",
        "ac me",
        "acme#x",
        "*",
        "acme_x",
        "-acme",
        "\uff41cme",
        "acme\n",
        "a" * 64,
        "..",
        "acme:x",
        "acme?",
        "é",
        "\u017f",
        "\u2100",
    ],
)
def test_146_a_name_has_one_spelling(tmp_path, name):
    found = problems(tmp_path, {name: changed()})
    assert found == [
        f"{name!r}: a name must be 1 to 63 of a-z, 0-9 and -, and begin with a letter or a digit"
    ]


@pytest.mark.parametrize("name", ["a", "0", "acme-staff-2", "a" * 63, "true", "null"])
def test_146_good_names(tmp_path, name):
    assert problems(tmp_path, {name: changed()}) == []


# --- 150: http issuer, IP literal, private host, userinfo, fragment, stray white space ----------------------------

BAD_UPSTREAM_URLS = [
    "http://login.acme.example",
    "HTTPS://login.acme.example",
    "ftp://login.acme.example",
    "file:///etc/passwd",
    "https:login.acme.example",
    "//login.acme.example",
    "login.acme.example",
    "https://",
    "https:///path",
    "https://:443/",
    " https://login.acme.example",
    "https://login.acme.example ",
    "https://login.acme.example\n",
    "https://login.acme.example\t/x",
    "https://login .acme.example",
    "https://login.acme.example/\u00a0",
    "https://login.acme.example/é",
    "https://l\u00f6gin.acme.example",
    "https://login.acme.example\\@evil.example",
    "https://login.acme.example/{tenantid}/v2.0",
    "https://login.acme.example/%zz",
    "https://login.acme.example/a/../b",
    "https://login.acme.example/%2e%2e/b",
    "https://user@login.acme.example",
    "https://user:pass@login.acme.example",
    "https://@login.acme.example",
    "https://login.acme.example#x",
    "https://login.acme.example#",
    "https://127.0.0.1",
    "https://10.0.0.1",
    "https://8.8.8.8",
    "https://[::1]",
    "https://[2001:4860:4860::8888]",
    "https://[::ffff:169.254.169.254]",
    "https://169.254.169.254",
    "https://2130706433",
    "https://0x7f000001",
    "https://0x7f.1",
    "https://0177.0.0.1",
    "https://127.1",
    "https://1.2.3.4.",
    "https://localhost",
    "https://LOCALHOST",
    "https://localhost.",
    "https://idp.localhost",
    "https://idp",
    "https://idp.local",
    "https://idp.internal",
    "https://ip-10-0-0-1.eu-north-1.compute.internal",
    "https://idp.corp",
    "https://idp.home.arpa",
    "https://login.acme.example.",
    "https://login..acme.example",
    "https://-login.acme.example",
    "https://login_x.acme.example",
    "https://login%2eacme.example",
    "https://login.acme.example:8443",
    "https://login.acme.example:80",
    "https://login.acme.example:9001",
    "https://login.acme.example:99999",
    "https://login.acme.example:x",
    "https://login.acme.example:",
]


@pytest.mark.parametrize("url", BAD_UPSTREAM_URLS)
@pytest.mark.parametrize("field", ["issuer", "token_endpoint"])
def test_150_a_url_of_the_idp(tmp_path, field, url):
    endpoints = {
        "authorization_endpoint": "https://login.acme.example/authorize",
        "token_endpoint": "https://login.acme.example/token",
        "jwks_uri": "https://login.acme.example/jwks",
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
    }
    body = changed(endpoints=endpoints)
    target = body if field == "issuer" else body["endpoints"]
    target[field] = url
    problem = one_problem(tmp_path, body)
    assert problem.startswith(f"{'' if field == 'issuer' else 'endpoints.'}{field}: must ")
    assert url.strip() not in problem


@pytest.mark.parametrize("url", ["https://login.acme.example/?tenant=1", "https://login.acme.example?"])
def test_150_an_issuer_has_no_query(tmp_path, url):
    assert one_problem(tmp_path, changed(issuer=url)) == "issuer: must not have a query"


@pytest.mark.parametrize(
    "url",
    [
        "https://login.acme.example/",
        "https://login.acme.example:443",
        "https://LOGIN.acme.example/Realms/A-b_c~d",
        "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
        "https://xn--lgin-5qa.example",
        "https://localhost.example.com",
        "https://10.example.com",
    ],
)
def test_150_good_issuers(tmp_path, url):
    assert loaded(tmp_path, changed(issuer=url)).issuer == url


@pytest.mark.parametrize(
    "url",
    [
        "http://pool.example/oauth2/idpresponse",
        "https://localhost/oauth2/idpresponse",
        "https://127.0.0.1/oauth2/idpresponse",
        "https://10.0.0.1/",
        "https://2130706433/",
        "https://user@pool.example/",
        "https://pool.example/ ",
        "https://pool.example/\r\nx",
        "javascript:alert(1)",
        "data:text/html,x",
        "myapp://callback",
        "https://",
        "https://pool.example/<script>",
        'https://pool.example/"onclick',
    ],
)
@pytest.mark.parametrize("field", ["redirect_uris", "restart_url"])
def test_150_a_url_for_browsers(tmp_path, field, url):
    value = [url] if field == "redirect_uris" else url
    problem = one_problem(tmp_path, changed(**{f"relying_parties__0__{field}": value}))
    assert problem.startswith(f"relying_parties[0].{field}")


def test_150_a_redirect_uri_has_no_fragment(tmp_path):
    body = changed(relying_parties__0__redirect_uris=["https://pool.example/#x"])
    assert one_problem(tmp_path, body) == "relying_parties[0].redirect_uris[0]: must not have a fragment"


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "localhost",
        "*.acme.example",
        "https://api.acme.example",
        "api.acme.example/x",
        "API.acme.example",
        "api.acme.example:443",
        "api.acme.example:8443",
        "user@api.acme.example",
        "api",
        "[::1]",
        "api.acme.example ",
    ],
)
def test_150_an_endpoint_host(tmp_path, host):
    assert one_problem(tmp_path, changed(endpoint_hosts=[host])).startswith("endpoint_hosts[0]: must ")


# --- 151: algorithms, client authentication, skew -----------------------------------------------------------------


def test_151_an_empty_algorithm_list(tmp_path):
    assert (
        one_problem(tmp_path, changed(id_token__algorithms=[]))
        == "id_token.algorithms: must name at least one algorithm"
    )


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "nOnE", "", "HS256", "HS512", "RS1", "rs256", "ES256K", "EdDSA", "*"]
)
def test_151_an_algorithm_that_verifies_nothing(tmp_path, algorithm):
    problem = one_problem(tmp_path, changed(id_token__algorithms=["RS256", algorithm]))
    assert problem.startswith("id_token.algorithms[1]: must be one of RS256, ")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "none", "RS1", ""])
@pytest.mark.parametrize("method", ["private_key_jwt", "auto"])
def test_151_hmac_with_a_private_key(tmp_path, method, algorithm):
    problem = one_problem(tmp_path, authenticated(method=method, algorithm=algorithm, **KEY))
    assert problem.startswith("client_authentication.algorithm: must be one of RS256, ")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "none", "hs256"])
@pytest.mark.parametrize("method", ["client_secret_jwt", "auto"])
def test_151_an_asymmetric_algorithm_with_a_secret(tmp_path, method, algorithm):
    problem = one_problem(tmp_path, authenticated(method=method, algorithm=algorithm, **SECRET))
    assert problem.startswith("client_authentication.algorithm: must be one of HS256, HS384, HS512")


def test_151_an_algorithm_that_could_be_either(tmp_path):
    body = authenticated(algorithm="RS256", **KEY, secret="ssm:/fedbridge/acme")
    assert one_problem(tmp_path, body).startswith("client_authentication.algorithm: needs a method")


@pytest.mark.parametrize("skew", [-1, 301, 10**9])
def test_151_skew(tmp_path, skew):
    problem = one_problem(tmp_path, changed(id_token__clock_skew=skew))
    assert problem == "id_token.clock_skew: must be between 0 and 300 seconds"


@pytest.mark.parametrize("lifetime", [-1, 0, 4, 301, 86400])
def test_151_lifetime(tmp_path, lifetime):
    problem = one_problem(tmp_path, changed(client_authentication__lifetime=lifetime))
    assert problem == "client_authentication.lifetime: must be between 5 and 300 seconds"


@pytest.mark.parametrize(
    "fields, problem",
    [
        ({}, "key: is missing: auto needs key, secret or both"),
        ({"method": "private_key_jwt"}, "key: is missing: private_key_jwt needs it"),
        ({"method": "client_secret_basic"}, "secret: is missing: client_secret_basic needs it"),
        ({"method": "client_secret_post"}, "secret: is missing: client_secret_post needs it"),
        ({"method": "client_secret_jwt"}, "secret: is missing: client_secret_jwt needs it"),
        (
            {"method": "private_key_jwt", **KEY, "secret": "ssm:/s"},
            "secret: does not apply to private_key_jwt",
        ),
        (
            {"method": "private_key_jwt", **KEY, "basic_encoding": "raw"},
            "basic_encoding: does not apply to private_key_jwt",
        ),
        (
            {"method": "client_secret_basic", **SECRET, "key": "ssm:/k"},
            "key: does not apply to client_secret_basic",
        ),
        (
            {"method": "client_secret_basic", **SECRET, "lifetime": 30},
            "lifetime: does not apply to client_secret_basic",
        ),
        (
            {"method": "client_secret_post", **SECRET, "algorithm": "HS256"},
            "algorithm: does not apply to client_secret_post",
        ),
        (
            {"method": "client_secret_post", **SECRET, "basic_encoding": "raw"},
            "basic_encoding: does not apply to client_secret_post",
        ),
        (
            {"method": "client_secret_jwt", **SECRET, "kid": "omit"},
            "kid: does not apply to client_secret_jwt",
        ),
        ({**SECRET, "next_key": "ssm:/k"}, "next_key: needs key"),
        ({**SECRET, "retired_keys": ["ssm:/k"]}, "retired_keys: needs key"),
        ({**KEY, "basic_encoding": "raw"}, "basic_encoding: needs secret"),
        ({**KEY, "x5t": True}, "x5t: needs certificate"),
        ({**KEY, "x5t_s256": True}, "x5t_s256: needs certificate"),
        ({**KEY, "x5c": True}, "x5c: needs certificate"),
        ({**KEY, "certificate": "ssm:/c"}, "certificate: is not used: set one of x5t, x5t_s256, x5c"),
        ({**KEY, "next_key": KEY["key"]}, "next_key: is the same key as key"),
        (
            {**KEY, "retired_keys": ["ssm:/a", "ssm:/a"]},
            "retired_keys[1]: is the same key as retired_keys[0]",
        ),
        (
            {**KEY, "kid": "a b"},
            "kid: must be thumbprint, omit or a literal of at most 256 printable ASCII characters",
        ),
        ({**KEY, "typ": "a b"}, "typ: must be a media type such as JWT or client-authentication+jwt"),
    ],
)
def test_151_each_method_has_exactly_its_fields(tmp_path, fields, problem):
    assert one_problem(tmp_path, authenticated(**fields)) == f"client_authentication.{problem}"


@pytest.mark.parametrize(
    "audience",
    [
        "Issuer",
        "token-endpoint",
        "http://login.acme.example",
        "login.acme.example",
        "https://a.example https://b.example",
        "https://login.acme.example#x",
        "https://10.0.0.1",
        " issuer",
    ],
)
def test_151_an_audience_that_is_no_url(tmp_path, audience):
    problem = one_problem(tmp_path, changed(client_authentication__audience=audience))
    assert problem.startswith(
        "client_authentication.audience: must be one of issuer, token_endpoint, endpoint or a URL"
    )


PASTED = "correct-horse-battery-staple"


@pytest.mark.parametrize(
    "reference",
    [
        PASTED,
        f"vault:{PASTED}",
        f"SECRETSMANAGER:{PASTED}",
        f"secretsmanager:{PASTED} {PASTED}",
        f"secretsmanager:{PASTED}#",
        f"ssm:{PASTED}%",
        f"file:/{PASTED}",
        f"env:{PASTED}",
        f"-----BEGIN PRIVATE KEY-----\n{PASTED}\n-----END PRIVATE KEY-----",
        f'{{"kty": "RSA", "d": "{PASTED}"}}',
        f"kms:alias/{PASTED}",
        "kms:",
        "secretsmanager:",
        ":",
        "",
    ],
)
@pytest.mark.parametrize("field", ["key", "secret", "next_key", "certificate"])
def test_151_a_pasted_secret_or_a_local_reference_is_refused_and_not_repeated(tmp_path, field, reference):
    fields: dict[str, Any] = {**KEY, field: reference}
    if field == "secret":
        fields = {"secret": reference}
    if field == "certificate":
        fields["x5c"] = True
    found = problems(tmp_path, {"acme": authenticated(**fields)})
    assert found
    assert all(problem.startswith("acme: client_authentication.") for problem in found)
    assert PASTED not in "".join(found)


@pytest.mark.parametrize(
    "field, key", [("key", "#signing"), ("key", ""), ("next_key", ""), ("retired_keys[0]", "#old")]
)
def test_151_a_private_key_is_never_sent_as_a_secret(tmp_path, field, key):
    document = "secretsmanager:fedbridge/prod/acme"
    fields = {"key": "ssm:/fedbridge/prod/acme", field.partition("[")[0]: document + key}
    if field == "retired_keys[0]":
        fields["retired_keys"] = [document + key]
    authentication = {"method": "auto", "secret": document, **fields}
    (problem,) = problems(tmp_path, {"acme": changed(client_authentication=authentication)})
    said = f"is the document of {field}: a secret is sent, a private key never"
    assert problem == f"acme: client_authentication.secret: {said}"
    authentication["secret"] = f"{document}#secret"
    assert loaded(tmp_path, changed(client_authentication=authentication)).client_authentication.secret


def test_151_kms_gives_no_values_out(tmp_path):
    arn = "kms:arn:aws:kms:eu-north-1:123456789012:key/0d2c4a6e-8b1f-4c3d-9e5a-7f6b8c9d0e1f"
    assert problems(tmp_path, {"acme": authenticated(key=arn)}) == []
    assert one_problem(tmp_path, authenticated(secret=arn)).startswith(
        "client_authentication.secret: must not be a kms:"
    )


def test_151_auto_with_manual_endpoints_that_name_no_usable_method(tmp_path):
    endpoints = {
        "authorization_endpoint": "https://login.acme.example/authorize",
        "token_endpoint": "https://login.acme.example/token",
        "jwks_uri": "https://login.acme.example/jwks",
    }
    problem = one_problem(tmp_path, {**authenticated(**KEY), "endpoints": endpoints})
    assert problem.startswith("endpoints.token_endpoint_auth_methods_supported: names no method")
    assert problems(tmp_path, {"acme": {**authenticated(**SECRET), "endpoints": endpoints}}) == []


@pytest.mark.parametrize(
    "name",
    [
        "client_id",
        "redirect_uri",
        "response_type",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "request",
        "request_uri",
        "response_mode",
    ],
)
def test_151_the_bridges_own_parameters_cannot_be_set(tmp_path, name):
    fixed = one_problem(tmp_path, changed(authorization__parameters={name: "x"}))
    assert fixed == f"authorization.parameters.{name}: is set by the bridge itself"
    passed = one_problem(tmp_path, changed(authorization__pass_through=["prompt", name]))
    assert passed == "authorization.pass_through[1]: is set by the bridge itself"


def test_151_acr_values_are_asked_for_where_the_answer_is_checked(tmp_path):
    problem = one_problem(tmp_path, changed(authorization__parameters={"acr_values": "high"}))
    assert problem.startswith("authorization.parameters.acr_values: belongs into authorization.acr_values")


@pytest.mark.parametrize("value", ["a\r\nb", "a\x00", "x" * 2049])
def test_151_parameters_are_text(tmp_path, value):
    problem = one_problem(tmp_path, changed(authorization__parameters={"bail": value}))
    assert problem == "authorization.parameters.bail: must be 1 to 2,048 printable characters"


@pytest.mark.parametrize(
    "scope", ["email", "openidx", "OPENID", "openid  email", " openid", 'openid "x"', "openid,email"]
)
def test_151_scope(tmp_path, scope):
    assert one_problem(tmp_path, changed(authorization__scope=scope)).startswith(
        "authorization.scope: must be scopes"
    )


@pytest.mark.parametrize("agent", ["a\r\nX-Evil: 1", "é", "x" * 257])
def test_151_user_agent(tmp_path, agent):
    assert one_problem(tmp_path, changed(user_agent=agent)).startswith(
        "user_agent: must be 1 to 256 printable ASCII"
    )


@pytest.mark.parametrize(
    "hashes",
    [
        ["sha256:" + "a" * 63],
        ["sha256:" + "A" * 64],
        ["sha1:" + "a" * 40],
        ["a" * 64],
        [PASTED],
        ["sha256:" + "a" * 64] * 2,
        [f"sha256:{digit * 64}" for digit in "abc"],
    ],
)
def test_151_secret_hashes(tmp_path, hashes):
    problem = one_problem(tmp_path, changed(relying_parties__0__secret_hashes=hashes))
    assert problem.startswith("relying_parties[0].secret_hashes")
    assert PASTED not in problem


@pytest.mark.parametrize(
    "name",
    [
        "sub",
        "iss",
        "aud",
        "exp",
        "iat",
        "nbf",
        "nonce",
        "azp",
        "at_hash",
        "c_hash",
        "s_hash",
        "auth_time",
        "acr",
        "amr",
        "sid",
        "jti",
        "token_use",
        "identities",
        "cognito:groups",
        "cognito:username",
        "custom:role",
        "_claim_names",
    ],
)
def test_151_protected_claims_cannot_be_mapped(tmp_path, name):
    problem = one_problem(tmp_path, changed(claims={name: "x"}))
    assert problem == f"claims.{name}: belongs to the protocol and cannot be mapped"


@pytest.mark.parametrize(
    "rule, problem",
    [
        ("a[", "must be a JMESPath expression"),
        ("a b", "must be a JMESPath expression (at character 3)"),
        ("http://x.example/id", "must be a JMESPath expression"),
        ("unknown(", "must be a JMESPath expression"),
        ({"value": "a", "constant": "b"}, "must have exactly one of value and constant"),
        ({"required": True}, "must have exactly one of value and constant"),
        ({"constant": "x" * 2049}, "has a constant that is longer than 2,048 bytes"),
        ({"constant": "a\u202eb"}, "has a constant that does not fit its type"),
        ({"constant": "maybe", "type": "boolean"}, "has a constant that does not fit its type"),
        ({"value": "a", "separator": ";"}, "has a separator, which type joined alone uses"),
    ],
)
def test_151_claim_rules(tmp_path, rule, problem):
    assert one_problem(tmp_path, changed(claims={"department": rule})).startswith(
        f"claims.department: {problem}"
    )


@pytest.mark.parametrize("name", ["email_verified", "phone_number_verified"])
@pytest.mark.parametrize(
    "rule", [{"constant": "true"}, {"value": "x", "type": "string"}, {"value": "x", "type": "list"}]
)
def test_151_verified_flags_are_booleans(tmp_path, name, rule):
    assert one_problem(tmp_path, changed(claims={name: rule})).startswith(f"claims.{name}: ")


@pytest.mark.parametrize("name", ["a b", 'a"b', "a\\b", "é", "", "x" * 257])
def test_151_claim_names_fit_into_an_error_description(tmp_path, name):
    assert one_problem(tmp_path, changed(claims={name: "x"})).startswith(
        "claims: a claim's name must be printable ASCII"
    )


def test_151_too_many_claims(tmp_path):
    body = changed(claims={f"c{i}": "x" for i in range(101)})
    assert one_problem(tmp_path, body) == "claims: must not name more than 100 claims"


@pytest.mark.parametrize(
    "domain", ["@acme.example", "Acme.example", "*.acme.example", "acme", "10.0.0.1", "acme.example."]
)
def test_151_verified_email_domains(tmp_path, domain):
    assert one_problem(tmp_path, changed(verified_email_domains=[domain])).startswith(
        "verified_email_domains[0]: must be"
    )


def test_151_a_namespace_for_raw_subjects(tmp_path):
    body = changed(subject="raw", subject_namespace="x")
    assert one_problem(tmp_path, body) == "subject_namespace: does not apply to subjects that stay raw"


@pytest.mark.parametrize("algorithm", ["PS256", "PS384", "PS512"])
def test_151_relayed_tokens_must_be_verifiable_by_cognito(tmp_path, algorithm):
    body = changed(tokens="relay", client_id="cognito", id_token__algorithms=["RS256", algorithm])
    assert one_problem(tmp_path, body).startswith("id_token.algorithms[1]: cannot be relayed")


def test_151_relayed_tokens_are_made_out_to_the_connections_client(tmp_path):
    problem = one_problem(tmp_path, changed(tokens="relay"))
    assert problem.startswith("relying_parties[0].client_id: must be the connection's client_id")


def test_151_a_relayed_token_cannot_be_held_to_email_domains(tmp_path):
    body = changed(tokens="relay", client_id="cognito", verified_email_domains=["acme.example"])
    assert one_problem(tmp_path, body).startswith("verified_email_domains: does not reach relayed tokens")


# --- 154: what two connections must not share ---------------------------------------------------------------------


ENCRYPTED = {"id_token__encryption": "required"}


def two(**changes: Any) -> dict[str, Any]:
    """Return two connections that share nothing but what the changes make them share."""
    other = changed(
        issuer="https://login.beta.example",
        client_id="fedbridge-beta",
        client_authentication__key="ssm:/fedbridge/beta",
        relying_parties__0__secret_hashes=["sha256:" + "b2" * 32],
    )
    return {"acme": changed(), "beta": changed(other, **changes)}


def test_154_two_connections_may_stand_side_by_side(tmp_path):
    assert problems(tmp_path, two()) == []
    assert problems(tmp_path, two(issuer="https://login.acme.example")) == []
    assert problems(tmp_path, two(client_id="fedbridge")) == []


@pytest.mark.parametrize(
    "changes, problem",
    [
        (
            {"issuer": "https://login.acme.example", "client_id": "fedbridge"},
            "client_id: is the same issuer and client_id as in acme: connections share none",
        ),
        (
            {"client_authentication__key": "secretsmanager:fedbridge/prod/acme"},
            "client_authentication.key: is the same key as in acme: connections share none",
        ),
        (
            {"client_authentication__next_key": "secretsmanager:fedbridge/prod/acme"},
            "client_authentication.next_key: is the same key as in acme: connections share none",
        ),
        (
            {"client_authentication__retired_keys": ["secretsmanager:fedbridge/prod/acme"]},
            "client_authentication.retired_keys[0]: is the same key as in acme: connections share none",
        ),
        (
            {**ENCRYPTED, "token_decryption": {"keys": ["secretsmanager:fedbridge/prod/acme"]}},
            "token_decryption.keys[0]: is the same key as in acme: connections share none",
        ),
        (
            {
                **ENCRYPTED,
                "token_decryption": {
                    "keys": ["ssm:/fedbridge/decryption"],
                    "retired_keys": ["secretsmanager:fedbridge/prod/acme"],
                },
            },
            "token_decryption.retired_keys[0]: is the same key as in acme: connections share none",
        ),
        (
            {"relying_parties__0__secret_hashes": ["sha256:" + "c3" * 32, "sha256:" + "a1" * 32]},
            "relying_parties[0].secret_hashes[1]: is the same client secret as in acme: connections share none",
        ),
    ],
)
def test_154_two_connections_share_nothing_that_proves_who_they_are(tmp_path, changes, problem):
    assert problems(tmp_path, two(**changes)) == [f"beta: {problem}"]


def test_081_a_token_endpoint_audience_never_goes_with_a_shared_key(tmp_path):
    both = two(client_authentication__audience="token_endpoint")
    assert problems(tmp_path, both) == []
    both["beta"]["client_authentication"]["key"] = both["acme"]["client_authentication"]["key"]
    assert problems(tmp_path, both) == [
        "beta: client_authentication.key: is the same key as in acme: connections share none"
    ]


def test_154_two_connections_with_one_secret(tmp_path):
    both = two()
    for body in both.values():
        body["client_authentication"] = copy.deepcopy(SECRET)
    assert problems(tmp_path, both) == [
        "beta: client_authentication.secret: is the same secret as in acme: connections share none"
    ]


def test_154_two_relying_parties_with_one_client_id(tmp_path):
    body = changed()
    body["relying_parties"] = [
        body["relying_parties"][0],
        {**body["relying_parties"][0], "secret_hashes": ["sha256:" + "b2" * 32]},
    ]
    assert one_problem(tmp_path, body) == "relying_parties[1].client_id: is there twice"


def test_154_two_relying_parties_with_one_secret(tmp_path):
    body = changed()
    body["relying_parties"] = [
        body["relying_parties"][0],
        {
            **body["relying_parties"][0],
            "client_id": "another",
            "secret_hashes": ["sha256:" + "b2" * 32, "sha256:" + "a1" * 32],
        },
    ]
    assert (
        one_problem(tmp_path, body)
        == "relying_parties[1].secret_hashes[1]: is the same client secret as in relying_parties[0]"
    )
