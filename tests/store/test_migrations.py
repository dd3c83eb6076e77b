"""Migrations: up, down, equal to the models, and safe when several run them at once."""

import asyncio
import subprocess
import sys
import uuid
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from alembic.util import CommandError
from sqlalchemy import inspect

from igauth.errors import DatabaseUnavailable
from igauth.store import migrations
from igauth.store.database import Database, Transaction
from igauth.store.models import Base
from tests.postgres import PostgresServer
from tests.store.rows import sql

Result = TypeVar("Result")
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

    return on(url, lambda database: database.read(lambda tx: set(inspect(tx).get_table_names())))


def execute(url: str, statement: str) -> None:
    """One statement, committed."""
    on(url, lambda database: sql(database, statement))


def revision(url: str) -> str | None:
    """Where the database is."""
    return on(url, migrations.current_revision)


def on(url: str, work: Callable[[Database], Coroutine[Any, Any, Result]]) -> Result:
    """Does something with the database, in a loop of its own: migrations have theirs, too."""

    async def do() -> Result:
        database = Database(url)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(do())


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
        "DROP INDEX ix_sessions_person_id_created_at",
        "DROP INDEX ix_connections_upgrade_pending",
    ],
)
def test_a_difference_is_found(database_url: str, drift: str) -> None:
    """The check above can fail: a column too many, an index too few."""
    execute(database_url, drift)

    with pytest.raises(CommandError, match="New upgrade operations detected"):
        migrations.check(database_url)


def test_a_missing_database_is_unavailable(server: PostgresServer) -> None:
    """Whoever runs the command is told so; no password is shown."""
    with pytest.raises(DatabaseUnavailable, match="refused the migration"):
        migrations.upgrade(server.url("no_such_database"))
    with pytest.raises(DatabaseUnavailable) as told:
        migrations.upgrade("postgresql+asyncpg://igauth:cAnArY@127.0.0.1:1/igauth")

    assert "cAnArY" not in repr(told.value) + repr(told.value.__cause__)


def test_several_processes_migrate_at_once(empty_url: str) -> None:
    """Replicas that start together: one does the work, the other finds it done."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _RACER, empty_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=60)[1] for racer in racers]

    assert [racer.returncode for racer in racers] == [0] * 4, said
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


def test_every_foreign_key_leads_an_index(database_url: str) -> None:
    """Deleting a person looks for what hangs on it, table by table: never by a scan."""

    async def look(database: Database) -> list[str]:
        return await database.read(_unindexed)

    assert on(database_url, look) == []


def _unindexed(tx: Transaction) -> list[str]:
    found, names = inspect(tx), []
    for table in found.get_table_names():
        keys = [found.get_pk_constraint(table)["constrained_columns"]]
        keys += [each["column_names"] for each in found.get_unique_constraints(table)]
        keys += [each["column_names"] for each in found.get_indexes(table)]  # type: ignore[misc]
        for foreign in found.get_foreign_keys(table):
            columns = foreign["constrained_columns"]
            if not any(key[: len(columns)] == columns for key in keys):
                names.append(f"{table}.{columns}")
    return names
