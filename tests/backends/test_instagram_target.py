"""Whose an Instagram account becomes in a connect session (contract §11, last paragraph)."""

import uuid
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from igauth.domain import (
    ConnectionStatus,
    PersonId,
    Provider,
    SessionHash,
    Subject,
)
from igauth.errors import AccountSwitched
from igauth.store import connect_sessions, links, logins, people
from igauth.store.connect_sessions import ConnectSessionRow, ConnectStatus
from igauth.store.connections import Grant, SealedToken
from igauth.store.database import Database
from igauth.store.logins import Recorded
from igauth.store.new_logins import IntoLink, IntoSession, NewLogin, NewSession

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
APP = "801234567890123"
GRANT = Grant(
    status=ConnectionStatus.ACTIVE,
    cause=None,
    upgrade_pending=False,
    token_expires_at=NOW + timedelta(days=60),
    data_access_expires_at=None,
    granted_scopes=frozenset({"instagram_business_basic"}),
    declined_scopes=frozenset(),
    granular=None,
    verified_at=NOW,
    next_check_at=NOW + timedelta(days=1),
)


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """A fresh, migrated database."""
    opened = Database(database_url)
    yield opened
    await opened.close()


def login(
    into: IntoSession | IntoLink, subject: str = "17", reconnect: str | None = None
) -> NewLogin:
    """A login through Instagram's door."""
    return NewLogin(
        provider=Provider.INSTAGRAM,
        app_id=APP,
        subject=Subject(subject),
        other_subject=None,
        name="shop",
        picture_url=None,
        grant=GRANT,
        seal=lambda _connection, _person: SealedToken("v1.k1.AAAA", "k1", NOW),
        consent=lambda _: {},
        listing=lambda _tx, _known, _id: None,
        into=into,
        cancelled_revocations=(),
        reconnect=reconnect,
        request_id=None,
        now=NOW,
    )


async def connect(
    database: Database, user: str, subject: str = "17", reconnect: str | None = None
) -> Recorded:
    """A connect session of this user ends with this account."""
    session_id = f"cs_{uuid.uuid4()}"
    row = ConnectSessionRow(
        id=session_id,
        link_hash=session_id,
        external_id=user,
        provider=Provider.INSTAGRAM,
        return_to="https://app.test/",
        prompt=None,
        reconnect=reconnect,
        state=None,
        status=ConnectStatus.OPEN,
        error=None,
        created_at=NOW,
        expires_at=NOW + timedelta(minutes=15),
        completed_at=None,
        connection_id=None,
    )
    await database.write(lambda tx: connect_sessions.add(tx, row))
    into = IntoLink(user, session_id, "parked", "key")
    return await logins.record(database, login(into, subject, reconnect), patience_seconds=5)


async def sign_in(database: Database, subject: str = "17") -> Recorded:
    """Somebody logs in by browser with this account."""
    name = SessionHash(uuid.uuid4().hex)
    session = NewSession(name, None, expires_at=NOW, ends_at=NOW)
    into = IntoSession(session, name, (), (), NOW)
    return await logins.record(database, login(into, subject), patience_seconds=5)


async def users(database: Database, person_id: PersonId) -> list[str]:
    """The operator's users of a person."""
    return (await database.read(lambda tx: links.list_users(tx, [person_id])))[person_id]


async def test_a_new_account_is_a_new_person_without_a_sign_in(database: Database) -> None:
    """Nobody can log in as them."""
    made = await connect(database, "u1")

    assert await users(database, made.person_id) == ["u1"]
    assert await database.read(lambda tx: people.list_sign_ins(tx, made.person_id)) == []


async def test_the_same_users_account_is_the_same_person(database: Database) -> None:
    """Connected again, it keeps person and connection."""
    first = await connect(database, "u1")

    assert replace(await connect(database, "u1"), added=first.added) == first


async def test_another_users_account_is_another_person(database: Database) -> None:
    """A shop's password has many holders: each has a token of its own."""
    first, second = await connect(database, "u1"), await connect(database, "u2")

    assert first.person_id != second.person_id
    assert first.connection_id != second.connection_id
    assert await users(database, first.person_id) == ["u1"]


async def test_it_is_never_the_person_whom_the_account_signs_in(database: Database) -> None:
    """Not even where that person is linked to the user."""
    owner = await sign_in(database)
    await database.write(lambda tx: links.add(tx, "u1", owner.person_id, NOW))
    made = await connect(database, "u1")

    assert made.person_id != owner.person_id
    assert (await sign_in(database)).person_id == owner.person_id


async def test_another_account_of_that_user_is_another_person(database: Database) -> None:
    """Whoever holds this account, and nobody else."""
    first, second = await connect(database, "u1", "17"), await connect(database, "u1", "18")

    assert first.person_id != second.person_id


async def test_a_reconnection_is_the_same_connection(database: Database) -> None:
    """Another account is `account_switched`, and nothing is written."""
    first = await connect(database, "u1")
    again = await connect(database, "u1", reconnect=first.connection_id)

    assert again.connection_id == first.connection_id
    with pytest.raises(AccountSwitched):
        await connect(database, "u1", "18", reconnect=first.connection_id)
