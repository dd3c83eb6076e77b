"""Between replicas the database's clock decides (defect C22, F-44)."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from igauth.app import create_app
from igauth.bootstrap import Services, Wiring
from igauth.domain import Clock, utc_now
from igauth.store.database import Database
from igauth.upkeep.shared_clock import SharedClock
from tests.stage import Stage


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """A database."""
    opened = Database(database_url)
    yield opened
    await opened.close()


def off_by(seconds: float) -> Clock:
    """A machine whose clock is wrong."""
    return lambda: utc_now() + timedelta(seconds=seconds)


@pytest.mark.parametrize("seconds", [-50.0, 0.0, 50.0, 3_600.0])
async def test_all_go_by_the_database(database: Database, seconds: float) -> None:
    """Whatever the machine's own clock says; on SQLite it is one machine, and its clock."""
    clock = SharedClock(database, off_by(seconds))

    await clock.measure()

    wrong_by = abs((clock() - utc_now()).total_seconds())
    assert (wrong_by >= abs(seconds) - 1) if database.is_sqlite else (wrong_by < 1)


async def test_an_answer_that_took_long_tells_nothing(database: Database) -> None:
    """A second on the way could be a second of difference."""
    ticks = iter(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=2 * n) for n in range(9))
    clock = SharedClock(database, lambda: next(ticks))

    await clock.measure()

    assert clock().year == 2026


async def test_replicas_apart_agree(stage: Stage) -> None:
    """50 s behind and 50 s ahead: a second arrival was told that its runner had died, 13 of 40."""
    async with apart(stage, -50) as behind, apart(stage, 50) as ahead:
        difference = abs((ahead.clock() - behind.clock()).total_seconds())

    assert difference > 99 if behind.database.is_sqlite else difference < 1


@asynccontextmanager
async def apart(stage: Stage, seconds: float) -> AsyncGenerator[Services]:
    """A replica on a machine whose clock is wrong."""
    wiring = Wiring(
        machine_clock=off_by(seconds), transport=stage.sandbox.transport(), keeper=False
    )
    app = create_app(stage.settings, wiring)
    async with app.router.lifespan_context(app) as state:
        assert state is not None
        yield state["edge"].services
