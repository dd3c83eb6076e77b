"""Connections as an operator looks for them, whatever somebody who writes in knows of theirs."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, SQLColumnExpression, func, or_, select

from igauth.domain import ConnectionId
from igauth.store import connections
from igauth.store.connections import ConnectionRow
from igauth.store.database import Transaction
from igauth.store.models import Connection, ListedAccount, Person


@dataclass(frozen=True, slots=True)
class FoundConnection:
    """A connection, and ids and user names of the accounts that it listed last."""

    connection: ConnectionRow
    accounts: tuple[tuple[str, str | None], ...]


def find_connections(tx: Transaction, known: str | None, *, limit: int) -> list[FoundConnection]:
    """The newest connections that `known` is about, or of all where it is None.

    It may be an id (the connection's, the person's, Meta's for person or account), or a part of
    a name.
    """
    statement = select(*connections.COLUMNS).order_by(Connection.connected_at.desc()).limit(limit)
    if known is not None:
        statement = statement.where(_is_about(known))
    rows = [connections.read(row) for row in tx.execute(statement).all()]
    accounts = _accounts(tx, [row.id for row in rows])
    return [FoundConnection(row, tuple(accounts[row.id])) for row in rows]


def _is_about(known: str) -> ColumnElement[bool]:
    listing = select(ListedAccount.connection_id).where(ListedAccount.instagram_account_id == known)
    named = select(Person.id).where(_named(Person.name, known))
    return or_(
        Connection.id == known,
        Connection.person_id == known,
        Connection.subject == known,
        Connection.other_subject == known,
        Connection.id.in_(listing),
        _named(Connection.name, known),
        Connection.person_id.in_(named),
    )


def _named(column: SQLColumnExpression[str | None], known: str) -> ColumnElement[bool]:
    return func.lower(column).contains(known.lower(), autoescape=True)


def _accounts(
    tx: Transaction, ids: Sequence[ConnectionId]
) -> dict[ConnectionId, list[tuple[str, str | None]]]:
    statement = (
        select(ListedAccount.connection_id, ListedAccount.instagram_account_id, ListedAccount.body)
        .where(ListedAccount.connection_id.in_(ids))
        .order_by(ListedAccount.connection_id, ListedAccount.position)
    )
    found: dict[ConnectionId, list[tuple[str, str | None]]] = defaultdict(list)
    for connection_id, account_id, body in tx.execute(statement).all():
        found[ConnectionId(connection_id)].append((account_id, json.loads(body).get("username")))
    return found
