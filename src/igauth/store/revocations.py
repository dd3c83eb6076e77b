"""The queue of revocations that Facebook hasn't confirmed."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, or_, select, update

from igauth.store.database import Transaction
from igauth.store.models import Revocation


@dataclass(frozen=True, slots=True)
class RevocationRow:
    """A queued revocation: a sealed app-scoped id and nothing else about anybody."""

    id: str
    sealed_user_id: str | None
    attempts: int


_COLUMNS = (Revocation.id, Revocation.sealed_user_id, Revocation.attempts)


def new_id() -> str:
    """The id of a row to be, to seal for."""
    return str(uuid.uuid4())


async def add(
    tx: Transaction, row_id: str, sealed_user_id: str, *, now: datetime, next_attempt_at: datetime
) -> None:
    """Queues a revocation."""
    await tx.execute(
        insert(Revocation).values(
            id=row_id,
            sealed_user_id=sealed_user_id,
            unreadable=False,
            queued_at=now,
            next_attempt_at=next_attempt_at,
            attempts=0,
        )
    )


async def list_readable(tx: Transaction) -> list[RevocationRow]:
    """Every queued revocation that may still be opened."""
    statement = select(*_COLUMNS).where(~Revocation.unreadable)
    return [RevocationRow(*row) for row in (await tx.execute(statement)).all()]


async def mark_due(tx: Transaction, now: datetime) -> None:
    """Makes every queued revocation due at once, whatever its back-off."""
    await tx.execute(update(Revocation).values(next_attempt_at=now))


async def exists(tx: Transaction, row_id: str) -> bool:
    """Whether the revocation is still wanted: a login would have cancelled it."""
    statement = select(Revocation.id).where(Revocation.id == row_id)
    return (await tx.execute(statement)).first() is not None


async def claim_due(
    tx: Transaction,
    *,
    now: datetime,
    until: datetime,
    owner: str,
    limit: int,
) -> list[RevocationRow]:
    """Takes up to `limit` due revocations for `owner`; each replica gets others."""
    free = or_(Revocation.leased_until.is_(None), Revocation.leased_until < now)
    due = select(Revocation.id).where(
        free, ~Revocation.unreadable, Revocation.next_attempt_at <= now
    )
    due = due.order_by(Revocation.queued_at).limit(limit).with_for_update(skip_locked=True)
    # A CTE: PostgreSQL may run a plain subquery once for each row, and so beyond its limit.
    once = due.cte("due")
    claimed = await tx.execute(
        update(Revocation)
        .where(Revocation.id.in_(select(once.c.id)))
        .values(leased_until=until, lease_owner=owner)
        .returning(*_COLUMNS)
    )
    return [RevocationRow(*row) for row in claimed.all()]


async def remove(tx: Transaction, row_ids: list[str]) -> int:
    """These revocations are done, or cancelled; returns how many there still were."""
    if not row_ids:
        return 0
    return (await tx.execute(delete(Revocation).where(Revocation.id.in_(row_ids)))).rowcount


async def postpone(
    tx: Transaction, row: RevocationRow, *, owner: str, next_attempt_at: datetime
) -> None:
    """Facebook didn't answer: again later."""
    statement = (
        update(Revocation)
        .where(Revocation.id == row.id, Revocation.lease_owner == owner)
        .values(
            leased_until=None,
            lease_owner=None,
            attempts=row.attempts + 1,
            next_attempt_at=next_attempt_at,
        )
    )
    await tx.execute(statement)


async def mark_unreadable(tx: Transaction, row_id: str) -> None:
    """The sealed id can't be opened: kept, but out of the queue's way."""
    await tx.execute(
        update(Revocation)
        .where(Revocation.id == row_id)
        .values(unreadable=True, leased_until=None, lease_owner=None)
    )


async def count(tx: Transaction) -> int:
    """How many revocations wait."""
    return int((await tx.execute(select(func.count()).select_from(Revocation))).scalar_one())
