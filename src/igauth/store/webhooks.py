"""Receivers of events, their sealed secrets, and what is on its way to them (contract §12).

Locks are taken endpoint first, then deliveries.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update

from igauth.store.database import Transaction
from igauth.store.event_models import Delivery, Event, WebhookEndpoint, WebhookSecret
from igauth.store.leases import FREED, Lease, claim_due, held, is_free
from igauth.store.statements import InBoth

LEASE: Final = timedelta(seconds=30)
"""Twice what an attempt may take, so it isn't renewed; below the 60 s of contract §12."""


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """A receiver as stored. `types` None: every event; `probe_at`: its queue is held."""

    id: str
    url: str
    types: list[str] | None
    created_at: datetime
    disabled_cause: str | None
    failures: int
    failing_since: datetime | None
    probe_at: datetime | None
    probes: int

    def wants(self, event_type: str) -> bool:
        """Whether it gets events of this type."""
        return self.types is None or event_type in self.types


@dataclass(frozen=True, slots=True)
class SecretRow:
    """A sealed signing secret; `ends_at` None: the present one."""

    id: str
    sealed_secret: str | None = field(repr=False)
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """An event on its way to an endpoint."""

    id: str
    endpoint_id: str
    event_key: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Pending:
    """How much waits for an endpoint, and since when."""

    number: int = 0
    oldest: datetime | None = None


_ENDPOINT: Final = select(*(getattr(WebhookEndpoint, name) for name in EndpointRow.__slots__))
_DELIVERY: Final = select(*(getattr(Delivery, name) for name in DeliveryRow.__slots__))
_PENDING: Final = Delivery.next_attempt_at.is_not(None)


def add(
    tx: Transaction, endpoint_id: str, url: str, types: list[str] | None, now: datetime
) -> None:
    """A new receiver, which gets what happens from now on."""
    values = {"id": endpoint_id, "url": url, "types": types, "created_at": now}
    _ADD.execute(tx, values | {"failures": 0, "probes": 0})


def find(tx: Transaction, endpoint_id: str) -> EndpointRow | None:
    """The receiver of this id."""
    row = tx.execute(_ENDPOINT.where(WebhookEndpoint.id == endpoint_id)).one_or_none()
    return None if row is None else EndpointRow(*row)


def list_all(tx: Transaction) -> list[EndpointRow]:
    """All receivers, in the order in which they were added."""
    statement = _ENDPOINT.order_by(WebhookEndpoint.created_at, WebhookEndpoint.id)
    return [EndpointRow(*row) for row in tx.execute(statement).all()]


def remove(tx: Transaction, endpoint_id: str) -> bool:
    """Deletes a receiver, its secrets, and what was on its way to it."""
    gone = delete(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id)
    return bool(tx.execute(gone).rowcount)


def add_secret(
    tx: Transaction, secret_id: str, endpoint_id: str, sealed: str, kid: str, ends: datetime
) -> None:
    """A fresh secret; the present one is valid until `ends`, and older ones no more."""
    of = WebhookSecret.endpoint_id == endpoint_id
    tx.execute(delete(WebhookSecret).where(of, WebhookSecret.ends_at.is_not(None)))
    tx.execute(update(WebhookSecret).where(of).values(ends_at=ends))
    values = {"id": secret_id, "endpoint_id": endpoint_id, "sealed_secret": sealed, "kid": kid}
    _ADD_SECRET.execute(tx, values)


def list_secrets(tx: Transaction, endpoint_id: str, now: datetime) -> list[SecretRow]:
    """The secrets that a receiver may verify by now, the present one first."""
    lives = or_(WebhookSecret.ends_at.is_(None), WebhookSecret.ends_at > now)
    statement = (
        select(WebhookSecret.id, WebhookSecret.sealed_secret, WebhookSecret.ends_at)
        .where(WebhookSecret.endpoint_id == endpoint_id, lives)
        .order_by(WebhookSecret.ends_at.is_not(None))
    )
    return [SecretRow(*row) for row in tx.execute(statement).all()]


def queue(tx: Transaction, events: Sequence[tuple[int, str]], now: datetime) -> None:
    """These events (key, type) are on their way to whoever wants them and isn't disabled."""
    endpoints = [each for each in list_all(tx) if each.disabled_cause is None] if events else []
    rows = [
        _fresh(endpoint.id, key, now)
        for endpoint in endpoints
        for key, event_type in events
        if endpoint.wants(event_type)
    ]
    if rows:
        tx.execute(_QUEUE.on(tx.dialect.name), rows)


def list_since(tx: Transaction, since: datetime, after: int, limit: int) -> list[tuple[int, str]]:
    """Keys and types of numbered events since then, `limit` of them beyond a key."""
    statement = select(Event.key, Event.type).where(
        Event.at >= since, Event.key > after, Event.number.is_not(None)
    )
    rows = tx.execute(statement.order_by(Event.key).limit(limit)).all()
    return [(row.key, row.type) for row in rows]


def replay(
    tx: Transaction, endpoint_id: str, keys: Sequence[int], now: datetime, *, failed: bool
) -> int:
    """Sends these events once more, or those of them that never arrived; returns how many."""
    again = {"queued_at": now, "next_attempt_at": now, "delivered_at": None, "attempts": 0}
    of = (Delivery.endpoint_id == endpoint_id, Delivery.event_key.in_(keys))
    if failed:
        given_up = and_(Delivery.next_attempt_at.is_(None), Delivery.delivered_at.is_(None))
        return tx.execute(update(Delivery).where(*of, given_up).values(**again)).rowcount
    tx.execute(update(Delivery).where(*of).values(**again))
    if keys:
        tx.execute(_QUEUE.on(tx.dialect.name), [_fresh(endpoint_id, key, now) for key in keys])
    return len(keys)


def list_due(tx: Transaction, now: datetime) -> list[str]:
    """Ids of receivers for which something is to be done now."""
    one = Delivery.endpoint_id == WebhookEndpoint.id
    due = and_(
        WebhookEndpoint.probe_at.is_(None), exists().where(one, Delivery.next_attempt_at <= now)
    )
    probe = and_(WebhookEndpoint.probe_at <= now, exists().where(one, _PENDING))
    statement = select(WebhookEndpoint.id).where(_ENABLED, or_(due, probe))
    return list(tx.execute(statement).scalars())


def claim(
    tx: Transaction, endpoint_id: str, now: datetime, limit: int
) -> tuple[Lease, list[DeliveryRow]]:
    """Takes up to `limit` due deliveries to a receiver, in the order of their events."""
    lease, ids = claim_due(
        tx,
        Delivery,
        Delivery.next_attempt_at,
        now=now,
        limit=limit,
        among=Delivery.endpoint_id == endpoint_id,
        lasting=LEASE,
    )
    rows = tx.execute(_DELIVERY.where(Delivery.id.in_(ids)).order_by(Delivery.event_key))
    return lease, [DeliveryRow(*row) for row in rows.all()]


def claim_probe(
    tx: Transaction, endpoint: EndpointRow, next_at: datetime, now: datetime
) -> DeliveryRow | None:
    """The oldest delivery of a held queue, to try the receiver by; None: it is another's turn."""
    turn = update(WebhookEndpoint).where(
        WebhookEndpoint.id == endpoint.id, WebhookEndpoint.probe_at <= now
    )
    moved = turn.values(probe_at=next_at, probes=WebhookEndpoint.probes + 1)
    if not tx.execute(moved).rowcount:
        return None
    waiting = (Delivery.endpoint_id == endpoint.id, _PENDING, is_free(Delivery, now))
    row = tx.execute(_DELIVERY.where(*waiting).order_by(Delivery.event_key).limit(1)).one_or_none()
    if row is None:
        return None
    lease = held(uuid.uuid4().hex, now, LEASE)
    tx.execute(update(Delivery).where(Delivery.id == row.id).values(**lease))
    return DeliveryRow(*row)


def lock(tx: Transaction, endpoint_id: str) -> EndpointRow | None:
    """The receiver as it is now; nobody else changes it until the transaction ends."""
    statement = _ENDPOINT.where(WebhookEndpoint.id == endpoint_id).with_for_update()
    row = tx.execute(statement).one_or_none()
    return None if row is None else EndpointRow(*row)


def settle(tx: Transaction, endpoint_id: str, now: datetime) -> None:
    """The receiver answers: what waited for it goes at once."""
    values = {"failures": 0, "failing_since": None, "probe_at": None, "probes": 0}
    tx.execute(update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id).values(**values))
    waits = (Delivery.endpoint_id == endpoint_id, Delivery.next_attempt_at > now)
    tx.execute(update(Delivery).where(*waits).values(next_attempt_at=now))


def note_failure(tx: Transaction, endpoint: EndpointRow) -> None:
    """What failed in a row, as `endpoint` now says."""
    values = {
        "failures": endpoint.failures,
        "failing_since": endpoint.failing_since,
        "probe_at": endpoint.probe_at,
        "disabled_cause": endpoint.disabled_cause,
    }
    tx.execute(update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint.id).values(**values))


def enable(tx: Transaction, endpoint_id: str) -> bool:
    """The receiver gets events again, as if it had never failed."""
    values: dict[str, Any] = {"failures": 0, "failing_since": None, "probe_at": None, "probes": 0}
    wanted = update(WebhookEndpoint).where(WebhookEndpoint.id == endpoint_id)
    return bool(tx.execute(wanted.values(**values, disabled_cause=None)).rowcount)


def delivered(tx: Transaction, delivery: DeliveryRow, now: datetime) -> None:
    """It arrived."""
    values = {"delivered_at": now, "next_attempt_at": None, "failure": None, **FREED}
    attempts = Delivery.attempts + 1
    one = update(Delivery).where(Delivery.id == delivery.id)
    tx.execute(one.values(attempts=attempts, **values))


def postpone(
    tx: Transaction, delivery: DeliveryRow, failure: str, attempts: int, at: datetime | None
) -> None:
    """It didn't arrive: again then, or never where `at` is None; unless it did meanwhile."""
    one = update(Delivery).where(Delivery.id == delivery.id, _PENDING)
    tx.execute(one.values(attempts=attempts, next_attempt_at=at, failure=failure, **FREED))


def count_pending(tx: Transaction) -> dict[str, Pending]:
    """What waits for each receiver."""
    statement = (
        select(Delivery.endpoint_id, func.count(), func.min(Delivery.queued_at))
        .where(_PENDING)
        .group_by(Delivery.endpoint_id)
    )
    return {row[0]: Pending(row[1], row[2]) for row in tx.execute(statement).all()}


def _fresh(endpoint_id: str, key: int, now: datetime) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "endpoint_id": endpoint_id,
        "event_key": key,
        "queued_at": now,
        "next_attempt_at": now,
        "attempts": 0,
        **FREED,
    }


_ENABLED: Final[ColumnElement[bool]] = WebhookEndpoint.disabled_cause.is_(None)
_ADD: Final = InBoth(lambda _, insert: insert(WebhookEndpoint))
_ADD_SECRET: Final = InBoth(lambda _, insert: insert(WebhookSecret))
_QUEUE: Final = InBoth(
    lambda _, insert: insert(Delivery).on_conflict_do_nothing(
        index_elements=["endpoint_id", "event_key"]
    )
)
