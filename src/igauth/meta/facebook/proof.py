"""Tokens on the wire: `Authorization: Bearer` and the proof that belongs to that very token.

Meta, "Secure Graph API calls with appsecret_proof" (graph-facts §5). A pure generator: no I/O.
"""

import hashlib
import hmac
from collections.abc import Generator
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import httpx
from pydantic import SecretStr


@dataclass(frozen=True, slots=True)
class UserToken:
    """A token, and the key of the person whose pauses its calls keep (None at login)."""

    secret: SecretStr
    person: str | None = field(default=None, repr=False)


def appsecret_proof(client_secret: SecretStr, token: SecretStr) -> str:
    """HMAC-SHA256 of the token under the app secret, lower-case hex (graph-facts 5.1)."""
    key = client_secret.get_secret_value().encode()
    message = token.get_secret_value().encode(errors="surrogatepass")
    return hmac.new(key, message, hashlib.sha256).hexdigest()


class TokenAuth(httpx.Auth):
    """Adds a token and its own proof, never another's (trap 17).

    GET and DELETE: a Bearer header, and the proof in the query. POST: two form fields, since a
    batch demands its `access_token` at top level (graph-facts 12.3).
    """

    requires_request_body = True

    def __init__(self, client_secret: SecretStr, token: UserToken) -> None:
        self._token = token.secret
        self._proof = appsecret_proof(client_secret, token.secret)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if request.method == "POST":
            yield self._with_fields(request)
            return
        request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        request.url = request.url.copy_merge_params({"appsecret_proof": self._proof})
        yield request

    def _with_fields(self, request: httpx.Request) -> httpx.Request:
        form = dict(parse_qsl(request.content.decode(), keep_blank_values=True))
        form |= {"access_token": self._token.get_secret_value(), "appsecret_proof": self._proof}
        headers = request.headers.copy()
        for name in ("Content-Length", "Content-Type"):
            headers.pop(name, None)
        return httpx.Request(
            request.method, request.url, headers=headers, data=form, extensions=request.extensions
        )
