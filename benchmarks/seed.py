"""Fills a database with people: copies of one who has logged in, by set-based SQL.

    python -m benchmarks.seed --people 1000000 --accounts 3 --sessions 2 DATABASE_URL

Whoever logged in first is the pattern, so rows have the size and the words that the program
gives them; ids, subjects and hashes are new, and scattered as real ones are. The copies' tokens
can't be opened, since a token is sealed for its row; none of them is due for the keeper.
"""

import argparse
import asyncio
import hashlib
import sqlite3
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import asyncpg

from igauth.store.models import Base

BATCH: Final = 100_000
_NUMBERS: Final = """WITH RECURSIVE numbers(n) AS (
  SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}
), each_one(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM each_one WHERE k < {each})
"""
_PATTERN: Final = """SELECT c.person_id, c.id, a.instagram_account_id, s.id, e.id FROM connections c
JOIN listed_accounts a ON a.connection_id = c.id
JOIN sessions s ON s.person_id = c.person_id
JOIN audit_events e ON e.person = c.person_id
ORDER BY c.connected_at LIMIT 1"""
_POSTGRES_ID: Final = """CREATE FUNCTION pg_temp.new_id(tag text, n bigint, k bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$ SELECT md5(tag || n || '.' || k)::uuid::text $$"""
_TABLES: Final = (
    "people",
    "sign_ins",
    "connections",
    "listings",
    "listed_accounts",
    "sessions",
    "audit_events",
)


@dataclass(frozen=True, slots=True)
class Amounts:
    """How many people, and how many accounts and sessions of each."""

    people: int
    accounts: int = 3
    sessions: int = 2


class Connected(Protocol):
    """A connection to either database."""

    new_id: str
    """How its SQL calls the function that makes an id from a tag and two numbers."""
    indexes: str
    """Which query tells names and definitions of the indexes that no constraint needs."""

    async def run(self, sql: str) -> None:
        """Runs one statement, and keeps what it did."""
        ...

    async def fetch(self, sql: str) -> Sequence[Sequence[Any]]:
        """All rows."""
        ...

    async def close(self) -> None:
        """Ends it."""
        ...


class _Sqlite:
    new_id = "new_id"
    indexes = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.create_function("new_id", 3, _new_id, deterministic=True)
        for pragma in ("journal_mode=WAL", "synchronous=OFF", "cache_size=-400000"):
            self._connection.execute(f"PRAGMA {pragma}")

    async def run(self, sql: str) -> None:
        self._connection.execute(sql)

    async def fetch(self, sql: str) -> Sequence[Sequence[Any]]:
        return self._connection.execute(sql).fetchall()

    async def close(self) -> None:
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._connection.close()


class _Postgres:
    new_id = "pg_temp.new_id"
    indexes = """SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        AND indexname NOT IN (SELECT conname FROM pg_constraint)"""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    async def run(self, sql: str) -> None:
        await self._connection.execute(sql)

    async def fetch(self, sql: str) -> Sequence[Sequence[Any]]:
        rows: Sequence[Sequence[Any]] = await self._connection.fetch(sql)
        return rows

    async def close(self) -> None:
        await self._connection.close()


def _new_id(tag: str, number: int, each: int) -> str:
    digest = hashlib.md5(f"{tag}{number}.{each}".encode(), usedforsecurity=False).digest()
    return str(uuid.UUID(bytes=digest))


async def connect(url: str) -> Connected:
    """A connection to the database of a DATABASE_URL."""
    if url.startswith("sqlite"):
        connection: Connected = _Sqlite(url.partition("///")[2])
        return connection
    opened = _Postgres(await asyncpg.connect(url.replace("+asyncpg", "")))
    await opened.run(_POSTGRES_ID)
    await opened.run("SET session_replication_role = replica")  # no check of foreign keys
    return opened


async def seed(url: str, amounts: Amounts) -> float:
    """Copies the pattern so often; how many seconds it took."""
    began = time.perf_counter()
    database = await connect(url)
    try:
        patterns = await database.fetch(_PATTERN)
        if not patterns:
            raise SystemExit("nobody with an account has logged in to this database yet")
        indexes = await database.fetch(database.indexes)
        for name, _ in indexes:
            await database.run(f"DROP INDEX {name}")
        for first in range(1, amounts.people + 1, BATCH):
            last = min(first + BATCH - 1, amounts.people)
            for sql in statements(database.new_id, patterns[0], amounts, first, last):
                await database.run(sql)
            print(f"  {last} people, {time.perf_counter() - began:.0f} s", flush=True)
        for _, definition in indexes:
            await database.run(definition)
        await database.run("ANALYZE")
    finally:
        await database.close()
    return time.perf_counter() - began


def statements(
    new_id: str, pattern: Sequence[Any], amounts: Amounts, first: int, last: int
) -> Iterator[str]:
    """One INSERT for each table."""
    person_id, connection_id, account_id, session_id, event_id = pattern
    person = f"{new_id}('person', n, 0)"
    connection = f"{new_id}('connection', n, 0)"
    account = f"'17841' || (4000000000000 + n * {amounts.accounts} + k)"
    subject = "'10' || (20000000000000 + n)"
    changed: Mapping[str, Mapping[str, str]] = {
        "people": {"id": person},
        "sign_ins": {"subject": subject, "person_id": person},
        "connections": {"id": connection, "person_id": person, "subject": subject},
        "listings": {"connection_id": connection},
        "listed_accounts": {
            "connection_id": connection,
            "instagram_account_id": account,
            "position": "k - 1",
            "body": f"replace(t.body, '{account_id}', {account})",
        },
        "sessions": {
            "id": f"{new_id}('session', n, k)",
            "id_hash": f"{new_id}('a', n, k) || {new_id}('b', n, k)",
            "person_id": person,
        },
        "audit_events": {"id": f"{new_id}('audit', n, 0)", "person": person},
    }
    copied = {
        "people": f"t.id = '{person_id}'",
        "sign_ins": f"t.person_id = '{person_id}'",
        "connections": f"t.id = '{connection_id}'",
        "listings": f"t.connection_id = '{connection_id}'",
        "listed_accounts": (
            f"t.connection_id = '{connection_id}' AND t.instagram_account_id = '{account_id}'"
        ),
        "sessions": f"t.id = '{session_id}'",
        "audit_events": f"t.id = '{event_id}'",
    }
    each = {"listed_accounts": amounts.accounts, "sessions": amounts.sessions}
    for table in _TABLES:
        numbers = _NUMBERS.format(first=first, last=last, each=each.get(table, 1))
        yield _copy(table, changed[table], copied[table], numbers)


def _copy(table: str, changed: Mapping[str, str], copied: str, numbers: str) -> str:
    columns = [column.name for column in Base.metadata.tables[table].columns]
    values = [changed.get(name, f"t.{name}") for name in columns]
    return (
        f"INSERT INTO {table} ({', '.join(columns)})\n{numbers}"  # noqa: S608  # names and numbers of ours
        f"SELECT {', '.join(values)} FROM {table} AS t, numbers, each_one WHERE {copied}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, required=True)
    parser.add_argument("--accounts", type=int, default=3, help="of each (3)")
    parser.add_argument("--sessions", type=int, default=2, help="of each (2)")
    parser.add_argument("url", metavar="DATABASE_URL")
    given = parser.parse_args()
    amounts = Amounts(given.people, given.accounts, given.sessions)
    print(f"{asyncio.run(seed(given.url, amounts)):.0f} s")
