"""Stored listings: one for each connection, its accounts a row each, rendered when stored.

A front end's answer is put together from those rows as they are, so that reading 2,000 accounts
decodes none of them (record 13).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Integer,
    String,
    Text,
    bindparam,
    cast,
    delete,
    false,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql

from igauth.domain import ConnectionId
from igauth.store.database import Transaction
from igauth.store.leases import Lease
from igauth.store.models import Connection, ListedAccount, StoredListing
from igauth.store.statements import InBoth, ManyRows, Together, given, parameter


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account as stored: its sources, and the JSON object that a front end gets."""

    instagram_account_id: str
    sources: str
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ListingRow:
    """A stored listing without its accounts. `explanations` is the listing room's own JSON."""

    fetched_at: datetime
    complete: bool
    digest: str
    not_listed: str = field(repr=False)
    explanations: Mapping[str, Any] = field(repr=False)


def _build_save(_dialect: str, insert: Any) -> Any:
    names = ("fetched_at", "complete", "digest", "not_listed", "explanations")
    fresh = insert(StoredListing).values(**given("connection_id", *names))
    return fresh.on_conflict_do_update(
        index_elements=["connection_id"],
        set_={name: getattr(fresh.excluded, name) for name in names},
    )


_COLUMNS_OF_ACCOUNT: Final = ("instagram_account_id", "position", "sources", "body")


def _build_accounts(dialect: str, insert: Any) -> Any:
    """Writes only rows that changed."""
    if dialect == "sqlite":
        fresh = insert(ListedAccount).values(**given("connection_id", *_COLUMNS_OF_ACCOUNT))
    else:
        names = ("connection_id", *_COLUMNS_OF_ACCOUNT)
        fresh = insert(ListedAccount).from_select(names, _unnested())
    values = {name: getattr(fresh.excluded, name) for name in ("position", "sources", "body")}
    changed = or_(*(getattr(ListedAccount, name) != value for name, value in values.items()))
    return fresh.on_conflict_do_update(
        index_elements=["connection_id", "instagram_account_id"], set_=values, where=changed
    )


def _unnested() -> Any:
    """PostgreSQL: the accounts' lists, a column each, as rows."""
    kinds = (Text, Integer, Text, Text)
    lists: list[Any] = [
        cast(parameter(name), postgresql.ARRAY(kind))
        for name, kind in zip(_COLUMNS_OF_ACCOUNT, kinds, strict=True)
    ]
    rows = func.unnest(*lists).table_valued(*_COLUMNS_OF_ACCOUNT).render_derived()
    return select(cast(parameter("connection_id"), String), *rows.c)


def _build_gone(dialect: str) -> Any:
    if dialect == "sqlite":
        listed = select(func.json_each(parameter("listed")).table_valued("value").c.value)
    else:
        ids = cast(parameter("instagram_account_id"), postgresql.ARRAY(Text))
        listed = select(func.unnest(ids))
    return delete(ListedAccount).where(
        ListedAccount.connection_id == parameter("connection_id"),
        ListedAccount.instagram_account_id.not_in(listed),
    )


SAVE: Final = InBoth(_build_save)
_RESERVE: Final = InBoth(
    lambda _, insert: (
        insert(StoredListing)
        .from_select(
            ["connection_id", "complete"],
            select(Connection.id, false())
            .where(Connection.id == bindparam("of"))
            .with_for_update(read=True, key_share=True),
        )
        .on_conflict_do_nothing()
    )
)
SAVE_ACCOUNTS: Final = ManyRows(_build_accounts)
REMOVE_GONE: Final = InBoth(lambda dialect, _: _build_gone(dialect))
_SAVE_ALL: Final = Together(SAVE, REMOVE_GONE, SAVE_ACCOUNTS)
COLUMNS: Final = (
    StoredListing.fetched_at,
    StoredListing.complete,
    StoredListing.digest,
    StoredListing.not_listed,
    StoredListing.explanations,
)
_FIND: Final = select(*COLUMNS).where(
    StoredListing.connection_id == bindparam("connection_id"),
    StoredListing.fetched_at.is_not(None),
)
_LOOK: Final = select(
    *COLUMNS,
    or_(StoredListing.leased_until.is_(None), StoredListing.leased_until <= bindparam("now")),
).where(StoredListing.connection_id == bindparam("connection_id"))
_ACCOUNTS: Final = (
    select(ListedAccount.instagram_account_id, ListedAccount.sources, ListedAccount.body)
    .where(ListedAccount.connection_id == bindparam("connection_id"))
    .order_by(ListedAccount.position)
)


def read(row: Sequence[Any]) -> ListingRow | None:
    """A row of COLUMNS; None where nothing is stored yet."""
    return None if row[0] is None else ListingRow(*row)


def find(tx: Transaction, connection_id: ConnectionId) -> ListingRow | None:
    """What is stored for a connection."""
    row = tx.execute(_FIND, {"connection_id": connection_id}).one_or_none()
    return None if row is None else read(row)


def list_accounts(tx: Transaction, connection_id: ConnectionId) -> list[AccountRow]:
    """The accounts of a stored listing, in its order."""
    rows = tx.execute(_ACCOUNTS, {"connection_id": connection_id}).all()
    return [AccountRow(*row) for row in rows]


def list_ids(tx: Transaction, connection_id: ConnectionId) -> set[str]:
    """Ids of the accounts of a stored listing."""
    ids = select(ListedAccount.instagram_account_id)
    return set(tx.execute(ids.where(ListedAccount.connection_id == connection_id)).scalars())


def joined_accounts(dialect: str, connection_id: Any) -> Any:
    """A scalar: the stored bodies of a connection's listing, joined by commas, in order."""
    rows = select(ListedAccount.body).where(ListedAccount.connection_id == connection_id)
    if dialect == "postgresql":
        joined = func.string_agg(
            ListedAccount.body,
            postgresql.aggregate_order_by(literal_column("','", String), ListedAccount.position),
        )
        return rows.with_only_columns(joined).scalar_subquery()
    # two selects deep, SQLAlchemy correlates only what is told: else it is everybody's accounts
    ordered = rows.order_by(ListedAccount.position).correlate(Connection).subquery()
    return select(func.group_concat(ordered.c.body, literal_column("','"))).scalar_subquery()


def save(
    tx: Transaction,
    connection_id: ConnectionId,
    listing: ListingRow,
    accounts: Sequence[AccountRow],
) -> None:
    """Stores a listing in place of the one before."""
    _SAVE_ALL.execute(tx, parameters(connection_id, listing, accounts))


def parameters(
    connection_id: ConnectionId, listing: ListingRow, accounts: Sequence[AccountRow]
) -> dict[str, Any]:
    """What `SAVE`, `REMOVE_GONE` and `SAVE_ACCOUNTS` are executed with."""
    ids = [row.instagram_account_id for row in accounts]
    return {
        "connection_id": connection_id,
        "fetched_at": listing.fetched_at,
        "complete": listing.complete,
        "digest": listing.digest,
        "not_listed": listing.not_listed,
        "explanations": listing.explanations,
        "instagram_account_id": ids,
        "position": list(range(len(ids))),
        "sources": [row.sources for row in accounts],
        "body": [row.body for row in accounts],
        "listed": json.dumps(ids),
    }


def digest_of(accounts: Sequence[AccountRow]) -> str:
    """What tells one list of accounts from another, 128 bits in hex."""
    return hashlib.sha256("\n".join(row.body for row in accounts).encode()).hexdigest()[:32]


def look(
    tx: Transaction, connection_id: ConnectionId, now: datetime
) -> tuple[ListingRow | None, bool] | None:
    """What is stored, and whether nobody refreshes it: a waiter's read. None: it went."""
    row = tx.execute(_LOOK, {"connection_id": connection_id, "now": now}).one_or_none()
    return None if row is None else (read(row[:-1]), bool(row[-1]))


def reserve(tx: Transaction, connection_id: ConnectionId) -> None:
    """Makes the row that a refresh is claimed by, where there is none and its connection lives."""
    _RESERVE.execute(tx, {"of": connection_id})


def lease(connection_id: ConnectionId) -> Lease:
    """The lease of whoever refreshes this listing."""
    return Lease(StoredListing, StoredListing.connection_id == connection_id)


def remove(tx: Transaction, connection_id: ConnectionId) -> None:
    """Forgets what is stored, and leaves the lease alone."""
    tx.execute(delete(ListedAccount).where(ListedAccount.connection_id == connection_id))
    statement = update(StoredListing).where(StoredListing.connection_id == connection_id)
    tx.execute(statement.values(fetched_at=None, digest=None, not_listed=None, explanations=None))
