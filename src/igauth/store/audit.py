"""The trail of security events: ids only, and hashes for those who were erased."""

import uuid
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from igauth.domain import PersonId
from igauth.store.database import Transaction
from igauth.store.models import AuditEvent

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


def forget_person(tx: Transaction, person_id: PersonId, audit_hash: str) -> None:
    """The events of an erased person keep a hash in place of their id, and no connection's."""
    statement = update(AuditEvent).where(AuditEvent.person == person_id)
    tx.execute(statement.values(person=audit_hash, connection=None))


def prune(tx: Transaction, before: datetime, limit: int) -> int:
    """Deletes up to `limit` events older than this; returns how many."""
    old = select(AuditEvent.id).where(AuditEvent.at < before).limit(limit)
    return tx.execute(delete(AuditEvent).where(AuditEvent.id.in_(old))).rowcount
