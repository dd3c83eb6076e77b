"""`make bench-counts`: what doesn't vary from run to run, for a login and for a listing.

    python -m benchmarks.counts [--check]

The application runs in this process, over ASGI; Facebook and PostgreSQL are the bench's. Each
request is made some times and the smallest counts are taken, so that upkeep in between doesn't
count. `--check` exits 1 where a count isn't that of `bars.toml`.
"""

import argparse
import asyncio
import logging
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, urlsplit

import httpx
from starlette.types import Receive, Scope, Send

from benchmarks.bars import Bars
from benchmarks.counting import Counts, counted, relayed
from benchmarks.graph_answers import callback_query
from benchmarks.journeys import LISTING, new_uid
from benchmarks.stage import POSTGRES, Stage, open_stage

LISTED_PAGES: Final = 250
_TIMES: Final = 5
_WARM_UP: Final = 3
_SETTLE_SECONDS: Final = 0.3
Shown = dict[str, int]


async def count_all(stage: Stage, engine: str) -> dict[str, Shown]:
    """The counts of each kind of request."""
    counts = Counts()
    async with AsyncExitStack() as opened:
        url = stage.new_database(engine)
        if engine == POSTGRES:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="relay-")))
            url = await opened.enter_async_context(relayed(url, folder, counts))
        opened.enter_context(counted(counts))
        browser = await opened.enter_async_context(_application(stage, url))
        counter = _Counter(stage, counts, engine)
        known = new_uid()
        found = {
            "login": await counter.smallest(lambda: _log_in(browser, 1, new_uid())),
            "login, known person": await counter.smallest(lambda: _log_in(browser, 1, known)),
        }
        await _log_in(browser, LISTED_PAGES, new_uid())
        return found | {
            "listing": await counter.smallest(lambda: _list(browser)),
            "refresh": await counter.smallest(lambda: _list(browser, refresh="true")),
        }


class _Counter:
    """Counts what a request does, on one engine."""

    def __init__(self, stage: Stage, counts: Counts, engine: str) -> None:
        self._stage = stage
        self._counts = counts
        self._engine = engine

    async def smallest(self, request: Callable[[], Awaitable[None]]) -> Shown:
        """The least of some times, each number by itself."""
        for _ in range(_WARM_UP):
            await request()
        found = [await self._once(request) for _ in range(_TIMES)]
        other = "thread_hops" if self._engine == POSTGRES else "round_trips"
        return {name: min(each[name] for each in found) for name in found[0] if name != other}

    async def _once(self, request: Callable[[], Awaitable[None]]) -> Shown:
        await asyncio.sleep(_SETTLE_SECONDS)
        self._stage.facebook.calls(forget=True)
        before = self._counts.copy()
        await request()
        await asyncio.sleep(_SETTLE_SECONDS)  # what goes on after the answer counts, too
        self._counts.graph_calls = before.graph_calls + sum(self._stage.facebook.calls().values())
        return asdict(self._counts.since(before))


@asynccontextmanager
async def _application(stage: Stage, url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at igauth, which runs in this process."""
    environment = stage.environment(8000, url)
    os.environ.update({name: environment[name] for name in environment if name != "PYTHONPATH"})
    from igauth.app import create_app

    app = create_app()
    async with app.router.lifespan_context(app) as state:

        async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        transport = httpx.ASGITransport(asgi)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as http:
            yield http


async def _log_in(browser: httpx.AsyncClient, pages: int, uid: int) -> None:
    browser.cookies.clear()
    started = await browser.get("/auth/facebook")
    state = parse_qs(urlsplit(started.headers["location"]).query)["state"][0]
    query = callback_query(state, pages, uid)
    ended = await browser.get(f"/auth/facebook/callback?{query}")
    if ended.status_code != 303 or "error=" in ended.headers["location"]:
        raise SystemExit(f"the login failed: {ended.text or ended.headers['location']}")


async def _list(browser: httpx.AsyncClient, **query: str) -> None:
    answer = await browser.get(LISTING, params=query)
    if answer.status_code != 200:
        raise SystemExit(f"the listing failed: {answer.text}")


def main() -> int:
    """Prints the counts; with --check, 1 where one isn't as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="against bars.toml")
    arguments = parser.parse_args()
    logging.disable()
    found: dict[str, Shown] = {}
    with open_stage() as stage:
        for engine in stage.engines:
            for name, shown in asyncio.run(count_all(stage, engine)).items():
                found[f"{name}/{engine}"] = shown
    for name, shown in found.items():
        print(f"{name:32}", ", ".join(f"{kind} {number}" for kind, number in shown.items()))
    return Bars.read().report_counts(found) if arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
