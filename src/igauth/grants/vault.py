"""The vault: tokens sealed for the row they lie in, opened just before a call (contract §7)."""

from datetime import datetime

import structlog
from pydantic import SecretStr

from igauth.domain import Clock, ConnectionId, ConnectionStatus, PersonId, Provider
from igauth.errors import ReconnectRequired
from igauth.events import outbox
from igauth.meta.door import IssuedToken, UserToken
from igauth.security.sealing import Place, Sealer, Unopenable, kid_of
from igauth.store import connections, sealed
from igauth.store.connections import ConnectionRow, SealedToken
from igauth.store.database import Database, Transaction

_log = structlog.stdlib.get_logger("igauth.vault")


class Vault:
    """Seals and opens tokens under the key ring."""

    def __init__(self, sealer: Sealer, database: Database, clock: Clock) -> None:
        self._sealer = sealer
        self._database = database
        self._clock = clock

    def seal(
        self,
        token: IssuedToken,
        connection_id: ConnectionId,
        person_id: PersonId,
        *,
        provider: Provider,
        app_id: str,
        issued_at: datetime | None = None,
    ) -> SealedToken:
        """The token, sealed for its row; `issued_at` defaults to now."""
        place = token_place(connection_id, provider, app_id, person_id)
        text = self._sealer.seal(token.access_token.get_secret_value(), place)
        return SealedToken(text, self._sealer.newest, issued_at or self._clock())

    def seal_for(self, row: ConnectionRow, token: IssuedToken) -> SealedToken:
        """A new token of a connection that is there already."""
        return self.seal(token, row.id, row.person_id, provider=row.provider, app_id=row.app_id)

    async def open(self, row: ConnectionRow) -> UserToken:
        """The connection's token. Raises ReconnectRequired where there is none to be had.

        A token that can't be opened is kept; its connection is `reconnect_required`, logged once.
        """
        if row.sealed_token is None or row.token_kid is None:
            raise ReconnectRequired
        place = token_place(row.id, row.provider, row.app_id, row.person_id)
        try:
            secret = SecretStr(self._sealer.open(row.sealed_token, place))
        except Unopenable:
            await self._note_unreadable(row)
            raise ReconnectRequired from None
        return UserToken(secret, person=row.person_id)

    async def _note_unreadable(self, row: ConnectionRow) -> None:
        """Written down, unless only this process lacks a key that the database knows."""
        if await self._database.write(lambda tx: self._give_up(tx, row)):
            _log.error("token.unreadable", connection=row.id)
        else:
            _log.warning("token.key_not_here", connection=row.id, kid=row.token_kid)

    def _give_up(self, tx: Transaction, row: ConnectionRow) -> bool:
        kid = kid_of(row.sealed_token or "")
        if kid is not None and not self._sealer.knows(kid) and sealed.knows(tx, kid):
            return False
        before = connections.lock_same(tx, row)
        if before is not None and connections.mark_unreadable(tx, before):
            after = ConnectionStatus.RECONNECT_REQUIRED
            outbox.record_change(tx, row.id, before.status, after, self._clock())
        return True


def token_place(
    connection_id: ConnectionId, provider: Provider, app_id: str, person_id: PersonId
) -> Place:
    """Where a token lies, and whose it is."""
    return Place("connections", "sealed_token", connection_id, provider, app_id, person_id)
