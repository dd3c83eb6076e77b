"""Migrations: up, down, equal to the models, and safe when several run them at once."""

import asyncio
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.util import CommandError
from sqlalchemy import inspect
from sqlalchemy.engine import Connection

from igauth.errors import DatabaseUnavailable
from igauth.store import migrations
from igauth.store.database import Database
from igauth.store.models import Base
from tests.postgres import PostgresServer

TABLES = {*Base.metadata.tables, "alembic_version"}
_RACER = (
    "import sys; from igauth.store import migrations; "
    "print('ready', flush=True); sys.stdin.readline(); migrations.upgrade(sys.argv[1])"
)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without any table, on either engine."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}"
        return
    server: PostgresServer | None = request.getfixturevalue("postgres")
    if server is None:
        pytest.skip("PostgreSQL is not tested: no server")
    name = f"e{uuid.uuid4().hex}"
    server.create_database(name)
    yield server.url(name)
    server.drop_database(name)


def tables(url: str) -> set[str]:
    """The names of all tables."""

    async def ask() -> set[str]:
        database = Database(url)
        try:
            async with database.reading() as connection:
                return set(await connection.run_sync(_names))
        finally:
            await database.close()

    return asyncio.run(ask())


def execute(url: str, statement: str) -> None:
    """One statement, committed."""

    async def work() -> None:
        database = Database(url)
        async with database.transaction() as connection:
            await connection.exec_driver_sql(statement)
        await database.close()

    asyncio.run(work())


def revision(url: str) -> str | None:
    """Where the database is."""

    async def ask() -> str | None:
        database = Database(url)
        try:
            return await migrations.current_revision(database)
        finally:
            await database.close()

    return asyncio.run(ask())


def test_up_down_and_up_again(empty_url: str) -> None:
    """Every migration can be taken back, and done again; twice up is once up."""
    assert (tables(empty_url), revision(empty_url)) == (set(), None)
    migrations.upgrade(empty_url)
    migrations.upgrade(empty_url)
    assert (tables(empty_url), revision(empty_url)) == (TABLES, migrations.head_revision())

    migrations.downgrade(empty_url, "base")

    assert (tables(empty_url), revision(empty_url)) == ({"alembic_version"}, None)
    migrations.upgrade(empty_url)
    migrations.check(empty_url)
    assert tables(empty_url) == TABLES


def test_models_and_migrations_are_equal(database_url: str) -> None:
    """`alembic check` finds nothing to do."""
    migrations.check(database_url)


@pytest.mark.parametrize(
    "drift",
    [
        "ALTER TABLE people ADD COLUMN shoe_size TEXT",
        "DROP INDEX ix_sessions_person_id",
    ],
)
def test_a_difference_is_found(database_url: str, drift: str) -> None:
    """The check above can fail: a column too many, an index too few."""
    execute(database_url, drift)

    with pytest.raises(CommandError, match="New upgrade operations detected"):
        migrations.check(database_url)


def test_two_processes_migrate_at_once(empty_url: str) -> None:
    """Replicas that start together: one does the work, the other finds it done."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _RACER, empty_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=60)[1] for racer in racers]

    assert [racer.returncode for racer in racers] == [0, 0], said
    assert (tables(empty_url), revision(empty_url)) == (TABLES, migrations.head_revision())


def test_a_migration_that_fails_leaves_nothing(empty_url: str) -> None:
    """All or nothing: a name that is taken stops it, and it can be run again afterwards."""
    execute(empty_url, "CREATE TABLE sessions (mine TEXT)")
    with pytest.raises(DatabaseUnavailable, match="refused the migration"):
        migrations.upgrade(empty_url)
    assert tables(empty_url) - {"alembic_version"} == {"sessions"}
    assert revision(empty_url) is None

    execute(empty_url, "DROP TABLE sessions")
    migrations.upgrade(empty_url)

    assert tables(empty_url) == TABLES


def test_a_newer_programs_revision_is_unknown(database_url: str) -> None:
    """Ahead: this program has no script for it; an empty database is merely behind."""
    assert revision(database_url) == migrations.head_revision()
    execute(database_url, "UPDATE alembic_version SET version_num = '20991231_tomorrow'")

    assert revision(database_url) == "20991231_tomorrow"
    assert not migrations.is_known("20991231_tomorrow")
    assert migrations.is_known(migrations.head_revision())
    assert migrations.is_known(None)


def test_the_url_keeps_its_odd_characters() -> None:
    """A password's `%` is nobody's interpolation."""
    url = "postgresql+asyncpg://u:p%40%25w@h/d"

    assert migrations.config(url).attributes["url"] == url
    assert migrations.config().get_main_option("script_location")


def _names(connection: Connection) -> list[str]:
    return inspect(connection).get_table_names()
