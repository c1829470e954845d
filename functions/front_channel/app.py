"""What the browser calls: authorize and callback, and the ways out."""

import os
from functools import partial
from typing import Any

from fedbridge.flows.begin import begin
from fedbridge.flows.failure import refuse_browser
from fedbridge.flows.finish import finish
from fedbridge.model.deadline import BROWSER_BUDGET
from fedbridge.model.http import Request, Response
from fedbridge.net.edge import Routes, serve
from fedbridge.wiring import front_channel

services = front_channel(os.environ)


def _logout(request: Request) -> Response:
    from fedbridge.flows.logout import logout  # noqa: PLC0415  a sign-in loads nothing of signing out

    return logout(services, request)


def _logged_out(request: Request) -> Response:
    from fedbridge.flows.logout import logged_out  # noqa: PLC0415  likewise

    return logged_out(services, request)


def _frontchannel_logout(request: Request) -> Response:
    from fedbridge.flows.frontchannel_logout import frontchannel_logout  # noqa: PLC0415  likewise

    return frontchannel_logout(services, request)


ROUTES: Routes = {
    "/{connection}/authorize": {"GET": partial(begin, services)},
    "/{connection}/callback": {"GET": partial(finish, services), "POST": partial(finish, services)},
    "/{connection}/logout": {"GET": _logout, "POST": _logout},
    "/{connection}/logout/callback": {"GET": _logged_out},
    "/{connection}/frontchannel-logout": {"GET": _frontchannel_logout},
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
