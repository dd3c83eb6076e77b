"""One person's calls for one purpose; those of a walk are bounded in flight (A6)."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

from igauth.meta.calls import Answer, Purpose, Request
from igauth.meta.client import GraphClient
from igauth.meta.door import UserToken

WALK_AT_ONCE: Final = 24
"""Batches of a thousand Pages go out together, so that no round trip is added (contract §6)."""


@dataclass(frozen=True, slots=True)
class Caller:
    """A token and what it is used for. `slots` bounds how many calls are under way."""

    graph: GraphClient
    token: UserToken
    purpose: Purpose
    slots: asyncio.Semaphore | None = field(default=None, repr=False)

    @classmethod
    def of_walk(cls, graph: GraphClient, token: UserToken) -> "Caller":
        """A caller for one walk."""
        return cls(graph, token, Purpose.LISTING, asyncio.Semaphore(WALK_AT_ONCE))

    @property
    def host_name(self) -> str:
        """The host that is asked."""
        return self.graph.host.name

    def request(self, endpoint: str, path: str, query: Mapping[str, str], **more: Any) -> Request:
        """A GET with the token, or whatever `more` makes of it."""
        return Request(endpoint, path, self.purpose, query=query, token=self.token, **more)

    async def get(self, endpoint: str, path: str, query: Mapping[str, str], **more: Any) -> Answer:
        """The answer to a GET. Raises GraphError."""
        return await self.fetch(self.request(endpoint, path, query, **more))

    async def fetch(self, request: Request) -> Answer:
        """The answer to a request of this caller's. Raises GraphError."""
        turn: AbstractAsyncContextManager[None] = self.slots or nullcontext()
        async with turn:
            return await self.graph.fetch(request)
