"""A grant and its state: what Facebook's answers mean for a connection, and who holds its token."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

import structlog
from pydantic import SecretStr

from igauth.domain import Clock, ConnectionId, ConnectionStatus, PersonId
from igauth.errors import (
    CheckpointRequired,
    FacebookRateLimited,
    FacebookRefused,
    FacebookTimeout,
    FacebookUnavailable,
    IgAuthError,
    PermissionMissing,
    ReconnectRequired,
    ServiceMisconfigured,
)
from igauth.meta.errors import (
    GraphError,
    GraphRefusal,
    GraphThrottled,
    GraphTimeout,
    GraphUnavailable,
    Meaning,
)
from igauth.meta.facebook.proof import UserToken
from igauth.security.sealing import Place, Sealer, Unopenable, kid_of
from igauth.settings import Settings
from igauth.store import connections, sealed
from igauth.store.connections import ConnectionRow
from igauth.store.database import Database

_log = structlog.stdlib.get_logger("igauth.grants")
_RETRY_AFTER_SECONDS = 10

STATUS_BY_MEANING = {
    Meaning.RECONNECT: ConnectionStatus.RECONNECT_REQUIRED,
    Meaning.REVOKED: ConnectionStatus.REVOKED,
    Meaning.CHECKPOINT: ConnectionStatus.CHECKPOINT_REQUIRED,
}
"""What ends or suspends a grant. The table of Graph codes itself is `graph/errors.py`."""

DEAD = frozenset({ConnectionStatus.RECONNECT_REQUIRED, ConnectionStatus.REVOKED})
"""States in which Facebook isn't asked anything until a login or a `verify`."""

_REFUSALS: dict[Meaning, type[IgAuthError]] = {
    Meaning.RECONNECT: ReconnectRequired,
    Meaning.REVOKED: ReconnectRequired,
    Meaning.CHECKPOINT: CheckpointRequired,
    Meaning.PERMISSION: PermissionMissing,
    Meaning.MISCONFIGURED: FacebookRefused,
}


def public_error(error: GraphError) -> IgAuthError:
    """What a front end is told of a failed call to Facebook (contract §5)."""
    if isinstance(error, GraphThrottled):
        return FacebookRateLimited(retry_after=max(1, error.retry_after_seconds))
    if isinstance(error, GraphTimeout):
        return FacebookTimeout(retry_after=_RETRY_AFTER_SECONDS)
    if isinstance(error, GraphRefusal):
        if error.meaning is Meaning.TRANSIENT:
            return FacebookUnavailable(retry_after=_RETRY_AFTER_SECONDS)
        return _REFUSALS.get(error.meaning, FacebookRefused)()
    return FacebookUnavailable(retry_after=_RETRY_AFTER_SECONDS)


def login_error(error: GraphError) -> IgAuthError:
    """What ends a login when a call to Facebook fails in it (contract §3)."""
    if isinstance(error, GraphUnavailable):
        return FacebookUnavailable()
    if isinstance(error, GraphRefusal):
        if error.meaning is Meaning.MISCONFIGURED:
            _log.error("facebook.misconfigured", graph_code=error.code, trace=error.fbtrace_id)
            return ServiceMisconfigured()
        if error.meaning is Meaning.TRANSIENT:
            return FacebookUnavailable()
        if error.meaning is Meaning.THROTTLED:
            return FacebookRefused("Facebook limits how often we may ask. Please try again later.")
    return FacebookRefused()


def error_of(status: ConnectionStatus, reconnect_url: str) -> IgAuthError | None:
    """The refusal that a connection in this state answers with; None where it is of use."""
    if status in DEAD:
        return ReconnectRequired(action_url=reconnect_url)
    if status is ConnectionStatus.CHECKPOINT_REQUIRED:
        return CheckpointRequired(action_url="https://www.facebook.com/")
    return None


@dataclass(frozen=True, slots=True)
class GrantRules:
    """Reads a connection's state from what is stored, and says where to mend it."""

    base_url: str
    scopes: tuple[str, ...]
    expiring: timedelta

    @classmethod
    def of(cls, settings: Settings) -> "GrantRules":
        """The rules that these settings make."""
        expiring = timedelta(days=settings.expiring_days)
        return cls(settings.base_url, settings.facebook_scopes, expiring)

    def status(self, row: ConnectionRow, now: datetime) -> ConnectionStatus:
        """The state now: dates that passed count at once, not only at the next check."""
        ends = [at for at in (row.token_expires_at, row.data_access_expires_at) if at is not None]
        if row.status in (ConnectionStatus.ACTIVE, ConnectionStatus.EXPIRING):
            if any(at <= now for at in ends):
                return ConnectionStatus.RECONNECT_REQUIRED
            soon = any(at <= now + self.expiring for at in ends)
            return ConnectionStatus.EXPIRING if soon else ConnectionStatus.ACTIVE
        return row.status

    def missing_scopes(self, row: ConnectionRow) -> list[str]:
        """The wanted permissions that weren't granted, in the settings' order."""
        return [scope for scope in self.scopes if scope not in row.granted_scopes]

    def reconnect_url(self, row: ConnectionRow, now: datetime) -> str:
        """Our own login route, asking for just what this connection lacks."""
        query = {"reconnect": str(row.id)}
        if row.data_access_expires_at is not None and row.data_access_expires_at <= now:
            query["prompt"] = "reauthorize"
        elif self.missing_scopes(row):
            query["prompt"] = "select"
        return f"{self.base_url}/auth/facebook?{urlencode(query)}"

    def select_url(self, row: ConnectionRow | None = None) -> str:
        """Our own login route, asking again for permissions and assets."""
        query = {"prompt": "select"} | ({"reconnect": str(row.id)} if row else {})
        return f"{self.base_url}/auth/facebook?{urlencode(query)}"


class Custody:
    """Seals tokens for the place where they lie, opens them just before a call."""

    def __init__(self, sealer: Sealer, database: Database, clock: Clock) -> None:
        self._sealer = sealer
        self._database = database
        self._clock = clock

    def seal(
        self, token: SecretStr, connection_id: ConnectionId, app_id: str, person_id: PersonId
    ) -> str:
        """The token, sealed for its row."""
        place = _token_place(connection_id, app_id, person_id)
        return self._sealer.seal(token.get_secret_value(), place)

    def seal_for(self, row: ConnectionRow, token: UserToken) -> str:
        """A new token of a connection that is there already."""
        return self.seal(token.secret, row.id, row.facebook_app_id, row.person_id)

    async def open(self, row: ConnectionRow) -> UserToken:
        """The connection's token. Raises ReconnectRequired where there is none to be had.

        A token that can't be opened is kept; its connection is `reconnect_required`, logged once.
        """
        if row.sealed_token is None or row.token_unreadable:
            raise ReconnectRequired
        place = _token_place(row.id, row.facebook_app_id, row.person_id)
        try:
            secret = SecretStr(self._sealer.open(row.sealed_token, place))
        except Unopenable:
            await self._note_unreadable(row, kid_of(row.sealed_token))
            raise ReconnectRequired from None
        return UserToken(secret, person=row.person_id)

    async def _note_unreadable(self, row: ConnectionRow, kid: str | None) -> None:
        """Written down, unless only this process lacks a key that the database knows."""
        async with self._database.transaction() as tx:
            if kid is not None and not self._sealer.knows(kid) and await sealed.knows(tx, kid):
                _log.warning("token.key_not_here", connection=row.id, kid=kid)
                return
            _log.error("token.unreadable", connection=row.id)
            await connections.mark_unreadable(tx, row)


def _token_place(connection_id: ConnectionId, app_id: str, person_id: PersonId) -> Place:
    return Place("connections", "sealed_token", connection_id, app_id, person_id)
