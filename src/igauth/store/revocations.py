"""The queue of revocations that Meta hasn't confirmed: sealed ids and their hashes, no person."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import delete, select, update

from igauth.store.database import Transaction
from igauth.store.leases import FREED, Lease, claim_due
from igauth.store.models import Revocation
from igauth.store.statements import InBoth


@dataclass(frozen=True, slots=True)
class RevocationRow:
    """A queued revocation. `kid` None: nobody could open it."""

    id: str
    sealed_subject: str | None = field(repr=False)
    kid: str | None
    attempts: int


NEVER = datetime(9000, 1, 1, tzinfo=UTC)
_COLUMNS = (Revocation.id, Revocation.sealed_subject, Revocation.kid, Revocation.attempts)
_ADD = InBoth(lambda _, insert: insert(Revocation))


def new_id() -> str:
    """The id of a row to be, to seal for."""
    return str(uuid.uuid4())


def add(
    tx: Transaction,
    row_id: str,
    *,
    sealed_subject: str,
    subject_hash: str,
    kid: str,
    now: datetime,
    next_attempt_at: datetime,
) -> None:
    """Queues a revocation."""
    values = {
        "id": row_id,
        "sealed_subject": sealed_subject,
        "subject_hash": subject_hash,
        "kid": kid,
        "queued_at": now,
        "next_attempt_at": next_attempt_at,
        "attempts": 0,
        **FREED,
    }
    _ADD.execute(tx, values)


def cancel(tx: Transaction, subject_hashes: Sequence[str]) -> int:
    """The person consented anew: nothing that is queued for them may end it."""
    wanted = delete(Revocation).where(Revocation.subject_hash.in_(subject_hashes))
    return tx.execute(wanted).rowcount


def list_ids(tx: Transaction, after: str, limit: int) -> list[str]:
    """Ids of queued revocations, `limit` of them beyond `after`."""
    statement = select(Revocation.id).where(Revocation.id > after)
    return list(tx.execute(statement.order_by(Revocation.id).limit(limit)).scalars())


def mark_due(tx: Transaction, ids: Sequence[str], now: datetime) -> None:
    """Makes these due at once, whatever their back-off."""
    tx.execute(update(Revocation).where(Revocation.id.in_(ids)).values(next_attempt_at=now))


def lock(tx: Transaction, row_id: str) -> bool:
    """Whether the revocation is still wanted; if so, nobody cancels it before the end of this."""
    statement = select(Revocation.id).where(Revocation.id == row_id).with_for_update()
    return tx.execute(statement).first() is not None


def claim_attempts(
    tx: Transaction, *, now: datetime, limit: int
) -> tuple[Lease, list[RevocationRow]]:
    """Takes up to `limit` due revocations; each replica gets others."""
    lease, ids = claim_due(tx, Revocation, Revocation.next_attempt_at, now=now, limit=limit)
    rows = tx.execute(select(*_COLUMNS).where(Revocation.id.in_(ids))) if ids else ()
    return lease, [RevocationRow(*row) for row in rows]


def remove(tx: Transaction, row_id: str) -> bool:
    """This revocation is done, or cancelled; False where it had gone before."""
    return bool(tx.execute(delete(Revocation).where(Revocation.id == row_id)).rowcount)


def postpone(tx: Transaction, row: RevocationRow, lease: Lease, next_attempt_at: datetime) -> None:
    """Not carried out yet: again later."""
    statement = update(Revocation).where(
        Revocation.id == row.id, Revocation.lease_owner == lease.owner
    )
    values = {"attempts": row.attempts + 1, "next_attempt_at": next_attempt_at}
    tx.execute(statement.values(**values, **FREED))


def mark_unreadable(tx: Transaction, row_id: str) -> None:
    """The sealed id can't be opened by any key: kept, and looked at again by a rotation alone."""
    statement = update(Revocation).where(Revocation.id == row_id)
    tx.execute(statement.values(kid=None, next_attempt_at=NEVER, **FREED))
