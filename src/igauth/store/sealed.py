"""Where sealed values lie, for the key ring's sake: check values, and re-sealing in batches.

The key id of each value is a column beside it, null where nobody could open the value: so start,
doctor and rotation ask an index and never scan.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import func, literal, select, update

from igauth.domain import ConnectionStatus, Provider
from igauth.store import service_keys
from igauth.store.connections import UNREADABLE
from igauth.store.database import Transaction
from igauth.store.event_models import WebhookSecret
from igauth.store.models import Connection, KeyCheck, ParkedCode, Revocation
from igauth.store.revocations import NEVER
from igauth.store.statements import InBoth


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values; `given_up` and `taken_up`: what else changes in a row whose
    value can't be opened, or can be opened again."""

    table: Any
    value: Any
    kid: Any
    whose: tuple[Any, ...]
    given_up: dict[str, Any]
    taken_up: dict[str, Any]


@dataclass(frozen=True, slots=True)
class SealedRow:
    """A sealed value and all that its associated data names. An `app_id` of "": this app's."""

    row: str
    sealed: str = field(repr=False)
    kid: str | None
    provider: Provider
    app_id: str
    person: str


NO_APP: Final = "-"
"""The `app_id` of what belongs to no app."""

SEALED: Final = (
    SealedColumn(
        Connection,
        Connection.sealed_token,
        Connection.token_kid,
        (Connection.provider, Connection.app_id, Connection.person_id),
        given_up=UNREADABLE,
        taken_up={
            "status": ConnectionStatus.ACTIVE.value,
            "cause": None,
            "version": Connection.version + 1,
        },
    ),
    SealedColumn(
        Revocation,
        Revocation.sealed_subject,
        Revocation.kid,
        (literal(Provider.FACEBOOK.value), literal(""), literal("")),
        given_up={"kid": None, "next_attempt_at": NEVER},
        taken_up={},
    ),
    SealedColumn(
        ParkedCode,
        ParkedCode.sealed_code,
        ParkedCode.kid,
        (ParkedCode.provider, ParkedCode.app_id, ParkedCode.external_id),
        given_up={"kid": None},
        taken_up={},
    ),
    SealedColumn(
        WebhookSecret,
        WebhookSecret.sealed_secret,
        WebhookSecret.kid,
        (literal(Provider.FACEBOOK.value), literal(NO_APP), literal("")),
        given_up={"kid": None},
        taken_up={},
    ),
)
_DUE_AGAIN: Final = {Connection: "next_check_at", Revocation: "next_attempt_at"}
_NOTE_KEY = InBoth(lambda _, insert: insert(KeyCheck).on_conflict_do_nothing())


def check_values(tx: Transaction) -> dict[str, str]:
    """The check value of every key that this database knows, by key id."""
    rows = tx.execute(select(KeyCheck.kid, KeyCheck.check_value)).all()
    return {row.kid: row.check_value for row in rows}


def knows(tx: Transaction, kid: str) -> bool:
    """Whether a key of this id was ever used with this database."""
    return tx.execute(select(KeyCheck.kid).where(KeyCheck.kid == kid)).first() is not None


def add_check_value(tx: Transaction, kid: str, value: str, now: datetime) -> None:
    """A key is used with this database for the first time."""
    _NOTE_KEY.execute(tx, {"kid": kid, "check_value": value, "first_seen_at": now})


def kids_in_use(tx: Transaction, now: datetime) -> frozenset[str]:
    """Ids of the keys under which readable values, or the hashes of live service keys, lie: one
    look into an index for each."""
    found = {kid for column in SEALED for kid in _kids_of(tx, column)}
    return frozenset(found | service_keys.kids_of_live(tx, now))


def list_sealed(
    tx: Transaction, column: SealedColumn, kid: str | None, after: str, limit: int
) -> list[SealedRow]:
    """Values under this key, or unreadable ones, in the order of their rows' ids."""
    wanted = column.kid.is_(None) if kid is None else column.kid == kid
    statement = (
        select(column.table.id, column.value, column.kid, *column.whose)
        .where(wanted, column.value.is_not(None), column.table.id > after)
        .order_by(column.table.id)
        .limit(limit)
    )
    return [
        SealedRow(row, sealed, held_by, Provider(provider), app_id, person)
        for row, sealed, held_by, provider, app_id, person in tx.execute(statement).all()
    ]


def reseal(tx: Transaction, column: SealedColumn, row: SealedRow, sealed: str, kid: str) -> bool:
    """Puts another sealed text in place of the very one that was read; False if it changed."""
    return _replace(tx, column, row, {column.value.key: sealed, column.kid.key: kid})


def take_up(
    tx: Transaction, column: SealedColumn, row: SealedRow, *, kid: str, now: datetime
) -> bool:
    """A value that was given up can be opened again: its key came back. Due at once."""
    due = {_DUE_AGAIN[column.table]: now} if column.table in _DUE_AGAIN else {}
    return _replace(tx, column, row, {column.kid.key: kid, **column.taken_up, **due})


def give_up(tx: Transaction, column: SealedColumn, row: SealedRow) -> bool:
    """This very value can't be opened: it holds no key back, and needs a login (contract §7)."""
    return _replace(tx, column, row, column.given_up)


def empty(tx: Transaction, column: SealedColumn, row: SealedRow) -> bool:
    """Removes a value that can't be opened."""
    return _replace(tx, column, row, {column.value.key: None, column.kid.key: None})


def _kids_of(tx: Transaction, column: SealedColumn) -> Iterator[str]:
    kid: str | None = ""
    while kid is not None:
        next_one = select(func.min(column.kid)).where(column.kid > kid)
        kid = tx.execute(next_one).scalar_one()
        if kid is not None:
            yield kid


def _replace(tx: Transaction, column: SealedColumn, row: SealedRow, values: dict[str, Any]) -> bool:
    same = (column.table.id == row.row, column.value == row.sealed)
    return bool(tx.execute(update(column.table).where(*same).values(**values)).rowcount)
