"""Revocations at Meta: now where it answers, queued where it doesn't.

The queue knows a sealed app-scoped id, its keyed hash and its own dates; the call is made with
the app's own token (graph-facts 9.2). Only Facebook has such a call (contract §10).
"""

from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from igauth.domain import Clock, Provider, Subject
from igauth.events import trail
from igauth.meta.door import Door
from igauth.meta.errors import GraphError
from igauth.meta.verdicts import log_failure
from igauth.security.opaque_tokens import OpaqueTokens
from igauth.security.sealing import Place, Sealer, Unopenable, kid_of
from igauth.store import connections, leases, people, sealed
from igauth.store import revocations as store
from igauth.store.database import Database, Transaction
from igauth.store.leases import Lease
from igauth.store.revocations import RevocationRow

_log = structlog.stdlib.get_logger("igauth.revocations")
_FIRST_RETRY: Final = timedelta(minutes=1)
_LONGEST_RETRY: Final = timedelta(hours=6)
_BATCH: Final = 10
_MANY: Final = 1_000


class Revocations:
    """Tells Facebook that a person's grant has ended. `door` None: Facebook's is closed."""

    def __init__(
        self,
        door: Door | None,
        *,
        sealer: Sealer,
        tokens: OpaqueTokens,
        database: Database,
        clock: Clock,
    ) -> None:
        self._door = door
        self._sealer = sealer
        self._tokens = tokens
        self._database = database
        self._clock = clock

    def queue(self, tx: Transaction, subject: Subject) -> str:
        """Queues a revocation, to be tried at once or by the next sweep; returns its row's id."""
        row_id, now = store.new_id(), self._clock()
        store.add(
            tx,
            row_id,
            sealed_subject=self._sealer.seal(subject, self._place(row_id)),
            subject_hash=self._tokens.subject_hash(subject),
            kid=self._sealer.newest,
            now=now,
            next_attempt_at=now + _FIRST_RETRY,
        )
        return row_id

    def hashes(self, subject: Subject) -> tuple[str, ...]:
        """What a subject's revocations may be queued under."""
        return self._tokens.subject_hashes(subject)

    def cancel(self, tx: Transaction, subject: Subject) -> None:
        """Nothing that is queued for this subject is to be carried out any more."""
        store.cancel(tx, self.hashes(subject))

    async def try_now(self, row_id: str, subject: Subject) -> bool:
        """One try while a person waits; True when Facebook confirmed and the queue is clean."""
        return await self._carry_out(row_id, subject)

    async def sweep(self, *, everything: bool = False) -> int:
        """Carries out what is due, or all that is queued; returns how many were confirmed."""
        if everything:
            await self._make_due()
        done = 0
        while self._door is not None:
            claim = partial(store.claim_attempts, now=self._clock(), limit=_BATCH)
            lease, rows = await self._database.write(claim)
            if not rows:
                break
            async with leases.kept(self._database, lease, self._clock):
                for row in rows:
                    done += await self._attempt(row, lease)
        return done

    async def _make_due(self) -> None:
        after = ""
        while ids := await self._database.read(partial(store.list_ids, after=after, limit=_MANY)):
            await self._database.write(partial(store.mark_due, ids=ids, now=self._clock()))
            after = ids[-1]

    async def _attempt(self, row: RevocationRow, lease: Lease) -> bool:
        subject = self._opened(row)
        if subject is None:
            await self._leave(row, lease)
            return False
        if await self._carry_out(row.id, subject):
            return True
        wait = min(_FIRST_RETRY * 2 ** min(row.attempts, 20), _LONGEST_RETRY)
        again = self._clock() + wait
        await self._database.write(lambda tx: store.postpone(tx, row, lease, again))
        return False

    async def _carry_out(self, row_id: str, subject: Subject) -> bool:
        """Asks once more right before the call whether it is still wanted: a login that was
        committed meanwhile has cancelled it."""
        if self._door is None or not await self._database.write(
            lambda tx: self._is_wanted(tx, row_id, subject)
        ):
            return False
        try:
            await self._door.revoke(subject)
        except GraphError as error:
            log_failure(error)
            return False
        await self._database.write(lambda tx: self._confirm(tx, row_id, subject))
        trail.say("revocation.confirmed")
        return True

    def _is_wanted(self, tx: Transaction, row_id: str, subject: Subject) -> bool:
        """Not once a login cancelled it, nor for somebody whom the subject signs in again."""
        if not store.lock(tx, row_id) or self._door is None:
            return False
        if people.find_by_sign_in(tx, Provider.FACEBOOK, self._door.app_id, subject) is None:
            return True
        store.remove(tx, row_id)
        return False

    def _confirm(self, tx: Transaction, row_id: str, subject: Subject) -> None:
        """A login that was committed while the call was on its way has lost its grant by it."""
        store.remove(tx, row_id)
        door = self._door
        for row in (
            connections.list_by_subject(tx, door.provider, door.app_id, subject) if door else ()
        ):
            connections.save_removed(tx, row)
        trail.keep(tx, "revocation.confirmed", at=self._clock(), actor="keeper")

    async def _leave(self, row: RevocationRow, lease: Lease) -> None:
        """A row that can't be opened: left to a replica that has its key, if there is one."""
        kid = kid_of(row.sealed_subject or "")
        later = self._clock() + _LONGEST_RETRY

        def unit(tx: Transaction) -> bool:
            if kid is not None and not self._sealer.knows(kid) and sealed.knows(tx, kid):
                store.postpone(tx, row, lease, later)
                return False
            store.mark_unreadable(tx, row.id)
            return True

        if await self._database.write(unit):
            _log.error("revocation.unreadable", row=row.id)
        elif row.attempts == 0:
            _log.warning("revocation.key_not_here", row=row.id, kid=kid)

    def _opened(self, row: RevocationRow) -> Subject | None:
        try:
            return Subject(self._sealer.open(row.sealed_subject or "", self._place(row.id)))
        except Unopenable:
            return None

    def _place(self, row_id: str) -> Place:
        app_id = self._door.app_id if self._door else ""
        return revocation_place(row_id, app_id)


def revocation_place(row_id: str, app_id: str) -> Place:
    """Where a queued id lies; it is this app's, and nobody's."""
    return Place("revocations", "sealed_subject", row_id, Provider.FACEBOOK, app_id, "")
