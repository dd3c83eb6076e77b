"""A light Facebook for processes under load, in the test's own loop: quick, patient, obedient.

It knows anybody: the code `code-7` logs person 7 in, who granted all and has no Page. True to the
facts where the service looks: the token calls (graph-facts 2.3, 3.2), debug_token (4.1), a
profile with permissions and Pages by field expansion (6.6).
"""

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

from tests.cli.commands import APP_ID

SCOPES: Final = (
    "pages_show_list",
    "instagram_basic",
    "instagram_content_publish",
    "pages_read_engagement",
    "business_management",
)
_DICE: Final = random.Random(1)  # noqa: S311  # which calls go wrong is no secret
_WHO: Final = re.compile(r"code-(\d+)|EAA(?:short|long)x(\d+)")


@dataclass
class Held:
    """A call that waits at Facebook's door."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Facebook:
    """`calls` by endpoint and person; every answer takes `delay_seconds`, and a share of them,
    `faulty`, is an error page or a cut connection."""

    url: str = ""
    delay_seconds: float = 0.0
    faulty: float = 0.0
    calls: Counter[tuple[str, int]] = field(default_factory=Counter)
    _held: dict[tuple[str, int], Held] = field(default_factory=dict)

    def hold(self, endpoint: str, person: int) -> Held:
        """From now on this call waits until it is told to go on."""
        return self._held.setdefault((endpoint, person), Held())

    def count(self, endpoint: str) -> int:
        """How often an endpoint was called, by anybody."""
        return sum(number for (name, _), number in self.calls.items() if name == endpoint)

    async def answer(self, request: web.Request) -> web.Response:
        """One call."""
        given = {**request.query, **{k: str(v) for k, v in (await request.post()).items()}}
        endpoint = request.path.partition("/v26.0/")[2] or "batch"
        told = str(given.get("input_token") or request.headers.get("Authorization", ""))
        found = _WHO.search(told) or _WHO.search(" ".join(given.values()))
        person = int(found[1] or found[2]) if found else 0
        name = _name(endpoint, given)
        self.calls[name, person] += 1
        if held := self._held.get((name, person)):
            held.reached.set()
            await held.go_on.wait()
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        if _DICE.random() < self.faulty:
            return _spoilt(request)
        return web.json_response(_body(name, person, given))


def _name(endpoint: str, given: Mapping[str, str]) -> str:
    if endpoint == "oauth/access_token":
        return "upgrade" if "fb_exchange_token" in given else "exchange"
    return endpoint


def _spoilt(request: web.Request) -> web.Response:
    """A balancer's page, or no answer at all."""
    if _DICE.random() < 0.5 and request.transport is not None:
        request.transport.abort()
    return web.Response(status=502, text="<html>Bad gateway</html>", content_type="text/html")


def _body(name: str, person: int, given: Mapping[str, str]) -> Any:
    if name == "exchange":
        if "client_credentials" in given.values():
            return {"access_token": f"{APP_ID}|invented", "token_type": "bearer"}
        return {"access_token": f"EAAshortx{person}", "token_type": "bearer", "expires_in": 5_127}
    if name == "upgrade":
        return {
            "access_token": f"EAAlongx{person}",
            "token_type": "bearer",
            "expires_in": 5_183_944,
        }
    if name == "debug_token":
        return {"data": _debugged(person)}
    if name == "me":
        return _profile(person)
    if name == "batch":
        return [{"code": 200, "body": '{"data":[]}'} for _ in json.loads(given["batch"])]
    return {"success": True} if name.endswith("/permissions") else {"data": []}


def _debugged(person: int) -> dict[str, Any]:
    return {
        "app_id": APP_ID,
        "type": "USER",
        "is_valid": True,
        "user_id": str(1_000_000 + person),
        "scopes": [*SCOPES, "public_profile"],
        "granular_scopes": [{"scope": scope, "target_ids": []} for scope in SCOPES],
        "expires_at": int(time.time()) + 5_183_944,
        "data_access_expires_at": int(time.time()) + 7_776_000,
    }


def _profile(person: int) -> dict[str, Any]:
    granted = [{"permission": scope, "status": "granted"} for scope in SCOPES]
    return {
        "id": str(1_000_000 + person),
        "name": f"Invented Person {person}",
        "permissions": {"data": granted},
        "accounts": {"data": []},
    }


@asynccontextmanager
async def open_facebook() -> AsyncGenerator[Facebook]:
    """Answers on loopback while the block runs."""
    facebook = Facebook()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", facebook.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1_024)
    await site.start()
    facebook.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield facebook
    finally:
        await runner.cleanup()
