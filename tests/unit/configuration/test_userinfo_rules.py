"""Signed userinfo, nested tokens, tenants, and tokens keyed with the client secret."""

import pytest

from tests.unit.configuration.files import changed, loaded, problems

NESTED = {
    "issuer": "https://identity.acme.example/",
    "did": "https://identity.acme.example/.well-known/did.json",
}
TENANTS = {"issuer_template": "https://login.acme.example/{tenantid}/v2.0", "allowed": ["t-1"]}
RELYING = {
    "tokens": "relay",
    "relying_parties__0__client_id": "fedbridge",
}


def found(folder, **changes):
    return [problem.removeprefix("acme: ") for problem in problems(folder, {"acme": changed(**changes)})]


# --- userinfo -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "userinfo, expected",
    [
        ({"format": "jws"}, []),
        ({"format": "jws", "algorithms": ["ES256"], "require_iss_and_aud": False, "method": "POST"}, []),
        ({"algorithms": ["ES256"]}, ["userinfo.algorithms: is for signed userinfo: set format"]),
        (
            {"require_iss_and_aud": False},
            ["userinfo.require_iss_and_aud: is for signed userinfo: set format"],
        ),
        (
            {"method": "none", "format": "jws"},
            ["userinfo.format: does not apply: method none calls no userinfo"],
        ),
        (
            {"method": "none", "nested": {"core": NESTED}},
            ["userinfo.nested: does not apply: method none calls no userinfo"],
        ),
        ({"nested": {"core": NESTED}}, []),
        ({"nested": {"core": {**NESTED, "required": True, "claims": {"vot": ["P2"]}}}}, []),
    ],
)
def test_userinfo(tmp_path, userinfo, expected):
    assert found(tmp_path, userinfo=userinfo) == expected


@pytest.mark.parametrize("algorithm", ["HS256", "none", "RS1", "EdDSA"])
def test_signed_userinfo_takes_asymmetric_algorithms_by_name(tmp_path, algorithm):
    (problem,) = found(tmp_path, userinfo={"format": "jws", "algorithms": [algorithm]})
    assert problem.startswith("userinfo.algorithms[0]: must be one of RS256, RS384")
    assert "HS256" not in problem.partition("must be")[2]


# --- nested tokens --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"did": None}, ["userinfo.nested.core: must have exactly one of did and jwks_uri"]),
        (
            {"jwks_uri": "https://identity.acme.example/jwks"},
            ["userinfo.nested.core: must have exactly one of did and jwks_uri"],
        ),
        ({"did": None, "jwks_uri": "https://identity.acme.example/jwks"}, []),
        (
            {"did": "did:web:identity.acme.example"},
            [
                "userinfo.nested.core.did: must begin with https://",
                "userinfo.nested.core.did: must be the URL of the document, which ends in /did.json (did:web)",
            ],
        ),
        (
            {"did": "https://identity.acme.example/did"},
            ["userinfo.nested.core.did: must be the URL of the document, which ends in /did.json (did:web)"],
        ),
        (
            {"did": "http://identity.acme.example/did.json"},
            ["userinfo.nested.core.did: must begin with https://"],
        ),
        (
            {"did": "https://10.0.0.1/did.json"},
            ["userinfo.nested.core.did: must name a host, not an IP address"],
        ),
        (
            {"did": None, "jwks_uri": "https://keys.internal/jwks"},
            [
                (
                    "userinfo.nested.core.jwks_uri: must not name a private or loopback host"
                    " (allow it by FEDBRIDGE_PRIVATE_HOSTS)"
                )
            ],
        ),
        (
            {"issuer": "identity"},
            ["userinfo.nested.core.issuer: must begin with https://"],
        ),
        ({"algorithms": []}, ["userinfo.nested.core.algorithms: must name at least one algorithm"]),
        ({"claims": {"vot": []}}, ["userinfo.nested.core.claims.vot: must name at least one value"]),
    ],
)
def test_nested_tokens(tmp_path, changes, expected):
    nested = {name: value for name, value in {**NESTED, **changes}.items() if value is not None}
    assert found(tmp_path, userinfo={"nested": {"core": nested}}) == expected


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
def test_a_nested_token_is_never_symmetric(tmp_path, algorithm):
    (problem,) = found(tmp_path, userinfo={"nested": {"core": {**NESTED, "algorithms": [algorithm]}}})
    assert problem.startswith("userinfo.nested.core.algorithms[0]: must be one of RS256")


@pytest.mark.parametrize("name", ["sub", "iss", "nonce", "cognito:groups"])
def test_a_nested_token_is_no_claim_of_the_protocol(tmp_path, name):
    assert found(tmp_path, userinfo={"nested": {name: NESTED}}) == [
        f"userinfo.nested.{name}: belongs to the protocol"
    ]


def test_a_private_did_document_can_be_allowed(tmp_path):
    nested = {**NESTED, "did": "https://keys.internal:8443/did.json"}
    body = changed(userinfo={"nested": {"core": nested}})
    assert problems(tmp_path, {"acme": body}, private_hosts=["keys.internal:8443"]) == []


# --- tenants --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({}, []),
        ({"claim": "tenant_id", "allowed": ["contoso.onmicrosoft.com", "2f9a1c5e-0d3b-4a77"]}, []),
        (
            {"issuer_template": "https://login.acme.example/v2.0"},
            ["tenants.issuer_template: must hold {tenantid} once"],
        ),
        (
            {"issuer_template": "https://{tenantid}.acme.example/{tenantid}"},
            ["tenants.issuer_template: must hold {tenantid} once"],
        ),
        (
            {"issuer_template": "http://login.acme.example/{tenantid}"},
            ["tenants.issuer_template: must begin with https://"],
        ),
        ({"allowed": []}, ["tenants.allowed: must name at least one tenant"]),
        ({"allowed": ["a", "b", "a"]}, ["tenants.allowed[2]: is there twice"]),
        *(
            ({"allowed": [tenant]}, ["tenants.allowed[0]: must be a tenant's id: letters, digits, - and ."])
            for tenant in ("*", "", "a/b", "../a", "a b", "{tenantid}", "a%2Fb", ".", "-a", "a\n")
        ),
        ({"claim": "iss"}, ["tenants.claim: must be the ID-token claim that names the tenant"]),
        ({"claim": ""}, ["tenants.claim: must be the ID-token claim that names the tenant"]),
    ],
)
def test_tenants(tmp_path, changes, expected):
    assert found(tmp_path, tenants={**TENANTS, **changes}) == expected


def test_tenants_need_hashed_subjects_and_tokens_of_our_own(tmp_path):
    assert found(tmp_path, tenants=TENANTS, subject="raw") == [
        "subject: must be hashed with tenants: two of them may have the same subject"
    ]
    assert found(tmp_path, tenants=TENANTS, **RELYING) == [
        "tokens: cannot be relay with tenants: Cognito knows a provider by one issuer"
    ]


# --- subject claims -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"subject_claims": ["tid", "oid"]}, []),
        ({"subject_claims": ["oid"], "subject": "raw"}, []),
        (
            {"subject_claims": ["tid", "oid"], "subject": "raw"},
            ["subject_claims: must be one for subjects that stay raw: several have no joint text"],
        ),
        ({"subject_claims": ["oid", "oid"]}, ["subject_claims[1]: is there twice"]),
        ({"subject_claims": ["a b"]}, ["subject_claims[0]: must be the name of an ID-token claim"]),
        (
            {"subject_claims": ["oid"], **RELYING},
            ["subject_claims: does not apply: relayed tokens keep their sub"],
        ),
    ],
)
def test_subject_claims(tmp_path, changes, expected):
    assert found(tmp_path, **changes) == expected


# --- tokens keyed with the client secret ----------------------------------------------------------------------------

SYMMETRIC = """
[preset]
title = "A provider that signs with the client secret"
description = "For a test."

[client_authentication]
method = "client_secret_post"

[id_token]
algorithms = ["HS256"]
symmetric = true
"""


def symmetric(folder, text=SYMMETRIC, **changes):
    (folder / "chat.toml").write_text(text, "utf-8")
    body = {
        "preset": "./chat.toml",
        "client_authentication": {"secret": "secretsmanager:fedbridge/prod/chat"},
        **changes,
    }
    return changed(**body)


def test_a_preset_may_say_that_tokens_are_keyed_with_the_secret(tmp_path):
    connection = loaded(tmp_path, symmetric(tmp_path))
    assert (connection.id_token.symmetric, connection.id_token.algorithms) == (True, ("HS256",))


@pytest.mark.parametrize("preset", [True, False])
def test_a_connection_may_not(tmp_path, preset):
    body = (
        symmetric(tmp_path)
        if preset
        else changed(client_authentication={"key": "ssm:/acme", "secret": "ssm:/s"})
    )
    body["id_token"] = {"symmetric": True, "algorithms": ["HS256"]}
    assert problems(tmp_path, {"acme": body}) == ["acme: id_token.symmetric: may only be set by a preset"]


def test_a_connection_may_take_it_back(tmp_path):
    body = symmetric(tmp_path, id_token={"symmetric": False, "algorithms": ["ES256"]})
    assert loaded(tmp_path, body).id_token.symmetric is False


@pytest.mark.parametrize("algorithms", [["HS256", "RS256"], ["RS256"], ["HS256", "none"], ["ES256"]], ids=str)
def test_symmetric_tokens_have_hmac_algorithms_and_no_others(tmp_path, algorithms):
    body = symmetric(tmp_path, id_token={"algorithms": algorithms})
    expected = [
        f"acme: id_token.algorithms[{i}]: must be one of HS256, HS384, HS512"
        for i, algorithm in enumerate(algorithms)
        if algorithm[:2] != "HS"
    ]
    assert problems(tmp_path, {"acme": body}) == expected


def test_hmac_without_symmetric_is_no_algorithm(tmp_path):
    (problem,) = found(tmp_path, id_token={"algorithms": ["HS256"]})
    assert problem.startswith("id_token.algorithms[0]: must be one of RS256")


def test_symmetric_tokens_need_the_secret_and_cannot_be_relayed(tmp_path):
    text = SYMMETRIC.replace("client_secret_post", "private_key_jwt")
    body = symmetric(tmp_path, text, client_authentication={"key": "ssm:/acme"})
    assert problems(tmp_path, {"acme": body}) == [
        "acme: id_token.symmetric: needs client_authentication.secret: it is the key"
    ]
    assert problems(tmp_path, {"acme": symmetric(tmp_path, **RELYING)}) == [
        "acme: tokens: cannot be relay: Cognito verifies no HMAC"
    ]


@pytest.mark.parametrize(
    "algorithms, expected",
    [
        (["HS256"], []),
        (["RS256", "ES256"], []),
        (
            ["HS256", "RS256"],
            ["acme: userinfo.algorithms: must be all HMAC or none: a public key must never be a secret"],
        ),
    ],
    ids=str,
)
def test_their_userinfo_may_be_symmetric_too_but_not_both(tmp_path, algorithms, expected):
    body = symmetric(tmp_path, userinfo={"format": "jws", "algorithms": algorithms})
    assert problems(tmp_path, {"acme": body}) == expected
