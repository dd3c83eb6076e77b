"""A connection's state as of now: the one place that reads it from what is stored and the clock.

What Meta's answers do to it stands in `meta/verdicts`; what is written about it in `checks`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol
from urllib.parse import urlencode

from igauth.domain import (
    ConnectionCause,
    ConnectionId,
    ConnectionStatus,
    GranularScopes,
    Provider,
)
from igauth.errors import CheckpointRequired, IgAuthError, ReconnectRequired
from igauth.settings import Settings
from igauth.store.connections import ConnectionRow

DEAD: Final = frozenset({ConnectionStatus.RECONNECT_REQUIRED, ConnectionStatus.REVOKED})
"""States in which Meta isn't asked anything until a login or a `verify`."""

LIVE: Final = frozenset({ConnectionStatus.ACTIVE, ConnectionStatus.EXPIRING})
"""States in which a grant is of use."""
_MANAGE_PATHS: Final = {
    Provider.FACEBOOK: "https://www.facebook.com/settings?tab=business_tools",
    Provider.INSTAGRAM: "https://www.instagram.com/accounts/manage_access/",
}


class Scoped(Protocol):
    """A connection as far as its scopes go: stored already, or about to be."""

    @property
    def id(self) -> ConnectionId: ...
    @property
    def provider(self) -> Provider: ...
    @property
    def granted_scopes(self) -> frozenset[str]: ...
    @property
    def scopes_known(self) -> bool: ...
    @property
    def granular(self) -> GranularScopes | None: ...


@dataclass(frozen=True, slots=True)
class GrantRules:
    """How a connection is read: what is wanted of it, and from when on it is `expiring`."""

    base_url: str
    wanted: Mapping[Provider, tuple[str, ...]]
    expiring: timedelta

    @classmethod
    def of(cls, settings: Settings) -> "GrantRules":
        """The rules that these settings make."""
        wanted = {
            Provider.FACEBOOK: settings.facebook_scopes,
            Provider.INSTAGRAM: settings.instagram_scopes,
        }
        return cls(settings.base_url, wanted, timedelta(days=settings.expiring_days))

    def status(self, row: ConnectionRow, now: datetime) -> ConnectionStatus:
        """The state now: dates that passed count at once, not only at the next check."""
        return self.state(row, now)[0]

    def state(
        self, row: ConnectionRow, now: datetime
    ) -> tuple[ConnectionStatus, ConnectionCause | None]:
        """The state now and why it isn't `active`."""
        if row.status not in LIVE:
            return row.status, row.cause
        return self.by_dates(row.token_expires_at, row.data_access_expires_at, now)

    def by_dates(
        self, token_ends: datetime | None, data_access_ends: datetime | None, now: datetime
    ) -> tuple[ConnectionStatus, ConnectionCause | None]:
        """The state of a grant that lives but for its dates, and why it isn't `active`."""
        if _is_past(token_ends, now):
            return ConnectionStatus.RECONNECT_REQUIRED, ConnectionCause.TOKEN_EXPIRED
        if _is_past(data_access_ends, now):
            return ConnectionStatus.RECONNECT_REQUIRED, ConnectionCause.DATA_ACCESS_EXPIRED
        soon = now + self.expiring
        if _is_past(token_ends, soon):
            return ConnectionStatus.EXPIRING, ConnectionCause.TOKEN_ENDS_SOON
        if _is_past(data_access_ends, soon):
            return ConnectionStatus.EXPIRING, ConnectionCause.DATA_ACCESS_ENDS_SOON
        return ConnectionStatus.ACTIVE, None

    def refusal(self, row: ConnectionRow, now: datetime) -> IgAuthError | None:
        """What a connection in this state answers with; None where it is of use."""
        status = self.status(row, now)
        if status in DEAD:
            return ReconnectRequired(action_url=self.reconnect_url(row, now))
        if row.cause is ConnectionCause.APP_ACCESS_MISSING:
            return CheckpointRequired.by_the_operator()
        if status is ConnectionStatus.CHECKPOINT_REQUIRED:
            return CheckpointRequired.at(row.provider)
        return None

    def missing_scopes(self, row: ConnectionRow) -> list[str]:
        """The wanted permissions that weren't granted, in the settings' order; none while it
        isn't known what was."""
        if not row.scopes_known:
            return []
        wanted = self.wanted.get(row.provider, ())
        return [scope for scope in wanted if scope not in row.granted_scopes]

    def reconnect_url(self, row: ConnectionRow, now: datetime) -> str:
        """Our own login route, asking for just what this connection lacks."""
        query = {"reconnect": str(row.id)}
        lapsed = self.state(row, now)[1] is ConnectionCause.DATA_ACCESS_EXPIRED
        if lapsed or _is_past(row.data_access_expires_at, now):
            query["prompt"] = "reauthorize"
        elif self.missing_scopes(row):
            query["prompt"] = "select"
        return f"{self.base_url}/auth/{row.provider}?{urlencode(query)}"

    def select_path(self, row: Scoped) -> str:
        """The path of our own login route, asking again for permissions and assets."""
        query = urlencode({"prompt": "select", "reconnect": str(row.id)})
        return f"/auth/{row.provider}?{query}"

    def manage_url(self, row: ConnectionRow) -> str:
        """Where the person sees and removes the app at Meta."""
        return _MANAGE_PATHS[row.provider]


def _is_past(instant: datetime | None, now: datetime) -> bool:
    return instant is not None and instant <= now
