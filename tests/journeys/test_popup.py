"""Logging in within a popup window (contract §3)."""

import html
import json
import re

import httpx
import pytest

from tests.stage import FRONTEND, Browser, Stage, error_of, query_of


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One engine is enough here: what differs between them is in the other journeys."""
    return sqlite_url


async def _popup(
    browser: Browser, decision: str = "continue", return_to: str = "/done?x=1#y"
) -> httpx.Response:
    callback = await browser.approach("ada", decision=decision, mode="popup", return_to=return_to)
    return await browser.http.get(callback)


def _script(page: httpx.Response) -> str:
    (script,) = re.findall(r"<script[^>]*>(.*?)</script>", page.text, re.S)
    return str(script).strip()


def _posted(page: httpx.Response) -> tuple[dict[str, object], str]:
    """The message and the origin that it is addressed to."""
    found = re.search(r"\.postMessage\((\{.*?\}), (\".*?\")\)", _script(page))
    assert found is not None
    return json.loads(found[1]), json.loads(found[2])


async def test_it_tells_its_opener_and_closes(browser: Browser) -> None:
    """A 200 page with a fresh session, a message to exactly the front end's origin, and close."""
    page = await _popup(browser)

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert page.headers["cache-control"] == "no-store"
    assert _posted(page) == ({"source": "igauth", "ok": True}, FRONTEND)
    assert "window.close()" in _script(page)
    assert await browser.user() is not None


async def test_it_first_cleans_its_address(browser: Browser) -> None:
    """The very first statement takes code and state out of the address bar."""
    page = await _popup(browser)

    assert re.match(r"history\.replaceState\(null, (\"\"|''), location\.pathname\);", _script(page))


async def test_without_an_opener_it_goes_on_itself(browser: Browser) -> None:
    """To `return_to`, by script or by the link that is there without one."""
    page = await _popup(browser)

    assert f'location.replace("{FRONTEND}/done?x=1#y")' in _script(page).replace("\\u0026", "&")
    assert f'href="{FRONTEND}/done?x=1#y"' in html.unescape(page.text)


async def test_a_failure_is_told_too(browser: Browser) -> None:
    """`ok: false` with code and request id; the link carries the same."""
    page = await _popup(browser, "cancel")

    message, target = _posted(page)
    assert message == {
        "source": "igauth",
        "ok": False,
        "error": "access_denied",
        "request_id": page.headers["x-request-id"],
    }
    assert target == FRONTEND
    assert "/done?x=1&error=access_denied" in html.unescape(page.text)
    assert browser.cookie() is None


async def test_its_policy_is_strict(browser: Browser) -> None:
    """One script by its nonce, new every time; no framing; nothing that cuts the opener."""
    first, second = await _popup(browser), await _popup(browser)

    policies = [page.headers["content-security-policy"] for page in (first, second)]
    for page, policy in zip((first, second), policies, strict=True):
        (nonce,) = re.findall(r"script-src 'nonce-([^']+)'", policy)
        assert f'<script nonce="{nonce}">' in page.text
        assert len(nonce) >= 16
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "cross-origin-opener-policy" not in page.headers
    assert policies[0] != policies[1]


async def test_it_loads_nothing_and_tells_nobody(browser: Browser) -> None:
    """No foreign part, no name, no code, no state in it (security R-15)."""
    started = await browser.start(mode="popup")
    state = query_of(started)["state"][0]
    callback = await browser.consent(started.headers["location"])
    page = await browser.http.get(callback)

    assert not re.search(r"<(img|link|iframe|script[^>]* src)", page.text)
    assert state not in page.text
    assert httpx.URL(callback).params["code"] not in page.text
    assert "Ada" not in page.text
    assert page.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "return_to",
    [
        f"{FRONTEND}/?q=</script><script>alert(1)</script>",
        f'{FRONTEND}/?q="-alert(1)-"',
        f"{FRONTEND}/?q='><img src=x onerror=alert(1)>".replace(" ", "%20"),
        f"{FRONTEND}/#</script>",
    ],
)
async def test_no_address_breaks_out(browser: Browser, return_to: str) -> None:
    """Whatever stands in `return_to` stays text."""
    page = await _popup(browser, return_to=return_to)

    assert page.text.count("<script") == 1
    assert "<img" not in page.text
    assert "alert(1)</script>" not in page.text


async def test_the_message_goes_to_the_origin_of_return_to(stage: Stage, browser: Browser) -> None:
    """Not to FRONTEND_URL's, when another allowed one was asked for."""
    page = await _popup(browser, return_to=f"{stage.settings.base_url}/x")

    assert _posted(page)[1] == stage.settings.base_url


async def test_an_expired_popup_says_so_in_the_popup(stage: Stage, browser: Browser) -> None:
    """The signed attempt knows its mode even when it is too old."""
    callback = await browser.approach("ada", mode="popup")
    stage.clock.advance(minutes=17)

    page = await browser.http.get(callback)

    assert page.status_code == 200
    assert _posted(page)[0]["error"] == "state_expired"


async def test_a_popup_nobody_started_here(stage: Stage, browser: Browser) -> None:
    """Without a recognised attempt there is no mode to trust: a redirect to the front end."""
    callback = await browser.approach("ada", mode="popup")

    assert error_of(await stage.browser().http.get(callback)) == "state_mismatch"
