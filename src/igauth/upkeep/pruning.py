"""Pruning: what has expired goes, in small batches, by one replica at a time; and what was erased
leaves SQLite's log."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from igauth.background import Background
from igauth.domain import Clock
from igauth.errors import NOT_KEPT
from igauth.events.feed import KEPT
from igauth.store import (
    attempts,
    audit,
    connect_sessions,
    handoffs,
    leases,
    outbox,
    pauses,
    sessions,
    signed_requests,
    turns,
)
from igauth.store.database import Database, Transaction

_log = structlog.stdlib.get_logger("igauth.pruning")
BATCH: Final = 500
_KEEP_AUDIT: Final = timedelta(days=90)
_KEEP_CONNECT_SESSIONS: Final = timedelta(days=1)
_KEEP_PAUSES: Final = timedelta(hours=1)
_BREATH_SECONDS: Final = 0.05
_LOG_RETRY_SECONDS: Final = 1.0
Prune = Callable[[Transaction], int]


class Pruning:
    """Deletes what nobody needs any more."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._clock = clock
        self._sleep = sleep

    async def prune(self) -> int:
        """Everything that has expired; 0 while another replica does it. Returns how many rows."""
        lease, now = turns.lease("pruning"), self._clock()
        if not await self._database.write(lambda tx: turns.claim(tx, lease, "pruning", now)):
            return 0
        async with leases.kept(self._database, lease, self._clock):
            return sum([await self._prune_all(each) for each in self._kinds()])

    def _kinds(self) -> tuple[Prune, ...]:
        now = self._clock()
        return (
            partial(sessions.prune, now=now, limit=BATCH),
            partial(attempts.prune, now=now, limit=BATCH),
            partial(
                connect_sessions.prune,
                now=now,
                before=now - _KEEP_CONNECT_SESSIONS,
                limit=BATCH,
            ),
            partial(handoffs.prune, now=now, limit=BATCH),
            partial(pauses.prune, before=now - _KEEP_PAUSES, limit=BATCH),
            partial(audit.prune, before=now - _KEEP_AUDIT, limit=BATCH),
            partial(outbox.prune, before=now - KEPT, limit=BATCH),
        )

    async def _prune_all(self, prune: Prune) -> int:
        """In batches: a lock on many rows would hold logins up."""
        total = 0
        while (done := await self._database.write(prune)) > 0:
            total += done
            if done < BATCH:
                break
            await self._sleep(_BREATH_SECONDS)
        return total


class ErasedCopies:
    """What was erased may lie in SQLite's log for a while: emptied as soon as no reader is open,
    off every request's path. Then the receipts say that it is complete."""

    def __init__(self, database: Database, background: Background, clock: Clock) -> None:
        self._database = database
        self._background = background
        self._clock = clock
        self._trying: asyncio.Task[None] | None = None

    async def forget(self) -> None:
        """Tries once, and goes on by itself where a reader is in the way."""
        if not await self._try() and (self._trying is None or self._trying.done()):
            self._trying = self._background.spawn(self._until_done())

    async def _until_done(self) -> None:
        while not await self._try():  # noqa: ASYNC110  # SQLite tells nobody that a reader left
            await asyncio.sleep(_LOG_RETRY_SECONDS)

    async def _try(self) -> bool:
        with suppress(*NOT_KEPT):
            if await self._database.empty_log():
                await self._complete()
                return True
        return False

    async def _complete(self) -> None:
        """Only SQLite's receipts wait for this."""
        if self._database.is_sqlite:
            await self._database.write(partial(signed_requests.complete, now=self._clock()))
