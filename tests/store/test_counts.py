"""Counts for those who run the service."""

from dataclasses import replace
from datetime import timedelta
from functools import partial

from igauth.domain import ConnectionCause, ConnectionStatus
from igauth.store import connections, counts, revocations
from igauth.store.database import Database
from tests.store.rows import GRANT, LATER, MOMENT, NOW, get_connection, log_in

SOON = NOW + timedelta(days=7)
ACTIVE, EXPIRING, RECONNECT, CHECKPOINT, REVOKED = ConnectionStatus


async def by_status(database: Database) -> dict[ConnectionStatus, int]:
    """How many connections are in each state now."""
    return await database.read(partial(counts.connections_by_status, now=NOW, soon=SOON))


async def test_an_empty_database_counts_nothing(database: Database) -> None:
    """Zeros for every state, and no oldest check."""
    assert await by_status(database) == dict.fromkeys(ConnectionStatus, 0)
    assert await database.read(counts.oldest_check) is None
    assert await database.read(counts.revocations) == 0


async def test_dates_that_passed_count_at_once(database: Database) -> None:
    """What ends is `expiring` or `reconnect_required` before the keeper has noted it, by the
    earlier of both dates; what is dead anyway counts as what it is."""
    far = NOW + timedelta(days=60)
    for number, (token, access) in enumerate(
        (
            (far, far),
            (None, None),
            (SOON + MOMENT, far),
            (SOON, far),
            (far, NOW + MOMENT),
            (far, NOW),
            (NOW - MOMENT, None),
        )
    ):
        grant = replace(GRANT, token_expires_at=token, data_access_expires_at=access)
        await log_in(database, f"live {number}", grant=grant)
    for status, cause in (
        (CHECKPOINT, ConnectionCause.CHECKPOINT),
        (RECONNECT, ConnectionCause.SESSION_INVALID),
        (REVOKED, ConnectionCause.APP_REMOVED),
    ):
        done = await log_in(database, status, grant=replace(GRANT, token_expires_at=NOW))
        row = await get_connection(database, done)
        save = partial(
            connections.save_status,
            row=row,
            status=status,
            cause=cause,
            verified_at=None,
            next_check_at=None,
        )
        assert await database.write(save)

    assert await by_status(database) == {
        ACTIVE: 3,
        EXPIRING: 2,
        RECONNECT: 3,
        CHECKPOINT: 1,
        REVOKED: 1,
    }


async def test_the_oldest_check_is_that_of_a_live_connection(database: Database) -> None:
    """What the keeper has nothing to do with doesn't count."""
    for number, days in enumerate((3, 1, 9)):
        grant = replace(
            GRANT,
            verified_at=NOW - timedelta(days=days),
            next_check_at=None if days == 9 else LATER,
        )
        await log_in(database, str(number), grant=grant)

    assert await database.read(counts.oldest_check) == NOW - timedelta(days=3)


async def test_queued_revocations_are_counted(database: Database) -> None:
    """Readable or not: each is a promise that was not kept yet."""
    for _ in range(2):
        row_id = revocations.new_id()
        queue = partial(
            revocations.add,
            row_id=row_id,
            sealed_subject="v1.k1.A",
            subject_hash="h",
            kid="k1",
            now=NOW,
            next_attempt_at=NOW,
        )
        await database.write(queue)
    await database.write(partial(revocations.mark_unreadable, row_id=row_id))

    assert await database.read(counts.revocations) == 2
