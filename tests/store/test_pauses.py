"""Pauses: shared by all replicas, never shortened by a latecomer."""

from datetime import timedelta

from igauth.store import pauses
from igauth.store.database import Database
from tests.store.rows import LATER, NOW


async def test_a_pause_is_seen_by_every_replica(database: Database, other: Database) -> None:
    """With end and length; only those that are on are active."""
    async with database.transaction() as tx:
        await pauses.save(tx, "app", LATER, 60)
        await pauses.save(tx, "person:1", NOW, 120)
    async with other.reading() as tx:
        assert await pauses.find(tx, "app") == (LATER, 60)
        assert await pauses.find(tx, "page:1") is None
        assert await pauses.list_active(tx, NOW, 10) == {"app": LATER}
        assert await pauses.list_active(tx, LATER, 10) == {}


async def test_a_longer_pause_stays(database: Database) -> None:
    """Two replicas were throttled: the later end counts, in whichever order they write."""
    async with database.transaction() as tx:
        await pauses.save(tx, "app", LATER, 900)
        await pauses.save(tx, "app", NOW, 60)
        await pauses.save(tx, "app", LATER, 60)
        assert await pauses.find(tx, "app") == (LATER, 900)
        await pauses.save(tx, "app", LATER + timedelta(seconds=1), 61)
        assert await pauses.find(tx, "app") == (LATER + timedelta(seconds=1), 61)


async def test_pauses_are_removed_and_pruned(database: Database) -> None:
    """By name when a call went well, by time when they are long over."""
    async with database.transaction() as tx:
        for scope, until in (("app", NOW), ("page:1", LATER), ("page:2", LATER)):
            await pauses.save(tx, scope, until, 60)
        await pauses.remove(tx, ["page:1", "unknown"])
        await pauses.remove_ended(tx, "page:2", NOW)
        assert await pauses.prune(tx, NOW) == 0
        assert await pauses.prune(tx, NOW + timedelta(microseconds=1)) == 1
        left = await pauses.list_active(tx, NOW, 10)
        await pauses.remove_ended(tx, "page:2", LATER)
        none = await pauses.list_active(tx, NOW, 10)

    assert (left, none) == ({"page:2": LATER}, {})
