"""Rules of `dpop` and `mutual_tls`, beyond those that docs/add-an-idp.md shows."""

import pytest

from tests.unit.configuration.files import changed, loaded, problems

CERTIFICATE = {"certificate": "ssm:/fedbridge/prod/acme-tls", "key": "secretsmanager:fedbridge/prod/acme-tls"}


def one_problem(tmp_path, **changes):
    body = changed(**changes)
    (problem,) = problems(tmp_path, {"acme": body})
    return problem.removeprefix("acme: ")


def method(name):
    return {"client_authentication": {"method": name}}


@pytest.mark.parametrize("name", ["tls_client_auth", "self_signed_tls_client_auth"])
def test_the_methods_of_mutual_tls_need_a_certificate(tmp_path, name):
    assert one_problem(tmp_path, **method(name)) == f"mutual_tls: is missing: {name} needs it"
    assert loaded(tmp_path, changed(**method(name), mutual_tls=CERTIFICATE)).mutual_tls is not None


@pytest.mark.parametrize("name", ["tls_client_auth", "self_signed_tls_client_auth"])
@pytest.mark.parametrize("field", ["key", "secret", "algorithm", "audience", "kid"])
def test_the_methods_of_mutual_tls_have_no_other_credential(tmp_path, name, field):
    values = {"key": "ssm:/fedbridge/k", "secret": "ssm:/fedbridge/s", "algorithm": "ES256"}
    authentication = {"method": name, field: values.get(field, "endpoint")}
    problem = one_problem(tmp_path, client_authentication=authentication, mutual_tls=CERTIFICATE)
    assert problem == f"client_authentication.{field}: does not apply to {name}"


def test_a_certificate_goes_with_every_method(tmp_path):
    assert loaded(tmp_path, changed(mutual_tls=CERTIFICATE)).mutual_tls is not None


def test_auto_is_content_with_a_certificate(tmp_path):
    assert loaded(tmp_path, changed(**method("auto"), mutual_tls=CERTIFICATE)).mutual_tls is not None


def test_auto_finds_the_method_of_the_certificate_among_manual_endpoints(tmp_path):
    endpoints = {
        "authorization_endpoint": "https://login.acme.example/authorize",
        "token_endpoint": "https://login.acme.example/token",
        "jwks_uri": "https://login.acme.example/jwks",
        "token_endpoint_auth_methods_supported": ["tls_client_auth"],
    }
    body = changed(**method("auto"), mutual_tls=CERTIFICATE, endpoints=endpoints)
    assert loaded(tmp_path, body).endpoints is not None
    endpoints["token_endpoint_auth_methods_supported"] = ["client_secret_basic"]
    assert "names no method" in one_problem(
        tmp_path, **method("auto"), mutual_tls=CERTIFICATE, endpoints=endpoints
    )


@pytest.mark.parametrize("field", ["certificate", "key", "next_certificate"])
def test_nothing_of_mutual_tls_is_in_kms(tmp_path, field):
    policy = {**CERTIFICATE, field: "kms:arn:aws:kms:eu-north-1:123456789012:key/1"}
    problem = one_problem(tmp_path, **method("self_signed_tls_client_auth"), mutual_tls=policy)
    assert problem.startswith(f"mutual_tls.{field}: must not be a kms: reference")


@pytest.mark.parametrize("reference", ["file:tls.pem", "env:TLS"])
def test_files_and_the_environment_are_for_local_runs(tmp_path, reference):
    problem = one_problem(tmp_path, mutual_tls={**CERTIFICATE, "key": reference})
    assert problem.startswith("mutual_tls.key: must be one of secretsmanager:, ssm:;")
    body = changed(mutual_tls={**CERTIFICATE, "key": reference})
    assert loaded(tmp_path, body, allow_local=True).mutual_tls is not None


def test_a_pasted_key_is_not_repeated(tmp_path):
    problem = one_problem(tmp_path, mutual_tls={**CERTIFICATE, "key": "-----BEGIN PRIVATE KEY-----canary"})
    assert problem.startswith("mutual_tls.key: must be a reference")
    assert "canary" not in problem


def test_certificate_and_key_may_be_one_document(tmp_path):
    both = dict.fromkeys(("certificate", "key"), "secretsmanager:fedbridge/prod/acme-tls")
    assert loaded(tmp_path, changed(mutual_tls=both)).mutual_tls is not None


@pytest.mark.parametrize("field", ["key", "next_key", "retired_keys[0]"])
def test_the_key_of_assertions_is_no_key_for_tls(tmp_path, field):
    references = {
        "key": "ssm:/fedbridge/a",
        "next_key": "ssm:/fedbridge/b",
        "retired_keys": ["ssm:/fedbridge/c"],
    }
    name, _, _ = field.partition("[")
    reference = references[name] if name == field else references[name][0]
    problem = one_problem(
        tmp_path,
        client_authentication={"method": "private_key_jwt", **references},
        mutual_tls={**CERTIFICATE, "key": reference},
    )
    assert problem == f"mutual_tls.key: is client_authentication.{field} as well: one key, one use"


def test_the_key_of_request_objects_is_no_key_for_tls(tmp_path):
    profile = {"request_object": {"key": CERTIFICATE["key"]}}
    assert one_problem(tmp_path, authorization=profile, mutual_tls=CERTIFICATE) == (
        "mutual_tls.key: is authorization.request_object.key as well: one key, one use"
    )


def test_the_next_certificate_is_another_one_and_is_published(tmp_path):
    own = method("self_signed_tls_client_auth")
    following = {**CERTIFICATE, "next_certificate": "ssm:/fedbridge/prod/acme-tls-2"}
    assert loaded(tmp_path, changed(**own, mutual_tls=following)).mutual_tls is not None
    same = {**CERTIFICATE, "next_certificate": CERTIFICATE["certificate"]}
    assert one_problem(tmp_path, **own, mutual_tls=same) == (
        "mutual_tls.next_certificate: is the same as certificate"
    )
    assert one_problem(tmp_path, **method("tls_client_auth"), mutual_tls=following).startswith(
        "mutual_tls.next_certificate: is for self_signed_tls_client_auth"
    )


@pytest.mark.parametrize("lifetime", [-1, 0, 4, 301])
def test_a_proof_lives_from_five_seconds_to_five_minutes(tmp_path, lifetime):
    problem = one_problem(tmp_path, dpop={"lifetime": lifetime})
    assert problem == "dpop.lifetime: must be between 5 and 300 seconds"


@pytest.mark.parametrize("lifetime", [5, 120, 300, None])
def test_lifetimes_of_proofs(tmp_path, lifetime):
    assert loaded(tmp_path, changed(dpop={"lifetime": lifetime})).dpop is not None


@pytest.mark.parametrize("par", ["auto", "off"])
def test_a_proof_with_the_request_needs_a_pushed_one(tmp_path, par):
    problem = one_problem(tmp_path, dpop={"at_authorization": "proof"}, authorization={"par": par})
    assert problem.startswith("dpop.at_authorization: proof goes with the pushed request")


@pytest.mark.parametrize("bound", ["dpop_jkt", "none"])
def test_other_bindings_need_no_pushed_request(tmp_path, bound):
    assert loaded(tmp_path, changed(dpop={"at_authorization": bound})).dpop is not None


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "HS256", "EdDSA", "ES256K"])
def test_proofs_are_signed_on_a_nist_curve(tmp_path, algorithm):
    problem = one_problem(tmp_path, dpop={"algorithm": algorithm})
    assert problem.startswith("dpop.algorithm: must be one of ES256, ES384, ES512")


def test_oauth2_has_no_dpop(tmp_path):
    found = problems(tmp_path, {"acme": changed(protocol="oauth2", dpop={})})
    assert "acme: dpop: is for protocol: oidc" in found


@pytest.mark.parametrize("field", ["certificate", "key"])
def test_154_connections_share_no_certificate(tmp_path, field):
    other = {
        "certificate": "ssm:/fedbridge/prod/other-tls",
        "key": "secretsmanager:fedbridge/prod/other-tls",
        field: CERTIFICATE[field],
    }
    first = changed(mutual_tls=CERTIFICATE)
    second = changed(
        client_id="other",
        client_authentication__key="secretsmanager:fedbridge/prod/other",
        relying_parties__0__secret_hashes=["sha256:" + "b2" * 32],
        mutual_tls=other,
    )
    (problem,) = problems(tmp_path, {"acme": first, "other": second})
    assert problem == f"other: mutual_tls.{field}: is the same {field} as in acme: connections share none"


def test_154_a_key_for_tls_is_no_other_connection_s_key_for_assertions(tmp_path):
    second = changed(
        client_id="other",
        client_authentication__key="secretsmanager:fedbridge/prod/other",
        relying_parties__0__secret_hashes=["sha256:" + "b2" * 32],
        mutual_tls={**CERTIFICATE, "key": "secretsmanager:fedbridge/prod/acme"},
    )
    (problem,) = problems(tmp_path, {"acme": changed(), "other": second})
    assert problem == "other: mutual_tls.key: is the same key as in acme: connections share none"
