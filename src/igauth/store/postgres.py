"""PostgreSQL by asyncpg: one pool, units of work by SQLAlchemy's bridge."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, ExceptionContext, event
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

Result = TypeVar("Result")

POOL_CONNECTIONS: Final = 20
CONNECT_SECONDS: Final = 2
STATEMENT_SECONDS: Final = 5
LONGEST_WAIT_SECONDS: Final = 15
"""For a connection of the pool: as long as a callback may take (contract §8)."""


class Unconfirmed(Exception):
    """COMMIT was sent, and no answer came: nobody knows whether it happened."""


def open_engine(url: URL, given: Mapping[str, Any]) -> AsyncEngine:
    """The engine; connects at the first use. No ping before use: a dead connection is met by
    the transaction's own repetition (`database`). `given`: what DATABASE_URL says to the driver.
    """
    options: dict[str, Any] = {
        "timeout": CONNECT_SECONDS,
        "command_timeout": STATEMENT_SECONDS,
        **given,
    }
    engine = create_async_engine(
        url,
        pool_size=POOL_CONNECTIONS,
        max_overflow=0,
        pool_timeout=LONGEST_WAIT_SECONDS,
        pool_recycle=1_800,
        pool_use_lifo=True,
        hide_parameters=True,
        connect_args=options,
    )
    event.listen(engine.sync_engine, "handle_error", _forget_values)
    return engine


async def run(engine: AsyncEngine, unit: Callable[[Connection], Result]) -> Result:
    """`unit` in one transaction; commits at its end, rolls back on any exception.

    Raises Unconfirmed where the commit failed, what drivers raise where anything before it did.
    """
    async with engine.connect() as connection:
        done = await connection.run_sync(unit)
        try:
            await connection.commit()
        except Exception as error:
            raise Unconfirmed from error
    return done


async def read(engine: AsyncEngine, unit: Callable[[Connection], Result]) -> Result:
    """`unit` for reads alone: each statement by itself, without BEGIN and ROLLBACK."""
    async with engine.connect() as connection:
        return await connection.run_sync(unit)


def _forget_values(context: ExceptionContext) -> None:
    """PostgreSQL's details quote whole rows; a traceback must not."""
    told = context.original_exception.__cause__
    if getattr(told, "detail", None) is not None:
        told.detail = None  # type: ignore[union-attr]  # asyncpg's PostgresError
