"""Stored listings, their accounts, and the lease on refreshing one."""

import asyncio
from datetime import timedelta

from igauth.domain import ConnectionId
from igauth.store import connections, listings, people
from igauth.store.database import Database
from igauth.store.leases import LEASE
from igauth.store.listings import AccountRow, ListingRow, digest_of
from igauth.store.logins import Recorded
from igauth.store.models import StoredListing
from tests.store.rows import (
    LATER,
    NOW,
    a_listing,
    account,
    count,
    get_connection,
    listing_of,
    log_in,
    sql,
)
from tests.store.watching import Watched

FIRST = (account(1), account(2), account(3))
NOTE_UPDATES = {
    True: (
        "CREATE TRIGGER noted AFTER UPDATE ON listed_accounts BEGIN "
        "INSERT INTO turns (name) VALUES (new.instagram_account_id); END",
    ),
    False: (
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "INSERT INTO turns (name) VALUES (new.instagram_account_id); RETURN NULL; END $$",
        "CREATE TRIGGER noted AFTER UPDATE ON listed_accounts FOR EACH ROW EXECUTE FUNCTION note()",
    ),
}


async def save(
    database: Database, of: ConnectionId, *accounts: AccountRow, row: ListingRow | None = None
) -> None:
    """Stores a listing."""
    stored = row or a_listing(accounts)
    await database.write(lambda tx: listings.save(tx, of, stored, accounts))


async def find(database: Database, of: ConnectionId) -> tuple[ListingRow | None, list[AccountRow]]:
    """What is stored."""
    return await database.read(lambda tx: (listings.find(tx, of), listings.list_accounts(tx, of)))


async def test_a_listing_comes_back_as_it_was(database: Database, ada: Recorded) -> None:
    """Every field, the instant included, and the accounts' bytes in their order."""
    of = ada.connection_id
    assert await find(database, of) == (None, [])
    for row in (
        a_listing(FIRST, complete=False),
        ListingRow(LATER, True, "d", "", {"warnings": [], "Zoë": ["\U0001f956", None, 1]}),
    ):
        await save(database, of, *reversed(FIRST), row=row)

        assert await find(database, of) == (row, list(reversed(FIRST)))


async def test_a_newer_listing_takes_the_place_of_the_older(
    database: Database, ada: Recorded
) -> None:
    """Accounts are added, changed, moved and removed; another connection's stay as they are."""
    bob = await log_in(database, "1002", **listing_of(*FIRST))
    for accounts in (
        FIRST,
        (account(3), account(4), account(1, "renamed")),
        (account(1, "renamed"),),
        (),
        FIRST,
    ):
        await save(database, ada.connection_id, *accounts)

        assert await find(database, ada.connection_id) == (a_listing(accounts), list(accounts))
        assert await find(database, bob.connection_id) == (a_listing(FIRST), list(FIRST))


async def test_only_what_changed_is_written(database: Database, ada: Recorded) -> None:
    """Of a long list that is as it was no row is touched; of another only those that differ."""
    many = [account(number) for number in range(50)]
    await save(database, ada.connection_id, *many)
    for statement in NOTE_UPDATES[database.is_sqlite]:
        await sql(database, statement)
    await save(database, ada.connection_id, *many)
    assert await count(database, "turns") == 0

    await save(database, ada.connection_id, *many[:30], account(30, "renamed"), *many[31:])

    assert await sql(database, "SELECT name FROM turns") == [(many[30].instagram_account_id,)]


async def test_the_number_of_accounts_is_no_number_of_statements(
    database: Database, ada: Recorded, statements: Watched
) -> None:
    """One on PostgreSQL, three on SQLite, for one account and for two thousand."""
    for number in (1, 2_000):
        statements.clear()
        await save(database, ada.connection_id, *map(account, range(number)))

        assert len(statements) == (3 if database.is_sqlite else 1)


async def test_storing_leaves_the_lease_alone(database: Database, ada: Recorded) -> None:
    """A login's listing doesn't end the turn of whoever refreshes."""
    of, mine, rival = ada.connection_id, *(listings.lease(ada.connection_id) for _ in range(2))
    await database.write(lambda tx: listings.reserve(tx, of))
    assert await database.write(lambda tx: mine.claim(tx, NOW))
    await save(database, of, *FIRST)

    assert not await database.write(lambda tx: rival.claim(tx, NOW))
    assert await database.write(lambda tx: mine.renew(tx, NOW))


async def test_twenty_who_want_to_refresh_have_one_winner(
    database: Database, other: Database, ada: Recorded
) -> None:
    """On two replicas, with and without a stored listing."""

    async def claim(each: Database) -> bool:
        await each.write(lambda tx: listings.reserve(tx, ada.connection_id))
        lease = listings.lease(ada.connection_id)
        return await each.write(lambda tx: lease.claim(tx, NOW))

    for stored in (False, True):
        if stored:
            await sql(database, "UPDATE listings SET leased_until = NULL, lease_owner = NULL")
            await save(database, ada.connection_id, *FIRST)
        won = await asyncio.gather(*(claim(each) for _ in range(10) for each in (database, other)))

        assert sorted(won) == [False] * 19 + [True]


async def test_a_reserved_listing_is_none(database: Database, ada: Recorded) -> None:
    """There is a row to claim, and nothing to show; reserved again, what is stored stays."""
    of = ada.connection_id
    await database.write(lambda tx: listings.reserve(tx, of))
    assert await find(database, of) == (None, [])
    await save(database, of, *FIRST)
    await database.write(lambda tx: listings.reserve(tx, of))

    assert await find(database, of) == (a_listing(FIRST), list(FIRST))


async def test_nothing_is_reserved_for_a_connection_that_went(
    database: Database, ada: Recorded
) -> None:
    """No row, and no error either: whoever refreshes finds out by himself."""
    row = await get_connection(database, ada)
    await database.write(lambda tx: connections.remove(tx, row))
    await database.write(lambda tx: listings.reserve(tx, ada.connection_id))

    assert await count(database, "listings") == 0
    assert await database.read(lambda tx: listings.look(tx, ada.connection_id, NOW)) is None


async def test_a_waiter_sees_the_listing_and_whether_somebody_is_at_it(
    database: Database, ada: Recorded
) -> None:
    """Free, then held until the lease ends, whatever is stored."""
    of, lease = ada.connection_id, listings.lease(ada.connection_id)
    await database.write(lambda tx: listings.reserve(tx, of))
    assert await database.read(lambda tx: listings.look(tx, of, NOW)) == (None, True)
    await database.write(lambda tx: lease.claim(tx, NOW))
    assert await database.read(lambda tx: listings.look(tx, of, NOW)) == (None, False)
    await save(database, of, *FIRST)

    moment = NOW + LEASE - timedelta(microseconds=1)
    assert await database.read(lambda tx: listings.look(tx, of, moment)) == (
        a_listing(FIRST),
        False,
    )
    assert await database.read(lambda tx: listings.look(tx, of, NOW + LEASE)) == (
        a_listing(FIRST),
        True,
    )


async def test_forgetting_leaves_the_lease_alone(database: Database, ada: Recorded) -> None:
    """Nothing is stored any more, and whoever refreshes goes on."""
    of, lease = ada.connection_id, listings.lease(ada.connection_id)
    await save(database, of, *FIRST)
    await database.write(lambda tx: lease.claim(tx, NOW))
    await database.write(lambda tx: listings.remove(tx, of))

    assert await find(database, of) == (None, [])
    assert await database.write(lambda tx: lease.renew(tx, NOW))
    assert await count(database, "listed_accounts") == 0


async def test_a_listing_goes_with_its_person(database: Database) -> None:
    """Nothing of an erased person's accounts is left."""
    ada = await log_in(database, **listing_of(*FIRST))
    await database.write(lambda tx: people.remove(tx, ada.person_id))

    assert await count(database, StoredListing.__tablename__) == 0
    assert await count(database, "listed_accounts") == 0


def test_a_digest_tells_lists_apart() -> None:
    """By every account's text and by their order; the same list has the same."""
    lists = [FIRST, FIRST[::-1], FIRST[:2], (), (*FIRST[:2], account(3, "renamed"))]

    assert len({digest_of(each) for each in lists}) == len(lists)
    assert digest_of(FIRST) == digest_of(list(FIRST))


def test_an_account_prints_without_its_text() -> None:
    """A traceback shows its id; names are nobody's business."""
    assert "Bäckerei" not in repr(account(1))
    assert "page_unavailable" not in repr(a_listing())
