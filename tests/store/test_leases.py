"""Leases: one owner at a time, for as long as he lives and ten seconds more."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from igauth.errors import DatabaseUnavailable, Overloaded
from igauth.store import leases, turns
from igauth.store.database import Database, Transaction
from igauth.store.leases import LEASE, Lease, kept, renewed, waited_for
from igauth.store.models import Turn
from tests.stage import FakeClock
from tests.store.rows import MOMENT, NOW, sql
from tests.store.watching import Watched, eventually


@pytest.fixture
async def turn(database: Database) -> Lease:
    """A lease that anybody may have."""
    await database.write(lambda tx: tx.execute(insert(Turn).values(name="t")))
    return turns.lease("t")


@pytest.fixture
def clock() -> FakeClock:
    """Stands still at NOW."""
    return FakeClock(NOW)


async def owner_of(database: Database) -> Any:
    """Who holds it."""
    ((owner,),) = await sql(database, "SELECT lease_owner FROM turns")
    return owner


def claims(lease: Lease, now: Any = NOW) -> Callable[[Transaction], bool]:
    """A unit that tries for it."""
    return lambda tx: lease.claim(tx, now)


def renews(lease: Lease, now: Any = NOW) -> Callable[[Transaction], bool]:
    """A unit that asks to keep it."""
    return lambda tx: lease.renew(tx, now)


# --- one row, one owner ---


async def test_twenty_who_want_it_have_one_winner(
    database: Database, other: Database, turn: Lease
) -> None:
    """Ten on each of two replicas; whoever made the lease is another owner each time."""
    wanted = [turns.lease("t") for _ in range(20)]
    won = await asyncio.gather(
        *((database, other)[index % 2].write(claims(each)) for index, each in enumerate(wanted))
    )

    assert sorted(won) == [False] * 19 + [True]
    assert await owner_of(database) == wanted[won.index(True)].owner


async def test_a_held_lease_is_nobody_else_s(database: Database, turn: Lease) -> None:
    """Not even its owner's own once more; a row that isn't there is nobody's."""
    rival = turns.lease("t")

    assert await database.write(claims(turn))
    assert not await database.write(claims(rival))
    assert not await database.write(claims(turn))
    assert not await database.write(renews(rival))
    assert not await database.write(claims(turns.lease("no such row")))


async def test_a_lease_ends_ten_seconds_after_its_last_renewal(
    database: Database, turn: Lease
) -> None:
    """Whoever dies with it holds nobody up for longer (contract §12), to the microsecond."""
    rival, seconds = turns.lease("t"), timedelta(seconds=1)
    await database.write(claims(turn))
    assert timedelta(seconds=10) == LEASE
    assert not await database.write(claims(rival, NOW + 10 * seconds - MOMENT))
    assert await database.write(renews(turn, NOW + 9 * seconds))
    assert not await database.write(claims(rival, NOW + 19 * seconds - MOMENT))

    assert await database.write(claims(rival, NOW + 19 * seconds))
    assert not await database.write(renews(turn, NOW + 19 * seconds))


async def test_an_owner_that_was_late_is_still_the_owner(database: Database, turn: Lease) -> None:
    """A frozen process that wakes up keeps what nobody has taken meanwhile."""
    await database.write(claims(turn))

    assert await database.write(renews(turn, NOW + timedelta(hours=1)))


async def test_only_its_owner_gives_it_back(database: Database, turn: Lease) -> None:
    """A late first owner doesn't free the second's lease; freed, it's anybody's at once."""
    second = turns.lease("t")
    await database.write(claims(turn))
    await database.write(claims(second, NOW + LEASE))
    await database.write(turn.release)
    assert await owner_of(database) == second.owner

    await database.write(second.release)

    assert await owner_of(database) is None
    assert await database.write(claims(turn))


# --- while a block runs ---


@pytest.mark.parametrize("ending", ["well", "failing", "cancelled"])
async def test_a_kept_lease_is_given_back_whatever_happens(
    database: Database, turn: Lease, clock: FakeClock, ending: str
) -> None:
    """At the block's end, by an exception, by a cancellation: at once somebody else's."""

    class Mine(Exception):
        """The block's own."""

    inside = asyncio.Event()

    async def work() -> None:
        async with kept(database, turn, clock):
            inside.set()
            if ending == "failing":
                raise Mine
            if ending == "cancelled":
                await asyncio.Event().wait()

    await database.write(claims(turn))
    working = asyncio.create_task(work())
    await inside.wait()
    if ending == "cancelled":
        working.cancel()
    (ended,) = await asyncio.gather(working, return_exceptions=True)

    expected = {"well": type(None), "failing": Mine, "cancelled": asyncio.CancelledError}
    assert type(ended) is expected[ending]
    assert await owner_of(database) is None


@pytest.mark.parametrize("trouble", [DatabaseUnavailable, Overloaded])
async def test_a_database_in_trouble_changes_nothing_for_the_block(
    database: Database,
    turn: Lease,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    trouble: type[Exception],
) -> None:
    """What it raises is its own; a lease that couldn't be given back runs out by itself."""
    await database.write(claims(turn))
    writes: list[str] = []

    async def fail(*_given: Any, **_named: Any) -> None:
        writes.append("tried")
        raise trouble

    monkeypatch.setattr(leases, "_RENEW_SECONDS", 0)
    real = database.write
    monkeypatch.setattr(database, "write", fail)

    async def work() -> None:
        async with kept(database, turn, clock):
            await eventually(lambda: _has_at_least(writes, 3))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work()
    monkeypatch.setattr(database, "write", real)

    assert await owner_of(database) == turn.owner
    assert await database.write(claims(turns.lease("t"), NOW + LEASE))


async def test_a_lease_is_renewed_while_its_owner_works(
    database: Database, turn: Lease, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every three seconds, so that two renewals may fail; not after the block, nor given back."""
    assert LEASE.total_seconds() > 3 * leases._RENEW_SECONDS
    monkeypatch.setattr(leases, "_RENEW_SECONDS", 0)
    rival = turns.lease("t")
    await database.write(claims(turn))
    async with renewed(database, turn, clock):
        clock.advance(minutes=1)
        await eventually(lambda: _is_held_at(database, clock.now))
        assert not await database.write(claims(rival, clock.now))
    await database.write(lambda _tx: None)
    clock.advance(minutes=1)
    for _ in range(20):
        await asyncio.sleep(0)

    assert await owner_of(database) == turn.owner
    assert not await _is_held_at(database, clock.now)
    assert await database.write(claims(rival, clock.now))


# --- waiting for one ---


async def test_waiting_looks_ever_more_slowly_and_never_writes(
    database: Database, turn: Lease, statements: Watched
) -> None:
    """With jitter, at most about a second apart; a minute's wait costs eighty looks, not 600."""
    slept: list[float] = []
    await database.write(claims(turn))
    statements.clear()

    async def look() -> str | None:
        free = await database.read(
            lambda tx: tx.exec_driver_sql("SELECT lease_owner FROM turns").scalar_one()
        )
        assert free == turn.owner
        return "mine" if sum(slept) > 60 else None

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    assert await waited_for(look, sleep) == "mine"

    assert {each.verb for each in statements} == {"SELECT"}
    assert len(statements) == len(slept) + 1 < 100
    assert 0.05 * 0.7 <= slept[0] <= 0.05 * 1.3
    assert all(0.7 <= each <= 1.3 for each in slept[12:])
    assert len(set(slept[12:])) > 1
    assert sum(slept[:6]) < sum(slept[6:12])


async def test_what_is_there_already_is_had_without_waiting() -> None:
    """One look, no sleep."""

    async def look() -> str:
        return "there"

    async def sleep(_seconds: float) -> None:
        raise AssertionError("nobody waits")

    assert await waited_for(look, sleep) == "there"


async def _has_at_least(found: list[str], number: int) -> bool:
    return len(found) >= number


async def _is_held_at(database: Database, now: Any) -> bool:
    free = leases.is_free(Turn, now)
    return await database.read(lambda tx: not tx.execute(Turn.__table__.select().where(free)).all())
