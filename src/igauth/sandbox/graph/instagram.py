"""`api.instagram.com` and `graph.instagram.com`, below `/instagram` (instagram-login-facts 3 to 6).

Exchange, upgrade and refresh of a token, and `/me`; all else is an unknown path.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from igauth.sandbox.control.calls import Call
from igauth.sandbox.control.faults import Fault, Target
from igauth.sandbox.graph.answers import (
    TOKEN_UNPARSEABLE,
    GraphError,
    Refused,
    encode,
    expired_token,
    failure,
    no_such_field,
    success,
    unknown_path,
)
from igauth.sandbox.graph.request import GraphRequest, read_request
from igauth.sandbox.graph.view import picture_link
from igauth.sandbox.state import State
from igauth.sandbox.transport import Answer, Reply
from igauth.sandbox.world.instagram import Account, AccountToken, LoginCode

Json = dict[str, object]
_API = "IGApiException"
_PREFIX = "Error validating access token: "
CHECKPOINT = (
    f"{_PREFIX}You cannot access the app till you log in to www.instagram.com and follow the "
    "instructions given."
)
PASSWORD_CHANGED = (
    f"{_PREFIX}The session has been invalidated because the user changed their password or "
    "Instagram has changed the session for security reasons."
)
REMOVED = f"{_PREFIX}The user has not authorized application."
NO_ROLE = GraphError("Unsupported request - method type: get", 100, type=_API)
_POSTED = GraphError("Unsupported request - method type: post", 100, type=_API)
_LONG_ALREADY = GraphError("Session key invalid", 190, 0)
_TOO_YOUNG = GraphError("The access token is less than 24 hours old", 100, type=_API)
_SECRET_WRONG = GraphError("Invalid Client Secret", 101)
_INSUFFICIENT = "Insufficient developer role"
_CODE_UNKNOWN = "Matching code was not found or was already used"
_REDIRECT_DIFFERS = (
    "Error validating verification code. Please make sure your redirect_uri is identical to the "
    "one you used in the OAuth dialog request"
)
_CODE_LIVES, _YOUNGEST = timedelta(hours=1), timedelta(hours=24)
_FIELDS = (
    *("id", "user_id", "username", "name", "account_type", "profile_picture_url"),
    *("followers_count", "follows_count", "media_count"),
)


class ExchangeRefused(Exception):
    """The token host says no, in a shape of its own (3.4)."""


@dataclass(slots=True)
class InstagramHosts:
    """Answers every call, logged and struck by faults as Graph's are."""

    state: State

    async def __call__(self, request: Request) -> Response:
        """One HTTP request."""
        asked = await read_request(request, self.state.config)
        endpoint, template, answer = self._route(asked)
        account = self._account_of(asked)
        call = self.state.calls.begin(self._entry(asked, endpoint, template, account))
        is_form = _is_form(request)
        status: int | None = None
        try:
            reply = await self._struck(call, asked, lambda: answer(asked, is_form))
            if endpoint != "instagram_me":  # the others have no version in their paths (4.1)
                reply.headers.pop("instagram-api-version", None)
            status = None if reply.breakage in ("cut", "hang") else reply.status
        finally:
            self.state.calls.end(call, status)
        return Reply(reply, self.state.sleep)

    def _route(
        self, asked: GraphRequest
    ) -> tuple[str, str, Callable[[GraphRequest, bool], Answer]]:
        match asked.path:
            case ("oauth", "access_token") if asked.method == "POST":
                return "instagram_exchange", "/oauth/access_token", self._exchange
            case ("access_token",):
                return "instagram_upgrade", "/access_token", self._upgrade
            case ("refresh_access_token",):
                return "instagram_refresh", "/refresh_access_token", self._refresh
            case ("me",):
                return "instagram_me", "/me", self._me
            case (node,) if any(node == each.user_id for each in self._accounts):
                return "instagram_me", "/{ig-id}", self._me
        return "unknown", "/" + "/".join(asked.path)[:200], self._nothing

    @property
    def _accounts(self) -> list[Account]:
        return [*self.state.instagram.accounts.values()]

    def _account_of(self, asked: GraphRequest) -> Account | None:
        """Whom a call is about: the code's account, or the token's, dead or alive."""
        world = self.state.instagram
        found = world.codes.get(asked.params.get("code", "")) or world.tokens.get(
            asked.access_token or ""
        )
        return world.accounts[found.account] if found else None

    def _entry(
        self, asked: GraphRequest, endpoint: str, template: str, account: Account | None
    ) -> Call:
        return Call(
            at=self.state.clock(),
            method=asked.method,
            endpoint=endpoint,
            path=f"/instagram{template}",
            version=asked.version,
            person=account.key if account else None,
            credential="user" if account and asked.access_token else "none",
            carried=asked.carried,
            fields=asked.params.get("fields"),
            known=endpoint != "unknown",
            secrets_in_query=asked.secrets_in_query,
        )

    async def _struck(self, call: Call, asked: GraphRequest, good: Callable[[], Answer]) -> Answer:
        named = frozenset((call.fields or "").split(","))
        target = Target(frozenset({call.endpoint, "instagram"}), call.person, fields=named)
        fault = self.state.faults.take(target)
        wait = self.state.latency_seconds
        wait += fault.delay_seconds if fault and fault.kind != "drip" else 0
        if wait:
            await self.state.sleep(wait)
        if fault is None:
            return good()
        call.fault = fault.preset or fault.kind
        return _spoilt(fault, call.endpoint, asked.version, good() if fault.works_first else None)

    # --- the code exchange (3) ---

    def _exchange(self, asked: GraphRequest, is_form: bool) -> Answer:
        self.state.touch()
        try:
            code = self._code(asked.params, is_form)
        except ExchangeRefused as refused:
            return _refusal(str(refused), 400, asked.version)
        account = self.state.instagram.accounts[code.account]
        token = self.state.instagram.add_token(
            account.key,
            self.state.config.instagram_short_token_seconds,
            self.state.clock(),
            long_lived=False,
        )
        content = {"access_token": token.text, "user_id": _id(account, account.id)}
        shapes: dict[str, object] = {
            "text": ",".join(code.scopes),
            "list": list(code.scopes),
        }
        if account.shape.permissions in shapes:
            content["permissions"] = shapes[account.shape.permissions]
        return self._good(content, account, asked.version)

    def _code(self, given: Mapping[str, str], is_form: bool) -> LoginCode:
        """The code, spent; raises `ExchangeRefused` (3.4)."""
        config, world = self.state.config, self.state.instagram
        if not is_form or given.get("client_id") != config.instagram_app_id:
            raise ExchangeRefused("Invalid platform app")
        if given.get("client_secret") != config.instagram_app_secret:
            raise ExchangeRefused("Invalid Client Secret")
        code = world.codes.get(given.get("code", ""))
        too_old = code is not None and code.issued_at + _CODE_LIVES <= self.state.clock()
        if code is None or code.used or too_old or given.get("grant_type") != "authorization_code":
            raise ExchangeRefused(_CODE_UNKNOWN)
        code.used = True
        if code.redirect_uri.encode() != given.get("redirect_uri", "").encode():
            raise ExchangeRefused(_REDIRECT_DIFFERS)
        if world.accounts[code.account].no_role == "exchange":
            raise ExchangeRefused(_INSUFFICIENT)
        return code

    # --- graph.instagram.com: tokens (4) and the account (5) ---

    def _upgrade(self, asked: GraphRequest, _is_form: bool) -> Answer:
        def answer() -> Json:
            account, token = self._living(asked)
            if asked.params.get("client_secret") != self.state.config.instagram_app_secret:
                raise Refused(_SECRET_WRONG)
            if token.long_lived:
                raise Refused(_LONG_ALREADY)
            return self._handed_out(account)

        return self._asked(asked, "ig_exchange_token", answer)

    def _refresh(self, asked: GraphRequest, _is_form: bool) -> Answer:
        def answer() -> Json:
            account, token = self._living(asked)
            if not token.long_lived or token.issued_at + _YOUNGEST > self.state.clock():
                raise Refused(_TOO_YOUNG)
            return self._handed_out(account, token if account.shape.same_token else None)

        return self._asked(asked, "ig_refresh_token", answer)

    def _handed_out(self, account: Account, again: AccountToken | None = None) -> Json:
        """A long-lived token; a refreshed one may be the same text with a new end (4.2)."""
        now, seconds = self.state.clock(), self.state.config.instagram_long_token_seconds
        token = again or self.state.instagram.add_token(account.key, seconds, now, long_lived=True)
        token.issued_at, token.expires_at = now, now + timedelta(seconds=seconds)
        return {"access_token": token.text, "token_type": "bearer", "expires_in": seconds}

    def _me(self, asked: GraphRequest, _is_form: bool) -> Answer:
        try:
            account, _ = self._living(asked)
            if asked.method not in ("GET", "HEAD"):
                raise Refused(_POSTED)
            shown = self._shown(account, asked.params.get("fields", "id"))
        except Refused as refused:
            return _dressed(failure(refused.error, asked.version))
        return self._good(shown, account, asked.version)

    def _shown(self, account: Account, fields: str) -> Json:
        """The fields that were asked for and are there; an unknown one fails all (5.1)."""
        names = [name.strip() for name in fields.split(",") if name.strip()]
        unknown = next((name for name in names if name not in _FIELDS), None)
        if unknown is not None:
            raise Refused(no_such_field(unknown, "InstagramUser"))
        held: Json = {
            "id": account.id,
            "user_id": _id(account, account.user_id),
            "username": account.username,
            "name": account.name,
            "account_type": account.kind,
            "profile_picture_url": self._picture(account),
            "followers_count": account.followers_count,
            "follows_count": 87,
            "media_count": 342,
        }
        return {name: held[name] for name in ("id", *names) if held[name] is not None}

    def _picture(self, account: Account) -> str:
        node = account.user_id or account.id
        return picture_link(
            f"{self.state.config.pictures}/instagram", node, self.state.clock.unix()
        )

    def _nothing(self, asked: GraphRequest, _is_form: bool) -> Answer:
        return _dressed(failure(unknown_path("/" + "/".join(asked.path)), asked.version))

    def _asked(self, asked: GraphRequest, grant_type: str, answer: Callable[[], Json]) -> Answer:
        """A token call: GET alone (4.1)."""
        self.state.touch()
        try:
            if asked.method != "GET" or asked.params.get("grant_type") != grant_type:
                raise Refused(_POSTED)
            return _dressed(success(answer(), asked.version))
        except Refused as refused:
            return _dressed(failure(refused.error, asked.version))

    def _living(self, asked: GraphRequest) -> tuple[Account, AccountToken]:
        """Whose token this is; raises what it answers instead (4.4, 6.2)."""
        world, now = self.state.instagram, self.state.clock()
        token = world.tokens.get(asked.access_token or "")
        if token is None:
            raise Refused(TOKEN_UNPARSEABLE)
        account = world.accounts[token.account]
        error = _trouble(account, token, now)
        if error is not None:
            raise Refused(error)
        return account, token

    def _good(self, content: Json, account: Account, version: str) -> Answer:
        whole = {"data": [content]} if account.shape.wrapped else content
        return _dressed(success(whole, version))


def _trouble(account: Account, token: AccountToken, now: datetime) -> GraphError | None:
    if token.death is not None:
        return GraphError(token.death, 190, 0)
    if token.expires_at <= now:
        return GraphError(expired_token(token.expires_at, now).message, 190, 0)
    if account.is_held(now):
        return GraphError(CHECKPOINT, 190, 0)
    return NO_ROLE if account.no_role == "graph" else None


def _spoilt(fault: Fault, endpoint: str, version: str, good: Answer | None) -> Answer:
    """A refusal at the token host has its own shape (3.4)."""
    if endpoint == "instagram_exchange" and fault.kind == "graph_error":
        error = fault.error
        return _refusal(error.message, error.status, version).with_headers(fault.headers)
    return _dressed(fault.spoil(good, version))


def _refusal(text: str, status: int, version: str) -> Answer:
    content = {"error_type": "OAuthException", "code": status, "error_message": text}
    answer = failure(GraphError(text, status=status), version)
    return _dressed(Answer(status, encode(content), dict(answer.headers)))


def _dressed(answer: Answer) -> Answer:
    """With this host's own names for the version and the usage (5.6, 6.5)."""
    headers = dict(answer.headers)
    version = headers.pop("facebook-api-version", None)
    if version is not None:
        headers["instagram-api-version"] = version
        headers.setdefault("x-app-usage", '{"call_volume":0,"cpu_time":0}')
    return Answer(answer.status, answer.body, headers, answer.breakage, answer.pace_seconds)


def _id(account: Account, text: str | None) -> object:
    return int(text) if text is not None and account.shape.ids == "number" else text


def _is_form(request: Request) -> bool:
    """Urlencoded or multipart, with the secret in it: JSON and HTTP Basic are refused (3.1)."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    basic = request.headers.get("authorization", "").lower().startswith("basic ")
    return not basic and kind in ("application/x-www-form-urlencoded", "multipart/form-data")
