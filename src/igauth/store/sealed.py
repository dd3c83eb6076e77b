"""Where sealed values lie, for the key ring's sake: check values, and re-sealing in batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, union, update
from sqlalchemy.orm import InstrumentedAttribute

from igauth.domain import ConnectionStatus
from igauth.store.database import Transaction
from igauth.store.models import Connection, KeyCheck, Person, Revocation
from igauth.store.statements import insert_into

_LONGEST_KID = 32


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A sealed value and all that its associated data names."""

    table: str
    column: str
    row: str
    app_id: str
    person: str
    sealed: str
    unreadable: bool


async def check_values(tx: Transaction) -> dict[str, str]:
    """The check value of every key that this database knows, by key id."""
    rows = (await tx.execute(select(KeyCheck.kid, KeyCheck.check_value))).all()
    return {row.kid: row.check_value for row in rows}


async def knows(tx: Transaction, kid: str) -> bool:
    """Whether a key of this id was ever used with this database."""
    statement = select(KeyCheck.kid).where(KeyCheck.kid == kid)
    return (await tx.execute(statement)).first() is not None


async def add_check_value(tx: Transaction, kid: str, value: str, now: datetime) -> None:
    """A key is used with this database for the first time."""
    statement = insert_into(tx, KeyCheck).values(kid=kid, check_value=value, first_seen_at=now)
    await tx.execute(statement.on_conflict_do_nothing())


async def kids_in_use(tx: Transaction) -> frozenset[str]:
    """Ids of the keys under which readable values lie."""
    tokens = select(_kid(tx, Connection.sealed_token)).where(
        Connection.sealed_token.like("v1.%.%"), ~Connection.token_unreadable
    )
    queued = select(_kid(tx, Revocation.sealed_user_id)).where(
        Revocation.sealed_user_id.like("v1.%.%"), ~Revocation.unreadable
    )
    rows = await tx.execute(union(tokens, queued))
    return frozenset(kid for (kid,) in rows.all() if 0 < len(kid) <= _LONGEST_KID)


async def list_tokens(tx: Transaction, after: str, limit: int) -> list[SealedRow]:
    """Sealed tokens in the order of their rows' ids, `limit` of them beyond `after`."""
    statement = (
        select(
            Connection.id,
            Person.facebook_app_id,
            Connection.person_id,
            Connection.sealed_token,
            Connection.token_unreadable,
        )
        .join(Person, Person.id == Connection.person_id)
        .where(Connection.id > after, Connection.sealed_token.is_not(None))
        .order_by(Connection.id)
        .limit(limit)
    )
    rows = (await tx.execute(statement)).all()
    return [
        SealedRow("connections", "sealed_token", row_id, app_id, person, sealed, unreadable)
        for row_id, app_id, person, sealed, unreadable in rows
        if sealed is not None
    ]


async def list_queued(tx: Transaction, after: str, limit: int) -> list[SealedRow]:
    """Sealed ids of the revocation queue, likewise; they belong to no person."""
    statement = (
        select(Revocation.id, Revocation.sealed_user_id, Revocation.unreadable)
        .where(Revocation.id > after, Revocation.sealed_user_id.is_not(None))
        .order_by(Revocation.id)
        .limit(limit)
    )
    rows = (await tx.execute(statement)).all()
    return [
        SealedRow("revocations", "sealed_user_id", row_id, "", "", sealed or "", unreadable)
        for row_id, sealed, unreadable in rows
    ]


async def reseal(tx: Transaction, row: SealedRow, sealed: str | None) -> bool:
    """Puts another sealed text in place of the very one that was read; False if it changed."""
    if row.table == "connections":
        statement = (
            update(Connection)
            .where(Connection.id == row.row, Connection.sealed_token == row.sealed)
            .values(sealed_token=sealed)
        )
    else:
        statement = (
            update(Revocation)
            .where(Revocation.id == row.row, Revocation.sealed_user_id == row.sealed)
            .values(sealed_user_id=sealed)
        )
    return bool((await tx.execute(statement)).rowcount)


async def mark_unreadable(tx: Transaction, rows: Sequence[SealedRow]) -> None:
    """These very values can't be opened: they hold no key back, and need a login (contract §7)."""
    values = [row.sealed for row in rows]
    tokens = [row.row for row in rows if row.table == "connections"]
    queued = [row.row for row in rows if row.table == "revocations"]
    await tx.execute(
        update(Connection)
        .where(Connection.id.in_(tokens), Connection.sealed_token.in_(values))
        .values(
            token_unreadable=True,
            status=ConnectionStatus.RECONNECT_REQUIRED.value,
            status_cause="token_unreadable",
            next_check_at=None,
        )
    )
    await tx.execute(
        update(Revocation)
        .where(Revocation.id.in_(queued), Revocation.sealed_user_id.in_(values))
        .values(unreadable=True)
    )


async def mark_readable(tx: Transaction, row: SealedRow, now: datetime) -> None:
    """A value that couldn't be opened can be again: its key came back. Checked at once."""
    if row.table == "revocations":
        statement = update(Revocation).where(Revocation.id == row.row)
        await tx.execute(statement.values(unreadable=False))
        return
    await tx.execute(
        update(Connection)
        .where(Connection.id == row.row, Connection.token_unreadable)
        .values(
            token_unreadable=False,
            status=ConnectionStatus.ACTIVE.value,
            status_cause=None,
            next_check_at=now,
        )
    )


def _kid(tx: Transaction, column: InstrumentedAttribute[str | None]) -> ColumnElement[str]:
    """The key id inside `v1.{kid}.{…}`, which has no dots; what is no key id comes out longer."""
    rest = func.substr(column, len("v1.") + 1, _LONGEST_KID + 1).concat(".")
    position = func.instr if tx.dialect.name == "sqlite" else func.strpos
    return func.substr(rest, 1, position(rest, ".") - 1)
