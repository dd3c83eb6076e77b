"""Links between the operator's users and people: many to many (contract §11)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, delete, select

from igauth.domain import ConnectionId, ConnectionStatus, PersonId
from igauth.store import counts
from igauth.store.connections import COLUMNS, ConnectionRow, read
from igauth.store.database import Transaction
from igauth.store.models import Connection, Link
from igauth.store.statements import InBoth, parameter


def _add(_dialect: str, insert: Any) -> Any:
    values = {"linked_at": parameter("now")}
    names = ("external_id", "person_id")
    fresh = insert(Link).values(**values, **{name: parameter(name) for name in names})
    return fresh.on_conflict_do_nothing()


ADD: Final = InBoth(_add)
"""A link, if it isn't there: `external_id`, `person_id`, `now`."""
_PEOPLE: Final = (
    select(Link.person_id)
    .where(Link.external_id == bindparam("external_id"))
    .order_by(Link.linked_at, Link.person_id)
)
_USERS: Final = (
    select(Link.person_id, Link.external_id)
    .where(Link.person_id.in_(bindparam("people", expanding=True)))
    .order_by(Link.external_id)
)
_LINKED: Final = select(*COLUMNS).where(
    Connection.id == bindparam("connection_id"),
    Connection.person_id.in_(select(Link.person_id)),
)


def add(tx: Transaction, external_id: str, person_id: PersonId, now: datetime) -> None:
    """Links the two, if they aren't."""
    named = {"b_external_id": external_id, "b_person_id": person_id, "b_now": now}
    ADD.execute(tx, named)


def list_people(tx: Transaction, external_id: str) -> list[PersonId]:
    """Everybody whom this user is linked to."""
    rows = tx.execute(_PEOPLE, {"external_id": external_id}).scalars()
    return [PersonId(person_id) for person_id in rows]


def list_users(tx: Transaction, people: Sequence[PersonId]) -> dict[PersonId, list[str]]:
    """The operator's users of each of these people."""
    found: dict[PersonId, list[str]] = {person_id: [] for person_id in people}
    for person_id, external_id in tx.execute(_USERS, {"people": list(found)}).all():
        found[PersonId(person_id)].append(external_id)
    return found


def find_connection(tx: Transaction, connection_id: ConnectionId) -> ConnectionRow | None:
    """The connection of this id, if its person is linked to anybody."""
    row = tx.execute(_LINKED, {"connection_id": connection_id}).one_or_none()
    return None if row is None else read(row)


def list_connections(
    tx: Transaction,
    *,
    external_id: str | None,
    status: ConnectionStatus | None,
    after: str,
    limit: int,
    now: datetime,
    soon: datetime,
) -> list[ConnectionRow]:
    """Connections of people linked to this user, or to anybody, in the order of their ids.

    In this state as of now: dates that passed count at once; what ends until `soon` is
    `expiring`.
    """
    linked = select(Link.person_id)
    if external_id is not None:
        linked = linked.where(Link.external_id == external_id)
    wanted = select(*COLUMNS).where(Connection.person_id.in_(linked), Connection.id > after)
    if status is not None:
        wanted = wanted.where(counts.is_in_state(status, now=now, soon=soon))
    rows = tx.execute(wanted.order_by(Connection.id).limit(limit)).all()
    return [read(row) for row in rows]


def remove(tx: Transaction, external_id: str) -> None:
    """This user is linked to nobody any more."""
    tx.execute(delete(Link).where(Link.external_id == external_id))
