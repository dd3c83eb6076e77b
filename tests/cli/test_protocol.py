"""Bounds of the server itself, over real sockets (contract §9; C5, C20, C23; F-32, F-51)."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from igauth.cli.protocol import MOST_HEAD_BYTES, MOST_HEADERS, BoundedHttp
from tests.api.served import PATIENCE_SECONDS, exchange, request, served

MEGABYTE = b"x" * 1_000_000
ENOUGH_MEGABYTES = 40
"""More than the kernel keeps between two programs."""


@dataclass
class Service:
    """An application that says 'well'; at /held when it is told to, at /large very much of it."""

    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    ended: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = b"well" * (5_000_000 if scope["path"] == "/large" else 1)
        self.asked.set()
        if scope["path"] == "/held":
            await self.go_on.wait()
        if scope["method"] == "POST":
            message = await receive()
            while message.get("more_body"):
                message = await receive()
            self.ended.append(message["type"])
        length = str(len(body)).encode()
        start = {"status": 200, "headers": [(b"content-length", length)]}
        await send({"type": "http.response.start", **start})
        await send({"type": "http.response.body", "body": body})
        self.ended.append("answered")


@pytest.fixture
def service() -> Service:
    """What is served."""
    return Service()


def serving(service: Service, **bounds: Any) -> AbstractAsyncContextManager[int]:
    """The service behind the protocol."""
    protocol = partial(BoundedHttp, **({"most_connections": 100} | bounds))
    return served(service, http=protocol)


@asynccontextmanager
async def connected(
    port: int, sent: bytes = b""
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which these bytes were sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """All that still comes until the server closes."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


async def megabytes_taken(port: int, beginning: bytes) -> int:
    """How many megabytes can be sent after this before the server has enough."""
    async with asyncio.timeout(PATIENCE_SECONDS), connected(port, beginning) as (_, writer):
        for sent in range(ENOUGH_MEGABYTES):
            writer.write(MEGABYTE)
            try:
                await writer.drain()
            except ConnectionError:
                return sent
    return ENOUGH_MEGABYTES


ENDLESS = {
    "line": b"GET /",
    "header": b"GET / HTTP/1.1\r\nhost: localhost\r\nx-long: ",
    "name": b"GET / HTTP/1.1\r\nhost: localhost\r\nx",
    "trailer": (
        b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        b"4\r\nbody\r\n0\r\nx-long: "
    ),
}


@pytest.mark.parametrize("beginning", ENDLESS.values(), ids=ENDLESS)
async def test_what_never_ends_is_cut_off(service: Service, beginning: bytes) -> None:
    """A 100 MB header took 11 s of processor and all its memory; now a fraction is even read."""
    async with serving(service) as port:
        taken = await megabytes_taken(port, beginning)
        well = await exchange(port, request("/"))

    assert taken < ENOUGH_MEGABYTES
    assert well.status == 200


HEADS = {
    "one long header": [("x-long", "x" * MOST_HEAD_BYTES)],
    "two long ones": [("x-long", "x" * (MOST_HEAD_BYTES // 2))] * 2,
    "many headers": [(f"x-{number}", "x") for number in range(MOST_HEADERS)],
    "a thousand headers": [("x", "x")] * 1_000,
}


@pytest.mark.parametrize("headers", HEADS.values(), ids=HEADS)
async def test_a_large_head_is_431(service: Service, headers: list[tuple[str, str]]) -> None:
    """64 kB in all and 200 headers are enough for anybody; never reaches the application."""
    async with serving(service) as port:
        refused = await exchange(port, request("/", *headers))

    assert (refused.status, refused.values("connection")) == (431, ["close"])
    assert service.ended == []


async def test_a_head_within_the_bounds_is_served(service: Service) -> None:
    """Just below 64 kB, in two pieces."""
    raw = request("/", ("x-long", "x" * (MOST_HEAD_BYTES - 200)))
    async with serving(service) as port, connected(port, raw[:40_000]) as (reader, writer):
        await asyncio.sleep(0)
        writer.write(raw[40_000:])
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await reader.readuntil(b"well")

    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_large_body_is_the_applications_business(service: Service) -> None:
    """What isn't a head isn't counted as one: 413 is said by the application, readably."""
    async with serving(service) as port:
        answer = await exchange(port, request("/", method="POST", body=MEGABYTE))

    assert answer.status == 200


HALVES = {
    "nothing": b"",
    "half a line": b"GET /hea",
    "half a head": b"GET / HTTP/1.1\r\nhost: localhost\r\n",
    "half a body": request("/", ("content-length", "1000"), method="POST") + b"half",
    "half a chunk": request("/", ("transfer-encoding", "chunked"), method="POST") + b"5\r\nha",
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
async def test_half_a_request_is_closed_quietly(
    service: Service, half: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """300 of them stayed for longer than 75 s, and each ended in a traceback."""
    with caplog.at_level(logging.WARNING):
        async with (
            serving(service, arrival_seconds=0.05) as port,
            connected(port, half) as (reader, _),
        ):
            answer = await rest_of(reader)

    assert answer == b""
    assert caplog.records == []


async def test_a_drip_does_not_keep_a_place(service: Service) -> None:
    """The time is for the whole request, not for each byte of it."""
    async with serving(service, arrival_seconds=0.2) as port, connected(port) as (reader, writer):
        closed = asyncio.create_task(rest_of(reader))
        drops = 0
        while not closed.done() and drops < 10_000:
            writer.write(b"GET /"[drops : drops + 1] or b"x")
            drops += 1
            await asyncio.sleep(0.01)

    assert drops < 10_000


async def test_whoever_waits_for_an_answer_is_not_hurried(service: Service) -> None:
    """A login may take 15 s; a second request that was sent meanwhile waits its turn."""
    both = request("/held") + request("/")
    async with serving(service, arrival_seconds=0.05) as port, connected(port, both) as (reader, _):
        await service.asked.wait()
        await asyncio.sleep(0.15)
        service.go_on.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            first = await reader.readuntil(b"well")
            second = await reader.readuntil(b"well")

    assert first.startswith(b"HTTP/1.1 200 ")
    assert second.startswith(b"HTTP/1.1 200 ")


async def test_whoever_reads_nothing_leaves(service: Service) -> None:
    """An answer of 20 MB that nobody takes gives its memory back."""
    gone = asyncio.Event()

    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        await service(scope, receive, send)
        assert (await receive())["type"] == "http.disconnect"
        gone.set()

    protocol = partial(BoundedHttp, most_connections=100, departure_seconds=0.05)
    async with (
        served(watched, http=protocol) as port,
        connected(port, request("/large")) as (reader, _),
    ):
        reader._transport.pause_reading()  # type: ignore[attr-defined]  # nothing public does
        async with asyncio.timeout(PATIENCE_SECONDS):
            await gone.wait()


async def test_of_a_full_house_the_idle_leave(service: Service) -> None:
    """2,000 idle connections shut everybody out; now a newcomer takes the place of one."""
    async with (
        serving(service, most_connections=2) as port,
        connected(port) as (idle, _),
        connected(port, request("/held")) as (busy, _),
    ):
        await service.asked.wait()
        newcomer = await exchange(port, request("/"))
        left = await rest_of(idle)
        service.go_on.set()
        held = await busy.readuntil(b"well")

    assert newcomer.status == 200
    assert left == b""
    assert held.startswith(b"HTTP/1.1 200 ")


async def test_a_house_full_of_work_takes_nobody(service: Service) -> None:
    """Who is being answered keeps the place."""
    async with (
        serving(service, most_connections=1) as port,
        connected(port, request("/held")) as (busy, _),
    ):
        await service.asked.wait()
        async with connected(port, request("/")) as (turned_away, _):
            refused = await rest_of(turned_away)
        service.go_on.set()
        answer = await busy.readuntil(b"well")

    assert refused == b""
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_stuck_upload_delays_no_shutdown(service: Service) -> None:
    """SIGTERM took 26 s; now what has yet to arrive is closed, and what is in flight ends."""
    stuck = request("/", ("content-length", "1000"), method="POST") + b"half"
    server = serving(service)
    port = await server.__aenter__()
    async with connected(port, request("/held")) as (held, _), connected(port, stuck) as (half, _):
        await service.asked.wait()
        stopping = asyncio.create_task(server.__aexit__(None, None, None))
        cut = await rest_of(half)
        assert not stopping.done()
        service.go_on.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            answer = await held.readuntil(b"well")
            await stopping

    assert cut == b""
    assert answer.startswith(b"HTTP/1.1 200 ")
