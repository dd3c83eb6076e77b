"""Asking Facebook what a token is worth now, and writing down what it said."""

from datetime import datetime, timedelta

import structlog

from igauth.domain import Clock, ConnectionStatus, GranularScopes
from igauth.errors import NotFound
from igauth.graph.auth import UserToken
from igauth.graph.errors import GraphRefusal, Meaning
from igauth.graph.oauth import DebuggedToken, FacebookOAuth
from igauth.graph.resources import FacebookResources
from igauth.services import events
from igauth.services.grants import STATUS_BY_MEANING, Custody
from igauth.store import connections
from igauth.store.connections import ConnectionRow, Grant
from igauth.store.database import Database

_log = structlog.stdlib.get_logger("igauth.verification")
_DAILY = timedelta(hours=24)


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
        clock: Clock,
    ) -> None:
        self._app_id = app_id
        self._oauth = oauth
        self._resources = resources
        self._custody = custody
        self._database = database
        self._clock = clock

    async def granular(self, token: UserToken) -> GranularScopes | None:
        """Which ids the token's permissions are limited to. Raises GraphError."""
        debugged = await self._oauth.debug_token(token)
        return debugged.granular

    async def verify(self, row: ConnectionRow) -> ConnectionRow:
        """Re-checks the connection at Facebook and stores what it learned.

        Raises ReconnectRequired where there is no token, GraphError where Facebook doesn't answer,
        NotFound where the connection went meanwhile.
        """
        token = await self._custody.open(row)
        debugged = await self._oauth.debug_token(token)
        if debugged.is_valid and self._is_theirs(debugged, row):
            await self._save_live(row, token, debugged)
        else:
            await self._save_dead(row, debugged)
        return await self._reread(row)

    async def note_refusal(self, row: ConnectionRow, refusal: GraphRefusal) -> None:
        """A call said that the token is dead or held up: that is the connection's state now."""
        status = STATUS_BY_MEANING.get(refusal.meaning)
        if status is not None:
            await self._save_status(row, status, _cause(refusal))

    def _is_theirs(self, debugged: DebuggedToken, row: ConnectionRow) -> bool:
        return debugged.app_id == self._app_id and debugged.user_id == row.facebook_user_id

    async def _save_live(
        self, row: ConnectionRow, token: UserToken, debugged: DebuggedToken
    ) -> None:
        permissions = await self._resources.permissions(token)
        now = self._clock()
        grant = Grant(
            status=ConnectionStatus.ACTIVE,
            status_cause=None,
            upgrade_pending=row.upgrade_pending,
            token_expires_at=debugged.expires_at,
            data_access_expires_at=debugged.data_access_expires_at,
            granted_scopes=permissions.granted,
            declined_scopes=permissions.declined,
            granular=debugged.granular,
            verified_at=now,
            next_check_at=now + _DAILY,
        )
        async with self._database.transaction() as tx:
            await connections.save_check(tx, row, grant)

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
                changed = await connections.save_status(tx, row, status, cause, verified_at)
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


def _cause(refusal: GraphRefusal) -> str:
    """A stable word for the log and the operator: the Graph code, and the subcode if any."""
    return f"graph_{refusal.code}" + (f"_{refusal.subcode}" if refusal.subcode else "")
