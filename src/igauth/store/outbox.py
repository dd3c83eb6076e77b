"""The outbox: events written in the transaction of what they tell of, and numbered afterwards.

A transaction that began earlier may commit later, so a number given while writing could appear
behind a reader's cursor. Numbers are given by `number` alone, one transaction at a time, to what
is committed by then: whoever sees a number sees all the smaller ones.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Text,
    bindparam,
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    union,
    update,
)
from sqlalchemy.dialects import postgresql

from igauth.domain import ConnectionId, PersonId
from igauth.store.database import Transaction
from igauth.store.event_models import Event, EventMark
from igauth.store.models import Connection, Link, ListedAccount, UtcDateTime
from igauth.store.statements import InBoth

_NUMBERED: Final = "numbered"
_PRUNED: Final = "pruned"


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as stored. `provider` None: of the connection only its id stays."""

    key: int
    id: str
    number: int
    type: str
    at: datetime
    connection_id: str | None
    provider: str | None
    status: str | None
    cause: str | None
    version: int | None
    expires_at: datetime | None
    external_ids: list[str]
    instagram_account_ids: list[str] | None
    more: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kept:
    """From where to where events are kept: after `pruned`, up to `numbered`."""

    pruned: int
    numbered: int


def new_id() -> str:
    """An event's id, `webhook-id` of its deliveries: 128 random bits."""
    return f"msg_{secrets.token_hex(16)}"


def external_ids(dialect: str, person_id: Any) -> Any:
    """A scalar: the operator's ids of the users that a person is linked to, as a JSON list.

    `linking`: one whose link is written by the same statement, which PostgreSQL doesn't see yet.
    """
    linking: Any = bindparam("b_linking", type_=Text())
    users = union(
        select(Link.external_id.label("user")).where(Link.person_id == person_id),
        select(linking.label("user")).where(linking.is_not(None)),
    ).subquery()
    ordered = select(users.c.user).order_by(users.c.user).subquery()
    return _as_list(dialect, ordered.c.user, ordered.c.user)


def list_external_ids(tx: Transaction, person_id: PersonId) -> list[str]:
    """The same, read by itself."""
    users = select(Link.external_id).where(Link.person_id == person_id)
    return list(tx.execute(users.order_by(Link.external_id)).scalars())


def told_of_connection(
    dialect: str, insert: Any, connection: Any, account_ids: Any, external_ids: Any
) -> Any:
    """An INSERT of one event about each row of `connection`, a FROM with a connection's columns.

    Bound by `naming`: event_id, event_type, event_more, linking, now.
    """
    columns = connection.c
    values = {
        "id": bindparam("b_event_id", type_=Text()),
        "type": bindparam("b_event_type", type_=Text()),
        "at": bindparam("b_now", type_=UtcDateTime()),
        "person_id": columns.person_id,
        "connection_id": columns.id,
        "provider": columns.provider,
        "status": columns.status,
        "cause": columns.cause,
        "version": columns.version,
        "expires_at": columns.ends_at,
        "external_ids": external_ids,
        "instagram_account_ids": account_ids,
        "more": bindparam("b_event_more", type_=JSON()),
    }
    rows = select(*values.values()).select_from(connection)
    return insert(Event).from_select(list(values), rows)


def listed_ids(dialect: str) -> Any:
    """A scalar: ids of the accounts that the connection `connection_id` lists, as a JSON list."""
    rows = select(ListedAccount.instagram_account_id, ListedAccount.position).where(
        ListedAccount.connection_id == bindparam("b_connection_id", type_=Text())
    )
    ordered = rows.order_by(ListedAccount.position).subquery()
    return _as_list(dialect, ordered.c.instagram_account_id, ordered.c.position)


def _as_list(dialect: str, value: Any, order: Any) -> Any:
    """A scalar: the rows' values in this order, as a JSON list; of none, an empty one."""
    if dialect == "postgresql":
        listed = func.json_agg(postgresql.aggregate_order_by(value, order), type_=JSON)
        return select(func.coalesce(listed, cast(literal("[]", Text), JSON))).scalar_subquery()
    return select(func.json_group_array(value)).scalar_subquery()


def _build_told(dialect: str, insert: Any) -> Any:
    one = Connection.id == bindparam("b_connection_id", type_=Text())
    whose = select(Connection.person_id).where(one).scalar_subquery()
    connection = select(Connection).where(one).subquery()
    users = external_ids(dialect, whose)
    return told_of_connection(dialect, insert, connection, listed_ids(dialect), users)


_ADD_CHANGE: Final = InBoth(_build_told)
_COLUMNS: Final = tuple(getattr(Event, name) for name in EventRow.__slots__)


def add_change(
    tx: Transaction,
    *,
    event_type: str,
    connection_id: ConnectionId,
    at: datetime,
    more: dict[str, Any],
) -> None:
    """An event about a connection, which it tells of as it is now in this transaction."""
    values = {
        "b_event_id": new_id(),
        "b_event_type": event_type,
        "b_connection_id": connection_id,
        "b_now": at,
        "b_event_more": more,
        "b_linking": None,
    }
    _ADD_CHANGE.execute(tx, values)


def add_bare(
    tx: Transaction,
    *,
    event_type: str,
    connection_id: str | None,
    external_ids: Sequence[str],
    at: datetime,
    more: dict[str, Any],
) -> None:
    """An event that outlives whoever it is about: ids alone."""
    tx.execute(
        insert(Event).values(
            id=new_id(),
            type=event_type,
            at=at,
            connection_id=connection_id,
            external_ids=list(external_ids),
            more=more,
        )
    )


def forget_person(tx: Transaction, person_id: PersonId) -> None:
    """What was told of a person goes with them."""
    tx.execute(delete(Event).where(Event.person_id == person_id))


def has_unnumbered(tx: Transaction) -> bool:
    """Whether something was committed that nobody has numbered yet."""
    return tx.execute(select(Event.key).where(Event.number.is_(None)).limit(1)).first() is not None


def number(tx: Transaction, limit: int) -> list[tuple[int, str]]:
    """Numbers up to `limit` events in the order of their writing; their keys and types.

    The mark's row is locked until this is committed, so the next numbers come after these.
    """
    reached = _lock_mark(tx, _NUMBERED)
    fresh = (
        select(Event.key, func.row_number().over(order_by=Event.key).label("place"))
        .where(Event.number.is_(None))
        .order_by(Event.key)
        .limit(limit)
        .cte("fresh")
    )
    numbering = (
        update(Event)
        .where(Event.key == fresh.c.key)
        .values(number=reached + fresh.c.place)
        .returning(Event.key, Event.type, Event.number)
    )
    rows = sorted(tx.execute(numbering).all(), key=lambda row: row.key)
    if rows:
        _move_mark(tx, _NUMBERED, rows[-1].number)
    return [(row.key, row.type) for row in rows]


def kept(tx: Transaction) -> Kept:
    """Between which numbers a cursor may stand."""
    rows = tx.execute(select(EventMark.name, EventMark.number)).all()
    marks = {row.name: row.number for row in rows}
    return Kept(marks.get(_PRUNED, 0), marks.get(_NUMBERED, 0))


def list_after(
    tx: Transaction, after: int, types: Sequence[str] | None, limit: int
) -> list[EventRow]:
    """Events beyond a number, oldest first; of these types, where they are named."""
    statement = select(*_COLUMNS).where(Event.number > after)
    if types is not None:
        statement = statement.where(Event.type.in_(types))
    return [EventRow(*row) for row in tx.execute(statement.order_by(Event.number).limit(limit))]


def list_by_keys(tx: Transaction, keys: Sequence[int]) -> dict[int, EventRow]:
    """These events, by key."""
    rows = tx.execute(select(*_COLUMNS).where(Event.key.in_(keys)))
    return {row.key: EventRow(*row) for row in rows}


def prune(tx: Transaction, before: datetime, limit: int) -> int:
    """Deletes up to `limit` events older than this; returns how many. Cursors before them end."""
    old = select(Event.key).where(Event.at < before, Event.number.is_not(None)).limit(limit)
    gone = delete(Event).where(Event.key.in_(old.scalar_subquery())).returning(Event.number)
    numbers = [each for each in tx.execute(gone).scalars() if each is not None]
    if numbers:
        _move_mark(tx, _PRUNED, max(_lock_mark(tx, _PRUNED), *numbers))
    return len(numbers)


_RESERVE: Final = InBoth(lambda _, insert: insert(EventMark).on_conflict_do_nothing())


def _lock_mark(tx: Transaction, name: str) -> int:
    _RESERVE.execute(tx, {"name": name, "number": 0})
    mark = select(EventMark.number).where(EventMark.name == name).with_for_update()
    return int(tx.execute(mark).scalar_one())


def _move_mark(tx: Transaction, name: str, number: int) -> None:
    tx.execute(update(EventMark).where(EventMark.name == name).values(number=number))
