"""The one way to the database: a unit of work, whole or not at all.

    await database.write(unit)   a transaction: commits at its end, rolls back on any exception
    await database.read(unit)    reads alone

A unit is a plain function of a Core connection, which repositories work on; it may run more than
once, since deadlocks, busy databases and connections found dead are met by repeating it, so it
changes nothing but the database. On SQLite units run in the connection's own thread (`sqlite`),
one writer and a few readers; on PostgreSQL on a pool (`postgres`). Driver errors are mapped here
and nowhere else.
"""

import asyncio
import random
import sqlite3
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from igauth.database_url import parse_database_url
from igauth.errors import DatabaseUnavailable, NotReady, Overloaded
from igauth.store import postgres
from igauth.store.postgres import Unconfirmed
from igauth.store.sqlite import Overdue, SqliteThread

_log = structlog.stdlib.get_logger("igauth.database")
Transaction = Connection
"""What repositories work on."""

Result = TypeVar("Result")
Unit = Callable[[Transaction], Result]
_Run = Callable[[Callable[[Transaction], Result], float], Coroutine[Any, Any, Result]]
"""Runs a unit once, if its turn comes before an instant of the monotonic clock."""

RETRY_AFTER_SECONDS: Final = 5
MOST_WAITING: Final = 1_000
_READERS: Final = 3
_PATIENCE_SECONDS: Final = 5.0
_LEAST_WAIT_SECONDS: Final = 1.0
"""For one's turn, however little patience is left: everybody gets one try."""

_SHORTEST_PAUSE_SECONDS: Final = 0.01
_LONGEST_PAUSE_SECONDS: Final = 0.5
_REPEATABLE_SQLSTATES: Final = frozenset({"40001", "40P01"})  # serialization failure, deadlock
_BAD_DATA: Final = frozenset({"21", "22"})  # classes: cardinality violation, data exception
_REPEATABLE_SQLITE: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class Database:
    """Opens lazily: making one does no I/O. `close()` ends every connection."""

    def __init__(self, url: str) -> None:
        self.address = parse_database_url(url)
        self.url = make_url(self.address.url)
        self.is_sqlite = self.address.is_sqlite
        self._engine: _Sqlite | _Postgres = _Sqlite(self) if self.is_sqlite else _Postgres(self)
        self._closed: str | None = None
        self._working: set[asyncio.Task[Any]] = set()

    async def write(
        self,
        unit: Unit[Result],
        *,
        patience_seconds: float = _PATIENCE_SECONDS,
        owed: bool = False,
    ) -> Result:
        """Runs `unit` in a transaction. Raises DatabaseUnavailable; Overloaded, NotReady at once.

        A caller that is cancelled leaves the transaction to end by itself. Deadlocks and a busy
        database are met by repeating within `patience_seconds`; a commit that wasn't confirmed
        is not, since nobody knows whether it happened. What is `owed`, because a code is spent
        on it, is never turned away.
        """
        if not owed:
            self._check_open()
            self._check_room()
        return await self._run(self._engine.write, unit, patience_seconds)

    async def read(self, unit: Unit[Result], *, noted: bool = True) -> Result:
        """Runs `unit` on a connection for reads only. Raises DatabaseUnavailable, Overloaded.

        Not `noted`: who asks tells of a failure, so the log needn't.
        """
        self._check_room()
        return await self._run(self._engine.read, unit, _PATIENCE_SECONDS, noted=noted)

    def close_to_writes(self, why: str | None) -> None:
        """From now on writes raise NotReady with this sentence; None: they don't."""
        self._closed = why

    async def warm(self) -> None:
        """Opens the connection for writes, so that the first login doesn't wait for it."""
        with suppress(DatabaseUnavailable):  # a full disk must not end reading
            await self.write(lambda tx: tx.execute(text("SELECT 1")).scalar_one())

    async def empty_log(self) -> bool:
        """Removes what was erased from SQLite's write-ahead log, too; False: a reader is open.

        Never waits for anybody. Raises DatabaseUnavailable.
        """
        try:
            return await asyncio.shield(self._begin(self._engine.empty_log()))
        except Exception as error:
            raise _refused(error) from error

    async def close(self) -> None:
        """Ends every connection, after what still runs."""
        if self._working:
            await asyncio.wait(self._working)
        await self._engine.close()

    async def _run(
        self,
        run: _Run[Result],
        unit: Unit[Result],
        patience_seconds: float,
        *,
        noted: bool = True,
    ) -> Result:
        work = _repeated(run, unit, patience_seconds, noted=noted)
        return await asyncio.shield(self._begin(work))

    def _begin(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        """A task that nobody's cancellation reaches, and that `close` waits for."""
        begun = asyncio.ensure_future(work)
        self._working.add(begun)
        begun.add_done_callback(self._done)
        return begun

    def _check_open(self) -> None:
        if self._closed is not None:
            raise NotReady(self._closed)

    def _check_room(self) -> None:
        if len(self._working) >= MOST_WAITING:
            raise Overloaded

    def _done(self, work: asyncio.Task[Any]) -> None:
        self._working.discard(work)
        if not work.cancelled():
            work.exception()  # told to whoever still waits


async def _repeated(
    run: _Run[Result], unit: Unit[Result], patience_seconds: float, *, noted: bool
) -> Result:
    """The unit, again while the database asks for it; every other failure in our words."""
    until = time.monotonic() + patience_seconds
    turn_until = max(until, time.monotonic() + _LEAST_WAIT_SECONDS)
    pause = _SHORTEST_PAUSE_SECONDS
    stale = postgres.POOL_CONNECTIONS + 1
    while True:
        try:
            return await run(unit, turn_until)
        except Exception as error:
            if _is_stale(error) and stale > 0:
                stale, wait = stale - 1, 0.0
            elif _is_contended(error) and time.monotonic() < until:
                wait = pause * random.uniform(0.5, 1)  # noqa: S311  # jitter, no secret
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
            else:
                failure = _refused(error)
                if failure is not error and noted:
                    _note(error)
                raise failure from (error if failure is not error else error.__cause__)
        await asyncio.sleep(wait)


def _note(error: Exception) -> None:
    """One line with the cause's kind; its text may hold an address or a value."""
    origin = getattr(error, "orig", None) or error
    _log.warning(
        "database.failed",
        cause=type(origin).__name__,
        sqlstate=getattr(origin, "sqlstate", None),
        sqlite=getattr(origin, "sqlite_errorname", None),
    )


class _Sqlite:
    """One writer that begins IMMEDIATE, because a deferred transaction that turns into a write
    fails at once under load; and readers."""

    def __init__(self, database: Database) -> None:
        self._writer = SqliteThread(database.url, "BEGIN IMMEDIATE")
        self._log_keeper = SqliteThread(database.url, "BEGIN", busy_milliseconds=0)
        self._readers = [SqliteThread(database.url, "BEGIN") for _ in range(_READERS)]
        self._idle = asyncio.LifoQueue[SqliteThread]()
        for reader in self._readers:
            self._idle.put_nowait(reader)

    async def write(self, unit: Unit[Result], until: float) -> Result:
        return await self._writer.run(unit, until)

    async def read(self, unit: Unit[Result], until: float) -> Result:
        reader = await self._idle.get()
        try:
            return await reader.run(unit, until)
        finally:
            self._idle.put_nowait(reader)

    async def empty_log(self) -> bool:
        return await self._log_keeper.empty_log()

    async def close(self) -> None:
        for thread in (self._writer, self._log_keeper, *self._readers):
            await thread.close()


class _Postgres:
    """One pool, whose own bound on waiting for a connection holds for everybody."""

    def __init__(self, database: Database) -> None:
        address = database.address
        self._engine = postgres.open_engine(database.url, address.connect_args())
        # Behind a pooler a statement and what it was prepared as meet in a transaction only.
        each_by_itself = {} if address.pooled else {"isolation_level": "AUTOCOMMIT"}
        self._reads = self._engine.execution_options(**each_by_itself)

    async def write(self, unit: Unit[Result], _until: float) -> Result:
        return await postgres.run(self._engine, unit)

    async def read(self, unit: Unit[Result], _until: float) -> Result:
        return await postgres.read(self._reads, unit)

    async def empty_log(self) -> bool:
        """PostgreSQL's log is its own, and kept from readers."""
        return True

    async def close(self) -> None:
        await self._engine.dispose()


def _is_stale(error: Exception) -> bool:
    """A pooled connection that turned out dead before COMMIT was sent."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _is_contended(error: Exception) -> bool:
    """Deadlock, serialization failure, SQLite held by another process, or a connection that a
    busy machine did not finish opening in time."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(origin, TimeoutError):
        return True
    if isinstance(origin, sqlite3.Error):
        return getattr(origin, "sqlite_errorcode", 0) & 0xFF in _REPEATABLE_SQLITE
    return getattr(origin, "sqlstate", None) in _REPEATABLE_SQLSTATES


def _is_bad_data(error: Exception) -> bool:
    """Values that can't be held, or twice the same; SQLAlchemy has no class for asyncpg's."""
    state = getattr(getattr(error, "orig", None), "sqlstate", None)
    return isinstance(error, DataError) or str(state)[:2] in _BAD_DATA


def _refused(error: Exception) -> Exception:
    """What drivers raise, in our words; bugs in our SQL and everything else as it is."""
    if isinstance(error, IntegrityError | ProgrammingError) or _is_bad_data(error):
        return error
    if isinstance(
        error, DBAPIError | PoolTimeout | OSError | sqlite3.Error | Unconfirmed | Overdue
    ):
        return DatabaseUnavailable(retry_after=RETRY_AFTER_SECONDS)
    return error
