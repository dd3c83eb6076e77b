"""What one request reads: session, person, connections and listings by one query."""

from datetime import timedelta

import pytest

from igauth.domain import InstagramAccountId, PersonId, Provider, SessionHash
from igauth.store import connections, listings, views
from igauth.store.database import Database
from igauth.store.logins import Recorded
from igauth.store.views import StoredGrant, Viewed
from tests.store.rows import (
    NOW,
    a_listing,
    account,
    get_connection,
    listing_of,
    log_in,
    new_session,
)
from tests.store.watching import Watched

IDLE_SINCE = NOW - timedelta(days=14)
FIRST = (account(2), account(1))


async def find(
    database: Database, id_hash: str = "a1", *, with_accounts: bool = True
) -> Viewed | None:
    """What the session under this hash sees."""
    hashes = [SessionHash("older key's"), SessionHash(id_hash)]
    return await database.read(
        lambda tx: views.find_viewed(
            tx, hashes, now=NOW, idle_since=IDLE_SINCE, with_accounts=with_accounts
        )
    )


async def both_doors(database: Database) -> tuple[Recorded, Recorded]:
    """A person with a connection through either door, each with its listing."""
    ada = await log_in(database, session=new_session("a1"), **listing_of(*FIRST))
    shop = await log_in(
        database,
        "77",
        provider=Provider.INSTAGRAM,
        adding_under=[SessionHash("a1")],
        **listing_of(account(1, "by itself")),
    )
    return ada, shop


async def test_a_request_sees_all_in_one_query(database: Database, statements: Watched) -> None:
    """Facebook's first, each with its accounts' bytes as they were stored, in their order."""
    ada, shop = await both_doors(database)
    await log_in(database, "1002", **listing_of(account(9)))
    statements.clear()
    found = await find(database)
    assert len(statements) == 1
    assert found is not None

    assert (found.session.id_hash, found.person.id) == ("a1", ada.person_id)
    assert found.grants == (
        StoredGrant(
            await get_connection(database, ada),
            a_listing(FIRST),
            f"{FIRST[0].body},{FIRST[1].body}",
        ),
        StoredGrant(
            await get_connection(database, shop),
            a_listing([account(1, "by itself")]),
            account(1, "by itself").body,
        ),
    )


async def test_accounts_that_nobody_asked_for_stay_where_they_are(database: Database) -> None:
    """The listing is told, its accounts are not."""
    await both_doors(database)
    found = await find(database, with_accounts=False)
    assert found is not None

    assert [grant.accounts for grant in found.grants] == [None, None]
    assert [grant.listing for grant in found.grants] == [
        a_listing(FIRST),
        a_listing([account(1, "by itself")]),
    ]


async def test_a_person_without_connections_or_listings_is_seen_as_such(
    database: Database,
) -> None:
    """A live session is one, whatever there is to show; a reserved listing is none."""
    ada = await log_in(database, session=new_session("a1"))
    await database.write(lambda tx: listings.reserve(tx, ada.connection_id))
    found = await find(database)
    assert found is not None
    (grant,) = found.grants
    assert (grant.connection.id, grant.listing, grant.accounts) == (ada.connection_id, None, None)

    row = grant.connection
    await database.write(lambda tx: connections.remove(tx, row))
    found = await find(database)

    assert found is not None
    assert (found.person.id, found.grants) == (ada.person_id, ())


async def test_an_empty_listing_is_one(database: Database) -> None:
    """Nothing was found: that is an answer, and no account in it."""
    await log_in(database, session=new_session("a1"), **listing_of())
    found = await find(database)
    assert found is not None

    assert [(grant.listing, grant.accounts) for grant in found.grants] == [(a_listing(), None)]


@pytest.mark.parametrize("seconds", [-1, 0])
async def test_only_a_live_session_sees(database: Database, seconds: int) -> None:
    """Neither an unknown one, nor one that is idle or over."""
    await log_in(database, session=new_session("a1"))
    over = NOW + timedelta(days=60, seconds=seconds)
    for now, idle_since, lives in ((over, IDLE_SINCE, seconds < 0), (NOW, NOW, False)):
        found = await database.read(
            lambda tx, now=now, since=idle_since: views.find_viewed(  # type: ignore[misc]
                tx, [SessionHash("a1")], now=now, idle_since=since
            )
        )
        assert (found is not None) == lives

    assert await find(database, "a2") is None


async def test_grants_of_several_people_come_together(database: Database) -> None:
    """All of theirs and nobody else's; of nobody there are none."""
    ada, shop = await both_doors(database)
    bob = await log_in(database, "1002", **listing_of(account(9)))
    await log_in(database, "1003")
    people = [ada.person_id, bob.person_id]
    found = await database.read(lambda tx: views.list_grants(tx, people))

    assert {grant.connection.id for grant in found} == {
        *(ada.connection_id, shop.connection_id, bob.connection_id)
    }
    assert [grant.connection.provider for grant in found][-1] is Provider.INSTAGRAM
    assert await database.read(lambda tx: views.list_grants(tx, [])) == ()
    assert await database.read(lambda tx: views.list_grants(tx, [PersonId("x")])) == ()


async def test_one_account_is_read_by_every_connection_that_reaches_it(
    database: Database, statements: Watched
) -> None:
    """One keyed read, Facebook's first; another person's, and another account, are not in it."""
    ada, shop = await both_doors(database)
    await log_in(database, "1002", **listing_of(account(1, "bob's")))
    wanted = InstagramAccountId(account(1).instagram_account_id)
    statements.clear()
    found = await database.read(lambda tx: views.list_kept_accounts(tx, [ada.person_id], wanted))
    assert len(statements) == 1

    assert [(each.connection.id, each.fetched_at, each.body) for each in found] == [
        (ada.connection_id, NOW, account(1).body),
        (shop.connection_id, NOW, account(1, "by itself").body),
    ]
    for people, unknown in (([ada.person_id], InstagramAccountId("1")), ([], wanted)):
        assert not await database.read(
            lambda tx, of=people, each=unknown: views.list_kept_accounts(tx, of, each)  # type: ignore[misc]
        )
