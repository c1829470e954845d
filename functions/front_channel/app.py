"""What the browser calls: authorize and callback, and the ways out."""

import os
from functools import partial
from typing import Any

from fedbridge.flows.begin import begin
from fedbridge.flows.failure import refuse_browser
from fedbridge.flows.finish import finish
from fedbridge.flows.sign_out import frontchannel_logout, logged_out, logout
from fedbridge.model.deadline import BROWSER_BUDGET
from fedbridge.net.edge import serve
from fedbridge.wiring import front_channel

services = front_channel(os.environ)

ROUTES = {
    "/{connection}/authorize": {"GET": partial(begin, services)},
    "/{connection}/callback": {"GET": partial(finish, services), "POST": partial(finish, services)},
    "/{connection}/logout": {"GET": partial(logout, services), "POST": partial(logout, services)},
    "/{connection}/logout/callback": {"GET": partial(logged_out, services)},
    "/{connection}/frontchannel-logout": {"GET": partial(frontchannel_logout, services)},
}


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one API Gateway event (HTTP API payload 2.0, REST payload 1.0)."""
    return serve(
        event,
        context,
        routes=ROUTES,
        telemetry=services.telemetry,
        budget=BROWSER_BUDGET,
        on_error=partial(refuse_browser, services),
    )
