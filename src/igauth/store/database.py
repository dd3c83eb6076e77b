"""The engine(s), and the one way to a transaction.

SQLite gets two engines on one file: readers, and one writer that begins IMMEDIATE, because a
deferred transaction that turns into a write fails at once under load. PostgreSQL gets one.
Driver errors are mapped here and nowhere else.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from igauth.errors import DatabaseUnavailable

Transaction = AsyncConnection
"""What repositories work on: a write transaction, or a connection for reads."""

RETRY_AFTER_SECONDS = 5
_BUSY_MILLISECONDS = 5_000
_POOL_WAIT_SECONDS = 2
_RETURNING: set[asyncio.Future[None]] = set()
_STATEMENT_SECONDS = 5


class Database:
    """Opens lazily: making one does no I/O. `close()` ends every connection."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        if self.is_sqlite:
            self._reader = _sqlite_engine(self.url, pool_size=5, begin="BEGIN")
            self._writer = _sqlite_engine(self.url, pool_size=1, begin="BEGIN IMMEDIATE")
        else:
            self._reader = self._writer = _postgres_engine(self.url)

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncConnection]:
        """A write transaction: commits at the end, rolls back on any exception.

        Raises DatabaseUnavailable where the database doesn't answer.
        """
        with _mapped_errors():
            async with _checked_out(self._writer) as connection, connection.begin():
                yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncGenerator[AsyncConnection]:
        """A connection for reads only. Raises DatabaseUnavailable."""
        with _mapped_errors():
            async with _checked_out(self._reader) as connection:
                yield connection

    async def ping(self) -> None:
        """One read. Raises DatabaseUnavailable."""
        async with self.reading() as connection:
            await connection.execute(text("SELECT 1"))

    async def warm(self) -> None:
        """Opens the connection for writes, so that the first login doesn't wait for it."""
        with suppress(DatabaseUnavailable):  # a full disk must not end reading
            async with self.transaction() as connection:
                await connection.execute(text("SELECT 1"))

    async def forget_deleted(self) -> None:
        """Moves SQLite's log into the file and empties it, so that erased rows leave no copy."""
        if not self.is_sqlite:
            return
        with _mapped_errors():
            async with self._writer.connect() as connection:
                raw = await connection.get_raw_connection()
                driver: Any = raw.driver_connection
                await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    async def close(self) -> None:
        """Ends every connection, also those that are on their way back."""
        await asyncio.gather(*_RETURNING)
        await self._writer.dispose()
        if self._reader is not self._writer:
            await self._reader.dispose()


@asynccontextmanager
async def _checked_out(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    """A connection of the pool, which gets it back even if whoever asked is cancelled meanwhile."""
    connection = engine.connect()
    starting = asyncio.ensure_future(connection.start())
    try:
        await asyncio.shield(starting)
        yield connection
    except asyncio.CancelledError:
        _keep_until_done(_given_back(connection, starting))
        raise
    except BaseException:
        await asyncio.shield(_given_back(connection, starting))
        raise
    await asyncio.shield(_given_back(connection, starting))


def _keep_until_done(work: Coroutine[Any, Any, None]) -> None:
    """Whoever was cancelled doesn't wait for a database that may hang."""
    task = asyncio.ensure_future(work)
    _RETURNING.add(task)
    task.add_done_callback(_RETURNING.discard)


async def _given_back(connection: AsyncConnection, starting: asyncio.Future[Any]) -> None:
    with suppress(Exception):  # told already to whoever waited for it
        await starting
        await connection.close()


class _mapped_errors:  # noqa: N801  # reads as a statement: `with _mapped_errors():`
    """Turns what drivers raise into DatabaseUnavailable; bugs in our SQL go through."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, IntegrityError | ProgrammingError | DataError):
            return
        if _is_outage(error):
            raise DatabaseUnavailable(retry_after=RETRY_AFTER_SECONDS) from error


def _is_outage(error: BaseException | None) -> bool:
    """Whether the database failed. asyncpg's own errors reach us unwrapped while connecting."""
    if isinstance(error, DBAPIError | PoolTimeout | OSError | sqlite3.Error):
        return True
    return type(error).__module__.startswith("asyncpg.")


def _sqlite_engine(url: URL, *, pool_size: int, begin: str) -> AsyncEngine:
    engine = create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_BUSY_MILLISECONDS / 1000,
        hide_parameters=True,
        connect_args={"isolation_level": None, "timeout": _BUSY_MILLISECONDS / 1000},
    )
    event.listen(engine.sync_engine, "connect", _set_pragmas)
    event.listen(engine.sync_engine, "begin", _begin_with(begin))
    return engine


def _postgres_engine(url: URL) -> AsyncEngine:
    return create_async_engine(
        url,
        pool_size=10,
        max_overflow=10,
        pool_timeout=_POOL_WAIT_SECONDS,
        pool_pre_ping=True,
        pool_recycle=1_800,
        hide_parameters=True,
        connect_args={"timeout": _POOL_WAIT_SECONDS, "command_timeout": _STATEMENT_SECONDS},
    )


def _set_pragmas(connection: Any, _record: Any) -> None:
    """Prepares a fresh connection; one that can't be prepared is closed, as no pool holds it."""
    try:
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={_BUSY_MILLISECONDS}",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
            "secure_delete=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
    except BaseException:
        connection.close()
        raise


def _begin_with(statement: str) -> Callable[[Any], None]:
    def begin(connection: Any) -> None:
        connection.exec_driver_sql(statement)

    return begin
