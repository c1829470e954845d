"""Nobody but the operator's own browser gets anything out of the console, or makes it do anything."""

import http.client
import socket
import threading
from urllib.parse import urlsplit

import pytest

from fedbridge.cli import main
from fedbridge.cli.console.server import Console
from tests.unit.cli.console.desk import FakeDesk


@pytest.fixture
def console():
    with Console(FakeDesk()) as console:
        thread = threading.Thread(target=console.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield console
        console.shutdown()
        thread.join()


def ask(console, path, *, method="GET", body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", console.guard.port, timeout=10)
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, body, names)
        answer = connection.getresponse()
        return answer, answer.read().decode()
    finally:
        connection.close()


def known(console):
    return {"cookie": console.guard.cookie.partition(";")[0]}


def test_it_listens_on_loopback_alone(console):
    assert console.server_address[0] == "127.0.0.1"


def test_the_printed_address_lets_the_browser_in_and_leaves_no_token_behind(console):
    parts = urlsplit(console.guard.address)
    answer, _ = ask(console, f"{parts.path}?{parts.query}")

    assert (answer.status, answer.getheader("refresh")) == (200, "0; url=/")
    cookie = answer.getheader("set-cookie")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    answer, body = ask(console, "/", cookie=cookie.partition(";")[0])
    assert answer.status == 200
    assert "login.bank.example" in body
    assert console.guard.token not in body


@pytest.mark.parametrize(
    "path", ["/", "/keys", "/failures", "/connections/bank", "/?token=wrong", "/?token="]
)
def test_another_user_of_the_machine_learns_nothing(console, path):
    answer, body = ask(console, path)

    assert answer.status == 403
    assert "bank" not in body


def test_the_token_may_come_from_the_file_that_hands_it_over(console):
    """A file is a site of its own; without the token it is refused like any other."""
    strange = {"sec_fetch_site": "cross-site"}
    assert ask(console, f"/?token={console.guard.token}", **strange)[0].status == 200
    assert ask(console, "/?token=wrong", **strange, **known(console))[0].status == 403


def test_two_tokens_are_none(console):
    answer, _ = ask(console, f"/?token={console.guard.token}&token={console.guard.token}")
    assert answer.status == 403


@pytest.mark.parametrize(
    "host", ["attacker.example", "attacker.example:80", "127.0.0.1", "127.0.0.1.nip.io:{port}", "localhost"]
)
def test_a_name_that_was_rebound_to_loopback_is_no_address(console, host):
    answer, body = ask(console, "/", host=host.format(port=console.guard.port), **known(console))

    assert answer.status == 403
    assert "bank" not in body


@pytest.mark.parametrize("headers", [
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site"},
])  # fmt: skip
def test_another_site_cannot_look_in(console, headers):
    answer, _ = ask(console, "/", **headers, **known(console))
    assert answer.status == 403


@pytest.mark.parametrize("headers", [
    {},
    {"origin": "null"},
    {"origin": "https://attacker.example"},
    {"origin": "http://127.0.0.1:1"},
])  # fmt: skip
def test_another_page_cannot_start_a_check(console, headers):
    answer, _ = ask(console, "/connections/bank/check", method="POST", **headers, **known(console))

    assert answer.status == 403
    assert console.desk.checked == []


def test_the_consoles_own_page_starts_a_check(console):
    origin = f"http://127.0.0.1:{console.guard.port}"
    answer, body = ask(console, "/connections/bank/check", method="POST", origin=origin, **known(console))

    assert answer.status == 200
    assert console.desk.checked == ["bank"]
    assert "client_assertion_refused" in body


def test_a_check_cannot_be_linked_to(console):
    answer, _ = ask(console, "/connections/bank/check", **known(console))

    assert answer.status == 404
    assert console.desk.checked == []


def test_a_large_form_is_refused(console):
    origin = f"http://127.0.0.1:{console.guard.port}"
    answer, _ = ask(
        console, "/failures/explain", method="POST", body="a" * 20_000, origin=origin, **known(console)
    )
    assert answer.status == 413


def test_a_redirect_never_leaves_the_console(console):
    answer, _ = ask(console, f"//attacker.example/?token={console.guard.token}")
    assert answer.getheader("refresh") == "0; url=/attacker.example/"


def test_no_page_may_load_frame_or_run_anything(console):
    answer, body = ask(console, "/", **known(console))

    policy = answer.getheader("content-security-policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "<script" not in body
    assert answer.getheader("cache-control") == "no-store"


def test_the_cookie_of_one_console_does_not_open_another(console):
    with Console(FakeDesk()) as other:
        assert not other.guard.knows(known(console))


def test_a_defect_costs_one_page_and_is_told_in_the_terminal(console, capsys, monkeypatch):
    monkeypatch.setattr(console, "desk", object())

    answer, body = ask(console, "/", **known(console))

    assert answer.status == 500
    assert "AttributeError" in capsys.readouterr().err
    assert "AttributeError" not in body


def raw(console, text, *, cut=False):
    """Return everything that is answered to these bytes, with no library that would mend them."""
    with socket.create_connection(("127.0.0.1", console.guard.port), timeout=10) as connection:
        connection.sendall(text.replace("\n", "\r\n").encode("latin-1"))
        if cut:
            connection.shutdown(socket.SHUT_WR)
        answered = b""
        while piece := connection.recv(65_536):
            answered += piece
    return answered.decode("latin-1")


def heading(console, method, path, *lines):
    own = f"127.0.0.1:{console.guard.port}"
    return "\n".join([f"{method} {path} HTTP/1.1", f"host: {own}", f"origin: http://{own}", *lines, "", ""])


def test_a_strangers_body_is_not_read(console):
    """It was, before anybody looked who asks: a hand-over of nothing held a thread for a minute."""
    answered = raw(console, heading(console, "POST", "/connections/bank/check", "content-length: 9000"))
    assert answered.startswith("HTTP/1.1 403 ")


@pytest.mark.parametrize("length", ["-1", "x", "1_0", "+1", "\xb2", "99999999999999999999", ""])
def test_a_length_that_is_none_is_refused(console, capsys, length):
    """-1 read whatever came until the end, and letters printed a traceback."""
    cookie = f"cookie: {known(console)['cookie']}"
    head = heading(console, "POST", "/connections/bank/check", cookie, f"content-length: {length}")
    assert raw(console, head + "a=b").startswith("HTTP/1.1 413 ")
    assert console.desk.checked == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("length", ["content-length: 64", "transfer-encoding: chunked"])
def test_a_body_that_nobody_reads_is_no_next_request(console, method, length):
    """What a GET carried was taken for the next request of the connection."""
    within = heading(console, "GET", "/keys")
    assert raw(console, heading(console, method, "/", length) + within).count("HTTP/1.1 ") == 1


@pytest.mark.parametrize("path", ["/\\attacker.example/", "/\\/attacker.example/", "//\\attacker.example/"])
def test_a_redirect_with_a_backslash_stays_here_too(console, path):
    """Browsers read it as a slash."""
    answered = raw(
        console, heading(console, "GET", f"{path}?token={console.guard.token}", "connection: close")
    )
    (onward,) = [line for line in answered.splitlines() if line.startswith("refresh: ")]
    target = onward.removeprefix("refresh: 0; url=")
    assert target.startswith("/")
    assert not target.startswith("//")
    assert "\\" not in target


@pytest.mark.parametrize(
    "others", ['theme={"dark":true}', "a=b,c", "{port}=x", "fedbridge-console-{port}=of-another"]
)
def test_cookies_of_whatever_else_runs_here_shut_nobody_out(console, others):
    """The standard library stops at the first cookie that it cannot read, and browsers share them between ports."""
    cookie = f"{others.format(port=console.guard.port) if 'port' in others else others}; {known(console)['cookie']}"
    answer, _ = ask(console, "/", cookie=cookie)
    assert answer.status == 200
    assert ask(console, "/", cookie=cookie.rpartition(";")[0])[0].status == 403


def test_nobody_listens_beside_the_console(console):
    with socket.socket() as beside:
        beside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            beside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        with pytest.raises(OSError, match="in use"):
            beside.bind(("127.0.0.1", console.guard.port))


@pytest.mark.parametrize("port", ["{taken}", "99999", "-1"])
def test_a_port_that_cannot_be_had_is_said_so(console, capsys, tmp_path, port):
    """It ended in a traceback."""
    port = port.format(taken=console.guard.port)
    code = main(["console", "--local", "--no-browser", "--file", str(tmp_path / "none"), f"--port={port}"])
    assert code == 1
    assert f"--port: {port}:" in capsys.readouterr().err
