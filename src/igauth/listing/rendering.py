"""A listing as JSON: rendered when it is stored, so that reading it decodes nothing.

URLs of our own lie there as paths and get their origin when they leave: no text from Meta can
hold an unescaped quote, so `"url":"/` is ours wherever it stands.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import from_json, to_json

from igauth.domain import (
    Action,
    ConnectionId,
    GranularScopes,
    InstagramAccount,
    InstagramAccountId,
    Listing,
    ListingWarning,
    NotListed,
    NotListedReason,
    Page,
    PageId,
    Provider,
    Source,
)
from igauth.listing.sentences import mend, why_not
from igauth.store.listings import AccountRow, ListingRow, digest_of

_PUBLISHING: Final = {
    Provider.FACEBOOK: "instagram_content_publish",
    Provider.INSTAGRAM: "instagram_business_content_publish",
}
_PUBLISH_TASKS: Final = frozenset(
    {
        "CREATE_CONTENT",
        "MANAGE",
        "PROFILE_PLUS_CREATE_CONTENT",
        "PROFILE_PLUS_MANAGE",
        "PROFILE_PLUS_FULL_CONTROL",
    }
)
_PLAIN: Final = tuple(
    each.name for each in fields(InstagramAccount) if each.name not in ("id", "pages", "sources")
)


class Scopes:
    """What a connection's scopes say of its accounts."""

    def __init__(
        self, provider: Provider, granted: frozenset[str] | None, granular: GranularScopes | None
    ) -> None:
        """`granted` None: it isn't known."""
        name = _PUBLISHING[provider]
        self._by_pages = provider is Provider.FACEBOOK
        self._granted = None if granted is None else name in granted
        self._targets = None if granular is None else granular.targets.get(name)

    def can_publish(self, account_id: str, pages: Iterable[Page]) -> bool | None:
        """Granted for this account, and by one of its Pages' tasks; None: that isn't known."""
        if self._granted is None:
            return None
        if not self._granted or (self._targets and account_id not in self._targets):
            return False
        known = [page.tasks for page in pages if page.tasks is not None]
        if not self._by_pages:
            return True
        return any(not _PUBLISH_TASKS.isdisjoint(tasks) for tasks in known) if known else None


def rendered(
    listing: Listing, connection_id: ConnectionId, scopes: Scopes, select_path: str
) -> tuple[ListingRow, list[AccountRow]]:
    """A listing as the store keeps it; `select_path` leads to another consent."""
    accounts = [_account_row(account, connection_id, scopes) for account in listing.accounts]
    not_listed = [_not_listed(entry, select_path) for entry in listing.not_listed]
    row = ListingRow(
        fetched_at=listing.fetched_at,
        complete=listing.complete,
        digest=digest_of(accounts),
        not_listed=to_json(not_listed).decode()[1:-1],
        explanations={
            "not_listed": [_kept_entry(entry) for entry in listing.not_listed],
            "warnings": [[each.code, each.permission, each.source] for each in listing.warnings],
            "failed": sorted(listing.failed_sources),
        },
    )
    return row, accounts


def restored(row: ListingRow, accounts: Sequence[AccountRow]) -> Listing:
    """The listing that was stored."""
    kept = row.explanations
    return Listing(
        fetched_at=row.fetched_at,
        accounts=tuple(_account(each) for each in accounts),
        not_listed=tuple(_entry(each) for each in kept["not_listed"]),
        warnings=warnings_of(row),
        complete=row.complete,
        failed_sources=frozenset(map(Source, kept["failed"])),
    )


def warnings_of(row: ListingRow) -> tuple[ListingWarning, ...]:
    """What kept the sources of a stored listing from answering in full."""
    return tuple(
        ListingWarning(code, permission, None if source is None else Source(source))
        for code, permission, source in row.explanations["warnings"]
    )


def rerendered(accounts: Iterable[AccountRow], scopes: Scopes) -> list[AccountRow]:
    """The same accounts under other scopes."""
    return [_under(row, scopes) for row in accounts]


def with_origin(text: str, base_url: str) -> str:
    """Rendered JSON whose own paths have become URLs."""
    text = text.replace('"picture_url":"/', f'"picture_url":"{base_url}/')
    return text.replace('"url":"/', f'"url":"{base_url}/')


def action_json(action: Action | None) -> dict[str, Any] | None:
    """An action as every answer shows it."""
    return None if action is None else {"kind": action.kind, "url": action.url}


def instant_json(instant: datetime) -> str:
    """ISO 8601 in UTC, to the second, with `Z`."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _account_row(
    account: InstagramAccount, connection_id: ConnectionId, scopes: Scopes
) -> AccountRow:
    body = {
        "id": account.id,
        "username": account.username,
        "name": account.name,
        "biography": account.biography,
        "website": account.website,
        "profile_picture_url": account.profile_picture_url,
        "picture_url": f"/me/instagram-accounts/{account.id}/picture",
        "followers_count": account.followers_count,
        "follows_count": account.follows_count,
        "media_count": account.media_count,
        "pages": [
            {"id": page.id, "name": page.name, "tasks": page.tasks} for page in account.pages
        ],
        "account_type": account.account_type,
        "can_publish": scopes.can_publish(account.id, account.pages),
        "connection_ids": [connection_id],
    }
    return AccountRow(account.id, ",".join(sorted(account.sources)), to_json(body).decode())


def _account(row: AccountRow) -> InstagramAccount:
    body: Mapping[str, Any] = from_json(row.body)
    return InstagramAccount(
        id=InstagramAccountId(row.instagram_account_id),
        pages=tuple(_page(each) for each in body["pages"]),
        sources=frozenset(map(Source, row.sources.split(","))) if row.sources else frozenset(),
        **{name: body[name] for name in _PLAIN},
    )


def _page(body: Mapping[str, Any]) -> Page:
    tasks = body["tasks"]
    return Page(PageId(body["id"]), body["name"], None if tasks is None else tuple(tasks))


def _under(row: AccountRow, scopes: Scopes) -> AccountRow:
    body = from_json(row.body)
    pages = [_page(each) for each in body["pages"]]
    body["can_publish"] = scopes.can_publish(row.instagram_account_id, pages)
    return AccountRow(row.instagram_account_id, row.sources, to_json(body).decode())


def _not_listed(entry: NotListed, select_path: str) -> dict[str, Any]:
    page = None if entry.page is None else {"id": entry.page.id, "name": entry.page.name}
    return {
        "reason": entry.reason,
        "page": page,
        "instagram_account_id": entry.instagram_account_id,
        "message": why_not(entry),
        "action": action_json(mend(entry, select_path)),
    }


def _kept_entry(entry: NotListed) -> list[Any]:
    page = (entry.page.id, entry.page.name) if entry.page else None
    return [entry.reason, page, entry.instagram_account_id, entry.cause, sorted(entry.sources)]


def _entry(kept: Sequence[Any]) -> NotListed:
    reason, page, account_id, cause, sources = kept
    return NotListed(
        reason=NotListedReason(reason),
        page=None if page is None else Page(PageId(page[0]), page[1]),
        instagram_account_id=account_id,
        cause=cause,
        sources=frozenset(map(Source, sources)),
    )
