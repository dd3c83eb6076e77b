"""What can happen to a person while the app isn't looking: passwords, checkpoints, removals."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field

from igauth.sandbox.problems import dead_token
from igauth.sandbox.revoking import decline, remove_app
from igauth.sandbox.state import State
from igauth.sandbox.world import ExpiryVariant, GranularVariant, Person


class ActionWanted(BaseModel):
    """The body of an action; which fields it needs depends on the action."""

    model_config = ConfigDict(extra="forbid")

    permission: Annotated[str | None, Field(pattern=r"^[a-z0-9_]{1,80}$")] = None
    page_id: str | None = None
    instagram_account_id: str | None = None
    variant: str | None = None


class ActionRefused(Exception):
    """The action can't be carried out: which field is at fault, and why."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message = message


Action = Callable[[State, Person, ActionWanted], None]


def _kills(subcode: int) -> Action:
    def kill(state: State, person: Person, _wanted: ActionWanted) -> None:
        state.ledger.kill(person.key, dead_token(subcode, state.config.app_id))

    return kill


def _sets(name: str, value: object) -> Action:
    def change(_state: State, person: Person, _wanted: ActionWanted) -> None:
        setattr(person, name, value)

    return change


def _remove_app(state: State, person: Person, _wanted: ActionWanted) -> None:
    remove_app(state, person)


def _expire_token(state: State, person: Person, _wanted: ActionWanted) -> None:
    """190/463 from now on (facts 3.4)."""
    for token in state.ledger.of_person(person.key):
        token.expires_at = state.clock() - timedelta(seconds=1)


def _lapse_data_access(state: State, person: Person, _wanted: ActionWanted) -> None:
    """190/493 for data calls, while the token lives on (facts 3.8)."""
    if person.grant is None:
        raise ActionRefused("person", f"{person.key} has not allowed the app")
    person.grant.data_access_until = state.clock() - timedelta(seconds=1)


def _decline_permission(_state: State, person: Person, wanted: ActionWanted) -> None:
    decline(person, _granted_name(person, wanted))


def _grant_permission(_state: State, person: Person, wanted: ActionWanted) -> None:
    _set_status(person, wanted, "granted")


def _expire_permission(_state: State, person: Person, wanted: ActionWanted) -> None:
    """The documented third status (facts 9.1)."""
    _set_status(person, wanted, "expired")


def _set_status(person: Person, wanted: ActionWanted, status: str) -> None:
    permission = _need(wanted.permission, "permission")
    if person.grant is None:
        raise ActionRefused("person", f"{person.key} has not allowed the app")
    person.grant.permissions[permission] = status


def _granted_name(person: Person, wanted: ActionWanted) -> str:
    permission = _need(wanted.permission, "permission")
    if person.grant is None or permission not in person.grant.permissions:
        raise ActionRefused("permission", f"{person.key} was never asked for {permission}")
    return permission


def _link_instagram(_state: State, person: Person, wanted: ActionWanted) -> None:
    page_id = _page_id(person, wanted)
    account_id = _need(wanted.instagram_account_id, "instagram_account_id")
    if account_id not in person.accounts:
        raise ActionRefused("instagram_account_id", f"{person.key} has no such Instagram account")
    person.link_instagram(page_id, account_id)


def _unlink_instagram(_state: State, person: Person, wanted: ActionWanted) -> None:
    person.unlink_instagram(_page_id(person, wanted))


def _lose_page(_state: State, person: Person, wanted: ActionWanted) -> None:
    """The person's role on the Page ends: its token answers 190/492 (facts 10.2)."""
    del person.pages[_page_id(person, wanted)]


def _page_id(person: Person, wanted: ActionWanted) -> str:
    page_id = _need(wanted.page_id, "page_id")
    if page_id not in person.pages:
        raise ActionRefused("page_id", f"{person.key} has no Page {page_id}")
    return page_id


def _granular(_state: State, person: Person, wanted: ActionWanted) -> None:
    person.quirks.granular = _variant(wanted, GranularVariant)


def _expiry(_state: State, person: Person, wanted: ActionWanted) -> None:
    person.quirks.expiry = _variant(wanted, ExpiryVariant)


def _variant(wanted: ActionWanted, allowed: Any) -> Any:
    names = get_args(allowed)
    if wanted.variant not in names:
        raise ActionRefused("variant", f"one of {', '.join(names)}")
    return wanted.variant


def _need(value: str | None, field: str) -> str:
    if not value:
        raise ActionRefused(field, "is needed for this action")
    return value


ACTIONS: dict[str, Action] = {
    "remove_app": _remove_app,
    "change_password": _kills(460),
    "log_out": _kills(467),
    "expire_token": _expire_token,
    "checkpoint": _sets("at_checkpoint", True),
    "clear_checkpoint": _sets("at_checkpoint", False),
    "unconfirm": _sets("unconfirmed", True),
    "confirm": _sets("unconfirmed", False),
    "lapse_data_access": _lapse_data_access,
    "decline_permission": _decline_permission,
    "grant_permission": _grant_permission,
    "expire_permission": _expire_permission,
    "link_instagram": _link_instagram,
    "unlink_instagram": _unlink_instagram,
    "lose_page": _lose_page,
    "set_granular": _granular,
    "set_expiry": _expiry,
}
SIMPLE_ACTIONS = (
    "remove_app",
    "change_password",
    "log_out",
    "expire_token",
    "checkpoint",
    "clear_checkpoint",
    "unconfirm",
    "confirm",
    "lapse_data_access",
)
