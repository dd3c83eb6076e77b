"""Many at once: none of them lost, none told an untruth (defects C0, C7; F-52, F-53)."""

import asyncio
import json
import time
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import Callable
from datetime import UTC, timedelta
from itertools import chain
from pathlib import Path

from sqlalchemy import text

from igauth.domain import utc_now
from igauth.store.database import Database
from tests.cli.commands import BIN, bare_environment
from tests.faults.facebook import Facebook
from tests.faults.replicas import Answer, Replica, environment_of, open_replica, session_of

LOGINS = 300
FLOOD_CLIENTS = 400
DUE = 60


async def test_a_crowd_logs_in_and_another_floods(
    database_url: str,
    facebook: Facebook,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    """300 logins at once with Facebook at 2 s: none is lost (8 were kept on SQLite, 40 on
    PostgreSQL). 400 clients that ask and ask: nobody hears that the database is unavailable."""
    async with open_replica(database_url, facebook, tmp_path) as replica:
        attempts = [await replica.approach(person) for person in range(LOGINS)]
        facebook.delay_seconds = 2.0
        began = time.monotonic()
        health = asyncio.create_task(_watch_health(replica))
        ended = await asyncio.gather(*(replica.finish(each) for each in attempts))
        record_property("seconds", time.monotonic() - began)
        health.cancel()
        facebook.delay_seconds = 0.0
        sessions = [session_of(each) for each in ended]
        strangers: list[dict[str, str]] = [{} for _ in range(FLOOD_CLIENTS - LOGINS)]
        floods = await asyncio.gather(*(_flood(replica, each) for each in [*sessions, *strangers]))
        record_property("healthz", _slowest(health))
        record_property("memory_mb", _memory_mb(replica))

    flood = Counter(chain.from_iterable(floods))
    assert Counter(each.error for each in ended) == {None: LOGINS}
    assert len({each["igauth_session"] for each in sessions}) == LOGINS
    assert facebook.count("exchange") == LOGINS
    assert set(flood) <= {(200, ""), (302, ""), (401, "not_authenticated"), (503, "overloaded")}
    assert flood[200, ""] >= LOGINS


async def test_two_keepers_share_the_work(
    database_url: str, facebook: Facebook, tmp_path: Path
) -> None:
    """Two sweeps as processes: each grant that is due is checked once, whoever takes it (F-45)."""
    async with open_replica(database_url, facebook, tmp_path) as replica:
        await asyncio.gather(*(replica.log_in(person) for person in range(DUE)))
        facebook.calls.clear()
        await _make_due(database_url)
        environment = bare_environment() | environment_of(database_url, facebook)
        keepers = [
            await asyncio.create_subprocess_exec(
                BIN / "igauth", "renew", cwd=tmp_path, env=environment, stdout=PIPE, stderr=PIPE
            )
            for _ in range(2)
        ]
        said = [await each.communicate() for each in keepers]

    checked = {
        who: number for (name, who), number in facebook.calls.items() if name == "debug_token"
    }
    assert [each.returncode for each in keepers] == [0, 0], said
    assert checked == dict.fromkeys(range(DUE), 1)


async def _make_due(database_url: str) -> None:
    """A day later, as far as the connections know."""
    database = Database(database_url)
    due = text("UPDATE connections SET next_check_at = :then")
    then = (utc_now() - timedelta(hours=1)).replace(tzinfo=None if database.is_sqlite else UTC)
    await database.write(lambda tx: tx.execute(due, {"then": then}))
    await database.close()


async def _flood(replica: Replica, session: dict[str, str]) -> list[tuple[int, str]]:
    """Statuses and codes of one client."""
    paths = ["/me", "/auth/session", "/auth/facebook", "/me/connections", "/me/sessions"]
    answers = [await replica.ask(path, cookies=session) for path in paths]
    return [(each.status, _code(each)) for each in answers]


async def _watch_health(replica: Replica) -> list[float]:
    taken: list[float] = []
    try:
        while True:
            began = time.monotonic()
            assert (await replica.ask("/healthz")).status == 200
            taken.append(time.monotonic() - began)
            await asyncio.sleep(0.02)
    except asyncio.CancelledError:
        return taken


def _slowest(health: "asyncio.Task[list[float]]") -> str:
    taken = sorted(health.result()) if health.done() and not health.cancelled() else [0.0]
    return f"p99 {taken[int(len(taken) * 0.99)] * 1000:.0f} ms of {len(taken)}"


def _memory_mb(replica: Replica) -> int:
    """The most that was resident (proc(5))."""
    status = Path(f"/proc/{replica.process.pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM")), 0)


def _code(answer: Answer) -> str:
    return str(json.loads(answer.body or b"{}").get("code", ""))
