"""Sessions: live or not, whose they are, and how many."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy.exc import IntegrityError

from igauth.domain import PersonId, SessionHash
from igauth.store import sessions
from igauth.store.database import Database
from igauth.store.logins import Recorded
from igauth.store.sessions import SessionRow
from tests.store.rows import LATER, MOMENT, NOW, log_in, new_session

IDLE_SINCE = NOW - timedelta(days=14)
HASH = SessionHash("a" * 64)
OTHER = SessionHash("b" * 64)


async def add(
    database: Database, subject: str = "1001", id_hash: str = HASH, *, now: datetime = NOW
) -> Recorded:
    """A session that ends after sixty days, or fourteen idle ones."""
    return await log_in(database, subject, session=new_session(id_hash, now=now), now=now)


async def find(
    database: Database, *hashes: SessionHash, now: datetime = NOW, idle_since: datetime = IDLE_SINCE
) -> SessionRow | None:
    """The live session under one of these."""
    found = await database.read(
        lambda tx: sessions.find(tx, hashes, now=now, idle_since=idle_since)
    )
    return None if found is None else found[0]


async def get(database: Database, id_hash: SessionHash = HASH) -> SessionRow:
    """The live session under this one."""
    row = await find(database, id_hash)
    assert row is not None
    return row


async def live(database: Database, person_id: PersonId) -> list[str]:
    """Hashes of a person's live sessions, in the list's order."""
    rows = await database.read(
        lambda tx: sessions.list_live(tx, person_id, now=NOW, idle_since=IDLE_SINCE)
    )
    return [row.id_hash for row in rows]


async def test_a_session_is_found_with_its_person(database: Database) -> None:
    """One query: the session and whose it is."""
    ada = await add(database)
    found = await database.read(
        lambda tx: sessions.find(tx, [OTHER, HASH], now=NOW, idle_since=IDLE_SINCE)
    )
    assert found is not None
    row, person = found

    assert (row.person_id, row.id_hash, row.user_agent) == (ada.person_id, HASH, "Firefox")
    assert (row.created_at, row.last_seen_at) == (NOW, NOW)
    assert (person.id, person.name, person.created_at) == (ada.person_id, "Ada", NOW)


@pytest.mark.parametrize(
    ("now", "idle_since", "lives"),
    [
        (NOW + timedelta(days=60) - MOMENT, IDLE_SINCE, True),
        (NOW, NOW - MOMENT, True),
        (NOW, NOW, False),
        (NOW + timedelta(days=60), IDLE_SINCE, False),
    ],
)
async def test_a_session_ends_at_its_limits(
    database: Database, now: datetime, idle_since: datetime, lives: bool
) -> None:
    """Absolute and idle end, to the microsecond: who asks and who lists agree."""
    ada = await add(database)
    found = await find(database, HASH, now=now, idle_since=idle_since)
    listed = await database.read(
        lambda tx: sessions.list_live(tx, ada.person_id, now=now, idle_since=idle_since)
    )

    assert (found is not None, len(listed)) == (lives, lives)


async def test_counting_and_pruning_go_by_the_earlier_end(database: Database) -> None:
    """As of when the session was last seen; no more are pruned than asked for at a time."""
    ends_at = NOW + timedelta(days=14)
    for number in range(3):
        await add(database, id_hash=f"h{number}")
    for moment, lives in ((ends_at - MOMENT, 3), (ends_at, 0)):
        assert await database.read(lambda tx, at=moment: sessions.count_live(tx, at)) == lives  # type: ignore[misc]
    pruned = [
        await database.write(lambda tx, at=at: sessions.prune(tx, at, 2))  # type: ignore[misc]
        for at in (ends_at - MOMENT, ends_at, ends_at, ends_at)
    ]

    assert pruned == [0, 2, 1, 0]


async def test_an_unknown_hash_finds_nothing(database: Database) -> None:
    """Neither another hash, nor none, nor a part of one."""
    await add(database)

    for hashes in ([OTHER], [], [SessionHash("a" * 63)], [SessionHash("%")]):
        assert await find(database, *hashes) is None


async def test_no_two_sessions_share_a_hash(database: Database) -> None:
    """The same attempt can't make a second session."""
    await add(database)

    with pytest.raises(IntegrityError):
        await add(database, "1002")


async def test_a_touched_session_goes_by_its_new_hash(database: Database) -> None:
    """Seen again after a rotation: re-hashed, and alive for longer."""
    await add(database)
    row, ends_at = await get(database), LATER + timedelta(days=14)
    await database.write(
        lambda tx: sessions.touch(tx, row, id_hash=OTHER, now=LATER, ends_at=ends_at)
    )
    touched = await get(database, OTHER)

    assert await find(database, HASH) is None
    assert (touched.id, touched.last_seen_at, touched.ends_at) == (row.id, LATER, ends_at)
    assert touched.expires_at == row.expires_at


async def test_the_latest_seen_comes_first(database: Database) -> None:
    """A person's list, and nobody else's sessions in it."""
    await add(database, id_hash=HASH, now=NOW - timedelta(hours=2))
    ada = await add(database, id_hash=OTHER, now=NOW - timedelta(hours=1))
    await add(database, "1002", "c")

    assert await live(database, ada.person_id) == [OTHER, HASH]


async def test_nobody_ends_another_s_session(database: Database) -> None:
    """By public id only the owner; by hash whoever has the cookie."""
    ada, bob = await add(database), await add(database, "1002", "c")
    row = await get(database)
    ended = [
        await database.write(lambda tx, by=by: sessions.remove(tx, by, row.id))  # type: ignore[misc]
        for by in (bob.person_id, ada.person_id, ada.person_id)
    ]

    assert ended == [False, True, False]
    assert (await live(database, ada.person_id), await live(database, bob.person_id)) == ([], ["c"])


async def test_logging_out_tells_whose_session_it_was(database: Database) -> None:
    """Idempotent: the second time it was nobody's."""
    ada = await add(database)
    ended = [
        await database.write(lambda tx, of=of: sessions.remove_by_hash(tx, of))  # type: ignore[misc]
        for of in ([OTHER], [OTHER, HASH], [HASH], [])
    ]

    assert ended == [None, ada.person_id, None, None]


async def test_all_or_all_others_end(database: Database) -> None:
    """`except_id` stays; another person's sessions stay in any case."""
    for number in range(3):
        ada = await add(database, id_hash=f"a{number}")
    bob = await add(database, "1002", "b")
    kept = await get(database, SessionHash("a1"))
    of = ada.person_id
    assert await database.write(lambda tx: sessions.remove_all(tx, of, except_id=kept.id)) == 2
    assert await live(database, of) == ["a1"]
    assert await database.write(lambda tx: sessions.remove_all(tx, of)) == 1

    assert (await live(database, of), await live(database, bob.person_id)) == ([], ["b"])


async def test_a_session_prints_without_its_hash(database: Database) -> None:
    """A traceback shows its public id."""
    await add(database)
    row = await get(database)

    assert row.id in repr(row)
    assert HASH not in repr(row)
