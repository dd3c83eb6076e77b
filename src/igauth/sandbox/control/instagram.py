"""Instagram accounts as the control API shows them, and what can happen to them meanwhile."""

from collections.abc import Callable
from datetime import timedelta

from igauth.sandbox.graph.instagram import PASSWORD_CHANGED, REMOVED
from igauth.sandbox.state import State
from igauth.sandbox.world.instagram import Account

Json = dict[str, object]
Action = Callable[[State, Account], None]


def account_json(state: State, account: Account) -> Json:
    """One account: which it is, what it allowed, what befell it; never a token."""
    now = state.clock()
    alive = [
        each
        for each in state.instagram.of(account.key)
        if each.death is None and each.expires_at > now
    ]
    return {
        "key": account.key,
        "number": account.number,
        "id": account.id,
        "user_id": account.user_id,
        "username": account.username,
        "summary": account.summary,
        "kind": account.kind,
        "no_role": account.no_role,
        "at_checkpoint": account.is_held(now),
        "permissions": account.permissions,
        "live_tokens": len(alive),
    }


def _kills(death: str) -> Action:
    return lambda state, account: state.instagram.kill(account.key, death)


def _sets(name: str, value: object) -> Action:
    return lambda _state, account: setattr(account, name, value)


def _expire(state: State, account: Account) -> None:
    for token in state.instagram.of(account.key):
        token.expires_at = state.clock() - timedelta(seconds=1)


def _remove(state: State, account: Account) -> None:
    """The person removes the app at Instagram (4.8)."""
    state.instagram.kill(account.key, REMOVED)
    account.permissions = None


ACTIONS: dict[str, Action] = {
    "remove_app": _remove,
    "change_password": _kills(PASSWORD_CHANGED),
    "expire_token": _expire,
    "checkpoint": _sets("at_checkpoint", True),
    "clear_checkpoint": _sets("at_checkpoint", False),
    "lose_role": _sets("no_role", "graph"),
    "give_role": _sets("no_role", None),
    "become_personal": _sets("kind", "PERSONAL"),
    "become_professional": _sets("kind", "BUSINESS"),
}
