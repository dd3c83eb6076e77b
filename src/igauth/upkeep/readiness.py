"""Readiness: whether a login could be kept right now (contract §5, §9; defects C13, C21).

The schema and the keys are read, and a row is written: storage that is full, read-only or damaged
still reads well. While another program has migrated the database, writes are refused: this one
doesn't know what they would do.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from igauth.background import Background
from igauth.domain import Clock
from igauth.errors import NotReady
from igauth.security.keyring import KeyRing
from igauth.store import migrations, turns
from igauth.store.database import Database
from igauth.upkeep.startup import key_faults

_log = structlog.stdlib.get_logger("igauth.readiness")
ANSWER_SECONDS: Final = 1.0
KEPT_SECONDS: Final = 3.0
"""For how long a row that was written tells that another could be."""
WATCH_SECONDS: Final = 5.0
_TURN: Final = "readiness"


class Readiness:
    """Examines at most once at a time, however many ask."""

    def __init__(
        self,
        database: Database,
        ring: KeyRing,
        background: Background,
        *,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._ring = ring
        self._background = background
        self._clock = clock
        self._monotonic = monotonic
        self._wrote_at = float("-inf")
        self._misfit: str | None = None
        self._examining: asyncio.Task[None] | None = None

    async def check(self) -> None:
        """Raises NotReady or DatabaseUnavailable, within a second whatever the database does."""
        if self._examining is None or self._examining.done():
            self._examining = self._background.spawn(self._examine())
        done, _ = await asyncio.wait((self._examining,), timeout=ANSWER_SECONDS)
        if not done:
            raise NotReady("The database did not answer within a second.")
        self._examining.result()

    async def watch(self) -> str | None:
        """Closes the database to writes while it isn't at this program's version; says why.

        Raises DatabaseUnavailable.
        """
        why = _misfit(await migrations.current_revision(self._database))
        if why != self._misfit:
            self._misfit = why
            self._database.close_to_writes(why)
            say = _log.info if why is None else _log.error
            say("database.fits" if why is None else "database.closed_to_writes", why=why)
        return why

    async def _examine(self) -> None:
        if why := await self.watch():
            raise NotReady(why)
        if await key_faults(self._database, self._ring, self._clock):
            raise NotReady("The keys of this program do not fit the database.")
        await self._try_to_keep()

    async def _try_to_keep(self) -> None:
        if self._monotonic() - self._wrote_at < KEPT_SECONDS:
            return
        await self._database.write(partial(turns.note, name=_TURN, now=self._clock()))
        self._wrote_at = self._monotonic()


def _misfit(revision: str | None) -> str | None:
    """Why a database of this version isn't one for this program; None where it is."""
    if revision == migrations.head_revision():
        return None
    if migrations.is_known(revision):
        return "The database is behind this program; run: igauth migrate."
    return "The database was migrated by a newer program; upgrade this one."
