"""The least that could be paid: applications which do nothing but what can't be left out.

`bare`: ASGI without a framework. `keyed_read_…`: FastAPI, a cookie, one read by it, a model in
JSON. `calls_…`: FastAPI,
so many Graph calls by aiohttp (one, then the others at once, as in a login) and one upsert.
They run in a process of their own behind the uvicorn of `uvicorn_runner`, and are told by the
environment what igauth is told, and `CALLS`.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Any, Final, Protocol

import aiohttp
import aiosqlite
import asyncpg
from fastapi import Cookie, FastAPI
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

_TABLE: Final = "CREATE TABLE IF NOT EXISTS floor (id TEXT PRIMARY KEY, name TEXT NOT NULL)"
_UPSERT: Final = "INSERT INTO floor VALUES ({}, {}) ON CONFLICT (id) DO UPDATE SET name = {}"
_TOKEN: Final = "Bearer EAAinventedShort1x0000000001"


class Person(BaseModel):
    """What a keyed read answers."""

    id: str
    name: str | None


class Rows(Protocol):
    """One table of one database."""

    async def upsert(self, key: str, name: str) -> None:
        """Writes a row, durably."""
        ...

    async def find(self, key: str) -> str | None:
        """Reads one by its key."""
        ...


class SqliteRows:
    """aiosqlite, one connection, as durable as igauth's."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def upsert(self, key: str, name: str) -> None:
        """Writes a row, and commits."""
        await self._connection.execute(_UPSERT.format("?", "?", "?"), (key, name, name))
        await self._connection.commit()

    async def find(self, key: str) -> str | None:
        """Reads one."""
        query = "SELECT name FROM floor WHERE id = ?"
        async with self._connection.execute(query, (key,)) as cursor:
            row = await cursor.fetchone()
        return None if row is None else str(row[0])


class PostgresRows:
    """asyncpg and its pool."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def upsert(self, key: str, name: str) -> None:
        """Writes a row; the statement is its own transaction."""
        await self._pool.execute(_UPSERT.format("$1", "$2", "$2"), key, name)

    async def find(self, key: str) -> str | None:
        """Reads one."""
        found = await self._pool.fetchval("SELECT name FROM floor WHERE id = $1", key)
        return None if found is None else str(found)


@asynccontextmanager
async def _sqlite() -> AsyncIterator[Rows]:
    path = os.environ["DATABASE_URL"].partition("///")[2]
    async with aiosqlite.connect(path) as connection:
        await connection.execute("PRAGMA journal_mode=WAL")
        await connection.execute("PRAGMA synchronous=FULL")
        await connection.execute(_TABLE)
        yield SqliteRows(connection)


@asynccontextmanager
async def _postgres() -> AsyncIterator[Rows]:
    url = os.environ["DATABASE_URL"].replace("+asyncpg", "")
    async with asyncpg.create_pool(url, min_size=20, max_size=20) as pool:
        await pool.execute(_TABLE)
        yield PostgresRows(pool)


def bare() -> ASGIApp:
    """No framework at all."""
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}
    body = {"type": "http.response.body", "body": b"{}"}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send(start)
            await send(body)

    return app


def keyed_read_sqlite() -> FastAPI:
    """FastAPI and one keyed read by aiosqlite."""
    return _keyed_read(_sqlite())


def keyed_read_postgres() -> FastAPI:
    """FastAPI and one keyed read by asyncpg."""
    return _keyed_read(_postgres())


def calls_sqlite() -> FastAPI:
    """FastAPI, Graph calls and an upsert by aiosqlite."""
    return _calls(_sqlite())


def calls_postgres() -> FastAPI:
    """FastAPI, Graph calls and an upsert by asyncpg."""
    return _calls(_postgres())


def _keyed_read(opening: AbstractAsyncContextManager[Rows]) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opening as rows:
            await rows.upsert("1", "Ada Invented")
            app.state.rows = rows
            yield

    app = _new_app(lifespan)

    @app.get("/read")
    async def read(key: Annotated[str, Cookie()]) -> Person:
        return Person(id=key, name=await app.state.rows.find(key))

    return app


def _calls(opening: AbstractAsyncContextManager[Rows]) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with opening as rows, aiohttp.ClientSession() as session:
            app.state.rows, app.state.session = rows, session
            yield

    app = _new_app(lifespan)
    url = f"{os.environ['FACEBOOK_GRAPH_URL']}/v26.0/me"
    others = int(os.environ["CALLS"]) - 1

    async def call() -> Any:
        headers = {"Authorization": _TOKEN}
        async with app.state.session.get(url, params={"fields": "id,name"}, headers=headers) as got:
            return await got.json(content_type=None)

    @app.get("/calls")
    async def calls(key: str) -> dict[str, str]:
        person = await call()
        await asyncio.gather(*(call() for _ in range(others)))
        await app.state.rows.upsert(key, person["name"])
        return {"id": key}

    return app


def _new_app(lifespan: Any) -> FastAPI:
    app = FastAPI(lifespan=lifespan)

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {}

    return app
