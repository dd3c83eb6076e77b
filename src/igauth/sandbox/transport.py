"""Answers on their way: over a socket or in process; whole, half, dripped, oversized, cut or never.

Graph's own bytes are made in `graph.answers`; here is only how they are sent, and how that fails.
"""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import httpx
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

Breakage = Literal["cut", "half", "hang", "drip", "oversize"]
RAW_SEND = "igauth.sandbox.send"
GZIP_FROM = 1400
_IN_PROCESS = "igauth.sandbox.in_process"
_OVERSIZE_BYTES = 3_000_000
_CHUNK_BYTES = 65_536
_END = object()


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer before it is sent, alone or as a part of a batch.

    `breakage` says that it won't be sent as it should; `pace_seconds` follow each dripped byte.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    breakage: Breakage | None = None
    pace_seconds: float = 0.0

    def with_headers(self, more: dict[str, str]) -> "Answer":
        """The same answer with some headers added or replaced."""
        return replace(self, headers={**self.headers, **more})

    def zipped(self) -> "Answer":
        """The same with gzip, if its body is of some size (facts 0.9)."""
        if len(self.body) < GZIP_FROM or self.breakage is not None:
            return self
        body = gzip.compress(self.body, compresslevel=1, mtime=0)
        more = {"content-encoding": "gzip", "vary": "Accept-Encoding"}
        return replace(self, body=body).with_headers(more)


class Reply(Response):
    """An `Answer` as an ASGI response; `sleep` paces a dripped one."""

    def __init__(self, answer: Answer, sleep: Callable[[float], Awaitable[None]]) -> None:
        super().__init__(answer.body, answer.status, answer.headers)
        self._answer = answer
        self._sleep = sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as planned."""
        match self._answer.breakage:
            case "cut":
                await _disconnect(scope, receive, at_once=True)
            case "half":
                await self._start(send, without_length=False)
                half = self._answer.body[: len(self._answer.body) // 2]
                await send(_body(half, more=True))
                await _disconnect(scope, receive, at_once=False)
            case "hang":
                await _until_disconnect(receive)
            case "drip":
                await self._drip(send)
            case "oversize":
                await self._overflow(send)
            case None:
                await super().__call__(scope, receive, send)

    async def _start(self, send: Send, *, without_length: bool) -> None:
        headers = [
            (name, value)
            for name, value in self.raw_headers
            if not (without_length and name == b"content-length")
        ]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})

    async def _drip(self, send: Send) -> None:
        await self._start(send, without_length=False)
        for byte in self._answer.body:
            await send(_body(bytes([byte]), more=True))
            await self._sleep(self._answer.pace_seconds)
        await send(_body(b"", more=False))

    async def _overflow(self, send: Send) -> None:
        await self._start(send, without_length=True)
        await send(_body(b'{"data":"', more=True))
        for _ in range(0, _OVERSIZE_BYTES, _CHUNK_BYTES):
            await send(_body(b"x" * _CHUNK_BYTES, more=True))
            await asyncio.sleep(0)
        await send(_body(b'"}', more=False))


def _body(chunk: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": more}


async def _until_disconnect(receive: Receive) -> None:
    """Wait until the caller gives up: no answer ever (facts 17.11)."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _disconnect(scope: Scope, receive: Receive, *, at_once: bool) -> None:
    """Close the connection as a real cut would; not `at_once` lets out what was written.

    In process it is enough to end; on a socket the server's transport is found behind `send`.
    """
    if _IN_PROCESS in scope.get("extensions", {}):
        return
    transport = _server_transport(scope.get(RAW_SEND))
    if transport is not None:
        transport.abort() if at_once else transport.close()
    await _until_disconnect(receive)


def _server_transport(send: object) -> asyncio.Transport | None:
    """Walk from an ASGI `send`, through wrappers, to the object that owns the socket."""
    waiting, seen = [send], set()
    while waiting:
        found = waiting.pop()
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        transport = getattr(getattr(found, "__self__", None), "transport", None)
        if hasattr(transport, "abort"):
            return transport
        waiting.extend(_behind(found))
    return None


def _behind(found: object) -> list[object]:
    cells = getattr(found, "__closure__", None) or ()
    inner: list[object] = []
    for cell in cells:
        with suppress(ValueError):  # a cell may be empty still
            inner.append(cell.cell_contents)
    return [
        *(found for found in inner if callable(found)),
        getattr(found, "func", None),
        getattr(found, "__wrapped__", None),
    ]


# --- without a socket ---


class SandboxTransport(httpx.AsyncBaseTransport):
    """Like `httpx.ASGITransport`, but streaming, with read timeouts, and with cuts.

    A `cut` fault raises `httpx.RemoteProtocolError` (`half`: `ReadError` in mid-body); an answer
    that doesn't come within the client's read timeout raises `httpx.ReadTimeout`.
    `prefix` is what the sandbox's public URL has as its path; it is passed on as `root_path`.
    """

    def __init__(self, app: ASGIApp, prefix: str = "") -> None:
        self._app = app
        self._prefix = prefix

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request into the app and return as soon as the head of its answer is there."""
        content = await request.aread()
        timeout = request.extensions.get("timeout", {}).get("read")
        exchange = _Exchange(self._app, self._scope(request), content, timeout)
        try:
            head = await exchange.next_message()
        except BaseException:
            await exchange.aclose()
            raise
        if head is None:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        return httpx.Response(head["status"], headers=head.get("headers", []), stream=exchange)

    def _scope(self, request: httpx.Request) -> MutableMapping[str, Any]:
        path = request.url.path
        mounted = self._prefix and path.startswith(self._prefix + "/")
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "scheme": request.url.scheme,
            "path": path,
            "raw_path": request.url.raw_path.split(b"?")[0],
            "query_string": request.url.query,
            "server": (request.url.host, request.url.port),
            "client": ("127.0.0.1", 9),
            "root_path": self._prefix if mounted else "",
            "extensions": {_IN_PROCESS: {}},
        }


class _Exchange(httpx.AsyncByteStream):
    """One request under way in a task of its own; afterwards the stream of the answer's body."""

    def __init__(
        self,
        app: ASGIApp,
        scope: MutableMapping[str, Any],
        content: bytes,
        read_timeout: float | None,
    ) -> None:
        self._messages: asyncio.Queue[Message | BaseException | object] = asyncio.Queue()
        self._scope = scope
        self._content: bytes | None = content
        self._read_timeout = read_timeout
        self._complete = False
        self._task = asyncio.create_task(self._run(app))

    async def _run(self, app: ASGIApp) -> None:
        try:
            await app(self._scope, self._receive, self._send)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # handed on to whoever reads the answer
            self._messages.put_nowait(error)
        self._messages.put_nowait(_END)

    async def _receive(self) -> Message:
        if self._content is None:
            await asyncio.Event().wait()  # the caller goes away by cancelling the task
        body, self._content = self._content, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def _send(self, message: Message) -> None:
        self._messages.put_nowait(message)

    async def next_message(self) -> Message | None:
        """What the app sends next; None when it has ended."""
        try:
            async with asyncio.timeout(self._read_timeout):
                found = await self._messages.get()
        except TimeoutError as error:
            raise httpx.ReadTimeout("the sandbox doesn't answer") from error
        if isinstance(found, BaseException):
            raise found
        return None if found is _END else found  # type: ignore[return-value]  # a Message then

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (message := await self.next_message()) is not None:
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body"):
                self._complete = True
                return
        raise httpx.ReadError("connection cut in the middle of the answer")

    async def aclose(self) -> None:
        """Go away: an answer still under way is abandoned."""
        if not self._complete:
            self._task.cancel()
        await asyncio.wait([self._task])
