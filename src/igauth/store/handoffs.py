"""Hand-off codes: each names a person, once, for a minute (contract §11)."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select

from igauth.domain import PersonId
from igauth.store.database import Transaction
from igauth.store.models import Handoff


def add(tx: Transaction, code_hash: str, person_id: PersonId, expires_at: datetime) -> None:
    """A new code."""
    values = {"code_hash": code_hash, "person_id": person_id, "expires_at": expires_at}
    tx.execute(insert(Handoff), values)


def consume(tx: Transaction, hashes: Sequence[str], now: datetime) -> PersonId | None:
    """Spends the code of one of these hashes, by one statement; tells whose it was, in time."""
    spent = delete(Handoff).where(Handoff.code_hash.in_(hashes), Handoff.expires_at > now)
    person_id = tx.execute(spent.returning(Handoff.person_id)).scalars().first()
    return None if person_id is None else PersonId(person_id)


def prune(tx: Transaction, now: datetime, limit: int) -> int:
    """Deletes up to `limit` codes that nobody can redeem any more; returns how many."""
    old = select(Handoff.code_hash).where(Handoff.expires_at <= now).limit(limit)
    return tx.execute(delete(Handoff).where(Handoff.code_hash.in_(old))).rowcount
