"""Work that outlives its request: what fails there is told (defect B14)."""

import asyncio

import pytest
import structlog
from structlog.testing import capture_logs

from igauth.background import Background
from igauth.errors import DatabaseUnavailable


async def _fail(error: BaseException) -> None:
    raise error


async def _logged(background: Background, error: BaseException) -> list[dict[str, object]]:
    structlog.reset_defaults()
    with capture_logs() as events:
        await asyncio.wait([background.spawn(_fail(error))])
        await asyncio.sleep(0)
    return [dict(event) for event in events]


async def test_a_bug_is_an_error_with_its_traceback() -> None:
    """At a level that production shows, and where it happened."""
    error = ZeroDivisionError("a bug")
    (event,) = await _logged(Background(), error)

    assert (event["event"], event["log_level"]) == ("background.crashed", "error")
    assert event["exc_info"] is error


@pytest.mark.parametrize(
    ("foreseen", "error"),
    [
        ((DatabaseUnavailable,), DatabaseUnavailable()),
        ((KeyError, ValueError), ValueError("told by whoever waits")),
    ],
)
async def test_what_was_foreseen_is_no_error(
    foreseen: tuple[type[Exception], ...], error: Exception
) -> None:
    """Whoever spawned it tells of it; here it is for debugging."""
    (event,) = await _logged(Background(foreseen), error)

    assert (event["event"], event["log_level"]) == ("background.failed", "debug")


async def test_a_cancelled_task_is_no_failure() -> None:
    """A shutdown cancels what is left."""
    with capture_logs() as events:
        background = Background()
        task = background.spawn(asyncio.sleep(3_600))
        task.cancel()
        await background.close(0)

    assert events == []
