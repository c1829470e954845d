"""Sign in with Apple: a client secret that is a JWT, and the odd shapes of what comes back."""

import json

import pytest
from joserfc import jws

from fedbridge.errors import ConfigurationError, UpstreamError
from fedbridge.jws import b64url
from fedbridge.model.connection import (
    AuthorizationRequestProfile,
    ClientAuthentication,
    IdTokenPolicy,
)
from tests.unit.rp.idp import (
    CLIENT_ID,
    KEY_REFERENCE,
    NOW,
    FakeIdp,
    KeySigner,
    connection,
    form,
    private_key,
)

APPLE = "https://appleid.apple.com"
TEAM, KEY_ID = "DEF123GHIJ", "ABC123DEFG"
KEY = private_key("ES256", 41)


def apple(**claims):
    idp = FakeIdp(issuer=APPLE, key=private_key("RS256"), algorithm="RS256", claims=claims, userinfo=None)
    idp.keys.signers[KEY_REFERENCE] = KeySigner(KEY, "ES256")
    return idp


def at(**authentication):
    defaults = {
        "method": "apple_client_secret",
        "key": KEY_REFERENCE,
        "kid": KEY_ID,
        "assertion_issuer": TEAM,
        "lifetime": 300,
    }
    return connection(
        issuer=APPLE,
        client_authentication=ClientAuthentication(**{**defaults, **authentication}),
        authorization=AuthorizationRequestProfile(scope="openid name email", response_mode="form_post"),
        id_token=IdTokenPolicy(algorithms=("RS256",)),
    )


def test_the_secret_is_what_apple_documents():
    idp = apple()
    assert idp.sign_in(at()).subject == "ana"
    sent = form(idp.http.calls(f"{APPLE}/token")[0])
    assert sent["client_id"] == CLIENT_ID
    assert not {"client_assertion", "client_assertion_type"} & sent.keys()
    assert "authorization" not in idp.http.calls(f"{APPLE}/token")[0].headers
    verified = jws.deserialize_compact(sent["client_secret"], KEY, algorithms=["ES256"])
    assert verified.headers() == {"alg": "ES256", "kid": KEY_ID, "typ": "JWT"}
    assert json.loads(verified.payload) == {
        "iss": TEAM,
        "sub": CLIENT_ID,
        "aud": APPLE,
        "iat": NOW,
        "exp": NOW + 300,
    }


def test_it_is_made_anew_for_every_request():
    idp = apple()
    idp.sign_in(at())
    idp.clock.now += 10
    idp.sign_in(at())
    first, second = (form(request)["client_secret"] for request in idp.http.calls(f"{APPLE}/token"))
    assert first != second


@pytest.mark.parametrize("missing", ["key", "assertion_issuer"])
def test_without_key_or_team_there_is_none(missing):
    with pytest.raises(ConfigurationError, match="needs a key and the team id"):
        apple().sign_in(at(**{missing: None}))


def test_only_the_key_type_that_apple_takes():
    idp = apple()
    idp.keys.signers[KEY_REFERENCE] = KeySigner(private_key("RS256", 1), "RS256")
    with pytest.raises(ConfigurationError):
        idp.sign_in(at())


@pytest.mark.parametrize(
    ("flag", "verified"), [("true", True), (True, True), ("false", False), (False, False), ("True", False), (1, False)]
)  # fmt: skip
def test_a_flag_may_be_the_string_true(flag, verified):
    claims = apple(email="x@privaterelay.appleid.com", email_verified=flag).sign_in(at()).claims
    assert claims == {"email": "x@privaterelay.appleid.com", "email_verified": verified}


def test_the_user_parameter_is_not_read():
    """It comes through the browser, unsigned, and once: whoever sits there may write what they like into it."""
    idp = apple()
    redirect = idp.begin(at())
    user = {"name": {"firstName": "Eve", "lastName": "Evil"}, "email": "ceo@example.com"}
    identity = idp.finish(redirect, at(), code="c", state="s", user=json.dumps(user))
    assert identity.claims == {}


def test_a_broken_user_parameter_breaks_nothing():
    idp = apple()
    redirect = idp.begin(at())
    assert idp.finish(redirect, at(), code="c", user="{" * 1000 + b64url(b"\xff")).subject == "ana"


def test_cancelling_is_the_persons_word():
    idp = apple()
    redirect = idp.begin(at())
    with pytest.raises(UpstreamError, match="authorization_response_error") as refused:
        idp.finish(redirect, at(), error="user_cancelled_authorize")
    assert refused.value.error == "access_denied"
