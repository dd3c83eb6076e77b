"""Receipts of data-deletion requests: that it was done, and nothing about whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from igauth.store.database import Transaction
from igauth.store.models import DeletionReceipt
from igauth.store.statements import insert_into


@dataclass(frozen=True, slots=True)
class ReceiptRow:
    """`outcome` is `deleted` or `nothing_stored`."""

    code_hash: str
    outcome: str
    requested_at: datetime
    completed_at: datetime | None


_COLUMNS = tuple(DeletionReceipt.__table__.c)


async def add(tx: Transaction, receipt: ReceiptRow) -> None:
    """Keeps a receipt; one that is there already stays as it is."""
    statement = insert_into(tx, DeletionReceipt).values(
        code_hash=receipt.code_hash,
        outcome=receipt.outcome,
        requested_at=receipt.requested_at,
        completed_at=receipt.completed_at,
    )
    await tx.execute(statement.on_conflict_do_nothing())


async def find(tx: Transaction, code_hashes: Sequence[str]) -> ReceiptRow | None:
    """The receipt under one of these hashes."""
    statement = select(*_COLUMNS).where(DeletionReceipt.code_hash.in_(code_hashes))
    row = (await tx.execute(statement)).first()
    return None if row is None else ReceiptRow(*row)
