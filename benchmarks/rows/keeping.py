"""Single values of the keeper: `igauth renew --all` over two hundred people, at Meta's pace."""

import resource
import time
from collections.abc import AsyncIterator, Mapping

from benchmarks.journeys import logged_in
from benchmarks.results import Single
from benchmarks.stage import Stage

CONNECTIONS = 200
LATENCY_MS = 80.0


def rate_of(engine: str) -> str:
    """How bars name it."""
    return f"keeper, connections/{engine}"


async def rows(stage: Stage, engine: str) -> AsyncIterator[Single]:
    """Connections a second, and CPU for each, less what the command costs with nothing to do."""
    with stage.serving(stage.new_database(engine)) as service:
        await logged_in(service, 1, CONNECTIONS)
        environment = service.environment
    stage.facebook.delay(LATENCY_MS)
    try:
        idle, idle_cpu = _cost(stage, environment, "renew")
        busy, busy_cpu = _cost(stage, environment, "renew", "--all")
    finally:
        stage.facebook.delay(0)
    yield Single(rate_of(engine), CONNECTIONS / max(busy - idle, 0.001), "per s")
    cpu = (busy_cpu - idle_cpu) * 1000 / CONNECTIONS
    yield Single(f"keeper, CPU for a connection/{engine}", cpu, "ms")


def _cost(stage: Stage, environment: Mapping[str, str], *command: str) -> tuple[float, float]:
    """Seconds on the wall, and of CPU."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    stage.igauth(*command, environment=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu
