"""Case 94: one connection for several tenants, each with an issuer of its own (Microsoft Entra ID)."""

import pytest

from fedbridge.claims.subject import hashed_subject
from fedbridge.errors import IssuerMismatch, UpstreamError
from fedbridge.model.connection import UserinfoPolicy
from fedbridge.model.policies import TenantPolicy
from tests.fakes.http import json_answer
from tests.negative.userinfo_jwts import jwt_answer, signed
from tests.unit.rp.idp import CLIENT_ID, FakeIdp, connection, public_jwk

BASE = "https://login.example"
ISSUER = f"{BASE}/organizations/v2.0"
TEMPLATE = f"{BASE}/{{tenantid}}/v2.0"
A, B, STRANGER = "aaaa-1111", "bbbb-2222", "cccc-3333"


def of_tenants(*allowed, **fields):
    tenants = TenantPolicy(issuer_template=TEMPLATE, allowed=allowed or (A, B))
    return connection(
        **{
            "issuer": ISSUER,
            "tenants": tenants,
            "subject": "hashed",
            "userinfo": UserinfoPolicy(method="none"),
            **fields,
        }
    )


def entra(tenant=A, **claims):
    """Return the IdP, whose next ID token is of this tenant unless `claims` say otherwise."""
    idp = FakeIdp(issuer=ISSUER, claims={"tid": tenant, "oid": "o-1", "iss": issuer(tenant), **claims})
    idp.serve_metadata(issuer=TEMPLATE, token_endpoint=f"{ISSUER}/token", jwks_uri=f"{ISSUER}/jwks")
    return idp


def issuer(tenant):
    return f"{BASE}/{tenant}/v2.0"


def refuse(idp, reason, *, at=None, error="server_error"):
    at = at or of_tenants()
    with pytest.raises(UpstreamError) as failure:
        idp.sign_in(at)
    assert (failure.value.reason, failure.value.error) == (reason, error)
    idp.claims = {"tid": A, "oid": "o-1", "iss": issuer(A)}
    idp.serve_keys(public_jwk(idp.key))
    assert idp.sign_in(of_tenants(version="next")).subject
    return failure.value


@pytest.mark.parametrize("tenant", [A, B])
def test_every_tenant_signs_in_under_its_own_issuer(tenant):
    at = of_tenants(claims={"website": "upstream_iss", "zoneinfo": "upstream_sub"})
    identity = entra(tenant).sign_in(at)
    assert identity.subject == hashed_subject("acme", issuer(tenant), "ana")
    assert dict(identity.claims) == {"website": issuer(tenant), "zoneinfo": "ana"}


def test_two_tenants_people_of_one_name_are_two():
    assert entra(A).sign_in(of_tenants()).subject != entra(B).sign_in(of_tenants()).subject


def test_tenant_and_object_name_a_person():
    at = of_tenants(subject_claims=("tid", "oid"))
    assert entra().sign_in(at).subject == hashed_subject("acme", issuer(A), A, "o-1")
    refuse(entra(oid=None), "subject_claim_missing", at=at)


@pytest.mark.parametrize(
    "tenant", [STRANGER, None, "", A.upper(), f" {A}", f"{A}/", [A], {"tid": A}, 7, True, "*", "{tenantid}"]
)
def test_case_94_a_tenant_that_nobody_admitted(tenant):
    """Whatever its issuer is: its people can all get genuine tokens for our client."""
    for iss in (issuer(tenant), issuer(A)):
        failure = refuse(entra(tid=tenant, iss=iss), "id_token_tenant_refused", error="access_denied")
        assert failure.description == "The organisation of this user is not admitted."


@pytest.mark.parametrize(
    "iss",
    [
        issuer(B), issuer(STRANGER), TEMPLATE, ISSUER, None, "", f"{issuer(A)}/", issuer(A).upper(),
        f"https://evil.example/{A}/v2.0", f"{BASE}/{A}/v1.0", [issuer(A)],
    ],
)  # fmt: skip
def test_case_94_an_issuer_that_is_not_the_tenants(iss):
    refuse(entra(iss=iss), "id_token_issuer_mismatch")


@pytest.mark.parametrize("name", [ISSUER, issuer(A), f"{TEMPLATE}/", TEMPLATE.upper(), None, "{tenantid}"])
def test_case_94_metadata_name_the_template_as_it_is_written(name):
    idp = entra()
    idp.serve_metadata(issuer=name, token_endpoint=f"{ISSUER}/token", jwks_uri=f"{ISSUER}/jwks")
    with pytest.raises(UpstreamError, match="metadata_issuer_mismatch"):
        idp.sign_in(of_tenants())


def test_case_94_a_template_is_no_issuer_without_tenants():
    idp = entra()
    with pytest.raises(UpstreamError, match="metadata_issuer_mismatch"):
        idp.sign_in(connection(issuer=ISSUER))


@pytest.mark.parametrize("key_issuer", [TEMPLATE, issuer(A), None])
def test_a_key_may_say_whose_tokens_it_signs(key_issuer):
    idp = entra()
    idp.serve_keys(public_jwk(idp.key, issuer=key_issuer))
    assert idp.sign_in(of_tenants()).subject


@pytest.mark.parametrize("key_issuer", [issuer(B), issuer(STRANGER), ISSUER, "", f"{BASE}/"])
def test_case_94_another_tenants_key(key_issuer):
    """Entra publishes keys that sign for one tenant alone beside those that sign for all."""
    idp = entra()
    idp.serve_keys(public_jwk(idp.key, issuer=key_issuer))
    refuse(idp, "id_token_key_issuer_mismatch")


def test_case_94_a_key_whose_issuer_is_no_text_is_no_key():
    idp = entra()
    idp.serve_keys(public_jwk(idp.key, issuer=[TEMPLATE]))
    refuse(idp, "jwks_without_usable_key")


def test_signed_userinfo_comes_from_the_tenant_too():
    at = of_tenants(userinfo=UserinfoPolicy(format="jws"))
    idp = entra()
    idp.serve_metadata(issuer=TEMPLATE, userinfo_endpoint=f"{ISSUER}/userinfo")
    idp.http.answer("GET", idp.url("/userinfo"), jwt_answer(signed(idp, iss=issuer(A), aud=CLIENT_ID)))
    assert idp.sign_in(at).claims["email"] == "ana@example.com"
    idp.http.answer("GET", idp.url("/userinfo"), jwt_answer(signed(idp, iss=issuer(B), aud=CLIENT_ID)))
    with pytest.raises(UpstreamError, match="userinfo_issuer_mismatch"):
        idp.sign_in(at)


@pytest.mark.parametrize("iss", [issuer(A), issuer(B)])
def test_an_authorization_response_may_name_an_admitted_tenant(iss):
    idp = entra()
    assert idp.finish(idp.begin(of_tenants()), of_tenants(), code="c", iss=iss).subject


@pytest.mark.parametrize("iss", [issuer(STRANGER), TEMPLATE, ISSUER, f"{issuer(A)}/"])
def test_case_16_and_no_other(iss):
    idp = entra()
    redirect = idp.begin(of_tenants())
    idp.http.answer("POST", f"{ISSUER}/token", json_answer({}))
    with pytest.raises(IssuerMismatch):
        idp.finish(redirect, of_tenants(), code="c", iss=iss)
    assert idp.http.calls(f"{ISSUER}/token") == []
