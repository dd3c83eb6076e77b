"""A small honest client of the offline Facebook: what every test here asks with.

It derives proofs with its own three lines of hmac, so that it shares nothing with either side.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from igauth.sandbox.app import DEFAULT_SCOPE, Sandbox

REDIRECT_URI = "http://localhost:8000/auth/facebook/callback"
ALL_SCOPES = f"{DEFAULT_SCOPE},email"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass
class TestClock:
    """A clock that stands still until told."""

    __test__ = False
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass
class Sleeps:
    """A sleep that returns at once and remembers how long it was asked for."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@dataclass
class Facebook:
    """Asks one sandbox through its in-process transport."""

    sandbox: Sandbox
    http: httpx.AsyncClient

    def proof(self, token: str) -> str:
        """appsecret_proof (facts 5.1)."""
        secret = self.sandbox.config.app_secret.encode()
        return hmac.new(secret, token.encode(), hashlib.sha256).hexdigest()

    async def exchange(self, code: str | None, **changes: str | None) -> httpx.Response:
        """POST the code exchange; a change of None leaves a parameter out."""
        params: dict[str, str | None] = {
            "client_id": self.sandbox.config.app_id,
            "client_secret": self.sandbox.config.app_secret,
            "redirect_uri": REDIRECT_URI,
            "code": code,
            **changes,
        }
        form = {name: value for name, value in params.items() if value is not None}
        return await self.http.post("/v26.0/oauth/access_token", data=form)

    async def upgrade(self, token: str, **changes: str | None) -> httpx.Response:
        """POST the exchange of a token for a long-lived one."""
        more = {"grant_type": "fb_exchange_token", "fb_exchange_token": token, **changes}
        return await self.exchange(None, redirect_uri=None, **more)

    async def short_token(self, person: str = "ada", **consent: Any) -> str:
        """Consent and exchange."""
        code = self.sandbox.authorize(person, redirect_uri=REDIRECT_URI, **consent)
        answer = await self.exchange(code)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def token(self, person: str = "ada", **consent: Any) -> str:
        """Consent, exchange, upgrade."""
        answer = await self.upgrade(await self.short_token(person, **consent))
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def get(
        self, path: str, token: str | None = None, *, method: str = "GET", **params: Any
    ) -> httpx.Response:
        """Ask Graph with Bearer and proof."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        if token and "|" not in token:
            params.setdefault("appsecret_proof", self.proof(token))
        given = {name: value for name, value in params.items() if value is not None}
        return await self.http.request(method, f"/v26.0{path}", params=given, headers=headers)

    async def debug(self, token: str, **params: Any) -> dict[str, Any]:
        """The `data` of debug_token, authorised by the app token."""
        app_token = self.sandbox.ledger.app_token
        answer = await self.get("/debug_token", app_token, input_token=token, **params)
        assert answer.status_code == 200, answer.text
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def batch(
        self, token: str, parts: Sequence[dict[str, Any]], **more: str
    ) -> httpx.Response:
        """POST a batch with the proof once at the top."""
        form = {
            "access_token": token,
            "appsecret_proof": self.proof(token),
            "batch": json.dumps(parts),
            **more,
        }
        return await self.http.post("/v26.0/", data=form)


def error_of(answer: httpx.Response) -> tuple[int, int | None, int | None]:
    """Status, code and subcode of a Graph error."""
    error = answer.json()["error"]
    return answer.status_code, error.get("code"), error.get("error_subcode")


def dialog_url(sandbox: Sandbox, version: str = "v26.0", **changes: str | None) -> str:
    """The dialog's address with a good query; a change of None leaves a parameter out."""
    params: dict[str, str | None] = {
        "client_id": sandbox.config.app_id,
        "redirect_uri": REDIRECT_URI,
        "response_type": "code",
        "scope": ALL_SCOPES,
        "state": "st&te=1",
        **changes,
    }
    given = {name: value for name, value in params.items() if value is not None}
    return f"/{version}/dialog/oauth?{httpx.QueryParams(given)}"
