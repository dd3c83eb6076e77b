"""PostgreSQL: connections that die, deadlocks, statements that take too long."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from sqlalchemy import text

from igauth.errors import DatabaseUnavailable
from igauth.store import people, postgres
from igauth.store.database import Database, Transaction
from tests.postgres import PostgresServer
from tests.store.rows import count, sql
from tests.store.watching import eventually

Kill = Callable[[], None]
_BACKENDS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"
_COMMITTING = "SELECT 1 FROM pg_stat_activity WHERE query = 'COMMIT;' AND state = 'active'"
_JOIN = "UPDATE turns SET lease_owner = concat(lease_owner, 'x') WHERE name = :name"
_SLOW_COMMIT = (
    "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$",
    "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON turns DEFERRABLE INITIALLY DEFERRED "
    "FOR EACH ROW EXECUTE FUNCTION dawdle()",
)


@pytest.fixture
def kill(server: PostgresServer, postgresql: Database) -> Kill:
    """Ends every backend of this database, as a restart of the server would; nobody here has a
    chance to notice before it returns."""
    return lambda: server._execute(_BACKENDS.format(postgresql.url.database))


@pytest.fixture
async def hasty(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Database]:
    """A database that waits for a statement for a fifth of a second in place of five."""
    monkeypatch.setattr(postgres, "STATEMENT_SECONDS", 0.2)
    opened = Database(postgres_url)
    yield opened
    await opened.close()


def insert_turn(tx: Transaction, name: str = "t") -> None:
    """A row that can be counted."""
    tx.execute(text("INSERT INTO turns (name) VALUES (:name)"), {"name": name})


class Runs(list[int]):
    """A unit that inserts a row, and what else is to happen in its first run."""

    def __init__(self, meanwhile: Callable[[], object], then: str | None = None) -> None:
        super().__init__()
        self._meanwhile = meanwhile
        self._then = then

    def __call__(self, tx: Transaction) -> None:
        self.append(len(self))
        insert_turn(tx)
        if len(self) == 1:
            self._meanwhile()
        if self._then:
            tx.execute(text(self._then))


# --- connections that die ---


@pytest.mark.parametrize("noticed", [True, False])
async def test_killed_idle_connections_are_replaced_unnoticed(
    postgresql: Database, kill: Kill, noticed: bool
) -> None:
    """PostgreSQL restarted while nobody asked: the next requests just work, reads and writes."""
    for use in (postgresql.read, postgresql.write):
        await asyncio.gather(*(use(people.count) for _ in range(8)))
        kill()
        if noticed:
            await eventually(lambda: _all_are_closed(postgresql))

        assert await asyncio.gather(*(use(people.count) for _ in range(8))) == [0] * 8


async def test_a_connection_killed_in_the_midst_is_met_by_repeating(
    postgresql: Database, kill: Kill
) -> None:
    """What it had done is lost whole, so it's done again, and nobody hears of it."""
    unit = Runs(kill, then="SELECT 1")
    await postgresql.write(unit)

    assert unit == [0, 1]
    assert await count(postgresql, "turns") == 1


async def test_a_server_that_dies_again_and_again_is_an_outage(
    postgresql: Database, kill: Kill
) -> None:
    """As often as there are connections that can be stale, and no more."""
    runs = 0

    def unit(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        tx.execute(text("SELECT 1"))
        kill()
        tx.execute(text("SELECT 2"))

    with pytest.raises(DatabaseUnavailable):
        await postgresql.write(unit)

    assert runs == postgres.POOL_CONNECTIONS + 2


async def test_a_connection_killed_before_the_commit_is_an_outage(
    postgresql: Database, kill: Kill
) -> None:
    """Whether COMMIT arrived can't be told any more: it isn't repeated."""
    unit = Runs(kill)
    with pytest.raises(DatabaseUnavailable):
        await postgresql.write(unit)

    assert unit == [0]
    assert await count(postgresql, "turns") == 0


async def test_a_connection_killed_in_its_commit_is_an_outage(
    postgresql: Database, kill: Kill
) -> None:
    """COMMIT had been sent, and was at work: never repeated."""
    for statement in _SLOW_COMMIT:
        await sql(postgresql, statement)
    unit = Runs(lambda: None)
    writing = asyncio.create_task(postgresql.write(unit))
    await eventually(lambda: sql(postgresql, _COMMITTING))
    await asyncio.to_thread(kill)
    with pytest.raises(DatabaseUnavailable):
        await writing

    assert unit == [0]


async def test_a_commit_that_takes_too_long_is_an_outage(hasty: Database) -> None:
    """It may yet happen: repeating it would do it twice."""
    for statement in _SLOW_COMMIT:
        await sql(hasty, statement)
    unit = Runs(lambda: None)
    with pytest.raises(DatabaseUnavailable):
        await hasty.write(unit)

    assert unit == [0]
    assert await hasty.read(people.count) == 0


# --- deadlocks, and others that ask to be repeated ---


async def test_a_deadlock_is_met_by_repeating(postgresql: Database) -> None:
    """Two take the same rows in opposite order: both get what they wanted, nobody an error."""
    for each in "ab":
        await sql(postgresql, f"INSERT INTO turns (name) VALUES ('{each}')")  # noqa: S608  # ours
    runs: list[str] = []

    def unit(*names: str) -> Callable[[Transaction], None]:
        def work(tx: Transaction) -> None:
            runs.append(names[0])
            tx.execute(text("SET LOCAL deadlock_timeout = '10ms'"))
            for name in names:
                tx.execute(text(_JOIN), {"name": name})
                tx.execute(text("SELECT pg_sleep(0.05)"))

        return work

    await asyncio.gather(*(postgresql.write(unit(*each)) for each in ("ab", "ba")))
    owners = await sql(postgresql, "SELECT DISTINCT length(lease_owner) FROM turns")

    assert (sorted(set(runs)), len(runs)) == (["a", "b"], 3)
    assert owners == [(2,)]


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
async def test_what_postgresql_asks_to_repeat_is_repeated_within_patience(
    postgresql: Database, sqlstate: str
) -> None:
    """Serialization failures and deadlocks; with no patience left they are an outage."""
    fails = f"DO $$ BEGIN RAISE 'no' USING ERRCODE = '{sqlstate}'; END $$"
    runs = 0

    def unit(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        insert_turn(tx, str(runs))
        if runs % 4:
            tx.execute(text(fails))

    await postgresql.write(unit)
    assert runs == 4
    assert await sql(postgresql, "SELECT name FROM turns") == [("4",)]

    with pytest.raises(DatabaseUnavailable):
        await postgresql.write(unit, patience_seconds=0)
    assert runs == 5


# --- statements that take too long ---


async def test_a_statement_that_takes_too_long_is_an_outage(hasty: Database) -> None:
    """It's ended, its connection is fine, and so is the next one's answer."""
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            await hasty.write(
                lambda tx: tx.execute(text("SELECT pg_sleep(60)")), patience_seconds=0
            )
    found = await asyncio.gather(*(hasty.read(people.count) for _ in range(25)))

    assert found == [0] * 25


async def _all_are_closed(database: Database) -> bool:
    pool: Any = database._engine._engine.sync_engine.pool  # type: ignore[union-attr]  # PostgreSQL
    idle = list(pool._pool._queue._queue)
    return all(each.dbapi_connection.driver_connection.is_closed() for each in idle)
