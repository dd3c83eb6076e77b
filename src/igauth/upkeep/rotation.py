"""Rotation: every sealed value re-sealed under the newest key, beside a running service."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from igauth.domain import Clock
from igauth.events import trail as events
from igauth.security.keyring import KeyRing
from igauth.security.sealing import Place, Sealer, Unopenable
from igauth.store import sealed
from igauth.store.database import Database, Transaction
from igauth.store.sealed import SealedRow

_log = structlog.stdlib.get_logger("igauth.rotation")
_BATCH = 100
_Lister = Callable[[Transaction, str, int], Awaitable[list[SealedRow]]]


@dataclass(slots=True)
class Rotation:
    """What a rotation did. `unused` are key ids that no readable row needs any more."""

    resealed: int = 0
    unreadable: int = 0
    dropped: int = 0
    unused: list[str] = field(default_factory=list)


class KeyRotation:
    """Walks the sealed values in batches; starting again goes on where it stopped."""

    def __init__(self, *, app_id: str, ring: KeyRing, database: Database, clock: Clock) -> None:
        self._app_id = app_id
        self._ring = ring
        self._sealer = Sealer(ring)
        self._database = database
        self._clock = clock

    async def rotate(self, *, drop_unreadable: bool = False) -> Rotation:
        """Re-seals everything. Values that can't be opened are counted and left, or emptied."""
        report = Rotation()
        for lister in (sealed.list_tokens, sealed.list_queued):
            await self._rotate_all(lister, report, drop_unreadable)
        async with self._database.transaction() as tx:
            needed = await sealed.kids_in_use(tx)
            outcome = f"resealed {report.resealed}, unreadable {report.unreadable}"
            await events.record(tx, "keys.rotated", at=self._clock(), outcome=outcome)
        report.unused = [kid for kid in self._ring if kid not in needed | {self._ring.newest}]
        return report

    async def _rotate_all(self, lister: _Lister, report: Rotation, drop: bool) -> None:
        after = ""
        while True:
            async with self._database.reading() as tx:
                rows = await lister(tx, after, _BATCH)
            if not rows:
                return
            await self._rotate_batch(rows, report, drop)
            after = rows[-1].row

    async def _rotate_batch(self, rows: list[SealedRow], report: Rotation, drop: bool) -> None:
        """One transaction; each value is replaced only while it is the one that was read."""
        async with self._database.transaction() as tx:
            for row in rows:
                plain = self._opened(row)
                if plain is None:
                    await self._leave(tx, row, report, drop)
                else:
                    await self._renew(tx, row, plain, report)

    async def _leave(self, tx: Transaction, row: SealedRow, report: Rotation, drop: bool) -> None:
        report.unreadable += 1
        await sealed.mark_unreadable(tx, [row])
        report.dropped += drop and await sealed.reseal(tx, row, None)

    async def _renew(self, tx: Transaction, row: SealedRow, plain: str, report: Rotation) -> None:
        if row.unreadable:
            await sealed.mark_readable(tx, row, self._clock())
        if not self._sealer.is_newest(row.sealed):
            fresh = self._sealer.seal(plain, self._place(row))
            report.resealed += await sealed.reseal(tx, row, fresh)

    def _opened(self, row: SealedRow) -> str | None:
        try:
            return self._sealer.open(row.sealed, self._place(row))
        except Unopenable:
            _log.warning("sealed.unreadable", table=row.table, row=row.row)
            return None

    def _place(self, row: SealedRow) -> Place:
        """Where the value lies; the queue's rows are this app's, and nobody's."""
        return Place(row.table, row.column, row.row, row.app_id or self._app_id, row.person)
