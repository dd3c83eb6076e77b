"""Sessions: live or not, whose they are, and how many."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from igauth.domain import PersonId, SessionHash
from igauth.store import sessions
from igauth.store.database import Database
from igauth.store.sessions import SessionRow
from tests.store.rows import LATER, NOW, add_person

IDLE_SINCE = NOW - timedelta(days=14)
HASH = SessionHash("a" * 64)
OTHER = SessionHash("b" * 64)


async def add(
    database: Database,
    person: PersonId,
    id_hash: SessionHash = HASH,
    *,
    now: datetime = NOW,
    days: int = 60,
) -> None:
    """A session that ends after so many days."""
    async with database.transaction() as tx:
        await sessions.add(
            tx,
            id_hash=id_hash,
            person_id=person,
            user_agent="Firefox",
            now=now,
            expires_at=now + timedelta(days=days),
        )


async def find(
    database: Database, *hashes: SessionHash, now: datetime = NOW, idle_since: datetime = IDLE_SINCE
) -> SessionRow | None:
    """The live session under one of these."""
    async with database.reading() as tx:
        found = await sessions.find(tx, hashes, now=now, idle_since=idle_since)
    return None if found is None else found[0]


async def live(database: Database, person: PersonId) -> list[SessionHash]:
    """Hashes of a person's live sessions, in the list's order."""
    async with database.reading() as tx:
        rows = await sessions.list_live(tx, person, now=NOW, idle_since=IDLE_SINCE)
    return [row.id_hash for row in rows]


async def test_a_session_is_found_with_its_person(database: Database, ada: PersonId) -> None:
    """One query: the session and whose it is, instants aware."""
    await add(database, ada)
    async with database.reading() as tx:
        found = await sessions.find(tx, [OTHER, HASH], now=NOW, idle_since=IDLE_SINCE)
    assert found is not None
    row, person = found

    assert (row.person_id, row.id_hash, row.user_agent) == (ada, HASH, "Firefox")
    assert (row.created_at, row.last_seen_at, row.expires_at) == (NOW, NOW, NOW + timedelta(60))
    assert (person.id, person.name, person.created_at) == (ada, "Ada", NOW)
    assert row.id != HASH


async def test_a_session_ends_at_its_limits(database: Database, ada: PersonId) -> None:
    """Absolute and idle end, to the microsecond: find, list, count and prune agree."""
    moment = timedelta(microseconds=1)
    for now, idle_since, lives in (
        (NOW + timedelta(days=60) - moment, IDLE_SINCE, True),
        (NOW, NOW - moment, True),
        (NOW, NOW, False),
        (NOW + timedelta(days=60), IDLE_SINCE, False),
    ):
        async with database.transaction() as tx:
            await sessions.remove_all(tx, ada)
        await add(database, ada)
        async with database.transaction() as tx:
            found = await sessions.find(tx, [HASH], now=now, idle_since=idle_since)
            listed = await sessions.list_live(tx, ada, now=now, idle_since=idle_since)
            counted = await sessions.count_live(tx, now=now, idle_since=idle_since)
            pruned = await sessions.prune(tx, now=now, idle_since=idle_since)

        assert [found is not None, len(listed), counted, 1 - pruned] == [lives] * 4


async def test_an_unknown_hash_finds_nothing(database: Database, ada: PersonId) -> None:
    """Neither another hash, nor none, nor a part of one."""
    await add(database, ada)

    for hashes in ([OTHER], [], [SessionHash("a" * 63)], [SessionHash("%")]):
        assert await find(database, *hashes) is None


async def test_no_two_sessions_share_a_hash(database: Database, ada: PersonId) -> None:
    """The same attempt can't make a second session."""
    await add(database, ada)

    with pytest.raises(IntegrityError):
        await add(database, ada)


async def test_a_touched_session_goes_by_its_new_hash(database: Database, ada: PersonId) -> None:
    """Seen again after a rotation: re-hashed, and not idle any more."""
    await add(database, ada)
    row = await find(database, HASH)
    assert row is not None
    async with database.transaction() as tx:
        await sessions.touch(tx, row, id_hash=OTHER, now=LATER)
    touched = await find(database, OTHER)

    assert await find(database, HASH) is None
    assert touched is not None
    assert (touched.id, touched.last_seen_at) == (row.id, LATER)


async def test_the_latest_seen_comes_first(database: Database, ada: PersonId) -> None:
    """A person's list, and nobody else's sessions in it."""
    await add(database, ada, HASH, now=NOW - timedelta(hours=2))
    await add(database, ada, OTHER, now=NOW - timedelta(hours=1))
    await add(database, await add_person(database, "1002"), SessionHash("c"))

    assert await live(database, ada) == [OTHER, HASH]


async def test_nobody_ends_anothers_session(database: Database, ada: PersonId) -> None:
    """By public id only the owner; by hash whoever has the cookie."""
    bob = await add_person(database, "1002")
    await add(database, ada)
    row = await find(database, HASH)
    assert row is not None
    async with database.transaction() as tx:
        assert not await sessions.remove(tx, bob, row.id)
        assert await sessions.remove(tx, ada, row.id)
        assert not await sessions.remove(tx, ada, row.id)

    assert await live(database, ada) == []


async def test_logging_out_tells_whose_session_it_was(database: Database, ada: PersonId) -> None:
    """Idempotent: the second time it was nobody's."""
    await add(database, ada)
    async with database.transaction() as tx:
        assert await sessions.remove_by_hash(tx, [OTHER]) is None
        assert await sessions.remove_by_hash(tx, [OTHER, HASH]) == ada
        assert await sessions.remove_by_hash(tx, [HASH]) is None


async def test_all_or_all_others_end(database: Database, ada: PersonId) -> None:
    """`except_id` stays; another person's sessions stay in any case."""
    bob = await add_person(database, "1002")
    for number in range(3):
        await add(database, ada, SessionHash(f"a{number}"))
    await add(database, bob, SessionHash("b"))
    kept = await find(database, SessionHash("a1"))
    assert kept is not None
    async with database.transaction() as tx:
        assert await sessions.remove_all(tx, ada, except_id=kept.id) == 2
    assert await live(database, ada) == ["a1"]
    async with database.transaction() as tx:
        assert await sessions.remove_all(tx, ada) == 1

    assert (await live(database, ada), await live(database, bob)) == ([], ["b"])


async def test_the_oldest_sessions_leave(database: Database, ada: PersonId) -> None:
    """The newest so many stay, reckoned from their beginning."""
    for number in range(5):
        await add(database, ada, SessionHash(str(number)), now=NOW - timedelta(hours=number))
    await add(database, await add_person(database, "1002"), SessionHash("b"))
    async with database.transaction() as tx:
        await sessions.keep_newest(tx, ada, 3)
        assert await sessions.count_live(tx, now=NOW, idle_since=IDLE_SINCE) == 4

    assert await live(database, ada) == ["0", "1", "2"]


async def test_a_session_prints_without_its_hash(database: Database, ada: PersonId) -> None:
    """A traceback shows its public id only."""
    await add(database, ada)
    row = await find(database, HASH)

    assert row is not None
    assert repr(row) == f"SessionRow(id={row.id!r})"
