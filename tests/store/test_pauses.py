"""Pauses: shared by all replicas, never shortened by a latecomer."""

from datetime import datetime, timedelta
from functools import partial

from igauth.store import pauses
from igauth.store.database import Database
from tests.store.rows import LATER, MOMENT, NOW


async def save(database: Database, scope: str, until: datetime, seconds: int) -> None:
    """A throttle was noticed."""
    await database.write(partial(pauses.save, scope=scope, until=until, seconds=seconds))


async def find(database: Database, scope: str) -> tuple[datetime, int] | None:
    """What is known of a scope."""
    return await database.read(partial(pauses.find, scope=scope))


async def active(database: Database, now: datetime = NOW, limit: int = 10) -> dict[str, datetime]:
    """What has to wait now."""
    return await database.read(partial(pauses.list_active, now=now, limit=limit))


async def test_a_pause_is_seen_by_every_replica(database: Database, other: Database) -> None:
    """With end and length; only those that are on are active, and no more than asked for."""
    await save(database, "app", LATER, 60)
    await save(database, "person:1", NOW, 120)

    assert await find(other, "app") == (LATER, 60)
    assert await find(other, "page:1") is None
    assert await active(other) == {"app": LATER}
    assert await active(other, LATER - MOMENT) == {"app": LATER}
    assert await active(other, LATER) == {}
    assert len(await active(other, NOW - MOMENT)) == 2
    assert len(await active(other, NOW - MOMENT, 1)) == 1


async def test_a_longer_pause_stays(database: Database) -> None:
    """Two replicas were throttled: the later end counts, in whichever order they write."""
    for until, seconds in ((LATER, 900), (NOW, 60), (LATER, 60)):
        await save(database, "app", until, seconds)
        assert await find(database, "app") == (LATER, 900)
    await save(database, "app", LATER + MOMENT, 61)

    assert await find(database, "app") == (LATER + MOMENT, 61)


async def test_pauses_are_removed_and_pruned(database: Database) -> None:
    """By name whatever they are, when a call went well only if they are over, by time in batches
    when they are long over."""
    for scope, until in (("app", NOW), ("page:1", LATER), ("page:2", LATER), ("page:3", NOW)):
        await save(database, scope, until, 60)
    await database.write(lambda tx: pauses.remove(tx, ["page:1", "unknown"]))
    await database.write(lambda tx: pauses.remove_ended(tx, ["page:2", "unknown"], NOW))
    assert await active(database) == {"page:2": LATER}
    pruned = [
        await database.write(partial(pauses.prune, before=before, limit=1))
        for before in (NOW, NOW + MOMENT, NOW + MOMENT, NOW + MOMENT)
    ]
    assert pruned == [0, 1, 1, 0]
    await database.write(lambda tx: pauses.remove_ended(tx, ["page:2"], LATER))

    assert await active(database, NOW - timedelta(days=1)) == {}
