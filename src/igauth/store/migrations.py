"""The database's version: where it is, where this program's head is, and how to get there."""

from functools import lru_cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from igauth.errors import DatabaseUnavailable
from igauth.store.database import Database, Transaction

_PACKAGED = Path(__file__).parents[1] / "_migrations"
_CHECKOUT = Path(__file__).parents[3] / "alembic"


def config(url: str | None = None) -> Config:
    """Alembic's configuration without any file; `url` with its driver and password."""
    made = Config()
    made.set_main_option(
        "script_location", str(_PACKAGED if _PACKAGED.is_dir() else _CHECKOUT).replace("%", "%%")
    )
    made.set_main_option("path_separator", "os")
    if url is not None:
        made.attributes["url"] = url
    return made


def upgrade(url: str, revision: str = "head") -> None:
    """Brings the database there. Blocks; several processes at once are safe (env.py locks).

    Raises DatabaseUnavailable where the database refuses or doesn't answer.
    """
    try:
        command.upgrade(config(url), revision)
    except (DBAPIError, OSError) as error:
        raise DatabaseUnavailable(
            f"The database refused the migration ({type(error).__name__})."
        ) from error


def downgrade(url: str, revision: str) -> None:
    """Takes the database back. Blocks."""
    command.downgrade(config(url), revision)


def check(url: str) -> None:
    """Raises alembic's CommandError where models and migrations differ. Blocks."""
    command.check(config(url))


@lru_cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(config())


def head_revision() -> str:
    """The revision that this program's code is written for."""
    head = _scripts().get_current_head()
    assert head is not None  # noqa: S101  # the wheel carries its migrations
    return head


def is_known(revision: str | None) -> bool:
    """Whether this program has a script for the revision; an empty database is known."""
    return revision is None or revision in {each.revision for each in _scripts().walk_revisions()}


async def current_revision(database: Database) -> str | None:
    """Where the database is; None for one that was never migrated. Raises DatabaseUnavailable."""
    return await database.read(_revision, noted=False)


def _revision(tx: Transaction) -> str | None:
    if not inspect(tx).has_table("alembic_version"):
        return None
    found: str | None = tx.execute(
        text("SELECT version_num FROM alembic_version")
    ).scalar_one_or_none()
    return found
