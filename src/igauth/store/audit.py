"""The trail of security events: ids only, and hashes for those who were erased."""

import uuid
from datetime import datetime

from sqlalchemy import delete, insert, update

from igauth.domain import PersonId
from igauth.store.database import Transaction
from igauth.store.models import AuditEvent


async def add(
    tx: Transaction,
    event: str,
    *,
    at: datetime,
    outcome: str | None = None,
    person: str | None = None,
    request_id: str | None = None,
) -> None:
    """One event. `person` is our own id, or a keyed hash."""
    await tx.execute(
        insert(AuditEvent).values(
            id=str(uuid.uuid4()),
            at=at,
            event=event,
            outcome=outcome,
            person=person,
            request_id=request_id,
        )
    )


async def forget_person(tx: Transaction, person_id: PersonId, audit_hash: str) -> None:
    """The events of an erased person keep a hash in place of the id."""
    statement = update(AuditEvent).where(AuditEvent.person == person_id)
    await tx.execute(statement.values(person=audit_hash))


async def prune(tx: Transaction, before: datetime) -> int:
    """Deletes events older than this; returns how many."""
    return (await tx.execute(delete(AuditEvent).where(AuditEvent.at < before))).rowcount
