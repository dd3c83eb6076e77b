"""Databases for every test: the same suite on SQLite and on PostgreSQL."""

import os
import shutil
import uuid
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from igauth.store import migrations
from tests.postgres import PostgresServer, postgres_server
from tests.stage import Browser, Stage, instagram_pair, make_settings, open_stage


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No setting of this machine, and no `.env`, reaches a test."""
    os.chdir(tmp_path_factory.mktemp("work"))
    for name in list(os.environ):
        if name.startswith(("FACEBOOK_", "INSTAGRAM_", "SESSION_", "RATE_LIMIT_")) or name in {
            "BASE_URL",
            "DATABASE_URL",
            "KEYS",
            "FRONTEND_URL",
            "ALLOWED_ORIGINS",
        }:
            del os.environ[name]


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "template.db"
    migrations.upgrade(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer | None]:
    """A PostgreSQL server with a migrated template database; None where there is none."""
    with postgres_server() as server:
        if server is not None:
            server.create_database("igauth_template")
            migrations.upgrade(server.url("igauth_template"))
        yield server


@pytest.fixture
def sqlite_url(tmp_path: Path, sqlite_template: Path) -> str:
    """A fresh, migrated SQLite file, for tests to which the engine makes no difference."""
    path = tmp_path / "igauth.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(
    request: pytest.FixtureRequest, tmp_path: Path, sqlite_template: Path
) -> Iterator[str]:
    """A fresh, migrated database on either engine."""
    if request.param == "sqlite":
        path = tmp_path / "igauth.db"
        shutil.copy(sqlite_template, path)
        yield f"sqlite+aiosqlite:///{path}"
        return
    server: PostgresServer | None = request.getfixturevalue("postgres")
    if server is None:
        pytest.skip("PostgreSQL IS NOT TESTED: no server binaries here and no TEST_POSTGRES_URL")
    name = f"t{uuid.uuid4().hex}"
    server.create_database(name, template="igauth_template")
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture
async def stage(database_url: str) -> AsyncGenerator[Stage]:
    """Service and sandbox on a fresh database."""
    async with open_stage(make_settings(database_url)) as opened:
        yield opened


@pytest.fixture
async def two_doors(database_url: str) -> AsyncGenerator[Stage]:
    """The same with both doors open."""
    async with open_stage(make_settings(database_url, **instagram_pair())) as opened:
        yield opened


@pytest.fixture
def browser(stage: Stage) -> Browser:
    """A browser with an empty jar."""
    return stage.browser()
