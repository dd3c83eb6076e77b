"""Pauses that Facebook's throttling asks for, shared by all replicas."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select

from igauth.store.database import Transaction
from igauth.store.models import Pause
from igauth.store.statements import insert_into


async def find(tx: Transaction, scope: str) -> tuple[datetime, int] | None:
    """Until when this scope pauses or paused last, and for how many seconds."""
    statement = select(Pause.until, Pause.seconds).where(Pause.scope == scope)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else (row.until, row.seconds)


async def list_active(tx: Transaction, now: datetime, limit: int) -> dict[str, datetime]:
    """Scopes that have to wait now, and until when."""
    statement = select(Pause.scope, Pause.until).where(Pause.until > now).limit(limit)
    return {row.scope: row.until for row in (await tx.execute(statement)).all()}


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


async def remove_ended(tx: Transaction, scope: str, now: datetime) -> None:
    """The scope need not wait any more, nor longer next time, unless its pause is still on."""
    await tx.execute(delete(Pause).where(Pause.scope == scope, Pause.until <= now))


async def prune(tx: Transaction, before: datetime) -> int:
    """Deletes pauses that ended before this instant; returns how many."""
    return (await tx.execute(delete(Pause).where(Pause.until < before))).rowcount
