"""The way to Meta's servers: httpx's seam over aiohttp's connections (decisions 0005, 0009).

aiohttp's pool costs a fraction of httpcore's CPU for each call, and its connections can be
opened beforehand. Its errors leave as httpx's, with texts of our own: aiohttp's hold URLs.
"""

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aiohttp
import httpx
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from igauth.meta.resolving import KeptResolver

CONNECT_SECONDS: Final = 2.0
RESOLVE_SECONDS: Final = 15.0
KEEPALIVE_SECONDS: Final = 240.0
UNPROVED_SECONDS: Final = 120.0
"""What is never repeated isn't sent over a connection that idled longer than this (A14)."""
LOGINS_AT_ONCE: Final = 400
LISTINGS_AT_ONCE: Final = 48
_PROBES: Final = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 15),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 5),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
)

T = TypeVar("T")


class CertificateRefused(httpx.ConnectError):
    """The server's certificate isn't valid: never repeated, never ignored (security.md F-01)."""


_FOREIGN: Final = (aiohttp.ClientError, HttpProcessingError, OSError, TimeoutError, ValueError)
# First match wins. Every entry: what aiohttp (or the socket) raised, and what it is in httpx.
_KINDS: Final[tuple[tuple[type[BaseException], type[httpx.TransportError]], ...]] = (
    (aiohttp.ClientConnectorCertificateError, CertificateRefused),
    (ssl.SSLCertVerificationError, CertificateRefused),
    (aiohttp.ServerFingerprintMismatch, CertificateRefused),
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (TimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientProxyConnectionError, httpx.ProxyError),
    (aiohttp.ClientHttpProxyError, httpx.ProxyError),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (HttpProcessingError, httpx.RemoteProtocolError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.NonHttpUrlClientError, httpx.UnsupportedProtocol),
    (OSError, httpx.ReadError),
    (ValueError, httpx.LocalProtocolError),
)


def _in_httpx_words(error: BaseException) -> httpx.TransportError:
    for foreign, kind in _KINDS:
        if isinstance(error, foreign):
            return kind(type(error).__name__)
    return httpx.NetworkError(type(error).__name__)


async def _translated(call: Awaitable[T]) -> T:
    """Awaits `call`; a foreign error leaves as httpx's, with no context that could print a URL."""
    try:
        return await call
    except _FOREIGN as error:
        failure = _in_httpx_words(error)
    raise failure


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = self._response.content.iter_any()
        while (chunk := await _translated(anext(chunks, None))) is not None:
            yield chunk

    async def aclose(self) -> None:
        self._response.release()


class _Connector(aiohttp.TCPConnector):
    """aiohttp's pool, with probes on idle connections and a fresh one for what is sent once."""

    async def connect(
        self,
        req: ClientRequest,
        traces: Any,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109  # aiohttp's own signature
    ) -> Connection:
        """A connection for a request; aiohttp calls this for each."""
        if req.method == "POST":
            self._close_unproved(req)
        return await super().connect(req, traces, timeout)

    def _close_unproved(self, req: ClientRequest) -> None:
        idle = self._conns.get(req.connection_key)
        oldest = time.monotonic() - UNPROVED_SECONDS
        while idle and idle[0][1] < oldest:  # the longest idle one is the first
            idle.popleft()[0].close()


def _probed_socket(address: Any) -> socket.socket:
    """A socket whose idle connection is kept alive by probes, and found dead by them (A14)."""
    made = socket.socket(*address[:3])
    try:
        for level, name, value in _PROBES:
            if hasattr(socket, name):
                made.setsockopt(level, getattr(socket, name), value)
    except OSError:
        made.close()
        raise
    return made


def _trust(verify: bool) -> ssl.SSLContext:
    return httpx.create_ssl_context(verify=verify, trust_env=False)


class WarmTransport(httpx.AsyncBaseTransport):
    """aiohttp under httpx, with connections that live for minutes and can be opened early.

    No redirects, cookies, netrc or proxies of the environment; `proxy` is the one from the
    settings (B29). Bodies come as they were packed.
    """

    def __init__(self, proxy: str | None = None, verify: ssl.SSLContext | bool = True) -> None:
        self._proxy = proxy
        self._context = verify if isinstance(verify, ssl.SSLContext) else _trust(verify)
        self._resolver: KeptResolver | None = None
        self._opened: aiohttp.ClientSession | None = None
        self._warming: dict[str, asyncio.Task[None]] = {}

    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._resolver = KeptResolver()
            connector = _Connector(
                keepalive_timeout=KEEPALIVE_SECONDS,
                limit=0,  # what bounds them stands before: `Lane.slots`
                ssl=self._context,
                resolver=self._resolver,
                use_dns_cache=False,
                socket_factory=_probed_socket,
            )
            self._opened = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
                proxy=self._proxy,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            )
        return self._opened

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request. aiohttp repeats a GET or DELETE once when a kept connection drops
        before the answer, and a POST never: so a code is sent at most once (contract §3)."""
        answer = await _translated(self._send(request))
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer))

    async def _send(self, request: httpx.Request) -> aiohttp.ClientResponse:
        timeouts = request.extensions.get("timeout", {})
        connect = timeouts.get("connect", CONNECT_SECONDS)
        return await self._session().request(
            request.method,
            URL(str(request.url), encoded=True),
            headers=request.headers.multi_items(),
            data=request.content or None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(
                connect=connect, sock_connect=connect, sock_read=timeouts.get("read")
            ),
        )

    async def warm(self, url: str, connections: int) -> None:
        """Opens idle connections to `url`'s origin up to that many, and sends nothing.

        Those already idle count. Callers at the same time share one warming. Never raises.
        """
        with contextlib.suppress(Exception):
            await asyncio.shield(self._warming_task(str(URL(url).origin()), connections))

    def _warming_task(self, origin: str, connections: int) -> asyncio.Task[None]:
        task = self._warming.get(origin)
        if task is None:
            task = asyncio.create_task(self._fill(URL(origin), connections))
            self._warming[origin] = task
            task.add_done_callback(lambda _: self._warming.pop(origin, None))
        return task

    async def _fill(self, origin: URL, connections: int) -> None:
        session = self._session()
        await self._resolve_first(origin)
        opening = (self._open_idle(session, origin) for _ in range(connections))
        await asyncio.gather(*opening, return_exceptions=True)

    async def _resolve_first(self, origin: URL) -> None:
        """A slow DNS has the whole dialog's time, not a call's (C14)."""
        target = URL(self._proxy) if self._proxy else origin
        if self._resolver is None or target.raw_host is None or target.port is None:
            return
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(RESOLVE_SECONDS):
                await self._resolver.resolve(target.raw_host, target.port, socket.AF_UNSPEC)

    async def _open_idle(self, session: aiohttp.ClientSession, origin: URL) -> None:
        if session.connector is None:
            return
        request = ClientRequest(
            # as a POST, it closes what has been idle too long for the exchange
            "POST",
            origin,
            loop=asyncio.get_running_loop(),
            session=session,
            proxy=URL(self._proxy) if self._proxy else None,
        )
        timeout = aiohttp.ClientTimeout(connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS)
        connection = await session.connector.connect(request, [], timeout)
        # An idle connection comes at once. It goes back only after the siblings have looked
        # into the pool, so that each counts one idle connection or opens a new one.
        await asyncio.sleep(0)
        connection.release()

    async def aclose(self) -> None:
        """Closes every connection."""
        for task in tuple(self._warming.values()):
            task.cancel()
        if self._resolver is not None:
            await self._resolver.close()
        if self._opened is not None:
            await self._opened.close()


@dataclass(frozen=True, slots=True)
class Lane:
    """Connections for one kind of calls, and how many may be under way; the next ones queue."""

    transport: httpx.AsyncBaseTransport
    slots: asyncio.Semaphore


@dataclass(frozen=True, slots=True)
class Lanes:
    """The process's ways to Meta: a listing never takes a connection from a login (A6, C0, C1)."""

    logins: Lane
    listings: Lane

    @classmethod
    def over(
        cls, transport: httpx.AsyncBaseTransport, listings: httpx.AsyncBaseTransport | None = None
    ) -> "Lanes":
        """Lanes over a transport, or over one for each."""
        return cls(
            Lane(transport, asyncio.Semaphore(LOGINS_AT_ONCE)),
            Lane(listings or transport, asyncio.Semaphore(LISTINGS_AT_ONCE)),
        )

    @classmethod
    def to_meta(cls, proxy: str | None = None) -> "Lanes":
        """Lanes with connections of their own, through the settings' proxy if there is one."""
        context = _trust(True)
        return cls.over(WarmTransport(proxy, context), WarmTransport(proxy, context))

    async def warm(self, url: str, connections: int) -> None:
        """Opens idle connections for logins; a stand-in without sockets has none to open."""
        if isinstance(self.logins.transport, WarmTransport):
            await self.logins.transport.warm(url, connections)

    async def aclose(self) -> None:
        """Closes every connection."""
        await self.logins.transport.aclose()
        if self.listings.transport is not self.logins.transport:
            await self.listings.transport.aclose()
