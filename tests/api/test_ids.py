"""Ids from outside are checked against their form before anything else sees them (defect S11)."""

from urllib.parse import quote

import pytest

from tests.stage import Browser, Stage, error_of

UNKNOWN = "6f1b0a52-3c1e-4a8f-9a55-0d4d0c7a1b11"
MALFORMED = [
    "x",
    "a\x00b",
    "\x00",
    "\ud800",
    "\n",
    f"{UNKNOWN}\n",
    f" {UNKNOWN}",
    UNKNOWN.upper(),
    UNKNOWN.replace("-", ""),
    UNKNOWN[:-1],
    f"{UNKNOWN}0",
    f"{{{UNKNOWN}}}",
    f"urn:uuid:{UNKNOWN}",
    "' OR 1=1 --",
    "%00",
    "é",
    "１７８４",
    "٣" * 17,
    "-1",
    "1e3",
    "0" * 33,
    "x" * 20_000,
    "𝟙" * 36,
    "\u202e",
]
ROUTES = [
    ("GET", "/me/connections/{}"),
    ("DELETE", "/me/connections/{}"),
    ("POST", "/me/connections/{}/verify"),
    ("DELETE", "/me/sessions/{}"),
    ("GET", "/me/instagram-accounts/{}"),
    ("GET", "/me/instagram-accounts/{}/picture"),
    ("GET", "/auth/facebook/data-deletion/{}"),
]


@pytest.mark.parametrize(("method", "route"), ROUTES)
async def test_a_malformed_id_is_not_found(
    stage: Stage, browser: Browser, method: str, route: str
) -> None:
    """404 `not_found` on either engine, and nothing is done."""
    await browser.log_in("ada")
    for malformed in MALFORMED:
        if "data-deletion" in route and malformed.isalnum() and malformed.isascii():
            continue  # of a code's form, though not one
        encoded = quote(malformed, safe="", errors="surrogatepass")
        answer = await browser.send(method, route.format(encoded), sec_fetch_mode="cors")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), malformed

    assert await browser.user() is not None
    assert await stage.count("connections") == 1


@pytest.mark.parametrize(("method", "route"), ROUTES)
@pytest.mark.parametrize("well_formed", [UNKNOWN, "17841499999999999", "0f3b"])
async def test_an_unknown_id_is_not_found_either(
    browser: Browser, method: str, route: str, well_formed: str
) -> None:
    """Nobody can tell a foreign id from none at all."""
    await browser.log_in("ada")

    answer = await browser.send(method, route.format(well_formed), sec_fetch_mode="cors")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(("method", "route"), ROUTES[:-1])
async def test_without_a_session_it_is_401(browser: Browser, method: str, route: str) -> None:
    """Whose id it is comes after who asks."""
    answer = await browser.send(method, route.format("x"), sec_fetch_mode="cors")

    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


async def test_without_a_database_it_is_not_found(stage: Stage, browser: Browser) -> None:
    """The database isn't even asked about what can't be a code."""
    async with stage.database_down():
        answer = await browser.get("/auth/facebook/data-deletion/a%00b", sec_fetch_mode="cors")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize("odd", ["x", "'--", UNKNOWN, UNKNOWN.upper(), "~" * 64, "%00", "{}"])
async def test_an_odd_reconnect_is_an_unknown_one(stage: Stage, browser: Browser, odd: str) -> None:
    """It is looked up at the callback only, and found to be nobody's: `account_switched`."""
    ended = await browser.log_in("ada", reconnect=odd)

    assert error_of(ended) == "account_switched"
    assert await stage.count("connections") == 0


@pytest.mark.parametrize("bad", ["", " ", "a b", "a\x00b", "a\n", "\x7f", "é", "\u2028", "x" * 65])
async def test_a_reconnect_of_no_printable_letters_is_refused(browser: Browser, bad: str) -> None:
    """422 `invalid_request`: control characters, blanks, other letters, over-long."""
    answer = await browser.get(f"/auth/facebook?reconnect={quote(bad, safe='')}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
