"""A Facebook that answers what it was told, and remembers what it was asked."""

import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx
from pydantic import SecretStr

from igauth.meta.calls import Budgets, GraphCall, Purpose, Request
from igauth.meta.client import GraphClient, Timing
from igauth.meta.door import UserToken
from igauth.meta.facebook.proof import signing
from igauth.meta.facebook.tokens import FacebookApp
from igauth.meta.pauses import PauseBook
from igauth.meta.sending import GraphHost
from igauth.meta.transport import Lanes

APP_ID = "901234567890123"
APP_SECRET = "0123456789abcdef0123456789abcdef"
APP = FacebookApp(APP_ID, SecretStr(APP_SECRET))
TOKEN_TEXT = "EAAinventedtoken0001"
TOKEN = UserToken(SecretStr(TOKEN_TEXT), person="10200000000000001")
GRAPH_URL = "https://graph.facebook.com"
VERSION = "v26.0"


def check(endpoint: str = "me", path: str = "me", **more: Any) -> Request:
    """A request with the person's token, made for a check of the grant."""
    return Request(endpoint, path, more.pop("purpose", Purpose.CHECK), **{"token": TOKEN, **more})


Answer = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """A JSON answer, made afresh each time."""
    raw = json.dumps(body).encode()
    return lambda _: httpx.Response(status, content=raw, headers=dict(headers or {}))


def raw(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer of these very bytes."""
    return lambda _: httpx.Response(status, content=body, headers=dict(headers or {}))


def refusal(
    code: int | None,
    subcode: int | None = None,
    message: str = "",
    status: int = 400,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Answer:
    """An error envelope (graph-facts 10.1)."""
    return answer({"error": envelope(code, subcode, message, **more)}, status, headers)


def envelope(
    code: int | None, subcode: int | None = None, message: str = "", **more: Any
) -> dict[str, Any]:
    """The inside of an error envelope."""
    error = {"message": message, "type": "OAuthException", "fbtrace_id": "Ainvented0001", **more}
    if code is not None:
        error["code"] = code
    if subcode is not None:
        error["error_subcode"] = subcode
    return error


class Script:
    """Answers in order; one call too many fails loudly."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        assert self.answers, f"one call too many: {request.method} {request.url.path}"
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found(request) if callable(found) else found

    @property
    def last(self) -> httpx.Request:
        """The newest request."""
        return self.requests[-1]

    def form(self, index: int = -1) -> dict[str, str]:
        """The form fields of a request."""
        fields = parse_qs(self.requests[index].content.decode(), keep_blank_values=True)
        return {name: values[0] for name, values in fields.items()}

    def query(self, index: int = -1) -> dict[str, str]:
        """The query of a request."""
        return dict(self.requests[index].url.params)


class Always(Script):
    """The same answer to everything."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.answers = self.answers * 2
        return super().__call__(request)


@dataclass
class FakeTime:
    """Monotonic time that passes only by sleeping."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Facebook:
    """A client over a script, with everything that a test may want to look at."""

    script: Script | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]
    time: FakeTime = field(default_factory=FakeTime)
    calls: list[GraphCall] = field(default_factory=list)
    budgets: Budgets = field(default_factory=Budgets)
    pauses: PauseBook | None = None
    chance: float = 1.0
    graph_url: str = GRAPH_URL

    def client(self) -> GraphClient:
        """A client of this Facebook."""
        return GraphClient(
            Lanes.over(httpx.MockTransport(self.script)),
            GraphHost(self.graph_url, VERSION),
            sign=signing(APP.client_secret),
            budgets=self.budgets,
            pauses=self.pauses,
            on_call=self.calls.append,
            timing=Timing(self.time.monotonic, self.time.sleep, lambda: self.chance),
        )


def client_of(*answers: Answer) -> tuple[GraphClient, Script]:
    """A client, and the script that it talks to."""
    script = Script(*answers)
    return Facebook(script).client(), script
