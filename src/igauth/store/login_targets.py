"""Whom a login ends with: the person that it makes, finds, or adds something to (contract §10,
§11). Each way locks that person, then their connection (record 14)."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import Select, bindparam, case, select, true

from igauth.domain import PersonId, Provider
from igauth.store import connections, people, sessions
from igauth.store.connections import ConnectionRow
from igauth.store.database import Transaction
from igauth.store.login_writes import Kind
from igauth.store.models import Connection, Link, Person, Session, SignIn
from igauth.store.new_logins import IntoLink, IntoSession, NewLogin


@dataclass(frozen=True, slots=True)
class Target:
    """Whom a login ends with, and their connection to its subject, if there is one."""

    kind: Kind
    person_id: PersonId
    known: ConnectionRow | None

    @property
    def is_adding(self) -> bool:
        """Whether it adds something to a person who is there already, and greets nobody."""
        return self.kind in (Kind.ADDED, Kind.ADDED_SIGN_IN)


def find_target(tx: Transaction, login: NewLogin) -> Target:
    """Whom the login ends with; locks that person, and nobody else."""
    first = Target(Kind.FIRST, PersonId(str(uuid.uuid4())), None)
    if isinstance(login.into, IntoLink):
        if login.provider is Provider.INSTAGRAM:
            return _held(tx, login, login.into) or replace(first, kind=Kind.ALONE)
        return _again(tx, login) or first
    if login.provider is Provider.INSTAGRAM:
        return _added(tx, login, login.into) or _again(tx, login) or first
    return _again(tx, login) or _gained(tx, login, login.into) or first


def _again(tx: Transaction, login: NewLogin) -> Target | None:
    """The person whom the subject signs in."""
    row = tx.execute(_BY_SIGN_IN, _named(login)).one_or_none()
    return None if row is None else Target(Kind.AGAIN, PersonId(row[0]), _connection(row[1:]))


def _held(tx: Transaction, login: NewLogin, into: IntoLink) -> Target | None:
    """A person of that user's who holds the account, if it isn't what signs them in.

    The one whose connection is to be reconnected first, where several hold it.
    """
    more = {"external_id": into.external_id, "reconnect": login.reconnect or ""}
    row = tx.execute(_BY_LINK, _named(login) | more).one_or_none()
    return None if row is None else Target(Kind.ADDED, PersonId(row[0]), _connection(row[1:]))


def _added(tx: Transaction, login: NewLogin, into: IntoSession) -> Target | None:
    """The person of the live session that the attempt began under."""
    if not into.adding_under:
        return None
    session = {"hashes": list(into.adding_under), "idle_since": into.idle_since}
    row = tx.execute(_BY_SESSION, _named(login) | session | {"now": login.now}).one_or_none()
    return None if row is None else Target(Kind.ADDED, PersonId(row[0]), _connection(row[1:]))


def _gained(tx: Transaction, login: NewLogin, into: IntoSession) -> Target | None:
    """The same, who also gains the subject as a way to sign in, if they have none at this door."""
    added = _added(tx, login, into)
    if added is None or any(
        each.provider is login.provider for each in people.list_sign_ins(tx, added.person_id)
    ):
        return None
    return replace(added, kind=Kind.ADDED_SIGN_IN)


def _named(login: NewLogin) -> dict[str, Any]:
    return {"provider": login.provider.value, "app_id": login.app_id, "subject": login.subject}


def _connection(columns: Sequence[Any]) -> ConnectionRow | None:
    return None if columns[0] is None else connections.read(columns)


def _with_connection(person: Select[Any]) -> Select[Any]:
    """A person, and their connection to the subject; both locked, in this order, and each as it is
    once its lock is had. Without a lock of its own, PostgreSQL would show the connection as it was
    before the wait for the person's."""
    whose = person.cte("known_person")
    connection = (
        select(*connections.COLUMNS)
        .where(
            Connection.person_id == select(whose.c.id).scalar_subquery(),
            Connection.provider == bindparam("provider"),
            Connection.app_id == bindparam("app_id"),
            Connection.subject == bindparam("subject"),
        )
        .with_for_update()
        .cte("known_connection")
    )
    return select(whose.c.id, *connection.c).select_from(whose.outerjoin(connection, true()))


_BY_SIGN_IN: Final = _with_connection(
    select(Person.id)
    .join(SignIn, SignIn.person_id == Person.id)
    .where(
        SignIn.provider == bindparam("provider"),
        SignIn.app_id == bindparam("app_id"),
        SignIn.subject == bindparam("subject"),
    )
    .with_for_update(of=(Person, SignIn))
)
_BY_SESSION: Final = _with_connection(
    select(Person.id)
    .join(Session, Session.person_id == Person.id)
    .where(sessions.IS_LIVE)
    .with_for_update(of=(Person, Session))
)
_SIGNS_IN: Final = (
    select(SignIn.person_id)
    .where(
        SignIn.person_id == Person.id,
        SignIn.provider == bindparam("provider"),
        SignIn.app_id == bindparam("app_id"),
        SignIn.subject == bindparam("subject"),
    )
    .exists()
)
_BY_LINK: Final = _with_connection(
    select(Person.id)
    .join(Link, Link.person_id == Person.id)
    .join(Connection, Connection.person_id == Person.id)
    .where(
        Link.external_id == bindparam("external_id"),
        Connection.provider == bindparam("provider"),
        Connection.app_id == bindparam("app_id"),
        Connection.subject == bindparam("subject"),
        ~_SIGNS_IN,
    )
    .order_by(case((Connection.id == bindparam("reconnect"), 0), else_=1), Person.id)
    .limit(1)
    .with_for_update(of=Person)
)
