"""`make bench`: every row of the performance table, beside floors of the same minute.

    python -m benchmarks.run [--only login,listing] [--seconds 2] [--source ANOTHER_CHECKOUT]

Prints the table as Markdown and writes `benchmarks/results.json`; how figures are made stands in
`docs/performance.md`. Linux alone: CPU and memory come from /proc.
"""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path

from benchmarks.pace import Pace
from benchmarks.processes import ROOT
from benchmarks.results import FILE, Cell, Results, Single
from benchmarks.rows import floors, footprint, keeping, listings, logins, pauses, starts, trips
from benchmarks.stage import Stage, open_stage

Found = AsyncIterator[Cell] | AsyncIterator[Single]


def groups(stage: Stage, pace: Pace) -> Mapping[str, Callable[[str], Found]]:
    """What is measured on each database, in order."""
    return {
        "login": lambda engine: logins.rows(stage, pace, engine),
        "listing": lambda engine: listings.stored(stage, pace, engine),
        "refresh": lambda engine: listings.refreshed(stage, pace, engine),
        "pauses": lambda engine: pauses.rows(stage, engine),
        "trips": lambda engine: trips.rows(stage, pace, engine),
        "keeper": lambda engine: keeping.rows(stage, engine),
    }


def once(stage: Stage, pace: Pace) -> Mapping[str, Callable[[], Found]]:
    """What no database has a part in."""
    return {
        "bare": lambda: floors.bare(stage, pace),
        "start": lambda: starts.rows(stage, pace),
        "footprint": lambda: footprint.rows(stage),
    }


async def measure_all(stage: Stage, pace: Pace, only: frozenset[str]) -> Results:
    """Every row that was asked for."""
    results = Results()
    plan = list(once(stage, pace).items())
    for name, rows in groups(stage, pace).items():
        plan += [(name, partial(rows, engine)) for engine in stage.engines]
    for name, made in plan:
        if not only or name in only:
            async for found in made():
                results.add(found)
    return results


def main() -> None:
    """Measures, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="names of groups, e.g. login,listing")
    parser.add_argument("--seconds", type=float, default=2.0, help="of each cell (2)")
    parser.add_argument("--silence", type=float, default=20.0, help="seconds of quiet (20)")
    parser.add_argument("--source", type=Path, default=ROOT, help="another checkout to measure")
    arguments = parser.parse_args()
    began = time.perf_counter()
    pace = Pace(seconds=arguments.seconds, silence_seconds=arguments.silence)
    with open_stage(arguments.source) as stage:
        only = frozenset(filter(None, arguments.only.split(",")))
        results = asyncio.run(measure_all(stage, pace, only))
    results.write()
    print(f"\n{results.table()}\n\n{time.perf_counter() - began:.0f} s; {FILE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
