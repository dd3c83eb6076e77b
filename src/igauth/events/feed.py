"""The feed: events in the order of a cursor, for a backend that reads at its own pace
(contract §12)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, Final

from igauth.domain import Clock, EventType
from igauth.errors import CursorExpired, InvalidRequest
from igauth.events.outbox import message
from igauth.store import outbox, webhooks
from igauth.store.database import Database, Transaction
from igauth.store.outbox import EventRow, Kept

KEPT: Final = timedelta(days=30)
BATCH: Final = 500
_LONGEST_CURSOR: Final = 18
"""Digits that fit into the column."""


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Events, and the cursor to go on from; the given one where there are none."""

    events: list[dict[str, Any]]
    next: str | None


class Numbering:
    """Gives what is committed its place in the order, and to each endpoint what it is to get."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def catch_up(self) -> int:
        """Numbers all that is committed by now; returns how many that were."""
        done = 0
        while await self._database.read(outbox.has_unnumbered):
            done += await self._database.write(self._number)
        return done

    def _number(self, tx: Transaction) -> int:
        fresh = outbox.number(tx, BATCH)
        webhooks.queue(tx, fresh, self._clock())
        return len(fresh)


class Feed:
    """Reads what happened, oldest first."""

    def __init__(self, database: Database, numbering: Numbering) -> None:
        self._database = database
        self._numbering = numbering

    async def read(
        self, *, after: str | None, types: Sequence[EventType] | None, limit: int
    ) -> FeedPage:
        """Up to `limit` events beyond a cursor, or the oldest that are kept.

        Raises InvalidRequest for a cursor that is none, CursorExpired for one that events beyond
        were pruned of, or that is from another database.
        """
        cursor = _parsed(after)
        await self._numbering.catch_up()
        names = None if types is None else [each.value for each in types]
        read = partial(_read, after=cursor or 0, types=names, limit=limit)
        rows, kept = await self._database.read(read)
        if cursor is not None and not kept.pruned <= cursor <= kept.numbered:
            raise CursorExpired
        return FeedPage([message(row) for row in rows], str(rows[-1].number) if rows else after)


def _read(
    tx: Transaction, after: int, types: Sequence[str] | None, limit: int
) -> tuple[list[EventRow], Kept]:
    """The marks last: what was pruned while the events were read is noticed."""
    rows = outbox.list_after(tx, after, types, limit)
    return rows, outbox.kept(tx)


def _parsed(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _LONGEST_CURSOR):
        raise InvalidRequest("`after` must be a `meta.next` of this feed.")
    return int(cursor)
