"""Statements for both databases: sent together, many rows at once, deleted without waiting."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from igauth.store.database import Database, Transaction
from igauth.store.models import Pause, Turn
from igauth.store.statements import ManyRows, Together, delete_some, given
from tests.store.rows import NOW, sql
from tests.store.watching import Watched

_PAUSE: Any = insert(Pause).values(**given("scope", "until", "seconds"))
_TURN: Any = insert(Turn).values(**given("name"))
GIVEN = {"scope": "app", "until": NOW, "seconds": 9, "name": "t"}


async def pause(database: Database, *scopes: str) -> None:
    """Rows to delete."""
    for scope in scopes:
        await database.write(
            lambda tx, scope=scope: tx.execute(  # type: ignore[misc]
                insert(Pause).values(scope=scope, until=NOW, seconds=1)
            )
        )


async def test_writes_go_together(database: Database, statements: Watched) -> None:
    """One statement where the database can; parameters that nobody asks for don't matter."""
    both = Together(_PAUSE, _TURN)
    await database.write(lambda tx: both.execute(tx, GIVEN | {"unasked": object()}))
    assert len(statements) == (2 if database.is_sqlite else 1)

    assert await sql(database, "SELECT scope, seconds FROM pauses") == [("app", 9)]
    assert await sql(database, "SELECT name FROM turns") == [("t",)]


async def test_writes_that_go_together_fail_together(database: Database) -> None:
    """The last one's broken rule takes all of them back."""
    await sql(database, "INSERT INTO turns (name) VALUES ('t')")
    both = Together(_PAUSE, _TURN)

    with pytest.raises(IntegrityError):
        await database.write(lambda tx: both.execute(tx, GIVEN))
    assert await sql(database, "SELECT scope FROM pauses") == []


async def test_rows_take_their_values_from_lists(sqlite: Database) -> None:
    """What is no list is the same in each; of empty lists nothing comes."""
    rows = Together(ManyRows(lambda _dialect, _insert: _PAUSE))
    for scopes in (["a", "b", "c"], []):
        values = {"scope": scopes, "until": "noon", "seconds": list(range(len(scopes)))}
        await sqlite.write(lambda tx, of=values: rows.execute(tx, of))  # type: ignore[misc]

    assert await sql(sqlite, "SELECT scope, until, seconds FROM pauses ORDER BY scope") == [
        *(("a", "noon", 0), ("b", "noon", 1), ("c", "noon", 2))
    ]


async def test_deleting_keeps_its_limit(database: Database) -> None:
    """And tells how many went, to go on where it stopped."""
    await pause(database, *"abcde")

    def unit(tx: Transaction) -> int:
        return delete_some(tx, Pause.scope, Pause.scope > "a", 3)

    assert [await database.write(unit) for _ in range(3)] == [3, 1, 0]
    assert await sql(database, "SELECT scope FROM pauses") == [("a",)]


async def test_deleting_waits_for_nobody(postgresql: Database) -> None:
    """A row that somebody works on is left for the next time: no deadlock with a login."""
    await pause(postgresql, *"abc")
    engine = create_async_engine(postgresql.url)
    async with engine.begin() as busy:
        await busy.execute(text("SELECT 1 FROM pauses WHERE scope = 'b' FOR UPDATE"))
        gone = await asyncio.wait_for(
            postgresql.write(lambda tx: delete_some(tx, Pause.scope, Pause.until <= NOW, 9)), 30
        )
    await engine.dispose()

    assert gone == 2
    assert await sql(postgresql, "SELECT scope FROM pauses") == [("b",)]
