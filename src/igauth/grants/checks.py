"""Asking Facebook what a token is worth now, and writing down what it said."""

import random
from datetime import datetime, timedelta

import structlog

from igauth.domain import Clock, ConnectionStatus, Permissions
from igauth.errors import NotFound
from igauth.events import trail as events
from igauth.grants.state import STATUS_BY_MEANING, Custody
from igauth.meta.errors import GraphRefusal, Meaning
from igauth.meta.facebook.proof import UserToken
from igauth.meta.facebook.reading import FacebookResources
from igauth.meta.facebook.tokens import DebuggedToken, FacebookOAuth
from igauth.store import connections
from igauth.store.connections import ConnectionRow, Grant
from igauth.store.database import Database

_log = structlog.stdlib.get_logger("igauth.verification")


class Verification:
    """Keeps a connection's stored state equal to what Facebook says of its token."""

    def __init__(
        self,
        *,
        app_id: str,
        oauth: FacebookOAuth,
        resources: FacebookResources,
        custody: Custody,
        database: Database,
        expiring: timedelta,
        clock: Clock,
    ) -> None:
        self._app_id = app_id
        self._oauth = oauth
        self._resources = resources
        self._custody = custody
        self._database = database
        self._expiring = expiring
        self._clock = clock

    async def debug(self, token: UserToken) -> DebuggedToken:
        """What Facebook says of the token now. Raises GraphError."""
        return await self._oauth.debug_token(token)

    async def renew_permissions(self, row: ConnectionRow, token: UserToken) -> Permissions:
        """What is granted now, stored where it changed. Raises GraphError."""
        permissions = await self._resources.permissions(token)
        async with self._database.transaction() as tx:
            await connections.save_permissions(tx, row, permissions)
        return permissions

    async def verify(self, row: ConnectionRow) -> ConnectionRow:
        """Re-checks the connection at Facebook and stores what it learned.

        Raises ReconnectRequired where there is no token, GraphError where Facebook doesn't answer,
        NotFound where the connection went meanwhile.
        """
        await self._check(row, await self._custody.open(row))
        return await self._reread(row)

    async def renew(self, row: ConnectionRow) -> None:
        """The keeper's check: like `verify`, but with a new token where one is due.

        What `debug_token` says of the new token is believed, nothing else; a worse one is dropped.
        """
        token = await self._custody.open(row)
        fresh = await self._exchanged(row, token)
        if fresh is not None:
            debugged = await self._oauth.debug_token(fresh)
            if debugged.is_valid and self._is_theirs(debugged, row) and _is_better(debugged, row):
                await self._save_live(row, fresh, debugged, new_token=True)
                return
        await self._check(row, token)

    async def _exchanged(self, row: ConnectionRow, token: UserToken) -> UserToken | None:
        """A long-lived token in place of a short-lived one, or of one close to its end."""
        if not (row.upgrade_pending or self._ends_soon(row)):
            return None
        try:
            issued = await self._oauth.upgrade(token)
        except GraphRefusal as refusal:
            if refusal.meaning in STATUS_BY_MEANING:
                return None
            raise
        return UserToken(issued.access_token, person=row.person_id)

    def _ends_soon(self, row: ConnectionRow) -> bool:
        return row.token_expires_at is not None and (
            row.token_expires_at <= self._clock() + self._expiring
        )

    async def _check(self, row: ConnectionRow, token: UserToken) -> None:
        debugged = await self._oauth.debug_token(token)
        if debugged.is_valid and self._is_theirs(debugged, row):
            await self._save_live(row, token, debugged)
        else:
            await self._save_dead(row, debugged)

    async def note_refusal(self, row: ConnectionRow, refusal: GraphRefusal) -> None:
        """A call said that the token is dead or held up: that is the connection's state now."""
        status = STATUS_BY_MEANING.get(refusal.meaning)
        if status is not None:
            await self._save_status(row, status, _cause(refusal))

    def _is_theirs(self, debugged: DebuggedToken, row: ConnectionRow) -> bool:
        return debugged.app_id == self._app_id and debugged.user_id == row.facebook_user_id

    async def _save_live(
        self,
        row: ConnectionRow,
        token: UserToken,
        debugged: DebuggedToken,
        *,
        new_token: bool = False,
    ) -> None:
        permissions, refusal = await self._permissions(row, token)
        now = self._clock()
        grant = Grant(
            status=ConnectionStatus.ACTIVE,
            status_cause=None,
            upgrade_pending=row.upgrade_pending and not new_token,
            token_expires_at=debugged.expires_at,
            data_access_expires_at=debugged.data_access_expires_at,
            granted_scopes=permissions.granted,
            declined_scopes=permissions.declined,
            granular=debugged.granular,
            verified_at=now,
            next_check_at=now + about_a_day(),
        )
        sealed = self._custody.seal_for(row, token) if new_token else None
        async with self._database.transaction() as tx:
            await connections.save_check(tx, row, grant, sealed_token=sealed)
        if refusal is not None:
            await self.note_refusal(await self._reread(row), refusal)

    async def _permissions(
        self, row: ConnectionRow, token: UserToken
    ) -> tuple[Permissions, GraphRefusal | None]:
        """What is granted now. A live token may still be of no use: 190/493 (graph-facts 3.8)."""
        try:
            return await self._resources.permissions(token), None
        except GraphRefusal as refusal:
            if refusal.meaning not in STATUS_BY_MEANING:
                raise
            return Permissions(row.granted_scopes, row.declined_scopes), refusal

    async def _save_dead(self, row: ConnectionRow, debugged: DebuggedToken) -> None:
        meaning = Meaning.RECONNECT if debugged.error is None else debugged.error.meaning
        status = STATUS_BY_MEANING.get(meaning, ConnectionStatus.RECONNECT_REQUIRED)
        cause = "not_ours" if debugged.error is None else _cause(debugged.error)
        await self._save_status(row, status, cause, verified_at=self._clock())

    async def _save_status(
        self,
        row: ConnectionRow,
        status: ConnectionStatus,
        cause: str,
        verified_at: datetime | None = None,
    ) -> None:
        async with self._database.transaction() as tx:
            if status is ConnectionStatus.REVOKED:
                changed = await connections.save_removed(tx, row, cause)
            else:
                dead = status is ConnectionStatus.RECONNECT_REQUIRED
                changed = await connections.save_status(
                    tx,
                    row,
                    status,
                    cause,
                    verified_at=verified_at,
                    next_check_at=None if dead else self._clock() + about_a_day(),
                )
            if changed and row.status is not status:
                await events.record(
                    tx,
                    "connection.status",
                    at=self._clock(),
                    outcome=status.value,
                    person=row.person_id,
                )

    async def _reread(self, row: ConnectionRow) -> ConnectionRow:
        async with self._database.reading() as tx:
            latest = await connections.find(tx, row.id)
        if latest is None:
            raise NotFound
        return latest


def about_a_day() -> timedelta:
    """When to check next: a day, with jitter, so that logins of one hour don't stay together."""
    return timedelta(hours=24 * random.uniform(0.9, 1.1))  # noqa: S311  # jitter, no secret


def _is_better(debugged: DebuggedToken, row: ConnectionRow) -> bool:
    """Whether a new token lasts longer than the one that is kept (graph-facts 3.3)."""
    if row.upgrade_pending:
        return True
    if debugged.expires_at is None or row.token_expires_at is None:
        return debugged.expires_at is None
    return debugged.expires_at > row.token_expires_at


def _cause(refusal: GraphRefusal) -> str:
    """A stable word for the log and the operator: the Graph code, and the subcode if any."""
    return f"graph_{refusal.code}" + (f"_{refusal.subcode}" if refusal.subcode else "")
