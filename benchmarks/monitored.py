"""igauth with a monitor beside it: the longest pause of its event loop, as a tick of 2 ms sees it.

On the wall, and as CPU of the loop's own thread, which other processes can't lengthen.

A factory for `uvicorn_runner`. `/_bench/pauses` tells and forgets; all else is igauth's.
"""

import asyncio
import json
import time
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from igauth.app import create_app

TICK_SECONDS: Final = 0.002


class Monitor:
    """Ticks on the loop, and keeps the longest delay of a tick."""

    def __init__(self) -> None:
        self._wall = self._cpu = 0.0
        self._due = self._spent = 0.0

    def start(self) -> None:
        """The first tick."""
        self._loop = asyncio.get_running_loop()
        self._plan()

    def told(self) -> bytes:
        """The longest pause so far, in ms; forgets it."""
        self._look()
        told = {"wall_ms": self._wall * 1000, "cpu_ms": self._cpu * 1000}
        self._wall = self._cpu = 0.0
        return json.dumps(told).encode()

    def _plan(self) -> None:
        self._due = time.perf_counter() + TICK_SECONDS
        self._spent = time.thread_time()
        self._loop.call_later(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._look()
        self._plan()

    def _look(self) -> None:
        self._wall = max(self._wall, time.perf_counter() - self._due)
        self._cpu = max(self._cpu, time.thread_time() - self._spent)


def monitored() -> ASGIApp:
    """igauth as its factory makes it from the environment, and the monitor."""
    app, monitor = create_app(), Monitor()

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            monitor.start()
        if scope.get("path") == "/_bench/pauses":
            await _answer(send, monitor.told())
            return
        await app(scope, receive, send)

    return asgi


async def _answer(send: Send, body: bytes) -> None:
    head: Message = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-length", str(len(body)).encode())],
    }
    await send(head)
    await send({"type": "http.response.body", "body": body})
