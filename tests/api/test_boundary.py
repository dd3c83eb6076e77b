"""The boundary under strange requests, over a real socket where that matters (contract §5, §9)."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncGenerator
from contextlib import suppress
from importlib.resources import files
from typing import Any

import pytest
from pydantic import BaseModel
from starlette.types import Message, Receive, Scope, Send

from igauth.api import operations
from igauth.api.boundary import MOST_IN_FLIGHT, Boundary
from igauth.api.pages import Brand, Pages
from igauth.api.problems import ProblemWriter
from igauth.app import _rules
from igauth.errors import all_errors
from igauth.observability import Metrics
from tests.api.served import exchange, opened, request, served
from tests.api.steps import Steps, assert_linear
from tests.stage import BASE_URL, FRONTEND, Browser, Stage, make_settings, open_stage

DEAUTHORIZE = "/auth/facebook/deauthorize"
FORM = ("content-type", "application/x-www-form-urlencoded")
LARGEST_BODY = 16_384
PAGES = Pages(Brand(None, None, None, "https://app.invented.test/"))


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """No database has a say in this."""
    return sqlite_url


@pytest.fixture
async def stage(database_url: str) -> AsyncGenerator[Stage]:
    """A service without a limit in the way."""
    settings = make_settings(
        database_url, rate_limit_login="99999/minute", trusted_proxies="127.0.0.1"
    )
    async with open_stage(settings) as opened_:
        yield opened_


# --- requests that break off (defect S6) ---

BROKEN = [
    b"content-length: 1000\r\n\r\nsigned_request=",
    b"content-length: 1000\r\n\r\n",
    b"transfer-encoding: chunked\r\n\r\n5\r\nsigne\r\n",
    b"transfer-encoding: chunked\r\n\r\n5\r\nsig",
    b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    b"transfer-encoding: chunked\r\n\r\n5\r\nsigned",
]


async def _break_off(stage: Stage, path: str, rest: bytes) -> None:
    """Sends the beginning of a POST, goes away, and waits until the service is done with it."""
    done = asyncio.Event()
    service = opened(stage)

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await service(scope, receive, send)
        finally:
            done.set()

    async with served(watched) as port, asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(path, FORM, method="POST")[:-2] + rest)
        await writer.drain()
        await asyncio.sleep(0)
        writer.close()
        with suppress(ConnectionError):
            await reader.read()
        await done.wait()


@pytest.mark.parametrize("rest", BROKEN)
async def test_a_broken_off_body_is_quiet(
    stage: Stage,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    rest: bytes,
) -> None:
    """Who goes away in mid-upload leaves no traceback, and no server error in the metrics."""
    await _break_off(stage, DEAUTHORIZE, rest)

    said = capsys.readouterr().out + caplog.text
    assert "Traceback" not in said
    assert "crashed" not in said
    metrics = (await stage.browser().get("/metrics")).text
    assert re.search(r'igauth_http_requests_total\{method="POST",.*status="5', metrics) is None


class Note(BaseModel):
    """Something that a route takes as JSON."""

    text: str


@pytest.fixture
async def notes(stage: Stage) -> None:
    """The service, with a route whose JSON body the framework reads."""

    @stage.app.post("/notes")
    async def take(note: Note) -> str:
        return note.text


@pytest.mark.usefixtures("notes")
async def test_a_broken_off_json_body_is_quiet(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the framework reads the body, too."""
    await _break_off(stage, "/notes", BROKEN[0])

    assert "Traceback" not in capsys.readouterr().out
    assert 'status="5' not in (await stage.browser().get("/metrics")).text


@pytest.mark.usefixtures("notes")
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize(
    ("path", "content_type"), [("/notes", "application/json"), (DEAUTHORIZE, FORM[1])]
)
async def test_a_large_body_is_413(
    stage: Stage, path: str, content_type: str, chunked: bool
) -> None:
    """Told by its length or found while it comes, read by us or by the framework."""
    body = b'{"text": "' + b"x" * LARGEST_BODY + b'"}'
    if chunked:
        head = request(path, ("content-type", content_type), method="POST")[:-2]
        raw = head + b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    else:
        raw = request(path, ("content-type", content_type), method="POST", body=body)
    async with served(opened(stage)) as port:
        answer = await exchange(port, raw)

    assert (answer.status, answer.json()["code"]) == (413, "payload_too_large")
    assert answer.values("content-type") == ["application/problem+json"]


@pytest.mark.parametrize("length", ["16385", "9" * 9, "9" * 19, "9" * 5_000, "٩٩٩٩٩٩"])
async def test_a_length_of_any_size_is_413(browser: Browser, length: str) -> None:
    """Also one that no number can hold."""
    answer = await browser.http.post(
        BASE_URL + DEAUTHORIZE, headers=[(b"content-length", length.encode())]
    )

    assert answer.status_code in (413, 400)
    assert answer.status_code == 413 or not length.isascii()


# --- upgrades (defect C15) ---

HANDSHAKE = [
    ("connection", "Upgrade"),
    ("upgrade", "websocket"),
    ("sec-websocket-version", "13"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-fetch-mode", "websocket"),
]


@pytest.mark.parametrize("path", ["/", "/ws", "/healthz", "/auth/facebook", "/me", "/docs"])
async def test_there_is_no_websocket(
    stage: Stage, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    """A quiet 404 at any path, whatever libraries are installed."""
    async with served(opened(stage)) as port:
        answer = await exchange(port, request(path, *HANDSHAKE))

    assert (answer.status, answer.json()["code"]) == (404, "not_found")
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_another_upgrade_is_passed_over(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """`h2c`, which some clients offer at each request, is ignored without a word (RFC 9110)."""
    offered = [("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c")]
    async with served(opened(stage)) as port:
        answer = await exchange(port, request("/healthz", *offered))

    assert answer.status == 200
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_a_server_that_speaks_websocket_is_refused_too(stage: Stage) -> None:
    """The handshake is answered as any request is: 404, with the headers of every answer."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/me",
        "headers": [(b"cookie", b"igauth_session=x"), (b"x-request-id", b"abc")],
        "extensions": {"websocket.http.response": {}},
    }
    await opened(stage)(scope, receive, send)

    assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 404)
    assert (b"x-request-id", b"abc") in sent[0]["headers"]
    assert b'"not_found"' in sent[1]["body"]


# --- problems ---

PROBLEMS = [
    ("GET", "/nowhere", [], b"", 404),
    ("GET", "/healthz/", [], b"", 404),
    ("GET", "//healthz", [], b"", 404),
    ("GET", "/%00", [], b"", 404),
    ("GET", "/%ff%fe", [], b"", 404),
    ("OPTIONS", "*", [], b"", 404),
    ("DELETE", "/healthz", [], b"", 405),
    ("PATCH", "/me", [], b"", 405),
    ("HEAD", "/auth/facebook/callback", [], b"", 405),
    ("POST", DEAUTHORIZE, [("content-type", "text/plain")], b"x", 415),
    ("POST", DEAUTHORIZE, [FORM], b"x" * 20_000, 413),
    ("GET", "/auth/facebook?mode=x", [], b"", 422),
    ("GET", "/me", [], b"", 401),
    ("POST", DEAUTHORIZE, [FORM], b"x", 400),
    ("GET", "/auth/facebook", [("sec-fetch-dest", "iframe")], b"", 403),
]


@pytest.mark.parametrize(("method", "path", "headers", "body", "status"), PROBLEMS)
async def test_every_refusal_is_a_problem(
    stage: Stage, method: str, path: str, headers: Any, body: bytes, status: int
) -> None:
    """RFC 9457 to programs, and a page to people, at the same status (contract §5)."""
    fetched = request(path, *headers, ("sec-fetch-mode", "cors"), method=method, body=body)
    visited = request(path, *headers, ("accept", "text/html,*/*"), method=method, body=body)
    async with served(opened(stage)) as port:
        problem, page = await exchange(port, fetched), await exchange(port, visited)

    assert (problem.status, page.status) == (status, status)
    assert problem.values("content-type") == ["application/problem+json"]
    assert page.values("content-type") == ["text/html; charset=utf-8"]
    if method != "HEAD":
        assert problem.json()["status"] == status
        assert problem.json()["request_id"] == problem.values("x-request-id")[0]
    if status == 405:
        assert problem.values("allow")


@pytest.mark.parametrize("error", [each for each in all_errors() if each.status in (429, 503)])
def test_whoever_is_to_wait_is_told_how_long(error: Any) -> None:
    """Every 429 and 503 has a `Retry-After`, also where nobody gave one."""
    usual, known = (
        ProblemWriter(BASE_URL, PAGES).response(each, accept="", navigation=False)
        for each in (error(), error(retry_after=77))
    )

    assert int(usual.headers["retry-after"]) >= 1
    assert known.headers["retry-after"] == "77"


# --- what operators ask ---


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_a_probe_may_send_head(stage: Stage, path: str) -> None:
    """The same status and headers, and no body."""
    async with served(opened(stage)) as port:
        get, head = [
            await exchange(port, request(path, method=method)) for method in ("GET", "HEAD")
        ]

    assert (get.status, head.status, head.body) == (200, 200, b"")
    assert head.values("content-length") == get.values("content-length")


async def test_an_unready_service_says_so_to_head_as_well(stage: Stage) -> None:
    """503, as to GET."""
    async with stage.database_down():
        answer = await stage.browser().send("HEAD", "/readyz")

    assert answer.status_code == 503


async def test_the_version_is_read_once(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """/healthz opens no file (defect B18)."""

    def opened_again(_name: str) -> str:
        raise AssertionError("the package's metadata was read again")

    monkeypatch.setattr(operations, "version", opened_again)

    answer = await browser.get("/healthz")

    assert answer.json() == {"status": "ok", "version": answer.json()["version"]}


def test_the_bundled_purifier_is_mended() -> None:
    """Swagger UI's DOMPurify has the fixes of CVE-2026-65898 and before (defect S15)."""
    script = (files("fastapi_swagger") / "resources" / "swagger-ui-bundle.js").read_text("utf-8")

    versions = re.findall(r'\.version="(3\.\d+\.\d+)",\w+\.removed=\[\]', script)
    assert len(versions) == 1
    assert tuple(map(int, versions[0].split("."))) >= (3, 4, 11)


# --- linear work ---

WORST_HEADERS = [
    ("cookie", b'a="\\";'),
    ("cookie", b"igauth_login_0123456789abcdef=a.b;"),
    ("accept", b"text/html,"),
    ("content-type", b"a;"),
    ("host", b"a."),
    ("if-none-match", b'W/"a",'),
    ("origin", b"http://a,"),
    ("referer", b"/a"),
    ("sec-fetch-dest", b"document,"),
    ("user-agent", b"\xe9\x80"),
    ("x-forwarded-for", b"1,"),
    ("x-request-id", b"a-"),
    ("authorization", b"Bearer "),
]
WORST_QUERIES = [
    b"return_to=/%2F&",
    b"state=a&",
    b"code=%&",
    b"&",
    b"=&",
    b"a=1&",
    b"%25",
    b";",
    b"+",
    b"state[]=",
]


async def _steps(stage: Stage, path: str, headers: Any = (), query: bytes = b"") -> int:
    """What one request costs, from its scope to its answer."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "headers": list(headers),
        "client": ("127.0.0.1", 1),
    }

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Message) -> None:
        return None

    with Steps() as steps:
        await opened(stage)(scope, receive, send)
    return steps.taken


@pytest.mark.parametrize(("name", "worst"), WORST_HEADERS)
@pytest.mark.parametrize("path", ["/auth/facebook", "/auth/facebook/callback", "/auth/session"])
async def test_a_long_header_takes_linear_work(
    stage: Stage, path: str, name: str, worst: bytes
) -> None:
    """Four times the header is at most four times the work."""
    steps = [
        await _steps(stage, path, [(name.encode(), worst * (size // len(worst)))])
        for size in (0, 15_000, 60_000)
    ]

    assert_linear(steps[1], steps[2])


@pytest.mark.parametrize("worst", WORST_QUERIES)
@pytest.mark.parametrize("path", ["/auth/facebook", "/auth/facebook/callback"])
async def test_a_long_query_takes_linear_work(stage: Stage, path: str, worst: bytes) -> None:
    """100 kB of the worst cost at most four times of what 25 kB do."""
    small, large = [
        await _steps(stage, path, query=worst * (size // len(worst))) for size in (25_000, 100_000)
    ]

    assert_linear(small, large)


@pytest.mark.parametrize(
    "worst", [b"signed_request=a&", b"a=1&", b"&", b"%", b"%41", b"=", b"a;", b"+", b"\xe9"]
)
async def test_a_long_form_takes_linear_work(stage: Stage, worst: bytes) -> None:
    """A whole body of the worst, up to the limit: 400 at the cost of its length."""
    browser = stage.browser()

    async def cost(size: int) -> int:
        body = worst * (size // len(worst))
        with Steps() as steps:
            answer = await browser.http.post(
                BASE_URL + DEAUTHORIZE, content=body, headers={FORM[0]: FORM[1], "origin": FRONTEND}
            )
        assert answer.status_code == 400
        return steps.taken

    await cost(100)
    assert_linear(await cost(4_000), await cost(16_000))


# --- overload (defect C7, F-52) ---


async def test_overload_is_told_at_once(stage: Stage) -> None:
    """Of more requests than can be dealt with, the last are 503 with a wait; health is told."""
    full, go_on = asyncio.Event(), asyncio.Event()
    reached = 0

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal reached
        reached += 1
        if reached == MOST_IN_FLIGHT:
            full.set()
        if scope["path"] != "/healthz":
            await go_on.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    bounded = Boundary(
        slow,
        rules=_rules(stage.settings),
        problems=ProblemWriter(BASE_URL, PAGES),
        metrics=Metrics(),
    )

    async def ask(path: str) -> list[Message]:
        said: list[Message] = []

        async def keep(message: Message) -> None:
            said.append(message)

        async def nothing_more() -> Message:
            return {"type": "http.disconnect"}

        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
        await bounded(scope, nothing_more, keep)
        return said

    waiting = [asyncio.create_task(ask("/me")) for _ in range(MOST_IN_FLIGHT)]
    await full.wait()
    (start, body), (well, _) = await ask("/me"), await ask("/healthz")
    go_on.set()
    ended = await asyncio.gather(*waiting)
    (again, _) = await ask("/me")

    assert (start["status"], json.loads(body["body"])["code"]) == (503, "overloaded")
    assert (b"retry-after", b"2") in start["headers"]
    assert {messages[0]["status"] for messages in ended} == {204}
    assert (well["status"], again["status"]) == (204, 204)
