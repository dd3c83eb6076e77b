"""The words that every room shares: identifiers, states, and what a listing is made of.

Nothing here does I/O or knows Meta's JSON, SQL or HTTP. All instants are aware UTC datetimes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import NewType

AppScopedUserId = NewType("AppScopedUserId", str)
"""A person's id as Facebook gives it to one app (graph-facts 6.4)."""
Subject = NewType("Subject", str)
"""A person's or account's id as a door gives it to one app: `provider_user_id` on the wire."""
PageId = NewType("PageId", str)
InstagramAccountId = NewType("InstagramAccountId", str)
BusinessId = NewType("BusinessId", str)
PersonId = NewType("PersonId", str)
"""igauth's own id of a person: a UUID, made before the first insert, never Facebook's."""
ConnectionId = NewType("ConnectionId", str)
SessionHash = NewType("SessionHash", str)
"""Keyed hash of a session id: all that the database knows of it."""

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present instant, aware, in UTC: the clock of production."""
    return datetime.now(UTC)


class Provider(StrEnum):
    """A door: Facebook Login or Instagram Login."""

    FACEBOOK = "facebook"
    INSTAGRAM = "instagram"


class ServiceScope(StrEnum):
    """What a service key lets its holder do; none implies another (contract §11)."""

    CONNECT = "connect"
    READ = "read"
    TOKENS = "tokens"
    MANAGE = "manage"
    EVENTS = "events"


class ConnectionStatus(StrEnum):
    """What a connection is good for (contract §7)."""

    ACTIVE = "active"
    EXPIRING = "expiring"
    RECONNECT_REQUIRED = "reconnect_required"
    CHECKPOINT_REQUIRED = "checkpoint_required"
    REVOKED = "revoked"


class ConnectionCause(StrEnum):
    """Why a connection isn't `active`: `cause` on the wire (contract §5)."""

    TOKEN_ENDS_SOON = "token_ends_soon"  # noqa: S105  # a word
    DATA_ACCESS_ENDS_SOON = "data_access_ends_soon"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105  # a word
    DATA_ACCESS_EXPIRED = "data_access_expired"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # a word
    SESSION_INVALID = "session_invalid"
    NOT_OURS = "not_ours"
    TOKEN_UNREADABLE = "token_unreadable"  # noqa: S105  # a word
    CHECKPOINT = "checkpoint"
    UNCONFIRMED_USER = "unconfirmed_user"
    APP_ACCESS_MISSING = "app_access_missing"
    APP_REMOVED = "app_removed"


class EventType(StrEnum):
    """What happened to a grant: `type` of an event (contract §12)."""

    CREATED = "connection.created"
    RECONNECTED = "connection.reconnected"
    EXPIRING = "connection.expiring"
    RECONNECT_REQUIRED = "connection.reconnect_required"
    CHECKPOINT_REQUIRED = "connection.checkpoint_required"
    REVOKED = "connection.revoked"
    RECOVERED = "connection.recovered"
    DELETED = "connection.deleted"
    ACCOUNTS_CHANGED = "accounts.changed"
    CONNECT_SESSION_REFUSED = "connect_session.refused"
    TEST = "webhook.test"


class DeletionReason(StrEnum):
    """On whose word a connection was deleted: `reason` of its event (contract §12)."""

    PERSON = "person"
    BACKEND = "backend"
    DATA_DELETION_REQUESTED = "data_deletion_requested"
    OPERATOR = "operator"


class NotListedReason(StrEnum):
    """Why a Page or an Instagram account isn't in a listing (contract §6)."""

    PAGE_WITHOUT_INSTAGRAM = "page_without_instagram"
    PAGE_NOT_GRANTED = "page_not_granted"
    INSTAGRAM_UNREACHABLE = "instagram_unreachable"
    PAGE_UNAVAILABLE = "page_unavailable"
    MALFORMED = "malformed"


class ActionKind(StrEnum):
    """What a person can do about a problem (contract §5, Problems)."""

    LOGIN = "login"
    RECONNECT = "reconnect"
    GRANT_PERMISSIONS = "grant_permissions"
    LINK_PAGE = "link_page"
    WAIT = "wait"
    VISIT_FACEBOOK = "visit_facebook"
    VISIT_INSTAGRAM = "visit_instagram"
    CONTACT_OPERATOR = "contact_operator"


class Source(StrEnum):
    """Where discovery looks for accounts (contract §6)."""

    ACCOUNTS = "accounts"
    GRANULAR_PAGES = "granular_pages"
    GRANULAR_INSTAGRAM = "granular_instagram"
    BUSINESSES = "businesses"
    OWNED_PAGES = "owned_pages"
    CLIENT_PAGES = "client_pages"
    INSTAGRAM_LOGIN = "instagram_login"


@dataclass(frozen=True, slots=True)
class Action:
    """A way out: what to do, and where."""

    kind: ActionKind
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A Facebook Page as far as a listing needs it; never its token."""

    id: PageId
    name: str | None = None
    tasks: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class InstagramAccount:
    """An Instagram professional account and every Page that leads to it.

    `sources` says where it was seen, so that a failed source can't make it vanish.
    """

    id: InstagramAccountId
    username: str | None = None
    name: str | None = None
    biography: str | None = None
    website: str | None = None
    profile_picture_url: str | None = None
    followers_count: int | None = None
    follows_count: int | None = None
    media_count: int | None = None
    account_type: str | None = None
    pages: tuple[Page, ...] = ()
    sources: frozenset[Source] = frozenset()


@dataclass(frozen=True, slots=True)
class NotListed:
    """A Page or account that the person might expect, and why it isn't in the list.

    `cause` is a short stable word that picks the sentence, e.g. `two_factor`.
    """

    reason: NotListedReason
    page: Page | None = None
    instagram_account_id: InstagramAccountId | None = None
    cause: str | None = None
    sources: frozenset[Source] = frozenset()


@dataclass(frozen=True, slots=True)
class ListingWarning:
    """Something that keeps a listing from being whole: a code of `errors`, and about what."""

    code: str
    permission: str | None = None
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Permissions:
    """What the person granted, as `/me/permissions` tells (graph-facts 9.1)."""

    granted: frozenset[str] = frozenset()
    declined: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Listing:
    """The answer of one discovery.

    `complete` speaks of the sources, not of `not_listed`: False when one didn't answer in full.
    """

    fetched_at: datetime
    accounts: tuple[InstagramAccount, ...] = ()
    not_listed: tuple[NotListed, ...] = ()
    warnings: tuple[ListingWarning, ...] = ()
    complete: bool = True
    failed_sources: frozenset[Source] = frozenset()


@dataclass(frozen=True, slots=True)
class GranularScopes:
    """`granular_scopes` of `debug_token` (graph-facts 4.4).

    `targets` maps a scope to the ids it is limited to; None means not limited to chosen assets.
    A scope that isn't a key wasn't named at all.
    """

    targets: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)

    def ids(self, prefix: str) -> tuple[str, ...]:
        """Every target id of the scopes that begin with `prefix`, once each, in order."""
        found: dict[str, None] = {}
        for scope, ids in self.targets.items():
            if scope.startswith(prefix):
                found.update(dict.fromkeys(ids or ()))
        return tuple(found)

    def limits(self, prefix: str) -> bool:
        """Whether the scopes that begin with `prefix` are all limited to chosen ids."""
        targets = [ids for scope, ids in self.targets.items() if scope.startswith(prefix)]
        return bool(targets) and all(targets)
