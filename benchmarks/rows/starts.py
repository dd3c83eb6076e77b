"""Rows of the login's start: from one client address, and with thousands of them live."""

import asyncio
import time
from collections.abc import AsyncIterator

from benchmarks.http_client import HttpConnection
from benchmarks.journeys import start
from benchmarks.load import measure
from benchmarks.pace import Pace
from benchmarks.results import Cell
from benchmarks.stage import SQLITE, Service, Stage

ADDRESSES = 5_000
ONE = "login start, 1 address"
MANY = f"login start, {ADDRESSES} addresses"
_LONGEST_FILL_SECONDS = 25.0
_PAUSE_SECONDS = 0.02
"""People don't come as fast as they are served: what a limiter does in between counts as well."""


async def rows(stage: Stage, pace: Pace) -> AsyncIterator[Cell]:
    """The same requests, before and after so many addresses came by within the minute."""
    with stage.serving(stage.new_database(SQLITE)) as service:
        for row, addresses in ((ONE, 1), (MANY, ADDRESSES)):
            live = await _fill(service, addresses)

            async def work(connection: HttpConnection, number: int, live: int = live) -> None:
                await start(connection, {"X-Forwarded-For": _address(number % live)})

            floor = f"{ONE}/{SQLITE}/1" if row != ONE else None
            figures = await measure(
                service, work, at_once=1, seconds=2 * pace.seconds, pause_seconds=_PAUSE_SECONDS
            )
            yield Cell(row, SQLITE, 1, figures, floor)


async def _fill(service: Service, addresses: int) -> int:
    """One start from each; how many there were time for."""
    connections = [await HttpConnection.connect(service.port) for _ in range(16)]
    numbers = iter(range(addresses))
    until = time.perf_counter() + _LONGEST_FILL_SECONDS
    done = 0

    async def worker(connection: HttpConnection) -> None:
        nonlocal done
        for number in numbers:
            if time.perf_counter() > until:
                return
            await start(connection, {"X-Forwarded-For": _address(number)})
            done += 1

    await asyncio.gather(*(worker(connection) for connection in connections))
    for connection in connections:
        connection.close()
    if done < addresses:
        print(f"  only {done} of {addresses} addresses in {_LONGEST_FILL_SECONDS:.0f} s")
    return done


def _address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
