"""The keeper: keeps grants alive, notices when they die, tells Facebook what ended (contract §7).

Replicas share the work by row leases; a dead keeper's leases run out by themselves.
"""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from igauth.domain import Clock
from igauth.errors import IgAuthError
from igauth.grants.checks import Verification
from igauth.grants.revocations import Revocations
from igauth.login.sessions import Sessions
from igauth.meta.errors import GraphError, GraphThrottled
from igauth.store import attempts, audit, connections, pauses, revocations
from igauth.store.connections import ConnectionRow
from igauth.store.database import Database

_log = structlog.stdlib.get_logger("igauth.keeper")
_LEASE = timedelta(minutes=5)
_BATCH = 10
_BATCH_SECONDS = 1.0
_ROUND_SECONDS = 60.0
_FIRST_RETRY = timedelta(minutes=2)
_LONGEST_RETRY = timedelta(hours=6)
_KEEP_AUDIT = timedelta(days=90)
_KEEP_PAUSES = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Sweep:
    """What one sweep did."""

    checked: int
    postponed: int
    revoked: int
    pruned: int


class Keeper:
    """Sweeps what is due: revocations first, then connections, then what has expired."""

    def __init__(
        self,
        *,
        verification: Verification,
        revocations: Revocations,
        sessions: Sessions,
        database: Database,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._verification = verification
        self._revocations = revocations
        self._sessions = sessions
        self._database = database
        self._clock = clock
        self._sleep = sleep

    async def run(self) -> None:
        """Sweeps about every minute, for ever; a failed sweep doesn't end the next one."""
        while True:
            await self._sleep(_ROUND_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311  # jitter
            try:
                await self.sweep()
            except IgAuthError as error:
                _log.warning("keeper.interrupted", cause=error.code)
            except Exception:
                _log.exception("keeper.crashed")

    async def renew(self, *, everything: bool = False) -> Sweep:
        """One sweep by hand: missed upgrades and queued revocations whatever their back-off.

        `everything` re-checks every connection that holds a token.
        """
        now = self._clock()
        async with self._database.transaction() as tx:
            await connections.mark_due(tx, now, everything=everything)
            await revocations.mark_due(tx, now)
        return await self.sweep()

    async def sweep(self) -> Sweep:
        """Everything that is due now, in batches, at a bounded rate."""
        revoked = await self._revocations.sweep()
        owner, checked, postponed = uuid.uuid4().hex, 0, 0
        while batch := await self._claim(owner):
            results = await asyncio.gather(*(self._keep(row, owner) for row in batch))
            checked += results.count(True)
            postponed += results.count(False)
            await self._sleep(_BATCH_SECONDS)
        pruned = await self._prune()
        done = Sweep(checked, postponed, revoked, pruned)
        if checked or postponed or revoked:
            _log.info("keeper.swept", checked=checked, postponed=postponed, revoked=revoked)
        return done

    async def _claim(self, owner: str) -> list[ConnectionRow]:
        now = self._clock()
        async with self._database.transaction() as tx:
            return await connections.claim_due(
                tx, now=now, until=now + _LEASE, owner=owner, limit=_BATCH
            )

    async def _keep(self, row: ConnectionRow, owner: str) -> bool:
        """One connection; False where only a passing fault kept it from being checked."""
        try:
            await self._verification.renew(row)
        except GraphThrottled as throttled:
            await self._postpone(row, owner, timedelta(seconds=throttled.retry_after_seconds))
            return False
        except GraphError as error:
            _log.warning("keeper.postponed", connection=row.id, error=str(error))
            await self._postpone(row, owner, _FIRST_RETRY * 2 ** min(row.check_failures, 10))
            return False
        except IgAuthError as error:
            _log.debug("keeper.gone", connection=row.id, cause=error.code)
        return True

    async def _postpone(self, row: ConnectionRow, owner: str, wait: timedelta) -> None:
        async with self._database.transaction() as tx:
            await connections.release(
                tx,
                row,
                owner=owner,
                next_check_at=self._clock() + min(wait, _LONGEST_RETRY),
                failures=row.check_failures + 1,
            )

    async def _prune(self) -> int:
        now = self._clock()
        async with self._database.transaction() as tx:
            return (
                await self._sessions.prune(tx)
                + await attempts.prune(tx, now)
                + await pauses.prune(tx, now - _KEEP_PAUSES)
                + await audit.prune(tx, now - _KEEP_AUDIT)
            )
