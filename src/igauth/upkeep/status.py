"""Counts for those who run the service."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from igauth.domain import Clock, ConnectionStatus
from igauth.store import counts, people, sessions
from igauth.store.database import Database, Transaction

_SHARE: Final = 20
"""Metrics recount when this many times the last count's duration has passed: at most a
twentieth of one processor, and exact where counting is quick."""


@dataclass(frozen=True, slots=True)
class Status:
    """What `igauth status` prints. `oldest_check` is None where nothing was checked yet."""

    people: int
    connections: dict[ConnectionStatus, int]
    sessions: int
    oldest_check: datetime | None
    queued_revocations: int


class Counting:
    """Counts people, connections by state as of now, sessions, what waits."""

    def __init__(
        self,
        database: Database,
        *,
        expiring: timedelta,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._expiring = expiring
        self._clock = clock
        self._monotonic = monotonic
        self._last: Status | None = None
        self._due_at = float("-inf")

    async def count(self) -> Status:
        """Everything, now. Raises DatabaseUnavailable."""
        return await self._database.read(self._count)

    async def recent(self) -> Status:
        """Everything, as of a moment ago where counting takes long. Raises DatabaseUnavailable."""
        began = self._monotonic()
        if self._last is None or began >= self._due_at:
            self._last = await self.count()
            ended = self._monotonic()
            self._due_at = ended + _SHARE * (ended - began)
        return self._last

    def _count(self, tx: Transaction) -> Status:
        now = self._clock()
        return Status(
            people=people.count(tx),
            connections=counts.connections_by_status(tx, now=now, soon=now + self._expiring),
            sessions=sessions.count_live(tx, now),
            oldest_check=counts.oldest_check(tx),
            queued_revocations=counts.revocations(tx),
        )
