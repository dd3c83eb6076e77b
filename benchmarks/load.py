"""A closed loop: so many workers, each with its own connection, for some seconds."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.http_client import HttpConnection
from benchmarks.stage import Service

Work = Callable[[HttpConnection, int], Awaitable[None]]
"""One request, or one login; the number is another each time. May raise `Unexpected`."""


class Unexpected(Exception):
    """An answer that isn't the one that is measured."""


WARM_UP_SHARE: Final = 0.15
FEWEST: Final = 8


@dataclass(frozen=True, slots=True)
class Figures:
    """What one cell of the table cost, for each request that was answered as it should be."""

    requests: int
    refused: int
    cpu_ms: float
    per_second: float
    p50_ms: float
    p99_ms: float
    peak_mb: float
    graph_calls: float


@dataclass(slots=True)
class Loop:
    """A run of the loop. `pause_seconds` between a worker's requests."""

    connections: Sequence[HttpConnection]
    work: Work
    pause_seconds: float
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000_000)))
    took: list[float] = field(default_factory=list)
    refused: int = 0

    async def run(self, seconds: float, most: int) -> None:
        """Every worker, until the time is up or so many requests were sent."""
        self.took, self.refused = [], 0
        until = time.perf_counter() + seconds
        turns = iter(range(most))
        async with asyncio.TaskGroup() as tasks:
            for connection in self.connections:
                tasks.create_task(self._worker(connection, until, turns))

    async def _worker(self, connection: HttpConnection, until: float, turns: Iterator[int]) -> None:
        for turn in turns:
            if time.perf_counter() > until and turn >= FEWEST:
                return
            began = time.perf_counter()
            try:
                await self.work(connection, next(self.numbers))
                self.took.append(time.perf_counter() - began)
            except Unexpected:
                self.refused += 1
            if self.pause_seconds:
                await asyncio.sleep(self.pause_seconds)


async def measure(
    service: Service,
    work: Work,
    *,
    at_once: int,
    seconds: float,
    most: int = 1_000_000,
    pause_seconds: float = 0.0,
) -> Figures:
    """Runs `work` for about so long, at most so often, after a short warm-up."""
    connections = [await HttpConnection.connect(service.port) for _ in range(at_once)]
    loop = Loop(connections, work, pause_seconds)
    try:
        await loop.run(WARM_UP_SHARE * seconds, most)
        service.process.check()
        service.process.forget_peak()
        service.facebook.calls(forget=True)
        gc.collect()
        cpu, began = service.process.cpu_seconds(), time.perf_counter()
        await loop.run(seconds, most)
        wall, cpu = time.perf_counter() - began, service.process.cpu_seconds() - cpu
        calls = sum(service.facebook.calls().values())
    finally:
        for connection in connections:
            connection.close()
    return _figures(loop, cpu, wall, service.process.peak_mb(), calls)


def _figures(loop: Loop, cpu: float, wall: float, peak: float, calls: int) -> Figures:
    took = sorted(loop.took)
    number = len(took)
    if not number:
        raise SystemExit("not one request was answered as it should be")
    return Figures(
        requests=number,
        refused=loop.refused,
        cpu_ms=cpu / number * 1000,
        per_second=number / wall,
        p50_ms=took[number // 2] * 1000,
        p99_ms=took[min(number - 1, int(number * 0.99))] * 1000,
        peak_mb=peak,
        graph_calls=calls / number,
    )
