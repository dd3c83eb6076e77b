"""Spent states: each is spent once, on every replica."""

import asyncio
from datetime import timedelta

import pytest

from igauth.domain import SessionHash
from igauth.store import attempts
from igauth.store.attempts import Outcome, SpentRow
from igauth.store.database import Database, Transaction
from igauth.store.leases import LEASE
from tests.store.rows import LATER, MOMENT, NOW, log_in, new_session, spend

STATE = "5" * 64


async def find(database: Database, state: str = STATE) -> SpentRow | None:
    """The mark, as another replica reads it."""
    return await database.read(lambda tx: attempts.find(tx, state))


async def test_twenty_arrivals_at_once_have_one_winner(database: Database, other: Database) -> None:
    """Ten on each of two replicas: exactly one spends the state."""
    won = await asyncio.gather(
        *(spend(each, STATE) for _ in range(10) for each in (database, other))
    )

    assert sorted(won) == [False] * 19 + [True]


async def test_a_winner_that_rolls_back_leaves_the_state_unspent(database: Database) -> None:
    """The mark is a row like others: without a commit there is none."""

    class Stopped(Exception):
        """The transaction's end."""

    def unit(tx: Transaction) -> None:
        assert attempts.consume(tx, STATE, owner="me", now=NOW, expires_at=LATER)
        raise Stopped

    with pytest.raises(Stopped):
        await database.write(unit)

    assert await spend(database, STATE)


async def test_the_loser_learns_the_winner_s_outcome(database: Database, other: Database) -> None:
    """Nothing for an unspent state, then that it runs and until when its runner lives, then how it
    ended."""
    assert await find(other) is None
    await spend(database, STATE)
    assert await find(other) == SpentRow(None, NOW + LEASE)
    await database.write(lambda tx: attempts.finish(tx, STATE, Outcome.FAILED))

    assert await find(other) == SpentRow(Outcome.FAILED, None)


async def test_whoever_spends_a_state_holds_its_lease(database: Database) -> None:
    """And renews it, as its owner and nobody else, while the login runs."""
    lease = attempts.lease(STATE)
    await spend(database, STATE, owner=lease.owner)
    stranger = attempts.lease(STATE)
    later = NOW + timedelta(seconds=9)

    assert not await database.write(lambda tx: stranger.renew(tx, later))
    assert await database.write(lambda tx: lease.renew(tx, later))
    assert await find(database) == SpentRow(None, later + LEASE)


async def test_finishing_touches_no_other_state(database: Database) -> None:
    """An outcome belongs to one state; one that was never spent gets none."""
    for state in (STATE, "6" * 64):
        await spend(database, state)
    for state in (STATE, "7" * 64):
        await database.write(
            lambda tx, state=state: attempts.finish(tx, state, Outcome.FAILED)  # type: ignore[misc]
        )

    assert await find(database, "6" * 64) == SpentRow(None, NOW + LEASE)
    assert await find(database, "7" * 64) is None


async def test_only_the_login_s_own_session_came_of_it(database: Database) -> None:
    """A reload by another browser's session isn't taken for the one that logged in."""
    await spend(database, STATE)
    hashes = [SessionHash("older key's"), SessionHash("h1")]
    made = lambda tx: attempts.made_session(tx, STATE, hashes)  # noqa: E731  # asked three times
    assert not await database.read(made)
    await log_in(database, session=new_session("h2"))
    assert not await database.read(made)

    await log_in(database, state_hash=STATE, session=new_session("h1"))

    assert await database.read(made)
    assert not await database.read(lambda tx: attempts.made_session(tx, STATE, hashes[:1]))


async def test_marks_are_pruned_when_no_cookie_can_match(database: Database) -> None:
    """Not before their end, and no more than asked for at a time."""
    for number in range(5):
        await spend(database, str(number))
    pruned = [
        await database.write(lambda tx, at=at: attempts.prune(tx, at, 2))  # type: ignore[misc]
        for at in (LATER - MOMENT, LATER, LATER, LATER, LATER)
    ]

    assert pruned == [0, 2, 2, 1, 0]
