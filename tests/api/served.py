"""A real uvicorn with httptools on a loopback port, and requests written byte by byte."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.stage import Stage

PATIENCE_SECONDS = 30
AS_WE_SERVE: dict[str, Any] = {
    "http": "httptools",
    "interface": "asgi3",
    "lifespan": "off",
    "log_config": None,
    "access_log": False,
    "proxy_headers": False,
    "server_header": False,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer as it came over the wire; header names in lower case, repeats kept."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def values(self, name: str) -> list[str]:
        """Every header of this name."""
        return [value for each, value in self.headers if each == name]

    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


def opened(stage: Stage) -> ASGIApp:
    """The service of a stage, whose lifespan has begun."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await stage.app({**scope, "state": dict(stage.state)}, receive, send)

    return app


@asynccontextmanager
async def served(app: ASGIApp, *, port: int = 0, **options: Any) -> AsyncGenerator[int]:
    """The port that `app` answers at while the block runs; its lifespan is the caller's."""
    listener = socket.create_server(("127.0.0.1", port))
    server = uvicorn.Server(uvicorn.Config(app, **(AS_WE_SERVE | options)))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            assert not running.done(), "the server did not start"
            await asyncio.sleep(0)
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await running
        listener.close()


async def exchange(port: int, raw: bytes) -> Answer:
    """Sends these bytes on a connection of their own, and reads one answer."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(raw)
            head = await reader.readuntil(b"\r\n\r\n")
            answer = _read_head(head)
            length = int((answer.values("content-length") or ["0"])[0])
            body = b"" if raw.startswith(b"HEAD ") else await reader.readexactly(length)
            return Answer(answer.status, answer.headers, body)
        finally:
            writer.close()


def request(
    path: str, *headers: tuple[str, bytes | str], method: str = "GET", body: bytes = b""
) -> bytes:
    """A request's bytes; header values may be any bytes at all."""
    lines = [f"{method} {path} HTTP/1.1".encode(), b"host: localhost:8000"]
    if body:
        lines.append(b"content-length: %d" % len(body))
    for name, value in headers:
        raw = value if isinstance(value, bytes) else value.encode("latin-1")
        lines.append(name.encode() + b": " + raw)
    return b"\r\n".join([*lines, b"", b""]) + body


def _read_head(head: bytes) -> Answer:
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    named = [line.partition(":") for line in lines]
    headers = [(name.lower(), value.strip(" ")) for name, _, value in named]
    return Answer(int(first.split(" ")[1]), headers, b"")
