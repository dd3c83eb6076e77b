"""The load's side of HTTP/1.1: a kept connection, one request at a time, no ceremony."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

import httptools

LONGEST_WAIT_SECONDS: Final = 120.0


@dataclass(slots=True)
class Reply:
    """An answer: `headers` keeps the last of each name, `cookies` every Set-Cookie."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cookies: list[str] = field(default_factory=list)
    body: bytes = b""


class HttpConnection(asyncio.Protocol):
    """One connection to one server. Made by `connect`."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._answer: asyncio.Future[Reply] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def connect(cls, port: int, host: str | None = None) -> "HttpConnection":
        """Opens one to a port of the loopback; `host` is what it calls the server."""
        loop = asyncio.get_running_loop()
        named = host or f"localhost:{port}"
        _, made = await loop.create_connection(lambda: cls(named), "127.0.0.1", port)
        return made

    async def get(self, target: str, headers: Mapping[str, str] | None = None) -> Reply:
        """Sends a GET and waits for all of the answer."""
        if self._transport is None or self._answer is not None:
            raise RuntimeError("one request at a time, on an open connection")
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self._parser = httptools.HttpResponseParser(self)
        self._reply = Reply()
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(
            f"GET {target} HTTP/1.1\r\nHost: {self._host}\r\n{lines}\r\n".encode("latin-1")
        )
        async with asyncio.timeout(LONGEST_WAIT_SECONDS):
            reply = await self._answer
        self._answer = None
        return reply

    def close(self) -> None:
        """Ends the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: it is open."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: it is gone; whoever waits is told."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        """asyncio: some bytes of an answer."""
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """httptools: one header."""
        key = name.decode("latin-1").lower()
        if key == "set-cookie":
            self._reply.cookies.append(value.decode("latin-1"))
        else:
            self._reply.headers[key] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """httptools: a piece of the body."""
        self._reply.body += body

    def on_message_complete(self) -> None:
        """httptools: the answer is whole."""
        self._reply.status = self._parser.get_status_code()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._reply)
