"""The flows of signing out, each loaded when it is first asked for: a sign-in's cold start pays for none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fedbridge.flows.services import BackChannel, FrontChannel
    from fedbridge.model.http import Request, Response


def logout(services: FrontChannel, request: Request) -> Response:
    """See `fedbridge.flows.logout.logout`."""
    from fedbridge.flows import logout as flow  # noqa: PLC0415

    return flow.logout(services, request)


def logged_out(services: FrontChannel, request: Request) -> Response:
    """See `fedbridge.flows.logout.logged_out`."""
    from fedbridge.flows import logout as flow  # noqa: PLC0415

    return flow.logged_out(services, request)


def single_logout(services: FrontChannel, request: Request) -> Response:
    """See `fedbridge.flows.single_logout`."""
    from fedbridge.flows import single_logout as flow  # noqa: PLC0415

    return flow.single_logout(services, request)


def frontchannel_logout(services: FrontChannel, request: Request) -> Response:
    """See `fedbridge.flows.frontchannel_logout`."""
    from fedbridge.flows import frontchannel_logout as flow  # noqa: PLC0415

    return flow.frontchannel_logout(services, request)


def backchannel_logout(services: BackChannel, request: Request) -> Response:
    """See `fedbridge.flows.backchannel_logout`."""
    from fedbridge.flows import backchannel_logout as flow  # noqa: PLC0415

    return flow.backchannel_logout(services, request)
