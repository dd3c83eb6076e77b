"""Either door may be the only one (contract §2, §10)."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.stage import Browser, Stage, error_of, instagram_pair, make_settings, open_stage

NO_FACEBOOK: dict[str, Any] = {"facebook_client_id": None, "facebook_client_secret": None}


@pytest.fixture
async def instagram_only(database_url: str) -> AsyncGenerator[Stage]:
    """A deployment without Facebook's pair."""
    settings = make_settings(database_url, **NO_FACEBOOK, **instagram_pair())
    async with open_stage(settings) as opened:
        yield opened


async def test_instagram_alone_logs_in_lists_and_keeps(instagram_only: Stage) -> None:
    """Login, list, verify, keeper, logout, erasure: no Facebook setting is needed."""
    browser = instagram_only.browser()
    assert error_of(await browser.connect("studio")) is None
    listing = (await browser.accounts(refresh="true")).json()
    connection = await browser.connection()
    verified = await browser.send("POST", f"/me/connections/{connection['id']}/verify")
    instagram_only.clock.advance(days=2)
    swept = await instagram_only.services.keeper.renew(everything=True)
    ended = await browser.send("DELETE", "/me")

    assert [each["username"] for each in listing["data"]] == ["studio.invented"]
    assert (verified.status_code, swept.checked, ended.status_code) == (200, 1, 204)
    assert not {"exchange", "debug_token", "me", "accounts"} & set(instagram_only.calls)


async def test_instagram_alone_sends_people_its_way(instagram_only: Stage) -> None:
    """`login_urls`, and the action of a 401."""
    browser = instagram_only.browser()
    session = (await browser.get("/auth/session")).json()
    refused = await browser.get("/me")

    assert session["login_urls"] == {"instagram": "http://localhost:8000/auth/instagram"}
    assert session["login_url"] == "http://localhost:8000/auth/instagram"
    assert refused.json()["action"]["url"] == "http://localhost:8000/auth/instagram"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/auth/facebook"),
        ("GET", "/auth/facebook/callback"),
        ("POST", "/auth/facebook/deauthorize"),
        ("POST", "/auth/facebook/data-deletion"),
    ],
)
async def test_a_closed_facebook_door_answers_404(
    instagram_only: Stage, method: str, path: str
) -> None:
    """But for the deletion status page, which both doors share."""
    browser = instagram_only.browser()
    answer = await browser.http.request(method, browser.base_url + path)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_the_status_page_is_there_without_facebook(instagram_only: Stage) -> None:
    """A code that nobody gave is 404 by the page itself; a given one is shown."""
    browser = instagram_only.browser()
    unknown = await browser.get(f"/auth/facebook/data-deletion/{'a' * 22}")
    document = (await browser.get("/openapi.json")).json()

    assert "deletion request" in unknown.json()["detail"]
    assert [path for path in document["paths"] if "/auth/facebook" in path] == [
        "/auth/facebook/data-deletion/{code}"
    ]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/auth/instagram"),
        ("GET", "/auth/instagram/callback"),
        ("POST", "/auth/instagram/deauthorize"),
        ("POST", "/auth/instagram/data-deletion"),
    ],
)
async def test_facebook_alone_has_no_second_door(
    stage: Stage, browser: Browser, method: str, path: str
) -> None:
    """Its routes answer 404."""
    answer = await browser.http.request(method, browser.base_url + path)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_facebook_alone_shows_no_trace_of_it(stage: Stage, browser: Browser) -> None:
    """Neither in the document nor in the session's addresses."""
    session = (await browser.get("/auth/session")).json()
    document = (await browser.get("/openapi.json")).json()

    assert session["login_urls"] == {"facebook": "http://localhost:8000/auth/facebook"}
    assert not [path for path in document["paths"] if "/auth/instagram" in path]
