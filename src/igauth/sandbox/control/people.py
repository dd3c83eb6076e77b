"""People as the control API shows them, never a token; and what can happen to them meanwhile."""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from igauth.sandbox.graph.access import cause_of_death
from igauth.sandbox.graph.answers import dead_token
from igauth.sandbox.state import State
from igauth.sandbox.world.people import (
    Business,
    ExpiryVariant,
    Grant,
    GranularVariant,
    InstagramAccount,
    Page,
    Person,
)

Json = dict[str, object]
_SHOWN = 200


def summary_of(state: State, person: Person) -> Json:
    """One person in a list: who they are, what they allowed, how many assets they have."""
    tokens = state.ledger.of_person(person.key)
    return {
        "key": person.key,
        "name": person.name,
        "id": person.id,
        "summary": person.summary,
        "at_checkpoint": person.at_checkpoint,
        "unconfirmed": person.unconfirmed,
        "pages": len(person.pages),
        "instagram_accounts": len(person.accounts),
        "businesses": len(person.businesses),
        "live_tokens": sum(cause_of_death(state, token) is None for token in tokens),
        "grant": None if person.grant is None else _grant(person.grant),
    }


def _grant(grant: Grant) -> Json:
    """`chosen`: how many assets of each kind; null = all, now and in future (facts 4.4)."""
    kinds = ("pages", "instagram_accounts", "businesses")
    chosen = {kind: getattr(grant.choice, kind) for kind in kinds}
    return {
        "permissions": dict(grant.permissions),
        "chosen": {kind: None if ids is None else len(ids) for kind, ids in chosen.items()},
        "given_at": grant.given_at.isoformat().replace("+00:00", "Z"),
        "data_access_expires_at": grant.data_access_until.isoformat().replace("+00:00", "Z"),
    }


def details_of(state: State, person: Person) -> Json:
    """One person with their assets, the first 200 of each kind."""
    pages, accounts = list(person.pages.values()), list(person.accounts.values())
    quirks = ("granular", "expiry", "refused_fields")
    page = ("id", "name", "instagram", "business", "relation", "listed", "assigned", "offered")
    account = ("id", "username", "name", "offered")
    business = ("id", "name", "verification_status", "offered")
    return {
        **summary_of(state, person),
        "quirks": {name: getattr(person.quirks, name) for name in quirks},
        "page_list": [_asset(one, page) for one in pages[:_SHOWN]],
        "instagram_account_list": [_asset(one, account) for one in accounts[:_SHOWN]],
        "business_list": [_asset(one, business) for one in person.businesses.values()],
    }


def _asset(asset: Page | InstagramAccount | Business, names: tuple[str, ...]) -> Json:
    trouble = asset.trouble.code if asset.trouble else None
    return {**{name: getattr(asset, name) for name in names}, "trouble_code": trouble}


# --- what can happen to a person: passwords, checkpoints, removals ---


class ActionWanted(BaseModel):
    """The body of an action; which fields it needs depends on the action."""

    model_config = ConfigDict(extra="forbid")

    permission: Annotated[str | None, Field(pattern=r"^[a-z0-9_]{1,80}$")] = None
    page_id: str | None = None
    instagram_account_id: str | None = None
    node_id: str | None = None
    field: Annotated[str | None, Field(pattern=r"^[a-z0-9_]{1,80}$")] = None
    code: Literal[100, 10, "100", "10"] = 100
    variant: str | None = None


class ControlError(Exception):
    """What was asked can't be carried out: which field is at fault, and why."""

    def __init__(self, field: str, message: str, status: int = 422) -> None:
        super().__init__(message)
        self.status = status
        self.problems = [{"field": field, "message": message}]


Action = Callable[[State, Person, ActionWanted], None]


def _kills(subcode: int) -> Action:
    def kill(state: State, person: Person, _wanted: ActionWanted) -> None:
        state.ledger.kill(person.key, dead_token(subcode, state.config.app_id))

    return kill


def _sets(name: str, value: object) -> Action:
    return lambda _state, person, _wanted: setattr(person, name, value)


def _sets_quirk(name: str, allowed: Any) -> Action:
    def change(_state: State, person: Person, wanted: ActionWanted) -> None:
        if wanted.variant not in get_args(allowed):
            raise ControlError("variant", f"one of {', '.join(get_args(allowed))}")
        setattr(person.quirks, name, wanted.variant)

    return change


def _sets_permission(status: str) -> Action:
    """Also `expired`, the documented third status (facts 9.1)."""

    def change(_state: State, person: Person, wanted: ActionWanted) -> None:
        permission = _need(wanted, "permission")
        grant = _living_grant(person)
        if status == "declined" and permission not in grant.permissions:
            raise ControlError("permission", f"{person.key} was never asked for {permission}")
        grant.permissions[permission] = status

    return change


def _expire_token(state: State, person: Person, _wanted: ActionWanted) -> None:
    """190/463 from now on (facts 3.4)."""
    for token in state.ledger.of_person(person.key):
        token.expires_at = state.clock() - timedelta(seconds=1)


def _lapse_data_access(state: State, person: Person, _wanted: ActionWanted) -> None:
    """190/493 for data calls, while the token lives on (facts 3.8)."""
    _living_grant(person).data_access_until = state.clock() - timedelta(seconds=1)


def _link_instagram(_state: State, person: Person, wanted: ActionWanted) -> None:
    page_id, account_id = _page_id(person, wanted), _need(wanted, "instagram_account_id")
    if account_id not in person.accounts:
        raise ControlError("instagram_account_id", f"{person.key} has no such Instagram account")
    person.link_instagram(page_id, account_id)


def _lose_page(_state: State, person: Person, wanted: ActionWanted) -> None:
    """The person's role on the Page ends: its token answers 190/492 (facts 10.2)."""
    del person.pages[_page_id(person, wanted)]


def _refuse_field(_state: State, person: Person, wanted: ActionWanted) -> None:
    """From now on this node refuses the field: 100, or 10 for want of a permission (7.2b)."""
    node_id = _need(wanted, "node_id")
    if not any(node_id in (person.id, *assets) for assets in person.assets.values()):
        raise ControlError("node_id", f"{person.key} has nothing of that id")
    refused = person.quirks.refused_fields.setdefault(node_id, {})
    refused[_need(wanted, "field")] = int(wanted.code)


def _allow_fields(_state: State, person: Person, wanted: ActionWanted) -> None:
    """The node answers for every field again."""
    person.quirks.refused_fields.pop(_need(wanted, "node_id"), None)


def _living_grant(person: Person) -> Grant:
    if person.grant is None:
        raise ControlError("person", f"{person.key} has not allowed the app")
    return person.grant


def _page_id(person: Person, wanted: ActionWanted) -> str:
    page_id = _need(wanted, "page_id")
    if page_id not in person.pages:
        raise ControlError("page_id", f"{person.key} has no Page {page_id}")
    return page_id


def _need(wanted: ActionWanted, field: str) -> str:
    value = getattr(wanted, field)
    if not value:
        raise ControlError(field, "is needed for this action")
    return str(value)


ACTIONS: dict[str, Action] = {
    "remove_app": lambda state, person, _wanted: state.remove_app(person),
    "change_password": _kills(460),
    "log_out": _kills(467),
    "expire_token": _expire_token,
    "checkpoint": _sets("at_checkpoint", True),
    "clear_checkpoint": _sets("at_checkpoint", False),
    "unconfirm": _sets("unconfirmed", True),
    "confirm": _sets("unconfirmed", False),
    "lapse_data_access": _lapse_data_access,
    "decline_permission": _sets_permission("declined"),
    "grant_permission": _sets_permission("granted"),
    "expire_permission": _sets_permission("expired"),
    "link_instagram": _link_instagram,
    "unlink_instagram": lambda _, person, want: person.unlink_instagram(_page_id(person, want)),
    "lose_page": _lose_page,
    "refuse_field": _refuse_field,
    "allow_fields": _allow_fields,
    "set_granular": _sets_quirk("granular", GranularVariant),
    "set_expiry": _sets_quirk("expiry", ExpiryVariant),
}
