"""What a Cognito user pool calls: before it creates a federated user's profile, and before it signs tokens."""

import os
from functools import partial
from typing import Any

from fedbridge.net.trigger_edge import serve_trigger
from fedbridge.triggers.group_mapping import map_groups
from fedbridge.triggers.linking import link
from fedbridge.wiring import triggers

services = triggers(os.environ)
serve = partial(serve_trigger, pool_id=services.pool_id, telemetry=services.telemetry)


def pre_sign_up(event: Any, context: Any) -> dict[str, Any]:
    """Link a federated user to the native profile of the same verified address, or refuse."""
    return serve(event, context, flow=partial(link, services))


def pre_token_generation(event: Any, context: Any) -> dict[str, Any]:
    """Put the mapped groups of the identity provider into the tokens."""
    return serve(event, context, flow=partial(map_groups, services))
