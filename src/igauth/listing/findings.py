"""What a discovery has found so far, merged and explained (contract §6)."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Literal

from igauth.domain import (
    InstagramAccount,
    InstagramAccountId,
    Listing,
    ListingWarning,
    NotListed,
    NotListedReason,
    Page,
    PageId,
    Source,
)
from igauth.errors import (
    LISTING_TRUNCATED,
    FacebookTimeout,
    PermissionMissing,
)
from igauth.listing.causes import (
    cause_word,
    is_about_one_node,
    is_token_death,
    reason_of,
    warning_code,
)
from igauth.listing.merging import in_order, once_each, richer, richer_page, row_order
from igauth.meta.errors import (
    GraphError,
)
from igauth.meta.facebook.reading import ListPart, PageNode

BUSINESS_MANAGEMENT: Final = "business_management"
PORTFOLIO_EDGES: Final[tuple[Literal[Source.OWNED_PAGES], Literal[Source.CLIENT_PAGES]]] = (
    Source.OWNED_PAGES,
    Source.CLIENT_PAGES,
)
_PERMISSION_OF: Final = {
    Source.ACCOUNTS: "pages_show_list",
    Source.GRANULAR_PAGES: "pages_read_engagement",
    Source.GRANULAR_INSTAGRAM: "instagram_basic",
    Source.BUSINESSES: BUSINESS_MANAGEMENT,
    Source.OWNED_PAGES: BUSINESS_MANAGEMENT,
    Source.CLIENT_PAGES: BUSINESS_MANAGEMENT,
}


@dataclass(slots=True)
class _SeenPage:
    """A Page, wherever it was seen."""

    page: Page
    instagram_id: InstagramAccountId | None = None
    has_page_token: bool = False
    sources: set[Source] = field(default_factory=set)


class Progress:
    """What a discovery has found so far: a `snapshot` can be taken at any moment.

    A source that hasn't ended yet counts as failed there, by time-out.
    """

    def __init__(self) -> None:
        self._pages: dict[PageId, _SeenPage] = {}
        self._accounts: dict[InstagramAccountId, InstagramAccount] = {}
        self._unread: list[NotListed] = []
        self._warnings: dict[ListingWarning, None] = {}
        self._failed: set[Source] = set()
        self._pending: set[Source] = set(Source)
        self._chosen: frozenset[str] = frozenset()
        self._missing: tuple[str, ...] = ()
        self.first_failure: GraphError | None = None
        """What /me/accounts answered instead of a list."""

    # -- what discovery tells

    def missing(self, scopes: Iterable[str]) -> None:
        """Scopes that were wanted and aren't granted."""
        self._missing = tuple(scopes)

    def chosen(self, ids: Iterable[str]) -> None:
        """The ids of every granular scope: what the person ticked in the dialog."""
        self._chosen = frozenset(ids)

    @contextmanager
    def asking(self, *sources: Source) -> Iterator[None]:
        """Notes how the asking ends; only the death of the token goes on upwards."""
        try:
            yield
        except GraphError as error:
            self.fail(error, *sources)
        self.done(*sources)

    def done(self, *sources: Source) -> None:
        """These sources have nothing more to say."""
        self._pending.difference_update(sources)

    def fail(self, error: GraphError, *sources: Source) -> None:
        """These sources didn't answer in full. Raises the error if the token is dead."""
        if is_token_death(error):
            raise error
        if Source.ACCOUNTS in sources:
            self.first_failure = error
        code = warning_code(error)
        permission = _PERMISSION_OF[sources[0]] if code == PermissionMissing.code else None
        self._warnings[ListingWarning(code, permission, sources[0])] = None
        self._failed.update(sources)

    def add_part(self, part: ListPart, source: Source) -> None:
        """One answer of a listing edge."""
        for node in part.nodes:
            self.add_page(node, source)
        nameless = part.malformed - len(part.malformed_ids)
        for page in (*map(Page, part.malformed_ids), *(None for _ in range(nameless))):
            self._explain(NotListedReason.MALFORMED, source, page=page)
        if part.truncated:
            self.truncated(source)

    def truncated(self, source: Source) -> None:
        """A bound ended the walk of this source: there may be more."""
        self._warnings[ListingWarning(LISTING_TRUNCATED, source=source)] = None
        self._failed.add(source)

    def add_page(self, node: PageNode, source: Source) -> None:
        """A Page, with the account that is linked to it."""
        seen = self._pages.setdefault(node.page.id, _SeenPage(node.page))
        seen.page = richer_page(seen.page, node.page)
        seen.has_page_token = seen.has_page_token or bool(node.has_page_token)
        seen.sources.add(source)
        if node.instagram is not None:
            seen.instagram_id = node.instagram.id
            self._remember(node.instagram)

    def add_account(self, account: InstagramAccount, source: Source) -> None:
        """An account that was read by its own id."""
        self._remember(replace(account, sources=frozenset({source})))

    def add_unread_page(self, page_id: PageId, error: GraphError) -> None:
        """A granted Page whose node can't be read."""
        source = Source.GRANULAR_PAGES
        if not is_about_one_node(error):
            self.fail(error, source)
            return
        reason = reason_of(error, NotListedReason.PAGE_UNAVAILABLE)
        self._explain(reason, source, page=Page(page_id), cause=cause_word(error))

    def add_unread_account(self, account_id: InstagramAccountId, error: GraphError) -> None:
        """A granted account whose node can't be read."""
        source = Source.GRANULAR_INSTAGRAM
        if not is_about_one_node(error):
            self.fail(error, source)
            return
        reason = reason_of(error, NotListedReason.INSTAGRAM_UNREACHABLE)
        self._explain(reason, source, account_id=account_id, cause=cause_word(error))

    def add_malformed_businesses(self, count: int) -> None:
        """Portfolios that can't be read: their Pages may be missing."""
        for _ in range(count):
            self._explain(NotListedReason.MALFORMED, Source.BUSINESSES)

    # -- what discovery asks

    def knows_page(self, page_id: PageId) -> bool:
        return page_id in self._pages

    def knows_account(self, account_id: InstagramAccountId) -> bool:
        return account_id in self._accounts

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all was found, not even a reason."""
        return not (self._pages or self._accounts or self._unread)

    def all_failed(self, asked: Iterable[Source]) -> bool:
        return self._failed.issuperset(asked)

    def snapshot(self, now: datetime) -> Listing | None:
        """The listing so far; None while no source has told anything."""
        return None if self.is_empty and Source.ACCOUNTS in self._pending else self.listing(now)

    def listing(self, fetched_at: datetime) -> Listing:
        """Everything found, merged, ordered and explained."""
        accounts = self._listed_accounts()
        missing = [ListingWarning(PermissionMissing.code, scope) for scope in self._missing]
        failed = frozenset(self._failed | self._pending)
        return Listing(
            fetched_at=fetched_at,
            accounts=in_order(accounts.values()),
            not_listed=self._explanations(accounts),
            warnings=(*missing, *self._warnings, *self._late()),
            complete=not failed,
            failed_sources=failed,
        )

    # -- inside

    def _late(self) -> list[ListingWarning]:
        """A time-out for each source under way; portfolios' edges wait for their list."""
        late = self._pending.difference(
            PORTFOLIO_EDGES if Source.BUSINESSES in self._pending else ()
        )
        return [ListingWarning(FacebookTimeout.code, source=each) for each in sorted(late)]

    def _explain(
        self,
        reason: NotListedReason,
        source: Source,
        *,
        page: Page | None = None,
        account_id: InstagramAccountId | None = None,
        cause: str | None = None,
    ) -> None:
        self._unread.append(NotListed(reason, page, account_id, cause, frozenset({source})))

    def _remember(self, account: InstagramAccount) -> None:
        known = self._accounts.get(account.id)
        self._accounts[account.id] = richer(known, account) if known else account

    def _is_granted(self, seen: _SeenPage) -> bool:
        """Not one that a portfolio shows alone, unticked and without a token (contract §6)."""
        return (
            not seen.sources.issubset(PORTFOLIO_EDGES)
            or seen.has_page_token
            or seen.page.id in self._chosen
        )

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
        sources = frozenset(seen.sources)
        if not self._is_granted(seen):
            reason = NotListedReason.PAGE_NOT_GRANTED
            yield NotListed(reason, seen.page, seen.instagram_id, sources=sources)
        elif seen.instagram_id is None:
            reason = NotListedReason.PAGE_WITHOUT_INSTAGRAM
            yield NotListed(reason, seen.page, sources=sources)


def _with_pages(account: InstagramAccount, leading: Iterable[_SeenPage]) -> InstagramAccount:
    seen = sorted(leading, key=lambda each: each.page.id)
    sources = account.sources.union(*(each.sources for each in seen))
    return replace(account, pages=tuple(each.page for each in seen), sources=sources)
