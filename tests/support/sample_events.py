"""The sample events of `events/`: what they hold and what they are answered. `python -m tests.support.sample_events` writes them.

One case is one request as it reaches API Gateway, written down twice: as an HTTP API's payload 2.0 in `events/http/` and
as a REST API's payload 1.0 in `events/rest/`. Handles and clock are those of `fedbridge.fixtures`.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fedbridge import fixtures, fixtures_saml
from fedbridge.fixtures import BROWSER, CLIENT_ID, CLIENT_SECRET, COGNITO_STATE, REDIRECT_URI, handle
from tests.support import sample_triggers

FOLDER = Path(__file__).resolve().parents[2] / "events"
FORM = "application/x-www-form-urlencoded; charset=UTF-8"
HOST = fixtures.BASE_URL.removeprefix("https://")
CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
COGNITO = "Amazon/Cognito"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request, and what its answer must be: the status, and texts that headers or body hold."""

    function: str
    path: str
    status: int
    holds: tuple[str, ...] = ()
    method: str = "GET"
    connection: str = "example"
    query: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] | None = None
    headers: dict[str, str] = field(default_factory=dict)
    cookie: str | None = None

    @property
    def body(self) -> str | None:
        return None if self.form is None else urlencode(self.form)


def _browser(path: str, status: int, *holds: str, **more: Any) -> Case:
    headers = {"user-agent": CHROME, "accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    cookie = f"__Host-fedbridge={more.pop('browser', BROWSER)}" if more.get("browser", BROWSER) else None
    more.pop("browser", None)
    return Case(
        function="front_channel",
        path=path,
        status=status,
        holds=holds,
        headers={**headers, **more.pop("headers", {})},
        cookie=cookie,
        **more,
    )


def _server(path: str, status: int, *holds: str, **more: Any) -> Case:
    headers = {"user-agent": COGNITO, "accept-encoding": "gzip,deflate", **more.pop("headers", {})}
    return Case(function="back_channel", path=path, status=status, holds=holds, headers=headers, **more)


def _token(status: int, *holds: str, headers: dict[str, str] | None = None, **form: str | None) -> Case:
    sent = {
        "grant_type": "authorization_code",
        "client_id": CLIENT_ID,
        "redirect_uri": REDIRECT_URI,
        "client_secret": CLIENT_SECRET,
        "code": str(handle("Authorized")),
        **form,
    }
    body = {name: value for name, value in sent.items() if value is not None}
    return _server(
        "token", status, *holds, method="POST", form=body, headers={"content-type": FORM, **(headers or {})}
    )


_AUTHORIZE = {
    "client_id": CLIENT_ID,
    "redirect_uri": REDIRECT_URI,
    "scope": "openid email",
    "response_type": "code",
    "state": COGNITO_STATE,
}
_BASIC = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
_ACCESS_TOKEN = str(handle("Redeemed"))


def _back(phase: str, **more: str) -> dict[str, str]:
    return {"state": str(handle(phase)), **(more or {"code": "upstream-code", "iss": fixtures.ISSUER})}


def _saml(path: str, status: int, *holds: str, **more: Any) -> Case:
    case = _browser(f"saml/{path}", status, *holds, connection="example-saml", **more)
    return replace(case, function="saml")


def _saml_response(status: str) -> dict[str, str]:
    """Return the form of a Response without an assertion, which nobody signs."""
    text = (
        f'<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" '
        f'ID="_r" Version="2.0" IssueInstant="2027-01-15T08:00:00Z" Destination="{fixtures.BASE_URL}/example-saml/saml/acs" '
        f'InResponseTo="{fixtures_saml.REQUEST_ID}"><saml:Issuer>{fixtures_saml.ENTITY_ID}</saml:Issuer><samlp:Status>{status}'
        "</samlp:Status></samlp:Response>"
    )
    return {
        "SAMLResponse": base64.b64encode(text.encode()).decode(),
        "RelayState": str(handle("SamlPending")),
    }


_STATUS = "urn:oasis:names:tc:SAML:2.0:status:"
_DENIED = f'<samlp:StatusCode Value="{_STATUS}Responder"><samlp:StatusCode Value="{_STATUS}AuthnFailed"/></samlp:StatusCode>'
_SUCCESS = f'<samlp:StatusCode Value="{_STATUS}Success"/>'

CASES: dict[str, Case] = {
    "saml-login": _saml(
        "login", 302, f"{fixtures_saml.SINGLE_SIGN_ON_SERVICE}?SAMLRequest=", "&Signature=", query=_AUTHORIZE
    ),
    "saml-login-unknown-client": _saml(
        "login", 400, "does not work", query={**_AUTHORIZE, "client_id": "somebody-else"}
    ),
    "saml-metadata": _saml("metadata", 200, "SPSSODescriptor", fixtures_saml.SP_ENTITY_ID, browser=""),
    "saml-acs-reload-when-authorized": _saml(
        "acs",
        303,
        f"{REDIRECT_URI}?code=",
        f"state={COGNITO_STATE}",
        method="POST",
        form={**_saml_response(_SUCCESS), "RelayState": str(handle("SamlAuthorized"))},
        headers={"content-type": FORM},
    ),
    "saml-acs-denied": _saml(
        "acs",
        303,
        "error=access_denied",
        "FIXTURESAMLPENDING",
        method="POST",
        form=_saml_response(_DENIED),
        headers={"content-type": FORM},
    ),
    "saml-acs-without-assertion": _saml(
        "acs",
        400,
        "did not succeed",
        "FIXTURESAMLPENDING",
        method="POST",
        form=_saml_response(_SUCCESS),
        headers={"content-type": FORM},
    ),
    "saml-acs-unsolicited": _saml(
        "acs",
        400,
        "does not work",
        method="POST",
        form={**_saml_response(_SUCCESS), "RelayState": ""},
        headers={"content-type": FORM},
    ),
    "saml-acs-lost-cookie": _saml(
        "acs",
        400,
        "could not match this browser",
        method="POST",
        form=_saml_response(_SUCCESS),
        headers={"content-type": FORM},
        browser="",
    ),
    "saml-logout": _saml("logout", 302, fixtures.POST_LOGOUT_REDIRECT_URI),
    "saml-logout-other-address": _saml(
        "logout",
        400,
        "sign-out link does not work",
        query={"client_id": CLIENT_ID, "post_logout_redirect_uri": "https://evil.example/"},
    ),
    "logout": _browser(
        "logout", 302, f"{fixtures.ISSUER}/logout?client_id=bridge", "__Host-fedbridge-logout-example="
    ),
    "logout-other-address": _browser(
        "logout",
        400,
        "sign-out link does not work",
        query={"client_id": CLIENT_ID, "post_logout_redirect_uri": "https://evil.example/"},
    ),
    "logout-callback-unknown-state": _browser(
        "logout/callback", 200, "You are signed out", query={"state": "x"}
    ),
    "frontchannel-logout": _browser(
        "frontchannel-logout",
        200,
        f"frame-ancestors {fixtures.ISSUER}",
        query={"iss": fixtures.ISSUER, "sid": fixtures.SID},
    ),
    "backchannel-logout": _server(
        "backchannel-logout",
        200,
        method="POST",
        form={"logout_token": fixtures.LOGOUT_TOKEN},
        headers={"content-type": FORM},
    ),
    "backchannel-logout-forged": _server(
        "backchannel-logout",
        400,
        '"error":"invalid_request"',
        method="POST",
        form={"logout_token": "e30.e30.e30"},
        headers={"content-type": FORM},
    ),
    "authorize": _browser(
        "authorize", 302, f"{fixtures.ISSUER}/authorize?", "code_challenge_method=S256", query=_AUTHORIZE
    ),
    "authorize-first-visit": _browser("authorize", 302, "__Host-fedbridge=", query=_AUTHORIZE, browser=""),
    "authorize-unknown-client": _browser(
        "authorize", 400, "does not work", query={**_AUTHORIZE, "client_id": "somebody-else"}
    ),
    "authorize-other-redirect-uri": _browser(
        "authorize", 400, "does not work", query={**_AUTHORIZE, "redirect_uri": f"{REDIRECT_URI}/"}
    ),
    "authorize-request-object": _browser(
        "authorize", 302, "error=request_not_supported", query={**_AUTHORIZE, "request": "e30.e30."}
    ),
    "callback": _browser(
        "callback", 302, f"{REDIRECT_URI}?code=", f"state={COGNITO_STATE}", query=_back("Pending")
    ),
    "callback-form-post": _browser(
        "callback",
        303,
        f"{REDIRECT_URI}?code=",
        method="POST",
        connection="example-form-post",
        form=_back("FormPost"),
        headers={"content-type": "application/x-www-form-urlencoded", "origin": fixtures.ISSUER},
    ),
    "callback-denied": _browser(
        "callback",
        302,
        "error=access_denied",
        "FIXTUREPENDING",
        query=_back("Pending", error="access_denied"),
    ),
    "callback-reload-while-working": _browser("callback", 200, "Signing you in", query=_back("Exchanging")),
    "callback-reload-when-authorized": _browser(
        "callback", 302, f"{REDIRECT_URI}?code=", query=_back("Authorized")
    ),
    "callback-reload-when-redeemed": _browser("callback", 400, "already complete", query=_back("Redeemed")),
    "callback-reload-when-failed": _browser("callback", 400, "did not succeed", query=_back("Failed")),
    "callback-expired": _browser("callback", 400, "has expired", query=_back("Expired")),
    "callback-lost-cookie": _browser(
        "callback", 400, "could not match this browser", query=_back("Pending"), browser=""
    ),
    "callback-other-browser": _browser(
        "callback", 400, "could not match this browser", query=_back("Pending"), browser="S" * 43
    ),
    "callback-unknown-state": _browser(
        "callback", 400, "does not work", query={"state": "0" * 43, "code": "x"}
    ),
    "callback-link-preview": _browser("callback", 405, "allow", query=_back("Pending"), method="HEAD"),
    "token": _token(200, '"id_token"', '"token_type":"Bearer"'),
    "token-basic": _token(
        200, '"id_token"', headers={"authorization": f"Basic {_BASIC}"}, client_id=None, client_secret=None
    ),
    "token-wrong-secret": _token(401, "invalid_client", client_secret="x" * 43),
    "token-replayed-code": _token(400, "invalid_grant", code=str(handle("Redeemed"))),
    "token-other-redirect-uri": _token(400, "invalid_grant", redirect_uri="https://elsewhere.example/"),
    "token-refresh": _token(400, "unsupported_grant_type", grant_type="refresh_token", code=None),
    "userinfo": _server(
        "userinfo", 200, '"email":"ana@example.com"', headers={"authorization": f"Bearer {_ACCESS_TOKEN}"}
    ),
    "userinfo-post": _server(
        "userinfo",
        200,
        '"sub"',
        method="POST",
        form={"access_token": _ACCESS_TOKEN},
        headers={"content-type": FORM},
    ),
    "userinfo-unknown-token": _server(
        "userinfo", 401, 'Bearer error=\\"invalid_token\\"', headers={"authorization": f"Bearer {'0' * 43}"}
    ),
    "userinfo-without-token": _server("userinfo", 401, '"www-authenticate"'),
    "discovery": _server(".well-known/openid-configuration", 200, f'"issuer":"{fixtures.BASE_URL}/example"'),
    "jwks": _server(".well-known/jwks.json", 200, '"kty"', '"kid"'),
    "client-jwks": _server("client-jwks.json", 200, '"use":"sig"', headers={"user-agent": "idp"}),
    "unknown-connection": _server(
        ".well-known/openid-configuration", 404, "invalid_request", connection="nobody"
    ),
    "method-not-allowed": _server("token", 405, "invalid_request"),
}


def http_event(case: Case) -> dict[str, Any]:
    """The event of an HTTP API, payload 2.0."""
    path = f"/{case.connection}/{case.path}"
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"ANY /{{connection}}/{case.path}",
        "rawPath": path,
        "rawQueryString": urlencode(case.query),
        "headers": {
            **case.headers,
            "host": HOST,
            "x-forwarded-for": "192.0.2.10",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": HOST,
            "http": {
                "method": case.method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.10",
                "userAgent": case.headers["user-agent"],
            },
            "requestId": "Kq3xUjIVDoEEJ9Q=",
            "routeKey": f"ANY /{{connection}}/{case.path}",
            "stage": "$default",
            "time": "15/Jan/2027:08:00:00 +0000",
            "timeEpoch": fixtures.NOW * 1000,
        },
        "pathParameters": {"connection": case.connection},
        "isBase64Encoded": False,
    }
    if case.cookie:
        event["cookies"] = [case.cookie]
    if case.query:
        event["queryStringParameters"] = dict(case.query)
    if case.body is not None:
        event |= {"body": base64.b64encode(case.body.encode()).decode(), "isBase64Encoded": True}
    return event


def rest_event(case: Case) -> dict[str, Any]:
    """The event of a REST API, payload 1.0; header names as they were sent."""
    path = f"/{case.connection}/{case.path}"
    headers = {name.title(): value for name, value in case.headers.items()} | {"Host": HOST}
    if case.cookie:
        headers["Cookie"] = case.cookie
    query = dict(parse_qsl(urlencode(case.query)))
    return {
        "resource": f"/{{connection}}/{case.path}",
        "path": path,
        "httpMethod": case.method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in query.items()} or None,
        "pathParameters": {"connection": case.connection},
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "a1b2c3d4e5",
            "domainName": HOST,
            "httpMethod": case.method,
            "identity": {"sourceIp": "192.0.2.10", "userAgent": case.headers["user-agent"]},
            "path": path,
            "protocol": "HTTP/1.1",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "requestTimeEpoch": fixtures.NOW * 1000,
            "resourcePath": f"/{{connection}}/{case.path}",
            "stage": "prod",
        },
        "body": case.body,
        "isBase64Encoded": False,
    }


def sample_files() -> dict[str, str]:
    """Return path below `events/` → text."""
    return {
        f"{payload}/{name}.json": json.dumps(build(case), indent=2, ensure_ascii=False) + "\n"
        for name, case in CASES.items()
        for payload, build in (("http", http_event), ("rest", rest_event))
    } | sample_triggers.sample_files()


if __name__ == "__main__":
    for name, text in sample_files().items():
        file = FOLDER / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
