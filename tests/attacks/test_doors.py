"""Two doors, and nothing that was begun or signed at one of them counts at the other (§10, R-23).

A mix-up of providers is an old way to make a service spend one's code, or believe one's word, at
the wrong place (RFC 9700 §4.4). What is tried here ends before Meta is asked, so no Meta is there.
"""

from collections.abc import AsyncGenerator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import SecretStr

from tests.attacks.corpus import read_corpus
from tests.attacks.signing import claims_of, sign
from tests.stage import BASE_URL, Browser, Stage, error_of, make_settings, open_stage

INSTAGRAM_SECRET = "1d5c0ffee1d5c0ffee1d5c0ffee1d5c0"
DOORS = ["facebook", "instagram"]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One engine: none of this reaches it."""
    return sqlite_url


@pytest.fixture
async def both(database_url: str) -> AsyncGenerator[Stage]:
    """A service with both doors open."""
    settings = make_settings(
        database_url,
        instagram_client_id="801234567890123",
        instagram_client_secret=SecretStr(INSTAGRAM_SECRET),
        rate_limit_login="100000/minute",
    )
    async with open_stage(settings) as opened:
        yield opened


def _other(door: str) -> str:
    return DOORS[1 - DOORS.index(door)]


async def _start(browser: Browser, door: str, query: str = "", **headers: str) -> httpx.Response:
    return await browser.get(f"/auth/{door}{query}", **headers)


def _asked(started: httpx.Response) -> dict[str, list[str]]:
    assert started.status_code == 302
    return parse_qs(urlsplit(started.headers["location"]).query)


@pytest.mark.parametrize("door", DOORS)
async def test_an_attempt_belongs_to_its_door(both: Stage, door: str) -> None:
    """At the other's callback it is `state_mismatch`: no code goes to the wrong Meta (§10)."""
    browser = both.browser()
    (state,) = _asked(await _start(browser, door))["state"]
    kept = browser.attempt_cookies()

    ended = await browser.get(f"/auth/{_other(door)}/callback?state={state}&code=x")

    assert error_of(ended) == "state_mismatch"
    assert both.graph_calls == []
    assert browser.attempt_cookies() == kept
    refused = await browser.get(f"/auth/{door}/callback?state={state}&error=access_denied")
    assert error_of(refused) == "access_denied"


@pytest.mark.parametrize("path", ["deauthorize", "data-deletion"])
@pytest.mark.parametrize("door", DOORS)
async def test_a_signature_belongs_to_its_door(both: Stage, door: str, path: str) -> None:
    """What the other app's secret signed is `bad_signed_request` here (§10, P-13)."""
    secrets = {"facebook": both.sandbox.config.app_secret, "instagram": INSTAGRAM_SECRET}
    url = f"{BASE_URL}/auth/{door}/{path}"
    claims = claims_of("17841400000000021", both.clock().timestamp())
    http = both.browser().http

    foreign = await http.post(url, data={"signed_request": sign(claims, secrets[_other(door)])})
    own = await http.post(url, data={"signed_request": sign(claims, secrets[door])})

    assert (foreign.status_code, foreign.json()["code"]) == (400, "bad_signed_request")
    assert own.status_code == 200


@pytest.mark.parametrize("door", DOORS)
async def test_each_door_names_its_own_callback(both: Stage, door: str) -> None:
    """`redirect_uri` is a constant of the door, whatever Host says (R-07, R-23)."""
    started = await _start(
        both.browser(), door, host="evil.example", x_forwarded_host="evil.example"
    )

    assert _asked(started)["redirect_uri"] == [f"{BASE_URL}/auth/{door}/callback"]
    assert "evil.example" not in str(started.headers)


@pytest.mark.parametrize("door", DOORS)
async def test_no_parameter_of_a_stranger_reaches_the_dialog(both: Stage, door: str) -> None:
    """Scopes, state, client and callback are ours alone (R-13, R-20)."""
    named = "scope=ads_management&state=mine&client_id=1&redirect_uri=https://evil.example/"
    plain = _asked(await _start(both.browser(), door))
    asked = _asked(await _start(both.browser(), door, f"?{named}&response_type=token&config_id=1"))

    assert asked.keys() == plain.keys()
    for name in ("scope", "client_id", "redirect_uri", "response_type"):
        assert asked[name] == plain[name]
    assert asked["state"] != ["mine"]


@pytest.mark.parametrize("door", DOORS)
async def test_hostile_addresses_are_refused_at_both(both: Stage, door: str) -> None:
    """The whole corpus once more: one guard stands before both doors (§3, §10)."""
    browser = both.browser()
    for line in read_corpus():
        query = str(httpx.QueryParams({"return_to": line.address}))
        answer = await _start(browser, door, f"?{query}")
        if line.verdict == "refuse":
            assert answer.status_code == 400, ascii(line.address)
            assert answer.json()["code"] == "return_to_not_allowed"


@pytest.mark.parametrize("door", DOORS)
async def test_a_login_begins_by_a_navigation_at_both(both: Stage, door: str) -> None:
    """Neither a frame nor a fetch starts one (§3, R-21)."""
    for dest in ("iframe", "image", "empty", "script"):
        answer = await _start(both.browser(), door, sec_fetch_dest=dest, sec_fetch_mode="cors")
        assert (answer.status_code, answer.json()["code"]) == (403, "not_a_navigation")
        assert "set-cookie" not in answer.headers


async def test_both_doors_are_one_count(database_url: str) -> None:
    """Who is over the limit at one is over it at the other (§2, R-45)."""
    settings = make_settings(
        database_url,
        instagram_client_id="801234567890123",
        instagram_client_secret=SecretStr(INSTAGRAM_SECRET),
        rate_limit_login="4/hour",
    )
    async with open_stage(settings) as stage:
        browser = stage.browser()
        answers = [await _start(browser, door) for door in DOORS * 3]
        lost = [await browser.get(f"/auth/{door}/callback?state=x&code=y") for door in DOORS]

    assert [each.status_code for each in answers] == [302] * 4 + [429] * 2
    assert [each.status_code for each in lost] == [429] * 2


async def test_attempts_at_both_doors_are_five_in_all(both: Stage) -> None:
    """One jar, one bound: the sixth start pushes the oldest out, whichever door it was for (§3)."""
    browser = both.browser()
    for number in range(8):
        await _start(browser, DOORS[number % 2])
        both.clock.advance(seconds=1)

    assert len(browser.attempt_cookies()) == 5


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
async def test_a_closed_door_is_a_wall(stage: Stage, method: str) -> None:
    """Without its pair a door's routes are 404, and set nothing (§2)."""
    for path in ("", "/callback?state=x&code=y", "/deauthorize", "/data-deletion"):
        url = f"{BASE_URL}/auth/instagram{path}"
        answer = await stage.browser().http.request(method, url)
        assert answer.status_code == 404, path
        assert "set-cookie" not in answer.headers
