"""The gate of `/v1`: who may pass is judged before anything else is looked at (contract §11).

A plain ASGI class inside the boundary, so that a bad body, an unknown path or a wrong method tell
nothing to somebody without a key. Nothing of a browser gets through.
"""

import json
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_plus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from igauth.api.cookies import cookies_of
from igauth.api.deps import Edge
from igauth.api.limiting import client_key
from igauth.errors import KeyInUrl, NotForBrowsers, ServiceKeyInvalid
from igauth.security.service_keys import find_service_keys
from igauth.store.service_keys import ServiceKeyRow

PREFIX: Final = "/v1"
_KEY: Final = "igauth.service_key"


def is_for_backends(scope: Scope) -> bool:
    """Whether the request goes to a part that is for servers only."""
    path: str = scope["path"]
    return path == PREFIX or path.startswith(f"{PREFIX}/")


def key_of(scope: Scope) -> ServiceKeyRow:
    """The service key that the request came with."""
    key: ServiceKeyRow = scope[_KEY]
    return key


class Gate:
    """ASGI middleware: lets pass what isn't for backends, and what a live key opens."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises KeyInUrl, NotForBrowsers, ServiceKeyInvalid, RateLimited, in this order."""
        if scope["type"] != "http" or not is_for_backends(scope):
            await self._app(scope, receive, send)
            return
        edge: Edge = scope["state"]["edge"]
        body = _Read(await _body(receive), receive)
        await _refuse_leaked(edge, scope, body.bytes)
        headers = Headers(scope=scope)
        if "origin" in headers or "sec-fetch-site" in headers:
            raise NotForBrowsers
        key = await _resolve(edge, scope, headers)
        edge.service_limit.hit(key.id)
        await self._app({**scope, _KEY: key}, body, send)


class _Read:
    """`receive` of a body that was read already."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self.bytes = body
        self._receive = receive
        self._given = False

    async def __call__(self) -> Message:
        if self._given:
            return await self._receive()
        self._given = True
        return {"type": "http.request", "body": self.bytes, "more_body": False}


async def _body(receive: Receive) -> bytes:
    """The whole body; the boundary bounds it."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


async def _refuse_leaked(edge: Edge, scope: Scope, body: bytes) -> None:
    leaked = [key for text in _readable_places(scope, body) for key in find_service_keys(text)]
    if leaked:
        await edge.services.service_keys.note_leaked(leaked)
        raise KeyInUrl


def _readable_places(scope: Scope, body: bytes) -> Iterator[str]:
    """Where a key may lie in logs: the address, a body, cookies."""
    yield unquote_plus(scope["query_string"].decode("latin-1"))
    yield scope["path"]
    yield from cookies_of(scope).values()
    text = body.decode("utf-8", "replace")
    yield text
    yield unquote_plus(text)
    if "\\u" in text:
        yield _unescaped(text)


def _unescaped(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        return ""


async def _resolve(edge: Edge, scope: Scope, headers: Headers) -> ServiceKeyRow:
    """The live key of the one Authorization header. What isn't one counts against its address."""
    try:
        return await edge.services.service_keys.resolve(_presented(headers))
    except ServiceKeyInvalid:
        client = scope.get("client")
        edge.bad_key_limit.hit(client_key(client[0] if client else None))
        raise


def _presented(headers: Headers) -> str:
    values = headers.getlist("authorization")
    scheme, _, text = values[0].partition(" ") if len(values) == 1 else ("", "", "")
    return text.strip(" ") if scheme.lower() == "bearer" else ""
