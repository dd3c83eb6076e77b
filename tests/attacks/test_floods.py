"""Who hammers at the door is slowed down, and nobody else is (contract §2; A1, S5, S8, S17, S19).

What an honest person does in the midst of each flood is part of each test.
"""

import asyncio
import shutil
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

import httpx
import pytest

from tests.attacks.processes import Process, open_fleet, raw, send_raw
from tests.attacks.signing import claims_of, sign
from tests.stage import (
    BASE_URL,
    Browser,
    FakeClock,
    Gate,
    Stage,
    error_of,
    make_sandbox,
    make_settings,
    open_stage,
)

NOBODY = "/auth/facebook/callback?state=nobody&code=x"
DEAUTHORIZE = f"{BASE_URL}/auth/facebook/deauthorize"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One engine: a limit is counted in memory."""
    return sqlite_url


@pytest.fixture
async def strict(database_url: str) -> AsyncGenerator[Stage]:
    """Ten login starts an hour, six refreshes."""
    settings = make_settings(database_url, rate_limit_login="10/hour", rate_limit_refresh="6/hour")
    async with open_stage(settings) as stage:
        yield stage


def _retry_after(answer: httpx.Response) -> int:
    """The wait that a 429 names; in the header, and nowhere without its problem."""
    assert answer.status_code == 429
    problem = answer.json()
    assert (problem["code"], problem["retryable"]) == ("rate_limited", True)
    assert problem["action"]["kind"] == "wait"
    assert "set-cookie" not in answer.headers
    assert "location" not in answer.headers
    return int(answer.headers["retry-after"])


async def _bad_signature(browser: Browser) -> httpx.Response:
    return await browser.http.post(DEAUTHORIZE, data={"signed_request": "a.b"})


async def _exhaust(browser: Browser) -> None:
    for _ in range(10):
        await browser.start()
    assert (await browser.start()).status_code == 429


# --- who is counted ---


async def test_every_kind_of_hammering_is_one_count(strict: Stage) -> None:
    """Login starts, callbacks of nobody, bad signatures: ten in all, then 429 for each (§2)."""
    browser = strict.browser()
    for _ in range(3):
        assert (await browser.start()).status_code == 302
        assert error_of(await browser.get(NOBODY)) == "state_mismatch"
        assert (await _bad_signature(browser)).status_code == 400
    await browser.start()

    refused = [await browser.start(), await browser.get(NOBODY), await _bad_signature(browser)]

    for answer in refused:
        assert 1 <= _retry_after(answer) <= 3_600


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?state=",
        "?state=a&state=b&code=x",
        "?state=" + "a" * 600,
        "?code=x",
        "?error=access_denied",
        "?error=access_denied&state=x",
        "?state=x&code=y&mode=popup",
    ],
)
async def test_no_shape_of_callback_goes_uncounted(strict: Stage, query: str) -> None:
    """Whatever is wrong with it: without an attempt's cookie it counts (R-45)."""
    browser = strict.browser()

    answers = [await browser.get(f"/auth/facebook/callback{query}") for _ in range(11)]

    assert [each.status_code for each in answers] == [303] * 10 + [429]


async def test_forged_attempts_are_counted(strict: Stage) -> None:
    """A cookie of the right name that isn't signed by us is no attempt."""
    real = strict.browser()
    callback = await real.approach("ada")
    (name,) = real.attempt_cookies()
    forger = strict.browser("192.0.2.66")

    answers = [
        await forger.http.get(callback, headers={"cookie": f"{name}=forged.{number}"})
        for number in range(11)
    ]

    assert [each.status_code for each in answers] == [303] * 10 + [429]
    assert error_of(await real.http.get(callback)) is None


async def test_bogus_codes_are_counted(strict: Stage) -> None:
    """Real attempts with invented codes: each is answered, but soon no new one begins (S8)."""
    browser = strict.browser()
    for _ in range(5):
        started = await browser.start()
        state = httpx.URL(started.headers["location"]).params["state"]
        ended = await browser.get(f"/auth/facebook/callback?state={state}&code=invented")
        assert error_of(ended) == "code_rejected"

    assert (await browser.start()).status_code == 429


async def test_bogus_codes_fill_no_table(database_url: str) -> None:
    """A thousand of them from one address leave a handful of audit rows, not a thousand (S8)."""
    settings = make_settings(database_url, rate_limit_login="100000/minute")
    async with open_stage(settings) as stage:
        browser = stage.browser()
        for _ in range(200):
            started = await browser.start()
            state = httpx.URL(started.headers["location"]).params["state"]
            await browser.get(f"/auth/facebook/callback?state={state}&code=invented")

        assert await stage.count("audit_events") <= 20


# --- who is one client ---


async def test_ipv4_neighbours_are_strangers(strict: Stage) -> None:
    """Each IPv4 address has a count of its own, however it is written."""
    await _exhaust(strict.browser("192.0.2.1"))

    for same in ("192.0.2.1", "::ffff:192.0.2.1", "::ffff:c000:201"):
        assert (await strict.browser(same).start()).status_code == 429
    for other in ("192.0.2.2", "192.0.2.0", "::ffff:192.0.2.9"):
        assert (await strict.browser(other).start()).status_code == 302


async def test_an_ipv6_network_is_one_client(strict: Stage) -> None:
    """Whoever has a /64 has 2^64 addresses, and one count (P-30)."""
    await _exhaust(strict.browser("2001:db8:1:2::1"))

    for same in ("2001:db8:1:2::2", "2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:DB8:1:2::3%eth0"):
        assert (await strict.browser(same).start()).status_code == 429
    for other in ("2001:db8:1:3::1", "2001:db8:1::1"):
        assert (await strict.browser(other).start()).status_code == 302


async def test_a_thousand_addresses_of_a_64_get_ten(strict: Stage) -> None:
    """Rotation inside a /64 gains nothing."""
    answers = [
        (await strict.browser(f"2001:db8::{number:x}").start()).status_code for number in range(300)
    ]

    assert answers.count(302) == 10


# --- who is never refused ---


async def test_a_neighbour_in_the_midst_of_a_login_gets_in(strict: Stage) -> None:
    """Behind one address with an attacker: who has begun may end, and use the service (§2)."""
    honest, attacker = strict.browser("192.0.2.1"), strict.browser("192.0.2.1")
    callback = await honest.approach("ada")
    for _ in range(30):
        await attacker.get(NOBODY)
        await _bad_signature(attacker)
    assert (await attacker.start()).status_code == 429

    assert error_of(await honest.http.get(callback)) is None
    for path in ("/me", "/me/connections", "/me/instagram-accounts", "/auth/session", "/healthz"):
        assert (await honest.get(path)).status_code == 200
    assert (await honest.send("POST", "/auth/logout")).status_code == 204


async def test_meta_is_never_refused(strict: Stage) -> None:
    """Well-signed requests pass an exhausted limit, as many as there are (§2)."""
    browser = strict.browser()
    for _ in range(12):
        await _bad_signature(browser)
    secret = strict.sandbox.config.app_secret

    for number in range(20):
        signed = sign(claims_of(str(number), strict.clock().timestamp()), secret)
        answer = await browser.http.post(DEAUTHORIZE, data={"signed_request": signed})
        assert answer.status_code == 200


async def test_the_limit_ends(strict: Stage) -> None:
    """`Retry-After` is no longer than the window, whole seconds, and at least one."""
    browser = strict.browser()
    await _exhaust(browser)

    waits = {_retry_after(await browser.start()) for _ in range(3)}

    assert all(1 <= wait <= 3_600 for wait in waits)


# --- arrivals that wait for one attempt ---


async def test_a_crowd_behind_one_attempt_is_bounded(database_url: str) -> None:
    """Beyond fifty arrivals that wait for the first: 429; the others share its session (S17)."""
    settings, clock, gate = make_settings(database_url), FakeClock(), Gate()
    sandbox = make_sandbox(settings, clock, sleep=gate)
    async with open_stage(settings, sandbox=sandbox, clock=clock) as stage:
        browser = stage.browser()
        callback = await browser.approach("ada")
        sandbox.faults.add("exchange", "delay", delay_seconds=1.0)
        first = asyncio.create_task(browser.http.get(callback))
        await gate.reached.wait()
        copies = [stage.browser() for _ in range(80)]
        for copy in copies:
            copy.take_jar_of(browser)
        crowd = [asyncio.create_task(copy.http.get(callback)) for copy in copies]
        refused = await _finished(crowd, 30)
        gate.open.set()
        answers = [*await asyncio.gather(*crowd), await first]

        assert {each.status_code for each in answers} == {303, 429}
        assert len([each for each in answers if each.status_code == 429]) == len(refused) == 30
        sessions = {each.cookies["igauth_session"] for each in answers if each.status_code == 303}
        assert len(sessions) == 1
        assert stage.calls.count("exchange") == 1


async def _finished(
    tasks: list["asyncio.Task[httpx.Response]"], wanted: int
) -> list[httpx.Response]:
    """Those that are answered while the first still waits for Facebook."""
    finished: list[httpx.Response] = []
    for task in asyncio.as_completed(tasks, timeout=30):
        finished.append(await task)
        if len(finished) == wanted:
            break
    return finished


# --- what a flood costs ---


async def _starts(process: Process, numbers: Iterable[int]) -> float:
    """Login starts, each from the address of that number; what they cost, with what they leave."""
    before = process.cpu_seconds()
    for number in numbers:
        client = f"X-Forwarded-For: 198.51.{number // 256}.{number % 256}"
        answer = await send_raw(process.port, raw("/auth/facebook", "Host: localhost", client))
        assert answer.status in {302, 307}
        await process.idle()
    return process.cpu_seconds() - before


async def test_a_start_costs_the_same_beside_many_addresses(
    tmp_path: Path, sqlite_template: Path
) -> None:
    """Beside ten addresses, or beside a thousand: no more than thrice the processor (A1, S5)."""
    shutil.copy(sqlite_template, tmp_path / "igauth.db")
    with open_fleet(
        tmp_path,
        f"sqlite:///{tmp_path}/igauth.db",
        replicas=1,
        TRUSTED_PROXIES="127.0.0.1",
        RATE_LIMIT_LOGIN="30/minute",
    ) as fleet:
        process, again = fleet.replicas[0], list(range(10)) * 5
        early = await _starts(process, again)
        await _flood(process.port, range(10, 1_000))
        await process.idle()
        late = await _starts(process, again)

    assert late <= 3 * early


async def _flood(port: int, numbers: Iterable[int]) -> None:
    """The same without a pause."""
    for number in numbers:
        client = f"X-Forwarded-For: 198.51.{number // 256}.{number % 256}"
        await send_raw(port, raw("/auth/facebook", "Host: localhost", client))


async def test_refreshes_have_a_limit_of_their_own(strict: Stage) -> None:
    """Six by default, `verify` included, for each person; other people go on (S19)."""
    ada, ben = strict.browser(), strict.browser()
    await ada.log_in("ada")
    await ben.log_in("ben")
    for _ in range(6):
        assert (await ada.accounts(refresh="true")).status_code == 200
    elsewhere = strict.browser("192.0.2.200")
    elsewhere.take_jar_of(ada)

    _retry_after(await ada.accounts(refresh="true"))
    _retry_after(await elsewhere.accounts(refresh="true"))
    verify = f"/me/connections/{(await ada.connection())['id']}/verify"
    _retry_after(await ada.send("POST", verify))
    assert (await ada.accounts()).status_code == 200
    assert (await ben.accounts(refresh="true")).status_code == 200


async def test_six_refreshes_a_minute_are_the_default(database_url: str) -> None:
    """RATE_LIMIT_REFRESH as the contract's table has it (S19)."""
    async with open_stage(make_settings(database_url)) as stage:
        ada = stage.browser()
        await ada.log_in("ada")
        statuses = [(await ada.accounts(refresh="true")).status_code for _ in range(7)]

    assert statuses == [200] * 6 + [429]
