"""A database object on either engine, and a person who is there already."""

import shutil
import uuid
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from igauth.store.database import Database
from igauth.store.logins import Recorded
from tests.postgres import PostgresServer
from tests.store.rows import log_in
from tests.store.watching import Watched, watched


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """A fresh, migrated database."""
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def other(database_url: str) -> AsyncGenerator[Database]:
    """Another process's view of the same database: connections of its own."""
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def ada(database: Database) -> Recorded:
    """A person who is there already."""
    return await log_in(database)


@pytest.fixture
def statements() -> Iterator[Watched]:
    """Every statement that is sent from here on."""
    with watched() as seen:
        yield seen


@pytest.fixture
def sqlite_path(tmp_path: Path, sqlite_template: Path) -> Path:
    """A migrated SQLite file."""
    path = tmp_path / "one.db"
    shutil.copy(sqlite_template, path)
    return path


@pytest.fixture
async def sqlite(sqlite_path: Path) -> AsyncGenerator[Database]:
    """That file, opened."""
    opened = Database(f"sqlite+aiosqlite:///{sqlite_path}")
    yield opened
    await opened.close()


@pytest.fixture
def server(request: pytest.FixtureRequest) -> PostgresServer:
    """PostgreSQL, or a skip."""
    found: PostgresServer | None = request.getfixturevalue("postgres")
    if found is None:
        pytest.skip("PostgreSQL IS NOT TESTED: no server")
    return found


@pytest.fixture
def postgres_url(server: PostgresServer) -> Iterator[str]:
    """A migrated PostgreSQL database of its own."""
    name = f"p{uuid.uuid4().hex}"
    server.create_database(name, template="igauth_template")
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
async def postgresql(postgres_url: str) -> AsyncGenerator[Database]:
    """That database, opened."""
    opened = Database(postgres_url)
    yield opened
    await opened.close()
