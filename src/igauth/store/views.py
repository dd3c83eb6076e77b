"""What one request reads, in one query: session, person, connections, listings."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, null, select

from igauth.domain import InstagramAccountId, PersonId, SessionHash
from igauth.store import connections, listings, sessions
from igauth.store.connections import ConnectionRow
from igauth.store.database import Transaction
from igauth.store.listings import ListingRow
from igauth.store.models import Connection, ListedAccount, Person, Session, StoredListing
from igauth.store.people import PersonRow
from igauth.store.sessions import SessionRow


@dataclass(frozen=True, slots=True)
class StoredGrant:
    """A connection with what is stored of its listing. `accounts`: bodies joined by commas, None
    where they weren't asked for."""

    connection: ConnectionRow
    listing: ListingRow | None
    accounts: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Viewed:
    """A live session, its person, and all that the person granted."""

    session: SessionRow
    person: PersonRow
    grants: tuple[StoredGrant, ...]


@dataclass(frozen=True, slots=True)
class KeptAccount:
    """An account of a listing, by the connection that reaches it."""

    connection: ConnectionRow
    fetched_at: datetime
    body: str = field(repr=False)


def find_viewed(
    tx: Transaction,
    hashes: Sequence[SessionHash],
    *,
    now: datetime,
    idle_since: datetime,
    with_accounts: bool = True,
) -> Viewed | None:
    """All that a listing's answer needs, for the live session under one of these hashes."""
    named = {"hashes": list(hashes), "now": now, "idle_since": idle_since}
    rows = tx.execute(_viewed(tx.dialect.name, with_accounts), named).all()
    if not rows:
        return None
    session, person = sessions.split(tuple(rows[0]))
    start = len(sessions.COLUMNS) + len(sessions.PERSON_COLUMNS)
    return Viewed(session, person, tuple(_grant(row[start:]) for row in rows if row[start]))


def list_grants(
    tx: Transaction, people: Sequence[PersonId], *, with_accounts: bool = True
) -> tuple[StoredGrant, ...]:
    """Everything that these people granted, Facebook's first."""
    statement = _granted(tx.dialect.name, with_accounts)
    return tuple(_grant(row) for row in tx.execute(statement, {"people": list(people)}).all())


def list_kept_accounts(
    tx: Transaction, people: Sequence[PersonId], account_id: InstagramAccountId
) -> list[KeptAccount]:
    """One account, by every connection of these people that reaches it: one keyed read."""
    named = {"people": list(people), "account_id": account_id}
    end = len(connections.COLUMNS)
    return [
        KeptAccount(connections.read(row[:end]), row[end], row[end + 1])
        for row in tx.execute(_KEPT, named).all()
    ]


@lru_cache
def _viewed(dialect: str, with_accounts: bool) -> Select[Any]:
    columns = (*sessions.COLUMNS, *sessions.PERSON_COLUMNS, *_grant_columns(dialect, with_accounts))
    return (
        select(*columns)
        .select_from(Session)
        .join(Person, Person.id == Session.person_id)
        .outerjoin(Connection, Connection.person_id == Person.id)
        .outerjoin(StoredListing, StoredListing.connection_id == Connection.id)
        .where(sessions.IS_LIVE)
        .order_by(*_ORDER)
    )


@lru_cache
def _granted(dialect: str, with_accounts: bool) -> Select[Any]:
    return (
        select(*_grant_columns(dialect, with_accounts))
        .select_from(Connection)
        .outerjoin(StoredListing, StoredListing.connection_id == Connection.id)
        .where(Connection.person_id.in_(bindparam("people", expanding=True)))
        .order_by(*_ORDER)
    )


def _grant_columns(dialect: str, with_accounts: bool) -> tuple[Any, ...]:
    accounts = listings.joined_accounts(dialect, Connection.id) if with_accounts else null()
    return (*connections.COLUMNS, *listings.COLUMNS, accounts.label("accounts"))


def _grant(row: Sequence[Any]) -> StoredGrant:
    end = len(connections.COLUMNS)
    listing = listings.read(row[end:-1])
    return StoredGrant(connections.read(row[:end]), listing, row[-1])


_ORDER = (Connection.provider, Connection.connected_at, Connection.id)
_KEPT = (
    select(*connections.COLUMNS, StoredListing.fetched_at, ListedAccount.body)
    .select_from(Connection)
    .join(StoredListing, StoredListing.connection_id == Connection.id)
    .join(
        ListedAccount,
        and_(
            ListedAccount.connection_id == Connection.id,
            ListedAccount.instagram_account_id == bindparam("account_id"),
        ),
    )
    .where(Connection.person_id.in_(bindparam("people", expanding=True)))
    .order_by(*_ORDER)
)
