"""All that a login has learned by the time it is committed, and what it is to end in."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from igauth.domain import ConnectionId, PersonId, Provider, SessionHash, Subject
from igauth.store.connections import ConnectionRow, Grant, SealedToken
from igauth.store.database import Transaction
from igauth.store.listings import AccountRow, ListingRow


@dataclass(frozen=True, slots=True)
class NewSession:
    """The session that a login makes."""

    id_hash: SessionHash = field(repr=False)
    user_agent: str | None
    expires_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class IntoSession:
    """A login of a browser: it ends in a session.

    `adding_under`: the session to whose person it is added, if that is live and may gain it
    (contract §10); a session lives that was seen after `idle_since`.
    """

    session: NewSession
    state_hash: str = field(repr=False)
    ended_sessions: Sequence[SessionHash] = field(repr=False)
    adding_under: Sequence[SessionHash] = field(repr=False)
    idle_since: datetime


@dataclass(frozen=True, slots=True)
class IntoLink:
    """A connect session of the operator's: it ends in a link, and in no session (contract §11).

    `parked`: the row of the code that was exchanged; `actor`: the service key.
    """

    external_id: str
    connect_session: str
    parked: str
    actor: str


@dataclass(frozen=True, slots=True)
class NewLogin:
    """All that a login has learned. The callables get the ids that turn out: a token is sealed
    for its row, a listing rendered for its connection, and `tell` says what an event tells of
    the consent.
    """

    provider: Provider
    app_id: str
    subject: Subject
    other_subject: Subject | None
    name: str | None
    picture_url: str | None
    grant: Grant
    seal: Callable[[ConnectionId, PersonId], SealedToken] = field(repr=False)
    consent: Callable[[dict[str, Any] | None], dict[str, Any]] = field(repr=False)
    listing: Callable[[Transaction, ConnectionRow | None, ConnectionId], "Listed | None"] = field(
        repr=False
    )
    into: "IntoSession | IntoLink"
    cancelled_revocations: Sequence[str] = field(repr=False)
    reconnect: str | None
    request_id: str | None
    now: datetime
    tell: Callable[[dict[str, Any]], dict[str, Any] | None] = field(
        default=lambda _: None, repr=False
    )


Listed = tuple[ListingRow, Sequence[AccountRow]]
