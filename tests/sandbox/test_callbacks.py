"""Signed callbacks to the app: deauthorize and data deletion (facts 13)."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from igauth.sandbox.app import Sandbox, SandboxConfig
from tests.sandbox.facebook import Facebook, TestClock, error_of

DEAUTHORIZE = "http://app.test/deauthorize"
DELETION = "http://app.test/data-deletion"


@dataclass
class App:
    """An app that receives callbacks: remembers them and answers as told."""

    received: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    status: int = 200
    content: Any = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["content-type"] == "application/x-www-form-urlencoded"
        form = parse_qs(request.content.decode(), keep_blank_values=True)
        path = request.url.path
        self.received.append((path, {name: values[0] for name, values in form.items()}))
        good = {"url": "https://app.test/d/9f3Kq2", "confirmation_code": "9f3Kq2"}
        if isinstance(self.content, bytes):
            return httpx.Response(self.status, content=self.content)
        return httpx.Response(self.status, json=good if self.content is None else self.content)


@pytest.fixture
def app() -> App:
    """The receiving app."""
    return App()


@pytest.fixture
async def facebook(app: App, clock: TestClock) -> AsyncGenerator[Facebook]:
    """A sandbox that knows the app's callback addresses."""
    config = SandboxConfig(deauthorize_url=DEAUTHORIZE, data_deletion_url=DELETION)
    async with httpx.AsyncClient(transport=httpx.MockTransport(app)) as callback_client:
        sandbox = Sandbox(config, clock=clock, callback_client=callback_client)
        async with httpx.AsyncClient(
            transport=sandbox.transport(), base_url="http://localhost:9000"
        ) as http:
            yield Facebook(sandbox, http)
        await sandbox.settle()


def open_request(text: str, secret: str) -> dict[str, Any]:
    """The claims of a signed request, its signature checked here by hand (facts 13.1)."""
    signature, _, payload = text.partition(".")
    digest = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == signature
    raw = base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    claims: dict[str, Any] = json.loads(raw)
    return claims


async def send(facebook: Facebook, **content: object) -> dict[str, Any]:
    """POST /_control/signed-requests."""
    answer = await facebook.http.post("/_control/signed-requests", json=content)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_revoking_fires_the_deauthorize_callback(facebook: Facebook, app: App) -> None:
    """One form field, the app-scoped id, HMAC-SHA256 (facts 9.2, 13.1, 13.2)."""
    await facebook.get("/me/permissions", await facebook.token(), method="DELETE")
    await facebook.sandbox.settle()
    ((path, form),) = app.received

    assert path == "/deauthorize"
    assert list(form) == ["signed_request"]
    assert open_request(form["signed_request"], facebook.sandbox.config.app_secret) == {
        "user_id": "10200000000000001",
        "algorithm": "HMAC-SHA256",
        "issued_at": facebook.sandbox.clock.unix(),
    }


async def test_removing_one_permission_fires_nothing(facebook: Facebook, app: App) -> None:
    """Only the whole app's removal does (facts 9.3)."""
    await facebook.get("/me/permissions/email", await facebook.token(), method="DELETE")
    await facebook.sandbox.settle()

    assert app.received == []


async def test_a_person_removes_the_app(facebook: Facebook, app: App) -> None:
    """The token dies with 190/458 and the app is told; its answer is shown (17.13)."""
    token = await facebook.token()
    answer = await facebook.http.post("/_control/people/ada/remove_app")

    assert answer.json()["deauthorize"]["status"] == 200
    assert answer.json()["deauthorize"]["problem"] is None
    assert [path for path, _ in app.received] == ["/deauthorize"]
    assert error_of(await facebook.get("/me", token)) == (400, 190, 458)


async def test_data_deletion_is_judged(facebook: Facebook, app: App) -> None:
    """`expires` is in the payload, and the answer's shape is checked (facts 13.3)."""
    found = await send(facebook, kind="data_deletion", person="ada", issued_at=1795392000)
    ((_, form),) = app.received
    claims = open_request(form["signed_request"], facebook.sandbox.config.app_secret)

    assert claims["issued_at"] == 1795392000
    assert claims["expires"] > claims["issued_at"]
    assert (found["status"], found["problem"]) == (200, None)
    assert "9f3Kq2" in found["body"]


@pytest.mark.parametrize(
    ("status", "content"),
    [
        (500, None),
        (200, []),
        (200, b"not json"),
        (200, {"url": "https://app.test/d"}),
        (200, {"url": "javascript:x", "confirmation_code": "a1"}),
        (200, {"url": "https://app.test/d", "confirmation_code": "not alphanumeric!"}),
        (200, {"url": "https://app.test/d", "confirmation_code": 7}),
    ],
)
async def test_a_bad_deletion_answer_is_a_problem(
    facebook: Facebook, app: App, status: int, content: Any
) -> None:
    """Meta would not accept it (facts 13.3)."""
    app.status, app.content = status, content
    found = await send(facebook, kind="data_deletion", user_id="0")

    assert found["problem"]


@pytest.mark.parametrize(
    "tamper", ["signature", "algorithm", "payload", "not_json", "no_dot", "empty", "padding"]
)
async def test_tampering_spoils_the_request(facebook: Facebook, app: App, tamper: str) -> None:
    """Each way is different from the good request (facts 13.7)."""
    good = await send(facebook, kind="deauthorize", person="ada", issued_at=1)
    bad = await send(facebook, kind="deauthorize", person="ada", issued_at=1, tamper=tamper)

    assert good["status"] == bad["status"] == 200
    assert app.received[0] != app.received[1]


async def test_an_unreachable_app_is_told(clock: TestClock) -> None:
    """The panel says that nothing was delivered, instead of failing."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there", request=request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(refuse)) as callback_client:
        sandbox = Sandbox(
            SandboxConfig(deauthorize_url=DEAUTHORIZE), clock=clock, callback_client=callback_client
        )
        delivery = await sandbox.callbacks.deliver("deauthorize", "1")

    assert delivery.problem == "not delivered: ConnectError"


async def test_deliveries_are_kept(facebook: Facebook) -> None:
    """GET /_control/signed-requests shows what became of them."""
    await send(facebook, kind="deauthorize", person="ada")
    answer = await facebook.http.get("/_control/signed-requests")

    assert [found["user_id"] for found in answer.json()["data"]] == ["10200000000000001"]
