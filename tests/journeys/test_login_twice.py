"""The same login more than once: double clicks, reloads, tabs, replicas (contract §3)."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select

from igauth.store.models import SpentState
from tests.stage import START, Browser, Stage, error_of, query_of, replica


async def test_a_double_click_on_the_login_link(stage: Stage, browser: Browser) -> None:
    """Two attempts are begun, and both can be finished (security F-23)."""
    first, second = await browser.approach("ada"), await browser.approach("ada")

    assert error_of(await browser.http.get(second)) is None
    assert error_of(await browser.http.get(first)) is None
    assert stage.calls.count("exchange") == 2


async def test_a_callback_that_arrives_twice(stage: Stage, browser: Browser) -> None:
    """The second arrival gets the same session, and no second exchange (security F-24)."""
    callback = await browser.approach("ada")
    again = stage.browser()
    again.take_jar_of(browser)

    first, second = await asyncio.gather(browser.http.get(callback), again.http.get(callback))

    assert error_of(first) is error_of(second) is None
    assert browser.cookie() == again.cookie()
    assert stage.calls.count("exchange") == 1
    assert await stage.count("sessions") == 1


async def test_a_callback_that_arrives_later_again(stage: Stage, browser: Browser) -> None:
    """A repeated request with the attempt's cookie ends in the session that lives."""
    callback = await browser.approach("ada")
    late = stage.browser()
    late.take_jar_of(browser)
    await browser.http.get(callback)

    ended = await late.http.get(callback)

    assert error_of(ended) is None
    assert late.cookie() == browser.cookie()
    assert stage.calls.count("exchange") == 1


async def _arrive(stages: list[Stage], browser: Browser, callback: str) -> list[httpx.Response]:
    """Twenty copies of one browser at the callback, spread over the replicas."""
    crowd = [stages[number % len(stages)].browser() for number in range(20)]
    for one in crowd:
        one.take_jar_of(browser)
    return await asyncio.gather(*(one.http.get(callback) for one in crowd))


@pytest.mark.parametrize("replicas", [1, 2])
async def test_twenty_at_once(stage: Stage, browser: Browser, replicas: int) -> None:
    """Exactly one exchange and one session, on one replica or two (security P-21)."""
    callback = await browser.approach("ada")
    async with replica(stage) as other:
        ends = await _arrive([stage, other][:replicas], browser, callback)

    sessions = {end.cookies["igauth_session"] for end in ends}
    assert [error_of(end) for end in ends] == [None] * 20
    assert len(sessions) == 1
    assert stage.calls.count("exchange") == 1
    assert await stage.count("sessions") == 1
    assert await stage.count("spent_states") == 1


async def test_twenty_at_once_and_it_fails(stage: Stage, browser: Browser) -> None:
    """One is told why, the others that the attempt is used; still one exchange."""
    stage.sandbox.faults.preset("code_expired")
    callback = await browser.approach("ada")
    async with replica(stage) as other:
        ends = await _arrive([stage, other], browser, callback)

    errors = sorted(str(error_of(end)) for end in ends)
    assert errors == ["code_rejected"] + ["state_used"] * 19
    assert stage.calls.count("exchange") == 1


async def test_a_replica_that_died_in_the_midst(stage: Stage, browser: Browser) -> None:
    """A spent state whose login never ended counts as used, once patience is over (F-38)."""
    callback = await browser.approach("ada")
    late = stage.browser()
    late.take_jar_of(browser)
    stage.sandbox.faults.preset("blocked", endpoint="exchange", times=1)
    await browser.http.get(callback)
    await _forget_outcome(stage)
    stage.clock.advance(seconds=21)

    assert error_of(await late.http.get(callback)) == "state_used"
    assert stage.calls.count("exchange") == 1


async def _forget_outcome(stage: Stage) -> None:
    await stage.sql("UPDATE spent_states SET outcome = NULL")


async def test_after_logout_the_callback_is_used(stage: Stage, browser: Browser) -> None:
    """`state_used`: the session that it made is gone, and it makes no other."""
    callback = await browser.approach("ada")
    back_button = stage.browser()
    back_button.take_jar_of(browser)
    await browser.http.get(callback)
    assert (await browser.send("POST", "/auth/logout")).status_code == 204

    ended = await back_button.http.get(callback)

    assert error_of(ended) == "state_used"
    assert back_button.cookie() is None
    assert await stage.count("sessions") == 0


async def test_a_used_callback_harms_no_session(stage: Stage, browser: Browser) -> None:
    """The back button to an old callback leaves today's session alone (security F-25)."""
    old = await browser.approach("ada")
    before = stage.browser()
    before.take_jar_of(browser)
    await browser.http.get(old)
    await browser.log_in("ada")
    session = browser.cookie()
    before.http.cookies.set("igauth_session", session or "", domain="localhost.local")

    ended = await before.get(old.removeprefix(before.base_url))

    assert error_of(ended) == "state_used"
    assert (await browser.user()) is not None
    assert browser.cookie() == session


async def test_two_tabs(stage: Stage, browser: Browser) -> None:
    """Two tabs log in side by side; finishing one leaves the other's attempt alone (P-07)."""
    one, two = await browser.approach("ada"), await browser.approach("ben")

    assert error_of(await browser.http.get(one)) is None
    assert len(browser.attempt_cookies()) == 1
    assert error_of(await browser.http.get(two)) is None
    assert (await browser.user() or {})["name"] == "Ben Bare"
    assert await stage.count("sessions") == 1


async def test_two_tabs_at_once(stage: Stage, browser: Browser) -> None:
    """Both callbacks at the same instant: both succeed, each with a session of its own."""
    one, two = await browser.approach("ada"), await browser.approach("ada")
    other = stage.browser()
    other.take_jar_of(browser)

    ends = await asyncio.gather(browser.http.get(one), other.http.get(two))

    assert [error_of(end) for end in ends] == [None, None]
    assert browser.cookie() != other.cookie()


async def test_two_devices_of_a_new_person(stage: Stage) -> None:
    """One person, one connection, two sessions (security F-26)."""
    devices = [stage.browser() for _ in range(2)]
    callbacks = [await device.approach("ada") for device in devices]

    ends = await asyncio.gather(
        *(device.http.get(callback) for device, callback in zip(devices, callbacks, strict=True))
    )

    assert [error_of(end) for end in ends] == [None, None]
    assert await stage.count("people") == 1
    assert await stage.count("connections") == 1
    assert await stage.count("sessions") == 2


async def test_the_five_newest_attempts_live(stage: Stage, browser: Browser) -> None:
    """The sixth start drops the oldest attempt, and only that."""
    callbacks = []
    for _ in range(6):
        callbacks.append(await browser.approach("ada"))
        stage.clock.advance(seconds=2)

    assert len(browser.attempt_cookies()) == 5
    assert error_of(await browser.http.get(callbacks[0])) == "state_mismatch"
    for callback in callbacks[1:]:
        assert error_of(await browser.http.get(callback)) is None


async def test_attempts_of_one_second_are_five_too(browser: Browser) -> None:
    """However quick the clicks: never more than five."""
    for _ in range(9):
        await browser.start()

    assert len(browser.attempt_cookies()) == 5


async def test_rubbish_in_the_jar_is_swept(browser: Browser) -> None:
    """A cookie that looks like an attempt and isn't leaves with the next start."""
    browser.http.cookies.set("igauth_login_0123456789abcdef", "rubbish", domain="localhost.local")

    await browser.start()

    assert "igauth_login_0123456789abcdef" not in browser.cookies()
    assert len(browser.attempt_cookies()) == 1


async def test_the_states_mark_outlives_its_cookie(stage: Stage, browser: Browser) -> None:
    """Pruning can't revive a state: when its mark may go, its cookie has expired."""
    callback = await browser.approach("ada")
    late = stage.browser()
    late.take_jar_of(browser)
    await browser.http.get(callback)
    stage.clock.advance(minutes=16, seconds=1)

    assert error_of(await late.http.get(callback)) == "state_expired"
    expires_at = await stage.services.database.read(
        lambda tx: tx.execute(select(SpentState.expires_at)).scalar_one()
    )
    assert expires_at - START >= timedelta(minutes=16)


async def test_states_are_not_kept_in_clear(stage: Stage, browser: Browser) -> None:
    """The mark is a hash: the state isn't in the database."""
    started = await browser.start()
    state = query_of(started)["state"][0]
    await browser.http.get(await browser.consent(started.headers["location"]))

    ((state_hash,),) = await stage.sql("SELECT state_hash FROM spent_states")
    assert state_hash != state


async def test_a_reload_after_the_end_stays_logged_in(stage: Stage) -> None:
    """The attempt's cookie is cleared at use; the session it made still tells who comes (§3)."""
    browser, stranger = stage.browser(), stage.browser()
    callback = await browser.approach("ada")
    assert error_of(await browser.http.get(callback)) is None
    session, asked = browser.cookie(), len(stage.graph_calls)
    assert browser.attempt_cookies() == []

    again = await browser.http.get(callback)
    await stranger.log_in("ben")
    foreign = await stranger.http.get(callback)

    assert (error_of(again), browser.cookie()) == (None, session)
    assert error_of(foreign) == "state_mismatch"
    assert stage.graph_calls[asked:].count("exchange") == 1
