"""Migrations on one connection, under a lock: any number of processes may run them at once."""

import asyncio
from typing import Any, Literal

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from igauth.database_url import parse_database_url
from igauth.settings import Settings, load
from igauth.store import event_models
from igauth.store.models import UtcDateTime

_TABLES = event_models.Base.metadata
_POSTGRES_LOCK = 7_265_190_441
_SQLITE_WAIT_SECONDS = 60


def _url() -> str:
    """The URL that `igauth.store.migrations` hands over, else the one in the settings."""
    given: str | None = context.config.attributes.get("url")
    return given or load(Settings).database_url.get_secret_value()


def _engine(url: str) -> AsyncEngine:
    address = parse_database_url(url)
    sqlite = {"isolation_level": None, "timeout": _SQLITE_WAIT_SECONDS}
    return create_async_engine(
        address.url,
        poolclass=pool.NullPool,
        hide_parameters=True,
        connect_args=sqlite if address.is_sqlite else address.connect_args(),
    )


def _plain_types(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """A migration names SQLAlchemy's own types only: ours may change, it may not."""
    return (
        "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcDateTime) else False
    )


def _migrate(connection: Connection) -> None:
    """Locks first, then reads the version: the loser of a race finds nothing left to do."""
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _POSTGRES_LOCK})
    context.configure(
        connection=connection,
        target_metadata=_TABLES,
        render_as_batch=sqlite,
        compare_type=True,
        render_item=_plain_types,
    )
    with context.begin_transaction():
        context.run_migrations()


async def _run() -> None:
    engine = _engine(_url())
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_migrate)
    finally:
        await engine.dispose()


if context.is_offline_mode():
    context.configure(url=_url(), target_metadata=_TABLES, literal_binds=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    asyncio.run(_run())
