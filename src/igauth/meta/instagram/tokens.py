"""Instagram's token calls: exchange, upgrade, refresh (instagram-login-facts §3, §4).

Upgrade and refresh are GETs with the token, and the secret, in their URLs: Meta has no other way
(4.1, 4.3). No URL is ever logged, nor stands in an error. No proof is sent (4.6).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from pydantic import SecretStr

from igauth.domain import Clock
from igauth.meta.calls import Purpose, Request
from igauth.meta.client import GraphClient
from igauth.meta.door import IssuedToken, UserToken
from igauth.meta.errors import GraphRefusal, Meaning
from igauth.meta.instagram.profile import unwrapped
from igauth.meta.issuing import expiry_of, token_in
from igauth.meta.meanings import INSTAGRAM_EXCHANGE

UPGRADE: Final = "instagram/access_token"
REFRESH: Final = "instagram/refresh_access_token"
SHORT_LIFE: Final = timedelta(hours=1)
"""A fresh token's life (3.2, contract §10); the answer never says it."""
YOUNGEST: Final = timedelta(hours=25)
"""A token below 24 hours isn't refreshed (4.2); an hour for clocks that differ."""
_JUNK: Final = "#_"
_MOST_PERMISSIONS: Final = 100


@dataclass(frozen=True, slots=True)
class InstagramApp:
    """The app as Instagram knows it: an id and a secret other than Facebook's (1.3)."""

    client_id: str
    client_secret: SecretStr


class TokenCalls:
    """The calls that begin a grant and keep it alive."""

    def __init__(
        self, graph: GraphClient, app: InstagramApp, *, token_url: str, clock: Clock
    ) -> None:
        self._graph = graph
        self._app = app
        self._token_url = token_url.rstrip("/")
        self._clock = clock

    async def exchange(self, code: str, redirect_uri: str) -> IssuedToken:
        """Spends the code: one HTTP attempt, whatever comes (3.4)."""
        body = await self._post_code(code, redirect_uri, Purpose.EXCHANGE)
        return IssuedToken(
            token_in(INSTAGRAM_EXCHANGE, body.get("access_token")),
            self._clock() + SHORT_LIFE,
            _granted(body.get("permissions")),
        )

    async def upgrade(self, token: UserToken, purpose: Purpose) -> IssuedToken:
        """A long-lived token for a fresh one; the secret stands in the URL (4.1)."""
        secret = self._app.client_secret.get_secret_value()
        return await self._issue(UPGRADE, "ig_exchange_token", token, purpose, client_secret=secret)

    async def refresh(self, token: UserToken, purpose: Purpose) -> IssuedToken:
        """A long-lived token's life prolonged, from 24 hours of its age on (4.2)."""
        return await self._issue(REFRESH, "ig_refresh_token", token, purpose)

    async def check_app(self, redirect_uri: str) -> None:
        """Returns if Instagram knows our id: a code that nobody issued is refused as a code.

        There is no call to ask by; a wrong secret may stay unnoticed (3.4). Raises GraphError.
        """
        try:
            await self._post_code("igauth", redirect_uri, Purpose.CHECK)
        except GraphRefusal as refusal:
            if refusal.meaning not in (Meaning.CODE_REJECTED, Meaning.REDIRECT_REFUSED):
                raise

    async def _post_code(self, code: str, redirect_uri: str, purpose: Purpose) -> Mapping[str, Any]:
        form = {
            "client_id": self._app.client_id,
            "client_secret": self._app.client_secret.get_secret_value(),
            "grant_type": "authorization_code",
            "redirect_uri": redirect_uri,
            "code": code.removesuffix(_JUNK),
        }
        address = f"{self._token_url}/oauth/access_token"
        request = Request(INSTAGRAM_EXCHANGE, address, purpose, method="POST", form=form)
        return unwrapped((await self._graph.fetch(request)).body)

    async def _issue(
        self, endpoint: str, grant_type: str, token: UserToken, purpose: Purpose, **more: str
    ) -> IssuedToken:
        address = f"{self._graph.host.url}/{endpoint.removeprefix('instagram/')}"
        secret = token.secret.get_secret_value()
        query = {"grant_type": grant_type, "access_token": secret, **more}
        answer = await self._graph.fetch(Request(endpoint, address, purpose, query=query))
        body = unwrapped(answer.body)
        return IssuedToken(
            token_in(endpoint, body.get("access_token")),
            expiry_of(body.get("expires_in"), self._clock),
            _granted(body.get("permissions")),
        )


def _granted(value: Any) -> frozenset[str] | None:
    """A comma list, a JSON list, or nothing, which means unknown (3.2)."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list):
        return None
    names = (each.strip() for each in value[:_MOST_PERMISSIONS] if isinstance(each, str))
    return frozenset(name for name in names if name.isascii() and name.isidentifier())
