"""Where a login may end (contract §3; the corpus is in the spirit of oauth2-proxy's, P-16)."""

import shutil
from collections.abc import AsyncGenerator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from tests.stage import (
    BASE_URL,
    FRONTEND,
    Browser,
    Stage,
    error_of,
    make_settings,
    open_stage,
    replica,
)

OTHER = "https://app.example.test"

GOOD = [
    f"{FRONTEND}",
    f"{FRONTEND}/",
    f"{FRONTEND}/deep/path?tab=1&tab=2#part",
    f"{FRONTEND}/?next=https%3A%2F%2Fevil.example%2F",
    f"{FRONTEND}?a=b",
    f"{FRONTEND}#/route?x=1",
    f"{FRONTEND}/a%20b?q=%C3%BC",
    f"{FRONTEND}/?empty=&flag",
    f"{FRONTEND}/@evil.example",
    f"{FRONTEND}/#@evil.example",
    f"{FRONTEND}/?@evil.example",
    f"{FRONTEND}//evil.example",
    f"{FRONTEND}/..//evil.example",
    f"{FRONTEND}/?my_error=1&errors=2",
    f"{FRONTEND}/#error=not-in-the-query",
    "HTTP://LOCALHOST:5173/Upper",
    f"{BASE_URL}/",
    f"{BASE_URL}/app?x=1",
    OTHER,
    f"{OTHER}/",
    f"{OTHER}:443/with-port",
    f"{OTHER}/path;v=1?x=y;z",
]

PATHS = [
    "/",
    "/settings",
    "/settings?tab=social#top",
    "/a//b",
    "/a\\b",
    "/.//evil.example",
    "/?next=//evil.example",
    "/#//evil.example",
    "/@evil.example",
    "/a%2f%2fevil.example",
    "/:80",
]

HOSTILE = [
    "",
    " ",
    "settings",
    "./settings",
    "../settings",
    "?x=1",
    "#x",
    "\\",
    "//evil.example",
    "//evil.example/",
    "///evil.example",
    "////evil.example",
    "//localhost:5173/",
    "/\\evil.example",
    "/\\/evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "/%2fevil.example",
    "/%2Fevil.example",
    "/%5cevil.example",
    "/%5Cevil.example",
    "/%09/evil.example",
    "/%00",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\nSet-Cookie: a=b",
    "/\x00evil",
    "/\x1f/evil.example",
    "/\x7f/evil.example",
    " //evil.example",
    "\t//evil.example",
    " /settings",
    "http:evil.example",
    "http:/evil.example",
    "http:///evil.example",
    "https:evil.example",
    "http:localhost:5173/",
    "http:/localhost:5173/",
    "http:///localhost:5173/",
    "http:\\\\localhost:5173\\",
    "http://localhost:5173\\@evil.example/",
    "http://localhost:5173\\.evil.example/",
    "http://evil.example",
    "https://evil.example/",
    "http://evil.example#http://localhost:5173",
    "http://evil.example?http://localhost:5173",
    "http://evil.example/http://localhost:5173",
    "http://evil.example\\@localhost:5173/",
    "http://localhost:5173@evil.example/",
    "http://localhost:5173:80@evil.example/",
    "http://user@localhost:5173/",
    "http://user:password@localhost:5173/",
    "http://@localhost:5173/",
    "http://localhost:5173.evil.example/",
    "http://localhost.evil.example:5173/",
    "http://evil-localhost:5173/",
    "http://localhost:51730/",
    "http://localhost:517/",
    "http://localhost/",
    "http://localhost:99999/",
    "http://localhost:port/",
    "https://localhost:5173/",
    "http://127.0.0.1:5173/",
    "http://[::1]:5173/",
    "http://[::1/",
    "http://0x7f000001:5173/",
    "http://localhost.:5173/",
    "http://LOCALHOST\u3002evil.example:5173/",
    "http://l\u043ecalhost:5173/",
    "http://\uff4cocalhost:5173/",
    "http://localhost\u0000:5173/",
    "http://localhost:5173\u2028.evil.example/",
    "http://localhost%3a5173/",
    "http://localhost:5173%2eevil.example/",
    "http://local\thost:5173/",
    "http://localhost:5173\n/",
    "ht\ttp://localhost:5173/",
    "http ://localhost:5173/",
    "https://evil.app.example.test/",
    "https://app.example.test.evil.example/",
    "https://app.example.test:444/",
    "http://app.example.test/",
    "https://app.example.test%00.evil.example/",
    "https://appXexample.test/",
    "https://*.example.test/",
    "javascript:alert(1)",
    "javascript://localhost:5173/%0aalert(1)",
    "JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "file:///etc/passwd",
    "ftp://localhost:5173/",
    "ws://localhost:5173/",
    "blob:http://localhost:5173/x",
    "view-source:http://localhost:5173/",
    "about:blank",
    "null",
    "*",
    f"{FRONTEND}/?error=mine",
    f"{FRONTEND}/?x=1&error_description=mine",
    f"{FRONTEND}/?request_id=mine",
    f"{FRONTEND}/?error",
    f"{FRONTEND}/?%65rror=mine",
    "/?error=mine",
    "/path?request%5Fid=mine#x",
    f"{FRONTEND}/{'a' * 10_000}",
]


@pytest.fixture(scope="module")
async def stage(
    tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> AsyncGenerator[Stage]:
    """One service with two allowed origins for all: no database has a say in this."""
    path = tmp_path_factory.mktemp("return_to") / "igauth.db"
    shutil.copy(sqlite_template, path)
    settings = make_settings(
        f"sqlite+aiosqlite:///{path}",
        allowed_origins=(FRONTEND, OTHER),
        rate_limit_login="10000/minute",
    )
    async with open_stage(settings) as opened:
        yield opened


def test_the_corpus_is_large() -> None:
    """At least sixty lines, none twice."""
    assert len(set(HOSTILE)) == len(HOSTILE) >= 60


@pytest.mark.parametrize("address", HOSTILE)
async def test_a_hostile_address_is_refused(browser: Browser, address: str) -> None:
    """400 `return_to_not_allowed`, before any cookie or redirect."""
    answer = await browser.get(f"/auth/facebook?{urlencode({'return_to': address})}")

    assert answer.status_code == 400
    assert answer.json()["code"] == "return_to_not_allowed"
    assert "location" not in answer.headers
    assert "set-cookie" not in answer.headers


async def _end(browser: Browser, address: str, decision: str = "cancel") -> str:
    callback = await browser.approach("ada", decision=decision, return_to=address)
    location: str = (await browser.http.get(callback)).headers["location"]
    return location


@pytest.mark.parametrize("address", GOOD)
async def test_a_good_address_takes_the_failure(browser: Browser, address: str) -> None:
    """Error parameters are added before any fragment; all else stays byte for byte."""
    location = await _end(browser, address)

    base, mark, fragment = address.partition("#")
    assert location.startswith(base)
    assert location.endswith(mark + fragment)
    added = location[len(base) : len(location) - len(mark + fragment)]
    assert added[0] in "?&" if not base.endswith(("?", "&")) else added
    assert list(parse_qs(added.lstrip("?&"))) == ["error", "error_description", "request_id"]
    assert parse_qs(urlsplit(location).query)["error"] == ["access_denied"]


@pytest.mark.parametrize("address", GOOD[:6] + GOOD[-6:])
async def test_success_ends_there_unchanged(browser: Browser, address: str) -> None:
    """303 to exactly what was asked for."""
    assert await _end(browser, address, "continue") == address


@pytest.mark.parametrize("path", PATHS)
async def test_a_path_is_the_front_ends(browser: Browser, path: str) -> None:
    """Resolved on FRONTEND_URL, and can't leave it."""
    location = await _end(browser, path)

    parts = urlsplit(location)
    assert f"{parts.scheme}://{parts.netloc}" == FRONTEND
    assert location.startswith(FRONTEND + path.partition("#")[0].replace("\\", "%5C"))


async def test_other_letters_arrive_escaped(browser: Browser) -> None:
    """A Location is ASCII: what isn't is percent-encoded, once."""
    location = await _end(browser, "/grüße/%C3%BC?q=ß", "continue")

    assert location == f"{FRONTEND}/gr%C3%BC%C3%9Fe/%C3%BC?q=%C3%9F"


async def test_an_address_fits_into_a_cookie(browser: Browser) -> None:
    """What would make a cookie that browsers drop (4096 bytes) is refused at the start."""
    for address in ("/" + "a" * 1_990, "/" + "".join(chr(0x4E00 + 7 * n) for n in range(1_500))):
        answer = await browser.get(f"/auth/facebook?{urlencode({'return_to': address})}")
        cookie = answer.headers.get("set-cookie", "").partition(";")[0]
        assert answer.status_code in (302, 400)
        assert len(cookie) <= 4_096


async def test_no_address_means_the_front_end(stage: Stage, browser: Browser) -> None:
    """FRONTEND_URL itself."""
    callback = await browser.approach("ada")

    assert (await browser.http.get(callback)).headers["location"] == stage.settings.frontend_url


async def test_it_is_checked_again_at_use(stage: Stage, browser: Browser) -> None:
    """An origin that is no longer allowed ends at FRONTEND_URL (security R-16)."""
    callback = await browser.approach("ada", return_to=f"{OTHER}/secret")
    async with replica(stage, allowed_origins=(FRONTEND,)) as stricter:
        elsewhere = stricter.browser()
        elsewhere.take_jar_of(browser)

        ended = await elsewhere.http.get(callback)

    assert error_of(ended) is None
    assert ended.headers["location"] == f"{FRONTEND}/"


async def test_an_untrusted_arrival_goes_to_the_front_end(browser: Browser) -> None:
    """Without a recognised attempt nothing of the request chooses the target (P-23)."""
    ended = await browser.get(
        f"/auth/facebook/callback?state=x&code=y&return_to={OTHER}", referer=OTHER
    )

    assert ended.headers["location"].startswith(f"{FRONTEND}/?error=state_mismatch&")


async def test_a_front_end_with_query_and_fragment(stage: Stage) -> None:
    """FRONTEND_URL's own query and fragment are kept around the error."""
    async with replica(stage, frontend_url=f"{FRONTEND}/app?v=2#/home") as other:
        ended = await other.browser().get("/auth/facebook/callback")

    assert ended.headers["location"].startswith(f"{FRONTEND}/app?v=2&error=state_missing&")
    assert ended.headers["location"].endswith("#/home")
