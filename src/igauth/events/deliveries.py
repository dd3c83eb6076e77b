"""Deliveries: events on their way to receivers, in a loop of their own (contract §12).

Each receiver is served by a task of its own, so that a slow one delays nobody else; replicas share
the work by leases, a dead one's run out. A receiver that failed five times in a row is tried by
one delivery at a time until it answers; one that fails for five days, or says that it is gone, is
disabled, loudly.
"""

import asyncio
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog

from igauth.background import Background
from igauth.domain import Clock
from igauth.events.feed import Numbering
from igauth.events.outbox import message
from igauth.events.posting import Answer, Poster
from igauth.events.secrets import Secrets
from igauth.observability import Metrics
from igauth.store import outbox, webhooks
from igauth.store.database import Database, Transaction
from igauth.store.outbox import EventRow
from igauth.store.webhooks import DeliveryRow, EndpointRow

_log = structlog.stdlib.get_logger("igauth.webhooks")
AT_ONCE: Final = 10
"""Messages under way to one receiver from one replica."""
MOST_IN_A_ROW: Final = 5
LONGEST_FAILING: Final = timedelta(days=5)
_LATER: Final = tuple(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24))
WAITS: Final = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    *_LATER,
)
"""Between one attempt and the next; after the last of them a delivery is given up."""
PROBE_WAITS: Final = (*(timedelta(minutes=1),) * 10, timedelta(minutes=30), *_LATER)
"""Before each probe of a held queue; the last one again and again."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What a replica took on for one receiver."""

    endpoint: EndpointRow
    deliveries: Sequence[DeliveryRow]
    events: dict[int, EventRow]
    secrets: list[str] = field(repr=False)


class Deliveries:
    """Brings what happened to everybody who asked for it, at least once."""

    def __init__(
        self,
        database: Database,
        numbering: Numbering,
        poster: Poster,
        secrets: Secrets,
        background: Background,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        self._database = database
        self._numbering = numbering
        self._poster = poster
        self._secrets = secrets
        self._background = background
        self._metrics = metrics
        self._clock = clock
        self._serving: dict[str, asyncio.Task[None]] = {}

    async def round(self) -> None:
        """Begins whatever is due, and waits for none of it."""
        await self._numbering.catch_up()
        due = partial(webhooks.list_due, now=self._clock())
        for endpoint_id in await self._database.read(due):
            if endpoint_id not in self._serving:
                work = self._background.spawn(self._serve(endpoint_id))
                self._serving[endpoint_id] = work
                work.add_done_callback(partial(self._forget, endpoint_id))

    async def settle(self) -> None:
        """Until nothing is under way here."""
        while self._serving:
            await asyncio.wait(self._serving.values())

    async def measure(self) -> None:
        """How much waits for each receiver, and for how long: for the metrics, off their path."""
        now = self._clock()
        endpoints, pending = await self._database.read(_count)
        self._metrics.webhook_pending.clear()
        self._metrics.webhook_oldest.clear()
        for endpoint in endpoints:
            waits = pending.get(endpoint.id, webhooks.Pending())
            age = (now - waits.oldest).total_seconds() if waits.oldest else 0.0
            self._metrics.webhook_pending.labels(endpoint.id).set(waits.number)
            self._metrics.webhook_oldest.labels(endpoint.id).set(max(age, 0.0))

    def _forget(self, endpoint_id: str, _work: "asyncio.Task[None]") -> None:
        self._serving.pop(endpoint_id, None)

    async def _serve(self, endpoint_id: str) -> None:
        """Batch after batch, while there is something due for this receiver."""
        while (work := await self._claim(endpoint_id)) is not None:
            await asyncio.gather(*(self._deliver(work, each) for each in work.deliveries))

    async def _claim(self, endpoint_id: str) -> _Work | None:
        work = await self._database.write(partial(self._take, endpoint_id=endpoint_id))
        if work is None:
            return None
        secrets = await self._secrets.valid(endpoint_id)
        return replace(work, secrets=secrets)

    def _take(self, tx: Transaction, endpoint_id: str) -> _Work | None:
        now = self._clock()
        endpoint = webhooks.find(tx, endpoint_id)
        if endpoint is None or endpoint.disabled_cause is not None:
            return None
        if endpoint.probe_at is not None:
            wait = PROBE_WAITS[min(endpoint.probes + 1, len(PROBE_WAITS) - 1)]
            next_at = now + jittered(wait)
            probe = webhooks.claim_probe(tx, endpoint, next_at, now)
            taken = [] if probe is None else [probe]
        else:
            _, taken = webhooks.claim(tx, endpoint_id, now, AT_ONCE)
        events = outbox.list_by_keys(tx, [each.event_key for each in taken])
        taken = [each for each in taken if each.event_key in events]  # else erased meanwhile
        return _Work(endpoint, taken, events, []) if taken else None

    async def _deliver(self, work: _Work, delivery: DeliveryRow) -> None:
        event = work.events[delivery.event_key]
        answer = await self._poster.post(work.endpoint.url, event.id, body_of(event), work.secrets)
        outcome = "failed" if answer.failure else "delivered"
        self._metrics.webhook_attempts.labels(outcome).inc()
        _log.info(
            f"webhook.{outcome}",
            endpoint=work.endpoint.id,
            event_id=event.id,
            attempt=delivery.attempts + 1,
            cause=answer.failure,
        )
        note = self._arrived if answer.failure is None else self._failed
        await self._database.write(partial(note, work=work, delivery=delivery, answer=answer))

    def _arrived(self, tx: Transaction, work: _Work, delivery: DeliveryRow, answer: Answer) -> None:
        now = self._clock()
        endpoint = webhooks.lock(tx, work.endpoint.id)
        webhooks.delivered(tx, delivery, now)
        if endpoint is not None and endpoint.failures:
            webhooks.settle(tx, endpoint.id, now)

    def _failed(self, tx: Transaction, work: _Work, delivery: DeliveryRow, answer: Answer) -> None:
        """A probe is no attempt of its delivery's: a held queue loses nothing by waiting."""
        endpoint = webhooks.lock(tx, work.endpoint.id)
        if endpoint is None:
            return
        now = self._clock()
        is_probe = work.endpoint.probe_at is not None
        attempts = delivery.attempts + (not is_probe)
        wait = _wait(WAITS, attempts - 1, answer)
        again = now if is_probe else None if wait is None else now + wait
        webhooks.postpone(tx, delivery, answer.failure or "", attempts, again)
        webhooks.note_failure(tx, self._after_failure(endpoint, answer, now))

    def _after_failure(self, endpoint: EndpointRow, answer: Answer, now: datetime) -> EndpointRow:
        since = endpoint.failing_since or now
        probe_at = endpoint.probe_at
        if probe_at is None and endpoint.failures + 1 >= MOST_IN_A_ROW:
            probe_at = now + jittered(PROBE_WAITS[0])
            _log.warning("webhook.held", endpoint=endpoint.id, cause=answer.failure)
        if probe_at is not None and answer.retry_after is not None:
            probe_at = max(probe_at, now + answer.retry_after)
        cause = endpoint.disabled_cause or _disabling(answer, now - since)
        if cause is not None and endpoint.disabled_cause is None:
            self._metrics.webhooks_disabled.labels(cause).inc()
            _log.error("webhook.disabled", endpoint=endpoint.id, cause=cause)
        return replace(
            endpoint,
            failures=endpoint.failures + 1,
            failing_since=since,
            probe_at=probe_at,
            disabled_cause=cause,
        )


def body_of(event: EventRow) -> str:
    """The message of an event: the same text at each attempt."""
    return text_of(message(event))


def text_of(told: dict[str, Any]) -> str:
    """A message as it is signed and sent."""
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def jittered(wait: timedelta) -> timedelta:
    """The wait, ±20 %: receivers that failed together aren't tried together."""
    return wait * random.uniform(0.8, 1.2)  # noqa: S311  # jitter, no secret


def _wait(waits: Sequence[timedelta], number: int, answer: Answer) -> timedelta | None:
    """How long until the next attempt; None after the last. `Retry-After` may only lengthen it."""
    if number >= len(waits):
        return None
    return max(jittered(waits[max(number, 0)]), answer.retry_after or timedelta())


def _disabling(answer: Answer, failing: timedelta) -> str | None:
    if answer.is_gone:
        return "gone"
    return "failing" if failing >= LONGEST_FAILING else None


def _count(tx: Transaction) -> tuple[list[EndpointRow], dict[str, webhooks.Pending]]:
    return webhooks.list_all(tx), webhooks.count_pending(tx)
