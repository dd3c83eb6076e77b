"""Single values of the login's critical path: sequential round trips, in units of the latency."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator

from benchmarks.graph_answers import callback_query
from benchmarks.http_client import HttpConnection
from benchmarks.journeys import finish, new_uid, start
from benchmarks.pace import Pace
from benchmarks.results import Single
from benchmarks.stage import SQLITE, Stage

LATENCY_MS = 80.0
WARM = "round trips of a login, warm"
AFTER_DIALOG = "round trips of a login, after a long dialog"
AFTER_SILENCE = "round trips of a login, after silence"
_DIALOG_SECONDS = 0.4
_LOGINS = 9


async def rows(stage: Stage, pace: Pace, engine: str) -> AsyncIterator[Single]:
    """Warm; with silence while the person is in the dialog; with silence before they came."""
    with stage.serving(stage.new_database(engine)) as service:
        stage.facebook.delay(LATENCY_MS)
        try:
            connection = await HttpConnection.connect(service.port)
            await _trips(connection, 0, _DIALOG_SECONDS)
            warm = [await _trips(connection, 0, _DIALOG_SECONDS) for _ in range(_LOGINS)]
            yield Single(f"{WARM}/{engine}", statistics.median(warm), "trips")
            after = await _trips(connection, 0, pace.silence_seconds)
            yield Single(f"{AFTER_DIALOG}/{engine}", after, "trips")
            if engine == SQLITE:
                after = await _trips(connection, pace.silence_seconds, _DIALOG_SECONDS)
                yield Single(f"{AFTER_SILENCE}/{engine}", after, "trips")
            connection.close()
        finally:
            stage.facebook.delay(0)


async def _trips(connection: HttpConnection, before: float, dialog: float) -> float:
    """How long the callback takes, in round trips to Facebook."""
    await asyncio.sleep(before)
    state, attempt = await start(connection)
    await asyncio.sleep(dialog)
    began = time.perf_counter()
    await finish(connection, attempt, callback_query(state, 1, new_uid()))
    return (time.perf_counter() - began) * 1000 / LATENCY_MS
