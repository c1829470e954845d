"""`Telemetry` by Powertools: one JSON line an event, which is log line and metric at once.

The line carries its metric itself (CloudWatch's Embedded Metric Format is a log line with one member more). So there
is no buffer: nothing is lost when a sandbox is killed or frozen, nothing of one invocation shows up in the next, and
invocations that run side by side do not mix. It is fewer bytes, too, than a log line and a metric line.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import EphemeralMetrics
from aws_lambda_powertools.metrics.functions import is_metrics_disabled

from fedbridge.telemetry.events import Event, Value, check

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
}

_REASON = re.compile(r"[a-z0-9_]{1,80}")
"""What may be a dimension: a code of our own, of which there is a fixed number, and nothing that came in."""

_FRAME = ("level", "message", "timestamp", "service")
"""What Powertools adds and a line keeps; all else that a formatter may attach (stack traces, keys) is left out."""


class PowertoolsTelemetry:
    """Writes events to standard output; see `fedbridge.telemetry.events` for what they may say.

    `service` and `namespace` default to POWERTOOLS_SERVICE_NAME and POWERTOOLS_METRICS_NAMESPACE, then to `fedbridge`.
    Metrics have the dimension `service` alone, so their number does not grow with the connections; those named in
    `connection_metrics` are counted by a dimension `connection` as well, and failed sign-ins by their `reason`.

    Making one switches off every other logger of the process, for good: libraries log URLs, headers and bodies.
    """

    def __init__(
        self,
        *,
        service: str | None = None,
        namespace: str | None = None,
        connection_metrics: Collection[str] = (),
    ) -> None:
        # Powertools reads the environment and says "service_undefined" where there is nothing to read.
        named = EphemeralMetrics(service=service, namespace=namespace)
        self._service: str = named.service or "fedbridge"
        self._namespace: str = named.namespace or "fedbridge"
        self._connection_metrics = frozenset(connection_metrics)
        self._metrics_disabled = is_metrics_disabled()
        self._frames: dict[tuple[Any, ...], dict[str, Any]] = {}
        self._lines = _silence_all_but(self._service)
        handler = _StandardOutput()
        handler.addFilter(_is_event)
        Logger(  # sets up the logger of this name: level, handler, formatter
            service=self._service,
            logger_handler=handler,
            json_serializer=_serialize,
            log_record_order=["level", "message", "timestamp", "service"],
            use_rfc3339=True,
            utc=True,
        )

    def event(self, name: str, **fields: Value) -> None:
        """Record one event; see `ports.Telemetry`."""
        event, cleaned = check(name, fields)
        metric = {} if self._metrics_disabled else self._metric(event, cleaned)
        level = _LEVELS[event.level]
        if self._lines.isEnabledFor(level):
            self._lines.log(level, name, extra={"fields": cleaned | metric})
        elif metric:
            # The platform filters by `level`, too: what is below its threshold would not be counted.
            self._lines.log(self._lines.getEffectiveLevel(), "metric", extra={"fields": metric})

    def _metric(self, event: Event, fields: Mapping[str, Any]) -> dict[str, Any]:
        values = {event.metric: [1.0]} if event.metric else {}
        values |= {metric: [fields[name]] for name, metric in event.measured.items() if name in fields}
        if not values:
            return {}
        frame = self._frame(event, tuple(values), self._further_dimensions(event, fields))
        return frame | values | {"_aws": frame["_aws"] | {"Timestamp": time.time_ns() // 1_000_000}}

    def _further_dimensions(self, event: Event, fields: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
        """Return by what the event is counted beside the service, by each of it apart."""
        found = []
        if fields.get("connection") in self._connection_metrics:
            found.append(("connection", fields["connection"]))
        if event.by_reason and _REASON.fullmatch(fields.get("reason", "")):
            found.append(("reason", fields["reason"]))
        return tuple(found)

    def _frame(
        self, event: Event, names: tuple[str, ...], dimensions: tuple[tuple[str, str], ...]
    ) -> dict[str, Any]:
        """Return metrics as Powertools serializes them. Only time and values change, so it does that once for each."""
        key = names, dimensions
        if key not in self._frames:
            metrics = EphemeralMetrics(service=self._service, namespace=self._namespace)
            durations = {metric for field, metric in event.measured.items() if field.endswith("_ms")}
            for name in names:
                unit = "Count" if name == event.metric else "Milliseconds" if name in durations else "None"
                metrics.add_metric(name, unit, 1)
            for name, value in dimensions:
                metrics.add_dimensions(service=self._service, **{name: value})
            self._frames[key] = dict(metrics.serialize_metric_set())
        return self._frames[key]


class _StandardOutput(logging.Handler):
    """Writes to what standard output is now: the Lambda runtime and test runners replace it."""

    def emit(self, record: logging.LogRecord) -> None:
        # One write a line, so that no other line gets into it.
        sys.stdout.write(self.format(record) + "\n")
        sys.stdout.flush()


def _is_event(record: logging.LogRecord) -> bool:
    """Refuse what somebody else says through the logger, whose name the environment chooses."""
    return hasattr(record, "fields")


def _serialize(log: dict[str, Any]) -> str:
    """Return one line of ASCII JSON, whatever POWERTOOLS_DEV says."""
    frame = {key: log[key] for key in _FRAME if key in log}
    # Lambda makes up an id for every request, traced or not: a name that leads nowhere is not worth its bytes.
    if "xray_trace_id" in log and "Sampled=1" in os.environ.get("_X_AMZN_TRACE_ID", ""):
        frame["xray_trace_id"] = log["xray_trace_id"]
    return json.dumps(frame | log["fields"], separators=(",", ":"))


def _silence_all_but(name: str) -> logging.Logger:
    """Return the only logger that works from now on, whatever levels and handlers others have or will be given."""
    logger = logging.getLogger(name)
    logger.propagate = False
    # `logging.disable` acts through the manager that all loggers share: this one gets its own.
    logger.manager = logging.Manager(logging.RootLogger(logging.WARNING))
    logging.disable(sys.maxsize)
    return logger
