"""Why a call got no answer, where nothing is wrong with the way."""

import socket

import pytest

from fedbridge.cli.check.context import CheckOptions
from fedbridge.cli.check.network import way_to, why
from fedbridge.errors import UpstreamError
from tests.fakes.peers import Peer, answer, answering


@pytest.fixture
def peer():
    with Peer(answering(answer())) as peer:
        yield peer


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("upstream_timeout", "host_slow"),
        ("upstream_response_invalid", "answer_unreadable"),
        ("upstream_unreachable", "host_unreachable"),
    ],
)
def test_what_the_call_met_is_said(context, peer, reason, code):
    options = CheckOptions(private_hosts=(f"127.0.0.1:{peer.port}",))
    found = why(context(options=options), peer.url(), UpstreamError(reason))
    assert [each.code for each in found] == [code]


def test_a_host_that_is_not_public_is_not_called(context, peer):
    (found,) = why(context(), peer.url(), UpstreamError("upstream_target_refused"))
    assert found.code == "target_refused"
    assert peer.visits == 0


@pytest.mark.parametrize("before", [[], ["127.0.0.2"], ["127.0.0.2", "127.0.0.3"]])
def test_an_address_that_is_dead_is_passed_over_as_a_sign_in_does(context, peer, monkeypatch, before):
    """The first alone was tried, so that a host of two addresses was said to be unreachable."""
    real = socket.getaddrinfo

    def resolved(host, port, *more, **how):
        addresses = [*before, "127.0.0.1"] if host == "localhost" else [host]
        return [found for each in addresses for found in real(each, port, *more, **how)]

    monkeypatch.setattr("socket.getaddrinfo", resolved)
    options = CheckOptions(private_hosts=(f"localhost:{peer.port}",))
    assert [*way_to(context(options=options), [f"http://localhost:{peer.port}/"])] == []
