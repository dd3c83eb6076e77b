"""SQLite: a thread for each connection, and a whole transaction as one visit to it.

aiosqlite crosses to its thread once for each statement, which costs ten times the statement
(record 13). Here a synchronous Core engine works on the connection that aiosqlite's thread owns,
and a unit of work runs in that thread from BEGIN to COMMIT. `_execute` isn't public: the version
is pinned, and `tests/store/test_sqlite.py` fails when it changes.
"""

import asyncio
import contextvars
import sqlite3
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import aiosqlite
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.pool import StaticPool

Result = TypeVar("Result")
Unit = Callable[[Connection], Result]

BUSY_MILLISECONDS: Final = 1_000
"""How long one try waits for another process's lock; `database` repeats it, so that whoever is
next in this thread's queue isn't held up by one caller's whole patience."""

_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",  # what was answered survives a power cut (contract §9)
    "foreign_keys=ON",
    "secure_delete=ON",
)
_OURS: Final = ("isolation_level", "timeout", "check_same_thread")


class Overdue(Exception):
    """The caller's patience ended before it was its turn."""


class SqliteThread:
    """One connection in a thread of its own, opened at the first visit."""

    def __init__(self, url: URL, begin: str, busy_milliseconds: int = BUSY_MILLISECONDS) -> None:
        self._url = url
        self._begin = begin
        self._busy_milliseconds = busy_milliseconds
        self._driver: aiosqlite.Connection | None = None
        self._engine: Engine | None = None
        self._opening = asyncio.Lock()

    async def run(self, unit: Unit[Result], until: float) -> Result:
        """`unit` in one transaction; commits at its end, rolls back on any exception.

        Raises Overdue where its turn comes after the instant `until` of the monotonic clock.
        """
        driver = self._driver or await self._open()
        context = contextvars.copy_context()
        done: Result = await _visit(driver, context.run, self._in_transaction, unit, until)
        return done

    async def empty_log(self) -> bool:
        """Moves the write-ahead log into the file and empties it; False while a reader is open."""
        driver = self._driver or await self._open()
        busy, *_ = await _visit(driver, _checkpoint, driver._conn)
        return not busy

    async def close(self) -> None:
        """Ends connection and thread."""
        driver, self._driver, self._engine = self._driver, None, None
        if driver is not None:
            await driver.close()

    def _in_transaction(self, unit: Unit[Result], until: float) -> Result:
        assert self._engine is not None  # noqa: S101  # `run` opened it
        if time.monotonic() > until:
            raise Overdue
        with self._engine.begin() as connection:
            return unit(connection)

    async def _open(self) -> aiosqlite.Connection:
        async with self._opening:
            if self._driver is None:
                path, options = _connecting(self._url)
                driver = aiosqlite.connect(*path, **options, isolation_level=None, timeout=0)
                driver._thread.daemon = True  # a program that crashes must not wait for it
                await driver
                try:
                    await _visit(driver, self._prepare, driver._conn)
                except BaseException:
                    await driver.close()
                    raise
                self._engine = self._engine_on(driver._conn)
                self._driver = driver
        return self._driver

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA busy_timeout={self._busy_milliseconds}")
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    def _engine_on(self, connection: sqlite3.Connection) -> Engine:
        """A Core engine that has this very connection and no other."""
        engine = create_engine(
            "sqlite://",
            creator=lambda: connection,
            poolclass=StaticPool,
            hide_parameters=True,
        )
        event.listen(engine, "begin", lambda opened: opened.exec_driver_sql(self._begin))
        return engine


async def _visit(driver: aiosqlite.Connection, work: Callable[..., Any], *given: Any) -> Any:
    """Runs `work` in the connection's own thread."""
    return await driver._execute(work, *given)  # type: ignore[no-untyped-call]


def _checkpoint(connection: sqlite3.Connection) -> Any:
    """(busy, frames in the log, frames moved): SQLite, "PRAGMA wal_checkpoint"."""
    return connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _connecting(url: URL) -> tuple[Any, dict[str, Any]]:
    """Path and options of a URL, as SQLAlchemy understands it; the options that are ours aside."""
    path, options = url.get_dialect()().create_connect_args(url)
    return path, {name: each for name, each in options.items() if name not in _OURS}
