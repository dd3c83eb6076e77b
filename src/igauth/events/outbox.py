"""Events for the operator's own program, written in the transaction of what they tell of: the one
place that writes them (contract §12).

Written last: whoever changes a person's rows takes their locks first (person, connection,
listing, session), events at the end.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from igauth.domain import (
    ConnectionId,
    ConnectionStatus,
    DeletionReason,
    EventType,
    PersonId,
)
from igauth.store import connections
from igauth.store import outbox as store
from igauth.store.database import Transaction
from igauth.store.outbox import EventRow

_OF_STATUS: Final = {
    ConnectionStatus.ACTIVE: EventType.RECOVERED,
    ConnectionStatus.EXPIRING: EventType.EXPIRING,
    ConnectionStatus.RECONNECT_REQUIRED: EventType.RECONNECT_REQUIRED,
    ConnectionStatus.CHECKPOINT_REQUIRED: EventType.CHECKPOINT_REQUIRED,
    ConnectionStatus.REVOKED: EventType.REVOKED,
}
_LIVE: Final = frozenset({ConnectionStatus.ACTIVE, ConnectionStatus.EXPIRING})


def record_change(
    tx: Transaction,
    connection_id: ConnectionId,
    before: ConnectionStatus,
    after: ConnectionStatus,
    at: datetime,
) -> bool:
    """One event for a change of state; False where there is none. The row is written already."""
    if before is after:
        return False
    back = after in _LIVE and before not in _LIVE
    record(tx, EventType.RECOVERED if back else _OF_STATUS[after], connection_id, at)
    return True


def record(
    tx: Transaction, event_type: EventType, connection_id: ConnectionId, at: datetime, **more: Any
) -> None:
    """An event about a connection as it is now; `more` stands directly in its `data`."""
    store.add_change(
        tx,
        event_type=event_type.value,
        connection_id=connection_id,
        at=at,
        more=more,
    )


def record_erasure(
    tx: Transaction, person_id: PersonId, reason: DeletionReason, at: datetime
) -> None:
    """A person is about to be erased: what was told of them goes, and that their connections went
    is told."""
    gone = connections.lock_for_person(tx, person_id)
    store.forget_person(tx, person_id)
    for row in gone:
        record_deletion(tx, row.id, person_id, reason, at)


def record_deletion(
    tx: Transaction,
    connection_id: ConnectionId,
    person_id: PersonId,
    reason: DeletionReason,
    at: datetime,
) -> None:
    """A connection is about to be deleted; its person's links are there still."""
    store.add_bare(
        tx,
        event_type=EventType.DELETED.value,
        connection_id=connection_id,
        external_ids=store.list_external_ids(tx, person_id),
        at=at,
        more={"reason": reason.value},
    )


def record_refusal(
    tx: Transaction, connect_session_id: str, external_ids: Sequence[str], at: datetime
) -> None:
    """A connect session ended as `wrong_user` (contract §11)."""
    store.add_bare(
        tx,
        event_type=EventType.CONNECT_SESSION_REFUSED.value,
        connection_id=None,
        external_ids=external_ids,
        at=at,
        more={"connect_session": {"id": connect_session_id}},
    )


def message(row: EventRow) -> dict[str, Any]:
    """An event as the feed and the deliveries show it; the same row is always the same."""
    told: dict[str, Any] = {}
    if row.connection_id is not None:
        told["connection"] = _connection(row)
    told["external_ids"] = row.external_ids
    if row.instagram_account_ids is not None:
        told["instagram_account_ids"] = row.instagram_account_ids
    return {
        "id": row.id,
        "type": row.type,
        "timestamp": iso(row.at),
        "data": told | row.more,
    }


def _connection(row: EventRow) -> dict[str, Any]:
    if row.provider is None:
        return {"id": row.connection_id}
    return {
        "id": row.connection_id,
        "provider": row.provider,
        "status": row.status,
        "cause": row.cause,
        "version": row.version,
        "expires_at": None if row.expires_at is None else iso(row.expires_at),
    }


def iso(instant: datetime) -> str:
    """ISO 8601 in UTC with `Z`, to the second."""
    return f"{instant:%Y-%m-%dT%H:%M:%SZ}"
