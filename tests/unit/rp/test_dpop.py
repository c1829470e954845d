"""DPoP proofs as another implementation reads them, the nonces of servers, and the key of one sign-in (RFC 9449)."""

import base64
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import jwt
import pytest

from fedbridge.errors import UpstreamError
from fedbridge.model.connection import ClientAuthentication
from fedbridge.model.deadline import Deadline
from fedbridge.model.policies import DPoP
from fedbridge.ports import OutboundResponse
from fedbridge.rp.dpop import MAX_NONCE, MAX_NONCES, Nonces, ProofKey, Prover, asks_for_nonce, target_uri
from tests.fakes.http import json_answer
from tests.unit.rp.idp import (
    KEY_REFERENCE,
    NOW,
    FakeClock,
    FakeIdp,
    KeySigner,
    connection,
    form,
    private_key,
)

DEADLINE = Deadline.after(600)
URL = "https://idp.example/token"


def prover(policy=None, remembered=None, at=None, nonces=None):
    return Prover.of(
        at or connection(),
        policy or DPoP(),
        remembered or {},
        nonces=nonces if nonces is not None else Nonces(),
        clock=FakeClock(),
    )


def thumbprint(jwk):
    members = json.dumps({name: jwk[name] for name in ("crv", "kty", "x", "y")}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(members.encode()).digest()).decode().rstrip("=")


def read(proof):
    """Return header and claims of a proof that PyJWT verifies by the key in it."""
    header = jwt.get_unverified_header(proof)
    key = jwt.PyJWK(header["jwk"], header["alg"])
    # The clock of these tests is not the machine's.
    return header, jwt.decode(
        proof, key.key, algorithms=[header["alg"]], options={"verify_exp": False, "verify_iat": False}
    )


@pytest.mark.parametrize(
    "algorithm,curve,size", [("ES256", "P-256", 32), ("ES384", "P-384", 48), ("ES512", "P-521", 66)]
)
def test_a_proof_is_signed_by_the_key_in_its_header(algorithm, curve, size):
    one = prover(DPoP(algorithm=algorithm))
    proof = one.proof("POST", URL, DEADLINE, access_token=None, nonce=None)
    header, claims = read(proof)
    assert header.keys() == {"typ", "alg", "jwk"}
    assert (header["typ"], header["alg"]) == ("dpop+jwt", algorithm)
    assert header["jwk"].keys() == {"kty", "crv", "x", "y"}
    assert (header["jwk"]["kty"], header["jwk"]["crv"]) == ("EC", curve)
    assert len(base64.urlsafe_b64decode(header["jwk"]["x"] + "==")) == size
    assert one.key.kid == thumbprint(header["jwk"])
    assert claims.pop("jti")
    assert claims == {"htm": "POST", "htu": URL, "iat": NOW}


def test_a_proof_says_what_it_is_for():
    claims = read(
        prover(DPoP(lifetime=120)).proof("GET", f"{URL}?a=b", DEADLINE, access_token="at", nonce="n-1")
    )[1]
    digest = base64.urlsafe_b64encode(hashlib.sha256(b"at").digest()).decode().rstrip("=")
    assert claims["ath"] == digest
    assert claims["nonce"] == "n-1"
    assert claims["htu"] == URL
    assert claims["exp"] - claims["iat"] == 120


def test_no_two_proofs_share_a_jti():
    one = prover()
    ids = [read(one.proof("POST", URL, DEADLINE, access_token=None, nonce=None))[1]["jti"] for _ in range(50)]
    assert len(set(ids)) == 50
    assert all(len(each) * 5 >= 128 for each in ids)


@pytest.mark.parametrize(
    "url,uri",
    [
        ("https://idp.example/token?a=b&c=d", "https://idp.example/token"),
        ("https://idp.example/token#fragment", "https://idp.example/token"),
        ("https://idp.example", "https://idp.example/"),
        ("https://idp.example?a", "https://idp.example/"),
        ("HTTPS://IdP.example:443/Token", "https://idp.example/Token"),
        ("http://127.0.0.1:8080/token", "http://127.0.0.1:8080/token"),
        ("https://[::1]:8443/token", "https://[::1]:8443/token"),
        ("https://idp.example/a%2Fb/", "https://idp.example/a%2Fb/"),
    ],
)
def test_the_target_uri(url, uri):
    assert target_uri(url) == uri


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "ES512"])
def test_a_key_comes_back_as_it_was_remembered(algorithm):
    policy = DPoP(algorithm=algorithm)
    first = prover(policy)
    again = prover(policy, first.remembered())
    assert again.key.kid == first.key.kid
    assert again.remembered() == first.remembered()


def test_every_sign_in_has_a_key_of_its_own():
    assert len({prover().key.kid for _ in range(20)}) == 20


def test_keys_are_drawn_from_secrets(monkeypatch):
    """Design rule 15: what OpenSSL would draw may be part of a snapshot."""
    drawn = iter([0, 2**255])
    monkeypatch.setattr("secrets.randbelow", lambda _: next(drawn))
    assert ProofKey.generate("ES256").kid == ProofKey.restore("ES256", "AQ").kid
    assert ProofKey.generate("ES256").export() == base64.urlsafe_b64encode(
        (2**255 + 1).to_bytes(32, "big")
    ).decode().rstrip("=")


def test_a_small_coordinate_keeps_its_leading_zeros():
    """RFC 7518 §6.2.1.2: a coordinate has the curve's length, or the thumbprint is another."""
    found = False
    for secret in range(1, 600):
        exported = base64.urlsafe_b64encode(secret.to_bytes(2, "big")).decode().rstrip("=")
        jwk = ProofKey.restore("ES256", exported).public_jwk
        x, y = (base64.urlsafe_b64decode(jwk[name] + "==") for name in ("x", "y"))
        assert len(x) == len(y) == 32
        found = found or 0 in (x[0], y[0])
    assert found


def test_a_prover_never_shows_its_key():
    one = prover()
    assert one.remembered()["dpop_key"] not in repr(one)
    assert "_key" not in repr(one.key)


class Server:
    """Answers in turn; `proofs` are the claims of what it was sent."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.proofs = []

    def __call__(self, proof):
        self.proofs.append(read(proof)[1])
        return self.answers.pop(0)


def challenge(nonce, **headers):
    given = {} if nonce is None else {"dpop-nonce": nonce}
    return json_answer({"error": "use_dpop_nonce"}, 400, {**given, **headers})


def resource_challenge(nonce, status=401):
    scheme = 'DPoP error="use_dpop_nonce", error_description="Resource server requires nonce in DPoP proof"'
    return OutboundResponse(
        status=status, headers={"www-authenticate": scheme, "dpop-nonce": nonce}, body=b""
    )


def test_a_nonce_that_is_asked_for_is_sent_in_a_new_proof():
    server, nonces = Server(challenge("n-1"), json_answer({})), Nonces()
    assert prover(nonces=nonces).send("POST", URL, server, DEADLINE).status == 200
    first, second = server.proofs
    assert "nonce" not in first
    assert second["nonce"] == "n-1"
    assert first["jti"] != second["jti"]
    assert nonces.get(connection(), "authorization") == "n-1"


def test_the_next_request_sends_the_last_nonce_at_once():
    nonces = Nonces()
    first = Server(json_answer({}, headers={"dpop-nonce": "n-1"}))
    prover(nonces=nonces).send("POST", URL, first, DEADLINE)
    second = Server(json_answer({}, headers={"dpop-nonce": "n-2"}))
    prover(nonces=nonces).send("POST", URL, second, DEADLINE)
    third = Server(json_answer({}))
    prover(nonces=nonces).send("POST", URL, third, DEADLINE)
    assert [proof.get("nonce") for server in (first, second, third) for proof in server.proofs] == [
        None, "n-1", "n-2",
    ]  # fmt: skip


def test_the_resource_has_a_nonce_of_its_own():
    nonces = Nonces()
    prover(nonces=nonces).send("POST", URL, Server(json_answer({}, headers={"dpop-nonce": "a"})), DEADLINE)
    server = Server(resource_challenge("r"), json_answer({}))
    prover(nonces=nonces).send("GET", URL, server, DEADLINE, access_token="at")
    assert [proof.get("nonce") for proof in server.proofs] == [None, "r"]
    assert nonces.get(connection(), "authorization") == "a"


def test_another_connection_or_version_has_other_nonces():
    nonces = Nonces()
    nonces.put(connection(), "authorization", "n")
    for other in (connection(name="other"), connection(version="2")):
        assert nonces.get(other, "authorization") is None


def test_nonces_are_bounded():
    nonces = Nonces()
    for number in range(MAX_NONCES + 10):
        nonces.put(connection(version=str(number)), "authorization", "n")
    assert len(nonces) == MAX_NONCES
    assert nonces.get(connection(version="9"), "authorization") is None
    assert nonces.get(connection(version="10"), "authorization") == "n"


def test_a_nonce_is_asked_for_once_and_not_twice():
    server = Server(challenge("n-1"), challenge("n-2"), json_answer({}))
    with pytest.raises(UpstreamError) as refused:
        prover().send("POST", URL, server, DEADLINE)
    assert (refused.value.reason, refused.value.error) == ("dpop_nonce_refused", "server_error")
    assert refused.value.upstream_code == "use_dpop_nonce"
    assert len(server.proofs) == 2


def test_the_nonce_of_the_challenge_is_sent_and_not_one_that_came_in_meanwhile():
    def server(proof):
        sent = read(proof)[1].get("nonce")
        if sent is None:
            return challenge("n-2")
        assert sent == "n-2"
        return json_answer({})

    class Late(Nonces):
        """Another thread's answer, given before ours, is put after it."""

        def put(self, connection, server, nonce):
            super().put(connection, server, "n-1")

    assert prover(nonces=Late()).send("POST", URL, server, DEADLINE).status == 200


@pytest.mark.parametrize(
    "nonce", [None, "", "a b", 'a"b', "a\\b", "ü", "a\x00", "a, b", "n" * (MAX_NONCE + 1)]
)
def test_a_nonce_that_cannot_be_one_is_not_sent(nonce):
    server, nonces = Server(challenge(nonce), json_answer({})), Nonces()
    with pytest.raises(UpstreamError) as refused:
        prover(nonces=nonces).send("POST", URL, server, DEADLINE)
    assert refused.value.reason == "dpop_nonce_missing"
    assert len(server.proofs) == 1
    assert len(nonces) == 0


def test_a_nonce_of_the_greatest_length_is_one():
    server = Server(challenge("n" * MAX_NONCE), json_answer({}))
    prover().send("POST", URL, server, DEADLINE)
    assert server.proofs[1]["nonce"] == "n" * MAX_NONCE


@pytest.mark.parametrize(
    "response",
    [
        json_answer({"error": "use_dpop_nonce"}, 200),
        json_answer({"error": "use_dpop_nonce"}, 503),
        json_answer({"error": "invalid_grant"}, 400),
        json_answer({"error": ["use_dpop_nonce"]}, 400),
        OutboundResponse(status=400, headers={}, body=b"use_dpop_nonce"),
        OutboundResponse(status=401, headers={"www-authenticate": 'Bearer error="use_dpop_nonce"'}, body=b""),
        OutboundResponse(status=401, headers={"www-authenticate": 'DPoP error="invalid_token"'}, body=b""),
        resource_challenge("n", status=403),
        OutboundResponse(status=401, headers={"www-authenticate": 'error="use_dpop_nonce", DPoP'}, body=b""),
    ],
)
def test_other_answers_ask_for_no_nonce(response):
    assert not asks_for_nonce(response)


@pytest.mark.timeout(10)
def test_a_challenge_of_any_length_is_read_in_one_pass():
    """A megabyte of schemes: by the square of its length, this would take longer than the function lives."""
    challenges = "DPoP error=other, " * 60_000
    assert not asks_for_nonce(
        OutboundResponse(status=401, headers={"www-authenticate": challenges}, body=b"")
    )
    wanted = challenges + 'DPoP error="use_dpop_nonce"'
    assert asks_for_nonce(OutboundResponse(status=401, headers={"www-authenticate": wanted}, body=b""))


def bound(**policy):
    return connection(dpop=DPoP(**policy))


def token_proofs(idp):
    return [read(request.headers["dpop"])[1] for request in idp.http.calls(URL)]


def test_a_sign_in_is_bound_from_its_request_to_its_userinfo():
    idp, at = FakeIdp(), bound()
    idp.answer_token(lambda _: idp.token_answer(token_type="DPoP"))
    redirect = idp.begin(at)
    idp.finish(redirect, at)
    asked = dict(parse_qsl(urlsplit(redirect.url).query))
    (token,) = idp.http.calls(URL)
    (userinfo,) = idp.http.calls(idp.url("/userinfo"))
    proofs = [read(request.headers["dpop"]) for request in (token, userinfo)]
    assert {thumbprint(header["jwk"]) for header, _ in proofs} == {asked["dpop_jkt"]}
    assert "ath" not in proofs[0][1]
    assert proofs[1][1]["ath"] == "sda5G2fCr6XjIpiNlGJjjTVN34oe9526mH-BXCK0uu4"  # SHA-256 of "at"
    assert (proofs[1][1]["htm"], proofs[1][1]["htu"]) == ("GET", idp.url("/userinfo"))
    assert userinfo.headers["authorization"] == "DPoP at"
    assert redirect.remembered["dpop_key"] not in redirect.url


def test_a_code_that_is_not_bound_needs_no_key_before_it_is_there():
    idp, at = FakeIdp(), bound(at_authorization="none")
    idp.answer_token(lambda _: idp.token_answer(token_type="dpop"))
    redirect = idp.begin(at)
    assert "dpop_key" not in redirect.remembered
    assert "dpop_jkt" not in redirect.url
    idp.finish(redirect, at)
    assert len(token_proofs(idp)) == 1


def test_a_connection_without_dpop_sends_no_proof():
    idp = FakeIdp()
    redirect = idp.begin()
    idp.finish(redirect)
    assert "dpop_jkt" not in redirect.url
    assert "dpop_key" not in redirect.remembered
    assert not [request for request in idp.http.sent if "dpop" in request.headers]


def test_a_nonce_is_kept_from_sign_in_to_sign_in():
    idp, at = FakeIdp(), bound()
    idp.answer_token(challenge("n-1"), lambda _: idp.token_answer(token_type="DPoP"))
    userinfo = json_answer(idp.userinfo)
    idp.http.answer("GET", idp.url("/userinfo"), resource_challenge("r-1"), userinfo)
    idp.sign_in(at)
    idp.sign_in(at)
    assert [proof.get("nonce") for proof in token_proofs(idp)] == [None, "n-1", "n-1"]
    resource = [read(request.headers["dpop"])[1] for request in idp.http.calls(idp.url("/userinfo"))]
    assert [proof.get("nonce") for proof in resource] == [None, "r-1", "r-1"]


def test_a_code_is_sent_again_with_everything_else_anew():
    idp = FakeIdp()
    at = replace(bound(), client_authentication=signing_client(idp))
    idp.answer_token(challenge("n-1"), lambda _: idp.token_answer(token_type="DPoP"))
    idp.sign_in(at)
    first, second = (form(request) for request in idp.http.calls(URL))
    assert first["code"] == second["code"]
    assertions = [
        jwt.decode(each["client_assertion"], options={"verify_signature": False}) for each in (first, second)
    ]
    assert assertions[0]["jti"] != assertions[1]["jti"]
    assert len({proof["jti"] for proof in token_proofs(idp)}) == 2


def signing_client(idp):
    idp.keys.signers[KEY_REFERENCE] = KeySigner(private_key("ES256"), "ES256")
    return ClientAuthentication(method="private_key_jwt", key=KEY_REFERENCE)


def test_userinfo_that_broke_off_is_asked_with_a_new_proof():
    idp, at = FakeIdp(), bound()
    idp.answer_token(lambda _: idp.token_answer(token_type="DPoP"))
    broken = UpstreamError("upstream_unreachable", error="temporarily_unavailable")
    idp.http.answer("GET", idp.url("/userinfo"), broken, json_answer(idp.userinfo))
    idp.sign_in(at)
    first, second = (read(request.headers["dpop"])[1] for request in idp.http.calls(idp.url("/userinfo")))
    assert first["jti"] != second["jti"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_userinfo_may_be_asked_either_way(method):
    idp = FakeIdp()
    at = replace(bound(), userinfo=replace(connection().userinfo, method=method))
    idp.answer_token(lambda _: idp.token_answer(token_type="DPoP"))
    idp.http.answer(method, idp.url("/userinfo"), json_answer(idp.userinfo))
    idp.sign_in(at)
    (request,) = idp.http.calls(idp.url("/userinfo"))
    assert read(request.headers["dpop"])[1]["htm"] == request.method == method


def test_a_proof_that_the_idp_refuses_is_told_apart():
    idp, at = FakeIdp(), bound()
    idp.answer_token(json_answer({"error": "invalid_dpop_proof"}, 400))
    with pytest.raises(UpstreamError) as refused:
        idp.sign_in(at)
    assert (refused.value.reason, refused.value.error) == ("dpop_proof_refused", "server_error")


def test_a_plain_connection_loads_nothing_of_it():
    """The front channel's cold start has little to spare."""
    program = "import sys, fedbridge.rp.oidc; print('fedbridge.rp.dpop' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"
