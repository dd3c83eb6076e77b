"""What leaves over HTTP: named fields only, ids as strings, times in UTC with `Z`."""

from datetime import UTC, datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, PlainSerializer

from igauth.domain import ActionKind, ConnectionStatus, NotListedReason

Item = TypeVar("Item")


def iso_z(instant: datetime) -> str:
    """ISO 8601 in UTC, to the second, with `Z`."""
    return instant.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


Instant = Annotated[datetime, PlainSerializer(iso_z, return_type=str)]


class Shape(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class ActionOut(Shape):
    """What the person can do, and where."""

    kind: ActionKind
    url: str | None


class Problem(Shape):
    """RFC 9457 problem details, with igauth's own members."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:igauth:problem:not_authenticated",
                    "title": "Not logged in",
                    "status": 401,
                    "detail": "There is no igauth session. Please log in.",
                    "code": "not_authenticated",
                    "retryable": False,
                    "action": {"kind": "login", "url": "http://localhost:8000/auth/facebook"},
                    "request_id": "0a1b2c3d",
                }
            ]
        }
    )

    type: str
    title: str
    status: int
    detail: str
    code: str
    retryable: bool
    action: ActionOut | None
    request_id: str


class Meta(Shape):
    """What is said about a list; nothing, for most."""


class Listed(Shape, Generic[Item]):
    """Every list's shape."""

    data: list[Item]
    meta: Meta = Meta()


class PersonOut(Shape):
    """The person of a session."""

    id: str
    name: str | None
    picture_url: str | None
    created_at: Instant
    last_login_at: Instant


class SessionState(Shape):
    """Whether this browser is logged in; asking never fails for want of a session."""

    authenticated: bool
    user: PersonOut | None
    login_url: str


class SessionOut(Shape):
    """One browser that is logged in."""

    id: str
    created_at: Instant
    last_seen_at: Instant
    user_agent: str | None
    current: bool


class ConsentDiff(Shape):
    """What the last consent changed, in Instagram account ids."""

    at: Instant
    added: list[str]
    kept: list[str]
    lost: list[str]


class ConnectionOut(Shape):
    """A person's Facebook connection; never its token."""

    id: str
    provider: Literal["facebook"]
    provider_user_id: str
    name: str | None
    status: ConnectionStatus
    granted_scopes: list[str]
    declined_scopes: list[str]
    missing_scopes: list[str]
    token_expires_at: Instant | None
    data_access_expires_at: Instant | None
    connected_at: Instant
    verified_at: Instant | None
    last_consent: ConsentDiff | None
    reconnect_url: str


class PageOut(Shape):
    """A Page that leads to an Instagram account."""

    id: str
    name: str | None
    tasks: list[str]


class PageRef(Shape):
    """A Page that isn't listed."""

    id: str
    name: str | None


class InstagramAccountOut(Shape):
    """An Instagram professional account. Fields that Facebook didn't send are null."""

    id: str
    username: str | None
    name: str | None
    biography: str | None
    website: str | None
    profile_picture_url: str | None
    picture_url: str | None
    followers_count: int | None
    follows_count: int | None
    media_count: int | None
    pages: list[PageOut]
    can_publish: bool | None
    connection_id: str


class NotListedOut(Shape):
    """A Page or account that the person might miss, why, and what to do."""

    reason: NotListedReason
    page: PageRef | None
    instagram_account_id: str | None
    message: str
    action: ActionOut | None


class WarningOut(Shape):
    """What keeps the listing from being whole."""

    code: str
    permission: str | None
    message: str
    action: ActionOut | None


class ConnectionRef(Shape):
    """The state of the connection that a listing came by."""

    id: str
    status: ConnectionStatus
    reconnect_url: str


class ListingMeta(Shape):
    """About a listing: how fresh, how whole, by which connection, and what isn't in it."""

    fetched_at: Instant
    stale: bool
    complete: bool
    connection: ConnectionRef
    not_listed: list[NotListedOut]
    warnings: list[WarningOut]


class ListingOut(Shape):
    """The Instagram accounts that the person let this application use."""

    data: list[InstagramAccountOut]
    meta: ListingMeta


class DeletionAnswer(Shape):
    """What Meta shows to the person (graph-facts 13.3)."""

    url: str
    confirmation_code: str


class DeletionStatus(Shape):
    """What became of a deletion request; nothing about whom."""

    confirmation_code: str
    status: str
    message: str
    requested_at: Instant
    completed_at: Instant | None


class Health(Shape):
    """The process is up."""

    status: Literal["ok"]
    version: str


class Readiness(Shape):
    """Database and keys answer."""

    status: Literal["ready"]
