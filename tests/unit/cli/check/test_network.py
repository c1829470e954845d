"""Why a call got no answer, where nothing is wrong with the way."""

import pytest

from fedbridge.cli.check.context import CheckOptions
from fedbridge.cli.check.network import why
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
