"""What runs by schedule: keys of rings and client secrets move on, and snapshots of what providers publish are taken anew."""

import os
from typing import Any

from fedbridge.flows.rotation import rotate
from fedbridge.model.deadline import Deadline
from fedbridge.operations import client_secrets, operations, snapshots

MARGIN = 5.0
"""Seconds of a run that are left for its end."""

rotation = operations(os.environ)
refresh = snapshots(os.environ)
replace_secrets = client_secrets(os.environ)


def handler(event: Any, context: Any) -> dict[str, int]:  # noqa: ARG001  the schedule says nothing
    """Do what is due; returns how much failed, which is told to telemetry and stops nothing else."""
    seconds = context.get_remaining_time_in_millis() / 1000 - MARGIN
    deadline = Deadline.after(seconds, correlation_id=context.aws_request_id)
    return {
        "key_rings_failed": rotate(rotation, deadline),
        "snapshots_failed": refresh(deadline),
        "client_secrets_failed": replace_secrets(
            deadline
        ),  # The last, because it may wait for a minute and a half.
    }
