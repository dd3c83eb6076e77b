"""Redirects: who may be sent into a login, from where, and what a `Location` can hold (§3)."""

import pytest

from igauth.api.redirects import redirect
from tests.stage import FRONTEND, SECURE_URL, Browser, Stage, make_settings, open_stage, query_of


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """No database has a say in this."""
    return sqlite_url


# --- a Location is ASCII (defects S10, B13) ---


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("https://cdn.example/a?b=c&d=%2F;e#f", "https://cdn.example/a?b=c&d=%2F;e#f"),
        ("https://cdn.example/\u2028", "https://cdn.example/%E2%80%A8"),
        ("https://cdn.example/é.jpg", "https://cdn.example/%C3%A9.jpg"),
        ("https://cdn.example/\U0001f36a", "https://cdn.example/%F0%9F%8D%AA"),
        ("https://cdn.example/a b", "https://cdn.example/a%20b"),
        ("https://cdn.example/\r\nSet-Cookie: a=b", "https://cdn.example/%0D%0ASet-Cookie:%20a=b"),
        ("https://cdn.example/\x00\x7f\x85\xa0", "https://cdn.example/%00%7F%C2%85%C2%A0"),
        ("https://cdn.example\\@evil.example", "https://cdn.example%5C@evil.example"),
        ("https://cdn.example/\ud800", "https://cdn.example/?"),
    ],
)
def test_any_url_can_stand_in_a_location(url: str, location: str) -> None:
    """Percent-encoded where it isn't printable ASCII; what is encoded already stays so."""
    assert redirect(302, url).headers["location"] == location


@pytest.mark.parametrize("letter", ["\u2028", "é", "漢", "\U0001f36a"])
async def test_a_picture_link_of_any_letters(stage: Stage, browser: Browser, letter: str) -> None:
    """A link with letters outside Latin-1 is a 302 and no crash (defects S10, B13)."""
    ada = stage.sandbox.world.person("ada")
    account = next(iter(ada.accounts.values()))
    ada.change_account(account.id, picture_url=f"https://cdn.example.test/{letter}.jpg")
    await browser.log_in("ada")
    assert (await browser.accounts()).status_code == 200

    answer = await browser.get(f"/me/instagram-accounts/{account.id}/picture")

    assert answer.status_code == 302
    assert answer.headers["location"].isascii()
    assert answer.headers["location"].startswith("https://cdn.example.test/")


# --- a login is a navigation ---


@pytest.mark.parametrize(
    ("destination", "mode", "status"),
    [
        (None, None, 302),
        (None, "cors", 302),
        ("document", None, 302),
        ("document", "navigate", 302),
        ("document", "cors", 302),
        ("empty", "navigate", 302),
        ("empty", None, 403),
        ("empty", "cors", 403),
        ("empty", "no-cors", 403),
        ("empty", "same-origin", 403),
        ("iframe", "navigate", 403),
        ("frame", "navigate", 403),
        ("embed", "navigate", 403),
        ("object", "navigate", 403),
        ("image", "no-cors", 403),
        ("script", None, 403),
        ("", "navigate", 403),
        ("Document", "navigate", 403),
        ("document, iframe", "navigate", 403),
    ],
)
async def test_who_may_begin_a_login(
    browser: Browser, destination: str | None, mode: str | None, status: int
) -> None:
    """`document`, no such header, or a service worker's `empty` with `navigate` (R-21)."""
    sent = {"sec_fetch_dest": destination, "sec_fetch_mode": mode}

    answer = await browser.get("/auth/facebook", **{k: v for k, v in sent.items() if v is not None})

    assert answer.status_code == status
    assert ("set-cookie" in answer.headers) is (status == 302)
    if status == 403:
        assert answer.json()["code"] == "not_a_navigation"


async def test_a_look_at_the_callback_spends_nothing(stage: Stage, browser: Browser) -> None:
    """HEAD is 405; the login can still end (security R-42)."""
    callback = await browser.approach("ada")

    head = await browser.http.head(callback)

    assert (head.status_code, head.headers["allow"]) == (405, "GET")
    assert stage.graph_calls == []
    assert (await browser.http.get(callback)).headers["location"] == f"{FRONTEND}/"


# --- one name of this machine ---

ELSEWHERE = [
    "127.0.0.1:8000",
    "127.0.0.1",
    "127.1.2.3:9999",
    "[::1]:8000",
    "[::1]",
    "app.localhost:8000",
    "LocalHost.:8000",
]
HERE = [
    "localhost:8000",
    "LOCALHOST:8000",
    "localhost",
    "localhost:9999",
    "igauth.example.test",
    "192.0.2.1:8000",
    "",
    "[::1",
    "[x]:8000",
    "127.0.0.1:8000/..",
    "127.0.0.1@evil.example",
    "user@127.0.0.1",
    "localhost.evil.example",
    "::1",
    "127.0.0.1:port",
    "é",
]


@pytest.mark.parametrize("host", ELSEWHERE)
async def test_another_name_of_this_machine_leads_home(browser: Browser, host: str) -> None:
    """307 to the same address at BASE_URL: a cookie of 127.0.0.1 never reaches localhost."""
    query = "?return_to=%2Fa%3Fb%3Dc%26d&mode=popup&x=%C3%A9"

    answer = await browser.get(f"/auth/facebook{query}", host=host)

    assert answer.status_code == 307
    assert answer.headers["location"] == f"http://localhost:8000/auth/facebook{query}"
    assert "set-cookie" not in answer.headers
    assert (await browser.http.get(answer.headers["location"])).status_code == 302


@pytest.mark.parametrize("host", HERE)
async def test_any_other_host_is_served(browser: Browser, host: str) -> None:
    """The own name at whatever port, and names that aren't of this machine."""
    sent = [(b"host", host.encode("latin-1"))]

    answer = await browser.http.get(f"{browser.base_url}/auth/facebook", headers=sent)

    assert answer.status_code == 302
    assert query_of(answer)["redirect_uri"] == ["http://localhost:8000/auth/facebook/callback"]


async def test_only_a_loopback_service_leads_home(database_url: str) -> None:
    """Where BASE_URL is public, a Host header changes nothing."""
    async with open_stage(make_settings(database_url, base_url=SECURE_URL)) as stage:
        answer = await stage.browser().get("/auth/facebook", host="127.0.0.1:8000")

    assert answer.status_code == 302


async def test_leading_home_counts_for_no_limit(database_url: str) -> None:
    """The login start counts once, where it happens."""
    async with open_stage(make_settings(database_url, rate_limit_login="1/hour")) as stage:
        browser = stage.browser()
        statuses = [
            (await browser.get("/auth/facebook", host="127.0.0.1:8000")).status_code
            for _ in range(3)
        ]

        assert statuses == [307] * 3
        assert (await browser.start()).status_code == 302


async def test_a_log_out_without_a_session_takes_no_cookie_away(browser: Browser) -> None:
    """A foreign form carries no Lax cookie: its answer must not log the person out either."""
    answer = await browser.http.post(
        f"{browser.base_url}/auth/logout", headers={"origin": "https://evil.example"}
    )

    assert answer.status_code == 204
    assert "set-cookie" not in answer.headers
