"""People, and what signs them in."""

from igauth.domain import PersonId, Provider, SessionHash, Subject
from igauth.store import people
from igauth.store.database import Database
from igauth.store.logins import Recorded
from igauth.store.people import SignInRow
from tests.store.rows import APP_ID, account, count, listing_of, log_in, new_session

OWN = SignInRow(Provider.FACEBOOK, APP_ID, Subject("1001"))


async def signed_in_by(database: Database, who: SignInRow) -> PersonId | None:
    """Whom this signs in."""
    return await database.read(
        lambda tx: people.find_by_sign_in(tx, who.provider, who.app_id, who.subject)
    )


async def test_a_person_is_found_by_what_signs_them_in(database: Database, ada: Recorded) -> None:
    """Door, app and subject, all three."""
    assert await signed_in_by(database, OWN) == ada.person_id
    for stranger in (
        SignInRow(Provider.INSTAGRAM, APP_ID, Subject("1001")),
        SignInRow(Provider.FACEBOOK, "1", Subject("1001")),
        SignInRow(Provider.FACEBOOK, APP_ID, Subject("1002")),
    ):
        assert await signed_in_by(database, stranger) is None
    assert await database.read(lambda tx: people.find(tx, PersonId("1001"))) is None


async def test_all_that_signs_a_person_in_is_listed(database: Database) -> None:
    """Both doors; nobody else's."""
    ada = await log_in(database, "77", provider=Provider.INSTAGRAM, session=new_session("a1"))
    await log_in(database, adding_under=[SessionHash("a1")])
    await log_in(database, "1002")
    found = await database.read(lambda tx: people.list_sign_ins(tx, ada.person_id))

    assert set(found) == {OWN, SignInRow(Provider.INSTAGRAM, APP_ID, Subject("77"))}


async def test_a_removed_sign_in_signs_nobody_in(database: Database, ada: Recorded) -> None:
    """The person stays; whoever comes by it next is somebody new."""
    await database.write(lambda tx: people.remove_sign_in(tx, OWN))
    assert await signed_in_by(database, OWN) is None
    assert await database.read(lambda tx: people.find(tx, ada.person_id)) is not None

    assert (await log_in(database)).person_id != ada.person_id


async def test_only_who_is_there_can_be_locked(database: Database, ada: Recorded) -> None:
    """False tells that another request was quicker."""
    assert await database.write(lambda tx: people.lock(tx, ada.person_id))
    assert not await database.write(lambda tx: people.lock(tx, PersonId("x")))


async def test_removing_a_person_takes_all_that_hangs_on_it(database: Database) -> None:
    """Sign-ins, connections, sessions, listings and their accounts go by cascade; others stay."""
    listing = listing_of(account(1), account(2))
    ada, bob = [await log_in(database, each, **listing) for each in ("1001", "1002")]
    assert await database.write(lambda tx: people.remove(tx, ada.person_id))
    assert not await database.write(lambda tx: people.remove(tx, ada.person_id))
    tables = ("people", "sign_ins", "connections", "sessions", "listings", "listed_accounts")

    assert [await count(database, each) for each in tables] == [1, 1, 1, 1, 1, 2]
    assert await database.read(lambda tx: people.find(tx, bob.person_id)) is not None


async def test_people_are_counted(database: Database) -> None:
    """Each once, however often they log in."""
    assert await database.read(people.count) == 0
    for subject in ("1001", "1001", "1002"):
        await log_in(database, subject)

    assert await database.read(people.count) == 2
