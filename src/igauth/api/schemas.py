"""What leaves over HTTP: named fields only, ids as strings, times in UTC with `Z`."""

from datetime import UTC, datetime
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, RootModel
from pydantic.config import JsonDict

from igauth.domain import (
    ActionKind,
    ConnectionCause,
    ConnectionStatus,
    NotListedReason,
    Provider,
)

Item = TypeVar("Item")


def iso_z(instant: datetime) -> str:
    """ISO 8601 in UTC, to the second, with `Z`."""
    return instant.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


Instant = Annotated[datetime, PlainSerializer(iso_z, return_type=str)]


class Shape(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


_PERSON: JsonDict = {
    "id": "6f1b0a52-3c1e-4a8f-9a55-0d4d0c7a1b11",
    "name": "Ada Invented",
    "picture_url": None,
    "created_at": "2026-11-01T09:00:00Z",
    "last_login_at": "2026-11-23T12:00:00Z",
}
_ACCOUNT: JsonDict = {
    "id": "17841400000000021",
    "username": "invented.bakery",
    "name": "Invented Bakery",
    "biography": "Bread, invented daily.",
    "website": "https://bakery.example.test/",
    "profile_picture_url": "https://cdn.example.test/21.jpg?oe=6B2B3C4D",
    "picture_url": "http://localhost:8000/me/instagram-accounts/17841400000000021/picture",
    "followers_count": 1204,
    "follows_count": 87,
    "media_count": 342,
    "pages": [
        {
            "id": "100000000000011",
            "name": "Invented Bakery",
            "tasks": ["CREATE_CONTENT", "MANAGE"],
        }
    ],
    "account_type": None,
    "can_publish": True,
    "connection_ids": ["0b8f5c0e-5d0c-4a3e-8d0a-6a1d3f0c9e21"],
}
_RECONNECT = "http://localhost:8000/auth/facebook?reconnect=0b8f5c0e-5d0c-4a3e-8d0a-6a1d3f0c9e21"
CONNECTION_EXAMPLE: JsonDict = {
    "id": "0b8f5c0e-5d0c-4a3e-8d0a-6a1d3f0c9e21",
    "provider": "facebook",
    "provider_user_id": "10200000000000001",
    "name": "Ada Invented",
    "status": "active",
    "cause": None,
    "granted_scopes": ["instagram_basic", "pages_show_list"],
    "declined_scopes": ["business_management"],
    "missing_scopes": ["business_management"],
    "token_expires_at": "2027-01-22T12:00:00Z",
    "data_access_expires_at": "2027-02-21T12:00:00Z",
    "connected_at": "2026-11-23T12:00:00Z",
    "verified_at": "2026-11-23T12:00:00Z",
    "last_consent": {
        "at": "2026-11-23T12:00:00Z",
        "added": ["17841400000000021"],
        "kept": [],
        "lost": [],
    },
    "used_at": None,
    "reconnect_url": _RECONNECT,
    "manage_url": "https://www.facebook.com/settings?tab=business_tools",
}
_SESSION: JsonDict = {
    "id": "9c92fa9c-598e-4f94-b477-83f0209f922e",
    "created_at": "2026-11-23T12:00:00Z",
    "last_seen_at": "2026-11-23T12:05:00Z",
    "user_agent": "Mozilla/5.0",
    "current": True,
}
_LISTING: JsonDict = {
    "data": [_ACCOUNT],
    "meta": {
        "fetched_at": "2026-11-23T12:00:00Z",
        "stale": False,
        "complete": True,
        "connections": [
            {
                "id": "0b8f5c0e-5d0c-4a3e-8d0a-6a1d3f0c9e21",
                "provider": "facebook",
                "status": "active",
                "reconnect_url": _RECONNECT,
            }
        ],
        "not_listed": [
            {
                "reason": "page_without_instagram",
                "page": {"id": "100000000000012", "name": "Invented Reading Circle"},
                "instagram_account_id": None,
                "message": "This Page has no Instagram professional account that we can see.",
                "action": {
                    "kind": "link_page",
                    "url": "https://www.facebook.com/settings?tab=linked_instagram",
                },
            }
        ],
        "warnings": [],
    },
}


_DOORS: JsonDict = {
    "login_url": "http://localhost:8000/auth/facebook",
    "login_urls": {"facebook": "http://localhost:8000/auth/facebook"},
}


def example(value: JsonDict) -> ConfigDict:
    """A model's configuration with this example of it."""
    return ConfigDict(json_schema_extra={"examples": [value]})


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

    model_config = example(_PERSON)

    id: str
    name: str | None
    picture_url: str | None
    created_at: Instant
    last_login_at: Instant


class Authenticated(Shape):
    """Somebody is logged in."""

    model_config = example({"authenticated": True, "user": _PERSON, **_DOORS})

    authenticated: Literal[True] = True
    user: PersonOut
    login_url: str
    login_urls: dict[Provider, str]


class Anonymous(Shape):
    """Nobody is."""

    model_config = example({"authenticated": False, "user": None, **_DOORS})

    authenticated: Literal[False] = False
    user: None = None
    login_url: str
    login_urls: dict[Provider, str]


class SessionState(RootModel[Authenticated | Anonymous]):
    """Whether this browser is logged in, and through which doors one can log in."""

    model_config = example({"authenticated": True, "user": _PERSON, **_DOORS})


class SessionOut(Shape):
    """One browser that is logged in."""

    model_config = example(_SESSION)

    id: str
    created_at: Instant
    last_seen_at: Instant
    user_agent: str | None
    current: bool


class HandoffCode(Shape):
    """A code by which the operator's server learns who this is; good once, for a minute."""

    code: str = Field(repr=False)
    expires_at: Instant


class ConsentDiff(Shape):
    """What the last consent changed, in Instagram account ids."""

    at: Instant
    added: list[str]
    kept: list[str]
    lost: list[str]


class SessionList(Listed[SessionOut]):
    """The browsers that are logged in as this person."""


class ConnectionOut(Shape):
    """A person's connection through one door; never its token."""

    model_config = example(CONNECTION_EXAMPLE)

    id: str
    provider: Provider
    provider_user_id: str
    name: str | None
    status: ConnectionStatus
    cause: ConnectionCause | None
    granted_scopes: list[str]
    declined_scopes: list[str]
    missing_scopes: list[str]
    token_expires_at: Instant | None
    data_access_expires_at: Instant | None
    connected_at: Instant
    verified_at: Instant | None
    last_consent: ConsentDiff | None
    used_at: Instant | None
    reconnect_url: str
    manage_url: str


class ConnectionList(Listed[ConnectionOut]):
    """A person's connections."""


class PageOut(Shape):
    """A Page that leads to an Instagram account."""

    id: str
    name: str | None
    tasks: list[str] | None


class PageRef(Shape):
    """A Page that isn't listed."""

    id: str
    name: str | None


class InstagramAccountOut(Shape):
    """An Instagram professional account. Fields that Facebook didn't send are null."""

    model_config = example(_ACCOUNT)

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
    account_type: Literal["business", "creator"] | None
    can_publish: bool | None
    connection_ids: list[str]


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
    """The state of one of the connections that a listing comes by."""

    id: str
    provider: Provider
    status: ConnectionStatus
    reconnect_url: str


class ListingMeta(Shape):
    """About a listing: how fresh, how whole, by which connections, and what isn't in it."""

    fetched_at: Instant
    stale: bool
    complete: bool
    connections: list[ConnectionRef]
    not_listed: list[NotListedOut]
    warnings: list[WarningOut]


class ListingOut(Shape):
    """The Instagram accounts that the person let this application use."""

    model_config = example(_LISTING)

    data: list[InstagramAccountOut]
    meta: ListingMeta


class DeletionAnswer(Shape):
    """What Meta shows to the person."""

    model_config = example(
        {
            "url": "http://localhost:8000/auth/facebook/data-deletion/0f3b",
            "confirmation_code": "0f3b",
        }
    )

    url: str
    confirmation_code: str


class DeletionStatus(Shape):
    """What became of a deletion request; nothing about whom."""

    model_config = example(
        {
            "confirmation_code": "0f3b",
            "status": "deleted",
            "message": "Everything that this service had stored about you was deleted.",
            "requested_at": "2026-11-23T12:00:00Z",
            "completed_at": "2026-11-23T12:00:00Z",
        }
    )

    confirmation_code: str
    status: Literal["deleted", "nothing_stored", "superseded"]
    message: str
    requested_at: Instant
    completed_at: Instant | None


class Health(Shape):
    """The process is up."""

    model_config = example({"status": "ok", "version": "0.1.0"})

    status: Literal["ok"]
    version: str


class Readiness(Shape):
    """Database and keys answer."""

    model_config = example({"status": "ready"})

    status: Literal["ready"]
