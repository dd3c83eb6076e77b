"""Upkeep while the service runs: each kind in a loop of its own, none waits for another."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from igauth.background import Background
from igauth.errors import IgAuthError

_log = structlog.stdlib.get_logger("igauth.upkeep")
ROUND_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Chore:
    """Something that is done again and again, about every `every_seconds`."""

    name: str
    do: Callable[[], Awaitable[object]]
    every_seconds: float = ROUND_SECONDS


def start(
    chores: tuple[Chore, ...],
    background: Background,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Begins a loop for each chore."""
    for chore in chores:
        background.spawn(_repeat(chore, sleep))


async def _repeat(chore: Chore, sleep: Callable[[float], Awaitable[None]]) -> None:
    """For ever, with jitter; a round that fails doesn't end the next one."""
    while True:
        await sleep(chore.every_seconds * random.uniform(0.8, 1.2))  # noqa: S311  # jitter
        try:
            await chore.do()
        except IgAuthError as error:
            _log.warning("upkeep.interrupted", chore=chore.name, cause=error.code)
        except Exception:
            _log.exception("upkeep.crashed", chore=chore.name)
