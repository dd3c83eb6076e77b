"""The writes of a login, for each kind of login: sent together, with one set of parameters."""

from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import JSON, Text, bindparam, delete, func, insert, select, union_all, update
from sqlalchemy.dialects import postgresql

from igauth.store import connect_sessions, links, listings, outbox
from igauth.store.connections import Grant, SealedToken
from igauth.store.leases import FREED
from igauth.store.models import (
    AuditEvent,
    Connection,
    Person,
    Revocation,
    Session,
    SignIn,
    SpentState,
)
from igauth.store.statements import InBoth, Together, given, parameter, parameter_list

MOST_SESSIONS: Final = 20


class Kind(StrEnum):
    """What a login is to the person that it ends with."""

    FIRST = "first"
    AGAIN = "again"
    ADDED = "added"
    ADDED_SIGN_IN = "added_sign_in"
    ALONE = "alone"
    """The person is made for this connection, and nothing signs them in."""


_ADD_PERSON: Final = insert(Person).values(
    id=parameter("person_id"),
    created_at=parameter("now"),
    last_login_at=parameter("now"),
    **given("name", "picture_url"),
)
_GREET_PERSON: Final = (
    update(Person)
    .where(Person.id == parameter("person_id"))
    .values(
        # what Meta withheld this time stays as it was
        name=func.coalesce(parameter("name"), Person.name),
        picture_url=func.coalesce(parameter("picture_url"), Person.picture_url),
        last_login_at=parameter("now"),
    )
)
_ADD_SIGN_IN: Final = insert(SignIn).values(**given("provider", "app_id", "subject", "person_id"))


def _build_connection(insert: Any) -> Any:
    """A fresh consent: new token, new facts; whoever held a lease has lost it."""
    names = (*Grant.NAMES, *SealedToken.NAMES, "other_subject", "last_consent")
    fresh = insert(Connection).values(
        id=parameter("connection_id"),
        connected_at=parameter("now"),
        token_version=1,
        version=1,
        **given("person_id", "provider", "app_id", "subject", "name", *names),
    )
    return fresh.on_conflict_do_update(
        index_elements=["id"],
        set_={
            **{name: getattr(fresh.excluded, name) for name in names},
            "name": func.coalesce(fresh.excluded.name, Connection.name),
            "connected_at": fresh.excluded.connected_at,
            "token_version": Connection.token_version + 1,
            "version": Connection.version + 1,
            **FREED,
        },
    )


_SAVED: Final = (
    _build_connection(postgresql.insert)
    .returning(
        *(Connection.id, Connection.person_id, Connection.provider, Connection.status),
        *(Connection.cause, Connection.version, Connection.ends_at),
    )
    .cte("saved")
)
_SAVE_CONNECTION: Final = InBoth(
    lambda dialect, insert: _SAVED if dialect == "postgresql" else _build_connection(insert)
)


def _build_event(dialect: str, insert: Any) -> Any:
    """What the connection's row is now, told; after the row is locked, so in its order.

    A statement of PostgreSQL sees the listing as it was: one written beside it is a parameter.
    """
    saved: Any = _SAVED
    if dialect == "sqlite":
        one = Connection.id == bindparam("b_connection_id", type_=Text())
        saved = select(Connection).where(one).subquery()
    known: Any = bindparam("b_account_ids", type_=JSON(none_as_null=True))
    person_id = bindparam("b_person_id", type_=Text())
    return outbox.told_of_connection(
        dialect,
        insert,
        saved,
        func.coalesce(known, outbox.listed_ids(dialect)),
        outbox.external_ids(dialect, person_id),
    )


_EVENT: Final = InBoth(_build_event)
_OLDEST: Final = (
    select(Session.id)
    .where(Session.person_id == parameter("person_id"))
    .order_by(Session.created_at.desc(), Session.id)
    .offset(MOST_SESSIONS - 1)
    .subquery()
)
_CAME_WITH: Final = select(Session.id).where(Session.id_hash.in_(parameter_list("ended_sessions")))
# One list of ids: for "of these or of those" PostgreSQL reads the whole table.
_END_SESSIONS: Final = delete(Session).where(
    Session.id.in_(union_all(select(_OLDEST.c.id), _CAME_WITH))
)
_ADD_SESSION: Final = insert(Session).values(
    id=parameter("session_key"),
    id_hash=parameter("session_hash"),
    created_at=parameter("now"),
    last_seen_at=parameter("now"),
    expires_at=parameter("session_expires_at"),
    ends_at=parameter("session_ends_at"),
    **given("person_id", "user_agent"),
)
_FINISH: Final = (
    update(SpentState)
    .where(SpentState.state_hash == parameter("state_hash"))
    .values(outcome=parameter("outcome"), session_hash=parameter("made_session"), **FREED)
)
_CANCEL: Final = delete(Revocation).where(Revocation.subject_hash.in_(parameter_list("cancelled")))
_AUDIT: Final = insert(AuditEvent).values(
    id=parameter("audit_id"),
    at=parameter("now"),
    outcome="ok",
    person=parameter("person_id"),
    connection=parameter("connection_id"),
    **given("event", "actor", "request_id"),
)
_PERSON: Final[dict[Kind, tuple[Any, ...]]] = {
    Kind.FIRST: (_ADD_PERSON, _ADD_SIGN_IN),
    Kind.AGAIN: (_GREET_PERSON,),
    Kind.ADDED: (),
    Kind.ADDED_SIGN_IN: (_ADD_SIGN_IN,),
    Kind.ALONE: (_ADD_PERSON,),
}
_SESSION: Final = (_END_SESSIONS, _ADD_SESSION)
_LINK: Final = (links.ADD, *connect_sessions.COMPLETE)
_LISTING: Final = (listings.SAVE, listings.REMOVE_GONE, listings.SAVE_ACCOUNTS)


@lru_cache
def writes(kind: Kind, *, is_link: bool, is_listed: bool) -> Together:
    """All of them. `is_link`: it ends in a link, not in a session (contract §11)."""
    makes_session = kind in (Kind.FIRST, Kind.AGAIN)
    return Together(
        *_PERSON[kind],
        _SAVE_CONNECTION,
        *(_LISTING if is_listed else ()),
        *(_SESSION if makes_session and not is_link else ()),
        *(_LINK if is_link else (_FINISH,)),
        *(_CANCEL, _AUDIT, _EVENT),
    )
