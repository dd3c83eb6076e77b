"""Rotation: every sealed value re-sealed under the newest key, beside a running service."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from igauth.domain import Clock, ConnectionId, Provider
from igauth.events import outbox, trail
from igauth.security.keyring import KeyRing
from igauth.security.sealing import Place, Sealer, Unopenable, kid_of
from igauth.store import connections, sealed
from igauth.store.database import Database, Transaction
from igauth.store.sealed import SEALED, SealedColumn, SealedRow

_log = structlog.stdlib.get_logger("igauth.rotation")
_BATCH: Final = 100


@dataclass(slots=True)
class Rotation:
    """What a rotation did. `unused` are key ids that no readable row needs any more."""

    resealed: int = 0
    unreadable: int = 0
    dropped: int = 0
    unused: list[str] = field(default_factory=list)


class KeyRotation:
    """Walks the sealed values in batches; starting again goes on where it stopped.

    `app_ids`: the app behind each open door, for values whose rows don't name theirs.
    """

    def __init__(
        self, ring: KeyRing, database: Database, clock: Clock, app_ids: dict[Provider, str]
    ) -> None:
        self._ring = ring
        self._sealer = Sealer(ring)
        self._database = database
        self._clock = clock
        self._app_ids = app_ids

    async def rotate(self, *, drop_unreadable: bool = False) -> Rotation:
        """Re-seals everything. Values that can't be opened are counted and left, or emptied."""
        report = Rotation()
        for column in SEALED:
            for kid in await self._other_kids():
                await self._rotate_all(column, kid, report, drop=drop_unreadable)
        used = await self._database.write(partial(self._conclude, report=report))
        report.unused = [kid for kid in self._ring if kid not in used | {self._ring.newest}]
        trail.say("keys.rotated", resealed=report.resealed, unreadable=report.unreadable)
        return report

    async def _other_kids(self) -> list[str | None]:
        """Every key but the newest; None for what was given up before."""
        known = await self._database.read(sealed.check_values)
        return [None, *(kid for kid in known if kid != self._ring.newest)]

    def _conclude(self, tx: Transaction, report: Rotation) -> frozenset[str]:
        outcome = f"resealed {report.resealed}, unreadable {report.unreadable}"
        trail.keep(tx, "keys.rotated", at=self._clock(), outcome=outcome, actor="command")
        return sealed.kids_in_use(tx, self._clock())

    async def _rotate_all(
        self, column: SealedColumn, kid: str | None, report: Rotation, *, drop: bool
    ) -> None:
        after = ""
        while True:
            pick = partial(sealed.list_sealed, column=column, kid=kid, after=after, limit=_BATCH)
            rows = await self._database.read(pick)
            if not rows:
                return
            done = await self._database.write(partial(self._batch, column, rows, drop=drop))
            report.resealed += done.resealed
            report.unreadable += done.unreadable
            report.dropped += done.dropped
            after = rows[-1].row

    def _batch(
        self, column: SealedColumn, rows: list[SealedRow], tx: Transaction, *, drop: bool
    ) -> Rotation:
        """One transaction; each value is replaced only while it is the one that was read."""
        done = Rotation()
        for row in rows:
            place = self._place(column, row)
            plain = self._opened(column, row, place)
            if plain is None:
                done.unreadable += 1
                if row.kid is not None:
                    self._told(tx, column, row, partial(sealed.give_up, tx, column, row))
                done.dropped += drop and sealed.empty(tx, column, row)
            else:
                self._renew(tx, column, row, plain, place, done)
        return done

    def _renew(
        self,
        tx: Transaction,
        column: SealedColumn,
        row: SealedRow,
        plain: str,
        place: Place,
        done: Rotation,
    ) -> None:
        if row.kid is None:
            kid = kid_of(row.sealed) or self._sealer.newest
            take_up = partial(sealed.take_up, tx, column, row, kid=kid, now=self._clock())
            self._told(tx, column, row, take_up)
        if kid_of(row.sealed) == self._sealer.newest:
            return
        fresh = self._sealer.seal(plain, place)
        done.resealed += sealed.reseal(tx, column, row, fresh, self._sealer.newest)

    def _told(
        self, tx: Transaction, column: SealedColumn, row: SealedRow, change: Callable[[], bool]
    ) -> None:
        """A connection's state may change with its token: one event tells it."""
        is_grant = column.table.__tablename__ == "connections"
        before = connections.lock(tx, ConnectionId(row.row)) if is_grant else None
        change()
        after = connections.find(tx, before.id) if before is not None else None
        if before is not None and after is not None:
            outbox.record_change(tx, before.id, before.status, after.status, self._clock())

    def _opened(self, column: SealedColumn, row: SealedRow, place: Place) -> str | None:
        try:
            return self._sealer.open(row.sealed, place)
        except Unopenable:
            _log.warning("sealed.unreadable", table=column.table.__tablename__, row=row.row)
            return None

    def _place(self, column: SealedColumn, row: SealedRow) -> Place:
        """Where the value lies; the queue's rows are this app's, and nobody's."""
        app_id = row.app_id or self._app_ids.get(row.provider, "")
        table, name = column.table.__tablename__, column.value.key
        return Place(table, name, row.row, row.provider, app_id, row.person)
