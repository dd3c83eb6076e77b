"""Sessions: browsers that are logged in, known by keyed hashes of their ids."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update

from igauth.domain import PersonId, SessionHash
from igauth.store import people
from igauth.store.database import Transaction
from igauth.store.models import Person, Session
from igauth.store.people import PersonRow


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as stored, without its person; instants in UTC."""

    id: str
    id_hash: SessionHash
    person_id: PersonId
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    user_agent: str | None

    def __repr__(self) -> str:
        return f"SessionRow(id={self.id!r})"


_COLUMNS = tuple(Session.__table__.c)
_PERSON_COLUMNS = tuple(column.label(f"person_{column.name}_") for column in people.COLUMNS)


async def add(
    tx: Transaction,
    *,
    id_hash: SessionHash,
    person_id: PersonId,
    user_agent: str | None,
    now: datetime,
    expires_at: datetime,
) -> None:
    """A new session of a person."""
    await tx.execute(
        insert(Session).values(
            id=str(uuid.uuid4()),
            id_hash=id_hash,
            person_id=person_id,
            created_at=now,
            last_seen_at=now,
            expires_at=expires_at,
            user_agent=user_agent,
        )
    )


async def find(
    tx: Transaction, hashes: Sequence[SessionHash], *, now: datetime, idle_since: datetime
) -> tuple[SessionRow, PersonRow] | None:
    """The live session under one of these hashes, and its person: one query."""
    statement = (
        select(*_COLUMNS, *_PERSON_COLUMNS)
        .join(Person, Person.id == Session.person_id)
        .where(
            Session.id_hash.in_(hashes),
            Session.expires_at > now,
            Session.last_seen_at > idle_since,
        )
    )
    row = (await tx.execute(statement)).one_or_none()
    if row is None:
        return None
    return SessionRow(*row[: len(_COLUMNS)]), PersonRow(*row[len(_COLUMNS) :])


async def touch(tx: Transaction, row: SessionRow, *, id_hash: SessionHash, now: datetime) -> None:
    """The session was seen now; it is known by `id_hash` from here on."""
    statement = update(Session).where(Session.id == row.id)
    await tx.execute(statement.values(last_seen_at=now, id_hash=id_hash))


async def list_live(
    tx: Transaction, person_id: PersonId, *, now: datetime, idle_since: datetime
) -> list[SessionRow]:
    """A person's live sessions, the latest seen first."""
    statement = (
        select(*_COLUMNS)
        .where(
            Session.person_id == person_id,
            Session.expires_at > now,
            Session.last_seen_at > idle_since,
        )
        .order_by(Session.last_seen_at.desc(), Session.id)
    )
    return [SessionRow(*row) for row in (await tx.execute(statement)).all()]


async def remove_by_hash(tx: Transaction, hashes: Sequence[SessionHash]) -> PersonId | None:
    """Ends the session under one of these hashes; tells whose it was."""
    statement = delete(Session).where(Session.id_hash.in_(hashes)).returning(Session.person_id)
    person_id = (await tx.execute(statement)).scalars().first()
    return None if person_id is None else PersonId(person_id)


async def remove(tx: Transaction, person_id: PersonId, session_id: str) -> bool:
    """Ends one session of this person, by its public id."""
    statement = delete(Session).where(Session.person_id == person_id, Session.id == session_id)
    return bool((await tx.execute(statement)).rowcount)


async def remove_all(tx: Transaction, person_id: PersonId, *, except_id: str | None = None) -> int:
    """Ends a person's sessions, all of them or all others; returns how many."""
    statement = delete(Session).where(Session.person_id == person_id)
    if except_id is not None:
        statement = statement.where(Session.id != except_id)
    return (await tx.execute(statement)).rowcount


async def keep_newest(tx: Transaction, person_id: PersonId, limit: int) -> None:
    """Ends the oldest sessions of a person beyond `limit`."""
    newest = (
        select(Session.id)
        .where(Session.person_id == person_id)
        .order_by(Session.created_at.desc(), Session.id)
        .limit(limit)
    )
    await tx.execute(
        delete(Session).where(
            Session.person_id == person_id, Session.id.not_in(newest.scalar_subquery())
        )
    )


async def prune(tx: Transaction, *, now: datetime, idle_since: datetime) -> int:
    """Deletes sessions that no longer live; returns how many."""
    dead = (Session.expires_at <= now) | (Session.last_seen_at <= idle_since)
    return (await tx.execute(delete(Session).where(dead))).rowcount


async def count_live(tx: Transaction, *, now: datetime, idle_since: datetime) -> int:
    """How many sessions live."""
    statement = (
        select(func.count())
        .select_from(Session)
        .where(Session.expires_at > now, Session.last_seen_at > idle_since)
    )
    return int((await tx.execute(statement)).scalar_one())
