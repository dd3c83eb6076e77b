"""Connections: a person's grants, their sealed tokens, and the keeper's work on them.

Every write that follows a call to Meta is compare-and-set on `token_version`: what was deleted,
revoked or replaced meanwhile is never written over. Whatever others are told of raises `version`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Row, Select, bindparam, delete, or_, select, update

from igauth.domain import (
    ConnectionCause,
    ConnectionId,
    ConnectionStatus,
    GranularScopes,
    Permissions,
    PersonId,
    Provider,
    Subject,
)
from igauth.store.database import Transaction
from igauth.store.leases import FREED, Lease, claim_due
from igauth.store.models import Connection


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A connection as stored; instants in UTC."""

    id: ConnectionId
    person_id: PersonId
    provider: Provider
    app_id: str
    subject: Subject
    other_subject: Subject | None
    name: str | None
    status: ConnectionStatus
    cause: ConnectionCause | None
    sealed_token: str | None = field(repr=False)
    token_kid: str | None
    token_version: int
    token_issued_at: datetime | None
    upgrade_pending: bool
    token_expires_at: datetime | None
    data_access_expires_at: datetime | None
    granted_scopes: frozenset[str]
    scopes_known: bool
    declined_scopes: frozenset[str]
    granular: GranularScopes | None
    connected_at: datetime
    verified_at: datetime | None
    last_consent: dict[str, Any] | None
    used_at: datetime | None
    next_check_at: datetime | None
    check_failures: int
    version: int

    @property
    def is_readable(self) -> bool:
        """Whether there is a token that nobody has found to be unopenable."""
        return self.sealed_token is not None and self.token_kid is not None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a login, a renewal or a check learned about a grant.

    `granted_scopes` None: Meta never said what was granted (Instagram may not).
    """

    status: ConnectionStatus
    cause: ConnectionCause | None
    upgrade_pending: bool
    token_expires_at: datetime | None
    data_access_expires_at: datetime | None
    granted_scopes: frozenset[str] | None
    declined_scopes: frozenset[str]
    granular: GranularScopes | None
    verified_at: datetime | None
    next_check_at: datetime | None

    NAMES: ClassVar = (
        *("status", "cause", "upgrade_pending", "token_expires_at", "data_access_expires_at"),
        *("ends_at", "granted_scopes", "declined_scopes", "granular_scopes", "verified_at"),
        *("next_check_at", "check_failures"),
    )

    def columns(self) -> dict[str, Any]:
        """The values as the table keeps them, under NAMES."""
        return {
            "status": self.status.value,
            "cause": None if self.cause is None else self.cause.value,
            "upgrade_pending": self.upgrade_pending,
            "token_expires_at": self.token_expires_at,
            "data_access_expires_at": self.data_access_expires_at,
            "ends_at": earliest(self.token_expires_at, self.data_access_expires_at),
            "granted_scopes": None if self.granted_scopes is None else sorted(self.granted_scopes),
            "declined_scopes": sorted(self.declined_scopes),
            "granular_scopes": _granular_json(self.granular),
            "verified_at": self.verified_at,
            "next_check_at": self.next_check_at,
            "check_failures": 0,
        }


@dataclass(frozen=True, slots=True)
class SealedToken:
    """A token sealed for its row, the key that sealed it, and when Meta issued it."""

    sealed: str = field(repr=False)
    kid: str
    issued_at: datetime

    NAMES: ClassVar = ("sealed_token", "token_kid", "token_issued_at")

    def columns(self) -> dict[str, Any]:
        """The values as the table keeps them."""
        return {
            "sealed_token": self.sealed,
            "token_kid": self.kid,
            "token_issued_at": self.issued_at,
        }


_NOT_READ = ("leased_until", "lease_owner", "ends_at")
COLUMNS = tuple(each for each in Connection.__table__.c if each.name not in _NOT_READ)
_SELECT = select(*COLUMNS)
_OF_PERSON = _SELECT.where(Connection.person_id == bindparam("person_id")).order_by(
    Connection.provider, Connection.connected_at, Connection.id
)
_BY_ID = _SELECT.where(Connection.id == bindparam("connection_id"))
_LOCK = _BY_ID.with_for_update()
_BY_SUBJECT = _SELECT.where(
    Connection.provider == bindparam("provider"),
    Connection.app_id == bindparam("app_id"),
    or_(
        Connection.subject == bindparam("subject"),
        Connection.other_subject == bindparam("subject"),
    ),
).order_by(Connection.id)


def list_for_person(tx: Transaction, person_id: PersonId) -> list[ConnectionRow]:
    """All connections of a person: Facebook's first, then in the order they were made."""
    return [read(row) for row in tx.execute(_OF_PERSON, {"person_id": person_id}).all()]


def list_by_subject(
    tx: Transaction, provider: Provider, app_id: str, subject: Subject
) -> list[ConnectionRow]:
    """Everybody's connections to this subject, known by either of its ids."""
    named = {"provider": provider.value, "app_id": app_id, "subject": subject}
    return [read(row) for row in tx.execute(_BY_SUBJECT, named).all()]


def find(tx: Transaction, connection_id: ConnectionId) -> ConnectionRow | None:
    """The connection of this id, whoever's it is."""
    row = tx.execute(_BY_ID, {"connection_id": connection_id}).one_or_none()
    return None if row is None else read(row)


def lock(tx: Transaction, connection_id: ConnectionId) -> ConnectionRow | None:
    """The connection as it is now, which nobody else changes until the transaction ends."""
    row = tx.execute(_LOCK, {"connection_id": connection_id}).one_or_none()
    return None if row is None else read(row)


def lock_same(tx: Transaction, row: ConnectionRow) -> ConnectionRow | None:
    """The same, if its token is the one of `row` still: the state that a change begins from."""
    latest = lock(tx, row.id)
    return latest if latest is not None and latest.token_version == row.token_version else None


def lock_for_person(tx: Transaction, person_id: PersonId) -> list[ConnectionRow]:
    """All connections of a person, which nobody else changes until the transaction ends."""
    rows = tx.execute(_OF_PERSON.with_for_update(), {"person_id": person_id})
    return [read(row) for row in rows.all()]


def save_check(
    tx: Transaction, row: ConnectionRow, grant: Grant, *, token: SealedToken | None = None
) -> bool:
    """What a check or renewal learned; False if the connection changed or went meanwhile."""
    values = grant.columns() | FREED
    if token is not None:
        values |= token.columns() | {"token_version": row.token_version + 1}
    if (grant.status, grant.cause) != (row.status, row.cause):
        values["version"] = Connection.version + 1
    return _compare_and_set(tx, row, values)


def save_status(
    tx: Transaction,
    row: ConnectionRow,
    status: ConnectionStatus,
    cause: ConnectionCause | None,
    *,
    verified_at: datetime | None,
    next_check_at: datetime | None,
) -> bool:
    """A change of state alone. Without a next check, the connection leaves the keeper's sweep."""
    values: dict[str, Any] = {
        "status": status.value,
        "cause": None if cause is None else cause.value,
        "next_check_at": next_check_at,
        "verified_at": verified_at or row.verified_at,
        "version": Connection.version + 1,
        **FREED,
    }
    return _compare_and_set(tx, row, values)


def save_dates(
    tx: Transaction, row: ConnectionRow, status: ConnectionStatus, cause: ConnectionCause | None
) -> bool:
    """A change of state that time alone brought: Meta is asked when it would have been."""
    values = {
        "status": status.value,
        "cause": None if cause is None else cause.value,
        "version": Connection.version + 1,
    }
    return _compare_and_set(tx, row, values)


def raise_version(tx: Transaction, row: ConnectionRow) -> bool:
    """Others are told of a change that stands elsewhere."""
    return _compare_and_set(tx, row, {"version": Connection.version + 1})


def lock_ending(
    tx: Transaction, status: ConnectionStatus, until: datetime, limit: int
) -> list[ConnectionRow]:
    """Up to `limit` connections in this state that end until then, but for those that another
    works on; locked."""
    statement = _SELECT.where(Connection.status == status.value, Connection.ends_at <= until)
    locked = statement.order_by(Connection.ends_at).limit(limit).with_for_update(skip_locked=True)
    return [read(row) for row in tx.execute(locked).all()]


def save_removed(tx: Transaction, row: ConnectionRow) -> bool:
    """The person removed the app: the connection stays, `revoked`, without a token."""
    values = {
        "status": ConnectionStatus.REVOKED.value,
        "cause": ConnectionCause.APP_REMOVED.value,
        "sealed_token": None,
        "token_kid": None,
        "token_issued_at": None,
        "token_version": Connection.token_version + 1,
        "upgrade_pending": False,
        "next_check_at": None,
        "version": Connection.version + 1,
        **FREED,
    }
    return _compare_and_set(tx, row, values)


def save_permissions(tx: Transaction, row: ConnectionRow, permissions: Permissions) -> bool:
    """What is granted now, as a listing found out."""
    values = {
        "granted_scopes": sorted(permissions.granted),
        "declined_scopes": sorted(permissions.declined),
    }
    return _compare_and_set(tx, row, values)


def save_consent_diff(tx: Transaction, row: ConnectionRow, last_consent: dict[str, Any]) -> bool:
    """The diff of a consent whose listing came after the login."""
    return _compare_and_set(tx, row, {"last_consent": last_consent})


def mark_unreadable(tx: Transaction, row: ConnectionRow) -> bool:
    """The sealed token can't be opened: kept, but good for nothing until the next login."""
    return _compare_and_set(tx, row, UNREADABLE)


UNREADABLE: dict[str, Any] = {
    "token_kid": None,
    "status": ConnectionStatus.RECONNECT_REQUIRED.value,
    "cause": ConnectionCause.TOKEN_UNREADABLE.value,
    "next_check_at": None,
    "version": Connection.version + 1,
}
"""The columns of a connection whose token can't be opened."""


def remove(tx: Transaction, row: ConnectionRow) -> bool:
    """Deletes the connection and its listing."""
    return bool(tx.execute(delete(Connection).where(Connection.id == row.id)).rowcount)


def mark_used(tx: Transaction, connection_id: ConnectionId, now: datetime) -> None:
    """A backend took the token."""
    tx.execute(update(Connection).where(Connection.id == connection_id).values(used_at=now))


def mark_due(tx: Transaction, ids: Sequence[ConnectionId], now: datetime) -> None:
    """Makes these connections due at once."""
    tx.execute(update(Connection).where(Connection.id.in_(ids)).values(next_check_at=now))


def list_missing_upgrade(tx: Transaction, after: str, limit: int) -> list[ConnectionId]:
    """Ids of connections whose token is still short-lived, `limit` of them beyond `after`."""
    statement = select(Connection.id).where(Connection.upgrade_pending, Connection.id > after)
    return _ids(tx, statement.where(Connection.next_check_at.is_not(None)), limit)


def list_readable(tx: Transaction, after: str, limit: int) -> list[ConnectionId]:
    """Ids of connections that hold a readable token, likewise."""
    statement = select(Connection.id).where(Connection.id > after)
    return _ids(tx, statement.where(Connection.token_kid.is_not(None)), limit)


def claim_checks(
    tx: Transaction, *, now: datetime, limit: int
) -> tuple[Lease, list[ConnectionRow]]:
    """Takes up to `limit` connections that are due, oldest first; each replica gets others."""
    lease, ids = claim_due(tx, Connection, Connection.next_check_at, now=now, limit=limit)
    rows = tx.execute(_SELECT.where(Connection.id.in_(ids))) if ids else ()
    return lease, [read(row) for row in rows]


def postpone(tx: Transaction, row: ConnectionRow, lease: Lease, *, next_check_at: datetime) -> None:
    """Gives a claimed connection back after a transient failure."""
    statement = update(Connection).where(
        Connection.id == row.id, Connection.lease_owner == lease.owner
    )
    failures = row.check_failures + 1
    tx.execute(statement.values(next_check_at=next_check_at, check_failures=failures, **FREED))


def read(row: Row[Any] | Sequence[Any]) -> ConnectionRow:
    """A row of COLUMNS."""
    values = dict(zip(_NAMES, row, strict=False))
    targets, granted = values.pop("granular_scopes"), values.pop("granted_scopes")
    return ConnectionRow(
        provider=Provider(values.pop("provider")),
        status=ConnectionStatus(values.pop("status")),
        cause=_cause(values.pop("cause")),
        granted_scopes=frozenset(granted or ()),
        scopes_known=granted is not None,
        declined_scopes=frozenset(values.pop("declined_scopes")),
        granular=None if targets is None else _granular(targets),
        **values,
    )


def earliest(*instants: datetime | None) -> datetime | None:
    """The first of the dates that are known."""
    return min((each for each in instants if each is not None), default=None)


_NAMES = tuple(column.name for column in COLUMNS)


def _compare_and_set(tx: Transaction, row: ConnectionRow, values: dict[str, Any]) -> bool:
    statement = (
        update(Connection)
        .where(Connection.id == row.id, Connection.token_version == row.token_version)
        .values(**values)
    )
    return bool(tx.execute(statement).rowcount)


def _ids(tx: Transaction, statement: Select[Any], limit: int) -> list[ConnectionId]:
    return list(tx.execute(statement.order_by(Connection.id).limit(limit)).scalars())


def _cause(word: str | None) -> ConnectionCause | None:
    return None if word is None else ConnectionCause(word)


def _granular(targets: dict[str, Any]) -> GranularScopes:
    return GranularScopes(
        {scope: None if ids is None else tuple(ids) for scope, ids in targets.items()}
    )


def _granular_json(granular: GranularScopes | None) -> dict[str, Any] | None:
    if granular is None:
        return None
    return {scope: None if ids is None else list(ids) for scope, ids in granular.targets.items()}
