"""Facebook's throttling, remembered in the database, so that all replicas wait (contract §8)."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

import structlog

from igauth.background import Background
from igauth.domain import Clock
from igauth.errors import IgAuthError
from igauth.meta.pauses import LONGEST_GUESS_SECONDS, MemoryPauseBook, next_pause
from igauth.store import pauses as store
from igauth.store.database import Database, Transaction

_log = structlog.stdlib.get_logger("igauth.pauses")
_FRESH_SECONDS = 1.0
_MOST_ACTIVE = 10_000


class StoredPauseBook:
    """A `PauseBook` in the database; its active rows are read at most once a second.

    While the database doesn't answer, this process's own memory serves.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        background: Background,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        fresh_seconds: float = _FRESH_SECONDS,
    ) -> None:
        self._database = database
        self._clock = clock
        self._background = background
        self._monotonic = monotonic
        self._fresh_seconds = fresh_seconds
        self._memory = MemoryPauseBook(monotonic)
        self._active: Mapping[str, datetime] = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def remaining(self, scopes: Sequence[str]) -> float:
        """Seconds still to wait for the longest of them; 0.0 if none."""
        try:
            await self._refresh()
        except IgAuthError:
            return await self._memory.remaining(scopes)
        now = self._clock()
        ends = [self._active[scope] for scope in scopes if scope in self._active]
        return max([0.0, *((until - now).total_seconds() for until in ends)])

    async def throttled(self, hints: Mapping[str, float | None]) -> float:
        """Records throttles of several scopes at once; the longest pause in seconds."""
        in_memory = await self._memory.throttled(hints)
        try:
            return await self._record(hints)
        except IgAuthError:
            return in_memory

    async def cleared(self, scopes: Sequence[str]) -> None:
        """A call succeeded: the doubling ends. A pause that is still on stays."""
        await self._memory.cleared(scopes)
        ended = partial(store.remove_ended, scopes=scopes, now=self._clock())
        try:
            await self._database.write(ended)
        except IgAuthError:
            _log.debug("pauses.not_cleared")

    async def _refresh(self) -> None:
        """Reads the active pauses, once for all calls that are about to go out together.

        A task of its own: a caller that is cancelled doesn't take the others' answer along.
        """
        if self._monotonic() - self._read_at < self._fresh_seconds:
            return
        if self._reading is None or self._reading.done():
            self._reading = self._background.spawn(self._read())
        await asyncio.shield(self._reading)

    async def _read(self) -> None:
        pick = partial(store.list_active, now=self._clock(), limit=_MOST_ACTIVE)
        self._active = await self._database.read(pick)
        self._read_at = self._monotonic()

    async def _record(self, hints: Mapping[str, float | None]) -> float:
        now = self._clock()

        def unit(tx: Transaction) -> dict[str, tuple[float, bool]]:
            return {scope: _pause(tx, scope, hint, now) for scope, hint in hints.items()}

        pauses = await self._database.write(unit)
        self._read_at = float("-inf")
        for scope, (seconds, is_new) in pauses.items():
            if is_new:
                kind = scope.partition(":")[0]
                _log.warning("facebook.throttled", scope=kind, seconds=int(seconds))
        return max((seconds for seconds, _ in pauses.values()), default=0.0)


def _pause(
    tx: Transaction, scope: str, hint_seconds: float | None, now: datetime
) -> tuple[float, bool]:
    """How long the scope pauses, and whether that is news."""
    until, seconds = store.find(tx, scope) or (None, 0)
    if until is not None and until > now and hint_seconds is None:
        return (until - now).total_seconds(), False
    pause = next_pause(hint_seconds, _strikes(until, seconds, now))
    store.save(tx, scope, now + timedelta(seconds=pause), int(pause))
    return pause, True


def _strikes(until: datetime | None, seconds: int, now: datetime) -> int:
    """How often the throttle repeated: the last pause's length tells, unless it is long ago."""
    if until is None or now - until > timedelta(seconds=LONGEST_GUESS_SECONDS):
        return 0
    return max(0, (seconds // 60).bit_length())
