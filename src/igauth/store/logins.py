"""What a login commits: person, sign-in, connection, token, listing, session; whole or not at all.

One read that locks person and connection (record 14), then all writes together: two round trips on
PostgreSQL, one visit on SQLite.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Select, bindparam, select, true
from sqlalchemy.exc import IntegrityError

from igauth.domain import ConnectionId, PersonId, Provider, SessionHash, Subject
from igauth.errors import AccountSwitched
from igauth.store import connections, listings, people, sessions
from igauth.store.attempts import Outcome
from igauth.store.connections import ConnectionRow, Grant, SealedToken
from igauth.store.database import Database, Transaction
from igauth.store.listings import AccountRow, ListingRow
from igauth.store.login_writes import WRITES, Kind
from igauth.store.models import Connection, Person, Session, SignIn

_COLLISIONS: Final = 5


@dataclass(frozen=True, slots=True)
class NewSession:
    """The session that a login makes."""

    id_hash: SessionHash = field(repr=False)
    user_agent: str | None
    expires_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class NewLogin:
    """All that a login has learned. The callables get the ids that turn out: a token is sealed
    for its row, a listing rendered for its connection.

    `adding_under`: the session to whose person it is added, if that is live and may gain it
    (contract §10); a session lives that was seen after `idle_since`.
    """

    provider: Provider
    app_id: str
    subject: Subject
    other_subject: Subject | None
    name: str | None
    picture_url: str | None
    grant: Grant
    seal: Callable[[ConnectionId, PersonId], SealedToken] = field(repr=False)
    consent: Callable[[dict[str, Any] | None], dict[str, Any]] = field(repr=False)
    listing: Callable[[Transaction, ConnectionRow | None, ConnectionId], "Listed | None"] = field(
        repr=False
    )
    session: NewSession
    state_hash: str = field(repr=False)
    ended_sessions: Sequence[SessionHash] = field(repr=False)
    adding_under: Sequence[SessionHash] = field(repr=False)
    idle_since: datetime
    cancelled_revocations: Sequence[str] = field(repr=False)
    reconnect: str | None
    request_id: str | None
    now: datetime


Listed = tuple[ListingRow, Sequence[AccountRow]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """Whose login it was, by which connection, and whether it was only added to that person."""

    person_id: PersonId
    connection_id: ConnectionId
    added: bool = False


@dataclass(frozen=True, slots=True)
class _Target:
    """Whom a login ends with, and their connection to its subject, if there is one."""

    kind: Kind
    person_id: PersonId
    known: ConnectionRow | None

    @property
    def is_adding(self) -> bool:
        return self.kind in (Kind.ADDED, Kind.ADDED_SIGN_IN)


async def record(database: Database, login: NewLogin, *, patience_seconds: float) -> Recorded:
    """Commits a login; its code is spent, so deadlocks and a busy database are waited out.

    Raises AccountSwitched where `reconnect` names another connection, DatabaseUnavailable.
    """

    def unit(tx: Transaction) -> Recorded:
        return _record(tx, login)

    for _ in range(_COLLISIONS):
        try:
            return await database.write(unit, patience_seconds=patience_seconds, owed=True)
        except IntegrityError:  # the same person's first login, side by side: now they are known
            continue
    return await database.write(unit, patience_seconds=patience_seconds, owed=True)


def _record(tx: Transaction, login: NewLogin) -> Recorded:
    target = _target(tx, login)
    known = target.known
    if login.reconnect is not None and (known is None or known.id != login.reconnect):
        raise AccountSwitched
    ids = Recorded(
        target.person_id,
        known.id if known else ConnectionId(str(uuid.uuid4())),
        added=target.is_adding,
    )
    listed = login.listing(tx, known, ids.connection_id)
    values = _values(login, ids, known)
    if listed is not None:
        values |= listings.parameters(ids.connection_id, *listed)
    WRITES[target.kind, listed is not None].execute(tx, values)
    return ids


def _target(tx: Transaction, login: NewLogin) -> _Target:
    """Whom the login ends with (contract §10); locks that person, and nobody else."""
    first = _Target(Kind.FIRST, PersonId(str(uuid.uuid4())), None)
    if login.provider is Provider.INSTAGRAM:
        return _added(tx, login) or _again(tx, login) or first
    return _again(tx, login) or _gained(tx, login) or first


def _again(tx: Transaction, login: NewLogin) -> _Target | None:
    """The person whom the subject signs in."""
    row = tx.execute(_BY_SIGN_IN, _named(login)).one_or_none()
    return None if row is None else _Target(Kind.AGAIN, PersonId(row[0]), _connection(row[1:]))


def _added(tx: Transaction, login: NewLogin) -> _Target | None:
    """The person of the live session that the attempt began under."""
    if not login.adding_under:
        return None
    session = {"hashes": list(login.adding_under), "idle_since": login.idle_since}
    row = tx.execute(_BY_SESSION, _named(login) | session | {"now": login.now}).one_or_none()
    return None if row is None else _Target(Kind.ADDED, PersonId(row[0]), _connection(row[1:]))


def _gained(tx: Transaction, login: NewLogin) -> _Target | None:
    """The same, who also gains the subject as a way to sign in, if they have none at this door."""
    added = _added(tx, login)
    if added is None or any(
        each.provider is login.provider for each in people.list_sign_ins(tx, added.person_id)
    ):
        return None
    return replace(added, kind=Kind.ADDED_SIGN_IN)


def _named(login: NewLogin) -> dict[str, Any]:
    return {"provider": login.provider.value, "app_id": login.app_id, "subject": login.subject}


def _connection(columns: Sequence[Any]) -> ConnectionRow | None:
    return None if columns[0] is None else connections.read(columns)


def _values(login: NewLogin, ids: Recorded, known: ConnectionRow | None) -> dict[str, Any]:
    """Every parameter of the writes below."""
    return {
        "person_id": ids.person_id,
        "connection_id": ids.connection_id,
        "provider": login.provider.value,
        "app_id": login.app_id,
        "subject": login.subject,
        "other_subject": login.other_subject,
        "name": login.name,
        "picture_url": login.picture_url,
        **login.grant.columns(),
        **login.seal(ids.connection_id, ids.person_id).columns(),
        "last_consent": login.consent(known.last_consent if known else None),
        "session_key": str(uuid.uuid4()),
        "session_hash": login.session.id_hash,
        "made_session": None if ids.added else login.session.id_hash,
        "outcome": (Outcome.ADDED if ids.added else Outcome.COMPLETED).value,
        "event": "connection.added" if ids.added else "login.completed",
        "user_agent": login.session.user_agent,
        "session_expires_at": login.session.expires_at,
        "session_ends_at": login.session.ends_at,
        "ended_sessions": list(login.ended_sessions),
        "state_hash": login.state_hash,
        "cancelled": list(login.cancelled_revocations),
        "audit_id": str(uuid.uuid4()),
        "request_id": login.request_id,
        "now": login.now,
    }


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
