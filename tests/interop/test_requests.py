"""Pushed, signed and encrypted requests, and signed and encrypted responses, at an IdP that nobody here wrote.

Every connection signs a user in twice, cold and warm; what the IdP received is its own journal. The IdP takes nothing
else from these clients: the controls below show that it means it.
"""

import json
from collections import Counter
from dataclasses import replace
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx
import pytest

from fedbridge.jws import b64url
from fedbridge.rp.base64url import decode_base64url
from tests.counterparts.browser import TripError, travel
from tests.counterparts.cognito import SignInError
from tests.counterparts.faults import Answer, Fault
from tests.counterparts.oidc_provider import AssertionRules, OidcProvider
from tests.interop.bridge import running_bridge
from tests.interop.passage import COLD, WARM, sign_in_at_pool, sign_in_twice, user_pool
from tests.interop.requests import PUSHED, SETTINGS, SIGNED, SIGNS_WITH_KEY, connection, received
from tests.support.keys import ec_key, private_pem, rsa_key, thumbprint_of

pytestmark = pytest.mark.interop

PUSH = Counter(pushed_authorization_request=1)
REQUIRED = "par: required"
PARAMETERS = {
    "response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge", "code_challenge_method",
}  # fmt: skip
JWT = PARAMETERS | {"iss", "aud", "exp", "iat", "nbf", "jti"}
ENCRYPTED = {
    "rsa": ("RSA-OAEP-256", "A128CBC-HS256"),
    "ecdh": ("ECDH-ES", "A256GCM"),
    "ecdh-wrapped": ("ECDH-ES+A256KW", "A256CBC-HS512"),
}
MODES = {"jwt": "GET", "query-jwt": "GET", "form-post-jwt": "POST"}


def encrypting(name, *more, **metadata):
    alg, enc = ENCRYPTED[name]
    policy = f"request_object: {{encryption_algorithm: {alg}, content_encryption: {enc}}}"
    authorization = ", ".join([policy, *more])
    return connection(f"encrypted-{name}{'-pushed' if more else ''}", authorization, **SIGNED, **metadata)


def answering(mode):
    # `authorization_signed_response_alg` is RS256 if nothing is registered, as with ID tokens.
    return connection(mode, f"response_mode: {mode.replace('-jwt', '.jwt').replace('form-', 'form_')}")


def sealing(name, alg, enc, reference, encryption="required"):
    return connection(
        name,
        "response_mode: jwt",
        f"authorization_response: {{encryption: {encryption}}}",
        f'token_decryption: {{keys: ["{reference}"]}}',
        authorization_signed_response_alg="RS256",
        authorization_encrypted_response_alg=alg,
        authorization_encrypted_response_enc=enc,
    )


SEALED = {
    "sealed-rsa": ("RSA-OAEP-256", "A256GCM"),
    "sealed-ecdh": ("ECDH-ES+A128KW", "A128CBC-HS256"),
}


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bridge")

    def stored(name, key):
        (folder / name).write_text(private_pem(key))
        return f"file:{folder / name}"

    request_key = stored("request", rsa_key(number=70))
    own = f'request_object: {{key: "{request_key}", algorithm: PS256, echo: [response_type, scope]}}'
    called = connection(
        "endpoint", REQUIRED, authentication=SIGNS_WITH_KEY[:-1] + ", audience: endpoint}", **PUSHED
    )
    called = replace(
        called, client={**called.client, "assertion": AssertionRules(audience=["called_endpoint"])}
    )
    connections = [
        connection("pushed", REQUIRED, **PUSHED),
        connection("faulty", REQUIRED, **PUSHED),
        connection("auto"),
        connection("demanded"),
        called,
        connection("signed", "request_object: {}", **SIGNED),
        connection("own-key", own, request_object_signing_alg="PS256", **SIGNED),
        connection("signed-pushed", f"request_object: {{}}, {REQUIRED}", **SIGNED, **PUSHED),
        *(encrypting(name) for name in ENCRYPTED),
        encrypting("rsa", REQUIRED, **PUSHED),
        *(answering(mode) for mode in MODES),
        sealing("sealed-rsa", *SEALED["sealed-rsa"], stored("enc-1", rsa_key(number=71))),
        sealing("sealed-ecdh", *SEALED["sealed-ecdh"], stored("enc-2", ec_key("P-256", 72))),
        connection(
            "whole", f"request_object: {{}}, {REQUIRED}, response_mode: query.jwt", **SIGNED, **PUSHED,
        ),
        connection("unpushed", "par: off", **PUSHED),
        connection("unsigned", **SIGNED),
        connection("other-algorithm", "request_object: {}", request_object_signing_alg="PS256", **SIGNED),
        connection("other-audience", "request_object: {audience: authorization_endpoint}", **SIGNED),
    ]  # fmt: skip
    with (
        OidcProvider(decrypts=True, oidc_provider=SETTINGS) as op,
        running_bridge(op, folder, connections) as bridge,
    ):
        yield bridge


@pytest.fixture(autouse=True)
def anew(bridge):
    bridge.op.clear_journal()
    yield
    bridge.op.clear_faults()


def reference_alone(passage):
    assert set(passage.authorization.query) == {"client_id", "request_uri"}
    return passage.only("pushed_authorization_request")


# --- PAR (RFC 9126) -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["pushed", "endpoint"])
def test_a_request_that_must_be_pushed(bridge, openid_client, browser, name):
    first, second = sign_in_twice(bridge, openid_client, browser, name)
    assert (first.calls, second.calls) == (COLD + PUSH, WARM + PUSH)
    for passage in (first, second):
        request = reference_alone(passage)
        assert request.status == 201
        assert set(request.form) == PARAMETERS | {"client_assertion", "client_assertion_type"}
        called = {"pushed": bridge.op.issuer, "endpoint": bridge.op.endpoint("par")}[name]
        assert request.assertion.claims["aud"] == called
        assert passage.authorization.query["request_uri"] == json.loads(request.answer)["request_uri"]
    assertions = [entry.assertion for entry in (*first.upstream, *second.upstream) if entry.assertion]
    assert len({assertion.claims["jti"] for assertion in assertions}) == 4


def test_auto_pushes_where_the_metadata_demand_it_and_only_there(bridge, openid_client, browser):
    first, second = sign_in_twice(bridge, openid_client, browser, "auto")
    assert set(first.authorization.query) == set(second.authorization.query) == PARAMETERS
    assert first.calls == COLD
    bridge.op.set_fault("discovery", Fault(members={"require_pushed_authorization_requests": True}))
    with user_pool(bridge, "demanded") as pool:
        _, passage = sign_in_at_pool(bridge, pool, browser)
    assert passage.calls == COLD + PUSH
    reference_alone(passage)


FAULTS = {
    "503": (
        Fault(answer=Answer(status=503, body="busy", content_type="text/plain")),
        "temporarily_unavailable",
    ),
    "invalid_request": (Fault(answer=Answer(status=400, body='{"error":"invalid_request"}')), "server_error"),
    "a page": (Fault(answer=Answer(status=200, body="<html>", content_type="text/html")), "server_error"),
    "cut off": (Fault(drop=True), "temporarily_unavailable"),
}


@pytest.mark.parametrize(("fault", "error"), FAULTS.values(), ids=FAULTS)
def test_a_push_that_fails_is_told_to_cognito_and_the_next_one_succeeds(bridge, browser, fault, error):
    with user_pool(bridge, "faulty") as pool:
        sign_in_at_pool(bridge, pool, browser)
        bridge.op.set_fault("pushed_authorization_request", fault)
        with pytest.raises(SignInError, match=f"Bank Error - {error} "):
            sign_in_at_pool(bridge, pool, browser)
        bridge.op.clear_faults()
        sign_in_at_pool(bridge, pool, browser)


# --- JAR (RFC 9101) -------------------------------------------------------------------------------------------------------


def check_request_object(bridge, name, received, *, alg="ES256"):
    jwt, client_id = received.request_object, bridge.connections[name].upstream_client_id
    assert set(jwt.claims) == JWT
    assert (jwt.claims["iss"], jwt.claims["client_id"]) == (client_id, client_id)
    assert jwt.claims["aud"] == bridge.op.issuer
    assert jwt.claims["exp"] - jwt.claims["iat"] == 300
    assert (jwt.header["alg"], jwt.header["typ"]) == (alg, "oauth-authz-req+jwt")
    keys = httpx.get(f"{bridge.issuer(name)}/client-jwks.json", trust_env=False).json()["keys"]
    (named,) = [key for key in keys if key["kid"] == jwt.header["kid"]]
    assert (named["use"], named["alg"]) == ("sig", alg)


def test_a_request_that_must_be_signed_by_value(bridge, openid_client, browser):
    for passage in sign_in_twice(bridge, openid_client, browser, "signed"):
        assert set(passage.authorization.query) == {"client_id", "request"}
        check_request_object(bridge, "signed", passage.authorization)


def test_a_key_of_its_own_and_what_stands_beside_it(bridge, openid_client, browser):
    for passage in sign_in_twice(bridge, openid_client, browser, "own-key"):
        query = passage.authorization.query
        assert set(query) == {"client_id", "request", "response_type", "scope"}
        claims = received(passage.authorization.request_object).claims
        assert (query["response_type"], query["scope"]) == (claims["response_type"], claims["scope"])
        check_request_object(bridge, "own-key", passage.authorization, alg="PS256")
        assert received(passage.authorization.request_object).header["kid"] == thumbprint_of(
            rsa_key(number=70)
        )
        assert received(passage.only("token").assertion).header["alg"] == "ES256"


def test_a_request_that_must_be_signed_and_pushed(bridge, openid_client, browser):
    first, second = sign_in_twice(bridge, openid_client, browser, "signed-pushed")
    assert (first.calls, second.calls) == (COLD + PUSH, WARM + PUSH)
    for passage in (first, second):
        request = reference_alone(passage)
        assert set(request.form) == {"client_id", "request", "client_assertion", "client_assertion_type"}
        check_request_object(bridge, "signed-pushed", request)


@pytest.mark.parametrize("name", [*ENCRYPTED, "rsa-pushed"])
def test_a_request_object_that_only_the_idp_can_open(bridge, openid_client, browser, name):
    """The IdP's keys are asked for before the browser leaves, and again by nobody."""
    alg, enc = ENCRYPTED[name.removesuffix("-pushed")]
    pushed = PUSH if name.endswith("-pushed") else Counter()
    first, second = sign_in_twice(bridge, openid_client, browser, f"encrypted-{name}")
    assert (first.calls, second.calls) == (COLD + pushed, WARM + pushed)
    for passage in (first, second):
        if pushed:
            request = reference_alone(passage).form["request"]
        else:
            assert set(passage.authorization.query) == {"client_id", "request"}
            request = passage.authorization.query["request"]
        segments = request.split(".")
        header = json.loads(decode_base64url(segments[0]))
        assert len(segments) == 5
        assert (header["alg"], header["enc"], header["cty"]) == (alg, enc, "JWT")
        assert header["kid"].startswith("rsa-" if alg.startswith("RSA") else "p-256-")


# --- JARM, RFC 9207 -------------------------------------------------------------------------------------------------------


def response_of(bridge, name, passage):
    """What the browser brought to the connection's callback, by query or by form."""
    callback = f"{bridge.issuer(name)}/callback"
    (request,) = {
        response.request.url: response.request
        for response in passage.trip.responses
        if str(response.request.url).partition("?")[0] == callback
    }.values()
    text = request.content.decode() if request.method == "POST" else urlsplit(str(request.url)).query
    return request.method, dict(parse_qsl(text, strict_parsing=True))


@pytest.mark.parametrize("mode", MODES)
def test_a_signed_response(bridge, openid_client, browser, mode):
    for passage in sign_in_twice(bridge, openid_client, browser, mode):
        method, parameters = response_of(bridge, mode, passage)
        assert (method, set(parameters)) == (MODES[mode], {"response"})
        header, claims, _ = parameters["response"].split(".")
        assert json.loads(decode_base64url(header))["alg"] == "RS256"
        assert {"iss", "aud", "exp", "code", "state"} <= set(json.loads(decode_base64url(claims)))


@pytest.mark.parametrize("name", SEALED)
def test_a_signed_and_encrypted_response(bridge, openid_client, browser, name):
    for passage in sign_in_twice(bridge, openid_client, browser, name):
        _, parameters = response_of(bridge, name, passage)
        segments = parameters["response"].split(".")
        header = json.loads(decode_base64url(segments[0]))
        assert len(segments) == 5
        assert (header["alg"], header["enc"]) == SEALED[name]


def test_the_whole_of_it(bridge, openid_client, browser):
    """FAPI 2.0 message signing: request object and response signed, and the request pushed."""
    for passage in sign_in_twice(bridge, openid_client, browser, "whole"):
        request = reference_alone(passage)
        assert request.request_object.claims["response_mode"] == "query.jwt"
        assert set(response_of(bridge, "whole", passage)[1]) == {"response"}


def at_callback(bridge, browser, pool, name):
    """The request that brings the response, not sent yet."""
    callback = f"{bridge.issuer(name)}/callback"
    trip = travel(
        browser, pool.authorize("Bank"), until=lambda request: str(request.url).startswith(callback)
    )
    return callback, dict(parse_qsl(urlsplit(str(trip.next_request.url)).query))


@pytest.mark.parametrize("claim", ["code", "state", "iss", "aud", "exp"])
def test_case_20_a_response_that_was_changed_on_the_way(bridge, browser, claim):
    with user_pool(bridge, "jwt") as pool:
        callback, parameters = at_callback(bridge, browser, pool, "jwt")
        header, payload, signature = parameters["response"].split(".")
        claims = json.loads(decode_base64url(payload))
        claims[claim] = claims[claim] + (1 if claim == "exp" else "x")
        changed = b64url(json.dumps(claims).encode())
        answer = browser.get(callback, params={"response": f"{header}.{changed}.{signature}"})
    if claim == "state":
        assert answer.status_code == 400
    else:
        assert parse_qs(urlsplit(answer.headers["location"]).query)["error"] == ["server_error"]
    assert bridge.op.count("token") == 0


def test_case_20_plain_parameters_in_the_place_of_the_jwt_burn_nothing(bridge, browser):
    with user_pool(bridge, "jwt") as pool:
        callback, parameters = at_callback(bridge, browser, pool, "jwt")
        claims = json.loads(decode_base64url(parameters["response"].split(".")[1]))
        plain = {name: claims[name] for name in ("code", "state", "iss")}
        assert browser.get(callback, params=plain).status_code == 400
        arrived = browser.get(callback, params=parameters)
        assert pool.idpresponse(arrived.headers["location"]).code


@pytest.mark.parametrize("iss", ["https://other.example", None])
def test_case_16_the_issuer_of_the_response(bridge, browser, iss):
    """RFC 9207: this IdP promises `iss` in its metadata, and sends it."""
    with user_pool(bridge, "faulty") as pool:
        callback, parameters = at_callback(bridge, browser, pool, "faulty")
        assert parameters["iss"] == bridge.op.issuer
        changed = {**parameters, "iss": iss} if iss else {k: v for k, v in parameters.items() if k != "iss"}
        answer = browser.get(f"{callback}?{urlencode(changed)}")
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert bridge.op.count("token") == 0


# --- the controls ---------------------------------------------------------------------------------------------------------


REFUSED = {
    "unpushed": "invalid_request",
    "unsigned": "invalid_request",
    "other-algorithm": "invalid_request_object",
    "other-audience": "invalid_request_object",
}


@pytest.mark.parametrize("name", REFUSED)
def test_the_idp_means_it(bridge, browser, caplog, name):
    with user_pool(bridge, name) as pool, pytest.raises((SignInError, TripError)) as failure:
        sign_in_at_pool(bridge, pool, browser)
    told = [vars(record)["fields"] for record in caplog.records if record.message == "sign_in_failed"]
    said = {fields.get("upstream_code") for fields in told} | {str(failure.value)}
    assert any(REFUSED[name] in str(each) for each in said), said
