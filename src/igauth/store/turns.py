"""Upkeep that one replica does at a time: a row to lease for each kind."""

from datetime import datetime

from sqlalchemy import update

from igauth.store.database import Transaction
from igauth.store.leases import FREED, Lease
from igauth.store.models import Turn
from igauth.store.statements import InBoth

_RESERVE = InBoth(lambda _, insert: insert(Turn).on_conflict_do_nothing())


def lease(name: str) -> Lease:
    """The lease of whoever does this."""
    return Lease(Turn, Turn.name == name)


def claim(tx: Transaction, turn: Lease, name: str, now: datetime) -> bool:
    """Takes the turn; False while another replica has it."""
    _RESERVE.execute(tx, {"name": name, **FREED})
    return turn.claim(tx, now)


def note(tx: Transaction, name: str, now: datetime) -> None:
    """Writes that something was done now; nobody holds the turn."""
    _RESERVE.execute(tx, {"name": name, **FREED})
    tx.execute(update(Turn).where(Turn.name == name).values(leased_until=now))
