"""Security events: a row of the audit trail in the transaction of what happened, and one
structured line once that is committed."""

from datetime import datetime

import structlog

from igauth.observability import REQUEST_ID
from igauth.store import audit
from igauth.store.database import Transaction

_log = structlog.stdlib.get_logger("igauth.security")


def keep(
    tx: Transaction,
    event: str,
    *,
    at: datetime,
    outcome: str | None = None,
    actor: str | None = None,
    person: str | None = None,
    connection: str | None = None,
    purpose: str | None = None,
) -> None:
    """The row. `person` is our own id or a hash; `actor`: who did it, None for the person.

    Whoever writes it says it after the commit, by `say`.
    """
    audit.add(
        tx,
        event,
        at=at,
        outcome=outcome,
        actor=actor,
        person=person,
        connection=connection,
        purpose=purpose,
        request_id=REQUEST_ID.get(),
    )


def say(event: str, **facts: str | int | None) -> None:
    """The line."""
    _log.info(event, **{name: value for name, value in facts.items() if value is not None})
