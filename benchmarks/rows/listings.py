"""Rows of the listing: stored, unchanged (304), refreshed."""

import sys
from collections.abc import AsyncIterator, Sequence

from benchmarks.http_client import HttpConnection
from benchmarks.journeys import LISTING, demand, list_accounts, logged_in
from benchmarks.load import Figures, measure
from benchmarks.pace import Pace
from benchmarks.processes import run
from benchmarks.results import Cell
from benchmarks.rows import floors
from benchmarks.stage import Service, Stage

SIZES = (1, 200, 2_000)
LARGE = 2_500
WALK = f"floor: the calls of {LARGE} Pages"
REFRESH = f"refresh, {LARGE} Pages"
_REFRESHED_AT_ONCE = (1, 16)
_PEOPLE = 16


async def stored(stage: Stage, pace: Pace, engine: str) -> AsyncIterator[Cell]:
    """Stored listings of each size, after the floor that they are held against."""
    async for floor in floors.keyed_read(stage, pace, engine):
        yield floor
    with stage.serving(stage.new_database(engine)) as service:
        for size in SIZES:
            cookies = await logged_in(service, size, _PEOPLE if size < SIZES[-1] else 4)
            for at_once in pace.at_once:
                figures = await _listed(service, pace, cookies, at_once)
                yield Cell(
                    f"listing, {size} accounts", engine, at_once, figures, _read(engine, at_once)
                )
            for at_once in pace.at_once:
                figures = await _unchanged(service, pace, cookies, size, at_once)
                yield Cell(
                    f"304, {size} accounts", engine, at_once, figures, _read(engine, at_once)
                )


def _read(engine: str, at_once: int) -> str:
    return f"{floors.KEYED_READ}/{engine}/{at_once}"


async def _listed(service: Service, pace: Pace, cookies: Sequence[str], at_once: int) -> Figures:
    async def work(connection: HttpConnection, number: int) -> None:
        cookie = cookies[number % len(cookies)]
        demand(await connection.get(LISTING, {"Cookie": cookie}), 200)

    return await measure(service, work, at_once=at_once, seconds=pace.seconds)


async def _unchanged(
    service: Service, pace: Pace, cookies: Sequence[str], size: int, at_once: int
) -> Figures:
    connection = await HttpConnection.connect(service.port)
    replies = [await list_accounts(connection, cookie, size) for cookie in cookies]
    connection.close()
    asked = [
        {"Cookie": cookie, "If-None-Match": reply.headers["etag"]}
        for cookie, reply in zip(cookies, replies, strict=True)
    ]

    async def work(connection: HttpConnection, number: int) -> None:
        demand(await connection.get(LISTING, asked[number % len(asked)]), 304)

    return await measure(service, work, at_once=at_once, seconds=pace.seconds)


async def refreshed(stage: Stage, pace: Pace, engine: str) -> AsyncIterator[Cell]:
    """Refreshes of large listings, each of another person."""
    walk = _walk_floor(stage, engine)
    yield walk
    with stage.serving(stage.new_database(engine)) as service:
        cookies = await logged_in(service, LARGE, max(_REFRESHED_AT_ONCE))

        async def work(connection: HttpConnection, number: int) -> None:
            cookie = cookies[number % len(cookies)]
            demand(await connection.get(f"{LISTING}?refresh=true", {"Cookie": cookie}), 200)

        for at_once in _REFRESHED_AT_ONCE:
            figures = await measure(
                service, work, at_once=at_once, seconds=2 * pace.seconds, most=10 * at_once
            )
            yield Cell(REFRESH, engine, at_once, figures, walk.name)


def _walk_floor(stage: Stage, engine: str) -> Cell:
    """One walk by aiohttp in a process of its own, which measures itself."""
    url = f"http://127.0.0.1:{stage.facebook.port}"
    stage.facebook.calls(forget=True)
    command = [sys.executable, "-m", "benchmarks.floor_walk", url, str(LARGE), "9"]
    cpu_ms = float(run(command, folder=stage.folder))
    calls = sum(stage.facebook.calls().values()) / 10
    return Cell(WALK, engine, 1, Figures(9, 0, cpu_ms, 0, 0, 0, 0, calls))
