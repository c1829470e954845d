"""What servers call: Cognito's token, userinfo, discovery and key requests, and the identity provider's for our keys and with its logouts."""

import os
from functools import partial
from typing import Any

from fedbridge.flows.documents import client_jwks, discovery, jwks
from fedbridge.flows.redeem import redeem
from fedbridge.flows.sign_out import backchannel_logout
from fedbridge.flows.userinfo import userinfo
from fedbridge.model.deadline import BACK_CHANNEL_BUDGET
from fedbridge.net.edge import serve
from fedbridge.op.errors import back_channel_error
from fedbridge.wiring import back_channel

services = back_channel(os.environ)

ROUTES = {
    "/{connection}/token": {"POST": partial(redeem, services)},
    "/{connection}/userinfo": {"GET": partial(userinfo, services), "POST": partial(userinfo, services)},
    "/{connection}/.well-known/openid-configuration": {"GET": partial(discovery, services)},
    "/{connection}/.well-known/jwks.json": {"GET": partial(jwks, services)},
    "/{connection}/client-jwks.json": {"GET": partial(client_jwks, services)},
    "/{connection}/backchannel-logout": {"POST": partial(backchannel_logout, services)},
}


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one API Gateway event (HTTP API payload 2.0, REST payload 1.0)."""
    return serve(
        event,
        context,
        routes=ROUTES,
        telemetry=services.telemetry,
        budget=BACK_CHANNEL_BUDGET,
        on_error=back_channel_error,
    )
