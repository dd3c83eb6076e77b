"""Spent states: each is spent once, on every replica."""

import asyncio
from datetime import timedelta

import pytest

from igauth.store import attempts
from igauth.store.attempts import Outcome
from igauth.store.database import Database
from tests.store.rows import LATER, NOW

STATE = "5" * 64


async def consume(database: Database, state: str = STATE) -> bool:
    """Spends a state in a transaction of its own."""
    async with database.transaction() as tx:
        return await attempts.consume(tx, state, now=NOW, expires_at=LATER)


async def test_twenty_arrivals_at_once_have_one_winner(database: Database, other: Database) -> None:
    """Ten on each of two replicas: exactly one spends the state."""
    won = await asyncio.gather(*(consume(each) for _ in range(10) for each in (database, other)))

    assert sorted(won) == [False] * 19 + [True]


async def test_a_winner_that_rolls_back_leaves_the_state_unspent(database: Database) -> None:
    """The mark is a row like others: without a commit there is none."""

    class Stopped(Exception):
        """The transaction's end."""

    async def fail() -> None:
        async with database.transaction() as tx:
            assert await attempts.consume(tx, STATE, now=NOW, expires_at=LATER)
            raise Stopped

    with pytest.raises(Stopped):
        await fail()

    assert await consume(database)


async def test_the_loser_learns_the_winners_outcome(database: Database, other: Database) -> None:
    """None while it runs, then how it ended; nothing for an unspent state."""
    async with other.reading() as tx:
        assert await attempts.find_outcome(tx, STATE) is None
    await consume(database)
    async with other.reading() as tx:
        assert await attempts.find_outcome(tx, STATE) == (NOW, None)
    for outcome in (Outcome.FAILED, Outcome.COMPLETED):
        async with database.transaction() as tx:
            await attempts.finish(tx, STATE, outcome)
        async with other.reading() as tx:
            assert await attempts.find_outcome(tx, STATE) == (NOW, outcome)


async def test_finishing_touches_no_other_state(database: Database) -> None:
    """An outcome belongs to one state."""
    await consume(database)
    await consume(database, "6" * 64)
    async with database.transaction() as tx:
        await attempts.finish(tx, STATE, Outcome.FAILED)
        await attempts.finish(tx, "7" * 64, Outcome.FAILED)
        assert await attempts.find_outcome(tx, "6" * 64) == (NOW, None)
        assert await attempts.find_outcome(tx, "7" * 64) is None


async def test_marks_are_pruned_when_no_cookie_can_match(database: Database) -> None:
    """Not before their end; then the state is free, and its cookie long dead."""
    await consume(database)
    async with database.transaction() as tx:
        assert await attempts.prune(tx, LATER - timedelta(microseconds=1)) == 0
        assert await attempts.prune(tx, LATER) == 1
        assert await attempts.prune(tx, LATER) == 0
