"""The offline Facebook, and igauth's own client of it."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from pydantic import SecretStr

from igauth.meta.client import Budgets, FacebookApp, GraphClient
from igauth.meta.facebook.proof import UserToken
from igauth.meta.facebook.reading import FacebookResources
from igauth.meta.facebook.tokens import FacebookOAuth
from igauth.sandbox.app import Sandbox

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FACEBOOK = "http://localhost:9000"
REDIRECT_URI = "http://localhost:8000/auth/facebook/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")


async def no_wait(_seconds: float) -> None:
    """A sleep that takes no time, but lets everybody else run."""
    for _ in range(50):
        await asyncio.sleep(0)


@dataclass
class Scene:
    """The sandbox, and igauth's client of it."""

    sandbox: Sandbox
    graph: GraphClient
    oauth: FacebookOAuth
    resources: FacebookResources

    def be_impatient(self) -> None:
        """Calls give up after a moment, for faults that hang."""
        self.graph.budgets = Budgets(call=0.2)

    async def login(self, person: str = "ada") -> UserToken:
        """A long-lived token, got as a login gets it."""
        code = self.sandbox.authorize(
            person, redirect_uri=REDIRECT_URI, code_challenge=CHALLENGE.decode()
        )
        issued = await self.oauth.exchange_code(code, VERIFIER)
        upgraded = await self.oauth.upgrade(UserToken(issued.access_token))
        return UserToken(upgraded.access_token, person)


@asynccontextmanager
async def open_scene() -> AsyncGenerator[Scene]:
    """A fresh offline Facebook and a client of it."""
    sandbox = Sandbox(clock=lambda: NOW, sleep=no_wait)
    async with httpx.AsyncClient(transport=sandbox.transport()) as http:
        graph = GraphClient(
            http,
            FacebookApp(sandbox.config.app_id, SecretStr(sandbox.config.app_secret)),
            graph_url=FACEBOOK,
            api_version="v26.0",
            budgets=Budgets(call=10.0, exchange=0.5),
            sleep=no_wait,
        )
        oauth = FacebookOAuth(
            graph,
            dialog_url=FACEBOOK,
            redirect_uri=REDIRECT_URI,
            scopes=["pages_show_list"],
            config_id=None,
            clock=lambda: NOW,
        )
        yield Scene(sandbox, graph, oauth, FacebookResources(graph))
