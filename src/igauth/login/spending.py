"""Spending a state: on every replica the first arrival wins it, once; all others wait for what
comes of it (contract §3)."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog

from igauth.domain import Clock
from igauth.errors import CodeRejected, IgAuthError, RateLimited, ServerError, StateUsed
from igauth.events import trail
from igauth.login.attempts import Attempt, Attempts
from igauth.store import attempts as store
from igauth.store import leases
from igauth.store.attempts import Outcome
from igauth.store.database import Database, Transaction
from igauth.store.leases import Lease

_log = structlog.stdlib.get_logger("igauth.login")
MOST_WAITING: Final = 50
_RETRY_AFTER_SECONDS: Final = 15


@dataclass(slots=True)
class _Running:
    """An attempt that this process deals with, and how many arrivals wait for it here."""

    ended: "asyncio.Future[Outcome]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    waiting: int = 0


@dataclass(slots=True)
class Turn:
    """An arrival's part in an attempt: whether it runs the login, and how that ended."""

    is_mine: bool
    outcome: Outcome = Outcome.FAILED


class Spending:
    """Makes a state single-use. Within a process waiters wait in memory, across processes by a
    slow read; who died while he ran is known by his lease."""

    def __init__(
        self,
        attempts: Attempts,
        database: Database,
        *,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._attempts = attempts
        self._database = database
        self._clock = clock
        self._sleep = sleep
        self._running: dict[str, _Running] = {}

    @asynccontextmanager
    async def of(self, attempt: Attempt) -> AsyncGenerator[Turn]:
        """The turn of an arrival: its own, to run the login in the block and note how it ended;
        or another's, which succeeded.

        Raises StateUsed where the other failed or died, RateLimited where too many wait already,
        DatabaseUnavailable.
        """
        state_hash = attempt.signed.state_hash
        known = self._running.get(state_hash)
        if known is not None:
            yield Turn(False, await self._wait_here(known))
            return
        running = self._running[state_hash] = _Running()
        turn = Turn(False)
        try:
            lease = store.lease(state_hash)
            turn.is_mine = await self._spend(attempt, lease)
            if turn.is_mine:
                async with leases.renewed(self._database, lease, self._clock):
                    yield turn
            else:
                turn.outcome = await self._wait_elsewhere(state_hash)
                yield turn
        except BaseException as failure:
            if turn.is_mine:
                await self._note_failed(state_hash, failure)
            raise
        finally:
            del self._running[state_hash]
            running.ended.set_result(turn.outcome)

    async def note(self, attempt: Attempt, outcome: Outcome) -> None:
        """How the attempt ended, for who waits elsewhere; a login notes it in its own commit."""
        state_hash = attempt.signed.state_hash
        await self._database.write(lambda tx: store.finish(tx, state_hash, outcome))

    async def _spend(self, attempt: Attempt, lease: Lease) -> bool:
        state_hash, forgotten_at = attempt.signed.state_hash, self._attempts.forgotten_at(attempt)

        def unit(tx: Transaction) -> bool:
            return store.consume(
                tx, state_hash, owner=lease.owner, now=self._clock(), expires_at=forgotten_at
            )

        return await self._database.write(unit)

    async def _wait_here(self, running: _Running) -> Outcome:
        if running.waiting >= MOST_WAITING:
            raise RateLimited(retry_after=_RETRY_AFTER_SECONDS)
        running.waiting += 1
        try:
            outcome = await asyncio.shield(running.ended)
        finally:
            running.waiting -= 1
        if outcome is Outcome.FAILED:
            raise StateUsed
        return outcome

    async def _wait_elsewhere(self, state_hash: str) -> Outcome:
        outcome: Outcome = await leases.waited_for(lambda: self._outcome(state_hash), self._sleep)
        if outcome is Outcome.FAILED:
            raise StateUsed
        return outcome

    async def _outcome(self, state_hash: str) -> Outcome | None:
        """How another process's login ended; one that died in the midst has failed."""
        row = await self._database.read(lambda tx: store.find(tx, state_hash))
        if row is None:
            return Outcome.FAILED
        is_dead = row.leased_until is None or row.leased_until <= self._clock()
        return Outcome.FAILED if row.outcome is None and is_dead else row.outcome

    async def _note_failed(self, state_hash: str, failure: BaseException) -> None:
        """A rejected code leaves no row of the trail: strangers could fill it."""
        code = failure.code if isinstance(failure, IgAuthError) else ServerError.code

        def unit(tx: Transaction) -> None:
            store.finish(tx, state_hash, Outcome.FAILED)
            if code != CodeRejected.code:
                trail.keep(tx, "login.failed", at=self._clock(), outcome=code)

        try:
            await self._database.write(unit)
        except IgAuthError:
            _log.warning("login.outcome_not_noted")
