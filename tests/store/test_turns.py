"""Turns: upkeep that one replica does at a time."""

import asyncio
from functools import partial

from igauth.store import turns
from igauth.store.database import Database
from igauth.store.leases import LEASE
from tests.store.rows import NOW, count


async def test_one_replica_has_the_turn(database: Database, other: Database) -> None:
    """Of twenty who want it at once, though its row isn't there yet; another kind is free."""

    async def claim(each: Database, name: str = "pruning") -> bool:
        unit = partial(turns.claim, turn=turns.lease(name), name=name, now=NOW)
        return await each.write(unit)

    won = await asyncio.gather(*(claim(each) for _ in range(10) for each in (database, other)))

    assert sorted(won) == [False] * 19 + [True]
    assert await claim(other, "sweeping")
    assert await count(database, "turns") == 2


async def test_a_turn_can_be_had_again(database: Database) -> None:
    """Given back at once, else when its owner has been dead for ten seconds."""
    first, second, third = (turns.lease("pruning") for _ in range(3))
    claim = partial(turns.claim, name="pruning")
    assert await database.write(partial(claim, turn=first, now=NOW))
    await database.write(first.release)
    assert await database.write(partial(claim, turn=second, now=NOW))
    assert not await database.write(partial(claim, turn=third, now=NOW))

    assert await database.write(partial(claim, turn=third, now=NOW + LEASE))
