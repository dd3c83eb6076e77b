"""The queue of revocations: claimed by one, postponed by its owner, kept when unreadable."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import select

from igauth.store import revocations
from igauth.store.database import Database
from igauth.store.leases import LEASE, Lease
from igauth.store.models import Revocation
from igauth.store.revocations import NEVER, RevocationRow
from tests.store.rows import LATER, MOMENT, NOW, count, sql


async def add(
    database: Database, number: int = 1, due: datetime = NOW, subject_hash: str = "h"
) -> list[str]:
    """Queues so many, due a second apart; their ids in that order."""
    ids = [revocations.new_id() for _ in range(number)]
    for index, row_id in enumerate(ids):
        queue = partial(
            revocations.add,
            row_id=row_id,
            sealed_subject=f"v1.k1.{index}",
            subject_hash=subject_hash,
            kid="k1",
            now=NOW,
            next_attempt_at=due - timedelta(seconds=number - 1 - index),
        )
        await database.write(queue)
    return ids


async def claim(
    database: Database, *, now: datetime = NOW, limit: int = 50
) -> tuple[Lease, list[RevocationRow]]:
    """What somebody takes."""
    return await database.write(partial(revocations.claim_attempts, now=now, limit=limit))


async def claimed(database: Database, *, now: datetime = NOW, limit: int = 50) -> list[str]:
    """Ids of what somebody takes."""
    return [row.id for row in (await claim(database, now=now, limit=limit))[1]]


async def test_owners_who_claim_at_once_get_different_rows(
    database: Database, other: Database
) -> None:
    """Each queued revocation is carried out by one."""
    ids = await add(database, 12)
    batches = await asyncio.gather(
        *(claimed(each, limit=3) for _ in range(3) for each in (database, other))
    )
    while more := await claimed(database, limit=3):
        batches.append(more)

    assert sorted(each for batch in batches for each in batch) == sorted(ids)


async def test_a_claim_keeps_its_limit_whatever_the_planner_thinks(database: Database) -> None:
    """Statistics of a nearly empty table make PostgreSQL nest loops: still no more than asked."""
    await add(database)
    await sql(database, "ANALYZE revocations")
    await add(database, 20)

    assert len(await claimed(database, limit=5)) == 5


async def test_the_longest_due_come_first(database: Database) -> None:
    """In the order in which people left."""
    ids = await add(database, 4)

    assert set(await claimed(database, limit=2)) == set(ids[:2])
    assert set(await claimed(database, limit=2)) == set(ids[2:])


async def test_a_postponed_row_waits_unless_told_otherwise(database: Database) -> None:
    """Its back-off counts until `igauth renew` ends it; attempts are counted by the owner."""
    await add(database)
    lease, (row,) = await claim(database)
    for owner in (replace(lease, owner="stranger"), lease):
        await database.write(
            partial(revocations.postpone, row=row, lease=owner, next_attempt_at=LATER)
        )
    assert await claimed(database) == []
    await database.write(lambda tx: revocations.mark_due(tx, [row.id], NOW))

    _, (again,) = await claim(database)
    assert (again.id, again.attempts) == (row.id, 1)
    assert await claimed(database) == []


async def test_a_lease_ends_by_itself(database: Database) -> None:
    """Whoever dies with it holds nobody's revocation up for long."""
    ids = await add(database)
    await claim(database)

    assert await claimed(database, now=NOW + LEASE - MOMENT) == []
    assert await claimed(database, now=NOW + LEASE) == ids


async def test_what_is_not_due_is_left(database: Database) -> None:
    """Due at the instant itself, not a moment before."""
    ids = await add(database, due=LATER)

    assert await claimed(database, now=LATER - MOMENT) == []
    assert await claimed(database, now=LATER) == ids


async def test_an_unreadable_row_is_kept_out_of_the_way(database: Database) -> None:
    """Never due again, not held by anybody, needing no key; it is still there."""
    bad, good = await add(database, 2)
    await claim(database)
    await database.write(lambda tx: revocations.mark_unreadable(tx, bad))

    assert await claimed(database, now=NOW + timedelta(days=9_999)) == [good]
    assert await sql(
        database, "SELECT kid, lease_owner, sealed_subject FROM revocations WHERE id = :id", id=bad
    ) == [(None, None, "v1.k1.0")]
    assert NEVER.year == 9000


async def test_all_are_walked_in_batches(database: Database) -> None:
    """Each once, beyond the last one's id."""
    ids = await add(database, 5)
    found: list[str] = []
    while batch := await database.read(
        partial(revocations.list_ids, after=found[-1] if found else "", limit=2)
    ):
        found += batch

    assert found == sorted(ids)


async def test_a_login_cancels_what_is_queued_under_any_of_its_hashes(database: Database) -> None:
    """How many tells whether there was something; what is cancelled is wanted no more."""
    (mine,) = await add(database, subject_hash="by k1")
    await add(database, 2, subject_hash="by k2")
    (bob_s,) = await add(database, subject_hash="bob by k1")
    assert await database.write(lambda tx: revocations.lock(tx, mine))

    gone = [
        await database.write(lambda tx, of=of: revocations.cancel(tx, of))  # type: ignore[misc]
        for of in (["by k1", "by k2"], ["by k1", "by k2"], [])
    ]

    assert gone == [3, 0, 0]
    assert not await database.write(lambda tx: revocations.lock(tx, mine))
    assert await database.write(lambda tx: revocations.lock(tx, bob_s))


async def test_what_is_done_goes_once(database: Database) -> None:
    """False where it had gone before."""
    first, _ = await add(database, 2)

    assert await database.write(lambda tx: revocations.remove(tx, first))
    assert not await database.write(lambda tx: revocations.remove(tx, first))
    assert await count(database, "revocations") == 1


async def test_a_queued_row_names_nobody(database: Database) -> None:
    """The sealed id, its keyed hash and dates: no person, no name, no token."""
    (row_id,) = await add(database)
    row = await database.read(lambda tx: tx.execute(select(Revocation.__table__)).one()._asdict())

    assert row == {
        "id": row_id,
        "sealed_subject": "v1.k1.0",
        "subject_hash": "h",
        "kid": "k1",
        "queued_at": NOW,
        "next_attempt_at": NOW,
        "attempts": 0,
        "leased_until": None,
        "lease_owner": None,
    }
