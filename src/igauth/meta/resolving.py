"""Names of Meta's hosts, and the last good answer kept: a slow or dead DNS costs no login (C14).

A fresh answer is used as it is. An older one is used at once too, while a new one is asked for
beside it; only a name that was never resolved is waited for.
"""

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

FRESH_SECONDS: Final = 60.0
KEPT_SECONDS: Final = 24 * 3600.0

_Key = tuple[str, int, socket.AddressFamily]


@dataclass(slots=True)
class _Known:
    answer: list[ResolveResult]
    asked_at: float


class KeptResolver(AbstractResolver):
    """A resolver whose lookups are shared by all who wait, and end by themselves."""

    def __init__(
        self,
        asked: AbstractResolver | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._asked = asked or ThreadedResolver()
        self._monotonic = monotonic
        self._known: dict[_Key, _Known] = {}
        self._lookups: dict[_Key, asyncio.Task[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host. Raises OSError where none is known."""
        key = (host, port, family)
        known = self._known.get(key)
        age = float("inf") if known is None else self._monotonic() - known.asked_at
        if known is not None and age <= FRESH_SECONDS:
            return known.answer
        lookup = self._lookup(key)
        if known is not None and age <= KEPT_SECONDS:
            return known.answer
        return await asyncio.shield(lookup)

    def _lookup(self, key: _Key) -> asyncio.Task[list[ResolveResult]]:
        lookup = self._lookups.get(key)
        if lookup is None:
            lookup = self._lookups[key] = asyncio.create_task(self._ask(key))
            lookup.add_done_callback(lambda done: self._end(key, done))
        return lookup

    async def _ask(self, key: _Key) -> list[ResolveResult]:
        answer = await self._asked.resolve(*key)
        self._known[key] = _Known(answer, self._monotonic())
        return answer

    def _end(self, key: _Key, lookup: asyncio.Task[list[ResolveResult]]) -> None:
        del self._lookups[key]
        if not lookup.cancelled():
            lookup.exception()  # seen: whoever waits has it, and nobody need wait

    async def close(self) -> None:
        """Ends the lookups that are under way."""
        for lookup in tuple(self._lookups.values()):
            lookup.cancel()
        await self._asked.close()
