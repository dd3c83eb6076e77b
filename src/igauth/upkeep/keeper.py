"""The keeper: keeps grants alive and notices when they die (contract §7).

Replicas share the work by leases; a dead keeper's leases run out by themselves.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from igauth.domain import Clock, ConnectionStatus
from igauth.errors import IgAuthError, NotFound, ReconnectRequired
from igauth.grants.checks import Checks, Death, is_judged_by_number
from igauth.grants.revocations import Revocations
from igauth.meta.errors import GraphError, GraphThrottled
from igauth.meta.verdicts import log_failure
from igauth.store import connections, leases
from igauth.store.connections import ConnectionRow
from igauth.store.database import Database
from igauth.store.leases import Lease

_log = structlog.stdlib.get_logger("igauth.keeper")
BATCH: Final = 25
PAUSE_SECONDS: Final = 0.2
"""Between batches: at most 125 checks a second, so that people's own requests come first."""

MANY_DEATHS: Final = 10
_MANY: Final = 1_000
_FIRST_RETRY: Final = timedelta(minutes=2)
_LONGEST_RETRY: Final = timedelta(hours=6)


@dataclass(slots=True)
class Sweep:
    """What one sweep did: connections by the state they were found in, those put off, and
    revocations that Facebook confirmed.

    `held_back`: deaths that aren't written down yet, of `at_instagram` living connections there;
    `alarm`: so many that they say something about the app, and stay unwritten.
    """

    states: Counter[ConnectionStatus] = field(default_factory=Counter)
    postponed: int = 0
    confirmed: int = 0
    at_instagram: int = 0
    held_back: list[Death] = field(default_factory=list, repr=False)
    alarm: bool = False

    @property
    def checked(self) -> int:
        """How many connections Meta told something about."""
        return sum(self.states.values())


class Keeper:
    """Re-checks what is due, oldest first, several side by side."""

    def __init__(
        self,
        checks: Checks,
        revocations: Revocations,
        database: Database,
        *,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._checks = checks
        self.revocations = revocations
        self._database = database
        self._clock = clock
        self._sleep = sleep

    async def renew(self, *, everything: bool = False) -> Sweep:
        """One sweep by hand: missed upgrades and queued revocations whatever their back-off.

        `everything` re-checks every connection that holds a readable token.
        """
        await self._make_due(everything=everything)
        confirmed = await self.revocations.sweep(everything=True)
        done = await self.sweep()
        done.confirmed = confirmed
        return done

    async def sweep(self) -> Sweep:
        """Everything that is due now, in batches, at a bounded rate."""
        done = Sweep()
        while True:
            claim = partial(connections.claim_checks, now=self._clock(), limit=BATCH)
            lease, rows = await self._database.write(claim)
            if not rows:
                break
            async with leases.kept(self._database, lease, self._clock):
                await self._check_all(rows, lease, done)
            await self._sleep(PAUSE_SECONDS)
        await self._settle(done)
        if done.checked or done.postponed:
            _log.info("keeper.swept", checked=done.checked, postponed=done.postponed)
        return done

    async def _check_all(self, rows: Sequence[ConnectionRow], lease: Lease, done: Sweep) -> None:
        done.at_instagram += sum(is_judged_by_number(row) for row in rows)
        checks = (self._check(row, lease, done.held_back) for row in rows)
        for found in await asyncio.gather(*checks):
            if found is None:
                done.postponed += 1
            else:
                done.states[found] += 1

    async def _settle(self, done: Sweep) -> None:
        """Deaths are believed unless they are many, and more than half of the door's checks:
        then it is the app that died, and nobody is sent to a reconnect (contract §10)."""
        deaths, done.held_back = done.held_back, []
        if len(deaths) >= MANY_DEATHS and len(deaths) > done.at_instagram / 2:
            done.alarm = True
            _log.error("keeper.mass_failure", failed=len(deaths), checked=done.at_instagram)
            return
        for death in deaths:
            done.states[await self._checks.settle(death)] += 1
            done.postponed -= 1

    async def _check(
        self, row: ConnectionRow, lease: Lease, held_back: list[Death]
    ) -> ConnectionStatus | None:
        """One connection's state; None where only a passing fault kept it from being told, or
        where it was held back."""
        wait = _FIRST_RETRY * 2 ** min(row.check_failures, 10)
        try:
            found = await self._checks.renew(row, held_back)
            if found is not None:
                return found
        except (NotFound, ReconnectRequired):  # it went, or its token can't be opened
            return ConnectionStatus.RECONNECT_REQUIRED
        except GraphThrottled as throttled:
            wait = timedelta(seconds=throttled.retry_after_seconds)
        except GraphError as error:
            log_failure(error)
        except IgAuthError as error:
            _log.warning("keeper.failed", connection=row.id, cause=error.code)
            return None
        again = self._clock() + min(wait, _LONGEST_RETRY)
        await self._database.write(
            lambda tx: connections.postpone(tx, row, lease, next_check_at=again)
        )
        return None

    async def _make_due(self, *, everything: bool) -> None:
        pick = connections.list_readable if everything else connections.list_missing_upgrade
        after = ""
        while ids := await self._database.read(partial(pick, after=after, limit=_MANY)):
            await self._database.write(partial(connections.mark_due, ids=ids, now=self._clock()))
            after = ids[-1]
