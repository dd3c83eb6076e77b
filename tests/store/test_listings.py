"""Stored listings and the lease on refreshing one."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import update

from igauth.domain import (
    InstagramAccount,
    InstagramAccountId,
    Listing,
    ListingWarning,
    NotListed,
    NotListedReason,
    Page,
    PageId,
    PersonId,
    Source,
)
from igauth.store import listings
from igauth.store.database import Database
from igauth.store.listings import ListingRow
from igauth.store.models import StoredListing
from tests.store.rows import LATER, NOW, add_person

LISTING = Listing(
    fetched_at=NOW,
    accounts=(
        InstagramAccount(
            id=InstagramAccountId("17841400000000021"),
            username="invented.bakery",
            biography='Brot \U0001f956\nund "mehr"',
            followers_count=0,
            pages=(Page(PageId("1"), "Bakery", ("CREATE_CONTENT", "MANAGE")),),
            sources=frozenset({Source.ACCOUNTS, Source.OWNED_PAGES}),
        ),
        InstagramAccount(id=InstagramAccountId("17841400000000022")),
    ),
    not_listed=(
        NotListed(
            NotListedReason.PAGE_UNAVAILABLE,
            Page(PageId("2")),
            cause="two_factor",
            sources=frozenset({Source.CLIENT_PAGES}),
        ),
        NotListed(
            NotListedReason.INSTAGRAM_UNREACHABLE,
            instagram_account_id=InstagramAccountId("17841400000000023"),
        ),
    ),
    warnings=(ListingWarning("permission_missing", "business_management", Source.BUSINESSES),),
    complete=False,
    failed_sources=frozenset({Source.BUSINESSES}),
)


async def find(database: Database, person: PersonId) -> ListingRow | None:
    """What is stored."""
    async with database.reading() as tx:
        return await listings.find(tx, person)


async def claim(database: Database, person: PersonId, owner: str, minutes: int = 0) -> bool:
    """Tries for the lease, so many minutes from now, for one minute."""
    now = NOW + timedelta(minutes=minutes)
    async with database.transaction() as tx:
        return await listings.claim(
            tx, person, owner=owner, now=now, until=now + timedelta(minutes=1)
        )


async def save(database: Database, person: PersonId, listing: Listing = LISTING) -> None:
    """Stores it."""
    async with database.transaction() as tx:
        await listings.save(tx, person, listing)


async def test_a_listing_comes_back_as_it_was(database: Database, ada: PersonId) -> None:
    """Every field, sets and enums and instants included."""
    assert await find(database, ada) is None

    await save(database, ada)

    assert await find(database, ada) == ListingRow(LISTING, NOW, None, None)


async def test_a_newer_listing_takes_the_place_of_the_older(
    database: Database, ada: PersonId
) -> None:
    """One for each person; another's stays."""
    bob = await add_person(database, "1002")
    newer = replace(LISTING, fetched_at=LATER, accounts=())
    await save(database, ada)
    await save(database, bob)
    await save(database, ada, newer)

    assert await find(database, ada) == ListingRow(newer, LATER, None, None)
    assert await find(database, bob) == ListingRow(LISTING, NOW, None, None)


async def test_twenty_who_want_to_refresh_have_one_winner(
    database: Database, other: Database, ada: PersonId
) -> None:
    """On two replicas, with and without a stored listing."""
    for stored in (False, True):
        if stored:
            await save(database, ada)
        won = await asyncio.gather(
            *(
                claim(each, ada, f"{number}{stored}")
                for number in range(10)
                for each in (database, other)
            )
        )
        assert sorted(won) == [False] * 19 + [True]


async def test_a_lease_ends_by_itself(database: Database, ada: PersonId) -> None:
    """Whoever dies with it holds nobody up for longer than the lease; the listing stays."""
    await save(database, ada)
    assert await claim(database, ada, "first")
    assert not await claim(database, ada, "second")
    assert not await claim(database, ada, "first")

    assert await claim(database, ada, "second", minutes=1)

    row = await find(database, ada)
    assert row == ListingRow(LISTING, NOW, NOW + timedelta(minutes=2), "second")


async def test_only_its_owner_gives_a_lease_back(database: Database, ada: PersonId) -> None:
    """A late first owner doesn't free the second's lease; the time of asking is kept."""
    await claim(database, ada, "first")
    await claim(database, ada, "second", minutes=5)
    async with database.transaction() as tx:
        await listings.release(tx, ada, "first", LATER)
    row = await find(database, ada)
    assert row is not None
    assert (row.lease_owner, row.asked_at) == ("second", None)

    async with database.transaction() as tx:
        await listings.release(tx, ada, "second", LATER)

    assert await find(database, ada) == ListingRow(None, LATER, None, None)


async def test_storing_frees_the_lease(database: Database, ada: PersonId) -> None:
    """A refresh that brought something is over."""
    await claim(database, ada, "first")
    await save(database, ada)

    assert await claim(database, ada, "second")


async def test_a_body_that_cannot_be_read_counts_as_none(database: Database, ada: PersonId) -> None:
    """What another version of the program wrote leads to a fresh listing, not to a failure."""
    await save(database, ada)
    async with database.transaction() as tx:
        bodies: list[object] = [{"accounts": 7}, {}, [], "text", 7, None]
        for body in bodies:
            await tx.execute(update(StoredListing).values(body=body))
            row = await listings.find(tx, ada)
            assert row is not None
            assert (row.listing, row.asked_at) == (None, NOW)
