"""From the use cases' types to the answers' shapes; sentences for people live here."""

from datetime import datetime

from igauth.api.schemas import (
    ActionOut,
    ConnectionOut,
    ConnectionRef,
    ConsentDiff,
    InstagramAccountOut,
    ListingMeta,
    ListingOut,
    NotListedOut,
    PageOut,
    PageRef,
    PersonOut,
    SessionOut,
    WarningOut,
)
from igauth.domain import (
    ActionKind,
    InstagramAccount,
    ListingWarning,
    NotListed,
    NotListedReason,
    Page,
)
from igauth.errors import LISTING_TRUNCATED
from igauth.grants.consent import Consent
from igauth.grants.state import GrantRules
from igauth.listing.freshness import ListingView
from igauth.login.sessions import Viewer
from igauth.store.connections import ConnectionRow
from igauth.store.people import PersonRow
from igauth.store.sessions import SessionRow

LINK_PAGE_URL = "https://www.facebook.com/settings?tab=linked_instagram"
FACEBOOK_URL = "https://www.facebook.com/"
INSTAGRAM_URL = "https://www.instagram.com/"
TWO_FACTOR_URL = "https://www.facebook.com/security/2fac/setup/intro/"
_PUBLISH_TASKS = frozenset({"CREATE_CONTENT", "MANAGE"})

_MESSAGES = {
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
    NotListedReason.MALFORMED: "Facebook described this entry in a way that we can't read.",
}
_UNAVAILABLE = {
    "two_factor": "Facebook wants two-factor authentication before it shows this Page.",
    "checkpoint": "Facebook wants the identity behind this Page confirmed first.",
    "restricted": "Facebook has restricted this Page or Instagram account.",
    "role_lost": "You no longer have a role on this Page.",
}
_UNREACHABLE = {
    "restricted": "Instagram has restricted this account; look into the Instagram app.",
    "permission": "You gave access to this Instagram account, but not every permission it needs.",
}
_CONSEQUENCES = {
    "pages_show_list": "your Pages, and the Instagram accounts behind them, can't be listed",
    "instagram_basic": "your Instagram accounts can't be read",
    "instagram_content_publish": "nothing can be published to your Instagram accounts",
    "pages_read_engagement": "details of the Pages behind your Instagram accounts are missing",
    "business_management": "Pages that belong to a business portfolio can't be seen",
}
_WARNINGS = {
    "facebook_rate_limited": "Facebook limits how often we may ask; some entries may be missing.",
    "facebook_unavailable": "A part of Facebook did not answer; some entries may be missing.",
    "facebook_timeout": "A part of Facebook did not answer in time; some entries may be missing.",
    "facebook_error": "Facebook refused a part of the question; some entries may be missing.",
    LISTING_TRUNCATED: "There are more entries than one listing holds; the rest is left out.",
}


def person_out(person: PersonRow) -> PersonOut:
    """A person, as `GET /me` answers."""
    return PersonOut(
        id=person.id,
        name=person.name,
        picture_url=person.picture_url,
        created_at=person.created_at,
        last_login_at=person.last_login_at,
    )


def session_out(row: SessionRow, viewer: Viewer) -> SessionOut:
    """A session, as its owner sees it."""
    return SessionOut(
        id=row.id,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        user_agent=row.user_agent,
        current=row.id == viewer.session.id,
    )


def connection_out(row: ConnectionRow, rules: GrantRules, now: datetime) -> ConnectionOut:
    """A connection with its state as of now."""
    return ConnectionOut(
        id=row.id,
        provider="facebook",
        provider_user_id=row.facebook_user_id,
        name=row.name,
        status=rules.status(row, now),
        granted_scopes=sorted(row.granted_scopes),
        declined_scopes=sorted(row.declined_scopes),
        missing_scopes=rules.missing_scopes(row),
        token_expires_at=row.token_expires_at,
        data_access_expires_at=row.data_access_expires_at,
        connected_at=row.connected_at,
        verified_at=row.verified_at,
        last_consent=_consent_diff(row),
        reconnect_url=rules.reconnect_url(row, now),
    )


def _consent_diff(row: ConnectionRow) -> ConsentDiff | None:
    if row.last_consent is None:
        return None
    consent = Consent.from_json(row.last_consent)
    if consent.now is None:
        return None
    return ConsentDiff(at=consent.at, added=consent.added, kept=consent.kept, lost=consent.lost)


def listing_out(view: ListingView, rules: GrantRules, now: datetime) -> ListingOut:
    """A listing, as contract §6 shapes it."""
    row = view.connection
    return ListingOut(
        data=[account_out(account, row, rules) for account in view.listing.accounts],
        meta=ListingMeta(
            fetched_at=view.listing.fetched_at,
            stale=view.stale,
            complete=view.listing.complete,
            connection=ConnectionRef(
                id=row.id,
                status=rules.status(row, now),
                reconnect_url=rules.reconnect_url(row, now),
            ),
            not_listed=[_not_listed_out(entry, row, rules) for entry in view.listing.not_listed],
            warnings=[_warning_out(warning, row, rules) for warning in _warnings(view, rules)],
        ),
    )


def account_out(
    account: InstagramAccount, row: ConnectionRow, rules: GrantRules
) -> InstagramAccountOut:
    """One Instagram account."""
    path = f"/me/instagram-accounts/{account.id}/picture"
    return InstagramAccountOut(
        id=account.id,
        username=account.username,
        name=account.name,
        biography=account.biography,
        website=account.website,
        profile_picture_url=account.profile_picture_url,
        picture_url=rules.base_url + path,
        followers_count=account.followers_count,
        follows_count=account.follows_count,
        media_count=account.media_count,
        pages=[
            PageOut(
                id=page.id, name=page.name, tasks=None if page.tasks is None else list(page.tasks)
            )
            for page in account.pages
        ],
        can_publish=_can_publish(account.pages, row),
        connection_id=row.id,
    )


def _page_out(page: Page) -> PageOut:
    tasks = None if page.tasks is None else list(page.tasks)
    return PageOut(id=page.id, name=page.name, tasks=tasks)


def _can_publish(pages: tuple[Page, ...], row: ConnectionRow) -> bool | None:
    if not pages:
        return None
    granted = "instagram_content_publish" in row.granted_scopes
    return granted and any(_PUBLISH_TASKS.intersection(page.tasks or ()) for page in pages)


def _warnings(view: ListingView, rules: GrantRules) -> list[ListingWarning]:
    """What the grant lacks as of now, then what kept a source from answering in full."""
    missing = rules.missing_scopes(view.connection)
    lacking = [ListingWarning("permission_missing", permission=scope) for scope in missing]
    troubles = [
        each
        for each in view.listing.warnings
        if each.source is not None and each.permission not in missing
    ]
    once = {(each.code, each.permission): each for each in troubles}
    return lacking + list(once.values())


def _not_listed_out(entry: NotListed, row: ConnectionRow, rules: GrantRules) -> NotListedOut:
    page = None if entry.page is None else PageRef(id=entry.page.id, name=entry.page.name)
    return NotListedOut(
        reason=entry.reason,
        page=page,
        instagram_account_id=entry.instagram_account_id,
        message=_message(entry),
        action=_action(entry, row, rules),
    )


def _message(entry: NotListed) -> str:
    if entry.reason is NotListedReason.PAGE_UNAVAILABLE:
        fallback = "Facebook does not show this Page at the moment."
        return _UNAVAILABLE.get(entry.cause or "", fallback)
    if entry.reason is NotListedReason.INSTAGRAM_UNREACHABLE:
        return _UNREACHABLE.get(entry.cause or "", _MESSAGES[entry.reason])
    return _MESSAGES[entry.reason]


def _action(entry: NotListed, row: ConnectionRow, rules: GrantRules) -> ActionOut | None:
    if entry.reason is NotListedReason.PAGE_WITHOUT_INSTAGRAM:
        return ActionOut(kind=ActionKind.LINK_PAGE, url=LINK_PAGE_URL)
    if entry.reason is NotListedReason.PAGE_UNAVAILABLE:
        url = TWO_FACTOR_URL if entry.cause == "two_factor" else FACEBOOK_URL
        return ActionOut(kind=ActionKind.VISIT_FACEBOOK, url=url)
    if entry.cause == "restricted":
        return ActionOut(kind=ActionKind.VISIT_FACEBOOK, url=INSTAGRAM_URL)
    if entry.reason is NotListedReason.MALFORMED:
        return ActionOut(kind=ActionKind.CONTACT_OPERATOR, url=None)
    return ActionOut(kind=ActionKind.GRANT_PERMISSIONS, url=rules.select_url(row))


def _warning_out(warning: ListingWarning, row: ConnectionRow, rules: GrantRules) -> WarningOut:
    if warning.code == "permission_missing":
        return WarningOut(
            code=warning.code,
            permission=warning.permission,
            message=_permission_message(warning.permission, row),
            action=ActionOut(kind=ActionKind.GRANT_PERMISSIONS, url=rules.select_url(row)),
        )
    waits = warning.code in ("facebook_rate_limited", "facebook_unavailable", "facebook_timeout")
    return WarningOut(
        code=warning.code,
        permission=None,
        message=_WARNINGS.get(warning.code, _WARNINGS["facebook_error"]),
        action=ActionOut(kind=ActionKind.WAIT, url=None) if waits else None,
    )


def _permission_message(permission: str | None, row: ConnectionRow) -> str:
    if permission is None:
        return "Facebook wants a permission for a part of this list."
    how = "declined" if permission in row.declined_scopes else "not granted"
    consequence = _CONSEQUENCES.get(permission, "what depends on it is missing")
    return f"The permission {permission} was {how}: {consequence}."
