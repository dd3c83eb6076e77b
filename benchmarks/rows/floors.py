"""Rows of the floors, which the rows after them are held against."""

from collections.abc import AsyncIterator

from benchmarks.http_client import HttpConnection
from benchmarks.journeys import demand
from benchmarks.load import measure
from benchmarks.pace import Pace
from benchmarks.results import Cell
from benchmarks.stage import SQLITE, Stage

BARE = "floor: bare ASGI"
KEYED_READ = "floor: keyed read"


def calls_row(calls: int) -> str:
    """The floor of a login with so many Graph calls."""
    return f"floor: {calls} Graph calls, upsert"


async def bare(stage: Stage, pace: Pace) -> AsyncIterator[Cell]:
    """A server, and no application to speak of."""
    async for cell in _cells(stage, pace, BARE, SQLITE, "bare", "/"):
        yield cell


async def keyed_read(stage: Stage, pace: Pace, engine: str) -> AsyncIterator[Cell]:
    """FastAPI and one read by key."""
    name = f"keyed_read_{engine}"
    async for cell in _cells(stage, pace, KEYED_READ, engine, name, "/read"):
        yield cell


async def graph_calls(stage: Stage, pace: Pace, engine: str, calls: int) -> AsyncIterator[Cell]:
    """FastAPI, so many Graph calls by aiohttp, one upsert."""
    row, name = calls_row(calls), f"calls_{engine}"
    async for cell in _cells(stage, pace, row, engine, name, "/calls?key={}", calls):
        yield cell


async def _cells(
    stage: Stage, pace: Pace, row: str, engine: str, factory: str, target: str, calls: int = 1
) -> AsyncIterator[Cell]:
    async def work(connection: HttpConnection, number: int) -> None:
        demand(await connection.get(target.format(number), {"Cookie": "key=1"}), 200)

    database = stage.new_database(engine)
    with stage.app(f"benchmarks.floors:{factory}", database, CALLS=str(calls)) as service:
        for at_once in pace.at_once:
            figures = await measure(service, work, at_once=at_once, seconds=pace.seconds)
            yield Cell(row, engine, at_once, figures)
