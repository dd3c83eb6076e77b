"""The feed: oldest first, no cursor passes an event by, thirty days (contract §12)."""

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy.util import await_only

from igauth.domain import EventType
from igauth.errors import CursorExpired, InvalidRequest
from igauth.events import outbox
from igauth.events.feed import KEPT
from igauth.store.database import Transaction
from igauth.upkeep.pruning import Pruning
from tests.events.told import told
from tests.stage import Stage, no_wait, replica


def refuse(tx: Transaction, *, number: int, stage: Stage) -> None:
    """An event that needs nobody."""
    outbox.record_refusal(tx, f"cs_{number}", ["u"], stage.clock())


async def write(stage: Stage, *numbers: int) -> None:
    """An event for each number, one transaction each."""
    for number in numbers:
        await stage.services.database.write(partial(refuse, number=number, stage=stage))


def sessions(events: list[dict[str, Any]]) -> list[int]:
    """Which numbers they were written with."""
    return [int(each["data"]["connect_session"]["id"].removeprefix("cs_")) for each in events]


async def test_pages_go_on_from_the_cursor(stage: Stage) -> None:
    """Oldest first; `next` of an empty page is the given one, and then finds what came since."""
    feed = stage.services.events.feed
    await write(stage, 1, 2, 3)
    first = await feed.read(after=None, types=None, limit=2)
    second = await feed.read(after=first.next, types=None, limit=2)
    empty = await feed.read(after=second.next, types=None, limit=2)
    await write(stage, 4)
    last = await feed.read(after=empty.next, types=None, limit=2)

    assert [sessions(page.events) for page in (first, second, empty, last)] == [
        [1, 2],
        [3],
        [],
        [4],
    ]
    assert empty.next == second.next
    assert (await feed.read(after=last.next, types=None, limit=2)).next == last.next


async def test_what_a_process_wrote_that_died_is_told_by_another(stage: Stage) -> None:
    """Committed is told, however soon after the commit the process ended: nothing waits in it."""
    await write(stage, 1)
    async with replica(stage) as other:
        assert sessions(await told(other)) == [1]


async def test_types_narrow_the_feed(stage: Stage) -> None:
    """Of the named types alone."""
    await write(stage, 1)

    assert await told(stage, EventType.DELETED) == []
    assert sessions(await told(stage, EventType.DELETED, EventType.CONNECT_SESSION_REFUSED)) == [1]


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1.0", " 1", "١", "9" * 40, "1e3"])
async def test_what_is_no_cursor_is_refused(stage: Stage, cursor: str) -> None:
    """422, whatever it is."""
    with pytest.raises(InvalidRequest):
        await stage.services.events.feed.read(after=cursor, types=None, limit=1)


async def test_after_thirty_days_events_go_and_older_cursors_end(stage: Stage) -> None:
    """410 for a cursor that something beyond was pruned of; one that saw it goes on."""
    feed = stage.services.events.feed
    await write(stage, 1)
    early = (await feed.read(after=None, types=None, limit=1)).next
    await write(stage, 2)
    seen = (await feed.read(after=early, types=None, limit=1)).next
    pruning = Pruning(stage.services.database, clock=stage.clock, sleep=no_wait)
    stage.clock.advance(days=30)
    await pruning.prune()
    assert sessions(await told(stage)) == [1, 2]
    stage.clock.advance(seconds=1)
    await write(stage, 3)
    await pruning.prune()

    assert timedelta(days=30) == KEPT
    with pytest.raises(CursorExpired):
        await feed.read(after=early, types=None, limit=1)
    assert sessions((await feed.read(after=seen, types=None, limit=9)).events) == [3]
    assert sessions(await told(stage)) == [3]


async def test_a_cursor_of_another_database_is_refused(stage: Stage) -> None:
    """After a restored backup, numbers that were given once are given again: 410, not silence."""
    with pytest.raises(CursorExpired):
        await stage.services.events.feed.read(after="7", types=None, limit=1)


async def test_numbers_are_never_given_twice(stage: Stage) -> None:
    """Not even where the last event went with its person."""
    feed = stage.services.events.feed
    await write(stage, 1, 2)
    end = (await feed.read(after=None, types=None, limit=9)).next
    await stage.sql("DELETE FROM events")
    await write(stage, 3)

    assert sessions((await feed.read(after=end, types=None, limit=9)).events) == [3]


async def test_a_slow_transaction_is_not_passed_by(stage: Stage) -> None:
    """It wrote before another one that is committed and read already: its event comes after."""
    if stage.services.database.is_sqlite:
        return await one_writer(stage)
    wrote, go_on = asyncio.Event(), asyncio.Event()

    def slow(tx: Transaction) -> None:
        refuse(tx, number=1, stage=stage)
        wrote.set()
        await_only(go_on.wait())

    work = asyncio.create_task(stage.services.database.write(slow))
    await wrote.wait()
    await write(stage, 2)
    feed = stage.services.events.feed
    before = await feed.read(after=None, types=None, limit=9)
    go_on.set()
    await work
    after = await feed.read(after=before.next, types=None, limit=9)

    assert (sessions(before.events), sessions(after.events)) == ([2], [1])
    return None


async def one_writer(stage: Stage) -> None:
    """SQLite has one writer: what was written first is committed first."""
    await asyncio.gather(*(write(stage, number) for number in range(20)))

    assert sorted(sessions(await told(stage))) == list(range(20))


async def test_readers_and_writers_side_by_side_lose_nothing(stage: Stage) -> None:
    """Two replicas write while a reader follows its cursor: every event once, in one order."""
    async with replica(stage) as other:
        seen: list[int] = []
        cursor: str | None = None
        writing = asyncio.gather(
            *(write(place, *range(start, 200, 8)) for start in range(8) for place in [stage, other])
        )
        while not writing.done() or len(seen) < 400:
            page = await stage.services.events.feed.read(after=cursor, types=None, limit=7)
            seen += sessions(page.events)
            cursor = page.next
            if not page.events:
                await asyncio.sleep(0)
        await writing

    assert sorted(seen) == sorted([*range(200), *range(200)])
    assert sessions(await told(stage)) == seen
