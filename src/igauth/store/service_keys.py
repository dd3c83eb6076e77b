"""Service keys: hashes of what the operator's servers show."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, insert, or_, select, update

from igauth.store.database import Transaction
from igauth.store.models import ServiceKey


@dataclass(frozen=True, slots=True)
class ServiceKeyRow:
    """A key as stored; instants in UTC."""

    id: str
    name: str
    scopes: frozenset[str]
    key_hash: str = field(repr=False)
    kid: str
    created_at: datetime
    expires_at: datetime | None
    ends_early_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None

    @property
    def ends_at(self) -> datetime | None:
        """Its end, whatever brings it about; None: it has none."""
        ends = (self.expires_at, self.ends_early_at, self.revoked_at)
        return min((each for each in ends if each is not None), default=None)

    def is_live(self, now: datetime) -> bool:
        """Whether it may be used."""
        return self.ends_at is None or now < self.ends_at


COLUMNS = tuple(ServiceKey.__table__.c)
_FIND = select(*COLUMNS).where(ServiceKey.id == bindparam("key_id"))
_LIST = select(*COLUMNS).order_by(ServiceKey.created_at, ServiceKey.id)
_ADD = insert(ServiceKey)


def add(tx: Transaction, row: ServiceKeyRow) -> None:
    """A new key."""
    values = {column.name: getattr(row, column.name) for column in COLUMNS}
    tx.execute(_ADD, values | {"scopes": sorted(row.scopes)})


def find(tx: Transaction, key_id: str) -> ServiceKeyRow | None:
    """The key of this id, live or not."""
    row = tx.execute(_FIND, {"key_id": key_id}).one_or_none()
    return None if row is None else _read(row)


def list_all(tx: Transaction) -> list[ServiceKeyRow]:
    """Every key, in the order they were made."""
    return [_read(row) for row in tx.execute(_LIST).all()]


def touch(tx: Transaction, row: ServiceKeyRow, *, key_hash: str, kid: str, now: datetime) -> None:
    """The key was used now, and is known by this hash from here on."""
    same = (ServiceKey.id == row.id, ServiceKey.key_hash == row.key_hash)
    values = {"used_at": now, "key_hash": key_hash, "kid": kid}
    tx.execute(update(ServiceKey).where(*same).values(**values))


def revoke(tx: Transaction, key_id: str, now: datetime) -> None:
    """Ends the key at once; one that was revoked before stays so since then."""
    revoked_at = func.coalesce(ServiceKey.revoked_at, now)
    tx.execute(update(ServiceKey).where(ServiceKey.id == key_id).values(revoked_at=revoked_at))


def end_early(tx: Transaction, row: ServiceKeyRow, ends_at: datetime) -> None:
    """Shortens the key's life; it never becomes longer."""
    earliest = min(ends_at, row.ends_early_at or ends_at)
    tx.execute(update(ServiceKey).where(ServiceKey.id == row.id).values(ends_early_at=earliest))


def kids_of_live(tx: Transaction, now: datetime) -> set[str]:
    """The keys of the ring under which live keys' hashes lie; the operator has a handful."""
    ends = (ServiceKey.expires_at, ServiceKey.ends_early_at)
    live = (_open_or_after(column, now) for column in ends)
    used = select(ServiceKey.kid).where(ServiceKey.revoked_at.is_(None), *live).distinct()
    return set(tx.execute(used).scalars())


def _open_or_after(column: Any, now: datetime) -> ColumnElement[bool]:
    return or_(column.is_(None), column > now)


def _read(row: Sequence[Any]) -> ServiceKeyRow:
    values = dict(zip((column.name for column in COLUMNS), row, strict=True))
    return ServiceKeyRow(**values | {"scopes": frozenset(values["scopes"])})
