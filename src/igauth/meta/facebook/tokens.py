"""The OAuth side of Facebook: dialog, code exchange, upgrade, debug_token, revocation.

Meta, "Manually Build a Login Flow", "Access Token Guide", "debug_token" (graph-facts §1-§4, 9.2);
RFC 6749 §4.1, RFC 7636 §4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import quote, urlencode

from pydantic import SecretStr

from igauth.domain import AppScopedUserId, Clock, GranularScopes
from igauth.meta.client import GraphClient, Request
from igauth.meta.errors import (
    TOKEN_DEATHS,
    TOKEN_ENDPOINT,
    ErrorEnvelope,
    GraphRefusal,
    GraphUnavailable,
    Meaning,
)
from igauth.meta.facebook.proof import UserToken
from igauth.meta.text import as_id, clean_text
from igauth.meta.wire import as_number

_LONGEST_LIFE: Final = timedelta(days=3_650)
_LONGEST_TOKEN: Final = 8_192
_YEAR_9999: Final = 253_370_764_800


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token that Facebook just issued; None: it named no date (trap 12)."""

    access_token: SecretStr
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class DebuggedToken:
    """What Facebook says of a token (graph-facts §4); a date of 0 is None.

    `error` is the refusal inside a 200, or the 400 of a token that is another app's.
    """

    is_valid: bool
    app_id: str | None = None
    user_id: AppScopedUserId | None = None
    type: str | None = None
    expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    scopes: frozenset[str] = frozenset()
    granular: GranularScopes = field(default_factory=GranularScopes)
    error: GraphRefusal | None = None


class FacebookOAuth:
    """The calls that begin and end a person's grant."""

    def __init__(
        self,
        graph: GraphClient,
        *,
        dialog_url: str,
        redirect_uri: str,
        scopes: Sequence[str],
        config_id: str | None,
        clock: Clock,
    ) -> None:
        self._graph = graph
        self._dialog_url = dialog_url.rstrip("/")
        self._redirect_uri = redirect_uri
        self._scopes = tuple(scopes)
        self._config_id = config_id
        self._clock = clock

    def dialog_address(self, *, state: str, code_challenge: str, auth_type: str | None) -> str:
        """Where the browser is sent; exactly the parameters of contract §3 (graph-facts 1.1)."""
        grant = {"config_id": self._config_id} if self._config_id else {"scope": self._scope}
        parameters = {
            "client_id": self._graph.app.client_id,
            "redirect_uri": self._redirect_uri,
            "response_type": "code",
            **grant,
            "state": state,
            "return_scopes": "true",
            "code_challenge": code_challenge,
            "code_challenge_method": "S256",
            **({"auth_type": auth_type} if auth_type else {}),
        }
        return f"{self._dialog_url}/{self._graph.api_version}/dialog/oauth?{urlencode(parameters)}"

    @property
    def _scope(self) -> str:
        return ",".join(self._scopes)

    async def exchange_code(self, code: str, code_verifier: str) -> IssuedToken:
        """Spends the code: one HTTP attempt, whatever comes (graph-facts 2.5, security.md R-10)."""
        form = {
            **self._app_credentials(),
            "grant_type": "authorization_code",
            "redirect_uri": self._redirect_uri,
            "code": code,
            "code_verifier": code_verifier,
        }
        try:
            return await self._issue(form, once=True)
        except GraphRefusal as refusal:
            failure = refusal.read_as(_meaning_at_exchange(refusal))
        raise failure

    async def upgrade(self, token: UserToken) -> IssuedToken:
        """A long-lived token for a short-lived one (graph-facts §3)."""
        form = {
            **self._app_credentials(),
            "grant_type": "fb_exchange_token",
            "fb_exchange_token": token.secret.get_secret_value(),
        }
        return await self._issue(form)

    async def debug_token(self, token: UserToken) -> DebuggedToken:
        """What a token is. The one call with a token in its URL: Facebook has no other way."""
        try:
            answer = await self._graph.fetch(
                Request(
                    "debug_token",
                    "debug_token",
                    query={"input_token": token.secret.get_secret_value()},
                    token=replace(self._graph.app_token, person=token.person),
                )
            )
        except GraphRefusal as refusal:
            failure = _about_app_token(refusal)
        else:
            return _debugged(answer.body)
        if _is_about_subject(failure):
            return DebuggedToken(is_valid=False, error=failure)
        raise failure

    async def revoke(self, user_id: AppScopedUserId) -> None:
        """Takes the app off the person's account, by the app token (graph-facts 9.2, 9.4).

        A person who isn't connected any more (190/458, or 100) counts as done.
        """
        request = Request(
            "{user}/permissions",
            f"{quote(user_id, safe='')}/permissions",
            method="DELETE",
            token=self._graph.app_token,
            shapes=(dict, bool),
        )
        try:
            answer = await self._graph.fetch(request)
        except GraphRefusal as refusal:
            failure = _about_app_token(refusal)
            if failure.meaning is Meaning.REVOKED or _is_about_subject(failure):
                return
        else:
            if _confirms(answer.body):
                return
            raise GraphUnavailable(request.endpoint, "the revocation was not confirmed")
        raise failure

    async def check_app(self) -> None:
        """Returns if Facebook accepts our id and secret, in a POST body (graph-facts 2.7)."""
        await self._issue({**self._app_credentials(), "grant_type": "client_credentials"})

    def _app_credentials(self) -> dict[str, str]:
        app = self._graph.app
        return {
            "client_id": app.client_id,
            "client_secret": app.client_secret.get_secret_value(),
        }

    async def _issue(self, form: Mapping[str, str], *, once: bool = False) -> IssuedToken:
        answer = await self._graph.fetch(
            Request(TOKEN_ENDPOINT, TOKEN_ENDPOINT, method="POST", form=form, once=once)
        )
        access_token = answer.body.get("access_token")
        if not _is_token(access_token):
            raise GraphUnavailable(TOKEN_ENDPOINT, "the answer holds no token")
        return IssuedToken(SecretStr(access_token), self._expiry(answer.body.get("expires_in")))

    def _expiry(self, expires_in: Any) -> datetime | None:
        """Only what Facebook says: absent, 0 or nonsense is no date (graph-facts 2.3, 3.2)."""
        seconds = as_number(expires_in)
        if not seconds or seconds > _LONGEST_LIFE.total_seconds():
            return None
        return self._clock() + timedelta(seconds=int(seconds))


def _meaning_at_exchange(refusal: GraphRefusal) -> Meaning:
    """Subcodes are often missing, so any 100 but 36008 is the code's fault (graph-facts 2.4)."""
    if refusal.code == 100 and refusal.meaning is not Meaning.MISCONFIGURED:
        return Meaning.CODE_REJECTED
    return refusal.meaning


def _about_app_token(refusal: GraphRefusal) -> GraphRefusal:
    """A 190 without 458 where the app token authorises: our id or secret is bad (4.7)."""
    if refusal.meaning in TOKEN_DEATHS - {Meaning.REVOKED}:
        return refusal.read_as(Meaning.MISCONFIGURED)
    return refusal


def _is_about_subject(refusal: GraphRefusal) -> bool:
    """Code 100 that speaks of the token or person asked about, not of our proof (4.6, 9.4)."""
    return refusal.code == 100 and refusal.meaning is not Meaning.MISCONFIGURED


def _confirms(body: Any) -> bool:
    return body is True or (isinstance(body, dict) and body.get("success") is True)


def _is_token(value: Any) -> bool:
    """A token that can stand in a header: printable ASCII, no blanks."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= _LONGEST_TOKEN
        and value.isascii()
        and value.isprintable()
        and " " not in value
    )


def _debugged(body: Mapping[str, Any]) -> DebuggedToken:
    data = body.get("data")
    if not isinstance(data, Mapping):
        raise GraphUnavailable("debug_token", "the answer holds no data")
    user_id = as_id(data.get("user_id"))
    return DebuggedToken(
        is_valid=data.get("is_valid") is True,
        app_id=as_id(data.get("app_id")),
        user_id=AppScopedUserId(user_id) if user_id else None,
        type=clean_text(data.get("type"), 32),
        expires_at=_instant(data.get("expires_at")),
        data_access_expires_at=_instant(data.get("data_access_expires_at")),
        scopes=_scopes(data.get("scopes")),
        granular=_granular(data.get("granular_scopes")),
        error=_inner_error(data.get("error")),
    )


def _inner_error(error: Any) -> GraphRefusal | None:
    """The error of an invalid token, which comes at HTTP 200 (trap 15)."""
    if error is None:
        return None
    return GraphRefusal("debug_token", ErrorEnvelope.parse(error), 200)


def _instant(value: Any) -> datetime | None:
    """Unix seconds; 0 means never (graph-facts 4.3)."""
    seconds = as_number(value)
    if not seconds or seconds >= _YEAR_9999:
        return None
    return datetime.fromtimestamp(int(seconds), UTC)


def _scopes(value: Any) -> frozenset[str]:
    names = (clean_text(name, 100) for name in _listed(value))
    return frozenset(name for name in names if name)


def _granular(value: Any) -> GranularScopes:
    """Scope → chosen ids; absent or null ids mean not limited (graph-facts 4.4, trap 16)."""
    targets: dict[str, tuple[str, ...] | None] = {}
    for entry in _listed(value):
        scope = clean_text(entry.get("scope"), 100) if isinstance(entry, Mapping) else None
        if scope is not None:
            targets[scope] = _target_ids(entry.get("target_ids"))
    return GranularScopes(targets)


def _target_ids(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    ids = (as_id(entry) for entry in value)
    return tuple(dict.fromkeys(found for found in ids if found))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
