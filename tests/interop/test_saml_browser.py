"""The page that posts an AuthnRequest, in a real browser: its policy lets the form go, and whatever the IdP redirects to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import pytest

from fedbridge.op.form_post import form_post
from tests.support.machine import require_chromium

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def quiet(**methods):
    return type("Handler", (BaseHTTPRequestHandler,), {"log_message": lambda *_: None, **methods})


def answer(request, status, headers, body=b""):
    request.send_response(status)
    for name, value in {"content-length": str(len(body)), **headers}.items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)


def test_the_form_sends_itself_and_the_idp_may_redirect_elsewhere():
    from playwright.sync_api import sync_playwright

    received = []
    elsewhere = quiet(
        do_GET=lambda request: answer(request, 200, {"content-type": "text/html"}, b"signed in")
    )
    with serving(elsewhere) as other:

        def sso(request):
            length = int(request.headers["content-length"])
            received.append(parse_qs(request.rfile.read(length).decode()))
            # Another site, to which the policy of the page has to reach as well.
            answer(request, 302, {"location": other.replace("127.0.0.1", "localhost") + "/login"})

        with serving(quiet(do_POST=sso)) as idp:
            page = form_post(f"{idp}/sso", {"SAMLRequest": "PHg+", "RelayState": "<\"'&>"})

            def begin(request):
                answer(request, page.status, dict(page.headers), page.body.encode())

            with serving(quiet(do_GET=begin)) as bridge, sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=str(require_chromium()), args=["--no-sandbox"]
                )
                try:
                    tab = browser.new_page()
                    refused = []
                    tab.on(
                        "console",
                        lambda message: refused.append(message.text) if message.type == "error" else None,
                    )
                    tab.goto(bridge)
                    tab.wait_for_url("**/login")
                    assert tab.inner_text("body") == "signed in"
                finally:
                    browser.close()
    assert received == [{"SAMLRequest": ["PHg+"], "RelayState": ["<\"'&>"]}]
    assert [text for text in refused if "Content Security Policy" in text] == []
