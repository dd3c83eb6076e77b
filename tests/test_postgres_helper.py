"""The throw-away PostgreSQL itself: what the other tests stand on."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests import postgres
from tests.postgres import PostgresFailed, PostgresServer, postgres_server

ROOT = Path(__file__).parents[1]
DIES_WITHOUT_GOODBYE = """
import os
from tests.postgres import postgres_server
with postgres_server() as server:
    print(server.cluster.folder, flush=True)
    os.kill(os.getpid(), 9)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of this file's own, never the one of TEST_POSTGRES_URL."""
    if postgres.find_binaries() is None:
        pytest.skip(postgres.ABSENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TEST_POSTGRES_URL", raising=False)
        with postgres_server() as opened:
            assert opened is not None
            yield opened


async def tables_of(server: PostgresServer, database: str) -> list[str]:
    address = server.url(database).replace("+asyncpg", "")
    connection = await asyncpg.connect(address)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS mark (i int)")
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    finally:
        await connection.close()
    return [row["tablename"] for row in rows]


async def test_a_copied_database_has_what_its_template_has(server: PostgresServer) -> None:
    """CREATE DATABASE … TEMPLATE works while the test's own loop runs."""
    server.create_database("template")
    await tables_of(server, "template")
    server.create_database("copy", template="template")

    assert await tables_of(server, "copy") == ["mark"]


async def test_a_dropped_database_is_gone(server: PostgresServer) -> None:
    """Even if somebody is still connected."""
    server.create_database("dropped")
    connection = await asyncpg.connect(server.url("dropped").replace("+asyncpg", ""))
    server.drop_database("dropped")
    connection.terminate()

    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await tables_of(server, "dropped")


async def test_a_stopped_server_comes_back_with_its_data(server: PostgresServer) -> None:
    """What tests of an outage need."""
    assert server.cluster is not None
    server.create_database("kept")
    server.cluster.stop()
    with pytest.raises(OSError, match=r"socket|No such file|refused"):
        await tables_of(server, "kept")
    server.cluster.start()

    assert await tables_of(server, "kept") == ["mark"]


def test_nothing_remains_of_a_process_that_was_killed(server: PostgresServer) -> None:
    """Neither the server nor its folder outlives the test run."""
    killed = subprocess.run(
        [sys.executable, "-c", DIES_WITHOUT_GOODBYE],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    folder = Path(killed.stdout.decode().strip())
    deadline = time.monotonic() + 15
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)

    assert "igpg-" in folder.name
    assert not folder.exists()


def test_without_binaries_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person without PostgreSQL gets None, for a loud skip."""
    monkeypatch.setattr(postgres, "find_binaries", lambda: None)
    monkeypatch.delenv("TEST_POSTGRES_URL", raising=False)
    monkeypatch.delenv("IGAUTH_REQUIRE_POSTGRES", raising=False)
    with postgres_server() as opened:
        assert opened is None


def test_ci_never_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    """IGAUTH_REQUIRE_POSTGRES=1 turns the skip into a failure."""
    monkeypatch.setattr(postgres, "find_binaries", lambda: None)
    monkeypatch.delenv("TEST_POSTGRES_URL", raising=False)
    monkeypatch.setenv("IGAUTH_REQUIRE_POSTGRES", "1")
    with pytest.raises(PostgresFailed), postgres_server():
        pass


def test_a_given_server_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """TEST_POSTGRES_URL names a database on a server where databases may be made."""
    monkeypatch.setitem(os.environ, "TEST_POSTGRES_URL", "postgresql://me:word@127.0.0.1:5433/any")
    with postgres_server() as opened:
        assert opened is not None
        assert opened.cluster is None
        assert opened.url("other") == "postgresql+asyncpg://me:word@127.0.0.1:5433/other"
