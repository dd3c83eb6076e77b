"""The stage of a journey: the service, the offline Facebook, and browsers, without a socket.

One `AsyncClient` walks over both apps by `mounts`; only the clock and waiting are fake.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import URL
from starlette.types import Receive, Scope, Send

from igauth.app import create_app
from igauth.bootstrap import Services, Wiring
from igauth.domain import ConnectionId, Provider, ServiceScope
from igauth.meta.calls import Budgets
from igauth.sandbox.app import Sandbox, SandboxConfig
from igauth.sandbox.control.calls import DIALOGS
from igauth.settings import RootKey, Settings, load
from igauth.store import connections
from igauth.store.connections import ConnectionRow
from igauth.store.database import Database, Transaction

BASE_URL = "http://localhost:8000"
SECURE_URL = "https://connect.example.test"
FACEBOOK = "http://facebook.test:9000"
INSTAGRAM = f"{FACEBOOK}/instagram"
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


def instagram_pair() -> dict[str, Any]:
    """The settings that open the second door, at the same sandbox."""
    return {
        "instagram_client_id": SandboxConfig().instagram_app_id,
        "instagram_client_secret": SecretStr(SandboxConfig().instagram_app_secret),
        "instagram_authorize_url": INSTAGRAM,
        "instagram_token_url": INSTAGRAM,
        "instagram_graph_url": INSTAGRAM,
    }


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

    async def start(self, *, door: str = "facebook", **query: str) -> httpx.Response:
        """Begins a login: 302 to the dialog."""
        return await self.http.get(f"{self.base_url}/auth/{door}", params=query)

    async def consent(
        self, dialog: str, person: str = "ada", decision: str = "continue", **form: Any
    ) -> str:
        """Answers the dialog as a person; returns the callback's address."""
        answer = await self.http.post(dialog, data={"person": person, "decision": decision, **form})
        assert answer.status_code == 302, answer.text
        return answer.headers["location"].partition("#")[0]

    async def approach(
        self,
        person: str = "ada",
        *,
        door: str = "facebook",
        decision: str = "continue",
        form: Any = None,
        **query: str,
    ) -> str:
        """A login up to the callback's address, which the browser has yet to visit."""
        started = await self.start(door=door, **query)
        assert started.status_code == 302, started.text
        return await self.consent(started.headers["location"], person, decision, **(form or {}))

    async def log_in(
        self, person: str = "ada", *, form: Any = None, **query: str
    ) -> httpx.Response:
        """A whole login; returns the callback's answer."""
        return await self.http.get(await self.approach(person, form=form, **query))

    async def connect(
        self, account: str = "bakery", *, form: Any = None, **query: str
    ) -> httpx.Response:
        """A whole login at the second door."""
        return await self.log_in(account, form=form, door="instagram", **query)

    async def user(self) -> dict[str, Any] | None:
        """Who is logged in, as `GET /auth/session` tells."""
        user: dict[str, Any] | None = (await self.get("/auth/session")).json()["user"]
        return user

    async def connection(self) -> dict[str, Any]:
        """The person's one connection."""
        (connection,) = (await self.get("/me/connections")).json()["data"]
        assert isinstance(connection, dict)
        return connection

    async def accounts(self, **query: str) -> httpx.Response:
        """The listing."""
        return await self.http.get(f"{self.base_url}/me/instagram-accounts", params=query)

    def cookie(self, name: str = "igauth_session") -> str | None:
        """The value of a cookie in the jar."""
        return self.cookies().get(name)

    def cookies(self) -> dict[str, str]:
        """Names and values of the whole jar."""
        return {cookie.name: cookie.value or "" for cookie in self.http.cookies.jar}

    def attempt_cookies(self) -> list[str]:
        """Names of the login attempts that live in the jar."""
        return [name for name in self.cookies() if "igauth_login_" in name]

    def take_jar_of(self, other: "Browser") -> None:
        """A copy of another browser's jar, as it is now: a thief, or the same jar elsewhere."""
        for cookie in other.http.cookies.jar:
            self.http.cookies.jar.set_cookie(cookie)


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

    def browser(self, address: str = "127.0.0.1") -> Browser:
        """A new browser with an empty jar, at that network address."""
        http = httpx.AsyncClient(
            transport=httpx.MockTransport(_nowhere_else),  # the default costs a TLS context
            mounts={
                self.settings.base_url: httpx.ASGITransport(self._asgi, client=(address, 50_000)),
                FACEBOOK: self.sandbox.transport(),
            },
            trust_env=False,
        )
        self._browsers.append(http)
        return Browser(http, self.settings.base_url)

    async def backend(
        self, *scopes: ServiceScope, address: str = "127.0.0.2", key: str | None = None
    ) -> httpx.AsyncClient:
        """One of the operator's servers, with a service key of these scopes; all of them, if none
        is named."""
        if key is None:
            key = await self.services.service_keys.make("test", scopes or tuple(ServiceScope), None)
        http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self._asgi, client=(address, 50_000)),
            base_url=self.settings.base_url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            trust_env=False,
        )
        self._browsers.append(http)
        return http

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

    @property
    def graph_calls(self) -> list[str]:
        """The same without the dialogs, which the browser asks and not the service."""
        return [endpoint for endpoint in self.calls if endpoint not in DIALOGS]

    async def count(self, table: str) -> int:
        """How many rows a table holds."""
        ((number,),) = await self.sql(f"SELECT count(*) FROM {table}")  # noqa: S608  # our own
        return int(number)

    async def sql(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Runs a statement beside the service, as somebody who can write the database would."""

        def unit(tx: Transaction) -> list[tuple[Any, ...]]:
            done = tx.execute(text(statement), parameters)
            return [tuple(row) for row in done.all()] if done.returns_rows else []

        return await self.services.database.write(unit)

    async def connection(self, connection_id: str) -> ConnectionRow | None:
        """A connection as it is stored."""
        wanted = ConnectionId(connection_id)
        return await self.services.database.read(lambda tx: connections.find(tx, wanted))

    @asynccontextmanager
    async def database_down(self) -> AsyncGenerator[None]:
        """While this block runs, no connection to the database can be had."""
        database = self.services.database
        away = Database(_nowhere(database.url))
        kept = database._engine
        database._engine = away._engine
        try:
            yield
        finally:
            database._engine = kept
            await away.close()


class Gate:
    """A sandbox's `sleep` that lasts until it is opened: a call held at Facebook's door."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self, _seconds: float) -> None:
        """Whoever comes here waits."""
        self.reached.set()
        await self.open.wait()


def make_sandbox(settings: Settings, clock: FakeClock, **more: Any) -> Sandbox:
    """An offline Facebook that knows this service's callback."""
    config = SandboxConfig(
        public_url=FACEBOOK,
        redirect_uris=(settings.redirect_uri,),
        instagram_redirect_uris=(settings.redirect_uri_of(Provider.INSTAGRAM),),
    )
    return Sandbox(replace(config, **more.pop("config", {})), clock=clock, **more)


async def no_wait(_seconds: float) -> None:
    """A `sleep` for `Wiring`: lets others run, and takes no time."""
    await asyncio.sleep(0)


def quick(**more: Any) -> Wiring:
    """A service that waits for nothing, and whose keeper only works when it is called."""
    given: dict[str, Any] = {"budgets": Budgets(backoff=0.0), "sleep": no_wait, "keeper": False}
    return Wiring(**(given | more))


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
    sandbox = sandbox or make_sandbox(settings, clock)
    wiring = wiring or Wiring(budgets=Budgets(backoff=0.0), sleep=no_wait)
    wiring = replace(wiring, clock=clock, keeper=False, pauses_fresh_seconds=0.0)
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


def replica(first: Stage, **overrides: Any) -> AbstractAsyncContextManager[Stage]:
    """Another process of the same service: same database, Facebook and clock."""
    settings = first.settings.model_copy(update=overrides)
    return open_stage(settings, sandbox=first.sandbox, clock=first.clock)


def query_of(response: httpx.Response) -> dict[str, list[str]]:
    """The query of a redirect's Location."""
    return parse_qs(urlsplit(response.headers["location"]).query, keep_blank_values=True)


def error_of(response: httpx.Response) -> str | None:
    """The `error` that a login ended with, None for success."""
    assert response.status_code == 303, response.text
    values: Sequence[str] = query_of(response).get("error", [])
    return values[0] if values else None


def _nowhere_else(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"a browser went to {request.url.host}")


def _nowhere(url: URL) -> str:
    """The same server or disk, but a database that isn't there."""
    missing = "/nowhere/igauth.db" if url.get_backend_name() == "sqlite" else "nowhere"
    return url.set(database=missing).render_as_string(hide_password=False)


def _headers(named: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in named.items()}
