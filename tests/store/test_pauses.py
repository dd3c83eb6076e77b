"""Pauses: shared by all replicas, never shortened by a latecomer."""

from datetime import timedelta

from igauth.store import pauses
from igauth.store.database import Database
from tests.store.rows import LATER, NOW


async def test_a_pause_is_seen_by_every_replica(database: Database, other: Database) -> None:
    """Only the scopes asked for, with end and length."""
    async with database.transaction() as tx:
        await pauses.save(tx, "app", LATER, 60)
        await pauses.save(tx, "person:1", NOW, 120)
    async with other.reading() as tx:
        assert await pauses.find(tx, ["app", "page:1"]) == {"app": (LATER, 60)}
        assert await pauses.find(tx, []) == {}


async def test_a_longer_pause_stays(database: Database) -> None:
    """Two replicas were throttled: the later end counts, in whichever order they write."""
    async with database.transaction() as tx:
        await pauses.save(tx, "app", LATER, 900)
        await pauses.save(tx, "app", NOW, 60)
        await pauses.save(tx, "app", LATER, 60)
        assert await pauses.find(tx, ["app"]) == {"app": (LATER, 900)}
        await pauses.save(tx, "app", LATER + timedelta(seconds=1), 61)
        assert await pauses.find(tx, ["app"]) == {"app": (LATER + timedelta(seconds=1), 61)}


async def test_pauses_are_removed_and_pruned(database: Database) -> None:
    """By name when a call went well, by time when they are long over."""
    async with database.transaction() as tx:
        for scope, until in (("app", NOW), ("page:1", LATER), ("page:2", LATER)):
            await pauses.save(tx, scope, until, 60)
        await pauses.remove(tx, ["page:1", "unknown"])
        assert await pauses.prune(tx, NOW) == 0
        assert await pauses.prune(tx, NOW + timedelta(microseconds=1)) == 1
        left = await pauses.find(tx, ["app", "page:1", "page:2"])

    assert left == {"page:2": (LATER, 60)}
