"""Sessions: browsers that are logged in, known by keyed hashes of their ids."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import bindparam, delete, func, select, update

from igauth.domain import PersonId, SessionHash
from igauth.store import people
from igauth.store.database import Transaction
from igauth.store.models import Person, Session
from igauth.store.people import PersonRow
from igauth.store.statements import delete_some


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as stored, without its person; instants in UTC."""

    id: str
    id_hash: SessionHash = field(repr=False)
    person_id: PersonId
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    ends_at: datetime
    user_agent: str | None


COLUMNS = tuple(Session.__table__.c)
PERSON_COLUMNS = tuple(column.label(f"person_{column.name}_") for column in people.COLUMNS)
IS_LIVE = (
    Session.id_hash.in_(bindparam("hashes", expanding=True))
    & (Session.expires_at > bindparam("now"))
    & (Session.last_seen_at > bindparam("idle_since"))
)
"""Whether a row is the live session under one of `hashes`, at `now`, seen after `idle_since`."""

_FIND = (
    select(*COLUMNS, *PERSON_COLUMNS).join(Person, Person.id == Session.person_id).where(IS_LIVE)
)
_LIST_LIVE = (
    select(*COLUMNS)
    .where(
        Session.person_id == bindparam("person_id"),
        Session.expires_at > bindparam("now"),
        Session.last_seen_at > bindparam("idle_since"),
    )
    .order_by(Session.last_seen_at.desc(), Session.id)
)


def find(
    tx: Transaction, hashes: Sequence[SessionHash], *, now: datetime, idle_since: datetime
) -> tuple[SessionRow, PersonRow] | None:
    """The live session under one of these hashes, and its person: one query."""
    named = {"hashes": list(hashes), "now": now, "idle_since": idle_since}
    row = tx.execute(_FIND, named).one_or_none()
    return None if row is None else split(tuple(row))


def split(row: tuple[object, ...]) -> tuple[SessionRow, PersonRow]:
    """A row that begins with COLUMNS and PERSON_COLUMNS, as what it is made of."""
    end = len(COLUMNS) + len(PERSON_COLUMNS)
    return (
        SessionRow(*row[: len(COLUMNS)]),  # type: ignore[arg-type]  # in the table's order
        PersonRow(*row[len(COLUMNS) : end]),  # type: ignore[arg-type]  # in the table's order
    )


def touch(
    tx: Transaction, row: SessionRow, *, id_hash: SessionHash, now: datetime, ends_at: datetime
) -> None:
    """The session was seen now; it is known by `id_hash` from here on."""
    statement = update(Session).where(Session.id == row.id)
    tx.execute(statement.values(last_seen_at=now, id_hash=id_hash, ends_at=ends_at))


def list_live(
    tx: Transaction, person_id: PersonId, *, now: datetime, idle_since: datetime
) -> list[SessionRow]:
    """A person's live sessions, the latest seen first."""
    named = {"person_id": person_id, "now": now, "idle_since": idle_since}
    return [SessionRow(*row) for row in tx.execute(_LIST_LIVE, named).all()]


def remove_by_hash(tx: Transaction, hashes: Sequence[SessionHash]) -> PersonId | None:
    """Ends the session under one of these hashes; tells whose it was."""
    statement = delete(Session).where(Session.id_hash.in_(hashes)).returning(Session.person_id)
    person_id = tx.execute(statement).scalars().first()
    return None if person_id is None else PersonId(person_id)


def remove(tx: Transaction, person_id: PersonId, session_id: str) -> bool:
    """Ends one session of this person, by its public id."""
    statement = delete(Session).where(Session.person_id == person_id, Session.id == session_id)
    return bool(tx.execute(statement).rowcount)


def remove_all(tx: Transaction, person_id: PersonId, *, except_id: str | None = None) -> int:
    """Ends a person's sessions, all of them or all others; returns how many."""
    statement = delete(Session).where(Session.person_id == person_id)
    if except_id is not None:
        statement = statement.where(Session.id != except_id)
    return tx.execute(statement).rowcount


def prune(tx: Transaction, now: datetime, limit: int) -> int:
    """Deletes up to `limit` sessions that no longer live; returns how many."""
    return delete_some(tx, Session.id, Session.ends_at <= now, limit)


def count_live(tx: Transaction, now: datetime) -> int:
    """How many sessions live."""
    statement = select(func.count()).select_from(Session).where(Session.ends_at > now)
    return int(tx.execute(statement).scalar_one())
