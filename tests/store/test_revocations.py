"""The queue of revocations: claimed by one, postponed by its owner, kept when unreadable."""

import asyncio
from datetime import datetime, timedelta

from sqlalchemy import select

from igauth.store import revocations
from igauth.store.database import Database
from igauth.store.models import Revocation
from igauth.store.revocations import RevocationRow
from tests.store.rows import LATER, NOW, analyze


async def add(database: Database, number: int = 1, due: datetime = NOW) -> list[str]:
    """Queues so many, a second apart; returns their ids in that order."""
    ids = [revocations.new_id() for _ in range(number)]
    async with database.transaction() as tx:
        for index, row_id in enumerate(ids):
            queued_at = NOW + timedelta(seconds=index)
            await revocations.add(tx, row_id, f"v1.k1.{index}", now=queued_at, next_attempt_at=due)
    return ids


async def claim(
    database: Database,
    owner: str,
    *,
    now: datetime = NOW,
    limit: int = 50,
) -> list[RevocationRow]:
    """What this owner takes, for five minutes."""
    async with database.transaction() as tx:
        return await revocations.claim_due(
            tx,
            now=now,
            until=now + timedelta(minutes=5),
            owner=owner,
            limit=limit,
        )


async def test_owners_who_claim_at_once_get_different_rows(
    database: Database, other: Database
) -> None:
    """Each queued revocation is carried out by one."""
    ids = await add(database, 12)
    batches = await asyncio.gather(
        *(
            claim(each, f"{name}{number}", limit=3)
            for number in range(3)
            for name, each in (("a", database), ("b", other))
        )
    )
    while more := await claim(database, "last", limit=3):
        batches.append(more)

    assert sorted(row.id for batch in batches for row in batch) == sorted(ids)


async def test_a_claim_keeps_its_limit_whatever_the_planner_thinks(database: Database) -> None:
    """Statistics of a nearly empty table make PostgreSQL nest loops: still no more than asked."""
    await add(database)
    await analyze(database, "revocations")
    await add(database, 20)

    assert len(await claim(database, "keeper", limit=5)) == 5


async def test_the_longest_queued_come_first(database: Database) -> None:
    """In the order in which people left."""
    ids = await add(database, 4)

    assert {row.id for row in await claim(database, "one", limit=2)} == set(ids[:2])
    assert {row.id for row in await claim(database, "two", limit=2)} == set(ids[2:])


async def test_a_postponed_row_waits_unless_told_otherwise(database: Database) -> None:
    """Its back-off counts until `igauth renew` ends it; attempts are counted by the owner."""
    await add(database)
    (row,) = await claim(database, "first")
    for owner in ("stranger", "first"):
        async with database.transaction() as tx:
            await revocations.postpone(tx, row, owner=owner, next_attempt_at=LATER)

    assert await claim(database, "second") == []
    async with database.transaction() as tx:
        await revocations.mark_due(tx, NOW)
    (again,) = await claim(database, "second")
    assert (again.id, again.attempts) == (row.id, 1)
    assert await claim(database, "third") == []


async def test_a_lease_ends_by_itself(database: Database) -> None:
    """Whoever dies with it holds nobody's revocation up for long."""
    await add(database)
    await claim(database, "first")

    assert await claim(database, "second", now=NOW + timedelta(minutes=5)) == []
    assert len(await claim(database, "second", now=NOW + timedelta(minutes=6))) == 1


async def test_an_unreadable_row_is_kept_out_of_the_way(database: Database) -> None:
    """Neither claimed nor listed; it is still there."""
    bad, good = await add(database, 2)
    async with database.transaction() as tx:
        await revocations.mark_unreadable(tx, bad)
        assert [row.id for row in await revocations.list_readable(tx)] == [good]
        assert await revocations.count(tx) == 2

    assert [row.id for row in await claim(database, "keeper")] == [good]


async def test_removing_tells_how_many_were_there(database: Database) -> None:
    """Done or cancelled by a login; none is no error."""
    first, second = await add(database, 2)
    async with database.transaction() as tx:
        assert await revocations.remove(tx, []) == 0
        assert await revocations.exists(tx, first)
        assert await revocations.remove(tx, [first, "unknown"]) == 1
        assert not await revocations.exists(tx, first)
        assert await revocations.remove(tx, [first]) == 0
        assert [row.id for row in await revocations.list_readable(tx)] == [second]


async def test_a_queued_row_names_nobody(database: Database) -> None:
    """The sealed id and dates: no person, no name, no token."""
    (row_id,) = await add(database)
    async with database.reading() as tx:
        row = (await tx.execute(select(Revocation.__table__))).one()._asdict()

    assert row == {
        "id": row_id,
        "sealed_user_id": "v1.k1.0",
        "unreadable": False,
        "queued_at": NOW,
        "next_attempt_at": NOW,
        "attempts": 0,
        "leased_until": None,
        "lease_owner": None,
    }
