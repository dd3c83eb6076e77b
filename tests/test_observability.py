"""What igauth says about itself: one line for an event, without secrets or control characters."""

import json
import logging
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import structlog

from igauth import observability
from igauth.log_lines import LineWriter
from igauth.observability import (
    REQUEST_ID,
    Metrics,
    configure_logging,
    request_id_from,
    silence_access_log,
)
from tests.test_redaction import CANARIES, TOKEN
from tests.written import Written

UGLY = "a\r\nb\x1b[31mc\x00d\x85e\u2028f\u202eg\u2066h\u200fi\u061cj\x7f"


class Said:
    """What came out on standard error."""

    def __init__(self, stream: Written) -> None:
        self.stream = stream

    @property
    def text(self) -> str:
        """All of it."""
        return self.stream.getvalue()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every line as JSON: fails where a line is none."""
        return [json.loads(line) for line in self.text.splitlines()]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    """Standard error, and logging put back afterwards as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    named = {
        name: logging.getLogger(name).level
        for name in ("igauth", "uvicorn.error", "httpx", "aiosqlite", "sqlalchemy.engine")
    }
    stream = Written()
    monkeypatch.setattr(observability, "sys", SimpleNamespace(stderr=stream))
    yield Said(stream)
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:], root.level = handlers, level
    for name, each in named.items():
        logging.getLogger(name).setLevel(each)
    structlog.reset_defaults()


@pytest.fixture(params=["json", "console"])
def either(request: pytest.FixtureRequest, said: Said) -> Said:
    """Both formats, at DEBUG."""
    configure_logging(request.param, "DEBUG")
    return said


def log() -> Any:
    """One of igauth's own loggers."""
    return structlog.stdlib.get_logger("igauth.test")


# --- secrets ---


@pytest.mark.parametrize("secret", CANARIES.values(), ids=CANARIES.keys())
def test_no_secret_reaches_a_log_by_any_way(either: Said, secret: str) -> None:
    """As event, field, inside a container, as bytes, in an exception and its causes."""
    log().info(
        secret, text=secret, nested={"a": [secret]}, raw=secret.encode(), error=_wrong(secret)
    )
    try:
        raise RuntimeError("outer") from _wrong(secret)
    except RuntimeError:
        log().exception("crashed")
    logging.getLogger("foreign").warning("said %s and %r", secret, {"x": secret})

    assert "cAnArY" not in either.text
    assert TOKEN not in either.text
    assert not re.search(r"5a4db0c0|AAAAAAAA", either.text)
    assert either.text.count("[redacted]") >= 5


def test_values_that_are_no_text_stay_what_they_are(said: Said) -> None:
    """Numbers, truth values and plain lists keep their type in JSON."""
    configure_logging("json", "INFO")
    log().info("e", number=3, ms=1.5, yes=True, none=None, scopes=["a", "b"])
    (event,) = said.events

    assert (event["number"], event["ms"], event["yes"], event["none"]) == (3, 1.5, True, None)
    assert event["scopes"] == ["a", "b"]


# --- one line ---


@pytest.mark.parametrize("way", ["event", "field", "key of a container", "foreign"])
def test_an_event_is_one_line_of_printable_text(either: Said, way: str) -> None:
    """CR, LF, ESC, NUL, line separators and bidi controls come out escaped."""
    match way:
        case "event":
            log().info(UGLY)
        case "field":
            log().info("e", agent=UGLY)
        case "foreign":
            logging.getLogger("foreign").error("%s", UGLY)
        case _:
            log().info("e", headers={UGLY: [UGLY]})

    assert len(either.text.splitlines()) == 1
    assert either.text.endswith("\n")
    assert all(char.isprintable() for char in either.text[:-1])


def test_a_json_traceback_is_one_line(said: Said) -> None:
    """Exceptions, too: whoever collects lines gets whole events."""
    configure_logging("json", "INFO")
    try:
        raise _wrong(UGLY)
    except ValueError:
        log().exception("crashed")
    (event,) = said.events

    assert "ValueError: a" in event["exception"]
    assert "\x1b" not in event["exception"]


def test_a_console_traceback_has_line_ends_and_no_other_controls(said: Said) -> None:
    """A terminal shows the traceback's lines, but nobody's escape codes."""
    configure_logging("console", "INFO")
    try:
        raise _wrong(UGLY)
    except ValueError:
        log().exception("crashed")

    assert len(said.text.splitlines()) > 3
    assert all(char.isprintable() or char == "\n" for char in said.text)


# --- who may speak ---


def test_third_party_debugging_never_comes_out(either: Said) -> None:
    """LOG_LEVEL=DEBUG is igauth's own: others would print parameters and URLs."""
    for name in (
        "httpx",
        "httpcore",
        "aiosqlite",
        "sqlalchemy.engine",
        "asyncio",
        "aiohttp.client",
    ):
        logging.getLogger(name).debug("spoke: %s", TOKEN)
        logging.getLogger(name).info("spoke: %s", TOKEN)
    assert either.text == ""

    logging.getLogger("httpx").warning("warned")
    log().debug("debugged")

    assert "warned" in either.text
    assert "debugged" in either.text


@pytest.mark.parametrize(
    ("level", "heard"), [("DEBUG", 4), ("INFO", 3), ("WARNING", 2), ("ERROR", 1), ("CRITICAL", 0)]
)
def test_igauth_follows_its_level(said: Said, level: str, heard: int) -> None:
    """LOG_LEVEL picks what is said."""
    configure_logging("json", level)
    for speak in (log().debug, log().info, log().warning, log().error):
        speak("e")

    assert len(said.events) == heard


def test_json_is_what_a_pipe_gets_unless_told(said: Said) -> None:
    """`console` on a terminal, else `json`; lines carry level, logger and a UTC instant."""
    configure_logging(None, "INFO")
    log().warning("dotted.name", fact=1)
    (event,) = said.events

    assert event["timestamp"].endswith("Z")
    assert {key: event[key] for key in ("event", "level", "logger", "fact")} == {
        "event": "dotted.name",
        "level": "warning",
        "logger": "igauth.test",
        "fact": 1,
    }


def test_a_terminal_gets_the_console_format(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who looks gets lines to read."""
    monkeypatch.setattr(said.stream, "isatty", lambda: True)
    configure_logging(None, "INFO")
    log().warning("dotted.name")

    assert not said.text.startswith("{")
    assert "dotted.name" in said.text


def test_uvicorns_access_and_trace_logs_are_silent(said: Said) -> None:
    """However uvicorn was started: these two print the query string, code included."""
    for name in ("uvicorn.access", "uvicorn.asgi"):
        logger = logging.getLogger(name)
        logger.addHandler(logging.StreamHandler(said.stream))
        logger.propagate = True
    configure_logging("json", "DEBUG")
    silence_access_log()
    for name in ("uvicorn.access", "uvicorn.asgi"):
        logging.getLogger(name).info("GET /auth/facebook/callback?code=%s", TOKEN)
        logging.getLogger(name).log(5, "scope=%s", TOKEN)

    assert said.text == ""
    assert not logging.getLogger("uvicorn.access").hasHandlers()


def test_uvicorns_own_handler_gives_way_to_ours(said: Said) -> None:
    """`uvicorn --factory` sets one up that waits for whoever reads (defect C6)."""
    servers = logging.getLogger("uvicorn")
    servers.addHandler(logging.StreamHandler(said.stream))
    servers.propagate = False
    configure_logging("json", "INFO")
    logging.getLogger("uvicorn.error").info("Started server process")

    assert [event["event"] for event in said.events] == ["Started server process"]
    assert servers.handlers == []


def test_the_handler_is_one_that_never_waits(said: Said) -> None:
    """All of the log goes through it."""
    configure_logging("json", "INFO")

    assert [type(handler) for handler in logging.getLogger().handlers] == [LineWriter]


# --- request ids ---


@pytest.mark.parametrize("given", ["a", "A-b_c.9", "0" * 64])
def test_a_good_request_id_is_taken_over(given: str) -> None:
    """`[A-Za-z0-9._-]{1,64}` (contract §4)."""
    assert request_id_from(given) == given


@pytest.mark.parametrize(
    "given", [None, "", "a" * 65, "a b", "a\n", "a\r\nb", "ä", "\x1b[31m", "a;"]
)
def test_another_request_id_is_replaced(given: str | None) -> None:
    """Anything else: a fresh one, different each time."""
    made = request_id_from(given)

    assert re.fullmatch(r"[0-9a-f]{32}", made)
    assert made != request_id_from(given)


def test_every_line_of_a_request_names_it(said: Said) -> None:
    """Ours and others', inside the request only."""
    configure_logging("json", "INFO")
    token = REQUEST_ID.set("r-1")
    log().info("ours")
    logging.getLogger("foreign").warning("theirs")
    REQUEST_ID.reset(token)
    log().info("outside")

    assert [event.get("request_id") for event in said.events] == ["r-1", "r-1", None]


# --- metrics ---


def test_metrics_are_rendered_from_a_registry_of_their_own() -> None:
    """Two services in one process don't meet; names are the contract's topics."""
    one, other = Metrics(), Metrics()
    one.requests.labels("GET", "/me", "200").inc()
    one.graph_calls.labels("exchange", "ok").inc()
    one.graph_seconds.labels("exchange").observe(0.1)
    one.logins.labels("ok").inc()
    one.connections.labels("active").set(2)
    one.usage.labels("app").set(41)
    text = one.render().decode()

    for line in (
        'igauth_http_requests_total{method="GET",route="/me",status="200"} 1.0',
        'igauth_graph_calls_total{endpoint="exchange",outcome="ok"} 1.0',
        'igauth_graph_seconds_count{endpoint="exchange"} 1.0',
        'igauth_logins_total{outcome="ok"} 1.0',
        'igauth_connections{status="active"} 2.0',
        'igauth_facebook_usage_percent{header="app"} 41.0',
        "igauth_log_lines_dropped_total 0.0",
    ):
        assert line in text
    assert "active" not in other.render().decode()


def _wrong(text: str) -> ValueError:
    return ValueError(text)
