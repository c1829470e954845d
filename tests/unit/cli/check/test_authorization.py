"""What an authorization endpoint answers to somebody who never was there, and what that says."""

import base64
import json
from dataclasses import replace

import pytest

from fedbridge.cli.check.authorization import request_findings
from fedbridge.errors import UpstreamError
from fedbridge.model.metadata import ProviderMetadata
from fedbridge.ports import OutboundResponse

IDP = "https://bank.idp.example"
BASE = "https://bridge.example"
CALLBACK = f"{BASE}/bank/callback"
METADATA = {
    "issuer": IDP,
    "authorization_endpoint": f"{IDP}/authorize",
    "token_endpoint": f"{IDP}/token",
    "jwks_uri": f"{IDP}/jwks",
}
PROVIDER = ProviderMetadata(
    issuer=IDP,
    authorization_endpoint=METADATA["authorization_endpoint"],
    token_endpoint=METADATA["token_endpoint"],
    jwks_uri=METADATA["jwks_uri"],
)


class Answering:
    """Discovery, and one answer to every authorization request, whatever its query."""

    def __init__(self, response):
        self.response = response

    def send(self, request, _deadline):
        if request.url.endswith("/.well-known/openid-configuration"):
            return OutboundResponse(status=200, headers={}, body=json.dumps(METADATA).encode())
        assert request.url.startswith(f"{IDP}/authorize?")
        if isinstance(self.response, Exception):
            raise self.response
        return self.response


def codes(context, response, base_url=BASE):
    made = context(base_url=base_url)
    asking = type(made)(
        **{name: getattr(made, name) for name in made.__dataclass_fields__} | {"http": Answering(response)}
    )
    return [each.code for each in request_findings(asking, PROVIDER)]


def page(text, status=400):
    return OutboundResponse(status=status, headers={"content-type": "text/html"}, body=text.encode())


def redirect(location):
    return OutboundResponse(status=302, headers={"location": location}, body=b"")


def signed(**claims):
    """A response in a JWT, as far as anybody looks at it here."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return redirect(f"{CALLBACK}?response=e30.{payload}.c2ln")


@pytest.mark.parametrize(
    "response",
    [
        redirect(f"{IDP}/login"),
        redirect(f"{CALLBACK}?error=login_required&state=s"),
        redirect(f"{CALLBACK}#error=interaction_required"),
        page("<form action=/login>", 200),
        signed(error="login_required"),
        signed(code="c"),
        redirect(f"{CALLBACK}?response=not-a-jwt"),
        redirect("https://[::1/login"),
    ],
)
def test_whoever_may_sign_in_is_fine(context, response):
    assert codes(context, response) == []


@pytest.mark.parametrize("payload", [b"[" * 60_000, b'{"error": ' + b"[" * 60_000, b'{"error": 7}'])
def test_a_signed_response_that_nobody_can_read_stops_nothing(context, payload):
    """Nested deep enough it ended the whole command (RecursionError)."""
    segment = base64.urlsafe_b64encode(payload).decode().rstrip("=")
    assert codes(context, redirect(f"{CALLBACK}?response=e30.{segment}.c2ln")) == []


@pytest.mark.parametrize(
    "response",
    [redirect(f"{CALLBACK}?error=%1b%5b2J%e2%80%ae"), signed(error="\x1b[2J\u202e" + "x" * 5_000)],
)
def test_an_error_of_the_idps_is_not_obeyed_by_the_terminal(context, response):
    """It was printed as it came: 7-bit and 8-bit control codes, and of any length."""
    made = context(base_url=BASE)
    (found,) = request_findings(replace(made, http=Answering(response)), PROVIDER)
    assert found.code == "authorization_request_refused"
    assert found.what == f"{IDP}/authorize answered 302 and free_text."


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (redirect(f"{CALLBACK}?error=invalid_scope"), "scope_refused"),
        (redirect(f"{CALLBACK}?error=unauthorized_client"), "client_not_allowed"),
        (redirect(f"{CALLBACK}?error=invalid_request"), "authorization_request_refused"),
        (redirect(f"{IDP}/error?error=invalid_client"), "client_unknown"),
        (signed(error="invalid_scope"), "scope_refused"),
        (page('<input name="error" value="invalid_scope">', 200), "scope_refused"),
        (page("The redirect_uri is not registered."), "redirect_uri_not_registered"),
        (
            page("AADSTS50011: The redirect URI specified in the request does not match"),
            "redirect_uri_not_registered",
        ),
        (page("redirect_uri_mismatch"), "redirect_uri_not_registered"),
        (page("Client not found."), "client_unknown"),
        (page("Unknown client", 401), "client_unknown"),
        (page("invalid_request_object"), "request_object_refused"),
        (page("Something went wrong"), "authorization_request_inconclusive"),
        (page("invalid_scope", 503), "authorization_request_inconclusive"),
        (UpstreamError("upstream_unreachable"), "authorization_request_inconclusive"),
    ],
)
def test_what_the_idp_refuses_is_named(context, response, code):
    assert codes(context, response) == [code]


def test_a_page_may_be_as_long_as_it_likes(context):
    assert codes(context, UpstreamError("upstream_response_invalid")) == []


def test_without_the_bridges_address_there_is_no_redirect_uri_to_ask_for(context):
    assert codes(context, page("never asked"), base_url=None) == []
