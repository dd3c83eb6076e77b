"""The offline Facebook, and igauth's own door to it."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import SecretStr

from igauth.listing.findings import Findings
from igauth.meta.calls import Budgets, Purpose
from igauth.meta.client import GraphClient, Timing
from igauth.meta.door import GrantFacts, IssuedToken, UserToken
from igauth.meta.facebook.caller import Caller
from igauth.meta.facebook.dialog import Dialog
from igauth.meta.facebook.door import FacebookDoor
from igauth.meta.facebook.nodes import NodeParser
from igauth.meta.facebook.proof import signing
from igauth.meta.facebook.reading import Reading
from igauth.meta.facebook.tokens import FacebookApp, TokenCalls
from igauth.meta.sending import GraphHost
from igauth.meta.transport import Lanes
from igauth.sandbox.app import DEFAULT_SCOPE, Sandbox

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FACEBOOK = "http://localhost:9000"
REDIRECT_URI = "http://localhost:8000/auth/facebook/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
WANTED = tuple(DEFAULT_SCOPE.split(","))


async def no_wait(_seconds: float) -> None:
    """A sleep that takes no time, but lets everybody else run."""
    for _ in range(50):
        await asyncio.sleep(0)


@dataclass
class Scene:
    """The sandbox, and igauth's door to it."""

    sandbox: Sandbox
    app: FacebookApp
    graph: GraphClient

    def be_impatient(self) -> None:
        """Calls give up after a moment, for faults that hang."""
        self.graph = client_of(self.sandbox, self.app, Budgets(call=0.2))

    @property
    def door(self) -> FacebookDoor:
        """The door, as the process has it."""
        dialog = Dialog(FACEBOOK, "v26.0", self.app.client_id, REDIRECT_URI, WANTED)
        return FacebookDoor(self.graph, self.app, dialog, NodeParser(), lambda: NOW)

    @property
    def tokens(self) -> TokenCalls:
        """The door's token calls by themselves."""
        return TokenCalls(self.graph, self.app, lambda: NOW)

    def reading(self, token: UserToken) -> Reading:
        """The door's reads by themselves."""
        return Reading(Caller(self.graph, token, Purpose.LISTING), NodeParser())

    async def consent(self, person: str, **choice: Iterable[str]) -> IssuedToken:
        """What a consent to some assets is exchanged for."""
        code = self.sandbox.authorize(
            person,
            redirect_uri=REDIRECT_URI,
            code_challenge=CHALLENGE.decode(),
            **choice,  # type: ignore[arg-type]
        )
        return await self.door.exchange(code, VERIFIER)

    async def token(self, person: str, **choice: Iterable[str]) -> UserToken:
        """The same, as a token that is kept."""
        return UserToken((await self.consent(person, **choice)).access_token, person)

    async def facts(self, token: UserToken) -> GrantFacts:
        """What Facebook says of the grant."""
        debugged = await self.tokens.debug(token, Purpose.CHECK)
        permissions = await self.reading(token).permissions()
        return GrantFacts(permissions=permissions, granular=debugged.granular)


def findings() -> Findings:
    """Empty findings, of a walk that wanted everything."""
    return Findings(WANTED)


def client_of(sandbox: Sandbox, app: FacebookApp, budgets: Budgets) -> GraphClient:
    """A client of the sandbox, for that app."""
    return GraphClient(
        Lanes.over(sandbox.transport()),
        GraphHost(FACEBOOK, "v26.0"),
        sign=signing(app.client_secret),
        budgets=budgets,
        timing=Timing(sleep=no_wait),
    )


@asynccontextmanager
async def open_scene() -> AsyncGenerator[Scene]:
    """A fresh offline Facebook and a door to it."""
    sandbox = Sandbox(clock=lambda: NOW, sleep=no_wait)
    app = FacebookApp(sandbox.config.app_id, SecretStr(sandbox.config.app_secret))
    yield Scene(sandbox, app, client_of(sandbox, app, Budgets(call=10.0, exchange=0.5)))
