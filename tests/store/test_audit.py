"""The audit trail: what happened stays, whom it happened to doesn't once they are erased."""

from functools import partial
from typing import Any

from igauth.domain import PersonId
from igauth.store import audit
from igauth.store.database import Database
from tests.store.rows import LATER, MOMENT, NOW, sql


async def add(database: Database, **facts: Any) -> None:
    """One event."""
    await database.write(partial(audit.add, event="login.completed", **({"at": NOW} | facts)))


async def test_an_event_is_kept_with_its_facts(database: Database) -> None:
    """Who did what to whose grant; what isn't known is null."""
    facts = {
        "outcome": "ok",
        "actor": "meta",
        "person": "p",
        "connection": "c",
        "purpose": "publish",
        "request_id": "r-1",
    }
    await add(database)
    await add(database, **facts)
    found = await sql(database, f"SELECT {', '.join(facts)} FROM audit_events ORDER BY outcome")  # noqa: S608  # ours

    assert sorted(found, key=str) == sorted([(None,) * 6, tuple(facts.values())], key=str)


async def test_an_erased_person_leaves_a_hash_in_the_trail(database: Database) -> None:
    """Their events stay, under a hash in place of the id, and without their connections; others
    keep theirs."""
    for person in ("ada", "bob", None):
        await add(database, person=person, connection="c")
    await database.write(lambda tx: audit.forget_person(tx, PersonId("ada"), "hash"))
    found = await sql(database, "SELECT person, connection FROM audit_events")

    assert sorted(found, key=str) == sorted([("hash", None), ("bob", "c"), (None, "c")], key=str)


async def test_old_events_are_pruned(database: Database) -> None:
    """Strictly older ones only, and no more than asked for at a time."""
    for at in (NOW, NOW, NOW, LATER):
        await add(database, at=at)
    pruned = [
        await database.write(partial(audit.prune, before=before, limit=2))
        for before in (NOW, NOW + MOMENT, NOW + MOMENT, NOW + MOMENT)
    ]

    assert pruned == [0, 2, 1, 0]


async def test_the_newest_events_are_listed_oldest_first(database: Database) -> None:
    """Since an instant, of one person, by one actor; no more than asked for."""
    for number in range(4):
        facts = {"person": f"p{number % 2}", "actor": "meta" if number > 1 else None}
        await add(database, at=NOW + number * MOMENT, outcome=str(number), **facts)

    async def listed(limit: int = 9, since: int = 0, **named: str) -> str:
        given: dict[str, Any] = {"person": None, "actor": None} | named
        pick = partial(audit.list_events, since=NOW + since * MOMENT, limit=limit, **given)
        return "".join(str(row.outcome) for row in await database.read(pick))

    assert await listed() == "0123"
    assert await listed(limit=2) == "23"
    assert await listed(since=1) == "123"
    assert await listed(person="p1") == "13"
    assert await listed(actor="meta") == "23"
    assert await listed(person="p0", actor="meta") == "2"
