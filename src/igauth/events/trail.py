"""Security events: one structured line and one row of the audit trail each."""

from datetime import datetime

import structlog

from igauth.observability import REQUEST_ID
from igauth.store import audit
from igauth.store.database import Transaction

_log = structlog.stdlib.get_logger("igauth.security")


async def record(
    tx: Transaction,
    event: str,
    *,
    at: datetime,
    outcome: str | None = None,
    person: str | None = None,
) -> None:
    """Writes `event` down in this transaction, and says it. `person` is our own id or a hash."""
    await keep(tx, event, at=at, outcome=outcome, person=person)
    say(event, outcome=outcome, person=person)


async def keep(
    tx: Transaction,
    event: str,
    *,
    at: datetime,
    outcome: str | None = None,
    person: str | None = None,
) -> None:
    """The row alone, for what is said elsewhere."""
    await audit.add(tx, event, at=at, outcome=outcome, person=person, request_id=REQUEST_ID.get())


def say(event: str, **facts: str | int | None) -> None:
    """The line alone, for what must not touch the database."""
    _log.info(event, **{name: value for name, value in facts.items() if value is not None})
