"""Storage that fails under a running replica, and comes back (F-35, F-36, F-37; defect C21)."""

import asyncio
import json
import resource
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from tests.faults.facebook import Facebook
from tests.faults.replicas import PATIENCE_SECONDS, Answer, Replica, open_replica
from tests.postgres import Cluster, PostgresServer

ADA, BEN = 1, 2
KILLS = 50


@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit(2)")
async def test_a_full_disk_refuses_logins_before_a_cookie(
    sqlite_url: str, facebook: Facebook, tmp_path: Path
) -> None:
    """No session cookie, and no code sent, without room to keep what comes of it; reads go on,
    and so do logins as soon as there is room, without a restart (the state isn't spent)."""
    async with open_replica(sqlite_url, facebook, tmp_path) as replica:
        ada = await replica.log_in(ADA)
        attempt = await replica.approach(BEN)
        with full_disk(replica, Path(sqlite_url.partition("///")[2])):
            refused = await replica.finish(attempt)
            ready = await _settled(replica, 503)
            reads = [
                await replica.ask(path, cookies=ada) for path in ("/me", "/healthz", "/metrics")
            ]
        exchanged = facebook.calls["exchange", BEN]
        again = await replica.finish(attempt)
        back = await _settled(replica, 200)

    assert (refused.error, refused.cookies) == ("database_unavailable", {})
    assert json.loads(ready.body)["code"] == "database_unavailable"
    assert [each.status for each in reads] == [200, 200, 200]
    assert exchanged == 0
    assert (again.error, back.status) == (None, 200)


async def test_postgresql_goes_away_and_comes_back(
    cluster_url: tuple[Cluster, str], facebook: Facebook, tmp_path: Path
) -> None:
    """Who asks meanwhile is told `database_unavailable` and when to ask again; health and metrics
    are answered; no restart is needed, and no poisoned connection stays (F-35)."""
    cluster, url = cluster_url
    async with open_replica(url, facebook, tmp_path) as replica:
        ada = await replica.log_in(ADA)
        async with _Killer.at(url) as killer:
            await killer.flush()
        await asyncio.to_thread(cluster.stop)
        told = await replica.ask("/me", cookies=ada)
        alive = [await replica.ask(path) for path in ("/healthz", "/metrics", "/auth/facebook")]
        ready = await replica.ask("/readyz")
        await asyncio.to_thread(cluster.start)
        back = await _settled(replica, 200)
        users = [await replica.ask("/me", cookies=ada) for _ in range(30)]
        again = await replica.log_in(BEN)

    assert (told.status, json.loads(told.body)["code"]) == (503, "database_unavailable")
    assert told.headers["retry-after"]
    assert [each.status for each in alive] == [200, 200, 302]
    assert (ready.status, back.status) == (503, 200)
    assert Counter(each.status for each in users) == {200: 30}
    assert again


async def test_backends_die_under_logins(
    cluster_url: tuple[Cluster, str], facebook: Facebook, tmp_path: Path
) -> None:
    """Fifty times all backends are killed amid logins: each ends with its session or says that the
    database was away; what was answered is kept, and then all is well (F-35, F-37)."""
    _, url = cluster_url
    async with open_replica(url, facebook, tmp_path) as replica:

        async def log_in(person: int) -> Answer:
            return await replica.finish(await replica.approach(person))

        async with _Killer.at(url) as killer:
            ended: list[Answer] = []
            for round_ in range(KILLS):
                people = range(3 * round_, 3 * round_ + 3)
                logins = [asyncio.create_task(log_in(person)) for person in people]
                await killer.kill()
                ended += await asyncio.gather(*logins)
        kept = [each for each in ended if each.error is None]
        alive = [await replica.ask("/me", cookies=each.cookies) for each in kept]
        last = [await log_in(10_000 + number) for number in range(25)]

    assert {each.error for each in ended} <= {None, "database_unavailable"}
    assert {each.status for each in alive} <= {200}
    assert {each.error for each in last} == {None}


@pytest.fixture
def cluster_url(postgres: PostgresServer | None, tmp_path: Path) -> Iterator[tuple[Cluster, str]]:
    """A migrated database on a server that is ours to stop."""
    if postgres is None or postgres.cluster is None:
        pytest.skip("PostgreSQL IS NOT TESTED: no server here that is ours to stop")
    name = f"f{abs(hash(tmp_path))}"
    postgres.create_database(name, template="igauth_template")
    yield postgres.cluster, postgres.url(name)
    postgres.drop_database(name)


class _Killer:
    """A superuser at a database."""

    def __init__(self, connection: "asyncpg.Connection") -> None:
        self._connection = connection

    @classmethod
    @asynccontextmanager
    async def at(cls, url: str) -> AsyncGenerator["_Killer"]:
        address = make_url(url).set(drivername="postgresql")
        connection = await asyncpg.connect(address.render_as_string(hide_password=False))
        yield cls(connection)
        await connection.close()

    async def kill(self) -> None:
        """All at once, a moment from now."""
        await self._connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    async def flush(self) -> None:
        """What was committed is on the disk: the tests' server doesn't wait for that."""
        await self._connection.execute("CHECKPOINT")


@contextmanager
def full_disk(replica: Replica, database: Path) -> Iterator[None]:
    """No file of the process may grow beyond what the database's log has now (setrlimit(2))."""
    size = Path(f"{database}-wal").stat().st_size
    _, hard = resource.prlimit(replica.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(replica.process.pid, resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.prlimit(replica.process.pid, resource.RLIMIT_FSIZE, (hard, hard))


async def _settled(replica: Replica, status: int) -> Answer:
    """`/readyz`, once it says this: it may go by a row that was written seconds ago."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            answer = await replica.ask("/readyz")
            if answer.status == status:
                return answer
            await asyncio.sleep(0.2)
