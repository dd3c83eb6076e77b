"""What a login commits: all of it or nothing, in two round trips, whoever else is at work."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from igauth.domain import (
    ConnectionId,
    ConnectionStatus,
    PersonId,
    Provider,
    SessionHash,
    Subject,
)
from igauth.errors import AccountSwitched
from igauth.store import (
    attempts,
    connections,
    listings,
    logins,
    people,
    revocations,
    sessions,
)
from igauth.store.attempts import Outcome, SpentRow
from igauth.store.connections import ConnectionRow, SealedToken
from igauth.store.database import Database, Transaction
from igauth.store.listings import AccountRow, ListingRow
from igauth.store.login_writes import MOST_SESSIONS
from igauth.store.logins import Recorded
from igauth.store.models import Base
from igauth.store.people import PersonRow, SignInRow
from tests.postgres import PostgresServer
from tests.store.rows import (
    APP_ID,
    GRANT,
    LATER,
    NOW,
    TOKEN,
    a_listing,
    account,
    count,
    due_at,
    get_connection,
    listing_of,
    log_in,
    new_login,
    new_session,
    spend,
    sql,
)
from tests.store.watching import Watched, eventually

IDLE_SINCE = NOW - timedelta(days=14)
A_LISTING = listing_of(account(1), account(2))


async def everything(database: Database) -> dict[str, list[Any]]:
    """Every row of every table."""
    return await database.read(
        lambda tx: {
            name: sorted(map(repr, tx.execute(select(table)).all()))
            for name, table in Base.metadata.tables.items()
        }
    )


async def live_sessions(database: Database, of: Recorded) -> list[str]:
    """Hashes of a person's live sessions."""
    rows = await database.read(
        lambda tx: sessions.list_live(tx, of.person_id, now=NOW, idle_since=IDLE_SINCE)
    )
    return [row.id_hash for row in rows]


async def stored_listing(
    database: Database, of: Recorded
) -> tuple[ListingRow | None, tuple[AccountRow, ...]]:
    """What is stored of a connection's listing."""
    row, rows = await database.read(
        lambda tx: (
            listings.find(tx, of.connection_id),
            listings.list_accounts(tx, of.connection_id),
        )
    )
    return row, tuple(rows)


async def queue_revocation(database: Database, subject_hash: str) -> None:
    """A revocation that waits for its turn."""
    await database.write(
        lambda tx: revocations.add(
            tx,
            revocations.new_id(),
            sealed_subject="v1.k1.A",
            subject_hash=subject_hash,
            kid="k1",
            now=NOW,
            next_attempt_at=NOW,
        )
    )


# --- what it writes ---


async def test_a_first_login_makes_person_connection_and_session(database: Database) -> None:
    """All that was learned lies there as it was, instants aware."""
    done = await log_in(database, session=new_session("h1"), other_subject=Subject("9"))
    person, sign_ins, row, found = await database.read(
        lambda tx: (
            people.find(tx, done.person_id),
            people.list_sign_ins(tx, done.person_id),
            connections.find(tx, done.connection_id),
            sessions.find(tx, [SessionHash("h1")], now=NOW, idle_since=IDLE_SINCE),
        )
    )

    picture = "https://pictures.example/ada.jpg"
    assert person == PersonRow(done.person_id, "Ada", picture, NOW, NOW)
    assert sign_ins == [SignInRow(Provider.FACEBOOK, APP_ID, Subject("1001"))]
    assert row == ConnectionRow(
        id=done.connection_id,
        person_id=done.person_id,
        provider=Provider.FACEBOOK,
        app_id=APP_ID,
        subject=Subject("1001"),
        other_subject=Subject("9"),
        name="Ada",
        sealed_token=TOKEN.sealed,
        token_kid=TOKEN.kid,
        token_issued_at=TOKEN.issued_at,
        token_version=1,
        connected_at=NOW,
        last_consent={"at": "x"},
        used_at=None,
        check_failures=0,
        version=1,
        scopes_known=True,
        **{name: getattr(GRANT, name) for name in GRANT.__slots__},
    )
    assert found is not None
    session, of = found
    assert of == person
    assert (session.user_agent, session.created_at, session.last_seen_at) == ("Firefox", NOW, NOW)
    assert session.expires_at == NOW + timedelta(days=60)
    assert session.ends_at == NOW + timedelta(days=14)
    assert session.id != session.id_hash


async def test_a_login_finishes_its_state_and_leaves_a_trace(database: Database) -> None:
    """Whoever waits for the outcome learns it, by the same commit; so does the audit trail."""
    await spend(database, "s1")
    await spend(database, "s2")
    done = await log_in(database, state_hash="s1", session=new_session("h1"))
    spent, by_it, by_another = await database.read(
        lambda tx: (
            [attempts.find(tx, each) for each in ("s1", "s2")],
            attempts.made_session(tx, "s1", [SessionHash("h0"), SessionHash("h1")]),
            attempts.made_session(tx, "s2", [SessionHash("h1")]),
        )
    )

    assert spent[0] == SpentRow(Outcome.COMPLETED, None)
    assert spent[1] == SpentRow(None, NOW + timedelta(seconds=10))
    assert (by_it, by_another) == (True, False)
    trail = await sql(
        database, "SELECT event, outcome, person, connection, request_id FROM audit_events"
    )
    assert trail == [("login.completed", "ok", done.person_id, done.connection_id, "r-1")]


async def test_token_and_listing_are_made_for_their_row(database: Database) -> None:
    """`seal` and `listing` get the very ids that come out, at a first login and at the next."""
    asked: list[tuple[Any, ...]] = []

    def seal(connection_id: ConnectionId, person_id: PersonId) -> SealedToken:
        asked.append((connection_id, person_id))
        return TOKEN

    def listed(_tx: Transaction, known: ConnectionRow | None, connection_id: ConnectionId) -> None:
        asked.append((connection_id, known and known.id))

    first, again = [await log_in(database, seal=seal, listing=listed) for _ in range(2)]

    ids = (first.connection_id, first.person_id)
    assert first == again
    assert asked == [(ids[0], None), ids, (ids[0], ids[0]), ids]


async def test_a_second_login_revives_the_connection(database: Database) -> None:
    """The same ids; unreadable, failed, leased: all of that is over, and both versions move on."""
    first = await log_in(database, grant=due_at(NOW))
    (lease, (claimed,)) = await database.write(
        lambda tx: connections.claim_checks(tx, now=NOW, limit=9)
    )
    assert lease.owner
    await database.write(lambda tx: connections.mark_unreadable(tx, claimed))
    await sql(database, "UPDATE connections SET check_failures = 3, used_at = connected_at")
    soon = NOW + timedelta(seconds=1)
    again = await log_in(
        database,
        grant=replace(due_at(NOW), granular=None, granted_scopes=frozenset({"public_profile"})),
        seal=lambda *_: SealedToken("v1.k2.BBBB", "k2", LATER),
        now=soon,
    )
    row = await get_connection(database, again)
    person = await database.read(lambda tx: people.find(tx, again.person_id))

    assert again == first
    assert (row.status, row.cause, row.check_failures) == (ConnectionStatus.ACTIVE, None, 0)
    assert (row.sealed_token, row.token_kid, row.token_issued_at) == ("v1.k2.BBBB", "k2", LATER)
    assert (row.token_version, row.version, row.connected_at) == (2, 3, soon)
    assert (row.granular, row.granted_scopes) == (None, frozenset({"public_profile"}))
    assert row.used_at == NOW
    assert person is not None
    assert (person.created_at, person.last_login_at) == (NOW, soon)
    (_, due) = await database.write(lambda tx: connections.claim_checks(tx, now=soon, limit=9))
    assert [each.id for each in due] == [first.connection_id]


async def test_a_withheld_name_stays_as_it_was(database: Database) -> None:
    """Meta doesn't always tell: neither person nor connection loses what is known."""
    await log_in(database, name="Ada", picture_url="https://pictures.example/1")
    done = await log_in(database, name=None, picture_url=None, now=LATER)
    person = await database.read(lambda tx: people.find(tx, done.person_id))
    assert person is not None
    assert (person.name, person.picture_url) == ("Ada", "https://pictures.example/1")
    assert (await get_connection(database, done)).name == "Ada"

    await log_in(database, name="Countess", picture_url="https://pictures.example/2")
    person = await database.read(lambda tx: people.find(tx, done.person_id))
    assert person is not None
    assert (person.name, person.picture_url) == ("Countess", "https://pictures.example/2")
    assert (await get_connection(database, done)).name == "Countess"


async def test_any_clean_name_is_kept(database: Database) -> None:
    """Text is text."""
    for name in ("Zoë \U0001f600", "x" * 5_000, "'; DROP TABLE people; --", ""):
        done = await log_in(database, name=name)

        assert (await get_connection(database, done)).name == name


async def test_who_signs_in_is_door_app_and_subject(database: Database) -> None:
    """The same id behind another door or of another app is somebody else."""
    logged_in = [
        await log_in(database, **each)
        for each in ({}, {"app_id": "2"}, {"provider": Provider.INSTAGRAM}, {})
    ]

    assert logged_in[0] == logged_in[3]
    assert len({each.person_id for each in logged_in}) == 3


async def test_what_a_login_consents_to_is_compared_with_what_it_did_before(
    database: Database,
) -> None:
    """`consent` gets what is stored: None at the first login."""
    stored: list[Any] = []

    def consent(known: dict[str, Any] | None) -> dict[str, Any]:
        stored.append(known)
        return {"number": len(stored)}

    for _ in range(3):
        done = await log_in(database, consent=consent)

    assert stored == [None, {"number": 1}, {"number": 2}]
    assert (await get_connection(database, done)).last_consent == {"number": 3}


# --- sessions ---


async def test_the_oldest_sessions_leave(database: Database) -> None:
    """Twenty live for each person, the newest; other people's stay."""
    bob = await log_in(database, "1002", session=new_session("bob"))
    for number in range(MOST_SESSIONS + 3):
        at = NOW + timedelta(seconds=number)
        ada = await log_in(database, session=new_session(f"h{number}", now=at), now=at)
        assert await count(database, "sessions") - 1 == min(number + 1, MOST_SESSIONS)

    kept = [f"h{number}" for number in range(3, MOST_SESSIONS + 3)]
    assert sorted(await live_sessions(database, ada)) == sorted(kept)
    assert await live_sessions(database, bob) == ["bob"]


async def test_the_session_that_the_browser_came_with_ends(database: Database) -> None:
    """Whosever it was, and under whichever key its hash lies; no other one."""
    ada = await log_in(database, session=new_session("a1"))
    bob = await log_in(database, "1002", session=new_session("b1"))
    await log_in(database, "1002", session=new_session("b2"))
    await log_in(
        database,
        session=new_session("a2"),
        ended_sessions=[SessionHash("b1"), SessionHash("b1 under an older key")],
    )

    assert sorted(await live_sessions(database, ada)) == ["a1", "a2"]
    assert await live_sessions(database, bob) == ["b2"]


# --- what ends by it ---


async def test_a_queued_revocation_is_cancelled(database: Database) -> None:
    """The person consented anew: nothing that lies under any of their hashes may end it."""
    for subject_hash in ("ada by k1", "ada by k2", "ada by k2", "bob by k1"):
        await queue_revocation(database, subject_hash)
    await log_in(database, cancelled_revocations=["ada by k1", "ada by k2", "ada by k3"])

    assert await sql(database, "SELECT subject_hash FROM revocations") == [("bob by k1",)]


@pytest.mark.parametrize("subject", ["1001", "1002", "nobody yet"])
async def test_a_reconnect_by_another_account_changes_nothing(
    database: Database, subject: str
) -> None:
    """Neither for whoever logged in, nor for the connection that was meant; not a byte."""
    ada = await log_in(database, **A_LISTING)
    bob = await log_in(database, "1002", **A_LISTING)
    other = bob.connection_id if subject == "1001" else ada.connection_id
    await queue_revocation(database, "h")
    await spend(database, "s1")
    before = await everything(database)

    with pytest.raises(AccountSwitched):
        await log_in(
            database,
            subject,
            reconnect=other,
            state_hash="s1",
            ended_sessions=[SessionHash("session of s1")],
            cancelled_revocations=["h"],
            **listing_of(account(3)),
        )

    assert await everything(database) == before


async def test_a_reconnect_by_the_same_account_is_a_login(database: Database) -> None:
    """The connection that was meant: revived as by any other login."""
    ada = await log_in(database)

    assert await log_in(database, reconnect=ada.connection_id) == ada
    assert (await get_connection(database, ada)).token_version == 2


# --- added to whoever is signed in ---


async def test_an_instagram_account_is_added_to_whoever_is_signed_in(database: Database) -> None:
    """A connection and nothing else: no session, no other way to sign in, no other person."""
    ada = await log_in(database, session=new_session("a1"))
    await spend(database, "s1")
    instagram: dict[str, Any] = {
        "provider": Provider.INSTAGRAM,
        "adding_under": [SessionHash("a1")],
    }
    added = [
        await log_in(database, "77", name="shop", state_hash="s1", **instagram) for _ in range(2)
    ]
    person, sign_ins, rows, spent = await database.read(
        lambda tx: (
            people.find(tx, ada.person_id),
            people.list_sign_ins(tx, ada.person_id),
            connections.list_for_person(tx, ada.person_id),
            attempts.find(tx, "s1"),
        )
    )

    assert added == [Recorded(ada.person_id, rows[1].id, added=True)] * 2
    assert [(row.provider, row.name, row.token_version) for row in rows] == [
        (Provider.FACEBOOK, "Ada", 1),
        (Provider.INSTAGRAM, "shop", 2),
    ]
    assert [each.provider for each in sign_ins] == [Provider.FACEBOOK]
    assert await live_sessions(database, ada) == ["a1"]
    assert person is not None
    assert person.name == "Ada"
    assert spent == SpentRow(Outcome.ADDED, None)
    assert not await database.read(
        lambda tx: attempts.made_session(tx, "s1", [SessionHash("session of s1")])
    )
    events = await sql(database, "SELECT event, count(*) FROM audit_events GROUP BY event")
    assert dict(events) == {"login.completed": 1, "connection.added": 2}


@pytest.mark.parametrize("how", ["another", "idle", "over"])
async def test_nothing_is_added_under_a_session_that_has_ended(
    database: Database, how: str
) -> None:
    """It's an ordinary login then, of whoever the account signs in."""
    ada = await log_in(database, session=new_session("a1"))
    ways: dict[str, dict[str, Any]] = {
        "another": {"adding_under": [SessionHash("a2")]},
        "idle": {"idle_since": NOW},
        "over": {"now": NOW + timedelta(days=60)},
    }
    given = {"provider": Provider.INSTAGRAM, "adding_under": [SessionHash("a1")]} | ways[how]
    done = await log_in(database, "77", **given)

    assert not done.added
    assert done.person_id != ada.person_id


async def test_a_facebook_login_is_gained_by_whoever_came_by_the_other_door(
    database: Database,
) -> None:
    """A second way to sign in, with its connection; the session stays as it is."""
    ada = await log_in(
        database, "77", provider=Provider.INSTAGRAM, session=new_session("a1"), name="shop"
    )
    gained = await log_in(database, adding_under=[SessionHash("a1")])
    assert (gained.person_id, gained.added) == (ada.person_id, True)
    assert await live_sessions(database, ada) == ["a1"]

    again = await log_in(database)

    assert again == Recorded(ada.person_id, gained.connection_id)


async def test_a_facebook_login_that_is_somebody_s_already_is_theirs(database: Database) -> None:
    """Known as another person, or a second one beside the first: ordinary logins."""
    ada = await log_in(database, "77", provider=Provider.INSTAGRAM, session=new_session("a1"))
    bob = await log_in(database, "1002")
    assert await log_in(database, "1002", adding_under=[SessionHash("a1")]) == bob

    await log_in(database, "1001", adding_under=[SessionHash("a1")])
    third = await log_in(database, "1003", adding_under=[SessionHash("a1")])

    assert not third.added
    assert third.person_id not in (ada.person_id, bob.person_id)


# --- its listing ---


async def test_a_login_brings_its_listing(database: Database) -> None:
    """Rows are added, changed and removed until they are what was found, in its order."""
    for number, found in enumerate(
        (
            (account(1), account(2), account(3)),
            (account(3), account(1, "renamed"), account(4)),
            (account(3), account(1, "renamed"), account(4)),
            (),
            (account(5),),
        )
    ):
        at = NOW + timedelta(seconds=number)
        done = await log_in(database, **listing_of(*found, fetched_at=at))

        assert await stored_listing(database, done) == (a_listing(found, fetched_at=at), found)


async def test_a_login_without_a_listing_leaves_what_is_stored(database: Database) -> None:
    """It wasn't done in time: the older one is still there to be shown."""
    await log_in(database, **A_LISTING)
    done = await log_in(database, now=LATER)
    found = (account(1), account(2))

    assert await stored_listing(database, done) == (a_listing(found), found)


# --- whole or not at all ---


@pytest.mark.parametrize("known", [True, False])
async def test_a_login_that_fails_leaves_nothing(database: Database, known: bool) -> None:
    """Whatever fails on the way, and whether the person was known: not a byte is written."""

    class Mine(Exception):
        """Not the database's."""

    def fail(*_given: object) -> Any:
        raise Mine

    taken = await log_in(database, "1002", session=new_session("taken"))
    if known:
        await log_in(database)
    before = await everything(database)
    for what in ("seal", "consent", "listing"):
        with pytest.raises(Mine):
            await log_in(database, **(A_LISTING | {what: fail}))
    with pytest.raises(IntegrityError):  # the very last of its writes, on SQLite
        await log_in(database, session=new_session("taken"), **A_LISTING)

    assert await everything(database) == before
    assert await live_sessions(database, taken) == ["taken"]


# --- how many statements ---


@pytest.mark.parametrize(
    ("known", "listed", "on_sqlite"),
    [(True, False, 9), (True, True, 12), (False, False, 10), (False, True, 13)],
)
async def test_a_login_costs_two_round_trips(
    database: Database, statements: Watched, known: bool, listed: bool, on_sqlite: int
) -> None:
    """On PostgreSQL a read that locks, and all writes as one statement; on SQLite one each."""
    if known:
        await log_in(database)
    await spend(database, "s1")
    statements.clear()
    await log_in(database, state_hash="s1", **(A_LISTING if listed else {}))

    assert len(statements) == (on_sqlite if database.is_sqlite else 2)


async def test_adding_costs_no_more(database: Database, statements: Watched) -> None:
    """An Instagram account as a login does; a Facebook login asks who it is, and who they are."""
    await log_in(database, "77", provider=Provider.INSTAGRAM, session=new_session("a1"))
    for provider, on_sqlite, on_postgresql in (
        (Provider.INSTAGRAM, 6, 2),
        (Provider.FACEBOOK, 9, 4),
    ):
        statements.clear()
        done = await log_in(database, provider=provider, adding_under=[SessionHash("a1")])
        assert done.added
        assert len(statements) == (on_sqlite if database.is_sqlite else on_postgresql)


async def test_a_login_costs_the_same_however_much_it_brings(
    database: Database, statements: Watched
) -> None:
    """One account or four hundred, one session or twenty: the same statements."""
    sent: list[int] = []
    for number in (1, 100, 400):
        for _ in range(8):
            statements.clear()
            await log_in(database, **listing_of(*map(account, range(number))))
        sent.append(len(statements))

    assert len(set(sent)) == 1


# --- side by side ---


@pytest.fixture
def no_deadlocks(postgres: PostgresServer | None) -> Iterator[None]:
    """PostgreSQL's log gains neither a deadlock nor a broken foreign key: repeating would hide
    them from everybody else."""
    log = postgres.cluster.log if postgres and postgres.cluster else None
    before = log.stat().st_size if log else 0
    yield
    said = log.read_bytes()[before:].decode() if log else ""
    assert "deadlock" not in said
    assert "foreign key" not in said


async def test_fifty_first_logins_at_once_are_one_person(
    database: Database, other: Database
) -> None:
    """On two replicas: the same ids for all, every login in the trail, twenty sessions."""
    done = await asyncio.gather(
        *(log_in(each, **A_LISTING) for _ in range(25) for each in (database, other))
    )

    assert len(set(done)) == 1
    found = {name: len(rows) for name, rows in (await everything(database)).items()}
    assert {name: number for name, number in found.items() if number} == {
        "people": 1,
        "sign_ins": 1,
        "connections": 1,
        "listings": 1,
        "listed_accounts": 2,
        "sessions": MOST_SESSIONS,
        "audit_events": 50,
        "events": 50,
    }
    assert (await get_connection(database, done[0])).token_version == 50


@pytest.mark.usefixtures("no_deadlocks")
async def test_logins_refreshes_and_deletions_side_by_side(
    database: Database, other: Database
) -> None:
    """Fifty of each for four people on two replicas: nobody meets an error."""
    for number in range(4):
        await log_in(database, str(number), **A_LISTING)

    async def by(replica: Database, number: int) -> None:
        subject = str(number % 4)
        found = (account(number % 3), account(3 + number % 5, str(number)), account(9))
        await asyncio.gather(
            log_in(replica, subject, **listing_of(*found)),
            replica.write(lambda tx: _refresh(tx, subject, found[::-1])),
            log_in(replica, subject),
            replica.write(lambda tx: _delete(tx, subject)),
        )

    await asyncio.gather(*(by((database, other)[number % 2], number) for number in range(50)))

    assert await count(database, "people") == await count(database, "sign_ins") <= 4
    assert await count(database, "connections") == await count(database, "sign_ins")


# --- who holds what, on PostgreSQL ---


class Elsewhere:
    """Another replica's transaction, a step at a time."""

    def __init__(self, database: Database, connection: Any) -> None:
        self._database = database
        self._connection = connection

    async def does(self, step: Callable[[Transaction], Any]) -> Any:
        """A step of it."""
        return await self._connection.run_sync(step)

    async def until_somebody_waits(self) -> None:
        """Until another transaction stands at a lock of this one's."""
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        await eventually(lambda: sql(self._database, waiting))


@asynccontextmanager
async def elsewhere(database: Database) -> AsyncGenerator[Elsewhere]:
    """A transaction that commits when the block ends."""
    engine = create_async_engine(database.url)
    async with engine.begin() as connection:
        yield Elsewhere(database, connection)
    await engine.dispose()


@pytest.mark.usefixtures("no_deadlocks")
async def test_a_login_beside_a_refresh_waits_for_it(postgresql: Database) -> None:
    """The refresh holds the connection and goes on to its listing: no deadlock, both are kept."""
    ada = await log_in(postgresql, **A_LISTING)
    async with elsewhere(postgresql) as refresh:
        await refresh.does(lambda tx: connections.lock(tx, ada.connection_id))
        login = asyncio.create_task(log_in(postgresql, **listing_of(account(3), account(2, "x"))))
        await refresh.until_somebody_waits()
        rows = [account(1, "y"), account(2, "y")]
        await refresh.does(lambda tx: listings.save(tx, ada.connection_id, a_listing(rows), rows))

    assert await login == ada
    found = (account(3), account(2, "x"))
    assert await stored_listing(postgresql, ada) == (a_listing(found), found)


@pytest.mark.usefixtures("no_deadlocks")
async def test_a_login_beside_a_deletion_begins_anew(postgresql: Database) -> None:
    """The person went while the login waited: it makes a new one, whole."""
    ada = await log_in(postgresql, **A_LISTING)
    async with elsewhere(postgresql) as deletion:
        await deletion.does(lambda tx: people.lock(tx, ada.person_id))
        login = asyncio.create_task(log_in(postgresql, **A_LISTING))
        await deletion.until_somebody_waits()
        await deletion.does(lambda tx: people.remove(tx, ada.person_id))
    again = await login

    assert again.person_id != ada.person_id
    found = await everything(postgresql)
    assert [len(found[each]) for each in ("people", "sign_ins", "connections")] == [1, 1, 1]


@pytest.mark.usefixtures("no_deadlocks")
async def test_a_login_beside_a_disconnect_is_whoever_signs_in_then(postgresql: Database) -> None:
    """One of a person's two doors was closed while the login waited: no connection is left that
    nothing signs in to."""
    ada = await log_in(postgresql)
    await sql(
        postgresql,
        "INSERT INTO sign_ins (provider, app_id, subject, person_id) "
        "VALUES ('instagram', '1', '1', :person)",
        person=ada.person_id,
    )
    own = SignInRow(Provider.FACEBOOK, APP_ID, Subject("1001"))
    row = await get_connection(postgresql, ada)
    async with elsewhere(postgresql) as disconnect:
        await disconnect.does(lambda tx: people.lock(tx, ada.person_id))
        login = asyncio.create_task(log_in(postgresql))
        await disconnect.until_somebody_waits()
        await disconnect.does(lambda tx: connections.remove(tx, row))
        await disconnect.does(lambda tx: people.remove_sign_in(tx, own))
    again = await login

    assert again.person_id != ada.person_id
    assert await log_in(postgresql) == again


@pytest.mark.usefixtures("no_deadlocks")
async def test_a_login_beside_another_knows_what_that_one_left(postgresql: Database) -> None:
    """The consent before is the one that was committed while this one waited."""
    ada = await log_in(postgresql, consent=lambda _: {"number": 1})
    stored: list[Any] = []

    def consent(known: dict[str, Any] | None) -> dict[str, Any]:
        stored.append(known)
        return {"number": 3}

    between = new_login(consent=lambda _: {"number": 2})
    async with elsewhere(postgresql) as first:
        await first.does(lambda tx: logins._record(tx, between))
        second = asyncio.create_task(log_in(postgresql, consent=consent))
        await first.until_somebody_waits()

    assert await second == ada
    assert stored == [{"number": 2}]
    assert (await get_connection(postgresql, ada)).token_version == 3


async def test_a_status_out_of_the_list_is_refused(database: Database) -> None:
    """The database itself knows the five states, and the two doors."""
    await log_in(database)

    for column in ("status", "provider"):
        with pytest.raises(IntegrityError):
            await sql(database, f"UPDATE connections SET {column} = 'fine'")  # noqa: S608  # ours


async def test_no_token_or_hash_is_ever_printed(database: Database) -> None:
    """A traceback shows ids and states."""
    login = new_login(state_hash="cAnArY", **listing_of(account(1)))
    done = await logins.record(database, login, patience_seconds=5)
    row = await get_connection(database, done)
    shown = repr((login, login.into, TOKEN, row, done))

    assert TOKEN.sealed not in shown
    assert "cAnArY" not in shown


def _refresh(tx: Transaction, subject: str, found: Sequence[AccountRow]) -> None:
    """What the keeper of a listing does: the connection's lock, then the listing."""
    for row in connections.list_by_subject(tx, Provider.FACEBOOK, APP_ID, Subject(subject)):
        latest = connections.lock(tx, row.id)
        if latest is not None and connections.save_check(tx, latest, GRANT):
            listings.save(tx, row.id, a_listing(found), found)


def _delete(tx: Transaction, subject: str) -> None:
    """What a deletion does: the person's lock, then everything."""
    person_id = people.find_by_sign_in(tx, Provider.FACEBOOK, APP_ID, Subject(subject))
    if person_id is not None and people.lock(tx, person_id):
        people.remove(tx, person_id)
