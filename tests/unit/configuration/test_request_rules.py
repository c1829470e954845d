"""Rules of `authorization` and `authorization_response`, as far as requests are sifted, pushed, signed or answered signed."""

from typing import Any

import pytest

from fedbridge.configuration.request_rules import needed_parameters
from tests.unit.configuration.files import REMOVED, changed, loaded, problems
from tests.unit.rp.idp import CALLBACK, STATE, FakeIdp

BASE = ["response_type", "client_id", "redirect_uri", "scope", "state", "nonce"]
PKCE = ["code_challenge", "code_challenge_method"]
ENDPOINTS = {
    "authorization_endpoint": "https://login.acme.example/authorize",
    "token_endpoint": "https://login.acme.example/token",
    "jwks_uri": "https://login.acme.example/jwks",
    "token_endpoint_auth_methods_supported": ["private_key_jwt"],
}
PAR = {"pushed_authorization_request_endpoint": "https://login.acme.example/par"}
DECRYPTION = {"keys": ["secretsmanager:fedbridge/prod/acme-enc"]}
ENCRYPTED = {"encryption": "required"}


def found(tmp_path, **changes):
    told = problems(tmp_path, {"acme": changed(**changes)})
    return [problem.removeprefix("acme: ") for problem in told]


def one_problem(tmp_path, **changes):
    (problem,) = found(tmp_path, **changes)
    return problem


def authorization(tmp_path, **members):
    return found(tmp_path, authorization=members)


# --- the strict outgoing allow-list ---------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [*BASE, *PKCE])
def test_what_every_request_needs_must_be_allowed(tmp_path, missing):
    listed = [name for name in [*BASE, *PKCE] if name != missing]
    assert authorization(tmp_path, allowed_parameters=listed) == [
        f"authorization.allowed_parameters: lacks what the request needs: {missing}"
    ]
    assert authorization(tmp_path, allowed_parameters=[*listed, missing]) == []


@pytest.mark.parametrize(
    ("members", "missing"),
    [
        ({"pkce": "off"}, []),
        ({"pkce": "off", "response_mode": "form_post"}, ["response_mode"]),
        ({"pkce": "off", "acr_values": ["high"]}, ["acr_values"]),
        ({"pkce": "off", "parameters": {"ui_locales": "en", "bail": "1"}}, ["bail", "ui_locales"]),
        ({"pkce": "off", "pass_through": ["login_hint", "prompt"]}, []),
        ({"pkce": "off", "par": "required", "request_object": {}}, []),
    ],
)
def test_what_the_connection_fixes_must_be_allowed_and_what_cognito_may_send_need_not(
    tmp_path, members, missing
):
    told = authorization(tmp_path, allowed_parameters=BASE, **members)
    if not missing:
        assert told == []
    else:
        (problem,) = told
        assert set(problem.partition("needs: ")[2].split(", ")) == set(missing)


def test_the_thumbprint_of_a_dpop_key_must_be_allowed(tmp_path):
    profile = {"pkce": "off", "allowed_parameters": BASE}
    assert "dpop_jkt" in one_problem(tmp_path, authorization=profile, dpop={"at_authorization": "dpop_jkt"})
    assert found(tmp_path, authorization=profile, dpop={"at_authorization": "none"}) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [("a b", "is not the name of"), ("", "is not the name of"), ("state", "is there twice")],
)
def test_allowed_parameters_are_names_each_once(tmp_path, name, message):
    (problem,) = authorization(tmp_path, allowed_parameters=[*BASE, *PKCE, name])
    assert problem.startswith(f"authorization.allowed_parameters[8]: {message}")


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"pkce": "off"},
        {"response_mode": "query.jwt", "acr_values": ["high"], "parameters": {"bail": "1"}},
    ],
)
def test_what_is_thought_to_be_needed_is_what_is_sent(tmp_path, members):
    """Compared with a request whose every parameter is pushed, as the IdP gets it."""
    idp = FakeIdp(issuer="https://login.acme.example")
    at = loaded(tmp_path, changed(authorization={"par": "required", **members}))
    sent = idp.pushed_form(at, state=STATE, callback_url=CALLBACK)
    assert sent.keys() - {"client_assertion", "client_assertion_type"} == set(needed_parameters(at))


# --- pushing, and the query's length ----------------------------------------------------------------------------------


def test_by_hand_pushing_is_said_twice_or_not_at_all(tmp_path):
    required = {"par": "required"}
    path = "endpoints.pushed_authorization_request_endpoint"
    assert one_problem(tmp_path, authorization=required, endpoints=ENDPOINTS) == (
        f"{path}: is missing: authorization.par is required"
    )
    assert found(tmp_path, authorization=required, endpoints=ENDPOINTS | PAR) == []
    for par in ("auto", "off"):
        assert one_problem(tmp_path, authorization={"par": par}, endpoints=ENDPOINTS | PAR) == (
            f"{path}: is not used: authorization.par is not required"
        )


@pytest.mark.parametrize("most", [-1, 0, 127])
def test_no_query_is_that_short(tmp_path, most):
    assert authorization(tmp_path, max_query=most) == [
        "authorization.max_query: must be at least 128 characters"
    ]
    assert authorization(tmp_path, max_query=128) == []


# --- request objects ----------------------------------------------------------------------------------------------------


def request_object(tmp_path, **members):
    told = authorization(tmp_path, request_object=members)
    return [problem.removeprefix("authorization.request_object.") for problem in told]


GOOD_OBJECTS = [
    {},
    {"key": "secretsmanager:fedbridge/prod/acme-request", "algorithm": "PS256"},
    {"key": "kms:arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
    {"algorithm": "ES256"},
    {"audience": "authorization_endpoint", "lifetime": 5, "typ": "JWT"},
    {"audience": "https://login.acme.example/authorize", "lifetime": 300, "typ": None},
    {"echo": ["response_type", "scope", "login_hint"]},
    {"encryption_algorithm": "ECDH-ES+A192KW", "content_encryption": "A256GCM"},
]


@pytest.mark.parametrize("members", GOOD_OBJECTS)
def test_good_request_objects(tmp_path, members):
    assert request_object(tmp_path, **members) == []


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"key": "a private key"}, "key: must be a reference"),
        ({"key": "file:/etc/key"}, "key: must be one of"),
        ({"key": "secretsmanager:fedbridge/prod/acme"}, "key: is client_authentication.key as well: leave it out"),
        ({"algorithm": "HS256"}, "algorithm: must be one of RS256"),
        ({"algorithm": "none"}, "algorithm: must be one of RS256"),
        ({"algorithm": "PS256"}, "algorithm: is not the one of client_authentication.key"),
        ({"audience": "token_endpoint"}, "audience: must be one of issuer, authorization_endpoint or a URL"),
        ({"audience": "http://login.acme.example"}, "audience: must be one of issuer"),
        ({"lifetime": 4}, "lifetime: must be between 5 and 300 seconds"),
        ({"lifetime": 301}, "lifetime: must be between 5 and 300 seconds"),
        ({"typ": "a b"}, "typ: must be a media type"),
        ({"echo": ["client_id"]}, "echo[0]: is set by the bridge itself"),
        ({"echo": ["request"]}, "echo[0]: is set by the bridge itself"),
        ({"echo": ["scope", "scope"]}, "echo[1]: is there twice"),
        ({"echo": ["vtr"]}, "echo[0]: is no parameter of this connection"),
        ({"encryption_algorithm": "RSA1_5"}, "encryption_algorithm: must be one of RSA-OAEP"),
        ({"encryption_algorithm": "dir"}, "encryption_algorithm: must be one of RSA-OAEP"),
        ({"encryption_algorithm": "RSA-OAEP", "content_encryption": "A192GCM"}, "content_encryption: must be one of"),
        ({"content_encryption": "A256GCM"}, "content_encryption: is not used"),
    ],
)  # fmt: skip
def test_request_objects_that_cannot_be_right(tmp_path, members, problem):
    (told,) = request_object(tmp_path, **members)
    assert told.startswith(problem)


def test_a_request_object_needs_some_key(tmp_path):
    authentication = {"method": "client_secret_basic", "secret": "secretsmanager:fedbridge/prod/acme"}
    changes = {"client_authentication": authentication}
    problem = one_problem(tmp_path, **changes, authorization={"request_object": {}})
    assert problem.startswith("authorization.request_object.key: is missing")
    own = {"request_object": {"key": "secretsmanager:fedbridge/prod/acme-request"}}
    assert found(tmp_path, **changes, authorization=own) == []


def test_the_algorithm_of_a_shared_key_is_the_one_that_it_is_published_with(tmp_path):
    at = {"client_authentication__algorithm": "PS256"}
    assert found(tmp_path, **at, authorization={"request_object": {"algorithm": "PS256"}}) == []
    problem = one_problem(tmp_path, **at, authorization={"request_object": {"algorithm": "RS256"}})
    assert problem.startswith("authorization.request_object.algorithm: is not the one of")


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"])
def test_a_claim_of_the_jwt_itself_is_no_parameter_in_it(tmp_path, name):
    fixed = {"parameters": {name: "x"}}
    assert authorization(tmp_path, **fixed) == []
    (problem,) = authorization(tmp_path, **fixed, request_object={})
    assert problem.startswith(f"authorization.parameters.{name}: is a claim of the request object itself")
    (problem,) = authorization(tmp_path, pass_through=["prompt", name], request_object={})
    assert problem.startswith("authorization.pass_through[1]: is a claim of the request object itself")


def test_a_key_that_only_rests_does_not_sign_requests(tmp_path):
    problem = one_problem(
        tmp_path,
        client_authentication__retired_keys=["ssm:/fedbridge/prod/old"],
        authorization={"request_object": {"key": "ssm:/fedbridge/prod/old"}},
    )
    assert problem.startswith("authorization.request_object.key: is client_authentication.retired_keys[0]")


def test_case_154_two_connections_do_not_share_the_key_of_request_objects(tmp_path):
    def body(name):
        return changed(
            issuer=f"https://{name}.example",
            client_authentication__key=f"ssm:/fedbridge/prod/{name}",
            relying_parties__0__secret_hashes=["sha256:" + name * 32],
            authorization={"request_object": {"key": "ssm:/fedbridge/prod/shared"}},
        )

    (problem,) = problems(tmp_path, {"one": body("a1"), "two": body("b2")})
    assert problem == (
        "two: authorization.request_object.key: is the same key as in one: connections share none"
    )


# --- signed responses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["jwt", "query.jwt", "form_post.jwt"])
def test_good_signed_responses(tmp_path, mode):
    profile = {"response_mode": mode}
    assert found(tmp_path, authorization=profile) == []
    assert found(tmp_path, authorization=profile, authorization_response={"algorithms": ["PS256"]}) == []
    decrypting = {"authorization_response": ENCRYPTED, "token_decryption": DECRYPTION}
    assert found(tmp_path, authorization=profile, **decrypting) == []


@pytest.mark.parametrize("mode", [None, "query", "form_post"])
def test_what_a_plain_response_must_satisfy_is_not_said(tmp_path, mode):
    policy = {"algorithms": ["ES256"]}
    assert (
        one_problem(tmp_path, authorization={"response_mode": mode}, authorization_response=policy)
        == "authorization_response: is not used: authorization.response_mode asks for no JWT"
    )


@pytest.mark.parametrize("algorithm", ["HS256", "none", "ES256K", ""])
def test_case_151_signed_responses_are_signed_with_a_known_asymmetric_algorithm(tmp_path, algorithm):
    problem = one_problem(
        tmp_path,
        authorization={"response_mode": "jwt"},
        authorization_response={"algorithms": ["ES256", algorithm]},
    )
    assert problem.startswith("authorization_response.algorithms[1]: must be one of RS256")


@pytest.mark.parametrize("mode", ["fragment", "fragment.jwt", "web_message", "JWT"])
def test_other_response_modes_are_unknown(tmp_path, mode):
    (problem,) = authorization(tmp_path, response_mode=mode)
    assert problem.startswith("authorization.response_mode: ")


KMS_KEY = "kms:arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.mark.parametrize("encryption", ["optional", "required"])
@pytest.mark.parametrize("field", ["keys", "retired_keys"])
def test_case_160_encrypted_responses_are_never_opened_by_kms(tmp_path, encryption, field):
    """Whoever knows the callback could make the bridge call KMS otherwise, before anything is proven."""
    changes: dict[str, Any] = {
        "authorization": {"response_mode": "jwt"},
        "authorization_response": {"encryption": encryption},
        "token_decryption": DECRYPTION | {field: [KMS_KEY]},
    }
    assert one_problem(tmp_path, **changes).startswith(f"token_decryption.{field}[0]: must not be in KMS")
    changes["authorization_response"] = REMOVED
    kept = {name: value for name, value in changes.items() if value is not REMOVED}
    assert found(tmp_path, **kept, id_token={"encryption": "required"}) == []
