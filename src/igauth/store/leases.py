"""The one way to work on a row alone: claim it, renew it while working, give it back.

A lease lasts ten seconds and is renewed while its owner lives (contract §12), so a dead owner
holds nobody up for longer. Whoever waits for one reads, slowly and with jitter, and never writes.
"""

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, or_, select, true, update

from igauth.domain import Clock
from igauth.errors import NOT_KEPT
from igauth.store.database import Database, Transaction

LEASE: Final = timedelta(seconds=10)
_RENEW_SECONDS: Final = 3.0
_FIRST_LOOK_SECONDS: Final = 0.05
_LONGEST_LOOK_SECONDS: Final = 1.0
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Lease:
    """Rows of one table, as one owner holds them or wants to; made by a repository."""

    table: Any
    key: ColumnElement[bool]
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)

    def claim(self, tx: Transaction, now: datetime) -> bool:
        """Takes the rows; False where another holds them, or there are none."""
        wanted = update(self.table).where(self.key, is_free(self.table, now))
        return bool(tx.execute(wanted.values(**held(self.owner, now))).rowcount)

    def renew(self, tx: Transaction, now: datetime) -> bool:
        """Keeps them; False where they are lost."""
        return bool(tx.execute(self._mine().values(leased_until=now + LEASE)).rowcount)

    def release(self, tx: Transaction) -> None:
        """Gives them back."""
        tx.execute(self._mine().values(**FREED))

    def _mine(self) -> Any:
        return update(self.table).where(self.key, self.table.lease_owner == self.owner)


FREED: Final[dict[str, Any]] = {"leased_until": None, "lease_owner": None}
"""The columns of a row that nobody holds."""


def held(owner: str, now: datetime, lasting: timedelta = LEASE) -> dict[str, Any]:
    """The columns of a row that `owner` holds from now on."""
    return {"leased_until": now + lasting, "lease_owner": owner}


def is_free(table: Any, now: datetime) -> ColumnElement[bool]:
    """Whether nobody, or nobody alive, holds the row."""
    return or_(table.leased_until.is_(None), table.leased_until <= now)


def claim_due(
    tx: Transaction,
    table: Any,
    due: Any,
    *,
    now: datetime,
    limit: int,
    among: ColumnElement[bool] | None = None,
    lasting: timedelta = LEASE,
) -> tuple[Lease, list[str]]:
    """Takes up to `limit` rows whose `due` has passed, longest due first; the lease, their ids.

    `among`: of these alone. `lasting`: for what is over by then and isn't renewed.
    """
    wanted = (
        select(table.id)
        .where(due <= now, is_free(table, now), true() if among is None else among)
        .order_by(due)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    # A CTE: PostgreSQL may run a plain subquery once for each row, and so beyond its limit.
    once = wanted.cte("due")
    owner = uuid.uuid4().hex
    claimed = (
        update(table).where(table.id.in_(select(once.c.id))).values(**held(owner, now, lasting))
    )
    ids = list(tx.execute(claimed.returning(table.id)).scalars())
    return Lease(table, table.id.in_(ids), owner), ids


@asynccontextmanager
async def renewed(database: Database, lease: Lease, clock: Clock) -> AsyncGenerator[None]:
    """While this block runs, a claimed lease is renewed; what ends it is the block's business."""
    renewing = asyncio.create_task(_renew_while_alive(database, lease, clock))
    try:
        yield
    finally:
        renewing.cancel()


@asynccontextmanager
async def kept(database: Database, lease: Lease, clock: Clock) -> AsyncGenerator[None]:
    """While this block runs, a claimed lease is renewed; at its end it is given back."""
    try:
        async with renewed(database, lease, clock):
            yield
    finally:
        with suppress(*NOT_KEPT):  # then it runs out by itself
            await database.write(lease.release)


async def _renew_while_alive(database: Database, lease: Lease, clock: Clock) -> None:
    while True:
        await asyncio.sleep(_RENEW_SECONDS)
        with suppress(*NOT_KEPT):
            await database.write(lambda tx: lease.renew(tx, clock()))


async def waited_for(
    look: Callable[[], Awaitable[Found | None]],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Found:
    """What `look` finds at last: asked at once, then ever more slowly, with jitter."""
    pause = _FIRST_LOOK_SECONDS
    while (found := await look()) is None:
        await sleep(pause * random.uniform(0.7, 1.3))  # noqa: S311  # jitter, no secret
        pause = min(pause * 1.5, _LONGEST_LOOK_SECONDS)
    return found
