"""The offline Facebook as one object: state, ASGI app, in-process transport.

sandbox = Sandbox(SandboxConfig(public_url="http://localhost:9000"))
client = httpx.AsyncClient(mounts={"http://localhost:9000": sandbox.transport()})
code = sandbox.authorize("ada", redirect_uri="http://localhost:8000/auth/facebook/callback")
"""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from igauth.sandbox.control.api import Control
from igauth.sandbox.control.callbacks import Callbacks
from igauth.sandbox.control.calls import CallLog
from igauth.sandbox.control.faults import Faults, Target
from igauth.sandbox.dialog.endpoint import LoginDialog
from igauth.sandbox.dialog.instagram import AuthorizePage
from igauth.sandbox.dialog.request import Decision, agree, is_loopback, issue_code, split_scope
from igauth.sandbox.graph.api import Graph
from igauth.sandbox.graph.instagram import InstagramHosts
from igauth.sandbox.graph.view import draw_picture
from igauth.sandbox.pages import STATIC_FILES, Pages, make_pages, root_of, static_file
from igauth.sandbox.state import DEFAULT_SCOPE, SandboxClock, SandboxConfig, State, config_from
from igauth.sandbox.transport import RAW_SEND, Reply, SandboxTransport
from igauth.sandbox.world.cast import CAST
from igauth.sandbox.world.statefile import Saving, StateFile
from igauth.sandbox.world.world import Ledger, World

__all__ = ["DEFAULT_SCOPE", "Sandbox", "SandboxConfig", "config_from", "create_sandbox_app"]
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\[\]:/@?#]+))(?::\d+)?")
_PAGE = ["GET", "POST"]
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Sandbox:
    """One offline Facebook: nothing of it is global, so that tests can run side by side.

    `app` is for a server, and refuses foreign hosts; `transport()` reaches the same without one.
    """

    def __init__(
        self,
        config: SandboxConfig | None = None,
        *,
        clock: Callable[[], datetime] = _utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        callback_client: httpx.AsyncClient | None = None,
    ) -> None:
        self.config = config or SandboxConfig()
        self.clock = SandboxClock(clock)
        self.world = World(CAST)
        self.ledger = Ledger(self.config.app_id, self.config.app_secret)
        self.faults = Faults()
        self.calls = CallLog()
        known = (self.config, self.clock, self.world, self.ledger, self.faults, self.calls)
        self.state = State(*known, sleep)
        self.instagram = self.state.instagram
        self.callbacks = Callbacks(self.state, callback_client)
        self._file = _opened(self.state)
        app = _routes(self.state, self.callbacks)
        self._inner: ASGIApp = app if self._file is None else Saving(app, self._file)
        urls = (self.config.public_url, self.config.graph_url or "")
        self.app: ASGIApp = OwnHosts(_RawSend(self._inner), *urls)

    def transport(self) -> httpx.AsyncBaseTransport:
        """A transport for an httpx client that reaches this sandbox without a socket."""
        prefix = urlsplit(self.config.root).path
        return SandboxTransport(self._inner, prefix)

    def authorize(
        self,
        person: str,
        *,
        redirect_uri: str,
        code_challenge: str | None = None,
        code_challenge_method: str = "S256",
        scope: str | Iterable[str] = DEFAULT_SCOPE,
        declined: Iterable[str] = (),
        **assets: Iterable[str] | None,
    ) -> str:
        """Consent without the dialog, asked anew each time; returns the code.

        `assets` are ids of `pages`, `instagram_accounts`, `businesses`; those that aren't given are
        all those offered now.
        """
        chosen = self.world.person(person)
        wanted = split_scope(scope) if isinstance(scope, str) else list(scope)
        named = {kind: frozenset(ids) for kind, ids in assets.items() if ids is not None}
        decision = Decision(named, frozenset(declined))
        agree(self.state, chosen, wanted, decision, again=True, renew=True)
        return issue_code(
            self.state,
            chosen,
            redirect_uri,
            challenge=code_challenge,
            challenge_method=code_challenge_method,
        )

    async def settle(self) -> None:
        """Wait until every signed callback that is under way has been sent."""
        await self.callbacks.settle()

    def reset(self) -> None:
        """Everything as at the start: people, tokens, faults, calls, latency, clock."""
        self.state.reset()
        self.save()

    def save(self) -> None:
        """Bring the state file up to date; requests do so themselves."""
        if self._file is not None:
            self._file.save()


def _opened(state: State) -> StateFile | None:
    """The state file, where one is configured, with what it holds recalled."""
    if state.config.state_file is None:
        return None
    file = StateFile(Path(state.config.state_file), state)
    file.load()
    return file


def create_sandbox_app() -> ASGIApp:
    """For `uvicorn --factory igauth.sandbox.app:create_sandbox_app`; reads `SANDBOX_*`."""
    return Sandbox(config_from(os.environ)).app


# --- routes: dialog, pictures, control; all the rest is Graph ---


def _routes(state: State, callbacks: Callbacks) -> ASGIApp:
    """Everything under one roof: dialog host, graph host, Instagram's hosts, pictures, control."""
    pages = make_pages(state.config)
    dialog = LoginDialog(state, pages).__call__
    front = _Front(state, pages, Graph(state, callbacks.deauthorize_soon))
    routes = [
        *(Route(f"/_static/{name}", static_file) for name in STATIC_FILES),
        Route("/_pictures/{name}", front.picture),
        Route("/favicon.ico", _no_icon),
        *Control(state, callbacks, pages).routes(),
        Route("/dialog/oauth", dialog, methods=_PAGE),
        Route("/{version}/dialog/oauth", dialog, methods=_PAGE),
        Route("/instagram/oauth/authorize", AuthorizePage(state, pages).__call__, methods=_PAGE),
        Route("/instagram/_pictures/{name}", front.picture),
        Route("/instagram/{path:path}", InstagramHosts(state).__call__, methods=_METHODS),
        Route("/{path:path}", front.anything, methods=_METHODS),
    ]
    return Router(routes, redirect_slashes=False)


@dataclass(slots=True)
class _Front:
    """Graph, and what people's browsers look for beside it."""

    state: State
    pages: Pages
    graph: Graph

    async def anything(self, request: Request) -> Response:
        """Graph; but a person who follows a link to Facebook in a browser gets a page."""
        if request.method != "GET" or "text/html" not in request.headers.get("accept", ""):
            return await self.graph(request)
        if not request.path_params["path"]:
            return RedirectResponse(f"{root_of(request, self.state.config)}/_control/", 303)
        if "access_token" in request.query_params or "authorization" in request.headers:
            return await self.graph(request)
        path = request.url.path.removeprefix(root_of(request, self.state.config))
        return self.pages.show(request, "elsewhere.html", {"path": path})

    async def picture(self, request: Request) -> Response:
        """A profile picture by its signed link (facts 8.5)."""
        state, name = self.state, request.path_params["name"]
        answer = draw_picture(name, request.query_params, state.clock.unix())
        node = name.removesuffix(".svg")
        owner = state.world.owner_of(node)
        target = Target(frozenset({"picture"}), owner.key if owner else None, node)
        fault = state.faults.take(target)
        if fault is not None:
            if fault.delay_seconds and fault.kind != "drip":
                await state.sleep(fault.delay_seconds)
            answer = fault.spoil(answer, state.config.default_version)
        return Reply(answer, state.sleep)


async def _no_icon(_request: Request) -> Response:
    return Response(status_code=204)


# --- between the server and the routes ---


class OwnHosts:
    """Answers only to names of this machine, where it is meant for this machine.

    Otherwise a foreign page could reach it under a name of its own that leads here (DNS rebinding).
    `urls` are where it may be found as well; with a public one any name will do.
    """

    def __init__(self, app: ASGIApp, public_url: str, *urls: str) -> None:
        self._app = app
        self._open = not is_loopback(urlsplit(public_url).hostname)
        self._known = {urlsplit(url).hostname for url in urls} - {None}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """421 Misdirected Request (RFC 9110 §15.5.20) for any other name."""
        if scope["type"] == "lifespan" or self._open or self._is_own(scope):
            await self._app(scope, receive, send)
            return
        answer = PlainTextResponse("This sandbox answers to names of its own machine only.\n", 421)
        await answer(scope, receive, send)

    def _is_own(self, scope: Scope) -> bool:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        match = _HOST.fullmatch(hosts[0].lower()) if len(hosts) == 1 else None
        host = match and (match[1] or match[2])
        return is_loopback(host) or host in self._known


class _RawSend:
    """Remembers the server's own `send` in the scope, so that a cut can find the socket."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[RAW_SEND] = send
        await self._app(scope, receive, send)
