"""An `HttpClient` with canned answers and a journal; tests/conformance/test_http_client.py holds it to the port."""

import json
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from fedbridge.errors import DeadlineExceeded, UpstreamError
from fedbridge.model.deadline import Deadline
from fedbridge.ports import OutboundRequest, OutboundResponse
from tests.support.canaries import watch_upstream

Answer = OutboundResponse | Exception | Callable[[OutboundRequest], OutboundResponse]


class FakeHttpClient:
    """Answers by method and whole URL: `answer` queues, the last answer repeats.

    `sent` is the journal, in order. A request that nothing was prepared for is the test's fault and raises
    AssertionError, which no product code catches. Answers may be exceptions (raised) or functions of the request, so
    that a test can look at a form before it answers, or advance a clock.
    """

    def __init__(self) -> None:
        self.sent: list[OutboundRequest] = []
        self._answers: dict[tuple[str, str], list[Answer]] = {}
        self._lock = Lock()

    def answer(self, method: str, url: str, *answers: Answer) -> None:
        """Replace what `method` on `url` gets: each of `answers` once, the last for good."""
        self._answers[method, url] = list(answers)

    def calls(self, url: str) -> list[OutboundRequest]:
        """Return the requests sent to `url`, whatever their method."""
        return [request for request in self.sent if request.url == url]

    def send(self, request: OutboundRequest, deadline: Deadline) -> OutboundResponse:
        with self._lock:
            answer = self._next_answer(request, deadline)
        if isinstance(answer, Exception):
            raise answer
        response = answer(request) if callable(answer) else answer
        watch_upstream(request.body, request.headers, response.body)
        if len(response.body) > request.max_bytes:
            raise UpstreamError("upstream_response_invalid", upstream_status=response.status)
        return OutboundResponse(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=response.body,
        )

    def _next_answer(self, request: OutboundRequest, deadline: Deadline) -> Answer:
        try:
            deadline.remaining()
        except DeadlineExceeded:
            raise UpstreamError("upstream_timeout", error="temporarily_unavailable") from None
        self.sent.append(request)
        queue = self._answers.get((request.method, request.url))
        if not queue:
            raise AssertionError(f"nothing was prepared for {request.method} {request.url}")
        return queue.pop(0) if len(queue) > 1 else queue[0]


def json_answer(
    document: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> OutboundResponse:
    """Return an `application/json` response (`headers` may override the type)."""
    return OutboundResponse(
        status=status,
        headers={"content-type": "application/json"} | dict(headers or {}),
        body=json.dumps(document).encode(),
    )
