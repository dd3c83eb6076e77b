"""Seeding copies somebody who logged in, on either database."""

from typing import Any

from benchmarks.seed import Amounts, connect, seed

from tests.stage import Browser

PEOPLE = 25
_LOST = """SELECT count(*) FROM sessions s
LEFT JOIN people p ON p.id = s.person_id
LEFT JOIN sign_ins i ON i.person_id = p.id
LEFT JOIN connections c ON c.person_id = p.id
LEFT JOIN listings l ON l.connection_id = c.id
LEFT JOIN listed_accounts a ON a.connection_id = l.connection_id
WHERE a.instagram_account_id IS NULL OR i.subject <> c.subject"""


async def test_every_copy_is_whole(browser: Browser, database_url: str) -> None:
    """Person, sign-in, connection, listing, accounts and sessions belong together."""
    await browser.log_in("gus")
    await browser.accounts()
    before = await _counts(database_url)
    await seed(database_url, Amounts(PEOPLE, accounts=3, sessions=2))
    after = await _counts(database_url)

    assert {name: after[name] - before[name] for name in after} == {
        "people": PEOPLE,
        "sign_ins": PEOPLE,
        "connections": PEOPLE,
        "listings": PEOPLE,
        "listed_accounts": 3 * PEOPLE,
        "sessions": 2 * PEOPLE,
        "audit_events": PEOPLE,
    }
    assert await _count(database_url, _LOST) == 0


async def test_indexes_are_there_again(browser: Browser, database_url: str) -> None:
    """They are dropped meanwhile, and made as they were."""
    await browser.log_in("gus")
    await browser.accounts()
    database = await connect(database_url)
    before = sorted(tuple(row) for row in await database.fetch(database.indexes))
    await seed(database_url, Amounts(1))
    after = sorted(tuple(row) for row in await database.fetch(database.indexes))
    await database.close()

    assert before
    assert after == before


async def _counts(url: str) -> dict[str, int]:
    tables = ("people", "sign_ins", "connections", "listings", "listed_accounts", "sessions")
    return {
        name: await _count(url, f"SELECT count(*) FROM {name}")  # noqa: S608  # names of ours
        for name in (*tables, "audit_events")
    }


async def _count(url: str, query: str) -> int:
    database = await connect(url)
    rows: Any = await database.fetch(query)
    await database.close()
    return int(rows[0][0])
