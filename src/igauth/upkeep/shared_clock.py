"""One clock for all replicas: the database's (defect C22).

Leases, spent states and the age of a listing are written by one replica and judged by another;
their machines may be a minute apart. Each adds to its own clock what it is behind the server of
the database. On SQLite all share a machine, and its clock.
"""

from datetime import datetime, timedelta
from typing import Final

import structlog

from igauth.domain import Clock
from igauth.store import clock as store
from igauth.store.database import Database

_log = structlog.stdlib.get_logger("igauth.clock")
_LONGEST_TRIP: Final = timedelta(seconds=1)
_LEAST_UNCERTAINTY: Final = timedelta(milliseconds=5)
_WORTH_TELLING: Final = timedelta(seconds=2)


class SharedClock:
    """A `Clock`: this machine's, set right by `measure`."""

    def __init__(self, database: Database, machine: Clock) -> None:
        self._database = database
        self._machine = machine
        self._ahead = timedelta()

    def __call__(self) -> datetime:
        return self._machine() + self._ahead

    async def measure(self) -> None:
        """Asks the database. An answer that took long tells nothing. Raises DatabaseUnavailable."""
        if self._database.is_sqlite:
            return
        sent = self._machine()
        there = await self._database.read(store.server_time)
        trip = self._machine() - sent
        if timedelta() <= trip <= _LONGEST_TRIP:
            self._follow(there - (sent + trip / 2), uncertainty=trip / 2 + _LEAST_UNCERTAINTY)

    def _follow(self, ahead: timedelta, *, uncertainty: timedelta) -> None:
        """Steps only where the difference is certain."""
        if abs(ahead - self._ahead) <= uncertainty:
            return
        if abs(ahead - self._ahead) > _WORTH_TELLING:
            _log.warning("clock.differs", database_ahead_seconds=round(ahead.total_seconds(), 1))
        self._ahead = ahead
