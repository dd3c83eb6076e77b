"""The offline Facebook as one object: state, ASGI app, in-process transport.

sandbox = Sandbox(SandboxConfig(public_url="http://localhost:9000"))
client = httpx.AsyncClient(mounts={"http://localhost:9000": sandbox.transport()})
code = sandbox.authorize("ada", redirect_uri="http://localhost:8000/auth/facebook/callback")
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from starlette.types import ASGIApp, Receive, Scope, Send

from igauth.sandbox.callbacks import Callbacks
from igauth.sandbox.calls import CallLog
from igauth.sandbox.cast import CAST
from igauth.sandbox.config import DEFAULT_SCOPE, SandboxClock, SandboxConfig, config_from
from igauth.sandbox.consent import Decision, agree, issue_code, split_scope
from igauth.sandbox.faults import Faults
from igauth.sandbox.ledger import Ledger
from igauth.sandbox.replies import RAW_SEND
from igauth.sandbox.state import State
from igauth.sandbox.statefile import Saving, StateFile
from igauth.sandbox.transport import SandboxTransport
from igauth.sandbox.wiring import build_app
from igauth.sandbox.world import World

__all__ = ["DEFAULT_SCOPE", "Sandbox", "SandboxConfig", "create_sandbox_app"]


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Sandbox:
    """One offline Facebook: nothing of it is global, so that tests can run side by side."""

    def __init__(
        self,
        config: SandboxConfig | None = None,
        *,
        clock: Callable[[], datetime] = _utc_now,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        callback_client: httpx.AsyncClient | None = None,
    ) -> None:
        self.config = config or SandboxConfig()
        self.state = State(
            self.config,
            SandboxClock(clock),
            World(CAST),
            Ledger(self.config.app_id, self.config.app_secret),
            Faults(),
            CallLog(),
            sleep,
        )
        self.callbacks = Callbacks(self.state, callback_client)
        self._file = _opened(self.state)
        app = build_app(self.state, self.callbacks)
        self.app: ASGIApp = _RawSend(app if self._file is None else Saving(app, self._file))

    @property
    def world(self) -> World:
        """The people and what they have."""
        return self.state.world

    @property
    def faults(self) -> Faults:
        """Planned misfortunes."""
        return self.state.faults

    @property
    def calls(self) -> CallLog:
        """What was asked so far."""
        return self.state.calls

    @property
    def clock(self) -> SandboxClock:
        """The sandbox's time; `advance(seconds)` moves it."""
        return self.state.clock

    @property
    def ledger(self) -> Ledger:
        """Codes and tokens given out."""
        return self.state.ledger

    def transport(self) -> httpx.AsyncBaseTransport:
        """A transport for an httpx client that reaches this sandbox without a socket."""
        prefix = urlsplit(self.config.root).path
        return SandboxTransport(self.app, prefix)

    def authorize(
        self,
        person: str,
        *,
        redirect_uri: str,
        code_challenge: str | None = None,
        code_challenge_method: str = "S256",
        scope: str | Iterable[str] = DEFAULT_SCOPE,
        pages: Iterable[str] | None = None,
        instagram_accounts: Iterable[str] | None = None,
        businesses: Iterable[str] | None = None,
        declined: Iterable[str] = (),
    ) -> str:
        """Consent without the dialog, asked anew each time; returns the code.

        Assets that aren't given are all those offered now.
        """
        chosen = self.world.person(person)
        wanted = split_scope(scope) if isinstance(scope, str) else list(scope)
        decision = Decision(
            _ids(pages), _ids(instagram_accounts), _ids(businesses), frozenset(declined)
        )
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


def _ids(given: Iterable[str] | None) -> frozenset[str] | None:
    return None if given is None else frozenset(given)


class _RawSend:
    """Remembers the server's own `send` in the scope, so that a cut can find the socket."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[RAW_SEND] = send
        await self._app(scope, receive, send)


def create_sandbox_app() -> ASGIApp:
    """For `uvicorn --factory igauth.sandbox.app:create_sandbox_app`; reads `SANDBOX_*`."""
    return Sandbox(config_from(os.environ)).app
