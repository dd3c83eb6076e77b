"""Limits for those who hammer at the door, none for those who have a key (contract §2)."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from tests.stage import BASE_URL, Stage, error_of, make_settings, open_stage, quick

CALLBACK = "/auth/facebook/callback?state=nobody&code=x"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One engine is enough here: what differs between them is in the other journeys."""
    return sqlite_url


@pytest.fixture
async def strict(database_url: str) -> AsyncGenerator[Stage]:
    """A service that allows three login starts an hour."""
    settings = make_settings(database_url, rate_limit_login="3/hour", rate_limit_refresh="3/hour")
    async with open_stage(settings) as stage:
        yield stage


def _is_refused(answer: httpx.Response) -> bool:
    if answer.status_code != 429:
        return False
    assert answer.json()["code"] == "rate_limited"
    assert answer.json()["retryable"] is True
    assert answer.json()["action"]["kind"] == "wait"
    assert 1 <= int(answer.headers["retry-after"]) <= 3_600
    return True


async def test_login_starts_are_counted(strict: Stage) -> None:
    """The fourth is 429 `rate_limited`, with Retry-After and without a cookie."""
    browser = strict.browser()
    for _ in range(3):
        assert (await browser.start()).status_code == 302

    fourth = await browser.start()

    assert _is_refused(fourth)
    assert "set-cookie" not in fourth.headers


async def test_callbacks_of_nobody_are_counted(strict: Stage) -> None:
    """Guessing states is bounded, together with login starts."""
    browser = strict.browser()
    await browser.start()
    for _ in range(2):
        assert error_of(await browser.get(CALLBACK)) == "state_mismatch"

    assert _is_refused(await browser.get(CALLBACK))
    assert _is_refused(await browser.get("/auth/facebook/callback"))
    assert _is_refused(await browser.start())


async def test_a_real_attempt_is_never_refused(strict: Stage) -> None:
    """Who began before the limit may end: also failing, also twice."""
    browser = strict.browser()
    callbacks = [await browser.approach("ada", decision=each) for each in ("continue", "cancel")]
    for _ in range(4):
        await browser.get(CALLBACK)
    assert _is_refused(await browser.get(CALLBACK))

    assert error_of(await browser.http.get(callbacks[1])) == "access_denied"
    assert error_of(await browser.http.get(callbacks[0])) is None


async def test_nothing_else_is_counted(strict: Stage) -> None:
    """Sessions, health and listings go on for a client that is over the limit."""
    browser = strict.browser()
    await browser.log_in("ada")
    for _ in range(5):
        await browser.start()

    for path in ("/auth/session", "/me", "/healthz", "/me/instagram-accounts"):
        assert (await browser.get(path)).status_code == 200


async def test_bad_signatures_are_counted(strict: Stage) -> None:
    """A badly signed request counts for its address; a well-signed one never."""
    browser = strict.browser()
    url = f"{BASE_URL}/auth/facebook/deauthorize"
    for _ in range(3):
        assert (await browser.http.post(url, data={"signed_request": "a.b"})).status_code == 400

    assert _is_refused(await browser.http.post(url, data={"signed_request": "a.b"}))
    assert _is_refused(await browser.start())


async def _starts(stage: Stage, *addresses: str) -> list[int]:
    return [(await stage.browser(address).start()).status_code for address in addresses]


async def test_each_address_counts_for_itself(strict: Stage) -> None:
    """Neighbours of IPv4 have limits of their own."""
    assert await _starts(strict, *["192.0.2.1"] * 4, "192.0.2.2") == [302, 302, 302, 429, 302]


async def test_ipv6_counts_by_its_64(strict: Stage) -> None:
    """A /64 is one client; the next one is another (security P-30)."""
    same = ["2001:db8::1", "2001:0db8:0:0::2", "2001:db8:0:0:ffff::3", "2001:db8::4%eth0"]

    assert await _starts(strict, *same, "2001:db8:0:1::1") == [302, 302, 302, 429, 302]


async def test_an_ipv4_address_in_ipv6_clothes(strict: Stage) -> None:
    """`::ffff:a.b.c.d` is that IPv4 address, not one big /64."""
    assert await _starts(
        strict, "192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201", "192.0.2.1", "::ffff:192.0.2.9"
    ) == [302, 302, 302, 429, 302]


async def _forwarded(stage: Stage, proxy: str, *chains: str) -> list[int]:
    browser = stage.browser(proxy)
    return [
        (await browser.get("/auth/facebook", x_forwarded_for=chain)).status_code for chain in chains
    ]


async def test_forwarded_addresses_count_for_nothing(strict: Stage) -> None:
    """Without TRUSTED_PROXIES nobody renames himself (security P-30)."""
    chains = [f"203.0.113.{number}" for number in range(4)]

    assert await _forwarded(strict, "127.0.0.1", *chains) == [302, 302, 302, 429]


@pytest.mark.parametrize("proxies", ["10.0.0.0/8", "10.0.0.1/8", "10.0.0.1", "fd00::/8,10.0.0.1"])
async def test_a_trusted_proxy_tells_the_client(database_url: str, proxies: str) -> None:
    """Counted from the right: what the client wrote itself is not believed (R-39)."""
    settings = make_settings(database_url, rate_limit_login="2/hour", trusted_proxies=proxies)
    async with open_stage(settings) as stage:
        chains = ["198.51.100.7", "1.1.1.1, 198.51.100.7", "2.2.2.2, 198.51.100.7", "3.3.3.3"]
        assert await _forwarded(stage, "10.0.0.1", *chains) == [302, 302, 429, 302]
        assert await _forwarded(stage, "203.0.113.9", *chains[::-1]) == [302, 302, 429, 429]


async def test_refreshes_are_counted_for_each_person(strict: Stage) -> None:
    """`?refresh=true` and `verify` share a limit; other people have their own."""
    ada, ben = strict.browser(), strict.browser()
    await ada.log_in("ada")
    await ben.log_in("ben")
    connection = await ada.connection()
    for _ in range(2):
        assert (await ada.accounts(refresh="true")).status_code == 200
    verify = f"/me/connections/{connection['id']}/verify"
    assert (await ada.send("POST", verify)).status_code == 200

    assert _is_refused(await ada.accounts(refresh="true"))
    assert _is_refused(await ada.send("POST", verify))
    assert (await ada.accounts()).status_code == 200
    assert (await ben.accounts(refresh="true")).status_code == 200


async def test_the_default_is_thirty_a_minute(database_url: str) -> None:
    """RATE_LIMIT_LOGIN as the contract's table has it."""
    async with open_stage(make_settings(database_url), wiring=quick()) as stage:
        statuses = await _starts(stage, *["192.0.2.1"] * 31)

    assert statuses == [302] * 30 + [429]
