"""Rows for the tests of the store, made by the repositories themselves."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text

from igauth.domain import (
    ConnectionId,
    ConnectionStatus,
    GranularScopes,
    PersonId,
    Provider,
    SessionHash,
    Subject,
)
from igauth.store import attempts, connections, listings, logins, views
from igauth.store.connections import ConnectionRow, Grant, SealedToken
from igauth.store.database import Database
from igauth.store.listings import AccountRow, ListingRow
from igauth.store.logins import Recorded
from igauth.store.new_logins import IntoLink, IntoSession, NewLogin, NewSession
from igauth.store.views import StoredGrant

APP_ID = "901234567890123"
NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
MOMENT = timedelta(microseconds=1)
GRANT = Grant(
    status=ConnectionStatus.ACTIVE,
    cause=None,
    upgrade_pending=False,
    token_expires_at=NOW + timedelta(days=60),
    data_access_expires_at=NOW + timedelta(days=90),
    granted_scopes=frozenset({"instagram_basic", "pages_show_list"}),
    declined_scopes=frozenset({"business_management"}),
    granular=GranularScopes({"instagram_basic": ("178414",), "pages_show_list": None}),
    verified_at=NOW,
    next_check_at=LATER,
)
TOKEN = SealedToken("v1.k1.AAAA", "k1", NOW)


def new_login(subject: str = "1001", **changes: Any) -> NewLogin:
    """A login of this subject, which never had a listing, with a session of its own."""
    state = changes.pop("state_hash", uuid.uuid4().hex)
    given: dict[str, Any] = {
        "provider": Provider.FACEBOOK,
        "app_id": APP_ID,
        "subject": Subject(subject),
        "other_subject": None,
        "name": "Ada",
        "picture_url": "https://pictures.example/ada.jpg",
        "grant": GRANT,
        "seal": lambda _connection, _person: TOKEN,
        "consent": lambda _known: {"at": "x"},
        "listing": lambda _tx, _known, _connection: None,
        "cancelled_revocations": (),
        "reconnect": None,
        "request_id": "r-1",
        "now": NOW,
    }
    into: dict[str, Any] = {
        "session": new_session(f"session of {state}"),
        "state_hash": state,
        "ended_sessions": (),
        "adding_under": (),
        "idle_since": NOW - timedelta(days=14),
    }
    into = {name: changes.pop(name, value) for name, value in into.items()}
    given["into"] = IntoSession(**into)
    return NewLogin(**(given | changes))


def new_connection(subject: str, user: str, parked: str, **changes: Any) -> NewLogin:
    """The same in a connect session: it ends in a link."""
    return new_login(subject, into=IntoLink(user, "cs_78", parked, "key"), **changes)


def new_session(id_hash: str, *, now: datetime = NOW, days: int = 60, idle: int = 14) -> NewSession:
    """A session to be."""
    ends_at = now + timedelta(days=min(days, idle))
    return NewSession(SessionHash(id_hash), "Firefox", now + timedelta(days=days), ends_at)


def sealed_by(kid: str, sealed: str | None = None) -> dict[str, Any]:
    """What makes a login's token lie under this key."""
    return {"seal": lambda _connection, _person: SealedToken(sealed or f"v1.{kid}.A", kid, NOW)}


def account(number: int, text: str = "") -> AccountRow:
    """An account as it is stored; `text` makes it another one under the same id."""
    account_id = str(17841400000000000 + number)
    body = f'{{"id":"{account_id}","name":"Bäckerei \\"{number}\\" {text}"}}'
    return AccountRow(account_id, "accounts,businesses", body)


def a_listing(
    accounts: Sequence[AccountRow] = (), *, fetched_at: datetime = NOW, complete: bool = True
) -> ListingRow:
    """The row to go with these accounts."""
    return ListingRow(
        fetched_at=fetched_at,
        complete=complete,
        digest=listings.digest_of(accounts),
        not_listed='{"reason":"page_unavailable"}',
        explanations={"warnings": [["permission_missing", None, None]], "failed": []},
    )


def listing_of(*accounts: AccountRow, fetched_at: datetime = NOW) -> dict[str, Any]:
    """What makes a login bring this listing."""
    listed = a_listing(accounts, fetched_at=fetched_at), accounts
    return {"listing": lambda _tx, _known, _connection: listed}


async def log_in(database: Database, subject: str = "1001", **changes: Any) -> Recorded:
    """Commits a login of this subject."""
    return await logins.record(database, new_login(subject, **changes), patience_seconds=5)


async def spend(database: Database, state_hash: str, *, owner: str = "me") -> bool:
    """Spends a state, for whoever is to log in by it."""
    return await database.write(
        lambda tx: attempts.consume(tx, state_hash, owner=owner, now=NOW, expires_at=LATER)
    )


async def get_connection(database: Database, of: Recorded | ConnectionId) -> ConnectionRow:
    """The connection as it is now."""
    connection_id = of.connection_id if isinstance(of, Recorded) else of
    row = await database.read(lambda tx: connections.find(tx, connection_id))
    assert row is not None
    return row


async def get_grant(database: Database, person_id: PersonId) -> StoredGrant:
    """The person's one grant with what is stored of its listing."""
    (grant,) = await database.read(lambda tx: views.list_grants(tx, [person_id]))
    return grant


async def sql(database: Database, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Runs a statement of the test's own."""

    def unit(tx: Any) -> list[tuple[Any, ...]]:
        done = tx.execute(text(statement), parameters)
        return [tuple(row) for row in done] if done.returns_rows else []

    return await database.write(unit)


async def count(database: Database, table: str) -> int:
    """How many rows a table holds."""
    ((number,),) = await sql(database, f"SELECT count(*) FROM {table}")  # noqa: S608  # our own
    return int(number)


def due_at(moment: datetime) -> Grant:
    """A grant whose next check is then."""
    return replace(GRANT, next_check_at=moment)
