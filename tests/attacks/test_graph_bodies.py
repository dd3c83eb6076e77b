"""Whatever Facebook answers: a contract status, a living process, bounded memory (§3, §6, §8).

A real `igauth serve` reads the bytes from a real socket; F-05, F-06, F-07 and F-20 of security.md.
"""

import json
import re
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import httpx
import pytest

from igauth.sandbox.app import Sandbox, SandboxConfig
from tests.attacks.hostile_facebook import (
    MISLEADING,
    UNREADABLE,
    HostileFacebook,
    answer,
    bomb,
    serving,
    with_field,
)
from tests.attacks.processes import KEY, PATIENCE_SECONDS, Process, running
from tests.browser.service import free_port
from tests.stage import FRONTEND, Browser, error_of

READS = ["me", "debug_token", "upgrade"]
LISTING = ["accounts", "businesses", "batch"]
HOSTILE_TEXTS: list[Any] = [
    "<script>alert(1)</script>",
    "</script><img src=x onerror=alert(1)>",
    "\u202etxt.exe",
    "line\u2028separator\u2029",
    "nul\u0000inside",
    "\ud800",
    "\udfff\ud800",
    "a" * 1_000_000,
    "\u0041" + "\u0300" * 100_000,
    "\U0001f468\u200d" * 10_000,
    "",
    None,
    5,
    1e308,
    [],
    {},
    True,
]
HOSTILE_PICTURES: list[Any] = [
    "javascript:alert(1)",
    "JAVASCRIPT:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "http://insecure.example.test/a.jpg",
    "//evil.example/a.jpg",
    "/me",
    "https:evil.example/a.jpg",
    "https:///evil.example/a.jpg",
    "https://x.example.test/\u2028.jpg",
    "https://x.example.test/\u2029?a=\u0085",
    "https://x.example.test/\u5e97/\u00fc.jpg?\U0001f600",
    "https://x.example.test/a b.jpg",
    "https://x.example.test/a\r\nSet-Cookie: a=b",
    "https://x.example.test/a\u0000",
    "https://x.example.test/\ud800",
    "https://b\u00fccher.example/a.jpg",
    "https://[::1",
    "https://x.example.test:99999/",
    "https://user:password@x.example.test/a.jpg",
    "https://x.example.test/" + "a" * 100_000,
    "https://",
    "",
    None,
    7,
    [],
    {},
]


@pytest.fixture(scope="module")
async def facebook() -> AsyncGenerator[HostileFacebook]:
    """Facebook, as bad as it is told to be."""

    def make(url: str) -> Sandbox:
        return Sandbox(SandboxConfig(public_url=url))

    async with serving(make) as opened:
        yield opened


@pytest.fixture(scope="module")
async def service(
    facebook: HostileFacebook, tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> AsyncGenerator[Process]:
    """One real process for all that is tried here; it must survive to the end."""
    folder, port, config = tmp_path_factory.mktemp("bodies"), free_port(), SandboxConfig()
    shutil.copy(sqlite_template, folder / "igauth.db")
    with running(
        folder,
        port,
        *("igauth", "serve"),
        BASE_URL=f"http://localhost:{port}",
        FRONTEND_URL=f"{FRONTEND}/",
        FACEBOOK_CLIENT_ID=config.app_id,
        FACEBOOK_CLIENT_SECRET=config.app_secret,
        FACEBOOK_GRAPH_URL=facebook.url,
        FACEBOOK_DIALOG_URL=facebook.url,
        ALLOW_FAKE_FACEBOOK="true",
        DATABASE_URL=f"sqlite:///{folder}/igauth.db",
        KEYS=KEY,
        LOG_LEVEL="DEBUG",
        ACCOUNTS_MAX_AGE="0",
        RATE_LIMIT_LOGIN="100000/minute",
        RATE_LIMIT_REFRESH="100000/minute",
    ) as process:
        yield process
        process.assert_alive()


@pytest.fixture
async def browser(service: Process, facebook: HostileFacebook) -> AsyncGenerator[Browser]:
    """A person's browser before an honest Facebook."""
    facebook.behave()
    async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE_SECONDS) as http:
        yield Browser(http, service.origin)
    facebook.behave()


async def _arrive(browser: Browser, person: str) -> None:
    """A good login, and its first listing, which no later request may join any more."""
    assert error_of(await browser.log_in(person)) is None
    assert (await browser.accounts()).status_code == 200


async def _log_in_badly(
    browser: Browser, facebook: HostileFacebook, endpoint: str, raw: bytes, times: int | None
) -> str | None:
    """How a login ends when this endpoint answers so; None for success."""
    facebook.behave()
    callback = await browser.approach("ada")
    facebook.lie(endpoint, raw, times=times)
    ended = await browser.http.get(callback)
    assert facebook.struck
    return error_of(ended)


@pytest.mark.parametrize("name", UNREADABLE)
async def test_an_unreadable_exchange(
    service: Process, browser: Browser, facebook: HostileFacebook, name: str
) -> None:
    """`facebook_unavailable`, the code sent once, no session; everybody else is served (§3)."""
    ended = await _log_in_badly(browser, facebook, "exchange", UNREADABLE[name], None)

    assert ended == "facebook_unavailable"
    assert facebook.struck == 1
    assert await browser.user() is None
    assert service.healthy()


@pytest.mark.parametrize("name", MISLEADING)
async def test_a_misleading_exchange(
    service: Process, browser: Browser, facebook: HostileFacebook, name: str
) -> None:
    """A code of the table, never `server_error`, and no session out of nothing."""
    ended = await _log_in_badly(browser, facebook, "exchange", MISLEADING[name], None)

    assert ended in {"facebook_unavailable", "facebook_error", "token_not_ours"}
    assert facebook.struck == 1
    assert await browser.user() is None
    assert service.healthy()


@pytest.mark.parametrize("endpoint", READS)
async def test_any_nonsense_in_a_logins_reads(
    service: Process, browser: Browser, facebook: HostileFacebook, endpoint: str
) -> None:
    """After the exchange: the login is saved by another try, or ends by the table (§3, §8)."""
    for name, raw in (UNREADABLE | MISLEADING).items():
        ended = await _log_in_badly(browser, facebook, endpoint, raw, 1)
        assert ended in {
            None,
            "facebook_unavailable",
            "facebook_error",
            "token_not_ours",
            "service_misconfigured",
        }, (name, ended)
        if endpoint == "upgrade":
            assert ended is None, (name, ended)
        assert service.healthy(), name
    service.assert_alive()


@pytest.mark.parametrize("endpoint", LISTING)
async def test_any_nonsense_in_a_listing(
    service: Process, browser: Browser, facebook: HostileFacebook, endpoint: str
) -> None:
    """200, or one of the statuses of §5; well-formed, and the process lives."""
    await _arrive(browser, "dora")
    for name, raw in (UNREADABLE | MISLEADING).items():
        facebook.lie(endpoint, raw)
        found = await browser.accounts(refresh="true")
        assert found.status_code in {200, 403, 409, 502, 503, 504}, (name, found.text)
        assert isinstance(found.json(), dict)
        assert len(found.content) < 5_000_000
        assert service.healthy(), name
    facebook.behave()
    assert (await browser.user() or {})["name"]


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=lambda text: ascii(text)[:30])
async def test_a_hostile_name(
    service: Process, browser: Browser, facebook: HostileFacebook, text: Any
) -> None:
    """Names, biographies, handles of any content and type: clean, capped, or null (F-20)."""
    await _arrive(browser, "ada")
    facebook.rewrite(
        lambda body: with_field("biography", text)(
            with_field("username", text)(with_field("name", text)(body))
        )
    )

    again = error_of(await browser.log_in("ada"))
    found = await browser.accounts(refresh="true")

    assert again in {None, "facebook_unavailable", "facebook_error"}
    assert found.status_code == 200, found.text
    assert found.headers["content-type"] == "application/json"
    assert not re.search(rb"\\ud[89a-f]|\\u0000", found.content)
    assert len(found.content) < 500_000
    assert json.loads(found.content)["data"]
    assert service.healthy()


@pytest.mark.parametrize("link", HOSTILE_PICTURES, ids=lambda link: ascii(link)[:40])
async def test_a_hostile_picture_link(
    service: Process, browser: Browser, facebook: HostileFacebook, link: Any
) -> None:
    """Never a 500, never a header torn in two, never anything but https (S10, B13)."""
    await _arrive(browser, "ada")
    facebook.rewrite(with_field("profile_picture_url", link))

    listing = await browser.accounts(refresh="true")

    assert listing.status_code == 200
    assert listing.json()["data"]
    for account in listing.json()["data"]:
        shown = account["profile_picture_url"]
        assert shown is None or shown.startswith("https://")
        picture = await browser.get(f"/me/instagram-accounts/{account['id']}/picture")
        assert picture.status_code in {200, 302, 404}
        location = picture.headers.get("location", "https://")
        assert re.fullmatch(r"https://[\x21-\x7e]*", location)
        assert "set-cookie" not in picture.headers
    assert service.healthy()


async def test_bombs_leave_memory_alone(
    service: Process, browser: Browser, facebook: HostileFacebook
) -> None:
    """Ten gzip bombs of 300 MB each: the process's highest mark hardly moves (F-05)."""
    raw = answer(bomb(300), "Content-Encoding: gzip")
    await browser.log_in("ada")
    before = _highest_megabytes(service)

    for _ in range(10):
        assert await _log_in_badly(browser, facebook, "exchange", raw, None) is not None

    assert _highest_megabytes(service) - before < 60


def _highest_megabytes(service: Process) -> float:
    status = Path(f"/proc/{service.popen.pid}/status").read_text()
    highest = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert highest
    return int(highest[1]) / 1_000


async def test_a_foreign_next_page_is_not_visited(
    service: Process, browser: Browser, facebook: HostileFacebook
) -> None:
    """`paging.next` elsewhere, or back here: the walk ends, and nobody is asked (§6, R-19)."""
    visits: list[str] = []
    targets: list[Any] = ["https://evil.example/x", f"{service.origin}/me", "file:///etc/passwd", 5]
    await _arrive(browser, "fay")
    for target in targets:
        facebook.rewrite(with_field("next", target))
        found = await browser.accounts(refresh="true")
        visits.append(found.text)
        assert found.status_code == 200

    assert "evil.example" not in service.output() + "".join(visits)
    assert "file:///etc/passwd" not in service.output() + "".join(visits)
