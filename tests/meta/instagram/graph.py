"""Instagram's three hosts, answering each endpoint as told; and the door to them."""

from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr

from igauth.domain import Subject
from igauth.listing.findings import Findings
from igauth.meta.calls import Budgets, GraphCall
from igauth.meta.client import GraphClient, Timing
from igauth.meta.door import IssuedToken, UserToken
from igauth.meta.instagram.dialog import Dialog
from igauth.meta.instagram.door import PAUSES, VERSION_HEADER, InstagramDoor
from igauth.meta.instagram.tokens import InstagramApp
from igauth.meta.pauses import PauseBook
from igauth.meta.sending import GraphHost
from igauth.meta.transport import Lanes
from tests.meta.scripted import VERSION, Answer, FakeTime, answer

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
APP_ID = "801234567890123"
APP_SECRET = "fedcba9876543210fedcba9876543210"
AUTHORIZE = "https://www.instagram.com"
TOKENS = "https://api.instagram.com"
GRAPH = "https://graph.instagram.com"
REDIRECT_URI = "http://localhost:8000/auth/instagram/callback"
SCOPES = ("instagram_business_basic", "instagram_business_content_publish")
ACCOUNT_ID, SCOPED_ID = Subject("17841400000000021"), Subject("26000000000000041")
SHORT_TEXT = "IGAAinventedShort"
SHORT = IssuedToken(SecretStr(SHORT_TEXT), NOW, frozenset(SCOPES))
TOKEN = UserToken(SecretStr("IGAAinventedKept"), person="p1")
ISSUED = {
    "access_token": SHORT_TEXT,
    "user_id": int(SCOPED_ID),
    "permissions": list(SCOPES),
}
LONG = {"access_token": "IGAAinventedLong", "token_type": "bearer", "expires_in": 5183944}
ME: dict[str, Any] = {
    "id": SCOPED_ID,
    "user_id": ACCOUNT_ID,
    "username": "invented.bakery",
    "name": "Invented Bakery",
    "account_type": "BUSINESS",
    "profile_picture_url": "https://scontent.example.test/p.jpg?oe=6A0F0000",
    "followers_count": 1204,
    "follows_count": 87,
    "media_count": 342,
}

Slow = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


@dataclass
class Graph:
    """What is answered by endpoint; a list is used up in order, its last one for good."""

    answers: dict[str, Answer | Slow | list[Answer | Slow]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    requests: dict[str, list[httpx.Request]] = field(default_factory=lambda: defaultdict(list))
    calls: list[GraphCall] = field(default_factory=list)

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        endpoint = ENDPOINTS[str(request.url).partition("?")[0]]
        self.asked.append(endpoint)
        self.requests[endpoint].append(request)
        assert endpoint in self.answers, f"nobody expected {endpoint}"
        found = self.answers[endpoint]
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(found, Exception):
            raise found
        made = found(request) if callable(found) else found
        return made if isinstance(made, httpx.Response) else await made

    def client(
        self, pauses: PauseBook | None = None, budgets: Budgets | None = None
    ) -> GraphClient:
        """A client of its host."""
        time = FakeTime()
        return GraphClient(
            Lanes.over(httpx.MockTransport(self)),
            GraphHost(GRAPH, VERSION, VERSION_HEADER, PAUSES),
            budgets=budgets,
            pauses=pauses,
            on_call=self.calls.append,
            timing=Timing(time.monotonic, time.sleep),
        )

    def door(
        self, pauses: PauseBook | None = None, budgets: Budgets | None = None
    ) -> InstagramDoor:
        """The door to it."""
        return InstagramDoor(
            self.client(pauses, budgets),
            InstagramApp(APP_ID, SecretStr(APP_SECRET)),
            Dialog(AUTHORIZE, APP_ID, REDIRECT_URI, SCOPES),
            token_url=TOKENS,
            pictures=("https://",),
            clock=lambda: NOW,
        )


ENDPOINTS = {
    f"{TOKENS}/oauth/access_token": "exchange",
    f"{GRAPH}/access_token": "upgrade",
    f"{GRAPH}/refresh_access_token": "refresh",
    f"{GRAPH}/{VERSION}/me": "me",
}


def well(**changed: Any) -> Graph:
    """An Instagram where all goes well, but for what is changed."""
    usual: dict[str, Any] = {
        "exchange": answer(ISSUED),
        "upgrade": answer(LONG),
        "refresh": answer(LONG),
        "me": answer(ME),
    }
    return Graph(usual | changed)


def findings() -> Findings:
    """Empty findings."""
    return Findings(SCOPES)


def no_access() -> Answer:
    """The misleading one (instagram-login-facts 4.4)."""
    message = "Unsupported request - method type: get"
    return answer({"error": {"message": message, "type": "IGApiException", "code": 100}}, 400)


def of_exchange(message: str) -> Answer:
    """A refusal in the code exchange's own shape (3.4)."""
    body = {"error_type": "OAuthException", "code": 400, "error_message": message}
    return answer(body, 400)
