"""The one HTTP client to Facebook, and a transport whose connections can be opened beforehand.

httpx over aiohttp: httpcore's pool costs several times the CPU of a call (house.md §6).
httpx-aiohttp's own exception map is mended here: it calls a dropped connection a connect
time-out, and lets some of aiohttp's errors through. Texts are ours, since aiohttp's hold URLs.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final, TypeVar

import aiohttp
import httpx
from aiohttp.http_exceptions import HttpProcessingError
from httpx_aiohttp.transport import AiohttpTransport
from yarl import URL

CONNECT_SECONDS: Final = 2.0
KEEPALIVE_SECONDS: Final = 240.0
MOST_CONNECTIONS: Final = 100

T = TypeVar("T")


class CertificateRefused(httpx.ConnectError):
    """The server's certificate isn't valid: never repeated, never ignored (security.md F-01)."""


_FOREIGN: Final = (
    httpx.TransportError,
    aiohttp.ClientError,
    HttpProcessingError,
    OSError,
    TimeoutError,
    ValueError,
)
# First match wins. Every entry: what aiohttp (or the socket) raised, and what it is in httpx.
_KINDS: Final[tuple[tuple[type[BaseException], type[httpx.TransportError]], ...]] = (
    (aiohttp.ClientConnectorCertificateError, CertificateRefused),
    (ssl.SSLCertVerificationError, CertificateRefused),
    (aiohttp.ServerFingerprintMismatch, CertificateRefused),
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (TimeoutError, httpx.ReadTimeout),
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


def _in_httpx_words(error: Exception) -> httpx.TransportError:
    """The httpx error for a foreign one, told by what lies under the library's own mapping."""
    origin = error.__cause__ if isinstance(error, httpx.TransportError) else error
    for foreign, kind in _KINDS:
        if isinstance(origin, foreign):
            return kind(type(origin).__name__)
    if isinstance(error, httpx.TransportError):
        return type(error)(type(error).__name__)
    return httpx.NetworkError(type(error).__name__)


async def _translated(call: Awaitable[T]) -> T:
    """Awaits `call`; a foreign error leaves as httpx's, with no context that could print a URL."""
    try:
        return await call
    except _FOREIGN as error:
        failure = _in_httpx_words(error)
    raise failure


class _TranslatedStream(httpx.AsyncByteStream):
    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = aiter(self._stream)
        while (chunk := await _translated(anext(chunks, None))) is not None:
            yield chunk

    async def aclose(self) -> None:
        await _translated(self._stream.aclose())


class WarmTransport(AiohttpTransport):
    """aiohttp under httpx, with connections that live for minutes and can be opened early."""

    def __init__(self, verify: ssl.SSLContext | bool = True) -> None:
        super().__init__(verify=verify, trust_env=False, client=self._open_session)
        self._warming: dict[str, asyncio.Task[None]] = {}

    def _open_session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            keepalive_timeout=KEEPALIVE_SECONDS, limit=MOST_CONNECTIONS, ssl=self.ssl_context
        )
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request. aiohttp repeats a GET or DELETE once when a kept connection drops
        before the answer, and a POST never: so a code is sent at most once (contract §3)."""
        response = await _translated(super().handle_async_request(request))
        if isinstance(response.stream, httpx.AsyncByteStream):
            response.stream = _TranslatedStream(response.stream)
        return response

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
        request = aiohttp.ClientRequest(
            "GET", origin, loop=asyncio.get_running_loop(), session=session
        )
        opening = (self._open_idle(session, request) for _ in range(connections))
        await asyncio.gather(*opening, return_exceptions=True)

    async def _open_idle(
        self, session: aiohttp.ClientSession, request: aiohttp.ClientRequest
    ) -> None:
        timeout = aiohttp.ClientTimeout(connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS)
        if session.connector is None:
            return
        connection = await session.connector.connect(request, [], timeout)
        # An idle connection comes at once. It goes back only after the siblings have looked
        # into the pool, so that each counts one idle connection or opens a new one.
        await asyncio.sleep(0)
        connection.release()

    def _session(self) -> aiohttp.ClientSession:
        if not isinstance(self.client, aiohttp.ClientSession):
            self.client = self.get_client()
        return self.client

    async def aclose(self) -> None:
        for task in tuple(self._warming.values()):
            task.cancel()
        await super().aclose()


def new_http_client(transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """The client that the whole process shares: no redirects, proxies, netrc or cookies.

    httpx's INFO line prints whole URLs, `input_token` included, so it is silenced here too.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return httpx.AsyncClient(
        transport=transport or WarmTransport(),
        follow_redirects=False,
        trust_env=False,
        timeout=httpx.Timeout(5.0, connect=CONNECT_SECONDS, pool=CONNECT_SECONDS),
        headers={"User-Agent": "igauth", "Accept": "application/json"},
        cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
    )
