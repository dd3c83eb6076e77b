"""Counts for those who run the service, each by an index."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, or_, select

from igauth.domain import ConnectionStatus
from igauth.store.database import Transaction
from igauth.store.models import Connection, Revocation

_LIVE = (ConnectionStatus.ACTIVE, ConnectionStatus.EXPIRING)


def connections_by_status(
    tx: Transaction, *, now: datetime, soon: datetime
) -> dict[ConnectionStatus, int]:
    """How many connections are in each state, zeros included; dates that passed count at once.

    `soon`: what ends until then is `expiring`.
    """
    stored = select(Connection.status, func.count()).group_by(Connection.status)
    counted = {ConnectionStatus(status): number for status, number in tx.execute(stored).all()}
    ended, ending = _live_ending(tx, now), _live_ending(tx, soon)
    live = sum(counted.pop(status, 0) for status in _LIVE)
    return {
        ConnectionStatus.ACTIVE: live - ending,
        ConnectionStatus.EXPIRING: ending - ended,
        ConnectionStatus.RECONNECT_REQUIRED: ended
        + counted.get(ConnectionStatus.RECONNECT_REQUIRED, 0),
        ConnectionStatus.CHECKPOINT_REQUIRED: counted.get(ConnectionStatus.CHECKPOINT_REQUIRED, 0),
        ConnectionStatus.REVOKED: counted.get(ConnectionStatus.REVOKED, 0),
    }


def is_in_state(status: ConnectionStatus, *, now: datetime, soon: datetime) -> ColumnElement[bool]:
    """Whether a connection is in this state; dates as above."""
    live, ends = Connection.status.in_([each.value for each in _LIVE]), Connection.ends_at
    match status:
        case ConnectionStatus.ACTIVE:
            return and_(live, or_(ends.is_(None), ends > soon))
        case ConnectionStatus.EXPIRING:
            return and_(live, ends > now, ends <= soon)
        case ConnectionStatus.RECONNECT_REQUIRED:
            return or_(Connection.status == status.value, and_(live, ends <= now))
        case _:
            return Connection.status == status.value


def oldest_check(tx: Transaction) -> datetime | None:
    """When the longest unchecked live connection was last checked."""
    live = Connection.next_check_at.is_not(None)
    return tx.execute(select(func.min(Connection.verified_at)).where(live)).scalar_one()


def revocations(tx: Transaction) -> int:
    """How many revocations wait."""
    return int(tx.execute(select(func.count()).select_from(Revocation)).scalar_one())


def _live_ending(tx: Transaction, until: datetime) -> int:
    words = [status.value for status in _LIVE]
    statement = (
        select(func.count())
        .select_from(Connection)
        .where(Connection.status.in_(words), Connection.ends_at <= until)
    )
    return int(tx.execute(statement).scalar_one())
