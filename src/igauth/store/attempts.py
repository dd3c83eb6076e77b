"""Spent states: the mark that makes a login's state single-use on every replica."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, select, update

from igauth.domain import SessionHash
from igauth.store.database import Transaction
from igauth.store.models import SpentState
from igauth.store.statements import insert_into


class Outcome(StrEnum):
    """How the login that spent a state ended."""

    COMPLETED = "completed"
    FAILED = "failed"


async def consume(tx: Transaction, state_hash: str, *, now: datetime, expires_at: datetime) -> bool:
    """Marks the state spent, by one statement. False: somebody else did before."""
    statement = insert_into(tx, SpentState).values(
        state_hash=state_hash, spent_at=now, expires_at=expires_at
    )
    return bool((await tx.execute(statement.on_conflict_do_nothing())).rowcount)


async def finish(
    tx: Transaction, state_hash: str, outcome: Outcome, session_hash: SessionHash | None = None
) -> None:
    """The login of this state has ended, with this session or with none."""
    statement = update(SpentState).where(SpentState.state_hash == state_hash)
    await tx.execute(statement.values(outcome=outcome.value, session_hash=session_hash))


async def made_session(tx: Transaction, state_hash: str, hashes: Sequence[SessionHash]) -> bool:
    """Whether the login of this state made the session under one of these hashes."""
    statement = select(SpentState.state_hash).where(
        SpentState.state_hash == state_hash, SpentState.session_hash.in_(hashes)
    )
    return (await tx.execute(statement)).first() is not None


async def find_outcome(tx: Transaction, state_hash: str) -> tuple[datetime, Outcome | None] | None:
    """When the state was spent, and how its login ended (None: it still runs)."""
    statement = select(SpentState.spent_at, SpentState.outcome)
    row = (await tx.execute(statement.where(SpentState.state_hash == state_hash))).one_or_none()
    if row is None:
        return None
    return row.spent_at, None if row.outcome is None else Outcome(row.outcome)


async def prune(tx: Transaction, now: datetime) -> int:
    """Deletes marks that no cookie can match any more; returns how many."""
    return (await tx.execute(delete(SpentState).where(SpentState.expires_at <= now))).rowcount
