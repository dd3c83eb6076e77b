"""Other people's things, and ids that are none (contract §5; R-20, R-44, S11).

The routes are read from the OpenAPI document, so that one that is added later is tried as well.
"""

import re
from collections.abc import AsyncGenerator
from itertools import product
from typing import Any

import httpx
import pytest

from tests.stage import FRONTEND, Browser, Stage, make_settings, open_stage

ODD = [
    "x",
    "0",
    "-1",
    "1e9",
    "None",
    "undefined",
    "a%00b",
    "%00",
    "%0a",
    "%ff%fe",
    "%ed%a0%80",
    "%F0%9F%98%80",
    "..%2f..%2fme",
    "%2e%2e",
    "'%20OR%20'1'='1",
    "1;DROP%20TABLE%20people",
    "%25",
    "%7B%7D",
    "%24ne",
    "*",
    "9" * 400,
    "a" * 8_000,
    "00000000-0000-0000-0000-000000000000",
    "٣",
]


@pytest.fixture
async def stage(database_url: str) -> AsyncGenerator[Stage]:
    """A service on either engine, since each has its own idea of a text."""
    settings = make_settings(database_url, rate_limit_refresh="100000/minute")
    async with open_stage(settings) as opened:
        yield opened


async def _operations(stage: Stage) -> list[tuple[str, str]]:
    """Method and template of every operation of a person's own data that names something."""
    document: dict[str, Any] = (await stage.browser().get("/openapi.json")).json()
    found = [
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if path.startswith("/me/") and "{" in path
    ]
    assert len(found) >= 6
    return found


async def _things(browser: Browser) -> dict[str, list[str]]:
    """The ids of everything that this person has, by the name of the path parameter."""
    listing = (await browser.accounts()).json()
    sessions = (await browser.get("/me/sessions")).json()
    connections = (await browser.get("/me/connections")).json()
    return {
        "account_id": [each["id"] for each in listing["data"]],
        "session_id": [each["id"] for each in sessions["data"]],
        "connection_id": [each["id"] for each in connections["data"]],
    }


async def _ask(browser: Browser, method: str, path: str) -> httpx.Response:
    return await browser.http.request(method, browser.base_url + path, headers={"origin": FRONTEND})


async def test_nobody_reaches_anothers_things(stage: Stage) -> None:
    """404 for every id of another person's, on every route and by every method (R-44)."""
    ada, ben = stage.browser(), stage.browser()
    await ada.log_in("ada")
    await ben.log_in("cleo")
    adas = await _things(ada)
    everything = [each for ids in adas.values() for each in ids]

    for method, template in await _operations(stage):
        for thing in everything:
            answer = await _ask(ben, method, re.sub(r"\{\w+\}", thing, template))
            assert answer.status_code == 404, (method, template)
            assert answer.json()["code"] == "not_found"
            assert thing not in answer.text

    assert await _things(ada) == adas
    assert await ada.user() is not None


async def test_a_stranger_reaches_nothing(stage: Stage) -> None:
    """401 without a session, whether the thing exists or not: nothing is told (R-44)."""
    ada, stranger = stage.browser(), stage.browser()
    await ada.log_in("ada")
    adas = await _things(ada)
    things = [*(each for ids in adas.values() for each in ids), "x"]

    for method, template in await _operations(stage):
        statuses = {
            (await _ask(stranger, method, re.sub(r"\{\w+\}", thing, template))).status_code
            for thing in things
        }
        assert statuses == {401}, (method, template)
    assert await _things(ada) == adas


async def test_odd_ids_are_just_not_found(stage: Stage) -> None:
    """404, on both engines: no 5xx, no `database_unavailable`, nothing done (S11)."""
    ada = stage.browser()
    await ada.log_in("ada")
    before = await _things(ada)

    for (method, template), odd in product(await _operations(stage), ODD):
        answer = await _ask(ada, method, re.sub(r"\{\w+\}", odd, template))
        assert answer.status_code in {404, 405}, (method, template, odd[:40])
        assert answer.headers["content-type"] == "application/problem+json"

    assert await _things(ada) == before


@pytest.mark.parametrize("odd", ["a%00b", "%00", "%ff", "%ed%a0%80", "a%0d%0ab", "%F0%9F%98%80"])
async def test_odd_values_in_a_query_are_no_outage(stage: Stage, odd: str) -> None:
    """Every parameter, with NUL, half a surrogate, a line break: never a 5xx (S11)."""
    ada = stage.browser()
    await ada.log_in("ada")
    for target in (
        f"/auth/facebook?reconnect={odd}",
        f"/auth/facebook?return_to=/{odd}",
        f"/auth/facebook?mode={odd}",
        f"/auth/facebook?prompt={odd}",
        f"/auth/facebook?link={odd}",
        f"/auth/facebook/callback?state={odd}",
        f"/auth/facebook/callback?state=x&code={odd}",
        f"/auth/facebook/callback?error={odd}&error_code={odd}",
        f"/auth/facebook/data-deletion/{odd}",
        f"/me/instagram-accounts?refresh={odd}",
        f"/me/instagram-accounts?{odd}={odd}",
        f"/{odd}",
    ):
        answer = await ada.get(target)
        assert answer.status_code < 500, target
    assert await ada.user() is not None


async def test_odd_texts_of_a_browser_are_kept_clean(stage: Stage) -> None:
    """A user agent with controls, invalid bytes or of 60 kB neither ends a login nor lies raw."""
    for agent in (b"\xff\xfe\xed\xa0\x80", b"a\x7fb\x9f", b"x" * 60_000, b"\t", b""):
        browser = stage.browser()
        callback = await browser.approach("ada")
        ended = await browser.http.get(callback, headers=[(b"user-agent", agent)])
        assert ended.status_code == 303
        (*_, newest) = (await browser.get("/me/sessions")).json()["data"]
        shown = newest["user_agent"] or ""
        assert len(shown) <= 1_000
        assert not re.search(r"[\x00-\x1f\x7f-\x9f]", shown)


@pytest.mark.parametrize(
    "query",
    [
        "?user_id=10200000000000001",
        "?person=ada&as=ada",
        "?session=x&igauth_session=x",
        "?access_token=EAAx",
        "?id=1&id=2",
    ],
)
async def test_no_identity_comes_from_a_url(stage: Stage, query: str) -> None:
    """Whose data is shown is decided by the cookie alone (R-20)."""
    ben = stage.browser()
    await ben.log_in("ben")
    name = (await ben.user() or {})["name"]

    assert (await ben.get(f"/me{query}")).json()["name"] == name
    assert (await stage.browser().get(f"/me{query}")).status_code == 401
