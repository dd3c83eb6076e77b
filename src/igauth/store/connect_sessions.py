"""Connect sessions, and the codes that their callbacks park (contract §11)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import bindparam, case, delete, func, insert, select, update

from igauth.domain import Provider
from igauth.store.database import Transaction
from igauth.store.leases import FREED, Lease, held
from igauth.store.models import ConnectSession, ParkedCode
from igauth.store.statements import parameter

LINK_LIFETIME: Final = timedelta(minutes=15)
PARKED: Final = timedelta(minutes=5)
MOST_OPEN: Final = 5
_MOST_PARKED: Final = 5


class ConnectStatus(StrEnum):
    """How far a connect session has come."""

    OPEN = "open"
    RETURNED = "returned"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"


_UNDER_WAY: Final = (ConnectStatus.OPEN, ConnectStatus.RETURNED)


@dataclass(frozen=True, slots=True)
class ConnectSessionRow:
    """A connect session as stored; instants in UTC."""

    id: str
    link_hash: str = field(repr=False)
    external_id: str
    provider: Provider
    return_to: str
    prompt: str | None
    reconnect: str | None
    state: str | None = field(repr=False)
    status: ConnectStatus
    error: str | None
    created_at: datetime
    expires_at: datetime
    completed_at: datetime | None
    connection_id: str | None

    def status_at(self, now: datetime) -> ConnectStatus:
        """The status now: what is under way expires by itself."""
        is_over = self.status in _UNDER_WAY and self.expires_at <= now
        return ConnectStatus.EXPIRED if is_over else self.status


@dataclass(frozen=True, slots=True)
class ParkedRow:
    """A parked code as stored; `sealed_code` None: it was taken or destroyed."""

    id: str
    provider: Provider
    app_id: str
    external_id: str
    sealed_code: str | None = field(repr=False)
    error: str | None
    leased_until: datetime | None

    def is_being_exchanged(self, now: datetime) -> bool:
        """Whether somebody who is alive has taken it."""
        return self.leased_until is not None and self.leased_until > now


_COLUMNS: Final = tuple(ConnectSession.__table__.c)
_NAMES: Final = tuple(column.name for column in _COLUMNS)
_PARKED: Final = (
    ParkedCode.id,
    ParkedCode.provider,
    ParkedCode.app_id,
    ParkedCode.external_id,
    ParkedCode.sealed_code,
    ParkedCode.error,
    ParkedCode.leased_until,
)
_FIND: Final = select(*_COLUMNS).where(ConnectSession.id == bindparam("session_id"))
_LOCK: Final = _FIND.with_for_update()
_FIND_PARKED: Final = select(*_PARKED).where(
    ParkedCode.connect_session_id == bindparam("session_id"),
    ParkedCode.code_hash.in_(bindparam("hashes", expanding=True)),
)
COMPLETE: Final = (
    update(ConnectSession)
    .where(ConnectSession.id == parameter("connect_session"))
    .values(
        status=ConnectStatus.COMPLETED.value,
        completed_at=parameter("now"),
        connection_id=parameter("connection_id"),
    ),
    update(ParkedCode).where(ParkedCode.id == parameter("parked")).values(**FREED),
    delete(ParkedCode).where(
        ParkedCode.connect_session_id == parameter("connect_session"),
        ParkedCode.id != parameter("parked"),
    ),
)
"""The session has brought a connection: `connect_session`, `parked`, `connection_id`, `now`."""


def add(tx: Transaction, row: ConnectSessionRow) -> None:
    """A new session; beyond five open ones of its user the oldest end."""
    tx.execute(insert(ConnectSession), {name: getattr(row, name) for name in _NAMES})
    open_ones = (
        select(ConnectSession.id)
        .where(
            ConnectSession.external_id == row.external_id,
            ConnectSession.status == ConnectStatus.OPEN.value,
            ConnectSession.expires_at > row.created_at,
            ConnectSession.id != row.id,
        )
        .order_by(ConnectSession.created_at.desc(), ConnectSession.id)
        .offset(MOST_OPEN - 1)
    )
    crowded_out = list(tx.execute(open_ones).scalars())
    ended = update(ConnectSession).where(ConnectSession.id.in_(crowded_out))
    tx.execute(ended.values(expires_at=row.created_at))


def find(tx: Transaction, session_id: str) -> ConnectSessionRow | None:
    """The session of this id."""
    row = tx.execute(_FIND, {"session_id": session_id}).one_or_none()
    return None if row is None else _read(row)


def lock(tx: Transaction, session_id: str) -> ConnectSessionRow | None:
    """The same, which nobody else changes until the transaction ends."""
    row = tx.execute(_LOCK, {"session_id": session_id}).one_or_none()
    return None if row is None else _read(row)


def find_by_link(tx: Transaction, hashes: Sequence[str]) -> ConnectSessionRow | None:
    """The session whose link has one of these hashes."""
    statement = select(*_COLUMNS).where(ConnectSession.link_hash.in_(hashes))
    row = tx.execute(statement).one_or_none()
    return None if row is None else _read(row)


def find_parked(tx: Transaction, session_id: str, hashes: Sequence[str]) -> ParkedRow | None:
    """The code of this session that has one of these hashes."""
    named = {"session_id": session_id, "hashes": list(hashes)}
    row = tx.execute(_FIND_PARKED, named).one_or_none()
    return None if row is None else ParkedRow(row[0], Provider(row[1]), *row[2:])


def park(
    tx: Transaction,
    row: ParkedRow,
    *,
    sealed_code: str,
    session_id: str,
    code_hash: str,
    kid: str,
    now: datetime,
) -> bool:
    """Keeps a code until it is exchanged; False where the session is over, or has enough.

    The first one sets until when all of them lie here.
    """
    session = lock(tx, session_id)
    if session is None or session.status_at(now) not in _UNDER_WAY:
        return False
    parked = select(func.count()).where(ParkedCode.connect_session_id == session_id)
    if tx.execute(parked).scalar_one() >= _MOST_PARKED:
        return False
    first = ConnectSession.status == ConnectStatus.OPEN.value
    returned = update(ConnectSession).where(ConnectSession.id == session_id)
    tx.execute(
        returned.values(
            status=ConnectStatus.RETURNED.value,
            expires_at=case((first, now + PARKED), else_=ConnectSession.expires_at),
        )
    )
    values = {column.key: getattr(row, column.key) for column in _PARKED}
    sealed = {"sealed_code": sealed_code, "kid": kid, "code_hash": code_hash}
    more = {"connect_session_id": session_id, "parked_at": now}
    tx.execute(insert(ParkedCode), values | sealed | more | FREED)
    return True


def is_taken(tx: Transaction, session_id: str) -> bool:
    """Whether a code of this session has left for its exchange."""
    taken = select(ParkedCode.id).where(
        ParkedCode.connect_session_id == session_id, ParkedCode.sealed_code.is_(None)
    )
    return tx.execute(taken).first() is not None


def lease(parked_id: str) -> Lease:
    """The lease of whoever exchanges this code; `take` takes it."""
    return Lease(ParkedCode, ParkedCode.id == parked_id)


def take(tx: Transaction, parked_id: str, owner: str, now: datetime) -> None:
    """The code leaves for its exchange, once."""
    taken = update(ParkedCode).where(ParkedCode.id == parked_id)
    tx.execute(taken.values(sealed_code=None, kid=None, **held(owner, now)))


def fail(tx: Transaction, session_id: str, error: str) -> None:
    """The session has ended without a connection; every code of it is destroyed."""
    over = update(ConnectSession).where(ConnectSession.id == session_id)
    tx.execute(over.values(status=ConnectStatus.FAILED.value, error=error))
    gone = update(ParkedCode).where(ParkedCode.connect_session_id == session_id)
    tx.execute(gone.values(sealed_code=None, kid=None, error=error, **FREED))


def prune(tx: Transaction, *, now: datetime, before: datetime, limit: int) -> int:
    """Destroys codes whose time is over, and deletes up to `limit` sessions older than `before`,
    with their codes; returns how many."""
    over = select(ConnectSession.id).where(ConnectSession.expires_at <= now)
    stale = update(ParkedCode).where(
        ParkedCode.kid.is_not(None), ParkedCode.connect_session_id.in_(over)
    )
    tx.execute(stale.values(sealed_code=None, kid=None))
    old = select(ConnectSession.id).where(ConnectSession.created_at < before).limit(limit)
    return tx.execute(delete(ConnectSession).where(ConnectSession.id.in_(old))).rowcount


def _read(row: Sequence[Any]) -> ConnectSessionRow:
    values = dict(zip(_NAMES, row, strict=True))
    status, provider = ConnectStatus(values.pop("status")), Provider(values.pop("provider"))
    return ConnectSessionRow(status=status, provider=provider, **values)
