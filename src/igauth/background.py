"""Work that outlives the request that began it, and that a shutdown waits for or ends."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from igauth.errors import IgAuthError

_MOMENT_SECONDS = 0.5
_log = structlog.stdlib.get_logger("igauth.background")
Result = TypeVar("Result")


class Background:
    """Keeps hold of tasks: `kept` ones are finished at shutdown, others are cancelled.

    `foreseen` are the failures that whoever spawns tells of by itself.
    """

    def __init__(self, foreseen: tuple[type[Exception], ...] = (IgAuthError,)) -> None:
        self._foreseen = foreseen
        self._kept: set[asyncio.Task[Any]] = set()
        self._others: set[asyncio.Task[Any]] = set()

    def spawn(
        self, work: Coroutine[Any, Any, Result], *, kept: bool = False
    ) -> asyncio.Task[Result]:
        """Runs `work` by itself; a failure is logged, whether or not somebody awaits it."""
        task = asyncio.create_task(work)
        tasks = self._kept if kept else self._others
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(self._note_failure)
        return task

    async def close(self, patience_seconds: float) -> None:
        """Waits for kept tasks, at most that long, and cancels the rest.

        The rest has a moment first: a statement that is cut off midway costs its connection.
        """
        if self._others:
            await asyncio.wait(self._others, timeout=_MOMENT_SECONDS)
        for task in self._others:
            task.cancel()
        if self._kept:
            await asyncio.wait(self._kept, timeout=patience_seconds)
        leftover = [*self._kept, *self._others]
        for task in leftover:
            task.cancel()
        await asyncio.gather(*leftover, return_exceptions=True)

    def _note_failure(self, task: asyncio.Task[Any]) -> None:
        """Marks the exception as seen. One that nobody foresaw is a bug, and says where it is."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, self._foreseen):
            _log.debug("background.failed", error=type(error).__name__)
        else:
            _log.error("background.crashed", exc_info=error)
