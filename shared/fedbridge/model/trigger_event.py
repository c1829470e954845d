"""What a Cognito user pool tells a Lambda trigger.

https://docs.aws.amazon.com/cognito/latest/developerguide/cognito-user-pools-working-with-lambda-triggers.html
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fedbridge.model.deadline import Deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerEvent:
    """One call; `attributes` are the user's, `request` is all that Cognito says beside them, as it came."""

    source: str
    version: str
    pool_id: str
    username: str = field(repr=False)
    attributes: Mapping[str, Any] = field(repr=False)
    request: Mapping[str, Any] = field(repr=False)
    deadline: Deadline
