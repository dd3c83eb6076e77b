"""Calls side by side: how they begin, and how they end."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def side_by_side(*calls: Coroutine[Any, Any, None]) -> None:
    """Awaits all of them. Raises what the first one raised, once the others have ended."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for call in calls:
                tasks.create_task(call)
    except ExceptionGroup as group:
        failure = group.exceptions[0]
    else:
        return
    raise failure


def begin(call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """Starts a call whose failure may go unread, since another one's may be told instead."""
    task = asyncio.create_task(call)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


async def abandon(*tasks: asyncio.Task[Any]) -> None:
    """Ends calls whose answers nobody needs any more."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
