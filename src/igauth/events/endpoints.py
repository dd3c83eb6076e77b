"""Receivers, as the operator adds, looks at, tries and ends them (contract §12, Commands)."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from igauth.domain import Clock, EventType
from igauth.errors import NotFound
from igauth.events import trail
from igauth.events.addresses import Addresses
from igauth.events.deliveries import text_of
from igauth.events.feed import BATCH, Numbering
from igauth.events.outbox import iso
from igauth.events.posting import Answer, Poster
from igauth.events.secrets import Secrets
from igauth.store import outbox, webhooks
from igauth.store.database import Database, Transaction
from igauth.store.webhooks import EndpointRow, Pending

_UNKNOWN: Final = "There is no webhook endpoint of this id."


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A receiver as `list` shows it. `events` None: all of them."""

    id: str
    url: str
    events: list[str] | None
    status: str
    oldest_pending_seconds: int | None
    disabled_cause: str | None
    pending: int


class Endpoints:
    """What the commands do."""

    def __init__(
        self,
        database: Database,
        numbering: Numbering,
        addresses: Addresses,
        poster: Poster,
        keys: Secrets,
        clock: Clock,
    ) -> None:
        self._database = database
        self._numbering = numbering
        self._addresses = addresses
        self._poster = poster
        self._secrets = keys
        self._clock = clock

    async def add(self, url: str, events: Sequence[EventType] | None) -> tuple[str, str]:
        """A new receiver of what happens from now on: its id, and its secret, shown once.

        Raises AddressRefused for a URL that may not be called.
        """
        self._addresses.check_url(url)
        await self._numbering.catch_up()
        types = None if events is None else [each.value for each in events]
        endpoint_id = f"we_{secrets.token_hex(8)}"

        def unit(tx: Transaction) -> str:
            webhooks.add(tx, endpoint_id, url, types, self._clock())
            self._keep(tx, "webhook.added", endpoint_id)
            return self._secrets.renew(tx, endpoint_id)

        return endpoint_id, await self._database.write(unit)

    async def rotate(self, endpoint_id: str) -> str:
        """A fresh secret; the one before is valid for 24 hours more. Raises NotFound."""

        def unit(tx: Transaction) -> str:
            if webhooks.lock(tx, endpoint_id) is None:
                raise NotFound(_UNKNOWN)
            self._keep(tx, "webhook.rotated", endpoint_id)
            return self._secrets.renew(tx, endpoint_id)

        return await self._database.write(unit)

    async def list(self) -> list[Endpoint]:
        """All receivers, what waits for them and for how long."""
        now = self._clock()
        found, pending = await self._database.read(
            lambda tx: (webhooks.list_all(tx), webhooks.count_pending(tx))
        )
        return [_shown(each, pending.get(each.id, Pending()), now) for each in found]

    async def enable(self, endpoint_id: str) -> None:
        """Events are sent again, what waited included. Raises NotFound."""
        await self._change(endpoint_id, "webhook.enabled", webhooks.enable)

    async def remove(self, endpoint_id: str) -> None:
        """Ends a receiver and all that waits for it. Raises NotFound."""
        await self._change(endpoint_id, "webhook.removed", webhooks.remove)

    async def test(self, endpoint_id: str) -> Answer:
        """Sends `webhook.test` on the very path of a delivery, once. Raises NotFound."""
        row = await self._get(endpoint_id)
        message_id = outbox.new_id()
        told = {
            "id": message_id,
            "type": EventType.TEST.value,
            "timestamp": iso(self._clock()),
            "data": {"endpoint": {"id": endpoint_id}},
        }
        keys = await self._secrets.valid(endpoint_id)
        return await self._poster.post(row.url, message_id, text_of(told), keys)

    async def replay(self, endpoint_id: str, since: timedelta, *, failed: bool = False) -> int:
        """Sends what happened since then once more, or what of it was given up; how many events.

        Raises NotFound.
        """
        row = await self._get(endpoint_id)
        await self._numbering.catch_up()
        began, after, done = self._clock() - since, 0, 0
        while True:
            pick = partial(webhooks.list_since, since=began, after=after, limit=BATCH)
            events = await self._database.read(pick)
            if not events:
                return done
            keys = [key for key, event_type in events if row.wants(event_type)]
            again = partial(
                webhooks.replay,
                endpoint_id=endpoint_id,
                keys=keys,
                now=self._clock(),
                failed=failed,
            )
            done += await self._database.write(again)
            after = events[-1][0]

    async def _get(self, endpoint_id: str) -> EndpointRow:
        row = await self._database.read(partial(webhooks.find, endpoint_id=endpoint_id))
        if row is None:
            raise NotFound(_UNKNOWN)
        return row

    async def _change(
        self, endpoint_id: str, event: str, change: Callable[[Transaction, str], bool]
    ) -> None:
        def unit(tx: Transaction) -> bool:
            self._keep(tx, event, endpoint_id)
            return change(tx, endpoint_id)

        await self._get(endpoint_id)
        if not await self._database.write(unit):
            raise NotFound(_UNKNOWN)

    def _keep(self, tx: Transaction, event: str, endpoint_id: str) -> None:
        trail.keep(tx, event, at=self._clock(), actor="command", outcome=endpoint_id)


def _shown(row: EndpointRow, pending: Pending, now: datetime) -> Endpoint:
    status = "held" if row.probe_at is not None else "enabled"
    age = None if pending.oldest is None else max(0, int((now - pending.oldest).total_seconds()))
    return Endpoint(
        id=row.id,
        url=row.url,
        events=row.types,
        status="disabled" if row.disabled_cause is not None else status,
        oldest_pending_seconds=age,
        disabled_cause=row.disabled_cause,
        pending=pending.number,
    )
