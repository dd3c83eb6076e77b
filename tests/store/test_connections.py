"""Connections: one for a person, written by compare-and-set, kept by leases."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import delete, update
from sqlalchemy.exc import IntegrityError

from igauth.domain import ConnectionId, ConnectionStatus, PersonId
from igauth.store import connections
from igauth.store.connections import ConnectionRow, Grant
from igauth.store.database import Database, Transaction
from igauth.store.models import Connection
from tests.store.rows import (
    GRANT,
    LATER,
    NOW,
    add_connection,
    add_person,
    analyze,
    due_at,
    get_connection,
)

UNTIL = NOW + timedelta(minutes=5)
NEWER = replace(
    GRANT,
    status=ConnectionStatus.EXPIRING,
    status_cause="soon",
    token_expires_at=None,
    granular=None,
    granted_scopes=frozenset(),
    next_check_at=None,
)


async def claim(
    database: Database, owner: str, *, now: datetime = NOW, limit: int = 50
) -> list[ConnectionRow]:
    """What this owner takes, for five minutes."""
    async with database.transaction() as tx:
        return await connections.claim_due(
            tx, now=now, until=now + timedelta(minutes=5), owner=owner, limit=limit
        )


async def crowd(database: Database, number: int, due: datetime = NOW) -> list[ConnectionRow]:
    """So many people whose connections are due, the oldest first."""
    made = []
    for index in range(number):
        person = await add_person(database, str(2000 + index))
        grant = due_at(due - timedelta(minutes=number - index))
        made.append(await add_connection(database, person, grant=grant))
    return made


# --- what a login writes ---


async def test_a_reserved_connection_has_an_id_and_nothing_else(
    database: Database, ada: PersonId
) -> None:
    """There is an id to seal for before there is a token; asked again, it is the same."""
    async with database.transaction() as tx:
        first = await connections.reserve(tx, ada, NOW)
        again = await connections.reserve(tx, ada, LATER)

    assert again == first
    assert (first.status, first.sealed_token) == (ConnectionStatus.RECONNECT_REQUIRED, None)
    assert (first.token_version, first.next_check_at, first.last_consent) == (0, None, None)


async def test_twenty_reservations_at_once_are_one_connection(
    database: Database, other: Database, ada: PersonId
) -> None:
    """A person has exactly one, on however many replicas the logins run."""

    async def reserve(each: Database) -> ConnectionId:
        async with each.transaction() as tx:
            return (await connections.reserve(tx, ada, NOW)).id

    ids = await asyncio.gather(*(reserve(each) for _ in range(10) for each in (database, other)))

    assert len(set(ids)) == 1


async def test_a_login_writes_all_that_it_learned(database: Database, ada: PersonId) -> None:
    """Scopes, targets, dates and consent come back as they were."""
    row = await add_connection(database, ada)

    assert row == ConnectionRow(
        id=row.id,
        person_id=ada,
        facebook_app_id=row.facebook_app_id,
        facebook_user_id=row.facebook_user_id,
        name="Ada",
        sealed_token="v1.k1.AAAA",
        token_unreadable=False,
        token_version=1,
        connected_at=NOW,
        last_consent={"at": "x"},
        check_failures=0,
        **{name: getattr(GRANT, name) for name in GRANT.__slots__},
    )


async def test_no_scope_named_and_none_known_are_two_things(
    database: Database, ada: PersonId
) -> None:
    """`granular` is None where debug_token told nothing, and empty where it named no scope."""
    for granular in (None, replace(GRANT.granular) if GRANT.granular else None):
        row = await add_connection(database, ada, grant=replace(GRANT, granular=granular))
        assert row.granular == granular


async def test_a_new_login_revives_and_frees(database: Database, ada: PersonId) -> None:
    """The same id; unreadable, failures and lease are gone, and the version has moved on."""
    first = await add_connection(database, ada, grant=due_at(NOW))
    (claimed,) = await claim(database, "keeper")
    async with database.transaction() as tx:
        await connections.mark_unreadable(tx, claimed)
    again = await add_connection(database, ada, grant=due_at(NOW), sealed="v1.k1.BBBB")

    assert again.id == first.id
    assert (again.token_version, again.token_unreadable, again.sealed_token) == (
        2,
        False,
        "v1.k1.BBBB",
    )
    assert [row.id for row in await claim(database, "another")] == [first.id]


async def test_a_status_out_of_the_list_is_refused(database: Database, ada: PersonId) -> None:
    """The database itself knows the five states."""
    await add_connection(database, ada)

    with pytest.raises(IntegrityError):
        async with database.transaction() as tx:
            await tx.execute(update(Connection).values(status="fine"))


async def test_a_connection_is_found_by_its_own_id(database: Database, ada: PersonId) -> None:
    """Whoever's it is; an unknown id finds nothing."""
    row = await add_connection(database, ada)
    async with database.reading() as tx:
        assert await connections.find(tx, row.id) == row
        assert await connections.find(tx, ConnectionId("x")) is None
        assert await connections.find_for_person(tx, PersonId("x")) is None


# --- compare and set ---

Write = Callable[[Transaction, ConnectionRow], Awaitable[bool]]
WRITES: dict[str, Write] = {
    "save_check": lambda tx, row: connections.save_check(tx, row, NEWER),
    "save_check with a token": lambda tx, row: connections.save_check(
        tx, row, NEWER, sealed_token="v1.k1.CCCC"
    ),
    "save_status": lambda tx, row: connections.save_status(
        *(tx, row, ConnectionStatus.CHECKPOINT_REQUIRED, "checkpoint"),
        verified_at=LATER,
        next_check_at=LATER,
    ),
    "save_removed": lambda tx, row: connections.save_removed(tx, row, "app_removed"),
    "save_consent_diff": lambda tx, row: connections.save_consent_diff(tx, row, {"at": "y"}),
    "mark_unreadable": lambda tx, row: connections.mark_unreadable(tx, row),
}


@pytest.mark.parametrize("meanwhile", ["nothing", "login", "removed", "deleted"])
async def test_what_changed_meanwhile_is_never_written_over(
    database: Database, ada: PersonId, meanwhile: str
) -> None:
    """Only the very grant that was read is written: no resurrection, no overwriting."""
    for name, write in WRITES.items():
        read = await add_connection(database, ada)
        if meanwhile == "login":
            await add_connection(database, ada, sealed="v1.k1.BBBB")
        async with database.transaction() as tx:
            if meanwhile == "removed":
                await connections.forget_token(tx, read.id)
            if meanwhile == "deleted":
                await tx.execute(delete(Connection))
            before = await connections.find(tx, read.id)
            written = await write(tx, read)
            after = await connections.find(tx, read.id)

        assert (name, written) == (name, meanwhile == "nothing")
        assert (name, after == before) == (name, meanwhile != "nothing")


async def test_a_check_keeps_the_token_and_its_version(database: Database, ada: PersonId) -> None:
    """Facts only: two checks at once don't hinder each other."""
    row = await add_connection(database, ada)
    async with database.transaction() as tx:
        assert await connections.save_check(tx, row, NEWER)
    after = await get_connection(database, ada)

    assert (after.status, after.status_cause, after.granular) == (
        ConnectionStatus.EXPIRING,
        "soon",
        None,
    )
    assert (after.sealed_token, after.token_version) == (row.sealed_token, row.token_version)


async def test_only_one_of_two_renewals_is_kept(database: Database, ada: PersonId) -> None:
    """Both replicas exchanged the token: the second finds the version moved on."""
    row = await add_connection(database, ada)
    results = []
    for sealed in ("v1.k1.CCCC", "v1.k1.DDDD"):
        async with database.transaction() as tx:
            results.append(await connections.save_check(tx, row, GRANT, sealed_token=sealed))
    after = await get_connection(database, ada)

    assert results == [True, False]
    assert (after.sealed_token, after.token_version) == ("v1.k1.CCCC", 2)


async def test_a_change_of_state_says_when_to_look_again(database: Database, ada: PersonId) -> None:
    """Without a next check the connection leaves the sweep; no check, no `verified_at`."""
    row = await add_connection(database, ada, grant=due_at(NOW))
    for status, verified, due in (
        (ConnectionStatus.CHECKPOINT_REQUIRED, LATER, NOW),
        (ConnectionStatus.RECONNECT_REQUIRED, None, None),
    ):
        async with database.transaction() as tx:
            assert await connections.save_status(
                tx, row, status, "cause", verified_at=verified, next_check_at=due
            )
        after = await get_connection(database, ada)
        assert (after.status, after.status_cause, after.next_check_at) == (status, "cause", due)
        assert after.verified_at == LATER
        assert len(await claim(database, "keeper")) == (due is not None)


@pytest.mark.parametrize("how", ["found out", "told"])
async def test_a_removed_app_leaves_a_revoked_row_without_a_token(
    database: Database, ada: PersonId, how: str
) -> None:
    """Either way: revoked, no token, out of the sweep, and the version moved on."""
    row = await add_connection(database, ada, grant=due_at(NOW))
    async with database.transaction() as tx:
        if how == "told":
            await connections.forget_token(tx, row.id)
        else:
            assert await connections.save_removed(tx, row, "app_removed")
    after = await get_connection(database, ada)

    assert (after.status, after.status_cause) == (ConnectionStatus.REVOKED, "app_removed")
    assert (after.sealed_token, after.token_version, after.next_check_at) == (None, 2, None)
    assert await claim(database, "keeper") == []


async def test_an_unreadable_token_is_kept(database: Database, ada: PersonId) -> None:
    """It needs a login, but nothing is deleted."""
    row = await add_connection(database, ada, grant=due_at(NOW))
    async with database.transaction() as tx:
        assert await connections.mark_unreadable(tx, row)
    after = await get_connection(database, ada)

    assert (after.status, after.status_cause) == (
        ConnectionStatus.RECONNECT_REQUIRED,
        "token_unreadable",
    )
    assert (after.sealed_token, after.token_unreadable) == (row.sealed_token, True)
    assert await claim(database, "keeper") == []


# --- the keeper's work ---


async def test_two_owners_who_claim_at_once_get_different_rows(
    database: Database, other: Database
) -> None:
    """Eight claims on two replicas share twenty due rows: none twice, none left."""
    made = await crowd(database, 20)
    batches = await asyncio.gather(
        *(
            claim(each, f"{name}{number}", limit=5)
            for number in range(4)
            for name, each in (("a", database), ("b", other))
        )
    )
    while more := await claim(database, "last", limit=5):
        batches.append(more)
    taken = [row.id for batch in batches for row in batch]

    assert sorted(taken) == sorted(row.id for row in made)
    assert all(len(batch) <= 5 for batch in batches)


async def test_a_claim_keeps_its_limit_whatever_the_planner_thinks(
    database: Database, ada: PersonId
) -> None:
    """Statistics of a nearly empty table make PostgreSQL nest loops: still no more than asked."""
    await add_connection(database, ada, grant=due_at(NOW))
    await analyze(database, "connections")
    await crowd(database, 20)

    assert len(await claim(database, "keeper", limit=5)) == 5


async def test_the_oldest_due_come_first(database: Database) -> None:
    """A sweep after an outage begins with what waited longest."""
    made = await crowd(database, 6)

    for expected in (made[:2], made[2:4], made[4:]):
        taken = await claim(database, "keeper", limit=2)
        assert {row.id for row in taken} == {row.id for row in expected}


async def test_what_is_not_due_is_left(database: Database, ada: PersonId) -> None:
    """Due at the instant itself, not a moment before; never without a date."""
    bob = await add_person(database, "1002")
    await add_connection(database, ada, grant=due_at(LATER))
    await add_connection(database, bob, grant=NEWER)

    assert await claim(database, "keeper", now=LATER - timedelta(microseconds=1)) == []
    assert [row.person_id for row in await claim(database, "keeper", now=LATER)] == [ada]


async def test_a_lease_keeps_others_away_until_it_ends(database: Database, ada: PersonId) -> None:
    """Whoever dies with a lease holds the row up for so long and no longer."""
    await add_connection(database, ada, grant=due_at(NOW))
    assert len(await claim(database, "first")) == 1

    assert await claim(database, "second", now=UNTIL) == []
    assert len(await claim(database, "second", now=UNTIL + timedelta(seconds=1))) == 1


async def test_a_row_is_given_back_by_its_owner_only(database: Database, ada: PersonId) -> None:
    """After a transient failure it comes again later; a late owner changes nothing."""
    await add_connection(database, ada, grant=due_at(NOW))
    (row,) = await claim(database, "first")
    for owner in ("stranger", "first"):
        async with database.transaction() as tx:
            await connections.release(tx, row, owner=owner, next_check_at=LATER, failures=3)
        after = await get_connection(database, ada)
        assert (after.check_failures, after.next_check_at) == (
            (3, LATER) if owner == "first" else (0, NOW)
        )

    assert await claim(database, "second", now=NOW) == []
    assert [each.id for each in await claim(database, "second", now=LATER)] == [row.id]


async def test_a_check_frees_the_lease(database: Database, ada: PersonId) -> None:
    """Done is done: the row may be claimed when it is due again."""
    await add_connection(database, ada, grant=due_at(NOW))
    (row,) = await claim(database, "first")
    async with database.transaction() as tx:
        assert await connections.save_check(tx, row, due_at(NOW))

    assert len(await claim(database, "second")) == 1


@pytest.mark.parametrize(("everything", "expected"), [(False, {1}), (True, {0, 1, 2})])
async def test_what_can_be_made_due_at_once(
    database: Database, everything: bool, expected: set[int]
) -> None:
    """Missed upgrades, or everything with a readable token; never what has none."""
    far = due_at(NOW + timedelta(days=9))
    grants: list[Grant] = [
        far,
        replace(far, upgrade_pending=True),
        replace(far, upgrade_pending=True, next_check_at=None),
        replace(far, upgrade_pending=True),
        replace(far, upgrade_pending=True),
    ]
    people = [await add_person(database, str(number)) for number in range(len(grants))]
    rows = [
        await add_connection(database, person, grant=grant)
        for person, grant in zip(people, grants, strict=True)
    ]
    async with database.transaction() as tx:
        await connections.forget_token(tx, rows[3].id)
        await connections.mark_unreadable(tx, rows[4])
        await connections.mark_due(tx, NOW, everything=everything)
    taken = await claim(database, "keeper")

    assert {row.person_id for row in taken} == {people[index] for index in expected}


async def test_states_are_counted_and_the_oldest_check_is_told(
    database: Database, ada: PersonId
) -> None:
    """What `igauth status` prints; an empty database has neither."""
    async with database.reading() as tx:
        assert await connections.count_by_status(tx) == {}
        assert await connections.oldest_check(tx) is None
    bob = await add_person(database, "1002")
    await add_connection(database, ada)
    await add_connection(database, bob, grant=replace(NEWER, verified_at=NOW - timedelta(9)))
    async with database.reading() as tx:
        assert await connections.count_by_status(tx) == {"active": 1, "expiring": 1}
        assert await connections.oldest_check(tx) == NOW


async def test_a_connection_prints_without_its_token(database: Database, ada: PersonId) -> None:
    """A traceback shows id and state."""
    row = await add_connection(database, ada)

    assert repr(row) == f"ConnectionRow(id={row.id!r}, status={row.status!r})"
