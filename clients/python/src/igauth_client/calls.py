"""The calls of igauth's `/v1`, without I/O: what is sent, and what an answer means."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx

Json = dict[str, Any]


class IgAuthProblem(Exception):
    """igauth refused (RFC 9457). `code` is stable: decide by it, never by a text."""

    def __init__(self, status: int, problem: Json, retry_after: str | None) -> None:
        self.status = status
        self.problem = problem
        self.code: str = problem.get("code", "unknown")
        self.retryable: bool = bool(problem.get("retryable", False))
        self.retry_after = int(retry_after) if retry_after and retry_after.isdecimal() else None
        super().__init__(f"{self.code} ({status}): {problem.get('detail', '')}")


@dataclass(frozen=True)
class Call:
    """One request."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, Any] | None = field(default=None, repr=False)


def service_key() -> Call:
    """What the key may do."""
    return Call("GET", "/v1/service-key")


def create_connect_session(
    external_id: str,
    return_to: str,
    *,
    provider: str | None = None,
    prompt: str | None = None,
    reconnect: str | None = None,
    state: str | None = None,
) -> Call:
    """A link for one of your users: send their browser to `url`."""
    asked = {"external_id": external_id, "return_to": return_to, "provider": provider}
    asked |= {"prompt": prompt, "reconnect": reconnect, "state": state}
    return Call("POST", "/v1/connect-sessions", json=_given(asked))


def connect_session(session_id: str) -> Call:
    """How far a connect session has come."""
    return Call("GET", f"/v1/connect-sessions/{_part(session_id)}")


def complete(session_id: str, connect_code: str, *, external_id: str) -> Call:
    """What the user connected. `external_id`: the user of your own session, never of an address
    that a browser came with."""
    asked = {"connect_code": connect_code, "external_id": external_id}
    return Call("POST", f"/v1/connect-sessions/{_part(session_id)}/complete", json=asked)


def redeem_handoff(code: str, *, external_id: str | None = None) -> Call:
    """Whom a front end handed over; linked to that user, if one is named."""
    return Call(
        "POST", "/v1/handoffs/redeem", json=_given({"code": code, "external_id": external_id})
    )


def connections(
    *,
    external_id: str | None = None,
    status: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> Call:
    """A page of connections; the next begins after `meta.next`."""
    asked = {"external_id": external_id, "status": status, "after": after, "limit": str(limit)}
    return Call("GET", "/v1/connections", params=_given(asked))


def connection(connection_id: str) -> Call:
    """One connection."""
    return Call("GET", f"/v1/connections/{_part(connection_id)}")


def verify(connection_id: str) -> Call:
    """The connection as Meta sees it now."""
    return Call("POST", f"/v1/connections/{_part(connection_id)}/verify")


def disconnect(connection_id: str) -> Call:
    """Ends it, as its owner would."""
    return Call("DELETE", f"/v1/connections/{_part(connection_id)}")


def accounts(*, external_id: str, refresh: bool = False) -> Call:
    """The Instagram accounts of everybody whom the user is linked to."""
    params = {"external_id": external_id} | ({"refresh": "true"} if refresh else {})
    return Call("GET", "/v1/instagram-accounts", params=params)


def token(
    account_id: str,
    *,
    external_id: str,
    connection_id: str | None = None,
    purpose: str | None = None,
) -> Call:
    """A live token to act with now; don't store it."""
    asked = {"external_id": external_id, "connection_id": connection_id, "purpose": purpose}
    return Call("POST", f"/v1/instagram-accounts/{_part(account_id)}/token", json=_given(asked))


def events(
    *, after: str | None = None, types: Sequence[str] | None = None, limit: int = 100
) -> Call:
    """What happened, oldest first; go on from `meta.next`, which an empty page gives back."""
    asked = {"after": after, "types": ",".join(types) if types else None, "limit": str(limit)}
    return Call("GET", "/v1/events", params=_given(asked))


def remove_links(*, external_id: str, disconnect: bool = False) -> Call:
    """Lets a user go; with `disconnect` whom nobody else is linked to is erased."""
    params = {"external_id": external_id} | ({"disconnect": "true"} if disconnect else {})
    return Call("DELETE", "/v1/links", params=params)


def meaning_of(answer: httpx.Response) -> Json:
    """The answer's JSON, {} where it has none. Raises IgAuthProblem."""
    if answer.is_success:
        body: Json = answer.json() if answer.content else {}
        return body
    try:
        problem = answer.json()
    except ValueError:  # not igauth: a proxy in between
        problem = {}
    retry_after = answer.headers.get("retry-after")
    raise IgAuthProblem(
        answer.status_code, problem if isinstance(problem, dict) else {}, retry_after
    )


def _part(value: str) -> str:
    """One part of a path: an id that a browser brought must not become another address."""
    return quote(value, safe="")


def _given(asked: Mapping[str, Any]) -> Json:
    return {name: value for name, value in asked.items() if value is not None}
