"""The one wrapper around every request: id, CORS, CSRF, limits, headers, log line, last resort.

A plain ASGI class: BaseHTTPMiddleware costs ten times as much and cancels work.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from igauth.api.cookies import cookies_of, with_cookies_read
from igauth.api.matching import template_of
from igauth.api.problems import ProblemWriter, is_navigation
from igauth.api.v1.gate import is_for_backends
from igauth.errors import (
    CsrfFailed,
    IgAuthError,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    ServerError,
)
from igauth.observability import REQUEST_ID, Metrics, request_id_from

_log = structlog.stdlib.get_logger("igauth.request")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_LARGEST_BODY = 16_384
_MOST_DIGITS = 9
MOST_IN_FLIGHT = 2_000
"""Requests that are dealt with at a time; a login that waits for Meta is one."""
_QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_CSP = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the boundary needs to know of the settings."""

    base_url: str
    allowed_origins: frozenset[str]
    session_cookie: str
    cookieless_paths: frozenset[str]

    @property
    def secure(self) -> bool:
        """Whether HSTS is in place."""
        return self.base_url.startswith("https://")

    def trusts(self, origin: str | None) -> bool:
        """Exactly our own origin or an allowed one; never `null`."""
        return origin == self.base_url or origin in self.allowed_origins


class Boundary:
    """ASGI middleware; everything that leaves passes through its `send`."""

    def __init__(
        self, app: ASGIApp, *, rules: Rules, problems: ProblemWriter, metrics: Metrics
    ) -> None:
        self._app = app
        self._rules = rules
        self._problems = problems
        self._metrics = metrics
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request from its id to its log line."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        scope = with_cookies_read(scope)
        headers = Headers(scope=scope)
        request_id = request_id_from(headers.get("x-request-id"))
        token = REQUEST_ID.set(request_id)
        origin = None if is_for_backends(scope) else _the_one(headers.getlist("origin"))
        leaving = _Leaving(send, self._rules, origin, request_id)
        began = time.perf_counter()
        self._in_flight += 1
        try:
            await self._answer(scope, _Arriving(receive), leaving, headers)
        finally:
            self._in_flight -= 1
            self._note(scope, leaving.status, time.perf_counter() - began)
            REQUEST_ID.reset(token)

    async def _answer(
        self, scope: Scope, arriving: "_Arriving", leaving: "_Leaving", headers: Headers
    ) -> None:
        try:
            if _is_preflight(scope, headers) and not is_for_backends(scope):
                await _preflight()(scope, arriving, leaving)
                return
            self._check_room(scope)
            self._check_protocol(scope, headers)
            self._check_length(headers)
            self._check_origin(scope, headers)
            await self._app(scope, arriving, leaving)
        except IgAuthError as error:
            await self._refuse(error, scope, arriving, leaving)
        except ClientDisconnect:
            _log.debug("request.broken_off")
        except Exception:
            _log.exception("request.crashed")
            await self._refuse(ServerError(), scope, arriving, leaving)

    async def _refuse(
        self, error: IgAuthError, scope: Scope, arriving: "_Arriving", leaving: "_Leaving"
    ) -> None:
        if leaving.status is not None:
            return
        response = self._problems.response(
            error,
            accept=Headers(scope=scope).get("accept", ""),
            navigation=is_navigation(HTTPConnection(scope)),
            language=Headers(scope=scope).get("accept-language", ""),
        )
        await response(scope, arriving, leaving)

    def _check_room(self, scope: Scope) -> None:
        """Contract §9: overload is told at once. Whoever watches the service is always answered."""
        if self._in_flight > MOST_IN_FLIGHT and scope["path"] not in _QUIET_PATHS:
            raise Overloaded

    def _check_protocol(self, scope: Scope, headers: Headers) -> None:
        """There is no WebSocket here, whether or not the server speaks it."""
        if scope["type"] == "websocket" or headers.get("upgrade", "").lower() == "websocket":
            raise NotFound

    def _check_length(self, headers: Headers) -> None:
        length = headers.get("content-length", "0")
        if length.isdecimal() and (len(length) > _MOST_DIGITS or int(length) > _LARGEST_BODY):
            raise PayloadTooLarge

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """Contract §4: what changes something and carries the session must come from us."""
        if _method(scope) in _SAFE_METHODS or scope["path"] in self._rules.cookieless_paths:
            return
        if is_for_backends(scope):  # no cookie counts there
            return
        if self._rules.session_cookie not in cookies_of(scope):
            return
        origins = headers.getlist("origin")
        if origins:
            allowed = len(origins) == 1 and self._rules.trusts(origins[0])
        else:
            allowed = headers.get("sec-fetch-site") == "same-origin"
        if not allowed:
            raise CsrfFailed

    def _note(self, scope: Scope, status: int | None, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", None) or template_of(scope)
        method = _method(scope)
        self._metrics.requests.labels(method, route, str(status or 0)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        say = _log.debug if scope["path"] in _QUIET_PATHS else _log.info
        milliseconds = round(seconds * 1000, 1)
        say("request", method=method, route=route, status=status, ms=milliseconds)


class _Arriving:
    """`receive` that refuses a body which grows beyond the limit."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._bytes = 0

    async def __call__(self) -> Message:
        message = await self._receive()
        self._bytes += len(message.get("body", b""))
        if self._bytes > _LARGEST_BODY:
            raise PayloadTooLarge
        return message


class _Leaving:
    """`send` that adds the headers of every answer, and remembers the status."""

    def __init__(self, send: Send, rules: Rules, origin: str | None, request_id: str) -> None:
        """`origin`: that of the page which may be let read the answer, if there is one."""
        self._send = send
        self._rules = rules
        self._origin = origin
        self._request_id = request_id
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"].endswith("http.response.start"):  # of a refused WebSocket, too
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in self._defaults():
                headers.setdefault(name, value)
            headers["X-Request-ID"] = self._request_id
            headers.add_vary_header("Origin")
            if self._origin is not None and self._origin in self._rules.allowed_origins:
                _allow(headers, self._origin)
        await self._send(message)

    def _defaults(self) -> Iterable[tuple[str, str]]:
        yield "X-Content-Type-Options", "nosniff"
        yield "Referrer-Policy", "no-referrer"
        yield "Content-Security-Policy", _CSP
        yield "Cross-Origin-Resource-Policy", "same-origin"
        yield "Cache-Control", "no-store"
        if self._rules.secure:
            yield "Strict-Transport-Security", "max-age=31536000"


def _the_one(values: list[str]) -> str | None:
    """A header that comes twice counts as absent."""
    return values[0] if len(values) == 1 else None


def _allow(headers: MutableHeaders, origin: str) -> None:
    headers["Access-Control-Allow-Origin"] = origin
    headers["Access-Control-Allow-Credentials"] = "true"
    headers["Access-Control-Expose-Headers"] = "ETag, Retry-After, X-Request-ID"


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    asks = "access-control-request-method" in headers and "origin" in headers
    return _method(scope) == "OPTIONS" and asks


def _method(scope: Scope) -> str:
    """The request's method; that of a WebSocket's handshake is GET (RFC 6455 §4.1)."""
    return str(scope.get("method", "GET"))


def _preflight() -> Response:
    """What a preflight may know; the origin is added only where it is allowed."""
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": "GET, POST, DELETE",
            "Access-Control-Allow-Headers": "Content-Type, If-None-Match, X-Request-ID",
            "Access-Control-Max-Age": "600",
        },
    )
