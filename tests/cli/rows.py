"""What commands find in a database, put there and looked at behind their backs."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import text
from structlog.testing import capture_logs

from igauth.domain import ConnectionId, PersonId
from igauth.grants.vault import token_place
from igauth.security.keyring import KeyRing
from igauth.security.sealing import Sealer
from igauth.settings import RootKey, Settings, load
from igauth.store import migrations, sealed
from igauth.store.database import Database, Transaction
from tests.stage import make_settings, open_stage

Result = TypeVar("Result")
ADA = "10200000000000001"
"""The app-scoped id of the one who logs in."""


def set_revision(database_url: str, revision: str) -> None:
    """As another program's migration would leave it."""

    def work(tx: Transaction) -> None:
        tx.execute(
            text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision}
        )

    with_database(database_url, lambda database: database.write(work))


def revision(database_url: str) -> str | None:
    """Where the database is."""
    return with_database(database_url, migrations.current_revision)


def log_ada_in(database_url: str, key: RootKey) -> None:
    """A person with a connection, whose token is sealed under this key."""

    async def run() -> None:
        async with open_stage(make_settings(database_url, keys=(key,))) as stage:
            answer = await stage.browser().log_in("ada")
            assert "error=" not in answer.headers["location"]

    with capture_logs():  # what a command says is all that its test hears
        asyncio.run(run())


def stored_token(path: Path, line: str) -> str:
    """The one stored token, opened with this line of KEYS."""
    ring = KeyRing(load(Settings, keys=line).keys)

    def work(tx: Transaction) -> sealed.SealedRow:
        (row,) = sealed.list_sealed(tx, sealed.SEALED[0], ring.newest, "", 10)
        return row

    row = with_database(f"sqlite+aiosqlite:///{path}", lambda database: database.read(work))
    place = token_place(ConnectionId(row.row), row.provider, row.app_id, PersonId(row.person))
    return Sealer(ring).open(row.sealed, place)


def with_database(url: str, work: Callable[[Database], Awaitable[Result]]) -> Result:
    """Whatever has to be done there."""

    async def run() -> Result:
        database = Database(url)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())
