"""Facebook's token calls: exchange, upgrade, debug_token, revocation (graph-facts §2-§4, 9.2).

Meta, "Access Token Guide", "debug_token"; RFC 6749 §4.1, RFC 7636 §4.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final
from urllib.parse import quote

from pydantic import SecretStr

from igauth.domain import Clock, Subject
from igauth.meta.calls import Purpose, Request
from igauth.meta.client import GraphClient
from igauth.meta.door import IssuedToken, UserToken
from igauth.meta.errors import GraphRefusal, GraphUnavailable, Meaning
from igauth.meta.facebook.debugging import DEBUG, DebuggedToken, read_debugged
from igauth.meta.issuing import expiry_of, token_in
from igauth.meta.meanings import TOKEN_ENDPOINT
from igauth.meta.verdicts import status_of

_REVOKING: Final = "{user}/permissions"


@dataclass(frozen=True, slots=True)
class FacebookApp:
    """The app as Facebook knows it."""

    client_id: str
    client_secret: SecretStr

    @property
    def token(self) -> UserToken:
        """`app_id|app_secret`, good wherever an app token is asked for (graph-facts 2.7)."""
        return UserToken(SecretStr(f"{self.client_id}|{self.client_secret.get_secret_value()}"))

    @property
    def credentials(self) -> Mapping[str, str]:
        """Id and secret, for a POST body."""
        return {
            "client_id": self.client_id,
            "client_secret": self.client_secret.get_secret_value(),
        }


class TokenCalls:
    """The calls that begin, check and end a person's grant."""

    def __init__(self, graph: GraphClient, app: FacebookApp, clock: Clock) -> None:
        self._graph = graph
        self._app = app
        self._clock = clock

    async def exchange(self, code: str, code_verifier: str, redirect_uri: str) -> IssuedToken:
        """Spends the code: one HTTP attempt, whatever comes (graph-facts 2.5, security.md R-10)."""
        form = {
            "grant_type": "authorization_code",
            "redirect_uri": redirect_uri,
            "code": code,
            "code_verifier": code_verifier,
        }
        try:
            return await self._issue(form, Purpose.EXCHANGE)
        except GraphRefusal as refusal:
            failure = _at_exchange(refusal)
        raise failure

    async def upgrade(self, token: UserToken, purpose: Purpose) -> IssuedToken:
        """A long-lived token for a short-lived one (graph-facts §3)."""
        form = {
            "grant_type": "fb_exchange_token",
            "fb_exchange_token": token.secret.get_secret_value(),
        }
        return await self._issue(form, purpose)

    async def debug(self, token: UserToken, purpose: Purpose) -> DebuggedToken:
        """What a token is. The one call with a token in its URL: Facebook has no other way.

        Raises GraphError where the answer says nothing about this token (graph-facts 4.6a).
        """
        request = Request(
            DEBUG,
            DEBUG,
            purpose,
            query={"input_token": token.secret.get_secret_value()},
            token=replace(self._app.token, person=token.person),
        )
        try:
            answer = await self._graph.fetch(request)
        except GraphRefusal as refusal:
            failure = _about_app_token(refusal)
        else:
            return read_debugged(answer.body)
        if failure.meaning is Meaning.NOT_OURS:
            return DebuggedToken(is_valid=False, refusal=failure)
        raise failure

    async def revoke(self, subject: Subject) -> None:
        """Takes the app off the person's account, by the app token (graph-facts 9.2, 9.4).

        A person who isn't connected any more (190/458, or 100) counts as done.
        """
        request = Request(
            _REVOKING,
            f"{quote(subject, safe='')}/permissions",
            Purpose.CHECK,
            method="DELETE",
            token=self._app.token,
            shapes=(dict, bool),
        )
        try:
            answer = await self._graph.fetch(request)
        except GraphRefusal as refusal:
            if _is_gone(refusal):
                return
            failure = _about_app_token(refusal)
        else:
            if _confirms(answer.body):
                return
            raise GraphUnavailable(_REVOKING, "the revocation was not confirmed")
        raise failure

    async def check_app(self) -> None:
        """Returns if Facebook accepts our id and secret, in a POST body (graph-facts 2.7)."""
        await self._issue({"grant_type": "client_credentials"}, Purpose.CHECK)

    async def _issue(self, form: Mapping[str, str], purpose: Purpose) -> IssuedToken:
        form = {**self._app.credentials, **form}
        request = Request(TOKEN_ENDPOINT, TOKEN_ENDPOINT, purpose, method="POST", form=form)
        body = (await self._graph.fetch(request)).body
        return IssuedToken(
            token_in(TOKEN_ENDPOINT, body.get("access_token")),
            expiry_of(body.get("expires_in"), self._clock),
        )


def _at_exchange(refusal: GraphRefusal) -> GraphRefusal:
    """Subcodes are often missing, so any 100 but 36008 is the code's fault (graph-facts 2.4)."""
    ours = (Meaning.MISCONFIGURED, Meaning.REDIRECT_REFUSED)
    if refusal.code == 100 and refusal.meaning not in ours:
        return refusal.read_as(Meaning.CODE_REJECTED)
    return refusal


def _about_app_token(refusal: GraphRefusal) -> GraphRefusal:
    """Where the app token authorises, a bad token or permission is our app's (4.7, 4.6a)."""
    if refusal.meaning is Meaning.PERMISSION:
        return refusal.read_as(Meaning.APP_BLOCKED)
    if refusal.meaning is Meaning.NOT_OURS or status_of(refusal) is None:
        return refusal
    return refusal.read_as(Meaning.MISCONFIGURED)


def _is_gone(refusal: GraphRefusal) -> bool:
    """190/458, or a 100 that speaks of the person, not of our proof (graph-facts 9.4)."""
    if refusal.meaning is Meaning.APP_REMOVED:
        return True
    return refusal.code == 100 and refusal.meaning is not Meaning.MISCONFIGURED


def _confirms(body: Any) -> bool:
    return body is True or (isinstance(body, dict) and body.get("success") is True)
