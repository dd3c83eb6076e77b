"""A receiver for development: verifies what arrives and hands it on (`igauth webhooks listen`)."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from standardwebhooks.webhooks import (
    EmptyWebhookSecretError,
    Webhook,
    WebhookVerificationError,
)

_MOST_BYTES: Final = 1024 * 1024
Message = dict[str, Any]


class SecretRefused(ValueError):
    """What was given is no `whsec_…` secret."""


class Receiver:
    """An ASGI app: 204 for what is signed by the secret, 400 for all else."""

    def __init__(self, secret: str, show: Callable[[dict[str, Any]], None]) -> None:
        """Raises SecretRefused. `show` gets each message that was verified."""
        if not secret.strip().startswith("whsec_"):
            raise SecretRefused
        try:
            self._webhook = Webhook(secret.strip())
        except (EmptyWebhookSecretError, ValueError):
            raise SecretRefused from None
        self._show = show

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """One request, or the server's own coming and going."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "http":
            status = self._judged(scope, await _body(receive))
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    def _judged(self, scope: Message, body: bytes) -> int:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        try:
            self._show(self._webhook.verify(body, headers))
        except (WebhookVerificationError, ValueError):
            return 400
        return 204


async def _body(receive: Callable[[], Awaitable[Message]]) -> bytes:
    body = b""
    while len(body) <= _MOST_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body


async def _live(
    receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    for step in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{step}.complete"})
