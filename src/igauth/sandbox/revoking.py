"""DELETE on permissions: the app is removed, or one permission (facts 9.2-9.4)."""

from collections.abc import Callable

from igauth.sandbox import problems
from igauth.sandbox.access import admit
from igauth.sandbox.asking import Asking
from igauth.sandbox.ledger import Token
from igauth.sandbox.problems import Refused, not_visible
from igauth.sandbox.state import State
from igauth.sandbox.world import Person

OnRemoved = Callable[[Person], None]
SUCCESS: dict[str, object] = {"success": True}


def revoke(state: State, asking: Asking, on_removed: OnRemoved) -> dict[str, object]:
    """Carry out `DELETE /{user-id|me}/permissions[/{permission}]`.

    `on_removed` fires the deauthorize callback once the whole app is removed (facts 13.2).
    """
    token = admit(state, asking)
    person = _whose(state, token, asking.path[0])
    if person.grant is None:
        raise Refused(problems.APP_NOT_CONNECTED)
    state.touch()
    if len(asking.path) == 3:
        decline(person, asking.path[2])
        return SUCCESS
    remove_app(state, person)
    on_removed(person)
    return SUCCESS


def _whose(state: State, token: Token, node: str) -> Person:
    """A person may revoke for themselves, the app token for anybody (facts 9.2)."""
    if token.kind == "APP":
        if node == "me":
            raise Refused(problems.ME_NEEDS_USER)
        found = state.world.by_id(node)
        if found is None:
            raise Refused(problems.APP_NOT_CONNECTED)
        return found
    person = state.world.person(token.person or "")
    if node not in ("me", person.id) or token.kind == "PAGE":
        raise Refused(not_visible(node, "delete"))
    return person


def remove_app(state: State, person: Person) -> None:
    """The person no longer allows the app: every token dies with 190/458 (facts 9.2)."""
    person.grant = None
    state.ledger.kill(person.key, problems.dead_token(458, state.config.app_id))


def decline(person: Person, permission: str) -> None:
    """Take one permission away; it is then listed as declined (facts 9.1, 9.3)."""
    if person.grant is not None and permission in person.grant.permissions:
        person.grant.permissions[permission] = "declined"
