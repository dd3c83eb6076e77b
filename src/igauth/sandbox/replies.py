"""Sending an answer, or failing to: whole, dripped, oversized, cut, or never."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from igauth.sandbox.envelope import Answer

RAW_SEND = "igauth.sandbox.send"
CUT = "igauth.sandbox.cut"
OVERSIZE_BYTES = 3_000_000
_CHUNK = 65_536


class Reply(Response):
    """An `Answer` as an ASGI response; `sleep` paces a dripped one."""

    def __init__(self, answer: Answer, sleep: Callable[[float], Awaitable[None]]) -> None:
        super().__init__(answer.body, answer.status, answer.headers)
        self._answer = answer
        self._sleep = sleep

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as planned."""
        breakage = self._answer.breakage
        if breakage == "cut":
            await cut(scope, receive)
        elif breakage == "hang":
            await until_disconnect(receive)
        elif breakage == "drip":
            await self._drip(send)
        elif breakage == "oversize":
            await self._overflow(send)
        else:
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
        for _ in range(0, OVERSIZE_BYTES, _CHUNK):
            await send(_body(b"x" * _CHUNK, more=True))
            await asyncio.sleep(0)
        await send(_body(b'"}', more=False))


def _body(chunk: bytes, *, more: bool) -> Message:
    return {"type": "http.response.body", "body": chunk, "more_body": more}


async def until_disconnect(receive: Receive) -> None:
    """Wait until the caller gives up: no answer ever (facts 17.11)."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def cut(scope: Scope, receive: Receive) -> None:
    """Close the connection without an answer, as a real cut would.

    In process, the transport left a switch in the scope; on a socket the server's own transport is
    found behind `send`.
    """
    switch = scope.get("extensions", {}).get(CUT)
    if switch is not None:
        switch["cut"] = True
        return
    transport = _server_transport(scope.get(RAW_SEND))
    if transport is not None:
        transport.abort()
    await until_disconnect(receive)


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
