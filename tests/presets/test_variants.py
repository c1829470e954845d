"""The environments and variants that the pages offer for pasting, against literals of their own."""

import json
from dataclasses import replace

import pytest

from fedbridge.configuration.presets import preset_names, read_preset
from fedbridge.errors import UpstreamError
from tests.fakes.http import json_answer
from tests.presets.facts import KEY, KID, X5C, X5T, Assertion, Proof, RequestObject, Weaker, endpoints
from tests.presets.government import (
    ESIGNET,
    FRANCE_CONNECT_PLUS,
    GOVUK,
    ID_PORTEN,
    ITSME,
    LOGIN_GOV,
    PROCONNECT,
    SINGPASS,
    TARA,
)
from tests.presets.health_and_brokers import FTN_IDURA, HELSEID, MITID_IDURA, NETS, NHS_LOGIN, SIGNICAT, SMART
from tests.presets.workforce_and_consumer import (
    AUTH0,
    ENTRA_CERTIFICATE,
    ENTRA_MULTITENANT,
    FAPI2,
    GENERIC,
    GOOGLE,
    KEYCLOAK,
    OKTA,
)
from tests.unit.rp.idp import CLIENT_ID, NOW, private_key, public_jwk, sign

CORE_IDENTITY = "https://vocab.account.gov.uk/v1/coreIdentityJWT"
CORE_IDENTITY_CLAIMS = {"userinfo": {CORE_IDENTITY: {"essential": True}}}
DID = "https://identity.account.gov.uk/.well-known/did.json"


def asked(facts, **request):
    return {**facts.request, **request}


def moved(facts, issuer, aud=None, **paths):
    """Return the facts of another environment: its issuer, its endpoints, and assertions made out to it."""
    at = endpoints(issuer.removesuffix("/"), **paths)
    assertion = facts.assertion and replace(facts.assertion, aud=aud or issuer)
    return replace(facts, issuer=issuer, at=at, assertion=assertion)


def level(facts, acr, *, weaker=()):
    """Return the facts of a sign-in at another level, where what the preset itself asks for is too weak."""
    return replace(
        facts,
        request=asked(facts, acr_values=acr),
        id_token={**facts.id_token, "acr": acr},
        weaker=tuple(Weaker(claims={"acr": each}) for each in (*weaker, None)),
        stronger=(),
    )


def signing(facts, **header):
    """Return the facts with another header of the client assertion; None takes a member away."""
    members = {**facts.assertion.header, **header}
    found = {name: value for name, value in members.items() if value is not None}
    return replace(facts, assertion=replace(facts.assertion, header=found))


CASES = [
    # Environments.
    ("Sandbox", moved(LOGIN_GOV, "https://idp.int.identitysandbox.gov/",
                      "https://idp.int.identitysandbox.gov/api/openid_connect/token", token="/api/openid_connect/token")),
    ("Integration", moved(GOVUK, "https://oidc.integration.account.gov.uk/",
                          "https://oidc.integration.account.gov.uk/token")),
    ("Sandpit", moved(NHS_LOGIN, "https://auth.sandpit.signin.nhs.uk", "https://auth.sandpit.signin.nhs.uk/token")),
    ("Staging", moved(SINGPASS, "https://stg-id.singpass.gov.sg/fapi", par="/par")),
    ("End-to-end test (E2E)", moved(ITSME, "https://idp.e2e.itsme.services/v2", "https://idp.e2e.itsme.services/v2/token")),
    ("Integration", moved(FRANCE_CONNECT_PLUS, "https://auth.integ01.dev-franceconnect.fr/api/v2")),
    ("Integration", moved(PROCONNECT, "https://fca.integ01.dev-agentconnect.fr/api/v2")),
    ("Test", moved(ID_PORTEN, "https://test.idporten.no")),
    ("Test", moved(HELSEID, "https://helseid-sts.test.nhn.no", par="/connect/par")),
    ("Pre-production", moved(NETS, "https://pp.netseidbroker.dk/op", par="/connect/par")),
    ("Test", replace(
        moved(FTN_IDURA, "https://acme-test.idura.broker"),
        request=asked(FTN_IDURA, login_hint="enforce_ftn_requirements"),
        request_object=RequestObject(
                header={"alg": "RS256", "typ": "oauth-authz-req+jwt", "kid": KID},
                aud="https://acme-test.idura.broker",
                lifetime=300,
            ),
    )),
    # Levels.
    ("Identity proofing", level(LOGIN_GOV, "urn:acr.login.gov:verified", weaker=["urn:acr.login.gov:auth-only"])),
    ("A lower level", replace(NHS_LOGIN, request=asked(NHS_LOGIN, vtr='["P5.Cp.Cd","P5.Cp.Ck","P5.Cm"]'),
                              id_token={"vot": "P5.Cm"}, stronger=(),
                              weaker=(Weaker(claims={"vot": "P0.Cm"}, reason="id_token_vot_unmet"),))),
    ("The advanced level", level(ITSME, "http://itsme.services/v2/claim/acr_advanced",
                                 weaker=["http://itsme.services/v2/claim/acr_basic"])),
    ("High", level(ID_PORTEN, "idporten-loa-high", weaker=["idporten-loa-substantial"])),
    ("Bank IDs alone", level(FTN_IDURA, "urn:grn:authn:fi:bank-id", weaker=["urn:grn:authn:fi:mobile-id"])),
    ("Swedish BankID", level(MITID_IDURA, "urn:grn:authn:se:bankid", weaker=["urn:grn:authn:dk:mitid:substantial"])),
    ("Norwegian BankID, high", level(MITID_IDURA, "urn:grn:authn:no:bankid:high")),
    ("Substantial will do", replace(TARA, request=asked(TARA, acr_values="substantial"),
                                    id_token={**TARA.id_token, "acr": "substantial"},
                                    weaker=(Weaker(claims={"acr": "low"}),), stronger=({"acr": "high"},))),
    ("Biometrics", level(ESIGNET, "mosip:idp:acr:biometrics", weaker=["mosip:idp:acr:generated-code"])),
    ("One Workspace", replace(GOOGLE, request=asked(GOOGLE, hd="acme.example"), id_token={"hd": "acme.example"},
                              weaker=(Weaker(claims={"hd": None}, reason="id_token_assurance_claim_unmet"),
                                      Weaker(claims={"hd": "evil.example"}, reason="id_token_assurance_claim_unmet")))),
    # Client authentication.
    ("An assertion in place of the secret", replace(FRANCE_CONNECT_PLUS, method="assertion", assertion=Assertion(
        header={"alg": "ES256", "typ": "JWT", "kid": KID}, aud="https://auth.franceconnect.gouv.fr/api/v2", lifetime=60))),
    ("An enterprise certificate", signing(ID_PORTEN, kid=None, x5c=X5C)),
    ("An EC key", signing(HELSEID, alg="ES384")),
    ("An EC key", signing(SMART, alg="ES384")),
    ("A client secret", replace(SMART, method="basic", assertion=None)),
    ("An EC key", signing(FAPI2, alg="ES256")),
    ("RS256", replace(signing(ESIGNET, alg="RS256"), algorithms=("RS256",))),
    ("RS256 and x5t", signing(ENTRA_CERTIFICATE, **{"alg": "RS256", "x5t#S256": None, "x5t": X5T})),
    ("RS256 and x5t", signing(ENTRA_MULTITENANT, **{"alg": "RS256", "x5t#S256": None, "x5t": X5T})),
    ("With a client secret", replace(GENERIC, own={**GENERIC.own, "client_authentication": {"key": KEY}})),
    # Requests and tokens.
    ("Signed requests", replace(GOVUK, request=asked(GOVUK, vtr=["Cl.Cm"]), request_object=RequestObject(
        header={"alg": "RS256", "typ": "oauth-authz-req+jwt", "kid": KID}, aud="https://oidc.account.gov.uk/authorize",
        lifetime=300, beside=frozenset({"client_id", "response_type", "scope"})))),
    ("Signed requests", replace(SIGNICAT, request_object=RequestObject(
        header={"alg": "RS256", "typ": "oauth-authz-req+jwt", "kid": KID},
        aud="https://acme.signicat.example/auth/open", lifetime=300))),
    ("Highly regulated identity", replace(
        AUTH0, at=endpoints("https://acme.eu.auth0.example", token="/oauth/token", par="/oauth/par"),
        request_object=RequestObject(header={"alg": "RS256", "typ": "oauth-authz-req+jwt"},
                                     aud="https://acme.eu.auth0.example/", lifetime=300))),
    ("Pushed requests", replace(ID_PORTEN, at=endpoints("https://idporten.no", par="/par"))),
    ("The FAPI 2.0 profile", replace(ESIGNET, at=endpoints("https://esignet.example", par="/par"),
                                     proof=Proof(code_bound_by="dpop_jkt"))),
    ("DPoP", replace(OKTA, proof=Proof(code_bound_by="dpop_jkt"))),
    ("FAPI 2.0", replace(
        signing(KEYCLOAK, alg="PS256"), algorithms=("PS256",), proof=Proof(code_bound_by="dpop_jkt"),
        at=endpoints("https://login.acme.example/realms/staff/protocol/openid-connect", par="/ext/par/request"))),
    ("mTLS in place of DPoP", replace(FAPI2, proof=None)),
    ("With the CPR number", replace(MITID_IDURA, request=asked(MITID_IDURA, login_hint="scope:ssn"))),
    ("Signed userinfo", replace(MITID_IDURA, userinfo_format=("jws",))),
]  # fmt: skip

every = pytest.mark.parametrize(
    "name,facts", [pytest.param(name, facts, id=f"{facts}: {name}") for name, facts in CASES]
)


def test_every_environment_and_variant_is_held_to_literals():
    offered = [
        (preset.name, overlay.name)
        for preset in map(read_preset, preset_names())
        for overlay in (*preset.about.environments, *preset.about.variants)
    ]
    held = [(facts.preset, name) for name, facts in CASES]
    assert sorted(offered) == sorted([*held, ("govuk_one_login", "Identity check (P2)")])


@every
def test_its_request_is_this_and_its_sign_in_succeeds(name, facts, idp_of):
    idp = idp_of(facts, name)
    redirect = idp.check_request()
    assert idp.finish(redirect).claims == facts.received


@every
def test_its_level_is_held_to(name, facts, idp_of):
    for weaker in facts.weaker:
        idp = idp_of(facts, name)
        idp.id_token_claims |= weaker.claims
        redirect = idp.begin()
        with pytest.raises(UpstreamError) as failure:
            idp.finish(redirect)
        assert failure.value.reason == weaker.reason
    for claims in facts.stronger:
        idp = idp_of(facts, name)
        idp.id_token_claims |= claims
        assert idp.sign_in().claims == facts.received


# --- GOV.UK's core identity -----------------------------------------------------------------------------------------

P2 = replace(
    GOVUK,
    request=asked(GOVUK, vtr='["Cl.Cm.P2"]', claims=json.dumps(CORE_IDENTITY_CLAIMS, separators=(",", ":"))),
)


def core_identity(idp, **claims):
    """Return the nested token, right but for `claims`, and publish its key in the DID document."""
    key = private_key("ES256", 11)
    kid = "did:web:identity.account.gov.uk#key-1"
    method = {"id": kid, "type": "JsonWebKey", "controller": "did:web:identity.account.gov.uk",
              "publicKeyJwk": public_jwk(key, kid=None)}  # fmt: skip
    document = {
        "id": "did:web:identity.account.gov.uk",
        "verificationMethod": [method],
        "assertionMethod": [kid],
    }
    idp.http.answer("GET", DID, json_answer(document))
    found = {
        "iss": "https://identity.account.gov.uk/", "aud": idp.connection.client_id, "sub": "person-1", "iat": NOW,
        "nbf": NOW, "exp": NOW + 1800, "vot": "P2", "vc": {"type": ["VerifiableCredential"]}, **claims,
    }  # fmt: skip
    return sign({"alg": "ES256", "kid": kid}, json.dumps(found).encode(), key)


def test_an_identity_comes_as_a_token_of_its_own(idp_of):
    idp = idp_of(P2, "Identity check (P2)")
    redirect = idp.check_request()
    idp.userinfo_claims[CORE_IDENTITY] = core_identity(idp)
    # vot of the ID token never has the P component.
    assert idp.id_token_claims == {"vot": "Cl.Cm"}
    assert idp.finish(redirect).claims == P2.received


@pytest.mark.parametrize(
    "claims,reason",
    [
        ({"vot": "P1"}, "nested_token_claim_unmet"),
        ({"vot": None}, "nested_token_claim_unmet"),
        ({"sub": "person-2"}, "nested_token_subject_mismatch"),
        ({"iss": "https://identity.integration.account.gov.uk/"}, "nested_token_issuer_mismatch"),
        ({"aud": CLIENT_ID}, "nested_token_audience_mismatch"),
    ],
    ids=["vot", "no vot", "sub", "iss", "aud"],
)
def test_an_identity_that_is_weaker_or_of_another_is_refused(claims, reason, idp_of):
    idp = idp_of(P2, "Identity check (P2)")
    redirect = idp.begin()
    idp.userinfo_claims[CORE_IDENTITY] = core_identity(idp, **claims)
    with pytest.raises(UpstreamError) as failure:
        idp.finish(redirect)
    assert failure.value.reason == reason


def test_without_an_identity_there_is_no_sign_in(idp_of):
    idp = idp_of(P2, "Identity check (P2)")
    redirect = idp.begin()
    with pytest.raises(UpstreamError) as failure:
        idp.finish(redirect)
    assert failure.value.reason == "nested_token_missing"
