"""Revocations at Facebook: now where it answers, queued where it doesn't.

The queue knows the sealed app-scoped id and nothing else, and works with the app's own token.
"""

import uuid
from datetime import timedelta

import structlog

from igauth.domain import AppScopedUserId, Clock
from igauth.events import trail as events
from igauth.meta.errors import GraphError
from igauth.meta.facebook.tokens import FacebookOAuth
from igauth.security.sealing import Place, Sealer, Unopenable
from igauth.store import people
from igauth.store import revocations as store
from igauth.store.database import Database, Transaction
from igauth.store.revocations import RevocationRow

_log = structlog.stdlib.get_logger("igauth.revocations")
_FIRST_RETRY = timedelta(minutes=1)
_LONGEST_RETRY = timedelta(hours=6)
_LEASE = timedelta(minutes=2)
_BATCH = 20


class Revocations:
    """Tells Facebook that a person's grant has ended."""

    def __init__(
        self,
        *,
        app_id: str,
        oauth: FacebookOAuth,
        sealer: Sealer,
        database: Database,
        clock: Clock,
    ) -> None:
        self._app_id = app_id
        self._oauth = oauth
        self._sealer = sealer
        self._database = database
        self._clock = clock

    async def queue(self, tx: Transaction, user_id: AppScopedUserId) -> str:
        """Queues a revocation, to be tried at once or by the next sweep; returns its row's id."""
        row_id, now = store.new_id(), self._clock()
        sealed = self._sealer.seal(user_id, _place(row_id, self._app_id))
        await store.add(tx, row_id, sealed, now=now, next_attempt_at=now + _FIRST_RETRY)
        return row_id

    async def cancel(self, tx: Transaction, user_id: AppScopedUserId) -> None:
        """The person consented anew: what was queued for them must not end it."""
        rows = await store.list_readable(tx)
        await store.remove(tx, [row.id for row in rows if self._opened(row) == user_id])

    async def try_now(self, row_id: str, user_id: AppScopedUserId) -> bool:
        """One try while a person waits; True when Facebook confirmed and the queue is clean."""
        try:
            await self._oauth.revoke(user_id)
        except GraphError as error:
            _log.warning("revocation.queued", error=str(error))
            return False
        await self._confirm(row_id)
        return True

    async def sweep(self) -> int:
        """Carries out what is due; returns how many were confirmed."""
        owner, done = uuid.uuid4().hex, 0
        while batch := await self._claim(owner):
            for row in batch:
                done += await self._carry_out(row, owner)
        return done

    async def _claim(self, owner: str) -> list[RevocationRow]:
        now = self._clock()
        async with self._database.transaction() as tx:
            return await store.claim_due(tx, now=now, until=now + _LEASE, owner=owner, limit=_BATCH)

    async def _carry_out(self, row: RevocationRow, owner: str) -> bool:
        user_id = self._opened(row)
        if user_id is None:
            async with self._database.transaction() as tx:
                await store.mark_unreadable(tx, row.id)
            return False
        if not await self._still_wanted(row, user_id):
            return False
        try:
            await self._oauth.revoke(user_id)
        except GraphError as error:
            _log.warning("revocation.postponed", error=str(error), attempts=row.attempts + 1)
            await self._postpone(row, owner)
            return False
        await self._confirm(row.id)
        return True

    async def _confirm(self, row_id: str) -> None:
        async with self._database.transaction() as tx:
            await store.remove(tx, [row_id])
            await events.record(tx, "revocation.confirmed", at=self._clock())

    async def _still_wanted(self, row: RevocationRow, user_id: AppScopedUserId) -> bool:
        """Not once a login cancelled it, nor for people who have a connection again."""
        async with self._database.transaction() as tx:
            if not await store.exists(tx, row.id):
                return False
            person = await people.find_by_facebook_id(tx, self._app_id, user_id)
            if person is None:
                return True
            await store.remove(tx, [row.id])
            return False

    async def _postpone(self, row: RevocationRow, owner: str) -> None:
        wait = min(_FIRST_RETRY * 2**row.attempts, _LONGEST_RETRY)
        async with self._database.transaction() as tx:
            await store.postpone(tx, row, owner=owner, next_attempt_at=self._clock() + wait)

    def _opened(self, row: RevocationRow) -> AppScopedUserId | None:
        try:
            sealed = row.sealed_user_id or ""
            return AppScopedUserId(self._sealer.open(sealed, _place(row.id, self._app_id)))
        except Unopenable:
            return None


def _place(row_id: str, app_id: str) -> Place:
    return Place("revocations", "sealed_user_id", row_id, app_id, "")
