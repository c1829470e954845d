"""The soak run tells what met a fault from what did not, and its faults are real."""

import socket
from itertools import pairwise

import pytest

from bench.soak import load
from bench.soak.faults import FAULTS, GRACE, Fault, Window, timeline
from bench.soak.gate import Gate
from bench.soak.load import SignIn
from bench.soak.report import markdown
from bench.soak.verdict import BUSY, judge, memory_of

MIB = 2**20
DOWN = Window(fault=Fault(target="provider", mode="down"), start=100, end=160)
SLOW = Window(fault=Fault(target="provider", mode="slow", harmless=True), start=300, end=360)


def sign_in(began, *, error="", lasted=1.0):
    return SignIn(
        connection="bank", began=began, ended=began + lasted, hop="callback" if error else "", error=error
    )


def test_every_fault_has_its_time_and_a_longer_one_to_recover():
    windows = timeline(1800)

    assert [window.fault for window in windows] == list(FAULTS)
    for window, following in pairwise(windows):
        assert following.start - window.end > 2 * GRACE
    assert windows[-1].end + GRACE < 1800


def test_a_failure_that_met_a_fault_is_no_problem():
    verdict = judge([sign_in(50), sign_in(120, error="temporarily_unavailable"), sign_in(400)], [DOWN], [])

    assert verdict.passed
    assert verdict.faults[0].failed == 1
    assert verdict.quiet == 2


def test_a_failure_that_met_no_fault_is_a_problem():
    verdict = judge([sign_in(120, error="server_error"), sign_in(250, error="server_error")], [DOWN], [])

    assert verdict.problems == ("bank failed at 250 s without a fault: callback: server_error",)


def test_a_failure_shortly_after_a_fault_counts_as_what_it_left_behind():
    verdict = judge([sign_in(120, error="x"), sign_in(170, error="x"), sign_in(190)], [DOWN], [])

    assert verdict.passed
    assert (verdict.faults[0].after, verdict.faults[0].failed_after) == (2, 1)
    assert verdict.faults[0].recovered_after == 10


@pytest.mark.parametrize(
    ("sign_ins", "problem"),
    [
        ([sign_in(120), sign_in(310, error="x")], "which must do no harm"),
        ([sign_in(120)], "there was no fault"),
        ([sign_in(120, error="unusable answer")], "neither an OAuth error"),
    ],
)
def test_a_run_that_shows_something_else_is_no_pass(sign_ins, problem):
    assert any(problem in found for found in judge(sign_ins, [DOWN, SLOW], []).problems)


def test_memory_that_grows_is_a_problem():
    flat = memory_of("front_channel", [(BUSY + index, 80 * MIB) for index in range(100)])
    growing = memory_of("front_channel", [(BUSY + index, (80 + index) * MIB) for index in range(100)])

    assert flat is not None
    assert judge([], [], [flat]).passed
    assert growing is not None
    assert judge([], [], [growing]).problems == ("front_channel grew from 92.0 to 167.0 MiB",)


def test_a_sandbox_that_was_hardly_busy_says_nothing_of_memory():
    assert memory_of("front_channel", [(index, index * MIB) for index in range(BUSY)]) is None


def test_the_report_has_a_row_for_each_fault():
    verdict = judge([sign_in(120, error="temporarily_unavailable"), sign_in(310)], [DOWN, SLOW], [])

    report = markdown(verdict, seconds=1800, rate=5)

    assert "as it must be" in report
    assert "| provider down | 60 | 1 | 1 | 0 | 0 | 0.0 s | callback: temporarily_unavailable (1) |" in report
    assert "| provider slow | 60 | 1 | 0 | 0 | 0 | none | none |" in report


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"statusCode": 302, "headers": {"Location": "https://rp.example/?error=server_error"}}, "server_error"),
        ({"statusCode": 400, "headers": {"Content-Type": "application/json"}, "body": '{"error":"invalid_grant"}'}, "invalid_grant"),
        ({"statusCode": 502, "headers": {"Content-Type": "application/json"}, "body": '{"message":"oops"}'}, "unusable answer"),
        ({"errorType": "KeyError"}, "unusable answer"),
    ],
)  # fmt: skip
def test_what_a_caller_is_told(answer, error):
    assert load.error_of(answer) == error


@pytest.fixture
def echo():
    """A server that answers every byte with itself, behind a gate."""
    import threading

    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            while True:
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with peer:
                    while data := peer.recv(1024):
                        peer.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        gate = Gate()
        gate.upstream_port = server.getsockname()[1]
        with gate.open():
            yield gate
        server.shutdown(socket.SHUT_RDWR)


def ask(gate, patience=5.0):
    with socket.create_connection(("127.0.0.1", gate.port), timeout=patience) as peer:
        peer.sendall(b"hello")
        return peer.recv(1024)


def test_a_gate_breaks_and_mends(echo):
    assert ask(echo) == b"hello"

    echo.set("down")
    with pytest.raises(ConnectionRefusedError):
        ask(echo)
    echo.set("resetting")
    with pytest.raises(ConnectionResetError):
        ask(echo)
    echo.set("hanging")
    with pytest.raises(TimeoutError):
        ask(echo, patience=0.2)
    echo.set(None)
    assert ask(echo) == b"hello"
