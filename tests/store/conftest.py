"""A database object on either engine, and a person to hang rows on."""

from collections.abc import AsyncGenerator

import pytest

from igauth.domain import PersonId
from igauth.store.database import Database
from tests.store.rows import add_person


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
async def ada(database: Database) -> PersonId:
    """A person who is there already."""
    return await add_person(database, "1001")
