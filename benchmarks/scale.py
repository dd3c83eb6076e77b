"""`make bench-scale`: whether a large database costs more than an empty one.

    python -m benchmarks.scale [--people 1000000] [--sqlite-people 300000]

On each database: logins, stored listings and single accounts, before and after `seed`; then the
times of what looks at many rows (`/metrics`, `igauth status`, start-up, the keeper with nothing
due, rotation with nothing to do, pruning). On PostgreSQL the plans of all those statements are
taken by auto_explain, and each that reads a large table from end to end is named.
"""

import argparse
import asyncio
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Final

from benchmarks.http_client import HttpConnection
from benchmarks.journeys import LISTING, demand, log_in, logged_in, new_uid
from benchmarks.load import Figures, Work, measure
from benchmarks.seed import Amounts, connect, seed
from benchmarks.stage import POSTGRES, SQLITE, Service, Stage, open_stage

AT_ONCE: Final = 16
EXPIRED: Final = 20_000
_EXPIRE: Final = """UPDATE sessions SET ends_at = created_at, expires_at = created_at
WHERE id IN (SELECT id FROM sessions ORDER BY id LIMIT {})"""
_LARGE: Final = "people|sign_ins|connections|listings|listed_accounts|sessions|audit_events"
_SCAN: Final = re.compile(rf"Seq Scan on ({_LARGE})\b")
_PLAN: Final = re.compile(r"plan:\n\tQuery Text: ((?:.*\n)(?:\t.*\n)+)")
_SHOWN: Final = 120
_GLANCE_SECONDS: Final = 0.2


async def compare(stage: Stage, engine: str, people: int, seconds: float) -> None:
    """One database: before, seeded, after."""
    url = stage.new_database(engine)
    print(f"\n{engine}, {people} people")
    with stage.serving(url) as service:
        before = {name: each async for name, each in _requests(service, seconds)}
    took = await seed(url, Amounts(people))
    print(f"  seeded in {took:.0f} s")
    with stage.serving(url) as service:
        print(f"  start: ready in {service.ready_seconds:.2f} s")
        after = {name: each async for name, each in _requests(service, seconds)}
        await _metrics(service)
    _report(before, after)
    await _commands(stage, url, service.environment)
    if engine == POSTGRES:
        await _explain(url)
        with stage.serving(url) as service:
            _ = [each async for each in _requests(service, _GLANCE_SECONDS)]
            await _metrics(service)
        _report_plans(stage)


async def _requests(service: Service, seconds: float) -> AsyncIterator[tuple[str, Figures]]:
    cookies = await logged_in(service, 1, AT_ONCE)
    known = [new_uid() for _ in range(AT_ONCE)]
    connection = await HttpConnection.connect(service.port)
    for uid in known:
        await log_in(connection, 1, uid)
    reply = await connection.get(LISTING, {"Cookie": cookies[0]})
    connection.close()
    found = re.search(rb'"id":"(17841\d+)"', reply.body)
    account = found[1].decode() if found else ""

    async def first(connection: HttpConnection, _: int) -> None:
        await log_in(connection, 1, new_uid())

    async def again(connection: HttpConnection, number: int) -> None:
        await log_in(connection, 1, known[number % AT_ONCE])

    async def listing(connection: HttpConnection, number: int) -> None:
        demand(await connection.get(LISTING, {"Cookie": cookies[number % AT_ONCE]}), 200)

    async def single(connection: HttpConnection, _: int) -> None:
        target = f"{LISTING}/{account}"
        demand(await connection.get(target, {"Cookie": cookies[0]}), 200)

    works: Mapping[str, Work] = {
        "login": first,
        "login, known person": again,
        "listing": listing,
        "one account": single,
    }
    for name, work in works.items():
        yield name, await measure(service, work, at_once=AT_ONCE, seconds=seconds)


def _report(before: Mapping[str, Figures], after: Mapping[str, Figures]) -> None:
    for name, small in before.items():
        large = after[name]
        print(f"  {name}:")
        for what in ("cpu_ms", "p50_ms", "p99_ms", "peak_mb"):
            old, new = getattr(small, what), getattr(large, what)
            print(f"    {what} {old:.2f} → {new:.2f} ({new / old:.2f} ×)")


async def _metrics(service: Service) -> None:
    connection = await HttpConnection.connect(service.port)
    began = time.perf_counter()
    demand(await connection.get("/metrics"), 200)
    print(f"  /metrics: {time.perf_counter() - began:.2f} s")
    connection.close()


async def _commands(stage: Stage, url: str, environment: Mapping[str, str]) -> None:
    """What a command takes on this database; `status` after pruning shows what went."""
    for command in (("status",), ("keys", "rotate"), ("renew",)):
        _time(stage, environment, *command)
    database = await connect(url)
    await database.run(_EXPIRE.format(EXPIRED))
    await database.close()
    print(f"  with {EXPIRED} expired sessions to prune:")
    _time(stage, environment, "renew")


def _time(stage: Stage, environment: Mapping[str, str], *command: str) -> None:
    began = time.perf_counter()
    stage.igauth(*command, environment=environment)
    print(f"  igauth {' '.join(command)}: {time.perf_counter() - began:.2f} s")


async def _explain(url: str) -> None:
    """Every plan from now on goes to the server's log (PostgreSQL, "auto_explain")."""
    database = await connect(url)
    name = url.rpartition("/")[2].partition("?")[0]
    await database.run("LOAD 'auto_explain'")
    for option in ("session_preload_libraries = auto_explain", "auto_explain.log_min_duration = 0"):
        await database.run(f"ALTER DATABASE {name} SET {option}")
    await database.close()


def _report_plans(stage: Stage) -> None:
    if stage.postgres is None or stage.postgres.cluster is None:
        return
    plans = _PLAN.findall(stage.postgres.cluster.log.read_text("utf-8", "replace"))
    scans = Counter(
        (tuple(sorted(set(_SCAN.findall(plan)))), " ".join(plan.split())[:_SHOWN])
        for plan in plans
        if _SCAN.search(plan)
    )
    print(f"  {len(plans)} plans; these read a large table from end to end:")
    for (tables, query), times in scans.most_common():
        print(f"    {times} × {', '.join(tables)}: {query}…")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000_000, help="on PostgreSQL (1000000)")
    parser.add_argument("--sqlite-people", type=int, default=300_000, help="on SQLite (300000)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each figure (5)")
    given = parser.parse_args()
    with open_stage() as opened:
        if given.sqlite_people:
            asyncio.run(compare(opened, SQLITE, given.sqlite_people, given.seconds))
        if given.people and opened.postgres:
            asyncio.run(compare(opened, POSTGRES, given.people, given.seconds))
