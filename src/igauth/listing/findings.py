"""What a discovery has found so far, merged and explained (contract §6)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from igauth.domain import (
    GranularScopes,
    InstagramAccount,
    InstagramAccountId,
    Listing,
    ListingWarning,
    NotListed,
    NotListedReason,
    Page,
    PageId,
    Permissions,
    Source,
)
from igauth.errors import (
    LISTING_TRUNCATED,
    FacebookRefused,
    FacebookTimeout,
    PermissionMissing,
)
from igauth.listing.merging import in_order, once_each, richer, richer_page, row_order
from igauth.meta.door import PageNode
from igauth.meta.errors import GraphError
from igauth.meta.verdicts import obstacle_of, warning_code

_PORTFOLIO_EDGES: Final = frozenset({Source.OWNED_PAGES, Source.CLIENT_PAGES})
_PERMISSION_OF: Final = {
    Source.ACCOUNTS: "pages_show_list",
    Source.GRANULAR_PAGES: "pages_read_engagement",
    Source.GRANULAR_INSTAGRAM: "instagram_basic",
    Source.BUSINESSES: "business_management",
    Source.OWNED_PAGES: "business_management",
    Source.CLIENT_PAGES: "business_management",
}


@dataclass(slots=True)
class _SeenPage:
    """A Page, wherever it was seen."""

    page: Page
    instagram_id: InstagramAccountId | None = None
    has_page_token: bool | None = None
    shows_link: bool = False
    sources: set[Source] = field(default_factory=set)


class Findings:
    """Keeps what a door's discovery tells: a `snapshot` can be taken at any moment.

    A source that hasn't ended yet counts as failed there, by time-out. It is a
    `igauth.meta.door.Findings`.
    """

    def __init__(self, wanted_scopes: Sequence[str] = ()) -> None:
        self._wanted = tuple(wanted_scopes)
        self._granted: frozenset[str] | None = None
        self._granular = GranularScopes()
        self._chosen: frozenset[str] = frozenset()
        self._pages: dict[PageId, _SeenPage] = {}
        self._accounts: dict[InstagramAccountId, InstagramAccount] = {}
        self._unread: list[NotListed] = []
        self._warnings: dict[ListingWarning, None] = {}
        self._failed: set[Source] = set()
        self._pending: set[Source] = set()
        self._first: Source | None = None

    # -- what discovery tells

    def expect(self, *sources: Source) -> None:
        """The sources that this discovery asks; the first is worth waiting for."""
        self._pending = set(sources)
        self._first = sources[0]

    def done(self, *sources: Source) -> None:
        """These sources have nothing more to say."""
        self._pending.difference_update(sources)

    def fail(self, error: GraphError, *sources: Source) -> None:
        """These sources didn't answer in full."""
        self._warnings[ListingWarning(warning_code(error), source=sources[0])] = None
        self._failed.update(sources)

    def truncate(self, source: Source) -> None:
        """A bound ended the walk of this source: there may be more."""
        self._warnings[ListingWarning(LISTING_TRUNCATED, source=source)] = None
        self._failed.add(source)

    def grant(self, permissions: Permissions) -> None:
        """What the person granted."""
        self._granted = permissions.granted

    def choose(self, granular: GranularScopes) -> None:
        """What the person ticked in the dialog."""
        self._granular = granular
        self._chosen = frozenset(id_ for ids in granular.targets.values() for id_ in ids or ())

    def add_page(self, node: PageNode, source: Source) -> None:
        """A Page, with the account that is linked to it."""
        seen = self._pages.get(node.page.id)
        if seen is None:
            seen = self._pages[node.page.id] = _SeenPage(node.page)
        else:
            seen.page = richer_page(seen.page, node.page)
        if node.has_page_token is not None:
            seen.has_page_token = seen.has_page_token or node.has_page_token
        seen.shows_link = seen.shows_link or node.shows_link
        seen.sources.add(source)
        if node.instagram is not None:
            seen.instagram_id = node.instagram.id
            self._remember(node.instagram)

    def add_account(self, account: InstagramAccount, source: Source) -> None:
        """An account that was read by its own id."""
        self._remember(replace(account, sources=frozenset({source})))

    def add_unread_page(self, page_id: PageId, error: GraphError, source: Source) -> None:
        """A granted Page whose node can't be read."""
        row = _unread(error, NotListedReason.PAGE_UNAVAILABLE, source)
        self._unread.append(replace(row, page=Page(page_id)))

    def add_unread_account(
        self, account_id: InstagramAccountId, error: GraphError, source: Source
    ) -> None:
        """A granted account whose node can't be read, or used."""
        row = _unread(error, NotListedReason.INSTAGRAM_UNREACHABLE, source)
        self._unread.append(replace(row, instagram_account_id=account_id))

    def add_malformed(self, source: Source, page_id: PageId | None = None) -> None:
        """An entry that Meta described in a way that can't be read."""
        page = None if page_id is None else Page(page_id)
        sources = frozenset({source})
        self._unread.append(NotListed(NotListedReason.MALFORMED, page, sources=sources))

    # -- what is asked of it

    def knows_page(self, page_id: PageId) -> bool:
        """Whether some source has shown this Page already."""
        return page_id in self._pages

    def knows_account(self, account_id: InstagramAccountId) -> bool:
        """Whether some source has shown this account already."""
        return account_id in self._accounts

    @property
    def is_empty(self) -> bool:
        """Whether no Page and no account was found."""
        return not (self._pages or self._accounts)

    def snapshot(self, now: datetime) -> Listing | None:
        """The listing so far; None while no source has told anything."""
        is_silent = self.is_empty and not self._unread
        is_due = self._first is not None and self._first not in self._pending
        return None if is_silent and not is_due else self.listing(now)

    def listing(self, now: datetime) -> Listing:
        """Everything found, merged, ordered and explained."""
        accounts = self._listed_accounts()
        failed = frozenset(self._failed | self._pending)
        return Listing(
            fetched_at=now,
            accounts=in_order(accounts.values()),
            not_listed=self._explanations(accounts),
            warnings=(*self._missing(), *map(self._told, self._warnings), *self._late()),
            complete=not failed,
            failed_sources=failed,
        )

    # -- warnings

    def _missing(self) -> Iterator[ListingWarning]:
        """What was wanted and isn't granted, as far as that is known."""
        granted = self._granted
        if granted is not None:
            lacking = (scope for scope in self._wanted if scope not in granted)
            yield from (ListingWarning(PermissionMissing.code, scope) for scope in lacking)

    def _told(self, warning: ListingWarning) -> ListingWarning:
        """A source that refuses for want of what was granted refuses for something else: a role
        in a portfolio, say (B24)."""
        if warning.code != PermissionMissing.code or warning.source is None:
            return warning
        permission = _PERMISSION_OF.get(warning.source)
        if self._granted is not None and permission in self._granted:
            return replace(warning, code=FacebookRefused.code)
        return replace(warning, permission=permission)

    def _late(self) -> list[ListingWarning]:
        """A time-out for each source under way; portfolios' edges wait for their list."""
        late = self._pending
        if Source.BUSINESSES in late:
            late = late - _PORTFOLIO_EDGES
        return [ListingWarning(FacebookTimeout.code, source=each) for each in sorted(late)]

    # -- accounts

    def _remember(self, account: InstagramAccount) -> None:
        known = self._accounts.get(account.id)
        self._accounts[account.id] = richer(known, account) if known else account

    def _is_granted(self, seen: _SeenPage) -> bool:
        """Not one that a portfolio shows alone, unticked and without a token (contract §6)."""
        if not seen.sources <= _PORTFOLIO_EDGES or seen.page.id in self._chosen:
            return True
        if seen.has_page_token is None:  # its token couldn't be asked for
            return not self._granular.limits("pages_")
        return seen.has_page_token

    def _listed_accounts(self) -> dict[InstagramAccountId, InstagramAccount]:
        """Accounts that were read by id, or that a granted Page leads to."""
        leading: dict[InstagramAccountId, list[_SeenPage]] = {}
        for seen in self._pages.values():
            if seen.instagram_id is not None and self._is_granted(seen):
                leading.setdefault(seen.instagram_id, []).append(seen)
        return {
            account_id: _with_pages(account, leading.get(account_id, ()))
            for account_id, account in self._accounts.items()
            if account_id in leading or account.sources
        }

    # -- explanations

    def _explanations(
        self, listed: dict[InstagramAccountId, InstagramAccount]
    ) -> tuple[NotListed, ...]:
        rows = [row for seen in self._pages.values() for row in self._why_not(seen)]
        unread = [
            row
            for row in self._unread
            if not (row.page and row.page.id in self._pages)
            and row.instagram_account_id not in listed
        ]
        return tuple(sorted((*rows, *once_each(unread)), key=row_order))

    def _why_not(self, seen: _SeenPage) -> Iterator[NotListed]:
        if not self._is_granted(seen):
            reason, cause = NotListedReason.PAGE_NOT_GRANTED, None
        elif seen.instagram_id is not None:
            return
        elif seen.shows_link:
            reason, cause = NotListedReason.PAGE_WITHOUT_INSTAGRAM, None
        else:
            reason, cause = NotListedReason.INSTAGRAM_UNREACHABLE, "permission"
        yield NotListed(reason, seen.page, seen.instagram_id, cause, frozenset(seen.sources))


def _unread(error: GraphError, otherwise: NotListedReason, source: Source) -> NotListed:
    obstacle, sources = obstacle_of(error), frozenset({source})
    if obstacle == NotListedReason.MALFORMED:
        return NotListed(NotListedReason.MALFORMED, sources=sources)
    return NotListed(otherwise, cause=obstacle, sources=sources)


def _with_pages(account: InstagramAccount, leading: Iterable[_SeenPage]) -> InstagramAccount:
    seen = sorted(leading, key=lambda each: each.page.id)
    sources = account.sources.union(*(each.sources for each in seen))
    return replace(account, pages=tuple(each.page for each in seen), sources=sources)
