"""A hundred thousand rows in every big table: each question of the store goes by an index.

Every function of the store is called (`asked`), what it sends is caught, and the database is
asked how it would go about it (`plans`). A new function has to be added there; one without an
index fails here.
"""

import importlib
import inspect
import pkgutil
import shutil
import uuid
from collections.abc import AsyncGenerator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from igauth import store
from igauth.store.database import Database, Transaction
from tests.postgres import PostgresServer
from tests.store.asked import ASKED
from tests.store.many_rows import filling
from tests.store.plans import PostgresPlan, SqlitePlan
from tests.store.watching import watched

SCANS = {
    "people.count": ["people"],
    "counts.revocations": ["revocations"],
    "counts.connections_by_status": ["connections"],
    "sessions.count_live": ["sessions"],
    "webhooks.count_pending": ["deliveries"],
    "webhooks.list_all": ["webhook_endpoints"],
    "webhooks.list_due": ["webhook_endpoints"],
    "webhooks.queue": ["webhook_endpoints"],
    "outbox.kept": ["event_marks"],
    "outbox.number": ["event_marks"],
    "outbox.prune": ["event_marks"],
    "support.find_connections": ["connections", "people"],
    "links.list_connections": ["connections", "links"],
    "service_keys.list_all": ["service_keys"],
    "service_keys.kids_of_live": ["service_keys"],
    "sealed.kids_in_use": ["service_keys"],
}
"""Counts of all there is or nearly all, an operator's search for a part of a name, a backend's
pages of everything that is linked, and the operator's handful of service keys: nobody waits for
these in a request of a person's."""

Plan = SqlitePlan | PostgresPlan


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def large_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[str]:
    """A migrated database of its own."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("large") / "large.db"
        shutil.copy(sqlite_template, path)
        yield f"sqlite+aiosqlite:///{path}"
        return
    server: PostgresServer | None = request.getfixturevalue("postgres")
    if server is None:
        pytest.skip("PostgreSQL IS NOT TESTED: no server")
    name = f"l{uuid.uuid4().hex}"
    server.create_database(name, template="igauth_template")
    yield server.url(name)
    server.drop_database(name)


@pytest.fixture(scope="module")
async def large(large_url: str) -> AsyncGenerator[Database]:
    """That database, with so many rows in every big table."""
    database = Database(large_url)
    engine = create_async_engine(large_url)  # without our bound on a statement's time
    async with engine.begin() as connection:
        for statement in filling(database.is_sqlite):
            await connection.exec_driver_sql(statement)
    await engine.dispose()
    yield database
    await database.close()


def test_every_function_of_the_store_is_asked() -> None:
    """So that a new one without an index is noticed."""
    found = {"logins.record", "Lease.claim", "Lease.renew", "Lease.release"}
    for module in pkgutil.iter_modules(store.__path__):
        loaded = importlib.import_module(f"{store.__name__}.{module.name}")
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            is_own = function.__module__ == loaded.__name__ and not name.startswith("_")
            if is_own and "tx" in inspect.signature(function).parameters:
                found.add(f"{module.name}.{name}")

    assert found - {"statements.delete_some", "clock.server_time"} == set(ASKED)


async def test_no_question_scans_a_table(large: Database) -> None:
    """Every statement of every function, on either engine."""
    scanning: dict[str, set[str]] = {}
    shown: list[str] = []
    for name, ask in ASKED.items():
        for plan in await _plans(large, ask):
            found = set(plan.scans()) - set(SCANS.get(name, ()))
            if found:
                scanning.setdefault(name, set()).update(found)
                shown.append(f"{name}: {plan}")

    assert scanning == {}, "\n".join(shown)


@pytest.mark.parametrize(
    "question",
    [
        "SELECT id FROM connections WHERE name = 'Ada'",
        "SELECT id FROM connections ORDER BY id",
        "DELETE FROM people WHERE last_login_at < created_at",
    ],
)
async def test_a_question_without_an_index_is_noticed(large: Database, question: str) -> None:
    """The test above can fail: a condition that no index knows, an index walked as a whole."""
    (plan,) = await _plans(large, lambda tx: tx.execute(text(question)))

    assert plan.scans() == [question.split("FROM ")[1].split()[0]]


class _Undone(Exception):
    """Takes back what a question changed."""


async def _plans(database: Database, ask: Callable[[Transaction], Any]) -> list[Plan]:
    """How the database would carry out what this sends."""
    plans: list[Plan] = []
    kind = SqlitePlan if database.is_sqlite else PostgresPlan

    def unit(tx: Transaction) -> None:
        with watched() as seen:
            ask(tx)
        plans.extend(kind(tx, sent) for sent in seen)
        raise _Undone

    with pytest.raises(_Undone):
        await database.write(unit)
    assert plans
    return plans
