"""The offline Facebook without a socket: an httpx transport that can also fail as sockets do."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import httpx
from starlette.types import ASGIApp, Message

from igauth.sandbox.replies import CUT

_END = object()


class SandboxTransport(httpx.AsyncBaseTransport):
    """Like `httpx.ASGITransport`, but streaming, with read timeouts, and with cuts.

    A `cut` fault raises `httpx.RemoteProtocolError` (`ReadError` in mid-body); an answer that
    doesn't come within the client's read timeout raises `httpx.ReadTimeout`.
    `prefix` is what the sandbox's public URL has as its path; it is passed on as `root_path`.
    """

    def __init__(self, app: ASGIApp, prefix: str = "") -> None:
        self._app = app
        self._prefix = prefix

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request into the app and return as soon as the head of its answer is there."""
        content = await request.aread()
        exchange = _Exchange(self._app, self._scope(request), content, _read_timeout(request))
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
            "extensions": {CUT: {"cut": False}},
        }


def _read_timeout(request: httpx.Request) -> float | None:
    timeout = request.extensions.get("timeout", {}).get("read")
    return float(timeout) if timeout is not None else None


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
