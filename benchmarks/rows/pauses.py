"""Single values: the longest pause of the event loop while large listings are walked.

Of some walks the shortest counts: what other processes do to this machine is no pause of ours.
"""

import asyncio
import json
from collections.abc import AsyncIterator

from benchmarks.http_client import HttpConnection
from benchmarks.journeys import LISTING, demand, logged_in
from benchmarks.results import Single
from benchmarks.stage import Stage

SIZES = (2_500, 10_000)
_WALKS = 4
_REST_SECONDS = 0.3


def name_of(size: int, engine: str) -> str:
    """How bars name it."""
    return f"longest pause, walk of {size} Pages/{engine}"


async def rows(stage: Stage, engine: str) -> AsyncIterator[Single]:
    """A refresh of each size."""
    database = stage.new_database(engine)
    with stage.app("benchmarks.monitored:monitored", database) as service:
        connection = await HttpConnection.connect(service.port)
        for size in SIZES:
            (cookie,) = await logged_in(service, size, 1)
            pauses = [await _longest_pause(connection, cookie) for _ in range(_WALKS)]
            yield Single(name_of(size, engine), min(wall for wall, _ in pauses), "ms")
            yield Single(f"{name_of(size, engine)}, CPU", min(cpu for _, cpu in pauses), "ms")
        connection.close()


async def _longest_pause(connection: HttpConnection, cookie: str) -> tuple[float, float]:
    await asyncio.sleep(_REST_SECONDS)
    await _told(connection)
    demand(await connection.get(f"{LISTING}?refresh=true", {"Cookie": cookie}), 200)
    await asyncio.sleep(_REST_SECONDS)  # what goes on after the answer counts, too
    return await _told(connection)


async def _told(connection: HttpConnection) -> tuple[float, float]:
    told = json.loads((await connection.get("/_bench/pauses")).body)
    return float(told["wall_ms"]), float(told["cpu_ms"])
