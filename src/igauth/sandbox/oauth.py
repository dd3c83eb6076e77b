"""`/oauth/access_token` and `/debug_token`: codes and tokens (facts 2, 3, 4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from igauth.sandbox import problems
from igauth.sandbox.access import admit, cause_of_death, read_token, wear_out
from igauth.sandbox.asking import Asking
from igauth.sandbox.ledger import Code, Token
from igauth.sandbox.problems import Problem, Refused
from igauth.sandbox.signed import challenge_matches
from igauth.sandbox.state import State
from igauth.sandbox.world import Grant, Person

Json = dict[str, object]
_ASSETS = {"pages": "pages", "instagram": "instagram_accounts", "business": "businesses"}


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """`/oauth/access_token` in its three uses, told apart by `grant_type` (facts 2.1, 2.7, 3.1)."""

    state: State

    def answer(self, params: Mapping[str, str]) -> Json:
        """Exchange a code, upgrade a token, or give the app's own."""
        self.state.touch()
        self._check_app(params)
        grant_type = params.get("grant_type", "authorization_code")
        if grant_type == "client_credentials":
            self._check_secret(params)
            text = self.state.ledger.issued_app_token
            return {"access_token": text, "token_type": "bearer"}
        if grant_type == "fb_exchange_token":
            return self._upgrade(params)
        if grant_type != "authorization_code":
            raise Refused(problems.GRANT_TYPE_UNKNOWN)
        return self._exchange(params)

    def _check_app(self, params: Mapping[str, str]) -> None:
        client_id = _need(params, "client_id")
        if not (client_id.isascii() and client_id.isdigit()):
            raise Refused(problems.CLIENT_ID_NOT_NUMERIC)
        if client_id != self.state.config.app_id:
            raise Refused(problems.APP_UNKNOWN)

    def _check_secret(self, params: Mapping[str, str]) -> None:
        """A wrong secret is code **1** with HTTP 400 (facts 2.4, trap 11)."""
        if _need(params, "client_secret") != self.state.config.app_secret:
            raise Refused(problems.SECRET_WRONG)

    # --- code exchange (facts 2) ---

    def _exchange(self, params: Mapping[str, str]) -> Json:
        redirect_uri = _need(params, "redirect_uri")
        if not _absolute(redirect_uri):
            raise Refused(problems.REDIRECT_NOT_ABSOLUTE)
        self._check_secret(params)
        code = self.state.ledger.codes.get(_need(params, "code"))
        if code is None:
            raise Refused(problems.CODE_GARBLED)
        self._spend(code)
        if code.redirect_uri.encode() != redirect_uri.encode():
            raise Refused(problems.REDIRECT_DIFFERS)
        _check_verifier(code, params.get("code_verifier"))
        return self._issue(code)

    def _spend(self, code: Code) -> None:
        """The first try consumes a code, whatever comes of it (facts 2.5)."""
        if code.used:
            raise Refused(problems.CODE_USED)
        code.used = True
        life = timedelta(seconds=self.state.config.code_seconds)
        if code.issued_at + life <= self.state.clock():
            raise Refused(problems.CODE_EXPIRED)

    def _issue(self, code: Code) -> Json:
        if code.system_user:
            token = self.state.ledger.add_token("SYSTEM_USER", code.person, long_lived=True)
            token.issued_at = self.state.clock()
            return {"access_token": token.text, "token_type": "bearer"}
        seconds = self.state.config.short_token_seconds
        return self._hand_out(code.person, seconds, long_lived=False, auth_type=code.auth_type)

    # --- long-lived tokens (facts 3) ---

    def _upgrade(self, params: Mapping[str, str]) -> Json:
        self._check_secret(params)
        token = read_token(self.state, _need(params, "fb_exchange_token"))
        wear_out(self.state, token, "upgrade")
        death = cause_of_death(self.state, token)
        if death is not None:
            raise Refused(death)
        if token.kind != "USER" or token.person is None:
            raise Refused(problems.TOKEN_INVALID)
        seconds = self._life(token)
        return self._hand_out(token.person, seconds, long_lived=True, auth_type=token.auth_type)

    def _life(self, token: Token) -> int:
        """A long-lived token again yields what is left of its life (facts 3.3, trap 13)."""
        if not token.long_lived or token.expires_at is None:
            return self.state.config.long_token_seconds
        return int((token.expires_at - self.state.clock()).total_seconds())

    def _hand_out(self, key: str, seconds: int, *, long_lived: bool, auth_type: str | None) -> Json:
        """A user token; `expires_in` may be left out (facts 2.3, 3.2, trap 12)."""
        now = self.state.clock()
        variant = self.state.world.person(key).quirks.expiry
        ends = None if variant == "never" else now + timedelta(seconds=seconds)
        token = self.state.ledger.add_token(
            "USER", key, issued_at=now, expires_at=ends, long_lived=long_lived, auth_type=auth_type
        )
        answer: Json = {"access_token": token.text, "token_type": "bearer"}
        if variant == "stated":
            answer["expires_in"] = seconds
        return answer


def _need(params: Mapping[str, str], name: str) -> str:
    if not params.get(name):
        raise Refused(problems.missing_parameter(name))
    return params[name]


def _absolute(uri: str) -> bool:
    parts = urlsplit(uri)
    return bool(parts.scheme and parts.netloc)


def _check_verifier(code: Code, verifier: str | None) -> None:
    """PKCE counts when the dialog had a challenge (facts 1.8; stricter than Facebook may be)."""
    if code.challenge is None:
        return
    if not challenge_matches(code.challenge, code.challenge_method, verifier):
        raise Refused(problems.VERIFIER_WRONG)


# --- debug_token (facts 4) ---


def debug_token(state: State, asking: Asking) -> Json:
    """What a token is worth; an invalid one is HTTP 200 with `is_valid: false` (facts 4.5)."""
    admit(state, asking)  # the app token, or a living user token of this app (facts 4.1, 4.7)
    text = asking.params.get("input_token")
    if not text:
        raise Refused(problems.INPUT_TOKEN_MISSING)
    token = state.ledger.find(text)
    if token is not None and token.foreign:
        raise Refused(problems.FOREIGN_INPUT_TOKEN)
    if token is None:
        return {"data": _verdict(_why_unknown(state, text), [])}
    wear_out(state, token, "debug_token")
    return {"data": _inspect(state, token)}


def _why_unknown(state: State, text: str) -> Problem:
    try:
        read_token(state, text)
    except Refused as refused:
        return refused.problem
    return problems.TOKEN_INVALID


def _verdict(problem: Problem, scopes: list[str]) -> Json:
    """The inner error says `subcode`, not `error_subcode` (facts 4.5, trap 15)."""
    error: Json = {"code": problem.code, "message": problem.message}
    if problem.subcode is not None:
        error["subcode"] = problem.subcode
    return {"error": error, "is_valid": False, "scopes": scopes}


def _inspect(state: State, token: Token) -> Json:
    config = state.config
    known: Json = {"app_id": config.app_id, "type": token.kind, "application": config.app_name}
    if token.kind == "APP" or token.person is None:
        return {**known, "is_valid": True, "scopes": []}
    person = state.world.person(token.person)
    death = cause_of_death(state, token)
    scopes = person.grant.names("granted") if person.grant else []
    if death is not None:
        ends = {"expires_at": _unix(token.expires_at), "user_id": _user_id(person, token)}
        return {**known, **_verdict(death, scopes), **ends}
    return {**known, **_alive(person, token), "scopes": scopes, **_granular(person, token)}


def _alive(person: Person, token: Token) -> Json:
    """Facts 4.2 and 4.3: 0 is never; `issued_at` only on long-lived tokens."""
    dateless = token.kind != "USER" or person.grant is None
    until = 0 if dateless or person.grant is None else _unix(person.grant.data_access_until)
    facts: Json = {
        "data_access_expires_at": until,
        "expires_at": _unix(token.expires_at),
        "is_valid": True,
    }
    if token.long_lived and token.issued_at is not None:
        facts["issued_at"] = _unix(token.issued_at)
    if token.auth_type is not None:
        facts["metadata"] = {"auth_type": token.auth_type}
    if token.page_id is not None:
        facts["profile_id"] = token.page_id
    return facts


def _unix(instant: datetime | None) -> int:
    return 0 if instant is None else int(instant.timestamp())


def _user_id(person: Person, token: Token) -> str:
    return person.system_user_id if token.kind == "SYSTEM_USER" else person.id


def _granular(person: Person, token: Token) -> Json:
    identity: Json = {"user_id": _user_id(person, token)}
    if person.quirks.granular == "missing" or person.grant is None:
        return identity
    scopes = [_granular_scope(person, person.grant, scope) for scope in _asset_scopes(person.grant)]
    return {"granular_scopes": [*scopes, *person.quirks.odd_granular], **identity}


def _asset_scopes(grant: Grant) -> list[str]:
    return [name for name in grant.names("granted") if name.split("_")[0] in _ASSETS]


def _granular_scope(person: Person, grant: Grant, scope: str) -> Json:
    """One entry of `granular_scopes`; `target_ids` absent, null or `[]` by quirk (facts 4.4)."""
    asset = _ASSETS[scope.split("_")[0]]
    chosen: frozenset[str] | None = getattr(grant.choice, asset)
    variant = person.quirks.granular
    if variant == "null":
        return {"scope": scope, "target_ids": None}
    if variant == "empty":
        return {"scope": scope, "target_ids": []}
    nothing_to_choose = not chosen and not person.assets(asset)
    if variant == "absent" or chosen is None or nothing_to_choose:
        return {"scope": scope}
    return {"scope": scope, "target_ids": _in_order(person.assets(asset), chosen)}


def _in_order(known: Mapping[str, object], chosen: frozenset[str]) -> list[str]:
    return [*(key for key in known if key in chosen), *sorted(chosen - set(known))]
