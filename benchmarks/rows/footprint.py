"""Single values of start and size: how soon `igauth serve` is ready, and its memory at rest."""

import asyncio
from collections.abc import AsyncIterator

from benchmarks.results import Single
from benchmarks.stage import SQLITE, Stage

READY = "ready"
IDLE = "memory at rest"
_STARTS = 4
_REST_SECONDS = 2.0


async def rows(stage: Stage) -> AsyncIterator[Single]:
    """The quickest start of four (the first one writes the byte code), and what is resident."""
    database = stage.new_database(SQLITE)
    seconds, memory = [], 0.0
    for _ in range(_STARTS):
        with stage.serving(database) as service:
            seconds.append(service.ready_seconds)
            await asyncio.sleep(_REST_SECONDS)
            memory = service.process.memory_mb()
    yield Single(READY, min(seconds), "s")
    yield Single(IDLE, memory, "MB")
