"""`/oauth/access_token`, `/debug_token`, DELETE on permissions: a token from code to end.

Facts 2 (exchange), 3 (long-lived tokens), 4 (debug_token), 9.2-9.4 (revoking).
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from igauth.sandbox.graph import answers
from igauth.sandbox.graph.access import admit, cause_of_death, read_token, wear_out
from igauth.sandbox.graph.answers import GraphError, Refused, not_visible
from igauth.sandbox.graph.request import GraphRequest
from igauth.sandbox.state import State
from igauth.sandbox.world.people import Grant, Person
from igauth.sandbox.world.world import Code, Token

Json = dict[str, object]
_ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]")
_ASSETS = {"pages": "pages", "instagram": "instagram_accounts", "business": "businesses"}


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """`/oauth/access_token` in its three uses, told apart by `grant_type` (facts 2.1, 2.7, 3.1)."""

    state: State

    def answer(self, params: Mapping[str, str]) -> Json:
        """Exchange a code, upgrade a token, or give the app's own."""
        self.state.touch()
        self._check_app(params)
        match params.get("grant_type", "authorization_code"):
            case "client_credentials":
                self._check_secret(params)
                text = self.state.ledger.issued_app_token
                return {"access_token": text, "token_type": "bearer"}
            case "fb_exchange_token":
                return self._upgrade(params)
            case "authorization_code":
                return self._exchange(params)
        raise Refused(GraphError("Invalid grant_type", 100))

    def _check_app(self, params: Mapping[str, str]) -> None:
        client_id = _need(params, "client_id")
        if not (client_id.isascii() and client_id.isdigit()):
            raise Refused(answers.CLIENT_ID_NOT_NUMERIC)
        if client_id != self.state.config.app_id:
            raise Refused(answers.APP_UNKNOWN)

    def _check_secret(self, params: Mapping[str, str]) -> None:
        """A wrong secret is code **1** with HTTP 400 (facts 2.4, trap 11)."""
        if _need(params, "client_secret") != self.state.config.app_secret:
            raise Refused(answers.SECRET_WRONG)

    # --- code exchange (facts 2) ---

    def _exchange(self, params: Mapping[str, str]) -> Json:
        redirect_uri = _need(params, "redirect_uri")
        if not _ABSOLUTE_URI.match(redirect_uri):
            raise Refused(answers.REDIRECT_NOT_ABSOLUTE)
        self._check_secret(params)
        code = self.state.ledger.codes.get(_need(params, "code"))
        if code is None:
            raise Refused(answers.CODE_GARBLED)
        self._spend(code)
        if code.redirect_uri.encode() != redirect_uri.encode():
            raise Refused(answers.REDIRECT_DIFFERS)
        _check_verifier(code, params.get("code_verifier"))
        return self._issue(code)

    def _spend(self, code: Code) -> None:
        """The first try consumes a code, whatever comes of it (facts 2.5)."""
        if code.used:
            raise Refused(answers.CODE_USED)
        code.used = True
        life = timedelta(seconds=self.state.config.code_seconds)
        if code.issued_at + life <= self.state.clock():
            raise Refused(answers.CODE_EXPIRED)

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
            raise Refused(answers.TOKEN_INVALID)
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
        return answer | ({"expires_in": seconds} if variant == "stated" else {})


def _need(params: Mapping[str, str], name: str) -> str:
    """The endpoint's complaint about an absent parameter: facts 2.4, last lines."""
    if not params.get(name):
        code = 101 if name == "client_id" else 100
        raise Refused(GraphError(f"Missing {name} parameter.", code))
    return params[name]


def _check_verifier(code: Code, verifier: str | None) -> None:
    """PKCE counts when the dialog had a challenge (facts 1.8; stricter than Facebook may be)."""
    if code.challenge is None:
        return
    derived = verifier or ""
    if code.challenge_method == "S256":
        digest = hashlib.sha256(derived.encode()).digest()
        derived = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    if verifier is None or not hmac.compare_digest(derived.encode(), code.challenge.encode()):
        raise Refused(answers.VERIFIER_WRONG)


# --- debug_token (facts 4) ---


def debug_token(state: State, request: GraphRequest) -> Json:
    """What a token is worth; an invalid one is HTTP 200 with `is_valid: false` (facts 4.5)."""
    admit(state, request)  # the app token, or a living user token of this app (facts 4.1, 4.7)
    text = request.params.get("input_token")
    if not text:
        raise Refused(GraphError("(#100) The parameter input_token is required", 100))
    token = state.ledger.find(text)
    if token is not None and token.foreign:
        raise Refused(answers.FOREIGN_INPUT_TOKEN)
    if token is None:
        return {"data": _verdict(_why_unknown(state, text), [])}
    wear_out(state, token, "debug_token")
    return {"data": _inspect(state, token)}


def _why_unknown(state: State, text: str) -> GraphError:
    try:
        read_token(state, text)
    except Refused as refused:
        return refused.error
    return answers.TOKEN_INVALID


def _verdict(error: GraphError, scopes: list[str]) -> Json:
    """The inner error says `subcode`, not `error_subcode` (facts 4.5, trap 15)."""
    inner: Json = {"code": error.code, "message": error.message}
    if error.subcode is not None:
        inner["subcode"] = error.subcode
    return {"error": inner, "is_valid": False, "scopes": scopes}


def _inspect(state: State, token: Token) -> Json:
    config = state.config
    known: Json = {"app_id": config.app_id, "type": token.kind, "application": config.app_name}
    if token.kind == "APP" or token.person is None:
        return {**known, "is_valid": True, "scopes": []}
    person = state.world.person(token.person)
    user_id = person.system_user_id if token.kind == "SYSTEM_USER" else person.id
    death = cause_of_death(state, token)
    scopes = person.grant.names("granted") if person.grant else []
    if death is not None or person.grant is None:
        verdict = _verdict(death or answers.TOKEN_INVALID, scopes)
        return {**known, **verdict, "expires_at": _unix(token.expires_at), "user_id": user_id}
    granular = {} if person.quirks.granular == "missing" else _granular(person, person.grant)
    alive = _alive(person.grant, token)
    return {**known, **alive, "scopes": scopes, **granular, "user_id": user_id}


def _alive(grant: Grant, token: Token) -> Json:
    """Facts 4.2 and 4.3: 0 is never; `issued_at` only on long-lived tokens."""
    until = _unix(grant.data_access_until) if token.kind == "USER" else 0
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


def _granular(person: Person, grant: Grant) -> Json:
    """`granular_scopes`: one entry for each scope that is about assets; two by quirk."""
    scopes = [name for name in grant.names("granted") if name.split("_")[0] in _ASSETS]
    entries = [entry for scope in scopes for entry in _granular_scope(person, grant, scope)]
    return {"granular_scopes": [*entries, *person.quirks.odd_granular]}


def _granular_scope(person: Person, grant: Grant, scope: str) -> list[Json]:
    """`target_ids` absent, null, `[]`, or in two halves, by quirk (facts 4.4)."""
    asset = _ASSETS[scope.split("_")[0]]
    chosen: frozenset[str] | None = getattr(grant.choice, asset)
    known, variant = person.assets[asset], person.quirks.granular
    if variant in ("null", "empty"):
        return [{"scope": scope, "target_ids": None if variant == "null" else []}]
    nothing_to_choose = not chosen and not known
    if variant == "absent" or chosen is None or nothing_to_choose:
        return [{"scope": scope}]
    ids = [*(key for key in known if key in chosen), *sorted(chosen - set(known))]
    if variant == "twice":
        half = (len(ids) + 1) // 2
        return [
            {"scope": scope, "target_ids": ids[:half]},
            {"scope": scope, "target_ids": ids[-half:]},
        ]
    return [{"scope": scope, "target_ids": ids}]


# --- the end: the app is removed, or one permission (facts 9.2-9.4) ---


def revoke(state: State, request: GraphRequest) -> Person | None:
    """Carry out `DELETE /{user-id|me}/permissions[/{permission}]`; who removed the whole app."""
    token = admit(state, request)
    person = _whose(state, token, request.path[0])
    if person.grant is None:
        raise Refused(answers.APP_NOT_CONNECTED)
    state.touch()
    if len(request.path) == 3:
        person.decline(request.path[2])
        return None
    state.remove_app(person)
    return person


def _whose(state: State, token: Token, node: str) -> Person:
    """A person may revoke for themselves, the app token for anybody (facts 9.2)."""
    if token.kind == "APP":
        if node == "me":
            raise Refused(answers.ME_NEEDS_USER)
        found = state.world.by_id(node)
        if found is None:
            raise Refused(answers.APP_NOT_CONNECTED)
        return found
    person = state.world.person(token.person or "")
    if node not in ("me", person.id) or token.kind == "PAGE":
        raise Refused(not_visible(node, "delete"))
    return person
