"""Calls to KMS, Secrets Manager and SSM: retried where that helps, and failed with a reason of our own.

The SDK's own retries are off (one client configuration for all), because they know no deadline.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from secrets import SystemRandom
from typing import TYPE_CHECKING, Any, TypeVar

from fedbridge.errors import KeyUnavailable

if TYPE_CHECKING:
    from fedbridge.model.deadline import Deadline

ClientFactory = Callable[[str], Any]
"""Service name → low-level client, made when it is first needed: a function whose keys are local never loads the SDK."""

Answer = TypeVar("Answer")

RETRIES = 2

LONGEST_CALL = 3.0
"""Seconds: 1 to connect and 2 to read. A retry that might outlive the deadline is not begun."""

_FIRST_PAUSE = 0.1
_jitter = SystemRandom()

_THROTTLED = frozenset({
    "LimitExceededException", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException", "SlowDown",
    "Throttling", "ThrottlingException", "ThrottledException", "TooManyRequestsException",
})  # fmt: skip
_DENIED = frozenset({
    "AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature",
    "InvalidClientTokenId", "InvalidSignatureException", "MissingAuthenticationToken", "NotAuthorized",
    "OptInRequired", "RequestExpired", "SignatureDoesNotMatch", "UnrecognizedClientException",
})  # fmt: skip


def call(
    operation: Callable[[], Answer],
    *,
    subject: str,
    prefix: str,
    reasons: Mapping[str, str],
    deadline: Deadline,
    sleep: Callable[[float], None] = time.sleep,
    retries: int = RETRIES,
) -> Answer:
    """Run one AWS call about `subject` and return its answer.

    Throttling, 5xx, time-outs and lost connections are tried again, at most twice (`retries`), with jitter, and only while a whole
    call still fits into the deadline; anything else fails at once. `reasons` maps AWS error codes to the reason of the
    KeyUnavailable that is raised; common ones are `{prefix}_throttled`, `{prefix}_timeout`, `{prefix}_unavailable`
    (these three are transient), `{prefix}_access_denied` and `{prefix}_error`. Raises DeadlineExceeded where the
    deadline has passed before the first call.
    """
    # By then the client, and with it botocore, is there; at import it may never be needed.
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    deadline.remaining()
    tried = 0
    while True:
        began = deadline.monotonic()
        try:
            return operation()
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            failure = _failure(error, subject=subject, prefix=prefix, reasons=reasons)
            pause = _jitter.uniform(_FIRST_PAUSE / 2, _FIRST_PAUSE) * 2**tried
            time_left = deadline.at - deadline.monotonic()
            if not failure.transient or tried == retries or time_left < pause + LONGEST_CALL:
                raise failure from error
        finally:
            deadline.trail.waited(prefix, deadline.monotonic() - began)
        tried += 1
        sleep(pause)


def _failure(error: Exception, *, subject: str, prefix: str, reasons: Mapping[str, str]) -> KeyUnavailable:
    from botocore.exceptions import ClientError  # noqa: PLC0415

    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        reason, transient = _by_code(code, status, reasons)
    else:
        code = type(error).__name__
        reason, transient = _by_exception(error)
    return KeyUnavailable(f"{subject}: {code}", reason=f"{prefix}_{reason}", transient=transient)


def _by_code(code: str, status: int, reasons: Mapping[str, str]) -> tuple[str, bool]:
    if code in reasons:
        return reasons[code], False
    if code in _THROTTLED or status == 429:
        return "throttled", True
    if code in _DENIED or status in (401, 403):
        return "access_denied", False
    return ("unavailable", True) if status >= 500 else ("error", False)


def _by_exception(error: Exception) -> tuple[str, bool]:
    from botocore import exceptions, parsers  # noqa: PLC0415

    if isinstance(error, (exceptions.ConnectTimeoutError, exceptions.ReadTimeoutError)):
        return "timeout", True
    # No connection, a lost one, or an answer that is none, such as a load balancer's.
    if isinstance(
        error, (exceptions.HTTPClientError, exceptions.ConnectionError, parsers.ResponseParserError)
    ):
        return "unavailable", True
    no_credentials = (
        exceptions.NoCredentialsError,
        exceptions.PartialCredentialsError,
        exceptions.CredentialRetrievalError,
    )
    return ("access_denied" if isinstance(error, no_credentials) else "error"), False
