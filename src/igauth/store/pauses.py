"""Pauses that Facebook's throttling asks for, shared by all replicas."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select

from igauth.store.database import Transaction
from igauth.store.models import Pause
from igauth.store.statements import insert_into


async def find(tx: Transaction, scopes: Sequence[str]) -> dict[str, tuple[datetime, int]]:
    """For each scope that has one: until when, and how long the pause is in seconds."""
    statement = select(Pause.scope, Pause.until, Pause.seconds).where(Pause.scope.in_(scopes))
    rows = (await tx.execute(statement)).all()
    return {scope: (until, seconds) for scope, until, seconds in rows}


async def save(tx: Transaction, scope: str, until: datetime, seconds: int) -> None:
    """Calls for this scope wait until then; a longer pause that is there already stays."""
    insert = insert_into(tx, Pause).values(scope=scope, until=until, seconds=seconds)
    fresh = insert.excluded
    statement = insert.on_conflict_do_update(
        index_elements=["scope"],
        set_={"until": fresh.until, "seconds": fresh.seconds},
        where=Pause.until < fresh.until,
    )
    await tx.execute(statement)


async def remove(tx: Transaction, scopes: Sequence[str]) -> None:
    """These scopes need not wait."""
    await tx.execute(delete(Pause).where(Pause.scope.in_(scopes)))


async def prune(tx: Transaction, before: datetime) -> int:
    """Deletes pauses that ended before this instant; returns how many."""
    return (await tx.execute(delete(Pause).where(Pause.until < before))).rowcount
