"""Who is let in and who is who, where `sub` alone does not say: Entra's many tenants, Corppass's companies."""

import pytest

from fedbridge.errors import UpstreamError
from tests.presets.government import CORPPASS
from tests.presets.workforce_and_consumer import ENTRA_MULTITENANT

OTHER = "66666666-7777-8888-9999-000000000000"


def test_a_person_of_a_tenant_that_is_not_named_is_refused(idp_of):
    idp = idp_of(ENTRA_MULTITENANT)
    idp.id_token_claims |= {"tid": OTHER, "iss": f"https://login.microsoftonline.com/{OTHER}/v2.0"}
    redirect = idp.begin()
    with pytest.raises(UpstreamError) as failure:
        idp.finish(redirect)
    assert (failure.value.reason, failure.value.error) == ("id_token_tenant_refused", "access_denied")


def test_a_tenant_cannot_speak_under_anothers_issuer(idp_of):
    idp = idp_of(ENTRA_MULTITENANT)
    idp.id_token_claims["iss"] = f"https://login.microsoftonline.com/{OTHER}/v2.0"
    redirect = idp.begin()
    with pytest.raises(UpstreamError) as failure:
        idp.finish(redirect)
    assert failure.value.reason == "id_token_issuer_mismatch"


def test_tenant_and_object_name_a_person_whatever_sub_says(idp_of):
    """`sub` is the application's own: with another client id, people would be others."""
    idp = idp_of(ENTRA_MULTITENANT)
    before = idp.sign_in().subject
    idp.id_token_claims["sub"] = "of-another-application"
    assert idp.sign_in().subject == before
    idp.id_token_claims["oid"] = "o-2"
    assert idp.sign_in().subject != before


def test_without_the_object_nobody_is_named(idp_of):
    idp = idp_of(ENTRA_MULTITENANT)
    del idp.id_token_claims["oid"]
    redirect = idp.begin()
    with pytest.raises(UpstreamError):
        idp.finish(redirect)


def test_colleagues_at_corppass_are_two_users_and_so_is_who_acts_for_two_companies(idp_of):
    idp = idp_of(CORPPASS)
    subjects = set()
    for company, person in (("c-1", "p-1"), ("c-1", "p-2"), ("c-2", "p-1")):
        idp.id_token_claims |= {"sub": company, "act": {"sub": person}}
        idp.userinfo_claims["sub"] = company
        subjects.add(idp.sign_in().subject)
    assert len(subjects) == 3


def test_without_the_person_who_acts_nobody_signs_in_at_corppass(idp_of):
    idp = idp_of(CORPPASS)
    del idp.id_token_claims["act"]
    redirect = idp.begin()
    with pytest.raises(UpstreamError) as failure:
        idp.finish(redirect)
    assert failure.value.reason == "subject_claim_missing"
