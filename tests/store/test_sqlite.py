"""SQLite: how it is set up, a whole unit as one visit to its thread, and its log."""

import asyncio
import inspect
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import event, select, update
from sqlalchemy.engine import Engine

from igauth.errors import DatabaseUnavailable
from igauth.store import database as module
from igauth.store import people
from igauth.store.database import Database, Transaction
from igauth.store.models import Person
from igauth.store.sqlite import SqliteThread
from tests.store.rows import log_in, new_session

FOREVER = float("inf")
_COUNTER = """
import asyncio, sys
from sqlalchemy import select, update
from igauth.store.database import Database
from igauth.store.models import Person

def add_one(tx):
    number = int(tx.execute(select(Person.name)).scalar_one())
    tx.execute(update(Person).values(name=str(number + 1)))

async def main():
    database = Database(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    await asyncio.gather(*(database.write(add_one, patience_seconds=60) for _ in range(20)))
    await database.close()

asyncio.run(main())
"""
_CRASHER = """
import asyncio, sys
from sqlalchemy import text
from igauth.store.database import Database

async def main():
    database = Database(sys.argv[1])
    await database.write(lambda tx: tx.execute(text("UPDATE people SET name = 'written'")))
    sys.exit(7)

asyncio.run(main())
"""


@pytest.fixture
def impatient(sqlite: Database) -> Database:
    """SQLite, each of whose tries for another process's lock ends at once."""
    sqlite._engine._writer._busy_milliseconds = 0  # type: ignore[union-attr]  # it is SQLite
    return sqlite


@contextmanager
def stranger(path: Path, *statements: str) -> Iterator[sqlite3.Connection]:
    """Another program's connection to the file, after these statements."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
        yield connection


def pragma(name: str) -> Any:
    """A unit that asks for one of SQLite's settings."""
    return lambda tx: tx.exec_driver_sql(f"PRAGMA {name}").scalar_one()


async def set_name(database: Database, name: str, *, patience_seconds: float = 5) -> None:
    """A write that somebody can see."""
    await database.write(
        lambda tx: tx.execute(update(Person).values(name=name)), patience_seconds=patience_seconds
    )


async def get_name(database: Database) -> str | None:
    """What a reader sees of it."""
    return await database.read(lambda tx: tx.execute(select(Person.name)).scalar_one())


# --- as it is set up ---


async def test_sqlite_is_set_up_as_promised(sqlite: Database) -> None:
    """WAL, FULL, foreign keys, secure deletion: on the writer's and every reader's connection."""
    for use in (sqlite.write, sqlite.read, sqlite.read, sqlite.read):
        found = {
            name: await use(pragma(name))
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
        assert found == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "secure_delete": 1,
        }


async def test_writes_take_the_lock_when_they_begin(sqlite: Database) -> None:
    """BEGIN IMMEDIATE: a transaction that begins as a reader can't wait for the lock later on."""
    begun: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        begun.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        await sqlite.write(lambda _tx: None)
        await sqlite.read(lambda _tx: None)
    finally:
        event.remove(Engine, "before_cursor_execute", note)

    assert begun == ["BEGIN IMMEDIATE", "BEGIN"]


async def test_readers_and_the_writer_don_t_wait_for_each_other(sqlite: Database) -> None:
    """A read in the midst of a write is answered at once, with what was committed before it."""
    await log_in(sqlite)
    begun, go_on = threading.Event(), threading.Event()

    def unit(tx: Transaction) -> None:
        tx.execute(update(Person).values(name="new"))
        begun.set()
        go_on.wait()

    writing = asyncio.create_task(sqlite.write(unit))
    await asyncio.to_thread(begun.wait)
    seen = await asyncio.gather(*(get_name(sqlite) for _ in range(10)))
    go_on.set()
    await writing

    assert seen == ["Ada"] * 10
    assert await get_name(sqlite) == "new"


async def test_a_url_s_options_are_sqlite_s(sqlite_path: Path, sqlite: Database) -> None:
    """A file opened for reading alone can be read; a write to it is an outage, not a crash."""
    await log_in(sqlite)
    database = Database(f"sqlite+aiosqlite:///file:{sqlite_path}?mode=ro&uri=true")
    assert await get_name(database) == "Ada"
    with pytest.raises(DatabaseUnavailable):
        await set_name(database, "changed")

    assert await get_name(database) == "Ada"
    await database.close()


# --- several on one file ---


async def test_several_processes_share_a_file(sqlite: Database) -> None:
    """Sixty who read, then write, in three processes: nobody's lock fails, and nothing is lost."""
    await log_in(sqlite, name="0")
    said = await asyncio.to_thread(_race, sqlite.url.render_as_string(hide_password=False))

    assert said == [(0, "")] * 3
    assert await get_name(sqlite) == "60"


async def test_a_locked_file_is_unavailable_for_writers_only(
    impatient: Database, sqlite_path: Path
) -> None:
    """Another program writes: reads go on, a write gives up after its wait, then all is well."""
    await log_in(impatient)
    with stranger(sqlite_path, "BEGIN IMMEDIATE") as holder:
        with pytest.raises(DatabaseUnavailable):
            await set_name(impatient, "1", patience_seconds=0)
        assert await get_name(impatient) == "Ada"
        holder.execute("ROLLBACK")

    await set_name(impatient, "2", patience_seconds=0)
    assert await get_name(impatient) == "2"


async def test_a_busy_file_is_tried_again(impatient: Database, sqlite_path: Path) -> None:
    """Within the caller's patience, by as many tries as it takes; then the write is there, once."""
    await log_in(impatient)
    tries = 0

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        nonlocal tries
        if statement != "BEGIN IMMEDIATE":
            return
        tries += 1
        if tries == 3:
            holder.execute("ROLLBACK")

    with closing(
        sqlite3.connect(sqlite_path, isolation_level=None, check_same_thread=False)
    ) as holder:
        holder.execute("BEGIN IMMEDIATE")
        event.listen(Engine, "before_cursor_execute", note)
        try:
            await set_name(impatient, "after all")
        finally:
            event.remove(Engine, "before_cursor_execute", note)

    assert tries == 3
    assert await get_name(impatient) == "after all"


async def test_whoever_waited_too_long_in_line_is_told(
    sqlite: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One writer at a time in a process: whose patience ends in line hears 503."""
    monkeypatch.setattr(module, "_LEAST_WAIT_SECONDS", 0)
    begun, go_on = threading.Event(), threading.Event()
    ran: list[str] = []

    def slow(_tx: Transaction) -> None:
        begun.set()
        go_on.wait()

    first = asyncio.create_task(sqlite.write(slow))
    await asyncio.to_thread(begun.wait)
    overdue = asyncio.create_task(sqlite.write(lambda _tx: ran.append("x"), patience_seconds=-1))
    patient = asyncio.create_task(sqlite.write(lambda _tx: ran.append("patient")))
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.wait((first, overdue, patient))

    assert ran == ["patient"]
    assert isinstance(overdue.exception(), DatabaseUnavailable)


async def test_everybody_gets_one_try(sqlite: Database) -> None:
    """A login whose time is nearly over has spent its code: it's tried, however little is left."""
    await sqlite.write(lambda _tx: None, patience_seconds=-9)


async def test_a_full_disk_ends_when_there_is_room(sqlite: Database) -> None:
    """The write fails whole, reading goes on, and later writes succeed without a restart."""
    await log_in(sqlite)
    pages = await sqlite.write(pragma("page_count"))
    await sqlite.write(pragma(f"max_page_count={pages}"))
    with pytest.raises(DatabaseUnavailable):
        await set_name(sqlite, "x" * 100_000)
    assert await get_name(sqlite) == "Ada"

    await sqlite.write(pragma(f"max_page_count={pages + 1000}"))
    await set_name(sqlite, "y" * 100_000)
    assert await get_name(sqlite) == "y" * 100_000


async def test_a_program_that_crashes_ends(sqlite: Database) -> None:
    """A connection that nobody closed doesn't keep a process alive; what was answered is kept."""
    await log_in(sqlite)
    url = sqlite.url.render_as_string(hide_password=False)
    crashed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", _CRASHER, url], capture_output=True, timeout=60
    )

    assert crashed.returncode == 7, crashed.stderr
    assert await get_name(sqlite) == "written"


# --- the log ---


async def test_what_was_erased_leaves_no_copy(sqlite: Database, sqlite_path: Path) -> None:
    """After an erasure neither the file nor its log holds a byte of the person."""
    gone = await log_in(
        sqlite, "777000777000", name="cAnArY Invented", session=new_session("cAnArYhash")
    )
    assert b"cAnArY" in _all_bytes(sqlite_path)
    await sqlite.write(lambda tx: people.remove(tx, gone.person_id))

    assert await sqlite.empty_log()

    left = _all_bytes(sqlite_path)
    assert b"cAnArY" not in left
    assert b"777000777000" not in left


async def test_a_reader_keeps_the_log_and_nobody_waits_for_it(
    sqlite: Database, sqlite_path: Path
) -> None:
    """False at once while somebody reads what was before; True as soon as he has left."""
    await log_in(sqlite)
    with stranger(sqlite_path, "BEGIN", "SELECT count(*) FROM people"):
        await set_name(sqlite, "newer")
        assert not await sqlite.empty_log()
        assert await get_name(sqlite) == "newer"
        keeper: SqliteThread = sqlite._engine._log_keeper  # type: ignore[union-attr]  # SQLite
        assert await keeper.run(pragma("busy_timeout"), FOREVER) == 0

    assert await sqlite.empty_log()
    assert sqlite_path.with_name("one.db-wal").stat().st_size == 0


async def test_a_writer_keeps_the_log_and_nobody_waits_for_it(
    sqlite: Database, sqlite_path: Path
) -> None:
    """The same beside a transaction that another program has open."""
    await log_in(sqlite)
    with stranger(sqlite_path, "BEGIN IMMEDIATE"):
        assert not await sqlite.empty_log()

    assert await sqlite.empty_log()


async def test_emptying_the_log_is_harmless_anywhere(database: Database) -> None:
    """What lives stays; PostgreSQL's log is its own."""
    await log_in(database)

    assert [await database.empty_log() for _ in range(3)] == [True] * 3
    assert await database.read(people.count) == 1


# --- what aiosqlite doesn't promise ---


async def test_a_whole_unit_is_one_visit(sqlite: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """From BEGIN to COMMIT, however many statements: one crossing to the connection's thread."""
    await sqlite.warm()
    visits = 0
    real = aiosqlite.Connection._execute

    async def counted(self: Any, *given: Any) -> Any:
        nonlocal visits
        visits += 1
        return await real(self, *given)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(aiosqlite.Connection, "_execute", counted)
    await log_in(sqlite)

    assert visits == 1


async def test_aiosqlite_s_own_is_as_this_program_knows_it(tmp_path: Path) -> None:
    """`_execute` runs any function in the connection's thread, in order, whatever becomes of who
    asked; `_conn` is the connection; `_thread` may be made a daemon. Else: mend `store/sqlite.py`.
    """
    parameters = inspect.signature(aiosqlite.Connection._execute).parameters
    assert list(parameters) == ["self", "fn", "args", "kwargs"]
    driver = aiosqlite.connect(tmp_path / "any.db")
    assert isinstance(driver._thread, threading.Thread)
    assert not driver._thread.is_alive()
    await driver
    try:
        assert isinstance(driver._conn, sqlite3.Connection)
        ident = await driver._execute(threading.get_ident)  # type: ignore[no-untyped-call]
        assert ident == driver._thread.ident
        with pytest.raises(ZeroDivisionError):
            await driver._execute(lambda: 1 // 0)  # type: ignore[no-untyped-call]
        await _stays_in_order(driver)
    finally:
        await driver.close()
    driver._thread.join(timeout=30)
    assert not driver._thread.is_alive()


async def _stays_in_order(driver: aiosqlite.Connection) -> None:
    go_on, done = threading.Event(), []

    def first() -> None:
        go_on.wait()
        done.append("first")

    left = asyncio.ensure_future(driver._execute(first))  # type: ignore[no-untyped-call]
    await asyncio.sleep(0)
    left.cancel()
    second = asyncio.ensure_future(
        driver._execute(lambda: done.append("second"))  # type: ignore[no-untyped-call]
    )
    await asyncio.sleep(0)
    go_on.set()
    await second

    assert done == ["first", "second"]
    assert left.cancelled()


def _race(url: str) -> list[tuple[int, str]]:
    """Three processes that count to twenty at once; how each ended, and what it complained of."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _COUNTER, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=90)[1] for racer in racers]
    return [(racer.returncode, each) for racer, each in zip(racers, said, strict=True)]


def _all_bytes(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))
