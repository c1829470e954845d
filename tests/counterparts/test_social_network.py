"""The network refuses what GitHub refuses, and in GitHub's odd ways."""

import base64
import hashlib
from collections.abc import Iterator, Mapping

import httpx
import pytest

from tests.counterparts.browser import new_browser, travel
from tests.counterparts.oidc_provider import Client
from tests.counterparts.social_network import OCTOCAT, SocialNetwork

CALLBACK = "http://localhost:9/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
ASKED = {
    "response_type": "code", "client_id": "bridge", "redirect_uri": CALLBACK, "scope": "read:user user:email",
    "state": "s", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
}  # fmt: skip


@pytest.fixture(scope="module")
def network() -> Iterator[SocialNetwork]:
    with SocialNetwork(clients=[Client(client_id="bridge", client_secret="s", redirect_uris=[CALLBACK])]) as network:  # fmt: skip
        yield network


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with new_browser() as browser:
        yield browser


def authorize(network: SocialNetwork, browser: httpx.Client, **changes: str) -> dict[str, str]:
    url = httpx.URL(f"{network.origin}/login/oauth/authorize", params={**ASKED, **changes})
    trip = travel(
        browser, str(url), until=lambda request: str(request.url).startswith(CALLBACK), user="octocat"
    )
    return dict(trip.next_request.url.params)


def redeem(
    network: SocialNetwork, browser: httpx.Client, code: str, accept: str = "application/json", **changes: str
) -> httpx.Response:
    form = {
        "client_id": "bridge", "client_secret": "s", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER,
    }  # fmt: skip
    return browser.post(f"{network.origin}/login/oauth/access_token", data={**form, **changes}, headers={"accept": accept})  # fmt: skip


def test_a_whole_sign_in(network: SocialNetwork, browser: httpx.Client) -> None:
    answer = authorize(network, browser)
    assert answer["state"] == "s"
    token = redeem(network, browser, answer["code"]).json()
    assert (token["token_type"], token["scope"]) == ("bearer", "read:user,user:email")
    headers = {"authorization": f"Bearer {token['access_token']}"}
    assert browser.get(f"{network.origin}/api/user", headers=headers).json()["id"] == OCTOCAT.id
    assert browser.get(f"{network.origin}/api/user", headers={**headers, "user-agent": ""}).status_code == 403
    assert browser.get(f"{network.origin}/api/user").status_code == 401


@pytest.mark.parametrize(
    "changes", [{"nonce": "n"}, {"scope": "openid"}, {"code_challenge_method": "plain"}, {"state": ""}]
)
def test_requests_that_it_refuses(
    network: SocialNetwork, browser: httpx.Client, changes: Mapping[str, str]
) -> None:
    assert authorize(network, browser, **changes)["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_secret": "x"}, "incorrect_client_credentials"),
        ({"code_verifier": "x" * 43}, "bad_verification_code"),
        ({"redirect_uri": f"{CALLBACK}/"}, "redirect_uri_mismatch"),
    ],
)
def test_errors_come_with_200(
    network: SocialNetwork, browser: httpx.Client, changes: Mapping[str, str], error: str
) -> None:
    answer = redeem(network, browser, authorize(network, browser)["code"], **changes)
    assert (answer.status_code, answer.json()["error"]) == (200, error)


def test_a_code_works_once_and_answers_are_forms_unless_json_is_asked_for(
    network: SocialNetwork, browser: httpx.Client
) -> None:
    code = authorize(network, browser)["code"]
    answer = redeem(network, browser, code, accept="*/*")
    assert answer.headers["content-type"] == "application/x-www-form-urlencoded"
    assert "access_token=" in answer.text
    assert redeem(network, browser, code).json()["error"] == "bad_verification_code"
