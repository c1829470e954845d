"""Cases 90 to 96 and 110 on JWTs within userinfo, shaped as GOV.UK One Login's coreIdentityJWT."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fedbridge.errors import UpstreamError
from fedbridge.jws import b64url, encode_json
from fedbridge.model.connection import UserinfoPolicy
from fedbridge.model.policies import NestedToken
from fedbridge.rp.nested_token import did_of, parse_did_document
from tests.fakes.http import json_answer
from tests.unit.rp.idp import CLIENT_ID, NOW, FakeIdp, connection, private_key, public_jwk, sign

IDENTITY = "https://identity.idp.example/"
DID = "did:web:identity.idp.example"
DOCUMENT = f"{IDENTITY}.well-known/did.json"
KEY = private_key("ES256", 31)
KID = f"{DID}#5dcbee863b5d7cc30c9ba1f7393dacc6c16610782e4b6a191f94a7e8b1e1510f"
CREDENTIAL = {
    "type": ["VerifiableCredential", "IdentityCheckCredential"],
    "credentialSubject": {
        "name": [{"nameParts": [{"value": "Ana", "type": "GivenName"}, {"value": "Silva", "type": "FamilyName"}]}],
        "birthDate": [{"value": "1985-02-01"}],
    },
}  # fmt: skip
CLAIMS = {
    "sub": "ana", "iss": IDENTITY, "aud": CLIENT_ID, "iat": NOW, "nbf": NOW, "exp": NOW + 1800,
    "vot": "P2", "vtm": "https://oidc.idp.example/trustmark", "vc": CREDENTIAL,
}  # fmt: skip


def method(key=KEY, **members):
    found = {
        "type": "JsonWebKey",
        "id": KID,
        "controller": DID,
        "publicKeyJwk": public_jwk(key, kid="short", use=None),
        **members,
    }
    return {name: value for name, value in found.items() if value is not None}


def did_document(*methods, **members):
    return {
        "@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/jwk/v1"],
        "id": DID,
        "assertionMethod": list(methods) or [method()],
        **members,
    }


def core(claims=None, *, key=KEY, header=None, **members):
    """Return a nested token; a member that is None is left out."""
    protected = {"alg": "ES256", "kid": KID, "typ": "JWT", **(header or {})}
    payload = {**(CLAIMS if claims is None else claims), **members}
    return sign(
        {name: value for name, value in protected.items() if value is not None},
        json.dumps({name: value for name, value in payload.items() if value is not None}).encode(),
        key,
    )


def nested(**fields):
    defaults = {"issuer": IDENTITY, "did": DOCUMENT, "required": True, "claims": {"vot": ("P2",)}}
    return NestedToken(**{**defaults, **fields})


def at(policy=None, **fields):
    claims = {
        "birthdate": "userinfo.core.vc.credentialSubject.birthDate[0].value",
        "given_name": "core.vc.credentialSubject.name[0].nameParts[?type=='GivenName'].value | [0]",
    }
    userinfo = UserinfoPolicy(nested={"core": policy or nested()})
    return connection(**{"claims": claims, "userinfo": userinfo, **fields})


def one_login(token=..., document=None):
    userinfo = {"sub": "ana", "email": "ana@example.com"}
    if token is not None:
        userinfo["core"] = core() if token is ... else token
    idp = FakeIdp(userinfo=userinfo)
    idp.http.answer("GET", DOCUMENT, json_answer(did_document() if document is None else document))
    return idp


def refuse(idp, reason, *, policy=None, error="server_error", description=None):
    with pytest.raises(UpstreamError) as failure:
        idp.sign_in(at(policy))
    assert (failure.value.reason, failure.value.error) == (reason, error)
    if description:
        assert failure.value.description == description
    idp.userinfo["core"] = core()
    idp.http.answer("GET", DOCUMENT, json_answer(did_document()))
    assert idp.sign_in(at(version="next")).claims["birthdate"] == "1985-02-01"


def test_its_claims_take_the_place_of_the_token():
    idp = one_login()
    assert dict(idp.sign_in(at()).claims) == {"birthdate": "1985-02-01", "given_name": "Ana"}
    (request,) = idp.http.calls(DOCUMENT)
    assert "application/did+json" in request.headers["accept"]
    assert "authorization" not in request.headers


def test_the_document_is_kept_as_keys_are():
    idp = one_login()
    for _ in range(3):
        idp.sign_in(at())
    assert len(idp.http.calls(DOCUMENT)) == 1
    idp.clock.now += 601
    idp.claims = {}
    idp.http.answer("GET", DOCUMENT, json_answer({}, status=503))
    idp.sign_in(at())
    assert "keys_stale" in idp.telemetry.names()


def test_a_new_key_is_looked_for_once():
    idp = one_login()
    idp.sign_in(at())
    other = private_key("ES256", 32)
    kid = f"{DID}#next"
    idp.http.answer("GET", DOCUMENT, json_answer(did_document(method(), method(other, id=kid))))
    idp.userinfo["core"] = core(key=other, header={"kid": kid})
    assert idp.sign_in(at()).claims["birthdate"] == "1985-02-01"
    assert len(idp.http.calls(DOCUMENT)) == 2


def test_a_jwks_will_do_as_well():
    idp, url = one_login(core(header={"kid": KEY.kid})), "https://keys.idp.example/jwks"
    idp.http.answer("GET", url, json_answer({"keys": [public_jwk(KEY)]}))
    assert idp.sign_in(at(nested(did=None, jwks_uri=url))).claims["birthdate"] == "1985-02-01"


# --- missing, or too weak -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("userinfo", ["without", "null", "no endpoint"])
def test_missing_where_it_is_required(userinfo):
    idp = one_login(None)
    if userinfo == "null":
        idp.userinfo["core"] = None
    if userinfo == "no endpoint":
        idp.serve_metadata(userinfo_endpoint=None)
        with pytest.raises(UpstreamError, match="nested_token_missing"):
            idp.sign_in(at())
        return
    refuse(idp, "nested_token_missing", error="access_denied", description="assurance_not_met")


def test_missing_where_it_is_not():
    assert one_login(None).sign_in(at(nested(required=False))).claims == {}


@pytest.mark.parametrize("userinfo", [{"sub": "ana"}, {"sub": "ana", "core": None}])
def test_what_the_id_token_says_under_its_name_is_nothing(userinfo):
    """The identity's issuer did not sign it there: it would be the word of the IdP alone."""
    idp = one_login()
    idp.userinfo = userinfo
    idp.claims = {"core": {"vc": {"name": "Forged"}}}
    policy = at(nested(required=False), claims={"name": "core.vc.name || id_token.core.vc.name"})
    assert idp.sign_in(policy).claims == {}


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize("vot", [None, "P1", "P0", "p2", "P2 ", ["P2"], 2, {"vot": "P2"}, ""])
def test_case_99_a_weaker_proof_than_demanded(vot, required):
    refuse(
        one_login(core(vot=vot)),
        "nested_token_claim_unmet",
        policy=nested(required=required),
        error="access_denied",
        description="assurance_not_met",
    )


def test_any_of_the_values_will_do():
    assert one_login(core(vot="P3")).sign_in(at(nested(claims={"vot": ("P2", "P3")}))).claims


# --- the signature --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [7, True, ["a.b.c"], {"sub": "ana"}, "", "a.b", "a.b.c", "nonsense"])
@pytest.mark.parametrize("required", [True, False])
def test_case_100_what_is_no_jwt(token, required):
    refuse(one_login(token), "nested_token_malformed", policy=nested(required=required))


@pytest.mark.parametrize("alg", ["none", "HS256", "ES384", "RS256"])
def test_case_87_to_89_another_algorithm_than_the_pinned(alg):
    head = b64url(encode_json({"alg": alg, "kid": KID}))
    refuse(one_login(f"{head}.{b64url(encode_json(CLAIMS))}.AAAA"), "nested_token_algorithm_refused")


def test_case_90_somebody_elses_signature():
    refuse(one_login(core(key=private_key("ES256", 33))), "nested_token_signature_invalid")


def test_case_90_the_idps_own_key_is_not_the_identitys():
    """Who runs the IdP must not be able to make up an identity: that is why it is signed by another."""
    idp = one_login()
    idp.userinfo["core"] = core(key=idp.key, header={"kid": idp.key.kid})
    refuse(idp, "nested_token_key_unknown")


@pytest.mark.parametrize(
    "kid", [None, "short", f"{DID}#other", f"#{KID.partition('#')[2]}", KID.upper(), f"did:web:evil.example#{KID[-8:]}"]
)  # fmt: skip
def test_case_92_a_kid_that_is_not_the_methods_id(kid):
    refuse(one_login(core(header={"kid": kid})), "nested_token_key_unknown")


def test_case_107_an_encrypted_one_where_none_is_expected():
    refuse(one_login("a.b.c.d.e"), "nested_token_encrypted")


@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt"])
def test_case_110_another_kind_of_jwt(typ):
    refuse(one_login(core(header={"typ": typ})), "nested_token_type_refused")


# --- the claims -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "claims, reason",
    [
        *(
            ({"iss": iss}, "nested_token_issuer_mismatch")
            for iss in (None, "https://idp.example", IDENTITY[:-1], DID, [IDENTITY])
        ),
        *(
            ({"aud": aud}, "nested_token_audience_mismatch")
            for aud in (None, "other", [], ["other"], IDENTITY, 7)
        ),
        *(
            ({"sub": sub}, "nested_token_subject_mismatch")
            for sub in (None, "eve", "Ana", "ana ", "", 7, ["ana"])
        ),
        ({"exp": NOW - 61}, "nested_token_expired"),
        ({"nbf": NOW + 61}, "nested_token_not_yet_valid"),
        ({"iat": NOW + 61}, "nested_token_from_the_future"),
        ({"exp": None}, "nested_token_time_malformed"),
        ({"iat": None}, "nested_token_time_malformed"),
        ({"exp": str(NOW + 1800)}, "nested_token_time_malformed"),
        ({"exp": True}, "nested_token_time_malformed"),
    ],
    ids=str,
)
def test_case_94_to_96_and_111_claims_that_are_not_about_this_sign_in(claims, reason):
    refuse(one_login(core(**claims)), reason)


def test_case_110_an_id_token_replayed_as_an_identity():
    idp = one_login()
    policy = nested(issuer=idp.issuer, did=None, jwks_uri=idp.url("/jwks"))
    redirect = idp.begin(at(policy))
    idp.userinfo["core"] = idp.id_token()
    with pytest.raises(UpstreamError, match="nested_token_claim_unmet"):
        idp.finish(redirect, at(policy))


# --- the DID document -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document, reason",
    [
        (did_document(id="did:web:evil.example"), "did_document_mismatch"),
        (did_document(id=f"{DID}:sub"), "did_document_mismatch"),
        (did_document(id=None), "did_document_mismatch"),
        (did_document(assertionMethod={}), "did_document_malformed"),
        (did_document(assertionMethod=[]), "jwks_without_usable_key"),
        (did_document(method(controller="did:web:evil.example")), "jwks_without_usable_key"),
        (did_document(method(controller=None)), "jwks_without_usable_key"),
        (did_document(method(id="did:web:evil.example#x")), "jwks_without_usable_key"),
        (did_document(method(publicKeyJwk=None)), "jwks_without_usable_key"),
        (did_document(method(publicKeyJwk="z6Mk")), "jwks_without_usable_key"),
        (
            did_document(method(publicKeyJwk=KEY.as_dict(private=True))),
            "jwks_without_usable_key",
        ),
        (
            did_document(method(publicKeyJwk={"kty": "oct", "k": "AAAA"})),
            "jwks_without_usable_key",
        ),
        (did_document(method(), method(private_key("ES256", 34))), "jwks_without_usable_key"),
        # a key for something else than assertions
        ({**did_document(f"{DID}#a"), "verificationMethod": [method()]}, "jwks_without_usable_key"),
        ({**did_document(), "assertionMethod": [], "authentication": [method()]}, "jwks_without_usable_key"),
        # more than anybody needs, none of it a key: looking for each in the other list would never end
        (did_document(*[{"a": 0}] * 101), "jwks_too_many_keys"),
        (did_document(verificationMethod=[{"b": 0}] * 101), "jwks_too_many_keys"),
        (did_document(*["x"] * 100, verificationMethod=[{"b": 0}] * 100), "jwks_without_usable_key"),
        ([], "did_document_malformed"),
        ("did", "did_document_malformed"),
    ],
)
def test_case_93_documents_without_a_key_for_us(document, reason):
    refuse(one_login(document=document), reason)


@pytest.mark.parametrize("reference", [KID, f"#{KID.partition('#')[2]}"])
def test_methods_may_be_named(reference):
    document = {**did_document(reference), "verificationMethod": [method(id=reference)]}
    assert one_login(document=document).sign_in(at()).claims["birthdate"] == "1985-02-01"


def test_a_method_that_stands_in_both_places_is_one_unless_they_differ():
    both = {**did_document(), "verificationMethod": [method()]}
    assert one_login(document=both).sign_in(at()).claims["birthdate"] == "1985-02-01"
    differing = {**did_document(), "verificationMethod": [method(private_key("ES256", 34))]}
    refuse(one_login(document=differing), "jwks_without_usable_key")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([DID, KID, f"#{KID[-8:]}", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "controller", "publicKeyJwk", "kty", "crv", "x", "y", "n", "e", "use", "key_ops"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=15,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(JSON, JSON)
def test_no_document_raises_anything_but_our_own_error(assertion, methods):
    document = {"id": DID, "assertionMethod": assertion, "verificationMethod": methods}
    with pytest.raises(UpstreamError):
        parse_did_document(json.dumps(document).encode(), did=DID)


@pytest.mark.parametrize(("status", "error"), [(404, "server_error"), (503, "temporarily_unavailable")])
def test_a_document_that_cannot_be_had(status, error):
    idp = one_login()
    idp.http.answer("GET", DOCUMENT, json_answer(did_document(), status=status))
    refuse(idp, "did_document_unavailable", error=error)


@pytest.mark.parametrize(
    ("url", "did"),
    [
        (DOCUMENT, DID),
        ("https://Identity.IdP.example/.well-known/did.json", DID),
        ("https://idp.example/users/ana/did.json", "did:web:idp.example:users:ana"),
        ("https://idp.example:8443/.well-known/did.json", "did:web:idp.example%3A8443"),
    ],
)
def test_the_did_follows_from_the_url(url, did):
    """The examples of the did:web method."""
    assert did_of(url) == did


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"id":1}', b"\xff", b'{"id":"a","id":"b"}'])
def test_case_121_documents_that_are_none(body):
    with pytest.raises(UpstreamError, match=r"did_document_(malformed|mismatch)"):
        parse_did_document(body, did=DID)
