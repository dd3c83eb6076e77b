"""Receivers for tests: a transport that does as it is told, and says what it got."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

Act = Callable[[httpx.Request], Awaitable[httpx.Response]]


@dataclass
class Receivers(httpx.AsyncBaseTransport):
    """Answers by address; 204 unless told. `got`: every request that reached one."""

    acts: dict[str, Act] = field(default_factory=dict)
    got: list[httpx.Request] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """What the receiver at this address does."""
        self.got.append(request)
        self.came.set()
        act = self.acts.get(request.url.host)
        return httpx.Response(204) if act is None else await act(request)

    def answer(self, host: str, *statuses: int, **headers: str) -> None:
        """These statuses in turn, the last one again and again."""
        left = list(statuses)

        async def act(_request: httpx.Request) -> httpx.Response:
            return httpx.Response(left.pop(0) if len(left) > 1 else left[0], headers=headers)

        self.acts[host] = act

    async def until(self, host: str, number: int) -> None:
        """Until that many arrived there."""
        while len(self.ids(host)) < number:
            self.came.clear()
            await self.came.wait()

    def ids(self, host: str | None = None) -> list[str]:
        """`webhook-id` of what arrived, in order."""
        return [each.headers["webhook-id"] for each in self.got if host in (None, each.url.host)]


def signature_fits(request: httpx.Request, secret: str) -> bool:
    """Whether one of the signatures is by this secret, over id, timestamp and body."""
    body, headers = request.content.decode(), request.headers
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}"
    expected = _signature(secret, text)
    return expected in headers["webhook-signature"].split(" ")


def _signature(secret: str, text: str) -> str:
    """By the specification, not by the library: HMAC-SHA256 under the decoded secret."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.digest(key, text.encode(), hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def message_of(request: httpx.Request) -> dict[str, Any]:
    """What a request told."""
    told = json.loads(request.content)
    assert isinstance(told, dict)
    return told
