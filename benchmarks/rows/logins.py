"""Rows of the login: both of its requests, by people who come for the first time or again."""

from collections.abc import AsyncIterator

from benchmarks.http_client import HttpConnection
from benchmarks.journeys import log_in, new_uid
from benchmarks.load import measure
from benchmarks.pace import Pace
from benchmarks.results import Cell
from benchmarks.rows import floors
from benchmarks.stage import Stage

FIRST = "login"
AGAIN = "login, known person"
FLOOR_CALLS = 3
_PEOPLE = 100


async def rows(stage: Stage, pace: Pace, engine: str) -> AsyncIterator[Cell]:
    """Logins between their two floors: three calls, and as many as the login makes."""
    async for floor in floors.graph_calls(stage, pace, engine, FLOOR_CALLS):
        yield floor
    calls = FLOOR_CALLS
    async for cell in _logins(stage, pace, engine):
        calls = round(cell.figures.graph_calls)
        yield cell
    if calls != FLOOR_CALLS:
        async for floor in floors.graph_calls(stage, pace, engine, calls):
            yield floor


async def _logins(stage: Stage, pace: Pace, engine: str) -> AsyncIterator[Cell]:
    async def first(connection: HttpConnection, _: int) -> None:
        await log_in(connection, 1, new_uid())

    known = [new_uid() for _ in range(_PEOPLE)]

    async def again(connection: HttpConnection, number: int) -> None:
        await log_in(connection, 1, known[number % _PEOPLE])

    with stage.serving(stage.new_database(engine)) as service:
        for row, work in ((FIRST, first), (AGAIN, again)):
            for at_once in pace.at_once:
                seconds = 1.5 * pace.seconds
                figures = await measure(service, work, at_once=at_once, seconds=seconds)
                floor = f"{floors.calls_row(FLOOR_CALLS)}/{engine}/{at_once}"
                yield Cell(row, engine, at_once, figures, floor)
