"""Connections as an operator looks for them."""

from datetime import timedelta
from functools import partial

import pytest

from igauth.domain import Provider, Subject
from igauth.store import support
from igauth.store.database import Database
from igauth.store.listings import AccountRow
from igauth.store.support import FoundConnection
from tests.store.rows import NOW, get_connection, listing_of, log_in

ACCOUNT = AccountRow("17841", "accounts", '{"id":"17841","username":"invented.bakery"}')
NAMELESS = AccountRow("17842", "accounts", '{"id":"17842","username":null}')


async def find(database: Database, known: str | None, limit: int = 9) -> list[FoundConnection]:
    """What an operator finds."""
    return await database.read(partial(support.find_connections, known=known, limit=limit))


async def test_the_newest_come_first(database: Database) -> None:
    """Of all, and no more than asked for."""
    ids = [
        (await log_in(database, str(number), now=NOW + timedelta(number))).connection_id
        for number in range(4)
    ]

    assert [each.connection.id for each in await find(database, None, 3)] == ids[:0:-1]


@pytest.mark.parametrize("known", ["1001", "178", "17842", "ADA", "da", "the person", "the row"])
async def test_whatever_somebody_knows_finds_theirs(database: Database, known: str) -> None:
    """An id of the connection's, the person's, of Meta's, or a part of a name."""
    done = await log_in(
        database, other_subject=Subject("178"), name="Ada", **listing_of(ACCOUNT, NAMELESS)
    )
    await log_in(database, "1002", name="Bob")
    asked = {"the person": done.person_id, "the row": done.connection_id}.get(known, known)

    assert await find(database, asked) == [
        FoundConnection(
            await get_connection(database, done),
            (("17841", "invented.bakery"), ("17842", None)),
        )
    ]


@pytest.mark.parametrize("known", ["%", "_", "100", "", "invented"])
async def test_what_nobody_is_called_finds_nothing_of_theirs(
    database: Database, known: str
) -> None:
    """Text is text, never a pattern; a part of an id is no id; the empty text is everybody's."""
    await log_in(database, name="Ada", **listing_of(ACCOUNT))
    await log_in(database, "77", provider=Provider.INSTAGRAM, name=None)

    assert len(await find(database, known)) == (1 if known == "" else 0)
