"""Rows for the tests of the store, made by the repositories themselves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from igauth.domain import AppScopedUserId, ConnectionStatus, GranularScopes, PersonId
from igauth.store import connections, people
from igauth.store.connections import ConnectionRow, Grant
from igauth.store.database import Database

APP_ID = "901234567890123"
NOW = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
GRANT = Grant(
    status=ConnectionStatus.ACTIVE,
    status_cause=None,
    upgrade_pending=False,
    token_expires_at=NOW + timedelta(days=60),
    data_access_expires_at=NOW + timedelta(days=90),
    granted_scopes=frozenset({"instagram_basic", "pages_show_list"}),
    declined_scopes=frozenset({"business_management"}),
    granular=GranularScopes({"instagram_basic": ("178414",), "pages_show_list": None}),
    verified_at=NOW,
    next_check_at=LATER,
)


async def add_person(
    database: Database, user_id: str, *, name: str | None = "Ada", now: datetime = NOW
) -> PersonId:
    """The person of this app-scoped id."""
    async with database.transaction() as tx:
        return await people.upsert(
            tx,
            app_id=APP_ID,
            user_id=AppScopedUserId(user_id),
            name=name,
            picture_url=None,
            now=now,
        )


async def add_connection(
    database: Database, person_id: PersonId, *, grant: Grant = GRANT, sealed: str = "v1.k1.AAAA"
) -> ConnectionRow:
    """The person's connection after a login."""
    async with database.transaction() as tx:
        row = await connections.reserve(tx, person_id, NOW)
        await connections.save_login(
            tx, row.id, sealed_token=sealed, grant=grant, last_consent={"at": "x"}, now=NOW
        )
    return await get_connection(database, person_id)


async def get_connection(database: Database, person_id: PersonId) -> ConnectionRow:
    """The person's connection as it is now."""
    async with database.reading() as tx:
        row = await connections.find_for_person(tx, person_id)
    assert row is not None
    return row


async def analyze(database: Database, table: str) -> None:
    """What autovacuum does now and then: fresh statistics for the planner."""
    async with database.transaction() as tx:
        await tx.exec_driver_sql(f"ANALYZE {table}")


def due_at(moment: datetime) -> Grant:
    """A grant whose next check is then."""
    return replace(GRANT, next_check_at=moment)
