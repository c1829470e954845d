"""Why a client is refused, where the IdP says so and nothing else that is tried is taken."""

import json
from dataclasses import replace

import pytest

from fedbridge.cli.check.client import client_findings
from fedbridge.model.connection import ClientAuthentication
from fedbridge.model.metadata import ProviderMetadata
from fedbridge.ports import OutboundResponse
from tests.fakes.keys import FakeSigner

IDP = "https://bank.idp.example"
METADATA = ProviderMetadata(
    issuer=IDP,
    authorization_endpoint=f"{IDP}/authorize",
    token_endpoint=f"{IDP}/token",
    jwks_uri=f"{IDP}/jwks",
)
KEY = ClientAuthentication(method="private_key_jwt", key="file:key")
SECRET = ClientAuthentication(method="client_secret_basic", secret="file:secret")
SIGNS = ClientAuthentication(method="client_secret_jwt", secret="file:secret", algorithm="HS256")


@pytest.fixture
def asked(http, keys, context):
    def ask(authentication, *answers, secret="secret"):
        keys.signers["file:key"], keys.values["file:secret"] = FakeSigner(), secret
        http.answer("POST", f"{IDP}/token", *answers)
        checking = client_findings(context(client_authentication=authentication), METADATA)
        found = []
        while True:
            try:
                found.append(next(checking))
            except StopIteration as end:
                return [each.code for each in found], end.value

    return ask


def refused(error="invalid_client", description=None, status=401):
    body = {"error": error} | ({"error_description": description} if description else {})
    return OutboundResponse(status=status, headers={}, body=json.dumps(body).encode())


SPENT = refused("invalid_grant", status=400)


def test_a_code_that_is_refused_is_how_it_should_be(asked, http):
    assert asked(KEY, SPENT) == ([], True)
    assert len(http.sent) == 1


@pytest.mark.parametrize(
    ("authentication", "description", "code"),
    [
        (KEY, "Invalid audience in assertion", "assertion_audience_wrong"),
        (KEY, "aud mismatch", "assertion_audience_wrong"),
        (KEY, "JWT is not yet valid", "assertion_time_refused"),
        (KEY, "The assertion expired", "assertion_time_refused"),
        (KEY, "Signature verification failed", "client_key_unknown"),
        (KEY, "No key with this kid", "client_key_unknown"),
        (KEY, "Client not found", "client_unknown"),
        (KEY, "An appropriate error", "client_key_unknown"),
        (KEY, None, "client_key_unknown"),
        (SECRET, "Client not found", "client_unknown"),
        (
            SECRET,
            "AADSTS7000222: The provided client secret keys for app are expired.",
            "client_secret_expired",
        ),
        (SECRET, "The client secret is expired", "client_secret_expired"),
        (KEY, "AADSTS700027: thumbprint of key used by client: 'x'", "client_key_unknown"),
        (SECRET, "Bad signature of something", "client_secret_wrong"),
        (SECRET, None, "client_secret_wrong"),
    ],
)
def test_the_idps_own_words_count(asked, authentication, description, code):
    assert asked(authentication, refused(description=description)) == ([code], False)


def test_what_the_idp_takes_instead_goes_before_its_words(asked, http):
    answers = (refused(description="Signature verification failed"), SPENT)
    assert asked(KEY, *answers) == (["assertion_audience_wrong"], False)
    assert len(http.sent) == 2


def test_only_a_few_requests_are_made(asked, http):
    asked(KEY, refused())
    assert len(http.sent) == 3
    http.sent.clear()
    asked(SECRET, refused())
    assert len(http.sent) == 2


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
@pytest.mark.parametrize("encoding", ["form", "raw"])
@pytest.mark.parametrize("secret", ["plain", "of+signs/="])
def test_no_request_that_was_refused_is_sent_again(asked, http, method, encoding, secret):
    """Encodings that make no difference were tried as if they did: each refusal counts towards locking the client."""
    authentication = replace(SECRET, method=method, basic_encoding=encoding)
    asked(authentication, refused(), secret=secret)
    sent = [(each.headers.get("authorization"), b"client_secret=" in each.body) for each in http.sent]
    assert len(set(sent)) == len(sent) == (2 if secret == "plain" else 3)


def test_a_secret_that_only_signs_is_not_sent(asked, http):
    """With client_secret_jwt it was, in a header and in a form, as soon as an assertion was refused."""
    secret = "of-thirty-two-characters-and-more"
    assert asked(SIGNS, refused(), secret=secret) == (["client_secret_wrong"], False)
    assert len(http.sent) > 1
    for each in http.sent:
        assert b"client_assertion=" in each.body
        assert b"client_secret=" not in each.body
        assert "authorization" not in each.headers


def test_401_without_an_error_is_about_the_client_too(asked):
    assert asked(SECRET, OutboundResponse(status=401, headers={}, body=b"")) == (
        ["client_secret_wrong"],
        False,
    )


def test_a_client_that_may_not_do_this_and_one_that_is_not_there(asked):
    assert asked(SECRET, refused("unauthorized_client", status=400)) == (["client_not_allowed"], True)
    words = "AADSTS700016: Application with identifier '4711' was not found in the directory 'Acme'."
    answer = refused("unauthorized_client", description=words, status=400)
    assert asked(SECRET, answer) == (["client_unknown"], True)
