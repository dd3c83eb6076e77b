"""The stage of a journey: the service, the offline Facebook, and browsers, without a socket.

One `AsyncClient` walks over both apps by `mounts`; only the clock and waiting are fake.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from igauth.app import create_app
from igauth.bootstrap import Services, Wiring
from igauth.graph.client import Budgets
from igauth.sandbox.app import Sandbox, SandboxConfig
from igauth.settings import RootKey, Settings, load

BASE_URL = "http://localhost:8000"
SECURE_URL = "https://connect.example.test"
FACEBOOK = "http://facebook.test:9000"
FRONTEND = "http://localhost:5173"
KEY = RootKey("k1", bytes(range(7, 39)))
OLDER_KEY = RootKey("k0", bytes(range(100, 132)))
START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class FakeClock:
    """The only clock of a stage; it moves when told."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **duration: float) -> None:
        """Moves on by a timedelta's arguments."""
        self.now += timedelta(**duration)


def make_settings(database_url: str, **overrides: Any) -> Settings:
    """Settings that a stage can serve with."""
    values: dict[str, Any] = {
        "base_url": BASE_URL,
        "facebook_client_id": SandboxConfig().app_id,
        "facebook_client_secret": SecretStr(SandboxConfig().app_secret),
        "facebook_dialog_url": FACEBOOK,
        "allow_fake_facebook": True,
        "frontend_url": f"{FRONTEND}/",
        "database_url": SecretStr(database_url),
        "keys": (KEY,),
    }
    return load(Settings, **(values | overrides))


@dataclass
class Browser:
    """A person's browser: one cookie jar, no redirects followed but those it is told to."""

    http: httpx.AsyncClient
    base_url: str = BASE_URL

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """A fetch of the service."""
        return await self.http.get(self.base_url + path, headers=_headers(headers))

    async def send(self, method: str, path: str, **headers: str) -> httpx.Response:
        """A request that changes something, from the front end's origin unless told."""
        named = {"origin": FRONTEND} | _headers(headers)
        return await self.http.request(
            method, self.base_url + path, headers={k: v for k, v in named.items() if v}
        )

    async def start(self, **query: str) -> httpx.Response:
        """Begins a login: 302 to the dialog."""
        return await self.http.get(f"{self.base_url}/auth/facebook", params=query)

    async def consent(
        self, dialog: str, person: str = "ada", decision: str = "continue", **form: Any
    ) -> str:
        """Answers the dialog as a person; returns the callback's address."""
        answer = await self.http.post(
            dialog, data={"person": person, "decision": decision, **form}
        )
        assert answer.status_code == 302, answer.text
        return answer.headers["location"].partition("#")[0]

    async def log_in(self, person: str = "ada", *, form: Any = None, **query: str) -> httpx.Response:
        """A whole login; returns the callback's answer."""
        started = await self.start(**query)
        assert started.status_code == 302, started.text
        callback = await self.consent(started.headers["location"], person, **(form or {}))
        return await self.http.get(callback)

    async def accounts(self, **query: str) -> httpx.Response:
        """The listing."""
        return await self.http.get(f"{self.base_url}/me/instagram-accounts", params=query)

    def cookie(self, name: str = "igauth_session") -> str | None:
        """The value of a cookie in the jar."""
        return next((cookie.value for cookie in self.http.cookies.jar if cookie.name == name), None)


@dataclass
class Stage:
    """Service, sandbox, clock; opened once for a test."""

    app: FastAPI
    services: Services
    sandbox: Sandbox
    settings: Settings
    clock: FakeClock
    state: dict[str, Any]
    _browsers: list[httpx.AsyncClient] = field(default_factory=list)

    def browser(self) -> Browser:
        """A new browser with an empty jar."""
        http = httpx.AsyncClient(
            mounts={
                self.settings.base_url: httpx.ASGITransport(self._asgi),
                FACEBOOK: self.sandbox.transport(),
            },
            trust_env=False,
        )
        self._browsers.append(http)
        return Browser(http, self.settings.base_url)

    async def _asgi(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope, "state": dict(self.state)}, receive, send)

    async def close(self) -> None:
        """Closes every browser."""
        for http in self._browsers:
            await http.aclose()

    @property
    def calls(self) -> list[str]:
        """The endpoints that Facebook was asked, in order."""
        return [call.endpoint for call in self.sandbox.calls]


@asynccontextmanager
async def open_stage(
    settings: Settings,
    *,
    sandbox: Sandbox | None = None,
    clock: FakeClock | None = None,
    wiring: Wiring | None = None,
) -> AsyncGenerator[Stage]:
    """Service and sandbox, wired together."""
    clock = clock or FakeClock()
    sandbox = sandbox or Sandbox(
        SandboxConfig(public_url=FACEBOOK, redirect_uris=(settings.redirect_uri,)), clock=clock
    )
    wiring = replace(wiring or Wiring(budgets=Budgets(backoff=0.0)), clock=clock)
    if wiring.transport is None:
        wiring = replace(wiring, transport=sandbox.transport())
    app = create_app(settings, wiring)
    async with app.router.lifespan_context(app) as state:
        assert state is not None
        opened = dict(state)
        stage = Stage(app, opened["edge"].services, sandbox, settings, clock, opened)
        try:
            yield stage
        finally:
            await stage.close()


def query_of(response: httpx.Response) -> dict[str, list[str]]:
    """The query of a redirect's Location."""
    return parse_qs(urlsplit(response.headers["location"]).query, keep_blank_values=True)


def error_of(response: httpx.Response) -> str | None:
    """The `error` that a login ended with, None for success."""
    assert response.status_code == 303, response.text
    values: Sequence[str] = query_of(response).get("error", [])
    return values[0] if values else None


def _headers(named: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in named.items()}


