"""Dates that pass change a connection's state without a word of Meta's: noticed here, told once
(contract §12)."""

from datetime import timedelta
from functools import partial
from typing import Final

from igauth.domain import Clock, ConnectionStatus
from igauth.events import outbox, trail
from igauth.grants.state import GrantRules
from igauth.store import connections
from igauth.store.connections import ConnectionRow
from igauth.store.database import Database, Transaction

BATCH: Final = 100


class Dates:
    """Marks what ends soon as `expiring`, and what ended as `reconnect_required`."""

    def __init__(self, database: Database, rules: GrantRules, clock: Clock) -> None:
        self._database = database
        self._rules = rules
        self._clock = clock

    async def mark(self) -> int:
        """Everything whose dates passed, in batches; returns how many connections changed."""
        total = 0
        for status, ahead in (
            (ConnectionStatus.ACTIVE, self._rules.expiring),
            (ConnectionStatus.EXPIRING, timedelta()),
        ):
            batch = partial(self._batch, status=status, ahead=ahead)
            while changed := await self._database.write(batch):
                total += changed
                if changed < BATCH:
                    break
        return total

    def _batch(self, tx: Transaction, status: ConnectionStatus, ahead: timedelta) -> int:
        rows = connections.lock_ending(tx, status, self._clock() + ahead, BATCH)
        return sum([self._mark(tx, row) for row in rows])

    def _mark(self, tx: Transaction, row: ConnectionRow) -> bool:
        now = self._clock()
        status, cause = self._rules.state(row, now)
        if not connections.save_dates(tx, row, status, cause):
            return False
        if outbox.record_change(tx, row.id, row.status, status, now):
            trail.keep(
                tx,
                "connection.status",
                at=now,
                outcome=status.value,
                actor="keeper",
                person=row.person_id,
                connection=row.id,
            )
        return True
