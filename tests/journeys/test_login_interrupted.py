"""Logins that something breaks into: a leaving browser, a shutdown, a cut, a dead database."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, suppress

import pytest

from igauth.meta.calls import Budgets
from tests.stage import (
    FakeClock,
    Gate,
    Stage,
    error_of,
    make_sandbox,
    make_settings,
    open_stage,
    quick,
    replica,
)


@pytest.fixture
def gate() -> Gate:
    """Where a call to Facebook can be held."""
    return Gate()


@pytest.fixture
async def held(database_url: str, gate: Gate) -> AsyncGenerator[Stage]:
    """A stage whose Facebook waits at the gate for every planned delay."""
    settings, clock = make_settings(database_url), FakeClock()
    sandbox = make_sandbox(settings, clock, sleep=gate)
    async with open_stage(settings, sandbox=sandbox, clock=clock) as stage:
        yield stage
        gate.open.set()


@pytest.mark.parametrize("endpoint", ["exchange", "me", "upgrade"])
async def test_the_browser_leaves(held: Stage, gate: Gate, endpoint: str) -> None:
    """Work from the exchange on survives: the login is committed all the same (F-40)."""
    held.sandbox.faults.add(endpoint, "delay", delay_seconds=1)
    browser, back = held.browser(), held.browser()
    callback = await browser.approach("ada")
    back.take_jar_of(browser)
    visit = asyncio.create_task(browser.http.get(callback))
    await gate.reached.wait()

    visit.cancel()
    with suppress(asyncio.CancelledError):
        await visit
    gate.open.set()

    assert error_of(await back.http.get(callback)) is None
    assert await back.user() is not None
    assert held.calls.count("exchange") == 1


async def test_a_reload_waits_for_the_first(held: Stage, gate: Gate) -> None:
    """Arriving while the first is at Facebook: waits, and gets the same session."""
    held.sandbox.faults.add("me", "delay", delay_seconds=1)
    browser, reload = held.browser(), held.browser()
    callback = await browser.approach("ada")
    reload.take_jar_of(browser)
    first = asyncio.create_task(browser.http.get(callback))
    await gate.reached.wait()
    second = asyncio.create_task(reload.http.get(callback))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not second.done()
    assert await held.count("sessions") == 0

    gate.open.set()

    assert error_of(await first) is error_of(await second) is None
    assert browser.cookie() == reload.cookie()


@pytest.mark.parametrize("leaves", [False, True])
async def test_a_shutdown_waits(database_url: str, gate: Gate, leaves: bool) -> None:
    """The login in flight is finished before the process ends (security F-39)."""
    settings, clock = make_settings(database_url), FakeClock()
    sandbox = make_sandbox(settings, clock, sleep=gate)
    sandbox.faults.add("me", "delay", delay_seconds=1)
    async with AsyncExitStack() as process:
        stage = await process.enter_async_context(
            open_stage(settings, sandbox=sandbox, clock=clock)
        )
        browser = stage.browser()
        visit = asyncio.create_task(browser.http.get(await browser.approach("ada")))
        await gate.reached.wait()
        if leaves:
            visit.cancel()
        ending = asyncio.create_task(process.pop_all().aclose())
        for _ in range(20):
            await asyncio.sleep(0)
        assert not ending.done()
        gate.open.set()
        await ending
        with suppress(asyncio.CancelledError):
            assert error_of(await visit) is None

    async with open_stage(settings, sandbox=sandbox, clock=clock) as next_process:
        assert await next_process.count("sessions") == 1
        assert await next_process.count("people") == 1


@pytest.mark.parametrize("preset", ["upgrade_fails", "cut", "html_ok", "blocked"])
async def test_the_upgrade_alone_fails(database_url: str, preset: str) -> None:
    """The login succeeds on the short-lived token, marked for the keeper (facts 3.9)."""
    async with open_stage(make_settings(database_url)) as stage:
        stage.sandbox.faults.preset(preset, endpoint="upgrade")
        browser = stage.browser()

        assert error_of(await browser.log_in("ada")) is None
        connection = await browser.connection()
        assert connection["status"] == "expiring"
        ((pending,),) = await stage.sql("SELECT upgrade_pending FROM connections")
        assert bool(pending)
        assert (await browser.accounts()).status_code == 200


async def test_the_upgrade_never_answers(database_url: str) -> None:
    """Silence at the upgrade alone costs its budget, not the login."""
    wiring = quick(budgets=Budgets(call=0.3, backoff=0.0))
    async with open_stage(make_settings(database_url), wiring=wiring) as stage:
        stage.sandbox.faults.preset("hang", endpoint="upgrade")

        assert error_of(await stage.browser().log_in("ada")) is None


@pytest.mark.parametrize("preset", ["exchange_cut_after", "exchange_timeout_after"])
async def test_the_answer_to_the_exchange_is_lost(database_url: str, preset: str) -> None:
    """The code is consumed and never sent again (facts 2.5); `facebook_unavailable`."""
    wiring = quick(budgets=Budgets(exchange=0.2, backoff=0.0))
    async with open_stage(make_settings(database_url), wiring=wiring) as stage:
        stage.sandbox.faults.preset(preset)
        browser, reload = stage.browser(), stage.browser()
        callback = await browser.approach("ada")
        reload.take_jar_of(browser)

        assert error_of(await browser.http.get(callback)) == "facebook_unavailable"
        assert error_of(await reload.http.get(callback)) == "state_used"
        assert stage.calls.count("exchange") == 1


async def test_a_listing_that_fails_fails_no_login(database_url: str) -> None:
    """Discovery may break altogether: the person is logged in."""
    async with open_stage(make_settings(database_url)) as stage:
        stage.sandbox.faults.preset("bad_gateway", endpoint="accounts")
        stage.sandbox.faults.preset("bad_gateway", endpoint="businesses")
        stage.sandbox.faults.preset("bad_gateway", endpoint="batch")

        assert error_of(await stage.browser().log_in("ada")) is None


async def test_a_slow_listing_goes_on_alone(held: Stage, gate: Gate) -> None:
    """The callback doesn't wait for it; the first request joins it, and asks nothing twice."""
    held.sandbox.faults.add("businesses", "delay", delay_seconds=1)
    browser = held.browser()

    assert error_of(await browser.log_in("ada")) is None
    asking = asyncio.create_task(browser.accounts())
    await gate.reached.wait()
    gate.open.set()
    listing = (await asking).json()

    assert len(listing["data"]) == 3
    assert held.calls.count("businesses") == 1


async def test_the_database_is_away_at_the_start(held: Stage) -> None:
    """`database_unavailable`, nothing is sent to Facebook; afterwards the same login succeeds."""
    browser = held.browser()
    callback = await browser.approach("ada")

    async with held.database_down():
        ended = await browser.http.get(callback)

    assert error_of(ended) == "database_unavailable"
    assert held.graph_calls == []
    assert browser.cookie() is None
    assert error_of(await browser.http.get(callback)) is None


async def test_the_database_dies_after_the_exchange(held: Stage, gate: Gate) -> None:
    """No cookie without a commit; a later arrival ends in `state_used`, and nothing is half."""
    held.sandbox.faults.add("me", "delay", delay_seconds=1, times=1)
    browser, reload = held.browser(), held.browser()
    callback = await browser.approach("ada")
    reload.take_jar_of(browser)
    visit = asyncio.create_task(browser.http.get(callback))
    await gate.reached.wait()
    async with held.database_down():
        gate.open.set()
        ended = await visit

    assert error_of(ended) == "database_unavailable"
    assert browser.cookie() is None
    for table in ("people", "connections", "sessions", "listings"):
        assert await held.count(table) == 0
    held.clock.advance(seconds=30)
    assert error_of(await reload.http.get(callback)) == "state_used"
    assert error_of(await browser.log_in("ada")) is None


async def test_the_database_comes_back_without_a_restart(held: Stage) -> None:
    """503 with Retry-After while it is down, and everything afterwards (contract §9)."""
    browser = held.browser()
    await browser.log_in("ada")

    async with held.database_down():
        for path in ("/me", "/auth/session", "/me/instagram-accounts", "/readyz"):
            answer = await browser.get(path)
            assert answer.status_code == 503
            assert answer.json()["code"] == "database_unavailable"
            assert int(answer.headers["retry-after"]) > 0
        assert (await browser.get("/healthz")).status_code == 200
        assert (await browser.start()).status_code == 302

    assert (await browser.get("/me")).status_code == 200


async def test_a_login_begun_here_ends_there(held: Stage) -> None:
    """A replica may restart between start and callback: the cookie carries it all (F-41)."""
    browser = held.browser()
    callback = await browser.approach("ada")
    async with replica(held) as other:
        elsewhere = other.browser()
        elsewhere.take_jar_of(browser)

        assert error_of(await elsewhere.http.get(callback)) is None
        assert await elsewhere.user() is not None
