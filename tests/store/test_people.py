"""People: one for each app-scoped id, whoever comes first."""

import asyncio

from sqlalchemy import func, select

from igauth.domain import AppScopedUserId, Listing, PersonId, SessionHash
from igauth.store import listings, people, sessions
from igauth.store.database import Database
from igauth.store.models import Connection, Person, Session, StoredListing
from igauth.store.people import PersonRow
from tests.store.rows import APP_ID, LATER, NOW, add_connection, add_person


async def test_a_person_is_found_by_either_id(database: Database) -> None:
    """Our id and Facebook's lead to the same row, instants aware."""
    person_id = await add_person(database, "1001")
    expected = PersonRow(person_id, APP_ID, AppScopedUserId("1001"), "Ada", None, NOW, NOW)

    async with database.reading() as tx:
        assert await people.find(tx, person_id) == expected
        assert await people.find_by_facebook_id(tx, APP_ID, AppScopedUserId("1001")) == expected
        assert await people.find(tx, PersonId("1001")) is None
        assert await people.find_by_facebook_id(tx, "1", AppScopedUserId("1001")) is None


async def test_a_second_login_keeps_the_id_and_brings_the_rest_up_to_date(
    database: Database,
) -> None:
    """Name and last login change; id and first day stay."""
    first = await add_person(database, "1001")
    again = await add_person(database, "1001", name=None, now=LATER)
    async with database.reading() as tx:
        row = await people.find(tx, again)

    assert again == first
    assert row is not None
    assert (row.name, row.created_at, row.last_login_at) == (None, NOW, LATER)


async def test_the_same_id_of_another_app_is_another_person(database: Database) -> None:
    """Identity is (app, app-scoped id)."""
    first = await add_person(database, "1001")
    async with database.transaction() as tx:
        second = await people.upsert(
            tx,
            app_id="2",
            user_id=AppScopedUserId("1001"),
            name=None,
            picture_url=None,
            now=NOW,
        )

    assert first != second


async def test_one_person_who_logs_in_many_times_at_once_is_one(
    database: Database, other: Database
) -> None:
    """Twenty logins on two replicas: one row, the same id for all."""
    ids = await asyncio.gather(
        *(add_person(each, "1001") for each in (database, other) for _ in range(10))
    )
    async with database.reading() as tx:
        assert await people.count(tx) == 1

    assert len(set(ids)) == 1


async def test_any_clean_name_is_kept(database: Database) -> None:
    """Text is text."""
    for name in ("Zoë \U0001f600", "x" * 5_000, "'; DROP TABLE people; --", ""):
        person_id = await add_person(database, "1001", name=name)
        async with database.reading() as tx:
            row = await people.find(tx, person_id)

        assert row is not None
        assert row.name == name


async def test_removing_a_person_takes_all_that_hangs_on_it(
    database: Database, ada: PersonId
) -> None:
    """Connection, sessions and listing go by cascade; others stay."""
    bob = await add_person(database, "1002")
    for person in (ada, bob):
        await add_connection(database, person)
    async with database.transaction() as tx:
        await listings.save(tx, ada, Listing(NOW))
        await sessions.add(
            tx, id_hash=SessionHash("h"), person_id=ada, user_agent=None, now=NOW, expires_at=LATER
        )
    async with database.transaction() as tx:
        assert await people.remove(tx, ada)
        assert not await people.remove(tx, ada)
    async with database.reading() as tx:
        left = [
            (await tx.execute(select(func.count()).select_from(model))).scalar_one()
            for model in (Person, Connection, Session, StoredListing)
        ]
        assert await people.find(tx, bob) is not None

    assert left == [1, 1, 0, 0]
