"""What igauth says about itself: request ids, one structured line for each event, metrics.

Nothing secret is meant to reach a log; `redact` is the second net below that intention. No line
holds up whoever logs it (`log_lines`).
"""

import logging
import re
import sys
import uuid
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from igauth.log_lines import LineWriter, dropped_lines
from igauth.redaction import redact_text

REQUEST_ID = ContextVar[str | None]("request_id", default=None)
_VALID_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}+")

_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)
_UPGRADE_ADVICE = ("Unsupported upgrade request.", "No supported WebSocket library detected.")
_LEAKY_LOGGERS = ("uvicorn.access", "uvicorn.asgi")


def request_id_from(header: str | None) -> str:
    """The inbound request id where it is well formed, else a new one."""
    if header is not None and _VALID_REQUEST_ID.fullmatch(header):
        return header
    return uuid.uuid4().hex


def redact(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """structlog processor: cleans every text of an event, tracebacks included."""
    for key, value in event.items():
        if value is not None and not isinstance(value, bool | int | float):
            text = value if isinstance(value, str) else repr(value)
            cleaned = redact_text(text)
            event[key] = value if cleaned == text else cleaned
    return event


def escape_controls(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """structlog processor: one event stays one line (CR, LF, ESC, bidi; tracebacks excepted)."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = _escape(value, keep="\n" if key == "exception" else "")
    return event


def _escape(text: str, *, keep: str) -> str:
    return _UNPRINTABLE.sub(
        lambda match: match[0] if match[0] in keep else f"\\u{ord(match[0]):04x}", text
    )


def add_request_id(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """structlog processor: the request that an event belongs to."""
    request_id = REQUEST_ID.get()
    if request_id is not None:
        event.setdefault("request_id", request_id)
    return event


def configure_logging(log_format: str | None, level: str) -> None:
    """Sends igauth's events and other libraries' warnings to standard error, cleaned.

    Only igauth's own loggers follow `level`: others print parameters and URLs when they debug.
    """
    chosen = log_format or ("console" if sys.stderr.isatty() else "json")
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        add_request_id,
    ]
    handler = LineWriter(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.PositionalArgumentsFormatter()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_finishing(chosen),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("igauth").setLevel(level)
    logging.getLogger("uvicorn.error").setLevel(logging.INFO)
    servers = logging.getLogger("uvicorn")  # its own handler waits for whoever reads
    servers.handlers.clear()
    servers.propagate = True
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def silence_access_log() -> None:
    """Takes uvicorn's own access and trace logs away, however it was started: they print `code`."""
    for name in _LEAKY_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = False
    logging.getLogger("uvicorn.error").addFilter(_is_of_use)


def _is_of_use(record: logging.LogRecord) -> bool:
    """uvicorn's advice at each `Upgrade` header isn't: any stranger can send one."""
    return not record.getMessage().startswith(_UPGRADE_ADVICE)


def _finishing(chosen: str) -> list[Any]:
    clean = [structlog.processors.format_exc_info, redact, escape_controls]
    if chosen == "json":
        return [*clean, structlog.processors.JSONRenderer(sort_keys=False)]
    return [
        *clean,
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        ),
    ]


class Metrics:
    """The service's metrics, in a registry of their own (contract §9)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "igauth_http_requests",
            "Answered requests",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "igauth_http_request_seconds", "Time to answer", ("route",), registry=self.registry
        )
        self.graph_calls = Counter(
            "igauth_graph_calls",
            "Calls to Facebook",
            ("endpoint", "outcome"),
            registry=self.registry,
        )
        self.graph_seconds = Histogram(
            "igauth_graph_seconds",
            "Time of calls to Facebook",
            ("endpoint",),
            registry=self.registry,
        )
        self.logins = Counter("igauth_logins", "Ended logins", ("outcome",), registry=self.registry)
        self.connections = Gauge(
            "igauth_connections", "Connections by state", ("status",), registry=self.registry
        )
        self.usage = Gauge(
            "igauth_facebook_usage_percent",
            "Highest percentage that Facebook's usage headers last told",
            ("header",),
            registry=self.registry,
        )
        self._add_webhooks()
        self.log_lines_dropped = Counter(
            "igauth_log_lines_dropped",
            "Lines of the log that nobody read in time",
            registry=self.registry,
        )
        self._dropped = 0

    def _add_webhooks(self) -> None:
        self.webhook_attempts = Counter(
            "igauth_webhook_attempts", "Tried deliveries", ("outcome",), registry=self.registry
        )
        self.webhook_pending = Gauge(
            "igauth_webhook_deliveries_pending",
            "Events on their way to an endpoint",
            ("endpoint",),
            registry=self.registry,
        )
        self.webhook_oldest = Gauge(
            "igauth_webhook_oldest_pending_seconds",
            "How long the oldest of them has waited",
            ("endpoint",),
            registry=self.registry,
        )
        self.webhooks_disabled = Counter(
            "igauth_webhooks_disabled",
            "Endpoints that were disabled because they failed",
            ("cause",),
            registry=self.registry,
        )

    def render(self) -> bytes:
        """All of them in Prometheus' text format."""
        dropped = dropped_lines()
        self.log_lines_dropped.inc(max(0, dropped - self._dropped))
        self._dropped = dropped
        return generate_latest(self.registry)
