"""Shapes of `/v1`: what the operator's servers send, with nothing unknown in it, and what they
get."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from igauth.api.schemas import (
    CONNECTION_EXAMPLE,
    ConnectionOut,
    InstagramAccountOut,
    Instant,
    ListingMeta,
    Shape,
    example,
)
from igauth.api.v1.deps import ExternalId, Line
from igauth.domain import EventType, Provider, ServiceScope
from igauth.store.connect_sessions import ConnectStatus

_LONGEST_CODE = 256
_LINKED: JsonDict = {**CONNECTION_EXAMPLE, "external_ids": ["user-17"]}
_Uuid = Annotated[Line, Field(min_length=1, max_length=64)]
_Code = Annotated[Line, Field(min_length=1, max_length=_LONGEST_CODE, repr=False)]


class Asked(BaseModel):
    """Base of what is sent: nothing unknown, nothing of another kind."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ConnectSessionIn(Asked):
    """What a connect session is to be."""

    external_id: ExternalId
    return_to: str
    provider: Literal["facebook", "instagram"] | None = None
    prompt: Literal["select", "reauthorize"] | None = None
    reconnect: _Uuid | None = None
    state: Annotated[Line, Field(min_length=1, max_length=512)] | None = Field(
        default=None, repr=False
    )


class CompleteIn(Asked):
    """The code that the browser brought back, and the user of your own session."""

    connect_code: _Code
    external_id: ExternalId


class RedeemIn(Asked):
    """A hand-off code, and the user to link, if any."""

    code: _Code
    external_id: ExternalId | None = None


class NewConnectSessionOut(Shape):
    """A connect session that was just made; its link is told this once."""

    id: str
    url: str
    status: ConnectStatus
    expires_at: Instant


class ConnectSessionOut(Shape):
    """How far a connect session has come; `error`: why it failed."""

    model_config = example(
        {"id": "cs_1", "status": "open", "error": None, "expires_at": "2026-11-23T12:15:00Z"}
    )

    id: str
    status: ConnectStatus
    error: str | None
    expires_at: Instant


class LinkedConnectionOut(ConnectionOut):
    """A connection, and your users who are linked to it."""

    model_config = example(_LINKED)

    external_ids: list[str]


class NextPage(Shape):
    """Where the next page begins: `after` of the next request; null: this was the last."""

    next: str | None


class LinkedConnectionsOut(Shape):
    """A page of connections."""

    data: list[LinkedConnectionOut]
    meta: NextPage


class EventOut(Shape):
    """What happened: see docs/events.md for each type's `data`."""

    model_config = example(
        {
            "id": "msg_5f0c6d4e2b1a49f8a7c3d2e1f0b9a887",
            "type": "connection.reconnect_required",
            "timestamp": "2026-11-23T12:00:00Z",
            "data": {
                "connection": {
                    "id": "0b8f5c0e-7d5e-4a53-9d27-1d1f6d1c2b3a",
                    "provider": "facebook",
                    "status": "reconnect_required",
                    "cause": "password_changed",
                    "version": 7,
                    "expires_at": "2027-01-22T12:00:00Z",
                },
                "external_ids": ["user-17"],
                "instagram_account_ids": ["17841400000000021"],
            },
        }
    )

    id: str
    type: EventType
    timestamp: str
    data: dict[str, Any]


class EventsPage(Shape):
    """`after` of the next request; on an empty page the given one."""

    next: str | None


class EventsOut(Shape):
    """A page of events, oldest first."""

    data: list[EventOut]
    meta: EventsPage


class TokenIn(Asked):
    """Whose token, by which connection if that matters, and what for."""

    external_id: ExternalId
    connection_id: _Uuid | None = None
    purpose: Annotated[Line, Field(min_length=1, max_length=200)] | None = None


class TokenOut(Shape):
    """A token to act with now; the proof is good for five minutes (null at Instagram's door)."""

    model_config = example(
        {
            "access_token": "EAAB…",
            "token_type": "Bearer",
            "provider": "facebook",
            "expires_at": "2027-01-22T12:00:00Z",
            "scopes": ["instagram_basic", "pages_show_list"],
            "missing_scopes": [],
            "appsecret_proof": "4f1c…",
            "appsecret_time": 1795435200,
            "proof_expires_at": "2026-11-23T12:05:00Z",
            "graph_url": "https://graph.facebook.com/v26.0",
            "instagram_account_id": "17841400000000021",
            "connection_id": "0b8f5c0e-5d0c-4a3e-8d0a-6a1d3f0c9e21",
        }
    )

    access_token: str = Field(repr=False)
    token_type: Literal["Bearer"]
    provider: Provider
    expires_at: Instant | None
    scopes: list[str]
    missing_scopes: list[str]
    appsecret_proof: str | None = Field(repr=False)
    appsecret_time: int | None
    proof_expires_at: Instant | None
    graph_url: str
    instagram_account_id: str
    connection_id: str


class CompletedOut(Shape):
    """What a user connected, and the accounts that it reaches."""

    external_id: str
    connection: LinkedConnectionOut
    data: list[InstagramAccountOut]
    meta: ListingMeta


class NamedPerson(Shape):
    """Whom a hand-off named."""

    id: str
    name: str | None


class HandoffOut(Shape):
    """The person of a front end's session, and what they have connected."""

    model_config = example(
        {
            "person": {"id": "6f1b0a52-3c1e-4a8f-9a55-0d4d0c7a1b11", "name": "Ada Invented"},
            "connections": [_LINKED],
        }
    )

    person: NamedPerson
    connections: list[LinkedConnectionOut]


class ServiceKeyOut(Shape):
    """What a service key may do, and until when."""

    model_config = example(
        {"name": "worker", "scopes": ["read", "tokens"], "expires_at": "2027-11-23T12:00:00Z"}
    )

    name: str
    scopes: list[ServiceScope]
    expires_at: Instant | None
