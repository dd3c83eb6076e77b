"""Where the CPU goes: igauth under cProfile, while people log in or list.

    python -m benchmarks.profiled login [--engine postgres] [--accounts 1] [--at-once 16]
    python -m benchmarks.profiled listing --accounts 200
    python -m benchmarks.profiled refresh --accounts 2500

Prints the functions with the most time of their own, and those with the most within. cProfile
lengthens small functions: compare shares, not times. SQLite's threads aren't in it.
"""

import argparse
import asyncio
import pstats
import signal
from pathlib import Path

from benchmarks.http_client import HttpConnection
from benchmarks.journeys import LISTING, demand, log_in, logged_in, new_uid
from benchmarks.load import Work, measure
from benchmarks.stage import SQLITE, Service, Stage, open_stage

_PEOPLE = 8
_WARM_UP_SECONDS = 1.0


async def profile(stage: Stage, given: argparse.Namespace) -> Path:
    """Runs the load against a profiled server; where its profile lies once it has ended."""
    path = stage.folder / "profile"
    with stage.app(
        "igauth.app:create_app", stage.new_database(given.engine), BENCH_PROFILE=str(path)
    ) as service:
        work = await _work(service, given.what, given.accounts)
        await measure(service, work, at_once=given.at_once, seconds=_WARM_UP_SECONDS)
        service.process.signal(signal.SIGUSR1)
        figures = await measure(service, work, at_once=given.at_once, seconds=given.seconds)
        print(f"{given.what}: {figures.requests} requests, {figures.cpu_ms:.2f} ms under cProfile")
    return path


async def _work(service: Service, what: str, accounts: int) -> Work:
    if what == "login":

        async def first(connection: HttpConnection, _: int) -> None:
            await log_in(connection, accounts, new_uid())

        return first
    cookies = await logged_in(service, accounts, _PEOPLE)
    target = LISTING + ("?refresh=true" if what == "refresh" else "")

    async def listing(connection: HttpConnection, number: int) -> None:
        demand(await connection.get(target, {"Cookie": cookies[number % _PEOPLE]}), 200)

    return listing


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("login", "listing", "refresh"))
    parser.add_argument("--engine", default=SQLITE)
    parser.add_argument("--accounts", type=int, default=1)
    parser.add_argument("--at-once", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    arguments = parser.parse_args()
    with open_stage() as opened:
        stats = pstats.Stats(str(asyncio.run(profile(opened, arguments))))
    stats.sort_stats("tottime").print_stats(30)
    stats.sort_stats("cumulative").print_stats("igauth", 60)
