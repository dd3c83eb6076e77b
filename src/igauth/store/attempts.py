"""Spent states: the mark that makes a login's state single-use on every replica."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import bindparam, select, update

from igauth.domain import SessionHash
from igauth.store.database import Transaction
from igauth.store.leases import FREED, Lease, held
from igauth.store.models import SpentState
from igauth.store.statements import InBoth, delete_some


class Outcome(StrEnum):
    """How the login that spent a state ended."""

    COMPLETED = "completed"
    ADDED = "added"
    PARKED = "parked"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SpentRow:
    """A spent state: how its login ended (None: it runs), and until when its runner is alive."""

    outcome: Outcome | None
    leased_until: datetime | None


_SPEND = InBoth(lambda _, insert: insert(SpentState).on_conflict_do_nothing())
_FIND = select(SpentState.outcome, SpentState.leased_until).where(
    SpentState.state_hash == bindparam("state_hash")
)


def consume(
    tx: Transaction, state_hash: str, *, owner: str, now: datetime, expires_at: datetime
) -> bool:
    """Marks the state spent, by one statement, and leases it. False: somebody did before."""
    values = {
        "state_hash": state_hash,
        "expires_at": expires_at,
        "outcome": None,
        "session_hash": None,
    }
    return bool(_SPEND.execute(tx, values | held(owner, now)).rowcount)


def lease(state_hash: str) -> Lease:
    """A lease for whoever runs the login of this state; `consume` takes it."""
    return Lease(SpentState, SpentState.state_hash == state_hash)


def finish(tx: Transaction, state_hash: str, outcome: Outcome) -> None:
    """The attempt of this state has ended so, without a session."""
    statement = update(SpentState).where(SpentState.state_hash == state_hash)
    tx.execute(statement.values(outcome=outcome.value, **FREED))


def made_session(tx: Transaction, state_hash: str, hashes: Sequence[SessionHash]) -> bool:
    """Whether the login of this state made the session under one of these hashes."""
    statement = select(SpentState.state_hash).where(
        SpentState.state_hash == state_hash, SpentState.session_hash.in_(hashes)
    )
    return tx.execute(statement).first() is not None


def find(tx: Transaction, state_hash: str) -> SpentRow | None:
    """The state, if it was spent."""
    row = tx.execute(_FIND, {"state_hash": state_hash}).one_or_none()
    if row is None:
        return None
    return SpentRow(None if row.outcome is None else Outcome(row.outcome), row.leased_until)


def prune(tx: Transaction, now: datetime, limit: int) -> int:
    """Deletes up to `limit` marks that no cookie can match any more; returns how many."""
    return delete_some(tx, SpentState.state_hash, SpentState.expires_at <= now, limit)
