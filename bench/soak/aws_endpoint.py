"""The canned AWS endpoint, which throttles when it is told to: `/bench/throttle` takes `service` and `share` (0 to 1)."""

from __future__ import annotations

import json
import random
import sys
from functools import partial

from bench.aws_endpoint import Endpoint, named, refused
from bench.loopback import Handler, Request, Response, serve

REFUSALS = {"dynamodb": "ProvisionedThroughputExceededException", "kms": "ThrottlingException"}


class ThrottlingEndpoint(Endpoint):
    """An `Endpoint` of which some calls are refused before anything happens."""

    share: tuple[str, float] = ("", 0.0)

    def __call__(self, request: Request) -> Response:
        """Answer one request, or refuse it."""
        if request.path == "/bench/throttle":
            asked = json.loads(request.body)
            self.share = asked["service"], asked["share"]
            return Response(b"null")
        service, share = self.share
        if named(request).startswith(f"{service}:") and random.random() < share:  # noqa: S311  a die, no secret
            return refused(REFUSALS[service], "Rate exceeded")
        return super().__call__(request)


def _made(endpoint: Endpoint, _port: int) -> Handler:
    return endpoint


if __name__ == "__main__":
    serve(partial(_made, ThrottlingEndpoint(**json.loads(sys.stdin.readline()))))
