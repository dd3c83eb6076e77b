"""Nothing secret leaves, lies in the database in clear, or is logged (contract §7, R-72, R-46)."""

import io
import json
import logging
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, quote

import httpx
import pytest
import structlog

from igauth.observability import configure_logging
from igauth.sandbox.control.callbacks import signed_request
from tests.stage import (
    KEY,
    Browser,
    FakeClock,
    Stage,
    error_of,
    make_sandbox,
    make_settings,
    open_stage,
    query_of,
    quick,
)
from tests.written import Written

METRICS_TOKEN = "m3trics-canary-0001"
SECRET_NAMES = {
    "access_token",
    "appsecret_proof",
    "client_secret",
    "code",
    "code_verifier",
    "fb_exchange_token",
    "input_token",
}


class Recorder(httpx.AsyncBaseTransport):
    """Between service and Facebook: writes down every secret that passes; can break on demand."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner
        self.secrets: set[str] = set()
        self.names: set[str] = set()
        self.explode = ""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = (await request.aread()).decode()
        self._note(parse_qsl(request.url.query.decode()))
        self._note(parse_qsl(body))
        self.secrets.add(request.headers.get("authorization", "").removeprefix("Bearer "))
        if self.explode and self.explode in str(request.url):
            raise RuntimeError(f"a bug tells {request.url} and {request.headers} and {body}")
        response = await self.inner.handle_async_request(request)
        content = await response.aread()
        self._note_tokens(content)
        headers = [
            (name, value)
            for name, value in response.headers.multi_items()
            if name.lower() != "content-encoding"  # `content` is decoded
        ]
        return httpx.Response(response.status_code, headers=headers, content=content)

    def _note(self, pairs: list[tuple[str, str]]) -> None:
        for name, value in pairs:
            if name in SECRET_NAMES:
                self.secrets.add(value)
                self.names.add(name)
            if name == "batch":
                for part in json.loads(value):
                    self._note(parse_qsl(part["relative_url"].partition("?")[2]))

    def _note_tokens(self, content: bytes) -> None:
        for piece in content.decode("utf-8", "ignore").replace("\\", "").split('"'):
            if piece.startswith("EAA"):
                self.secrets.add(piece)


class Observed:
    """A stage, its log, every reply, and every secret that was ever issued."""

    def __init__(self, stage: Stage, recorder: Recorder, log: io.StringIO) -> None:
        self.stage = stage
        self.recorder = recorder
        self.log = log
        self.replies: list[httpx.Response] = []
        self.secrets: set[str] = {
            stage.sandbox.config.app_secret,
            stage.sandbox.ledger.app_token,
            METRICS_TOKEN,
            KEY.secret.hex(),
        }

    def browser(self) -> Browser:
        """A browser whose every reply from the service is kept."""
        browser = self.stage.browser()
        browser.http.event_hooks["response"].append(self._keep)
        return browser

    async def _keep(self, response: httpx.Response) -> None:
        if str(response.url).startswith(self.stage.settings.base_url):
            await response.aread()
            self.replies.append(response)
            self.secrets |= set(response.cookies.values())
        if "/dialog/oauth" in response.headers.get("location", ""):
            self.secrets |= set(query_of(response)["state"])

    @property
    def canaries(self) -> set[str]:
        """All of them, in clear and percent-encoded."""
        ledger = self.stage.sandbox.ledger
        plain = self.secrets | self.recorder.secrets | set(ledger.tokens) | set(ledger.codes)
        return {form for each in plain if len(each) > 8 for form in (each, quote(each, safe=""))}


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What igauth writes to standard error at DEBUG."""
    root, stderr, config = logging.getLogger(), sys.stderr, structlog.get_config()
    handlers, level = root.handlers[:], root.level
    ours = logging.getLogger("igauth").level
    sys.stderr = written = Written()
    configure_logging("json", "DEBUG")
    try:
        yield written
    finally:
        sys.stderr = stderr
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.getLogger("igauth").setLevel(ours)
        structlog.configure(**config)


@pytest.fixture
async def observed(database_url: str, log: io.StringIO) -> AsyncGenerator[Observed]:
    """Service and Facebook with a recorder between them."""
    settings = make_settings(database_url, metrics_token=METRICS_TOKEN, log_level="DEBUG")
    clock = FakeClock()
    sandbox = make_sandbox(settings, clock)
    recorder = Recorder(sandbox.transport())
    wiring = quick(transport=recorder)
    async with open_stage(settings, sandbox=sandbox, clock=clock, wiring=wiring) as stage:
        yield Observed(stage, recorder, log)


async def _live_a_whole_life(observed: Observed) -> None:
    """Every route, in good and in bad days."""
    stage, browser = observed.stage, observed.browser()
    await _log_in_badly(observed)
    assert error_of(await browser.log_in("ada")) is None
    await browser.log_in("ada", mode="popup")
    await _look_at_everything(stage, browser)
    await _ask_when_facebook_is_ill(stage, browser)
    await _be_deleted(observed, browser)


async def _log_in_badly(observed: Observed) -> None:
    stage, browser = observed.stage, observed.browser()
    callback = await browser.approach("ada")
    await observed.browser().http.get(callback)
    await browser.http.get(f"{callback}&code=twice")
    await browser.http.head(callback)
    await browser.http.get(callback.replace("/callback?", "/callback/?"))
    await browser.log_in("ada", reconnect="x")
    for preset in ("code_used", "blocked", "cut", "wrong_secret", "html_ok"):
        stage.sandbox.faults.preset(preset, endpoint="exchange", times=1)
        await browser.log_in("ada")
    stage.sandbox.faults.preset("token_bad", endpoint="me", times=1)
    await browser.log_in("ada")
    observed.recorder.explode = "debug_token"
    assert error_of(await browser.log_in("ada")) == "server_error"
    observed.recorder.explode = ""


async def _look_at_everything(stage: Stage, browser: Browser) -> None:
    listing = (await browser.accounts(refresh="true")).json()
    account, connection = listing["data"][0]["id"], listing["meta"]["connections"][0]["id"]
    (session, *_) = (await browser.get("/me/sessions")).json()["data"]
    known = {"account_id": account, "connection_id": connection, "session_id": session["id"]}
    ids = defaultdict(lambda: "unknown", known)
    for path, operations in stage.app.openapi()["paths"].items():
        if "get" in operations and not path.startswith("/auth/facebook"):
            await browser.get(path.format_map(ids), authorization=f"Bearer {METRICS_TOKEN}")
    await browser.get("/docs")
    await browser.get("/nowhere", accept="text/html")
    await browser.send("POST", f"/me/connections/{connection}/verify")
    await browser.send("POST", "/auth/logout", origin="https://evil.example")


async def _ask_when_facebook_is_ill(stage: Stage, browser: Browser) -> None:
    for preset in ("half_json", "blocked", "cut", "redirect", "throttled_user"):
        stage.sandbox.faults.preset(preset)
        await browser.accounts(refresh="true")
        stage.sandbox.faults.clear()


async def _be_deleted(observed: Observed, browser: Browser) -> None:
    config = observed.stage.sandbox.config
    for kind, person in (
        ("deauthorize", "ada"),
        ("data-deletion", "ben"),
        ("data-deletion", "ada"),
    ):
        user = observed.stage.sandbox.world.person(person).id
        claims = {"user_id": user, "algorithm": "HMAC-SHA256", "issued_at": 1_795_500_000}
        for tamper in ("signature", None):
            signed = signed_request(config.app_secret, claims, tamper)
            observed.secrets.add(signed)
            answer = await browser.http.post(
                f"{browser.base_url}/auth/facebook/{kind}", data={"signed_request": signed}
            )
        assert answer.status_code == 200
    await browser.get(httpx.URL(answer.json()["url"]).path)
    await browser.log_in("ada")
    connection = (await browser.connection())["id"]
    await browser.send("DELETE", f"/me/connections/{connection}")
    await browser.log_in("ada")
    await browser.send("DELETE", "/me")


def _leaks(haystack: str, canaries: set[str]) -> list[str]:
    return sorted(f"{each[:6]}…({len(each)})" for each in canaries if each in haystack)


async def _dump(stage: Stage) -> str:
    """Every byte of the SQLite files, or every row of every table."""
    database = stage.services.database
    if database.is_sqlite:
        path = Path(database.url.database or "")
        files = sorted(path.parent.glob(f"{path.name}*"))
        assert len(files) > 1
        return "".join(file.read_bytes().decode("latin-1") for file in files)
    tables = await observed_tables(stage)
    return repr([await stage.sql(f'SELECT * FROM "{table}"') for table in tables])  # noqa: S608


async def observed_tables(stage: Stage) -> list[str]:
    """Names of all tables of the database."""
    found = await stage.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return [name for (name,) in found]


async def test_nothing_secret_gets_out(observed: Observed) -> None:
    """A whole life of the service, and not one canary in log, database or reply."""
    await _live_a_whole_life(observed)
    log, dump = observed.log.getvalue(), await _dump(observed.stage)

    assert observed.recorder.names >= SECRET_NAMES - {"access_token"}
    assert len(observed.canaries) > 80
    assert '"level": "debug"' in log
    assert "login.crashed" in log
    assert _leaks(log, observed.canaries) == []
    assert _leaks(dump, observed.canaries) == []
    assert "EAA" not in log


async def test_nothing_secret_is_answered(observed: Observed) -> None:
    """Cookies stand in their own Set-Cookie and states in the dialog's address, nowhere else."""
    await _live_a_whole_life(observed)

    assert len(observed.replies) > 40
    for reply in observed.replies:
        to_dialog = "/dialog/oauth" in reply.headers.get("location", "")
        shown = [
            (name, value)
            for name, value in reply.headers.multi_items()
            if name != "set-cookie" and not (name == "location" and to_dialog)
        ]
        assert _leaks(f"{shown}{reply.text}", observed.canaries) == [], reply.url.path
        for header in reply.headers.get_list("set-cookie"):
            _, _, attributes = header.partition(";")
            assert _leaks(attributes, observed.canaries) == []


async def test_the_dialogs_address_holds_no_more_than_it_must(observed: Observed) -> None:
    """State and challenge, but neither verifier nor secret (security R-09)."""
    browser = observed.browser()
    started = await browser.start()
    await browser.http.get(await browser.consent(started.headers["location"]))

    forbidden = observed.canaries - set(query_of(started)["state"])
    assert _leaks(started.headers["location"], forbidden) == []


async def test_while_a_person_is_there(observed: Observed) -> None:
    """With the token stored and the session alive: sealed, hashed, bound."""
    assert error_of(await observed.browser().log_in("ada")) is None

    dump = await _dump(observed.stage)

    assert "v1.k1." in dump
    assert _leaks(dump, observed.canaries) == []


async def test_what_is_erased_leaves_no_trace(observed: Observed) -> None:
    """After `DELETE /me` neither id nor name is in the database's bytes (security R-54)."""
    browser = observed.browser()
    await browser.log_in("ada")
    ada = observed.stage.sandbox.world.person("ada")
    assert ada.name in await _dump(observed.stage)

    answer = await browser.send("DELETE", "/me")

    assert answer.status_code == 204
    dump = await _dump(observed.stage)
    for trace in (ada.id, ada.name, "invented.bakery", *ada.accounts, *ada.pages):
        assert trace not in dump


async def test_one_line_for_each_request(observed: Observed) -> None:
    """The path's template without its query, the request id, no raw control character (R-73)."""
    browser = observed.browser()
    await browser.log_in("ada")
    await browser.get("/me/instagram-accounts/17841400000000000?x=%0d%0a%1b[31m", x_request_id="r1")

    lines = [json.loads(line) for line in observed.log.getvalue().splitlines()]

    requests = [line for line in lines if line["event"] == "request"]
    assert requests[-1]["route"] == "/me/instagram-accounts/{account_id}"
    assert requests[-1]["request_id"] == "r1"
    assert all("?" not in line["route"] for line in requests)
    assert "\x1b" not in observed.log.getvalue()
    assert [line for line in lines if line["event"] == "login.completed"]
