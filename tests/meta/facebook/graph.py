"""A Graph that answers each endpoint as it was told, whatever the order; and the door to it."""

from collections import defaultdict
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr

from igauth.domain import Subject
from igauth.listing.findings import Findings
from igauth.meta.calls import Budgets
from igauth.meta.door import IssuedToken, UserToken
from igauth.meta.facebook.dialog import Dialog
from igauth.meta.facebook.door import FacebookDoor
from igauth.meta.facebook.nodes import NodeParser
from igauth.meta.pauses import PauseBook
from tests.meta.scripted import APP, APP_ID, VERSION, Answer, Facebook, answer

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SUBJECT = Subject("10200000000000001")
SHORT = IssuedToken(SecretStr("EAAshort"), None)
TOKEN = UserToken(SecretStr("EAAkept"), person="p1")
WANTED = ("pages_show_list", "instagram_basic", "business_management")
LIVE: dict[str, Any] = {
    "app_id": APP_ID,
    "type": "USER",
    "is_valid": True,
    "expires_at": 1800576000,
    "data_access_expires_at": 1803168000,
    "scopes": ["pages_show_list", "instagram_basic"],
    "granular_scopes": [
        {"scope": "pages_show_list", "target_ids": ["11"]},
        {"scope": "instagram_basic", "target_ids": ["171"]},
    ],
    "user_id": SUBJECT,
}
PERMISSIONS = {
    "data": [
        {"permission": "pages_show_list", "status": "granted"},
        {"permission": "instagram_basic", "status": "granted"},
    ]
}
PAGE = {
    "id": "11",
    "name": "Bakery",
    "tasks": ["MANAGE"],
    "instagram_business_account": {"id": "171", "username": "bakery"},
}
ACCOUNTS = {"data": [PAGE]}
ME = {"id": SUBJECT, "name": "Ada", "permissions": PERMISSIONS, "accounts": ACCOUNTS}
LONG = {"access_token": "EAAlong", "expires_in": 5183944}

Slow = Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]


def debugged(**changed: Any) -> Answer:
    """debug_token's answer for a live token, but for what is changed."""
    return answer({"data": LIVE | changed})


def dead(subcode: int | None, **changed: Any) -> Answer:
    """debug_token's answer for a dead one (graph-facts 4.5)."""
    error = {"code": 190, "subcode": subcode, "message": "x"}
    return answer({"data": {"is_valid": False, "error": error, "user_id": SUBJECT, **changed}})


@dataclass
class Graph:
    """What is answered by endpoint; a list is used up in order, its last one for good."""

    answers: dict[str, Answer | Slow | list[Answer | Slow]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    requests: dict[str, list[httpx.Request]] = field(default_factory=lambda: defaultdict(list))

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        endpoint = endpoint_of(request)
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

    def door(self, pauses: PauseBook | None = None, budgets: Budgets | None = None) -> FacebookDoor:
        """The door to it."""
        fake = Facebook(self, pauses=pauses, budgets=budgets or Budgets())
        dialog = Dialog("https://www.facebook.com", VERSION, APP_ID, "https://x.test/cb", WANTED)
        return FacebookDoor(fake.client(), APP, dialog, NodeParser(), lambda: NOW)


def endpoint_of(request: httpx.Request) -> str:
    """ "exchange" or "upgrade" at the token endpoint, "batch", else the path without version."""
    path = request.url.path.removeprefix(f"/{VERSION}/")
    if path == "oauth/access_token":
        form = httpx.QueryParams(request.content.decode())
        return {"authorization_code": "exchange", "fb_exchange_token": "upgrade"}.get(
            form["grant_type"], form["grant_type"]
        )
    return path or "batch"


def well(**changed: Any) -> Graph:
    """A Graph where a login goes well, but for what is changed; names with "/" as "__"."""
    answers: dict[str, Any] = {
        "exchange": answer({"access_token": "EAAshort", "expires_in": 5127}),
        "upgrade": answer(LONG),
        "debug_token": debugged(),
        "me": answer(ME),
    }
    renamed = {name.replace("__", "/"): value for name, value in changed.items()}
    return Graph({**answers, **renamed})


def findings() -> Findings:
    """Empty findings."""
    return Findings(WANTED)
