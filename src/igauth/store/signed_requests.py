"""Meta's signed requests that were carried out: the same again changes nothing.

The row of a data deletion is its receipt: that it was done, and nothing about whom.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from igauth.store.database import Transaction
from igauth.store.models import SignedRequest
from igauth.store.statements import InBoth


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """What became of a request. `completed_at` None: a copy still lies in the database's log."""

    outcome: str
    requested_at: datetime
    completed_at: datetime | None


_COLUMNS = (SignedRequest.outcome, SignedRequest.requested_at, SignedRequest.completed_at)
_ADD = InBoth(lambda _, insert: insert(SignedRequest).on_conflict_do_nothing())


def add(tx: Transaction, request_hash: str, *, code_hash: str | None, receipt: ReceiptRow) -> bool:
    """Notes a request as carried out; False where it was before."""
    values = {
        "request_hash": request_hash,
        "code_hash": code_hash,
        "outcome": receipt.outcome,
        "requested_at": receipt.requested_at,
        "completed_at": receipt.completed_at,
    }
    return bool(_ADD.execute(tx, values).rowcount)


def find_code_hash(tx: Transaction, request_hash: str) -> str | None:
    """The hash of the confirmation code that this request was given."""
    statement = select(SignedRequest.code_hash).where(SignedRequest.request_hash == request_hash)
    return tx.execute(statement).scalar_one_or_none()


def find_receipt(tx: Transaction, code_hashes: Sequence[str]) -> ReceiptRow | None:
    """The receipt under one of these hashes."""
    row = tx.execute(select(*_COLUMNS).where(SignedRequest.code_hash.in_(code_hashes))).first()
    return None if row is None else ReceiptRow(*row)


def complete(tx: Transaction, now: datetime) -> int:
    """No copy of what was erased is left; returns how many receipts say so from now on."""
    open_ones = SignedRequest.completed_at.is_(None) & SignedRequest.code_hash.is_not(None)
    return tx.execute(update(SignedRequest).where(open_ones).values(completed_at=now)).rowcount
