"""The trail of security events: ids only, and hashes for those who were erased."""

import uuid
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import insert, select, update

from igauth.domain import PersonId
from igauth.store.database import Transaction
from igauth.store.models import AuditEvent
from igauth.store.statements import delete_some

ADD = insert(AuditEvent)


def add(
    tx: Transaction,
    event: str,
    *,
    at: datetime,
    outcome: str | None = None,
    actor: str | None = None,
    person: str | None = None,
    connection: str | None = None,
    purpose: str | None = None,
    request_id: str | None = None,
) -> None:
    """One event. `person` is our own id, or a keyed hash; `actor` who did it, None the person."""
    values = {
        "id": str(uuid.uuid4()),
        "at": at,
        "event": event,
        "outcome": outcome,
        "actor": actor,
        "person": person,
        "connection": connection,
        "purpose": purpose,
        "request_id": request_id,
    }
    tx.execute(ADD, values)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One event as stored."""

    at: datetime
    event: str
    outcome: str | None
    actor: str | None
    person: str | None
    connection: str | None
    purpose: str | None
    request_id: str | None


def list_events(
    tx: Transaction, *, since: datetime, person: str | None, actor: str | None, limit: int
) -> list[AuditRow]:
    """The newest events since then, oldest first; of one person, or by one actor, where named."""
    statement = select(*(getattr(AuditEvent, each.name) for each in fields(AuditRow)))
    statement = statement.where(AuditEvent.at >= since)
    if person is not None:
        statement = statement.where(AuditEvent.person == person)
    if actor is not None:
        statement = statement.where(AuditEvent.actor == actor)
    newest = statement.order_by(AuditEvent.at.desc(), AuditEvent.id.desc()).limit(limit)
    return [AuditRow(*row) for row in reversed(tx.execute(newest).all())]


def forget_person(tx: Transaction, person_id: PersonId, audit_hash: str) -> None:
    """The events of an erased person keep a hash in place of their id, and no connection's."""
    statement = update(AuditEvent).where(AuditEvent.person == person_id)
    tx.execute(statement.values(person=audit_hash, connection=None))


def prune(tx: Transaction, before: datetime, limit: int) -> int:
    """Deletes up to `limit` events older than this; returns how many."""
    return delete_some(tx, AuditEvent.id, AuditEvent.at < before, limit)
