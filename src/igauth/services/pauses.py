"""Facebook's throttling, remembered in the database, so that all replicas wait (contract §8)."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from igauth.domain import Clock
from igauth.errors import IgAuthError
from igauth.graph.pauses import LONGEST_GUESS_SECONDS, MemoryPauseBook, next_pause
from igauth.store import pauses as store
from igauth.store.database import Database

_log = structlog.stdlib.get_logger("igauth.pauses")
_FRESH_SECONDS = 1.0
_MOST_REMEMBERED = 1_000


class StoredPauseBook:
    """A `PauseBook` in the database, read at most once a second for each scope.

    While the database doesn't answer, this process's own memory serves.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        fresh_seconds: float = _FRESH_SECONDS,
    ) -> None:
        self._database = database
        self._clock = clock
        self._monotonic = monotonic
        self._fresh_seconds = fresh_seconds
        self._memory = MemoryPauseBook(monotonic)
        self._known: dict[str, tuple[float, datetime | None]] = {}

    async def remaining(self, scopes: Sequence[str]) -> float:
        """Seconds still to wait for the longest of them; 0.0 if none."""
        asked = self._monotonic()
        stale = [scope for scope in scopes if not self._is_fresh(scope, asked)]
        try:
            await self._read(stale, asked)
        except IgAuthError:
            return await self._memory.remaining(scopes)
        return max((self._left(scope) for scope in scopes), default=0.0)

    async def throttled(self, scope: str, hint_seconds: float | None) -> float:
        """Records a throttle and returns the pause in seconds, doubling while it repeats."""
        in_memory = await self._memory.throttled(scope, hint_seconds)
        try:
            return await self._record(scope, hint_seconds)
        except IgAuthError:
            return in_memory

    async def cleared(self, scope: str) -> None:
        """A call succeeded: the doubling ends. A pause that is still on stays."""
        await self._memory.cleared(scope)
        _, until = self._known.get(scope, (0.0, None))
        if until is None or until > self._clock():
            return
        try:
            async with self._database.transaction() as tx:
                await store.remove(tx, [scope])
            self._known[scope] = (self._monotonic(), None)
        except IgAuthError:
            _log.debug("pauses.not_cleared")

    async def _record(self, scope: str, hint_seconds: float | None) -> float:
        now = self._clock()
        async with self._database.transaction() as tx:
            until, seconds = (await store.find(tx, [scope])).get(scope, (None, 0))
            if until is not None and until > now and hint_seconds is None:
                return self._note(scope, until)
            pause = next_pause(hint_seconds, _strikes(until, seconds, now))
            await store.save(tx, scope, now + timedelta(seconds=pause), int(pause))
        _log.warning("facebook.throttled", scope=scope.partition(":")[0], seconds=int(pause))
        return self._note(scope, now + timedelta(seconds=pause))

    async def _read(self, scopes: Sequence[str], asked: float) -> None:
        if not scopes:
            return
        async with self._database.reading() as tx:
            found = await store.find(tx, scopes)
        if len(self._known) > _MOST_REMEMBERED:
            self._known.clear()
        for scope in scopes:
            self._known[scope] = (asked, found[scope][0] if scope in found else None)

    def _note(self, scope: str, until: datetime) -> float:
        self._known[scope] = (self._monotonic(), until)
        return self._left(scope)

    def _is_fresh(self, scope: str, now: float) -> bool:
        asked, _ = self._known.get(scope, (float("-inf"), None))
        return now - asked < self._fresh_seconds

    def _left(self, scope: str) -> float:
        _, until = self._known.get(scope, (0.0, None))
        return 0.0 if until is None else max(0.0, (until - self._clock()).total_seconds())


def _strikes(until: datetime | None, seconds: int, now: datetime) -> int:
    """How often the throttle repeated: the last pause's length tells, unless it is long ago."""
    if until is None or now - until > timedelta(seconds=LONGEST_GUESS_SECONDS):
        return 0
    return max(0, (seconds // 60).bit_length())
