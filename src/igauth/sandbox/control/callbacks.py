"""Meta's signed callbacks to the app: deauthorize and data deletion (facts 13).

The signed request is made here from the facts alone, so that a shared mistake can't hide.
"""

import asyncio
import base64
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import httpx

from igauth.sandbox.state import State
from igauth.sandbox.world.people import Person

CallbackKind = Literal["deauthorize", "data_deletion"]
Door = Literal["facebook", "instagram"]
Tamper = Literal["signature", "algorithm", "payload", "not_json", "no_dot", "empty", "padding"]
_TIMEOUT_SECONDS = 20.0
_SHOWN_BYTES = 20_000
_EXPIRES_SECONDS = 3600


def signed_request(secret: str, claims: Mapping[str, object], tamper: Tamper | None = None) -> str:
    """`<sig>.<payload>`: the HMAC is over the encoded text (facts 13.1).

    `tamper` spoils it in one way, so that the receiver's checks can be tried.
    """
    spoilt = {"algorithm": "HMAC-SHA1"} if tamper == "algorithm" else {}
    text = json.dumps({**claims, **spoilt}, separators=(",", ":"))
    payload = _base64url(b"not json" if tamper == "not_json" else text.encode())
    digest = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()
    return _spoil(_base64url(digest), payload, tamper)


def _base64url(raw: bytes) -> str:
    """base64url without padding (facts 13.1)."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _spoil(signature: str, payload: str, tamper: Tamper | None) -> str:
    if tamper == "signature":
        signature = ("B" if signature[0] != "B" else "C") + signature[1:]
    if tamper == "payload":
        payload += "AA"
    if tamper == "padding":
        payload += "=" * (-len(payload) % 4)
    if tamper == "empty":
        return ""
    return f"{signature}{'' if tamper == 'no_dot' else '.'}{payload}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one signed callback. `problem` is None when the answer was as it should be."""

    kind: CallbackKind
    user_id: str
    url: str | None
    status: int | None = None
    body: str | None = None
    problem: str | None = None


@dataclass(slots=True)
class Callbacks:
    """Sends the callbacks; keeps what became of the newest in `deliveries`."""

    state: State
    client: httpx.AsyncClient | None = None
    deliveries: deque[Delivery] = field(default_factory=lambda: deque(maxlen=500))
    _under_way: set[asyncio.Task[Delivery]] = field(default_factory=set)

    def deauthorize_soon(self, person: Person) -> None:
        """Fire the deauthorize callback without waiting for its answer (facts 9.2, 13.2)."""
        if self.state.config.deauthorize_url is None:
            return
        task = asyncio.create_task(self.deliver("deauthorize", person.id))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def settle(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            await asyncio.wait(set(self._under_way))

    async def deliver(
        self,
        kind: CallbackKind,
        user_id: str,
        *,
        door: Door = "facebook",
        as_number: bool = False,
        issued_at: int | None = None,
        tamper: Tamper | None = None,
    ) -> Delivery:
        """POST one signed request to the configured address and judge the answer.

        Each door has addresses and a secret of its own; Instagram's id may come as a number (4.9).
        """
        url, secret = self._app_of(door, kind)
        if url is None:
            delivery = Delivery(kind, user_id, None, problem=f"no {kind}_url is configured")
        else:
            claims = self._claims(kind, int(user_id) if as_number else user_id, issued_at)
            text = signed_request(secret, claims, tamper)
            delivery = await self._post(kind, user_id, url, text)
        self.deliveries.append(delivery)
        self.state.touch()
        return delivery

    def _app_of(self, door: Door, kind: CallbackKind) -> tuple[str | None, str]:
        """Where that app wants it, and its secret."""
        config, prefix = self.state.config, "" if door == "facebook" else "instagram_"
        secret: str = getattr(config, f"{prefix}app_secret")
        return getattr(config, f"{prefix}{kind}_url"), secret

    def _claims(
        self, kind: CallbackKind, user_id: str | int, issued_at: int | None
    ) -> dict[str, object]:
        """The payloads of facts 13.2 and 13.3."""
        issued = self.state.clock.unix() if issued_at is None else issued_at
        claims: dict[str, object] = {
            "user_id": user_id,
            "algorithm": "HMAC-SHA256",
            "issued_at": issued,
        }
        if kind == "data_deletion":
            claims["expires"] = issued + _EXPIRES_SECONDS
        return claims

    async def _post(self, kind: CallbackKind, user_id: str, url: str, text: str) -> Delivery:
        try:
            response = await self._send(url, {"signed_request": text})
        except httpx.HTTPError as error:
            return Delivery(kind, user_id, url, problem=f"not delivered: {type(error).__name__}")
        body = response.text[:_SHOWN_BYTES]
        return Delivery(kind, user_id, url, response.status_code, body, judge(kind, response))

    async def _send(self, url: str, form: dict[str, str]) -> httpx.Response:
        if self.client is not None:
            return await self.client.post(url, data=form)
        async with httpx.AsyncClient(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            return await client.post(url, data=form)


def judge(kind: CallbackKind, response: httpx.Response) -> str | None:
    """What is wrong with an answer: 200, and for a deletion exactly url and code (facts 13.3)."""
    if response.status_code != 200:
        return f"answered {response.status_code} instead of 200"
    if kind == "deauthorize":
        return None
    try:
        content = response.json()
    except ValueError:
        return "the answer isn't JSON"
    if not isinstance(content, dict):
        return "the answer isn't a JSON object"
    return _judge_deletion(content)


def _judge_deletion(content: dict[str, object]) -> str | None:
    url, code = content.get("url"), content.get("confirmation_code")
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        return "url is missing or isn't a web address"
    if not isinstance(code, str) or not (code.isascii() and code.isalnum()):
        return "confirmation_code is missing or isn't alphanumeric"
    return None
