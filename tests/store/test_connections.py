"""Connections: written by compare-and-set, versioned for others, kept by leases."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from igauth.domain import (
    ConnectionCause,
    ConnectionId,
    ConnectionStatus,
    GranularScopes,
    Permissions,
    PersonId,
    Provider,
    SessionHash,
    Subject,
)
from igauth.store import connections
from igauth.store.connections import ConnectionRow, SealedToken
from igauth.store.database import Database, Transaction
from igauth.store.leases import LEASE, Lease
from igauth.store.logins import Recorded
from tests.store.rows import (
    APP_ID,
    GRANT,
    LATER,
    MOMENT,
    NOW,
    account,
    count,
    due_at,
    get_connection,
    listing_of,
    log_in,
    new_session,
    sql,
)

RENEWED = SealedToken("v1.k2.CCCC", "k2", LATER)
NEWER = replace(
    GRANT,
    status=ConnectionStatus.EXPIRING,
    cause=ConnectionCause.TOKEN_ENDS_SOON,
    token_expires_at=None,
    granular=None,
    granted_scopes=frozenset(),
    next_check_at=None,
)


async def claim(
    database: Database, *, now: datetime = NOW, limit: int = 50
) -> tuple[Lease, list[ConnectionRow]]:
    """What somebody takes."""
    return await database.write(partial(connections.claim_checks, now=now, limit=limit))


async def claimed(database: Database, *, now: datetime = NOW, limit: int = 50) -> list[str]:
    """Ids of what somebody takes."""
    return [row.id for row in (await claim(database, now=now, limit=limit))[1]]


async def crowd(database: Database, number: int) -> list[str]:
    """Ids of so many connections that are due, the longest due first."""
    made = []
    for index in range(number):
        grant = due_at(NOW - timedelta(minutes=number - index))
        made.append(await log_in(database, str(2000 + index), grant=grant))
    return [each.connection_id for each in made]


# --- reading ---


async def test_a_connection_is_found_by_its_own_id(database: Database, ada: Recorded) -> None:
    """Whoever's it is; an unknown id finds nothing, and nothing to lock."""
    row = await get_connection(database, ada)
    for find in (connections.find, connections.lock):
        assert await database.write(lambda tx, by=find: by(tx, row.id)) == row  # type: ignore[misc]
        assert await database.write(lambda tx, by=find: by(tx, ConnectionId("x"))) is None  # type: ignore[misc]


async def test_a_person_s_connections_come_in_order(database: Database) -> None:
    """Facebook's first, then as they were made; nobody else's."""
    ada = await log_in(database, "99", provider=Provider.INSTAGRAM, session=new_session("a1"))
    under = {"adding_under": [SessionHash("a1")]}
    for number, subject in enumerate(("3", "2"), start=1):
        at = NOW + timedelta(seconds=number)
        await log_in(database, subject, provider=Provider.INSTAGRAM, now=at, **under)
    await log_in(database, "1", now=LATER, **under)
    await log_in(database, "1002")
    rows = await database.read(lambda tx: connections.list_for_person(tx, ada.person_id))

    assert [row.subject for row in rows] == ["1", "99", "3", "2"]
    assert await database.read(lambda tx: connections.list_for_person(tx, PersonId("x"))) == []


async def test_a_subject_is_known_by_either_of_its_ids(database: Database) -> None:
    """Meta names an account by one or the other; everybody's who connected it, by door and app."""
    both = {"provider": Provider.INSTAGRAM, "other_subject": Subject("178")}
    ada = await log_in(database, "77", **both)
    await log_in(database, "1002", session=new_session("b1"))
    bob = await log_in(database, "77", adding_under=[SessionHash("b1")], **both)
    everybody_s = sorted((ada.connection_id, bob.connection_id))
    for provider, app_id, subject, found in (
        (Provider.INSTAGRAM, APP_ID, "77", everybody_s),
        (Provider.INSTAGRAM, APP_ID, "178", everybody_s),
        (Provider.FACEBOOK, APP_ID, "178", []),
        (Provider.INSTAGRAM, "1", "77", []),
        (Provider.INSTAGRAM, APP_ID, "7", []),
    ):
        rows = await database.read(
            partial(
                connections.list_by_subject,
                provider=provider,
                app_id=app_id,
                subject=Subject(subject),
            )
        )
        assert [row.id for row in rows] == found


async def test_no_scope_named_and_none_known_are_two_things(database: Database) -> None:
    """`granular` is None where debug_token told nothing, and empty where it named no scope."""
    for granular in (None, GranularScopes({}), GRANT.granular):
        done = await log_in(database, grant=replace(GRANT, granular=granular))

        assert (await get_connection(database, done)).granular == granular


async def test_no_scope_granted_and_none_told_are_two_things(database: Database) -> None:
    """Instagram may not say what was granted: that isn't the same as nothing."""
    for granted, known in ((None, False), (frozenset(), True), (GRANT.granted_scopes, True)):
        done = await log_in(database, grant=replace(GRANT, granted_scopes=granted))
        row = await get_connection(database, done)

        assert (row.granted_scopes, row.scopes_known) == (granted or frozenset(), known)


async def test_a_connection_is_readable_while_it_has_a_token_and_its_key(
    database: Database, ada: Recorded
) -> None:
    """Not once it was revoked or given up."""
    row = await get_connection(database, ada)
    assert row.is_readable
    await database.write(lambda tx: connections.mark_unreadable(tx, row))
    assert not (await get_connection(database, ada)).is_readable
    await log_in(database)
    assert (await get_connection(database, ada)).is_readable
    latest = await get_connection(database, ada)
    await database.write(lambda tx: connections.save_removed(tx, latest))

    assert not (await get_connection(database, ada)).is_readable


# --- compare and set ---

Write = Callable[[Transaction, ConnectionRow], bool]
WRITES: dict[str, Write] = {
    "save_check": lambda tx, row: connections.save_check(tx, row, NEWER),
    "save_check with a token": lambda tx, row: connections.save_check(
        tx, row, NEWER, token=RENEWED
    ),
    "save_status": lambda tx, row: connections.save_status(
        *(tx, row, ConnectionStatus.CHECKPOINT_REQUIRED, ConnectionCause.CHECKPOINT),
        verified_at=LATER,
        next_check_at=LATER,
    ),
    "save_removed": connections.save_removed,
    "save_permissions": lambda tx, row: connections.save_permissions(
        tx, row, Permissions(frozenset({"a"}), frozenset({"b"}))
    ),
    "save_consent_diff": lambda tx, row: connections.save_consent_diff(tx, row, {"at": "y"}),
    "mark_unreadable": connections.mark_unreadable,
}


@pytest.mark.parametrize("name", WRITES)
@pytest.mark.parametrize("meanwhile", ["nothing", "login", "removed", "deleted"])
async def test_what_changed_meanwhile_is_never_written_over(
    database: Database, ada: Recorded, name: str, meanwhile: str
) -> None:
    """Only the very grant that was read is written: no resurrection, no overwriting."""
    read = await get_connection(database, ada)
    if meanwhile == "login":
        await log_in(database)
    if meanwhile == "removed":
        await database.write(lambda tx: connections.save_removed(tx, read))
    if meanwhile == "deleted":
        assert await database.write(lambda tx: connections.remove(tx, read))
    before, written, after = await database.write(
        lambda tx: (
            connections.find(tx, read.id),
            WRITES[name](tx, read),
            connections.find(tx, read.id),
        )
    )

    assert written == (meanwhile == "nothing")
    assert (after == before) == (meanwhile != "nothing")


async def test_a_check_keeps_the_token_and_its_version(database: Database, ada: Recorded) -> None:
    """Facts only: two checks at once don't hinder each other."""
    row = await get_connection(database, ada)
    await sql(database, "UPDATE connections SET check_failures = 4")
    for _ in range(2):
        assert await database.write(lambda tx: connections.save_check(tx, row, NEWER))
    after = await get_connection(database, ada)

    assert (after.status, after.cause, after.granular) == (NEWER.status, NEWER.cause, None)
    assert (after.sealed_token, after.token_version) == (row.sealed_token, row.token_version)
    assert (after.check_failures, after.next_check_at) == (0, None)


async def test_only_one_of_two_renewals_is_kept(database: Database, ada: Recorded) -> None:
    """Both replicas exchanged the token: the second finds the version moved on."""
    row = await get_connection(database, ada)
    results = [
        await database.write(
            lambda tx, token=token: connections.save_check(tx, row, GRANT, token=token)  # type: ignore[misc]
        )
        for token in (RENEWED, SealedToken("v1.k1.DDDD", "k1", LATER))
    ]
    after = await get_connection(database, ada)

    assert results == [True, False]
    assert (after.sealed_token, after.token_kid) == (RENEWED.sealed, RENEWED.kid)
    assert (after.token_issued_at, after.token_version) == (LATER, 2)


async def test_a_change_of_state_says_when_to_look_again(database: Database) -> None:
    """Without a next check the connection leaves the sweep; no check, no `verified_at`."""
    ada = await log_in(database, grant=due_at(NOW))
    row = await get_connection(database, ada)
    for status, cause, verified, due in (
        (ConnectionStatus.CHECKPOINT_REQUIRED, ConnectionCause.CHECKPOINT, LATER, NOW),
        (ConnectionStatus.RECONNECT_REQUIRED, ConnectionCause.SESSION_INVALID, None, None),
    ):
        save = partial(
            connections.save_status,
            row=row,
            status=status,
            cause=cause,
            verified_at=verified,
            next_check_at=due,
        )
        assert await database.write(save)
        after = await get_connection(database, ada)
        assert (after.status, after.cause, after.next_check_at) == (status, cause, due)
        assert after.verified_at == (verified or NOW)
        assert len(await claimed(database)) == (due is not None)


async def test_a_removed_app_leaves_a_revoked_row_without_a_token(database: Database) -> None:
    """No token, no key that it needs, out of the sweep; the row still says whose it was."""
    ada = await log_in(database, grant=replace(due_at(NOW), upgrade_pending=True))
    row = await get_connection(database, ada)
    assert await database.write(lambda tx: connections.save_removed(tx, row))
    after = await get_connection(database, ada)

    assert (after.status, after.cause) == (ConnectionStatus.REVOKED, ConnectionCause.APP_REMOVED)
    assert (after.sealed_token, after.token_kid, after.token_issued_at) == (None, None, None)
    assert (after.token_version, after.next_check_at, after.upgrade_pending) == (2, None, False)
    assert after.person_id == ada.person_id
    assert await claimed(database) == []


async def test_an_unreadable_token_is_kept(database: Database) -> None:
    """It needs a login, but nothing is deleted: its key may come back."""
    ada = await log_in(database, grant=due_at(NOW))
    row = await get_connection(database, ada)
    assert await database.write(lambda tx: connections.mark_unreadable(tx, row))
    after = await get_connection(database, ada)

    assert after.status is ConnectionStatus.RECONNECT_REQUIRED
    assert after.cause is ConnectionCause.TOKEN_UNREADABLE
    assert (after.sealed_token, after.token_kid) == (row.sealed_token, None)
    assert await claimed(database) == []


async def test_others_see_by_the_version_what_they_are_told_of(
    database: Database, ada: Recorded
) -> None:
    """It grows with each change of state, and with nothing else."""
    grows: dict[str, bool] = {}
    for name, write in WRITES.items():
        await log_in(database)
        row = await get_connection(database, ada)
        assert await database.write(lambda tx, by=write, of=row: by(tx, of))  # type: ignore[misc]
        grows[name] = (await get_connection(database, ada)).version == row.version + 1

    assert grows == {name: name not in ("save_permissions", "save_consent_diff") for name in WRITES}
    await log_in(database)
    row = await get_connection(database, ada)
    await database.write(lambda tx: connections.save_check(tx, row, GRANT, token=RENEWED))
    assert (await get_connection(database, ada)).version == row.version


async def test_removing_takes_the_listing_along(database: Database) -> None:
    """The person, their sign-in and their sessions stay; a second time there is nothing."""
    ada = await log_in(database, **listing_of(account(1), account(2)))
    row = await get_connection(database, ada)
    assert await database.write(lambda tx: connections.remove(tx, row))
    assert not await database.write(lambda tx: connections.remove(tx, row))
    tables = ("connections", "listings", "listed_accounts", "people", "sign_ins", "sessions")

    assert [await count(database, each) for each in tables] == [0, 0, 0, 1, 1, 1]


# --- the keeper's work ---


async def test_two_owners_who_claim_at_once_get_different_rows(
    database: Database, other: Database
) -> None:
    """Eight claims on two replicas share twenty due rows: none twice, none left."""
    made = await crowd(database, 20)
    batches = await asyncio.gather(
        *(claimed(each, limit=5) for _ in range(4) for each in (database, other))
    )
    while more := await claimed(database, limit=5):
        batches.append(more)

    assert sorted(each for batch in batches for each in batch) == sorted(made)
    assert all(len(batch) <= 5 for batch in batches)


async def test_a_claim_keeps_its_limit_whatever_the_planner_thinks(database: Database) -> None:
    """Statistics of a nearly empty table make PostgreSQL nest loops: still no more than asked."""
    await log_in(database, grant=due_at(NOW))
    await sql(database, "ANALYZE connections")
    await crowd(database, 20)

    assert len(await claimed(database, limit=5)) == 5


async def test_the_longest_due_come_first(database: Database) -> None:
    """A sweep after an outage begins with what waited longest."""
    made = await crowd(database, 6)

    for expected in (made[:2], made[2:4], made[4:]):
        assert set(await claimed(database, limit=2)) == set(expected)


async def test_what_is_not_due_is_left(database: Database) -> None:
    """Due at the instant itself, not a moment before; never without a date."""
    ada = await log_in(database, grant=due_at(LATER))
    await log_in(database, "1002", grant=NEWER)

    assert await claimed(database, now=LATER - MOMENT) == []
    assert await claimed(database, now=LATER) == [ada.connection_id]


async def test_a_claimed_row_is_somebody_s_until_his_lease_ends(database: Database) -> None:
    """Whoever dies with it holds it up for ten seconds and no longer; who lives renews all."""
    made = set(await crowd(database, 3))
    lease, rows = await claim(database)
    assert {row.id for row in rows} == made
    assert await claimed(database, now=NOW + LEASE - MOMENT) == []
    await database.write(lambda tx: lease.renew(tx, NOW + timedelta(seconds=5)))
    assert await claimed(database, now=NOW + LEASE) == []

    assert set(await claimed(database, now=NOW + timedelta(seconds=5) + LEASE)) == made


async def test_a_claim_of_nothing_is_no_trouble(database: Database) -> None:
    """Its lease can be renewed and released like any other."""
    lease, rows = await claim(database)

    assert rows == []
    assert not await database.write(lambda tx: lease.renew(tx, NOW))
    await database.write(lease.release)


async def test_a_row_is_given_back_by_its_owner_only(database: Database) -> None:
    """After a transient failure it comes again later; a late owner changes nothing."""
    ada = await log_in(database, grant=due_at(NOW))
    lease, (row,) = await claim(database)
    stranger = replace(lease, owner="stranger")
    for owner, expected in ((stranger, (0, NOW)), (lease, (1, LATER))):
        await database.write(
            partial(connections.postpone, row=row, lease=owner, next_check_at=LATER)
        )
        after = await get_connection(database, ada)
        assert (after.check_failures, after.next_check_at) == expected

    assert await claimed(database) == []
    assert await claimed(database, now=LATER) == [row.id]


@pytest.mark.parametrize("name", ["save_check", "save_status", "save_removed"])
async def test_done_is_done(database: Database, name: str) -> None:
    """What was found out frees the lease: the row may be claimed when it is due again."""
    await log_in(database, grant=due_at(NOW))
    _, (row,) = await claim(database)
    assert await database.write(lambda tx: WRITES[name](tx, row))
    await sql(database, "UPDATE connections SET next_check_at = connected_at")

    assert await claimed(database) == [row.id]


async def test_what_can_be_made_due_at_once(database: Database) -> None:
    """Missed upgrades, or everything with a readable token, a batch at a time; never what has
    none."""
    pending = replace(due_at(LATER), upgrade_pending=True)
    grants = [due_at(LATER), pending, replace(pending, next_check_at=None), pending, pending]
    ids = [
        (await log_in(database, str(number), grant=grant)).connection_id
        for number, grant in enumerate(grants)
    ]
    rows = [await get_connection(database, each) for each in ids]
    await database.write(lambda tx: connections.save_removed(tx, rows[3]))
    await database.write(lambda tx: connections.mark_unreadable(tx, rows[4]))

    assert await _walk(database, connections.list_missing_upgrade) == [ids[1]]
    assert await _walk(database, connections.list_readable) == sorted(ids[:3])
    await database.write(lambda tx: connections.mark_due(tx, ids[:2], NOW))
    assert set(await claimed(database)) == set(ids[:2])


async def test_a_connection_prints_without_its_token(database: Database, ada: Recorded) -> None:
    """A traceback shows id and state."""
    row = await get_connection(database, ada)

    assert row.id in repr(row)
    assert str(row.sealed_token) not in repr(row)
    assert RENEWED.sealed not in repr(RENEWED)


async def _walk(database: Database, pick: Any) -> list[str]:
    """All that a listing in batches gives, one at a time."""
    found: list[str] = []
    while batch := await database.read(partial(pick, after=found[-1] if found else "", limit=1)):
        found += batch
    return found
