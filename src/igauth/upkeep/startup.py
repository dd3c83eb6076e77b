"""What must be true before a process serves: database at head, key ring fitting its rows."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from igauth.domain import Clock
from igauth.security.keyring import KeyRing
from igauth.settings import Fault, SettingsRefused
from igauth.store import migrations, sealed
from igauth.store.database import Database, Transaction
from igauth.upkeep.database_faults import DatabaseRefused, refusal_for


async def check_database(database: Database) -> None:
    """Raises DatabaseRefused for a database that is behind, ahead, or can't be used, with why."""
    current = await _revision(database)
    if current != migrations.head_revision():
        raise DatabaseRefused("the database is behind this program", "run: igauth migrate")


def bring_to_head(url: str) -> None:
    """Migrates the database; several at once are safe. Blocks.

    Raises DatabaseRefused for one that a newer program migrated, or that can't be used.
    """
    asyncio.run(_refuse_newer(url))
    with _told():
        migrations.upgrade(url)


async def _refuse_newer(url: str) -> None:
    database = Database(url)
    try:
        await _revision(database)
    finally:
        await database.close()


async def _revision(database: Database) -> str | None:
    with _told():
        current = await migrations.current_revision(database)
    if not migrations.is_known(current):
        raise DatabaseRefused(
            "the database was migrated by a newer program",
            "upgrade this one, then run: igauth migrate",
        )
    return current


@contextmanager
def _told() -> Iterator[None]:
    """DatabaseRefused, with cause and mend, in place of what a driver raises."""
    try:
        yield
    except Exception as error:
        refusal = refusal_for(error)
        if refusal is None:
            raise
        raise refusal from None


async def check_keys(
    database: Database, ring: KeyRing, clock: Clock, *, rotating: bool = False
) -> None:
    """Raises SettingsRefused for a ring with other bytes, or without a key that rows need.

    `rotating` may lack keys: it is how a lost one is mended. Notes the check value of every key
    that is new to this database.
    """
    with _told():
        known, needed = await database.read(partial(_kids, now=clock()))
    faults = [*_changed(ring, known), *([] if rotating else _lacking(ring, needed))]
    if faults:
        raise SettingsRefused(faults)
    fresh = [kid for kid in ring if kid not in known]

    def note(tx: Transaction) -> None:
        for kid in fresh:
            sealed.add_check_value(tx, kid, ring.check_value(kid), clock())

    if fresh:
        await database.write(note)


def _kids(tx: Transaction, now: datetime) -> tuple[dict[str, str], frozenset[str]]:
    return sealed.check_values(tx), sealed.kids_in_use(tx, now)


async def key_faults(database: Database, ring: KeyRing, clock: Clock) -> list[Fault]:
    """What is wrong with this ring for this database. Raises DatabaseUnavailable."""
    known, needed = await database.read(partial(_kids, now=clock()))
    return [*_changed(ring, known), *_lacking(ring, needed)]


def _changed(ring: KeyRing, known: dict[str, str]) -> list[Fault]:
    return [
        Fault("KEYS", f"key id {kid} has other bytes than the ones this database knows")
        for kid in ring
        if kid in known and known[kid] != ring.check_value(kid)
    ]


def _lacking(ring: KeyRing, needed: frozenset[str]) -> list[Fault]:
    return [
        Fault("KEYS", f"key id {kid} is missing, and stored values still need it")
        for kid in sorted(needed)
        if kid not in ring
    ]
