"""Connections: a person's grant, its sealed token, and the keeper's work on it.

Every write that follows a call to Facebook is compare-and-set on `token_version`: what was
deleted, revoked or replaced meanwhile is never written over.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, or_, select, update

from igauth.domain import (
    AppScopedUserId,
    ConnectionId,
    ConnectionStatus,
    GranularScopes,
    Permissions,
    PersonId,
)
from igauth.store.database import Transaction
from igauth.store.models import Connection, Person
from igauth.store.statements import insert_into


@dataclass(frozen=True, slots=True)
class ConnectionRow:
    """A connection as stored, with its person's Facebook id and name; instants in UTC."""

    id: ConnectionId
    person_id: PersonId
    facebook_app_id: str
    facebook_user_id: AppScopedUserId
    name: str | None
    status: ConnectionStatus
    status_cause: str | None
    sealed_token: str | None
    token_unreadable: bool
    token_version: int
    upgrade_pending: bool
    token_expires_at: datetime | None
    data_access_expires_at: datetime | None
    granted_scopes: frozenset[str]
    declined_scopes: frozenset[str]
    granular: GranularScopes | None
    connected_at: datetime
    verified_at: datetime | None
    last_consent: dict[str, Any] | None
    next_check_at: datetime | None
    check_failures: int

    def __repr__(self) -> str:
        return f"ConnectionRow(id={self.id!r}, status={self.status!r})"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a login, a renewal or a check learned about a grant."""

    status: ConnectionStatus
    status_cause: str | None
    upgrade_pending: bool
    token_expires_at: datetime | None
    data_access_expires_at: datetime | None
    granted_scopes: frozenset[str]
    declined_scopes: frozenset[str]
    granular: GranularScopes | None
    verified_at: datetime | None
    next_check_at: datetime | None

    def columns(self) -> dict[str, Any]:
        """The values as the table keeps them."""
        return {
            "status": self.status.value,
            "status_cause": self.status_cause,
            "upgrade_pending": self.upgrade_pending,
            "token_expires_at": self.token_expires_at,
            "data_access_expires_at": self.data_access_expires_at,
            "granted_scopes": sorted(self.granted_scopes),
            "declined_scopes": sorted(self.declined_scopes),
            "granular_scopes": _granular_json(self.granular),
            "verified_at": self.verified_at,
            "next_check_at": self.next_check_at,
            "check_failures": 0,
        }


_COLUMNS = (
    *(column for column in Connection.__table__.c if not column.name.startswith("lease")),
    Person.facebook_app_id,
    Person.facebook_user_id,
    Person.name,
)


async def find_for_person(tx: Transaction, person_id: PersonId) -> ConnectionRow | None:
    """The one connection of a person."""
    return await _one(tx, _select().where(Connection.person_id == person_id))


async def find(tx: Transaction, connection_id: ConnectionId) -> ConnectionRow | None:
    """The connection of this id, whoever's it is."""
    return await _one(tx, _select().where(Connection.id == connection_id))


async def reserve(tx: Transaction, person_id: PersonId, now: datetime) -> ConnectionRow:
    """The person's connection, made empty where there is none: it has an id to seal for."""
    statement = insert_into(tx, Connection).values(
        id=str(uuid.uuid4()),
        person_id=person_id,
        status=ConnectionStatus.RECONNECT_REQUIRED.value,
        token_unreadable=False,
        token_version=0,
        upgrade_pending=False,
        granted_scopes=[],
        declined_scopes=[],
        connected_at=now,
        check_failures=0,
    )
    await tx.execute(statement.on_conflict_do_nothing(index_elements=["person_id"]))
    row = await find_for_person(tx, person_id)
    assert row is not None  # noqa: S101  # inserted or there already, in this transaction
    return row


async def save_login(
    tx: Transaction,
    connection_id: ConnectionId,
    *,
    sealed_token: str,
    grant: Grant,
    last_consent: dict[str, Any] | None,
    now: datetime,
) -> None:
    """A fresh consent: new token, new facts; whoever held a lease has lost it."""
    statement = (
        update(Connection)
        .where(Connection.id == connection_id)
        .values(
            sealed_token=sealed_token,
            token_unreadable=False,
            token_version=Connection.token_version + 1,
            connected_at=now,
            last_consent=last_consent,
            leased_until=None,
            lease_owner=None,
            **grant.columns(),
        )
    )
    await tx.execute(statement)


async def save_check(
    tx: Transaction, row: ConnectionRow, grant: Grant, *, sealed_token: str | None = None
) -> bool:
    """What a check or renewal learned; False if the connection changed or went meanwhile."""
    values = grant.columns() | {"leased_until": None, "lease_owner": None}
    if sealed_token is not None:
        values |= {"sealed_token": sealed_token, "token_version": row.token_version + 1}
    return await _compare_and_set(tx, row, values)


async def save_status(
    tx: Transaction,
    row: ConnectionRow,
    status: ConnectionStatus,
    cause: str | None,
    *,
    verified_at: datetime | None,
    next_check_at: datetime | None,
) -> bool:
    """A change of state alone. Without a next check, the connection leaves the keeper's sweep."""
    values: dict[str, Any] = {
        "status": status.value,
        "status_cause": cause,
        "next_check_at": next_check_at,
        "leased_until": None,
        "lease_owner": None,
    }
    if verified_at is not None:
        values["verified_at"] = verified_at
    return await _compare_and_set(tx, row, values)


async def save_removed(tx: Transaction, row: ConnectionRow, cause: str) -> bool:
    """The person removed the app, as a call of ours found out: no token is kept."""
    return await _compare_and_set(tx, row, _removed(cause))


async def save_permissions(tx: Transaction, row: ConnectionRow, permissions: Permissions) -> bool:
    """What is granted now, as a listing found out."""
    values = {
        "granted_scopes": sorted(permissions.granted),
        "declined_scopes": sorted(permissions.declined),
    }
    return await _compare_and_set(tx, row, values)


async def save_consent_diff(
    tx: Transaction, row: ConnectionRow, last_consent: dict[str, Any]
) -> bool:
    """The diff of a consent whose listing came after the login."""
    return await _compare_and_set(tx, row, {"last_consent": last_consent})


async def mark_unreadable(tx: Transaction, row: ConnectionRow) -> bool:
    """The sealed token can't be opened: kept, but good for nothing until the next login."""
    values = {
        "token_unreadable": True,
        "status": ConnectionStatus.RECONNECT_REQUIRED.value,
        "status_cause": "token_unreadable",
        "next_check_at": None,
    }
    return await _compare_and_set(tx, row, values)


async def forget_token(tx: Transaction, connection_id: ConnectionId) -> None:
    """The person removed the app, as Meta told us: the row stays, revoked, without a token."""
    statement = update(Connection).where(Connection.id == connection_id)
    await tx.execute(statement.values(**_removed("app_removed")))


async def mark_due(tx: Transaction, now: datetime, *, everything: bool = False) -> None:
    """Makes missed upgrades due at once, or all connections that hold a readable token."""
    wanted = Connection.sealed_token.is_not(None) & ~Connection.token_unreadable
    if not everything:
        wanted &= Connection.upgrade_pending & Connection.next_check_at.is_not(None)
    await tx.execute(update(Connection).where(wanted).values(next_check_at=now))


async def claim_due(
    tx: Transaction, *, now: datetime, until: datetime, owner: str, limit: int
) -> list[ConnectionRow]:
    """Takes up to `limit` due connections for `owner`, oldest first; each replica gets others."""
    free = or_(Connection.leased_until.is_(None), Connection.leased_until < now)
    due = select(Connection.id).where(Connection.next_check_at <= now, free)
    due = due.order_by(Connection.next_check_at, Connection.id).limit(limit)
    # A CTE: PostgreSQL may run a plain subquery once for each row, and so beyond its limit.
    once = due.with_for_update(skip_locked=True).cte("due")
    claimed = await tx.execute(
        update(Connection)
        .where(Connection.id.in_(select(once.c.id)))
        .values(leased_until=until, lease_owner=owner)
        .returning(Connection.id)
    )
    ids = [row.id for row in claimed.all()]
    rows = await tx.execute(_select().where(Connection.id.in_(ids)).order_by(Connection.id))
    return [_row(row) for row in rows.all()]


async def release(
    tx: Transaction, row: ConnectionRow, *, owner: str, next_check_at: datetime, failures: int
) -> None:
    """Gives a claimed connection back after a transient failure."""
    statement = (
        update(Connection)
        .where(Connection.id == row.id, Connection.lease_owner == owner)
        .values(
            leased_until=None,
            lease_owner=None,
            next_check_at=next_check_at,
            check_failures=failures,
        )
    )
    await tx.execute(statement)


async def count_by_status(tx: Transaction) -> dict[str, int]:
    """How many connections are in each state."""
    statement = select(Connection.status, func.count().label("number")).group_by(Connection.status)
    return {row.status: row.number for row in (await tx.execute(statement)).all()}


async def oldest_check(tx: Transaction) -> datetime | None:
    """When the longest unchecked live connection was last checked."""
    live = Connection.next_check_at.is_not(None)
    statement = select(func.min(Connection.verified_at)).where(live)
    return (await tx.execute(statement)).scalar_one()


def _removed(cause: str) -> dict[str, Any]:
    return {
        "status": ConnectionStatus.REVOKED.value,
        "status_cause": cause,
        "sealed_token": None,
        "token_unreadable": False,
        "token_version": Connection.token_version + 1,
        "upgrade_pending": False,
        "next_check_at": None,
        "leased_until": None,
        "lease_owner": None,
    }


async def _compare_and_set(tx: Transaction, row: ConnectionRow, values: dict[str, Any]) -> bool:
    statement = (
        update(Connection)
        .where(Connection.id == row.id, Connection.token_version == row.token_version)
        .values(**values)
    )
    return bool((await tx.execute(statement)).rowcount)


def _select() -> Select[Any]:
    return select(*_COLUMNS).join(Person, Person.id == Connection.person_id)


async def _one(tx: Transaction, statement: Select[Any]) -> ConnectionRow | None:
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else _row(row)


def _row(row: Row[Any]) -> ConnectionRow:
    values = dict(row._mapping)
    targets = values.pop("granular_scopes")
    return ConnectionRow(
        status=ConnectionStatus(values.pop("status")),
        granted_scopes=frozenset(values.pop("granted_scopes")),
        declined_scopes=frozenset(values.pop("declined_scopes")),
        granular=None if targets is None else _granular(targets),
        **values,
    )


def _granular(targets: dict[str, Any]) -> GranularScopes:
    return GranularScopes(
        {scope: None if ids is None else tuple(ids) for scope, ids in targets.items()}
    )


def _granular_json(granular: GranularScopes | None) -> dict[str, Any] | None:
    if granular is None:
        return None
    return {scope: None if ids is None else list(ids) for scope, ids in granular.targets.items()}
