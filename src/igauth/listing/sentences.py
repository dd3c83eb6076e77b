"""What a listing tells people: why something isn't in it, what keeps it from being whole, and
what they can do about it (contract §6)."""

from typing import Final

from igauth.domain import (
    Action,
    ActionKind,
    ListingWarning,
    NotListed,
    NotListedReason,
)
from igauth.errors import LISTING_TRUNCATED, PermissionMissing
from igauth.store.connections import ConnectionRow

LINK_PAGE_URL: Final = "https://www.facebook.com/settings?tab=linked_instagram"
FACEBOOK_URL: Final = "https://www.facebook.com/"
INSTAGRAM_URL: Final = "https://www.instagram.com/"
TWO_FACTOR_URL: Final = "https://www.facebook.com/security/2fac/setup/intro/"

_REASONS: Final = {
    NotListedReason.PAGE_WITHOUT_INSTAGRAM: (
        "This Page has no Instagram professional account that we can see. Link one to the Page, "
        "or tick the account when Facebook asks."
    ),
    NotListedReason.PAGE_NOT_GRANTED: (
        "This Page belongs to your business portfolio, but you did not give access to it."
    ),
    NotListedReason.INSTAGRAM_UNREACHABLE: (
        "You gave access to this Instagram account, but Facebook does not show it. It may be "
        "personal again, unlinked from its Page, or your role on the Page has ended."
    ),
    NotListedReason.PAGE_UNAVAILABLE: "Facebook does not show this Page at the moment.",
    NotListedReason.MALFORMED: "Facebook described this entry in a way that we can't read.",
}
_CAUSES: Final = {
    (NotListedReason.PAGE_UNAVAILABLE, "two_factor"): (
        "Facebook wants two-factor authentication before it shows this Page."
    ),
    (NotListedReason.PAGE_UNAVAILABLE, "checkpoint"): (
        "Facebook wants the identity behind this Page confirmed first."
    ),
    (NotListedReason.PAGE_UNAVAILABLE, "restricted"): (
        "Facebook has restricted this Page or Instagram account."
    ),
    (NotListedReason.PAGE_UNAVAILABLE, "role_lost"): "You no longer have a role on this Page.",
    (NotListedReason.INSTAGRAM_UNREACHABLE, "restricted"): (
        "Instagram has restricted this account; look into the Instagram app."
    ),
    (NotListedReason.INSTAGRAM_UNREACHABLE, "permission"): (
        "You gave access to this Instagram account, but not every permission it needs."
    ),
}
_CONSEQUENCES: Final = {
    "pages_show_list": "your Pages, and the Instagram accounts behind them, can't be listed",
    "instagram_basic": "your Instagram accounts can't be read",
    "instagram_content_publish": "nothing can be published to your Instagram accounts",
    "pages_read_engagement": "details of the Pages behind your Instagram accounts are missing",
    "business_management": "Pages that belong to a business portfolio can't be seen",
    "instagram_business_basic": "your Instagram account can't be read",
    "instagram_business_content_publish": "nothing can be published to your Instagram account",
}
_TROUBLES: Final = {
    "facebook_rate_limited": "Facebook limits how often we may ask; some entries may be missing.",
    "facebook_unavailable": "A part of Facebook did not answer; some entries may be missing.",
    "facebook_timeout": "A part of Facebook did not answer in time; some entries may be missing.",
    "facebook_error": "Facebook refused a part of the question; some entries may be missing.",
    LISTING_TRUNCATED: "There are more entries than one listing holds; the rest is left out.",
}
_PASSING: Final = frozenset({"facebook_rate_limited", "facebook_unavailable", "facebook_timeout"})


def why_not(entry: NotListed) -> str:
    """Why a Page or account isn't listed."""
    return _CAUSES.get((entry.reason, entry.cause or ""), _REASONS[entry.reason])


def mend(entry: NotListed, select_url: str) -> Action:
    """What the person can do about it; `select_url` leads to another consent."""
    if entry.reason is NotListedReason.PAGE_WITHOUT_INSTAGRAM:
        return Action(ActionKind.LINK_PAGE, LINK_PAGE_URL)
    if entry.reason is NotListedReason.PAGE_UNAVAILABLE:
        url = TWO_FACTOR_URL if entry.cause == "two_factor" else FACEBOOK_URL
        return Action(ActionKind.VISIT_FACEBOOK, url)
    if entry.cause == "restricted":
        return Action(ActionKind.VISIT_INSTAGRAM, INSTAGRAM_URL)
    if entry.reason is NotListedReason.MALFORMED:
        return Action(ActionKind.CONTACT_OPERATOR)
    return Action(ActionKind.GRANT_PERMISSIONS, select_url)


def trouble(warning: ListingWarning, row: ConnectionRow) -> str:
    """What a warning says."""
    if warning.code != PermissionMissing.code:
        return _TROUBLES.get(warning.code, _TROUBLES["facebook_error"])
    if warning.permission is None:
        return "Facebook wants a permission for a part of this list."
    how = "declined" if warning.permission in row.declined_scopes else "not granted"
    consequence = _CONSEQUENCES.get(warning.permission, "what depends on it is missing")
    return f"The permission {warning.permission} was {how}: {consequence}."


def way_out(warning: ListingWarning, select_url: str) -> Action | None:
    """What the person can do about a warning."""
    if warning.code == PermissionMissing.code:
        return Action(ActionKind.GRANT_PERMISSIONS, select_url)
    return Action(ActionKind.WAIT) if warning.code in _PASSING else None
