"""Pauses that Meta's throttling asks for, shared by all replicas."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from igauth.store.database import Transaction
from igauth.store.models import Pause
from igauth.store.statements import InBoth, delete_some


def _build_save(_dialect: str, insert: Any) -> Any:
    fresh = insert(Pause)
    return fresh.on_conflict_do_update(
        index_elements=["scope"],
        set_={"until": fresh.excluded.until, "seconds": fresh.excluded.seconds},
        where=Pause.until < fresh.excluded.until,
    )


_SAVE = InBoth(_build_save)


def find(tx: Transaction, scope: str) -> tuple[datetime, int] | None:
    """Until when this scope pauses or paused last, and for how many seconds."""
    row = tx.execute(select(Pause.until, Pause.seconds).where(Pause.scope == scope)).one_or_none()
    return None if row is None else (row.until, row.seconds)


def list_active(tx: Transaction, now: datetime, limit: int) -> dict[str, datetime]:
    """Scopes that have to wait now, and until when."""
    statement = select(Pause.scope, Pause.until).where(Pause.until > now).limit(limit)
    return {row.scope: row.until for row in tx.execute(statement).all()}


def save(tx: Transaction, scope: str, until: datetime, seconds: int) -> None:
    """Calls for this scope wait until then; a longer pause that is there already stays."""
    _SAVE.execute(tx, {"scope": scope, "until": until, "seconds": seconds})


def remove(tx: Transaction, scopes: Sequence[str]) -> None:
    """These scopes need not wait."""
    tx.execute(delete(Pause).where(Pause.scope.in_(scopes)))


def remove_ended(tx: Transaction, scopes: Sequence[str], now: datetime) -> None:
    """These need not wait any more, nor longer next time, unless their pause is still on."""
    tx.execute(delete(Pause).where(Pause.scope.in_(scopes), Pause.until <= now))


def prune(tx: Transaction, before: datetime, limit: int) -> int:
    """Deletes up to `limit` pauses that ended before this instant; returns how many."""
    return delete_some(tx, Pause.scope, Pause.until < before, limit)
