"""One request can't freeze the process (S2, S3, S6, C5, C20; security P-15, P-37, P-39).

Asserted by growth: what is four times as long may not cost sixteen times as much. And by bytes:
what is too long is refused before it has been sent whole.
"""

import asyncio
import io
import json
import logging
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import structlog

from igauth.observability import configure_logging
from tests.attacks.cost import assert_in_proportion
from tests.attacks.processes import Fleet, open_fleet, raw, send_raw
from tests.attacks.signing import base64url, sign_payload
from tests.stage import (
    BASE_URL,
    Browser,
    FakeClock,
    Stage,
    make_sandbox,
    make_settings,
    open_stage,
    quick,
)

SIZE = 7_500
"""Four times this still passes the limits of headers; in square, it was 2.5 s (S2)."""
CHUNKED = b"POST /auth/logout HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
ANNOUNCED = CHUNKED.replace(b"Transfer-Encoding: chunked", b"Content-Length: 99999999")
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One engine: none of this reaches it."""
    return sqlite_url


@pytest.fixture
async def stage(database_url: str) -> AsyncGenerator[Stage]:
    """A service that logs everything and limits nobody."""
    settings = make_settings(
        database_url, rate_limit_login="1000000/minute", rate_limit_refresh="1000000/minute"
    )
    async with open_stage(settings) as opened:
        yield opened


@pytest.fixture(autouse=True)
def logged() -> Iterator[io.StringIO]:
    """Logs go through every processor, redaction included, as in a real process."""
    root, stderr, config = logging.getLogger(), sys.stderr, structlog.get_config()
    handlers, level = root.handlers[:], root.level
    ours = logging.getLogger("igauth").level
    sys.stderr = written = io.StringIO()
    configure_logging("json", "DEBUG")
    try:
        yield written
    finally:
        sys.stderr = stderr
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("igauth").setLevel(ours)
        structlog.configure(**config)


async def _ask(browser: Browser, path: str, headers: Any) -> httpx.Response:
    answer = await browser.http.get(browser.base_url + path, headers=headers)
    assert answer.status_code < 500
    return answer


def _cookie(prefix: str, piece: str, suffix: str) -> Callable[[int], bytes]:
    return lambda size: (prefix + piece * size + suffix).encode("latin-1")


COOKIES = {
    "a name of ours, spoilt": _cookie("igauth_login_(", "1", "=1"),
    "a name of ours, long": _cookie("igauth_login_", "1", "=1"),
    "a session of ours, long": _cookie("igauth_session=", "a", ""),
    "backslashes": _cookie('a="', '\\"', '"'),
    "octal escapes": _cookie('a="', "\\101", '"'),
    "an escape without an end": _cookie('igauth_session="', "\\", ""),
    "quotes": _cookie("a=", '"', ""),
    "semicolons": _cookie("", ";", ""),
    "equals signs": _cookie("", "=", ""),
    "blanks": _cookie("a", " ", "=b"),
    "tabs around a name": _cookie("", "\t", "igauth_session=x"),
    "NBSP": _cookie("", "\xa0", "igauth_session=x"),
    "many cookies": _cookie("", "a=b;", ""),
    "the same name": _cookie("", "igauth_session=a;", ""),
    "dots in an attempt": _cookie("igauth_login_0123456789abcdef=", ".", ""),
    "letters in an attempt": _cookie("igauth_login_0123456789abcdef=", "A", ""),
    "secret words": _cookie("a=", "code=state=", ""),
    "key ids": _cookie("a=", "v1.", ""),
    "token beginnings": _cookie("a=", "EAA", ""),
    "digits and bars": _cookie("a=", "123456|", ""),
    "userinfo": _cookie("a=", "://a:", ""),
}


@pytest.mark.parametrize("name", COOKIES)
@pytest.mark.parametrize("path", ["/auth/session", "/auth/facebook", "/auth/facebook/callback"])
async def test_a_long_cookie_header(stage: Stage, name: str, path: str) -> None:
    """Whatever is repeated in it, and whoever reads it: in proportion (S2, S3, CVE-2024-7592)."""
    browser = stage.browser()

    async def ask(size: int) -> None:
        await _ask(browser, path, {"cookie": COOKIES[name](size)})

    await assert_in_proportion(ask, SIZE, ordinary=lambda _: _ask(browser, path, {}))


HEADERS = {
    "accept": ",text/html;q=0.1",
    "accept-language": "a-",
    "authorization": "Bearer ",
    "content-type": ";charset=a",
    "forwarded": "for=1.2.3.4;by=",
    "host": "a.",
    "if-none-match": 'W/"a", ',
    "origin": "http://a",
    "sec-fetch-site": "same-",
    "user-agent": "Mozilla/5.0 (",
    "x-forwarded-for": "1.2.3.4, ",
    "x-request-id": "a.",
}


@pytest.mark.parametrize("name", HEADERS)
async def test_any_other_long_header(stage: Stage, name: str) -> None:
    """Each header that the service reads, repeated ad nauseam, in a session and without."""
    ada = stage.browser()
    await ada.log_in("ada")

    async def ask(size: int) -> None:
        await _ask(ada, "/me/instagram-accounts", {name: HEADERS[name] * (size // 10)})

    await assert_in_proportion(
        ask, SIZE, ordinary=lambda _: _ask(ada, "/me/instagram-accounts", {})
    )


QUERIES = {
    "state": "A",
    "code": "A",
    "error": "access_denied ",
    "error_description": "%00%ff",
    "state=&state": "&state=A",
    "x": "&x=",
}


@pytest.mark.parametrize("name", QUERIES)
async def test_a_long_callback_query(stage: Stage, name: str) -> None:
    """Long values, many values, many names."""
    browser = stage.browser()

    async def ask(size: int) -> None:
        await _ask(browser, f"/auth/facebook/callback?{name}={(QUERIES[name] * size)[:size]}", {})

    await assert_in_proportion(
        ask, SIZE, ordinary=lambda _: _ask(browser, "/auth/facebook/callback", {})
    )


RETURN_TO = {
    "strokes": "http://localhost:5173/" + "/",
    "user info": "@",
    "dots": "http://a.",
    "brackets": "http://[",
    "colons": "http://a:",
    "percent": "/%25",
    "ampersands": "/?a&",
    "equals": "/?=",
    "hashes": "/#",
    "umlauts": "/ü",
    "accents": "/e\u0301",
    "dashes": "http://xn--a-",
}


@pytest.mark.parametrize("name", RETURN_TO)
async def test_a_long_return_to(stage: Stage, name: str) -> None:
    """However it is built, judging it is quick (P-15, CVE-2024-3651's kind)."""
    browser, piece = stage.browser(), RETURN_TO[name]

    async def ask(size: int) -> None:
        address = quote(piece + piece[-1] * size)[: size + 30]
        await _ask(browser, f"/auth/facebook?return_to={address}", {})

    await assert_in_proportion(ask, SIZE, ordinary=lambda _: _ask(browser, "/auth/facebook", {}))


PATHS = ["a", "/", "%2f", "../", "a%00", "{", ";x=y", "%f0%9f%98%80"]


@pytest.mark.parametrize("piece", PATHS)
async def test_a_long_path(stage: Stage, piece: str) -> None:
    """Routing a path costs in proportion to its length, wherever it begins."""
    browser = stage.browser()

    async def ask(size: int) -> None:
        for start in ("/me/sessions/", "/me/instagram-accounts/", "/x", "/auth/facebook/"):
            await _ask(browser, start + (piece * size)[:size], {})

    await assert_in_proportion(ask, SIZE, ordinary=lambda _: _ask(browser, "/nowhere", {}))


FORMS = {
    "fields": ("", "a=b&"),
    "ampersands": ("", "&"),
    "percent": ("signed_request=", "%"),
    "escapes": ("signed_request=", "%41"),
    "pluses": ("signed_request=", "+"),
    "dots": ("signed_request=", "."),
    "base64": ("signed_request=a.", "A"),
    "padding": ("signed_request=a.", "="),
}


@pytest.mark.parametrize("name", FORMS)
async def test_a_long_form(stage: Stage, name: str) -> None:
    """Meta's callbacks take forms from anybody: parsing one is in proportion (P-37)."""
    browser, (start, piece) = stage.browser(), FORMS[name]

    async def ask(size: int) -> httpx.Response:
        return await browser.http.post(
            f"{BASE_URL}/auth/facebook/deauthorize",
            content=(start + piece * size)[:size],
            headers=FORM,
        )

    await assert_in_proportion(ask, 4_000, ordinary=ask)


SIGNED: dict[str, Callable[[int], bytes]] = {
    "deep": lambda size: b"[" * size,
    "wide": lambda size: b"[" + b"0," * size + b"0]",
    "digits": lambda size: b'{"issued_at":' + b"9" * size + b"}",
    "fraction": lambda size: b'{"issued_at":1.' + b"9" * size + b"}",
    "escapes": lambda size: b'{"user_id":"' + b"\\u0041" * (size // 6) + b'"}',
    "keys": lambda size: json.dumps({f"k{n}": 0 for n in range(size // 10)}).encode(),
}


@pytest.mark.parametrize("name", SIGNED)
async def test_a_signed_monster(stage: Stage, name: str) -> None:
    """Even a well-signed payload is read in proportion to its length."""
    browser, secret = stage.browser(), stage.sandbox.config.app_secret

    async def ask(size: int) -> httpx.Response:
        signed = sign_payload(base64url(SIGNED[name](size)), secret)
        return await browser.http.post(
            f"{BASE_URL}/auth/facebook/deauthorize",
            content=f"signed_request={signed}",
            headers=FORM,
        )

    await assert_in_proportion(ask, 1_400, ordinary=ask)


# --- what Facebook says ---

GRAPH_TEXTS: dict[str, Callable[[int], str]] = {
    "deep JSON": lambda size: "[" * size,
    "digits": lambda size: '{"id":' + "9" * size + "}",
    "fraction": lambda size: '{"expires_in":1.' + "9" * size + "}",
    "surrogates": lambda size: '{"id":"1","name":"' + "\\ud800" * size + '"}',
    "NULs": lambda size: '{"id":"1","name":"' + "\\u0000" * size + '"}',
    "accents": lambda size: '{"id":"1","name":"' + "e" + "\u0301" * size + '"}',
    "blanks": lambda size: '{"id":"1","name":"' + " " * size + 'x"}',
    "an error text": lambda size: (
        '{"error":{"code":1,"message":"' + "access_token=EAA://a:" * (size // 20) + '"}}'
    ),
    "backslashes": lambda size: '{"id":"1","name":"' + "\\\\" * size + '"}',
    "digits in a text": lambda size: '{"error":{"code":1,"message":"' + "1" * size + '|"}}',
}


class Scripted(httpx.AsyncBaseTransport):
    """The sandbox, but for one path, where it says what it is told."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.text: str | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One answer."""
        if self.text is None or "oauth/access_token" not in request.url.path:
            return await self._inner.handle_async_request(request)
        return httpx.Response(200, content=self.text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("name", GRAPH_TEXTS)
async def test_a_monstrous_graph_answer(database_url: str, name: str) -> None:
    """Parsed, cleaned, redacted and logged in proportion to its length (F-07, F-20)."""
    settings, clock = make_settings(database_url, rate_limit_login="1000000/minute"), FakeClock()
    sandbox = make_sandbox(settings, clock)
    scripted = Scripted(sandbox.transport())
    wiring = quick(transport=scripted)
    async with open_stage(settings, sandbox=sandbox, clock=clock, wiring=wiring) as stage:
        browser = stage.browser()

        async def ask(size: int) -> None:
            scripted.text = GRAPH_TEXTS[name](size)
            assert (await browser.log_in("ada")).status_code == 303

        await assert_in_proportion(ask, 50_000, ordinary=ask)


# --- a real process ---


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Fleet]:
    """One replica on a socket."""
    folder = tmp_path_factory.mktemp("freezes")
    (folder / "igauth.db").write_bytes(sqlite_template.read_bytes())
    with open_fleet(folder, f"sqlite:///{folder}/igauth.db", replicas=1) as opened:
        yield opened
        opened.assert_alive()


async def _refused_after(port: int, head: bytes, piece: bytes, most: int) -> int:
    """Sends the piece again and again; how many bytes it took until the service had enough."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    ended = asyncio.create_task(reader.read(1))
    try:
        writer.write(head)
        while sent < most and not ended.done():
            writer.write(piece)
            sent += len(piece)
            await writer.drain()
            await asyncio.sleep(0)
    except ConnectionError:
        pass
    finally:
        ended.cancel()
        writer.transport.abort()
    return sent


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: ", b"x" * 16_384),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X: x\r\n" * 2_000),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", (b"X" * 16_384) + b": x\r\n"),
        (b"GET /", b"x" * 16_384),
        (b"", b"\r\n" * 8_192),
        (b"", b"x" * 16_384),
        (CHUNKED, b"1" * 16_384),
        (CHUNKED + b"1;", b"x" * 16_384),
        (
            b"POST /auth/facebook/deauthorize HTTP/1.1\r\nHost: x\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n",
            b"4000\r\n" + b"x" * 0x4000 + b"\r\n",
        ),
        (ANNOUNCED, b"x" * 16_384),
    ],
    ids=[
        "one header",
        "many headers",
        "a header's name",
        "the request line",
        "blank lines",
        "no HTTP at all",
        "a chunk's length",
        "a chunk's extension",
        "a chunked body",
        "a body",
    ],
)  # fmt: skip
async def test_what_has_no_end_is_cut_off(fleet: Fleet, head: bytes, piece: bytes) -> None:
    """No request grows without bound: after at most 1 MB the service has hung up (C5, C20)."""
    sent = await _refused_after(fleet.replicas[0].port, head, piece, 64_000_000)

    assert sent < 8_000_000  # what lay in the buffers of two sockets is counted, too
    assert fleet.replicas[0].healthy()


async def test_a_header_of_more_than_64_kb_is_refused(fleet: Fleet) -> None:
    """By a 4xx, or by hanging up; ordinary large ones pass (C20)."""
    port = fleet.replicas[0].port
    large = await send_raw(port, raw("/healthz", "Host: x", "X: " + "x" * 100_000))
    usual = await send_raw(port, raw("/healthz", "Host: x", "X: " + "x" * 16_000))

    assert large.status == 0 or 400 <= large.status < 500
    assert usual.status == 200


async def test_bodies_that_break_off_are_no_crash(fleet: Fleet) -> None:
    """A hundred uploads that end in the middle: no traceback, no 500 in the metrics (S6)."""
    port = fleet.replicas[0].port
    head = (
        b"POST /auth/facebook/deauthorize HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nsigned_request="
    )
    for _ in range(100):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        await writer.drain()
        writer.transport.abort()
    metrics = (await send_raw(port, raw("/metrics", "Host: x"))).body

    assert 'status="500"' not in metrics
    fleet.assert_alive()


async def test_others_are_served_beside_a_hundred_unfinished_requests(fleet: Fleet) -> None:
    """Half-sent requests hold no one else up: two hundred others are answered meanwhile (C5)."""
    port = fleet.replicas[0].port
    writers = []
    for number in range(100):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        whole = raw("/auth/session", "Host: x", "Cookie: igauth_session=" + "a" * 8_000)
        writer.write(whole[: 50 * number % len(whole)])
        writers.append(writer)

    answers = [await send_raw(port, raw("/healthz", "Host: x")) for _ in range(200)]

    assert {each.status for each in answers} == {200}
    for writer in writers:
        writer.transport.abort()


async def test_hostile_requests_cost_no_more_than_others(fleet: Fleet) -> None:
    """Those of S2, S3 and S4, twenty times, cost less of the processor than 400 ordinary ones."""
    hostile = [
        raw("/auth/facebook", "Host: x", "Cookie: igauth_login_(" + "1" * 30_000 + "=1"),
        raw("/auth/session", "Host: x", 'Cookie: a="' + '\\"' * 15_000 + '"'),
        raw("/auth/facebook", "Host: x", "Cookie: igauth_login_@=1"),
    ]
    ordinary = raw("/auth/session", "Host: x", "Cookie: a=b")

    allowed = await _cost_of(fleet, [ordinary] * 400)
    spent = await _cost_of(fleet, hostile * 20)

    assert spent <= allowed


async def _cost_of(fleet: Fleet, requests: list[bytes]) -> float:
    """Processor time of the service for these requests, each of which must be answered well."""
    process = fleet.replicas[0]
    before = process.cpu_seconds()
    for request in requests:
        assert (await send_raw(process.port, request)).status < 500
    return process.cpu_seconds() - before
