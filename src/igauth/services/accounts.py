"""Discovery: every Instagram account a person granted, and why an expected one is missing.

All sources are asked side by side and merged on the Instagram id (contract §6, graph-facts §7).
No database here: `merge` says what a partial answer keeps of a stored one.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal, TypeVar

from igauth.domain import (
    BusinessId,
    Clock,
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
    FacebookRateLimited,
    FacebookRefused,
    FacebookTimeout,
    FacebookUnavailable,
    PermissionMissing,
)
from igauth.graph.auth import UserToken
from igauth.graph.errors import (
    TOKEN_DEATHS,
    GraphError,
    GraphMalformed,
    GraphRefusal,
    GraphTimeout,
    GraphUnavailable,
    Meaning,
)
from igauth.graph.resources import FacebookResources, ListPart, PageNode

BUSINESS_MANAGEMENT: Final = "business_management"
HEAD_START_SECONDS: Final = 1.0
MOST_EDGES_AT_ONCE: Final = 20
_PORTFOLIO_EDGES: Final[tuple[Literal[Source.OWNED_PAGES], Literal[Source.CLIENT_PAGES]]] = (
    Source.OWNED_PAGES,
    Source.CLIENT_PAGES,
)
_PORTFOLIO: Final = (Source.BUSINESSES, *_PORTFOLIO_EDGES)
_GRANULAR: Final = (Source.GRANULAR_PAGES, Source.GRANULAR_INSTAGRAM)
_PERMISSION_OF: Final = {
    Source.ACCOUNTS: "pages_show_list",
    Source.GRANULAR_PAGES: "pages_read_engagement",
    Source.GRANULAR_INSTAGRAM: "instagram_basic",
    Source.BUSINESSES: BUSINESS_MANAGEMENT,
    Source.OWNED_PAGES: BUSINESS_MANAGEMENT,
    Source.CLIENT_PAGES: BUSINESS_MANAGEMENT,
}
_ABOUT_ONE_NODE: Final = frozenset(
    {
        Meaning.NOT_VISIBLE,
        Meaning.PERMISSION,
        Meaning.PERSON_MUST_ACT,
        Meaning.MIGRATED,
        Meaning.FIELD_REFUSED,
        Meaning.OTHER,
    }
)

T = TypeVar("T")


class Cause(StrEnum):
    """Why a granted node can't be read: picks the sentence of a `not_listed` row."""

    TWO_FACTOR = "two_factor"
    CHECKPOINT = "checkpoint"
    RESTRICTED = "restricted"
    ROLE_LOST = "role_lost"
    PERMISSION = "permission"
    NOT_VISIBLE = "not_visible"
    REFUSED = "refused"


def cause_of(refusal: GraphRefusal) -> Cause:
    """The cause behind a refusal of one Page or account (graph-facts 7.9, 8.7)."""
    if refusal.meaning is Meaning.NOT_VISIBLE:
        return Cause.NOT_VISIBLE
    if refusal.meaning is Meaning.PERMISSION:
        return Cause.RESTRICTED if refusal.code in range(200, 300) else Cause.PERMISSION
    if refusal.meaning is not Meaning.PERSON_MUST_ACT:
        return Cause.REFUSED
    by_code = {415: Cause.TWO_FACTOR, 368: Cause.CHECKPOINT}
    return by_code.get(
        refusal.code or 0, Cause.ROLE_LOST if refusal.subcode == 492 else Cause.RESTRICTED
    )


def warning_code(error: GraphError) -> str:
    """The warning for a source that didn't answer in full (contract §6)."""
    if isinstance(error, GraphTimeout):
        return FacebookTimeout.code
    if isinstance(error, GraphUnavailable):
        return FacebookUnavailable.code
    codes = {
        Meaning.THROTTLED: FacebookRateLimited.code,
        Meaning.PERMISSION: PermissionMissing.code,
        Meaning.TRANSIENT: FacebookUnavailable.code,
    }
    meaning = error.meaning if isinstance(error, GraphRefusal) else Meaning.OTHER
    return codes.get(meaning, FacebookRefused.code)


def is_token_death(error: GraphError) -> bool:
    """Whether the error ends every call with this token."""
    return isinstance(error, GraphRefusal) and error.meaning in TOKEN_DEATHS


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
        seen.page = _richer_page(seen.page, node.page)
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
        if not _is_about_one_node(error):
            self.fail(error, source)
            return
        reason = _reason(error, NotListedReason.PAGE_UNAVAILABLE)
        self._explain(reason, source, page=Page(page_id), cause=_cause(error))

    def add_unread_account(self, account_id: InstagramAccountId, error: GraphError) -> None:
        """A granted account whose node can't be read."""
        source = Source.GRANULAR_INSTAGRAM
        if not _is_about_one_node(error):
            self.fail(error, source)
            return
        reason = _reason(error, NotListedReason.INSTAGRAM_UNREACHABLE)
        self._explain(reason, source, account_id=account_id, cause=_cause(error))

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
            _PORTFOLIO_EDGES if Source.BUSINESSES in self._pending else ()
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
        self._accounts[account.id] = _richer(known, account) if known else account

    def _is_granted(self, seen: _SeenPage) -> bool:
        """Not one that a portfolio shows alone, unticked and without a token (contract §6)."""
        return (
            not seen.sources.issubset(_PORTFOLIO_EDGES)
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
        return tuple(sorted((*rows, *_once_each(unread)), key=_row_order))

    def _why_not(self, seen: _SeenPage) -> Iterator[NotListed]:
        sources = frozenset(seen.sources)
        if not self._is_granted(seen):
            reason = NotListedReason.PAGE_NOT_GRANTED
            yield NotListed(reason, seen.page, seen.instagram_id, sources=sources)
        elif seen.instagram_id is None:
            reason = NotListedReason.PAGE_WITHOUT_INSTAGRAM
            yield NotListed(reason, seen.page, sources=sources)


class Discovery:
    """Asks all sources for one person's accounts."""

    def __init__(
        self, resources: FacebookResources, *, clock: Clock, wanted_scopes: Sequence[str]
    ) -> None:
        self._resources = resources
        self._clock = clock
        self._wanted = tuple(wanted_scopes)

    async def discover(
        self,
        token: UserToken,
        *,
        permissions: Permissions | Awaitable[Permissions | None] | None,
        granular: GranularScopes | Awaitable[GranularScopes | None] | None,
        progress: Progress | None = None,
    ) -> Listing:
        """The listing. Raises GraphError if the token is dead or no source answered.

        `granular` None: no granular scopes are named. `permissions` None: unknown.
        """
        walk = _Walk(self._resources, token, progress or Progress(), self._wanted)
        try:
            async with asyncio.TaskGroup() as tasks:
                walk.start(tasks, permissions, granular)
        except ExceptionGroup as group:
            failure = _most_telling(group)
        else:
            walk.refuse_if_all_failed()
            return walk.progress.listing(self._clock())
        raise failure


class _Walk:
    """One discovery while it goes on."""

    def __init__(
        self,
        resources: FacebookResources,
        token: UserToken,
        progress: Progress,
        wanted: tuple[str, ...],
    ) -> None:
        self._resources = resources
        self._token = token
        self._wanted = wanted
        self._asked = {Source.ACCOUNTS}
        self._first_answer = asyncio.Event()
        self._edges = asyncio.Semaphore(MOST_EDGES_AT_ONCE)
        self.progress = progress

    def start(
        self,
        tasks: asyncio.TaskGroup,
        permissions: Permissions | Awaitable[Permissions | None] | None,
        granular: GranularScopes | Awaitable[GranularScopes | None] | None,
    ) -> None:
        """Starts every source on `tasks`."""
        named = tasks.create_task(_settled(granular))
        granted = tasks.create_task(_settled(permissions))
        tasks.create_task(self._from_accounts())
        tasks.create_task(self._from_granular(named))
        tasks.create_task(self._from_portfolios(tasks, granted, named))

    def refuse_if_all_failed(self) -> None:
        """Raises what /me/accounts answered where there is nothing to show.

        A refusal for want of a permission is no failure but an answer (contract §6, 403).
        """
        error = self.progress.first_failure
        if error is None or not self.progress.is_empty:
            return
        if self.progress.all_failed(self._asked) and warning_code(error) != PermissionMissing.code:
            raise error

    async def _from_accounts(self) -> None:
        with self.progress.asking(Source.ACCOUNTS):
            try:
                async for part in self._resources.walk_accounts(self._token):
                    self.progress.add_part(part, Source.ACCOUNTS)
                    self._first_answer.set()
            finally:
                self._first_answer.set()

    async def _from_granular(self, named: asyncio.Task[GranularScopes | GraphError | None]) -> None:
        """Reads what the person ticked and nothing has shown yet: Pages, then accounts.

        Each part of a batch counts as a call (graph-facts 11.8), so what another answer is about
        to show isn't asked: the first one of /me/accounts, which is on its way as long as
        debug_token is, and the Pages, which name their accounts.
        """
        scopes = await named
        if isinstance(scopes, GraphError):
            self._asked.update(_GRANULAR)
            self.progress.fail(scopes, *_GRANULAR)
        if not isinstance(scopes, GranularScopes):
            self.progress.done(*_GRANULAR)
            return
        self.progress.chosen(id_ for ids in scopes.targets.values() for id_ in ids or ())
        await self._head_start()
        await self._read_pages(scopes)
        await self._read_accounts(scopes)

    async def _head_start(self) -> None:
        with _suppressed_timeout():
            async with asyncio.timeout(HEAD_START_SECONDS):
                await self._first_answer.wait()

    async def _read_pages(self, scopes: GranularScopes) -> None:
        ids = [
            id_ for id_ in map(PageId, scopes.ids("pages_")) if not self.progress.knows_page(id_)
        ]
        with self.progress.asking(Source.GRANULAR_PAGES):
            for page_id, outcome in (await self._resources.read_pages(self._token, ids)).items():
                self._asked.add(Source.GRANULAR_PAGES)
                if isinstance(outcome, GraphError):
                    self.progress.add_unread_page(page_id, outcome)
                else:
                    self.progress.add_page(outcome, Source.GRANULAR_PAGES)

    async def _read_accounts(self, scopes: GranularScopes) -> None:
        named = map(InstagramAccountId, scopes.ids("instagram_"))
        ids = [id_ for id_ in named if not self.progress.knows_account(id_)]
        with self.progress.asking(Source.GRANULAR_INSTAGRAM):
            found = await self._resources.read_instagram_accounts(self._token, ids)
            for account_id, outcome in found.items():
                self._asked.add(Source.GRANULAR_INSTAGRAM)
                if isinstance(outcome, GraphError):
                    self.progress.add_unread_account(account_id, outcome)
                else:
                    self.progress.add_account(outcome, Source.GRANULAR_INSTAGRAM)

    async def _from_portfolios(
        self,
        tasks: asyncio.TaskGroup,
        granted: asyncio.Task[Permissions | GraphError | None],
        named: asyncio.Task[GranularScopes | GraphError | None],
    ) -> None:
        if not await self._may_ask_portfolios(granted, named):
            self.progress.done(*_PORTFOLIO)
            return
        self._asked.add(Source.BUSINESSES)
        with self.progress.asking(*_PORTFOLIO):
            found = await self._resources.businesses(self._token)
            self.progress.add_malformed_businesses(found.malformed)
            if not found.complete:
                self.progress.truncated(Source.BUSINESSES)
            self.progress.done(Source.BUSINESSES)
            await self._walk_portfolios(tasks, found.ids)

    async def _may_ask_portfolios(
        self,
        granted: asyncio.Task[Permissions | GraphError | None],
        named: asyncio.Task[GranularScopes | GraphError | None],
    ) -> bool:
        """By /me/permissions; where those are unknown, by the granular scopes."""
        permissions = await granted
        if isinstance(permissions, Permissions):
            granted_scopes = permissions.granted
            self.progress.missing(each for each in self._wanted if each not in granted_scopes)
            return BUSINESS_MANAGEMENT in granted_scopes
        scopes = await named
        if isinstance(scopes, GranularScopes) and BUSINESS_MANAGEMENT in scopes.targets:
            return True
        if isinstance(permissions, GraphError):
            self.progress.fail(permissions, *_PORTFOLIO)
        return False

    async def _walk_portfolios(self, tasks: asyncio.TaskGroup, ids: Iterable[BusinessId]) -> None:
        walks = [
            tasks.create_task(self._walk_portfolio(business, edge))
            for business in ids
            for edge in _PORTFOLIO_EDGES
        ]
        if walks:
            await asyncio.wait(walks)

    async def _walk_portfolio(
        self, business: BusinessId, edge: Literal[Source.OWNED_PAGES, Source.CLIENT_PAGES]
    ) -> None:
        async with self._edges:
            try:
                walk = self._resources.walk_business_pages(self._token, business, edge)
                async for part in walk:
                    self.progress.add_part(part, edge)
            except GraphError as error:
                self.progress.fail(error, edge)


def merge(stored: Listing, fresh: Listing) -> Listing:
    """A partial answer over the stored one: what a failed source could have shown stays."""
    if not fresh.failed_sources:
        return fresh
    accounts = {account.id: account for account in fresh.accounts}
    for old in stored.accounts:
        if old.sources & fresh.failed_sources:
            accounts[old.id] = _kept(old, accounts.get(old.id), fresh.failed_sources)
    kept = (row for row in stored.not_listed if row.sources & fresh.failed_sources)
    explained = {_row_key(row) for row in fresh.not_listed}
    shown = {page.id for account in accounts.values() for page in account.pages}
    rows = [
        row
        for row in (*fresh.not_listed, *(row for row in kept if _row_key(row) not in explained))
        if row.instagram_account_id not in accounts and not (row.page and row.page.id in shown)
    ]
    return replace(
        fresh,
        accounts=in_order(accounts.values()),
        not_listed=tuple(sorted(rows, key=_row_order)),
    )


def in_order(accounts: Iterable[InstagramAccount]) -> tuple[InstagramAccount, ...]:
    """By username, case-folded, nulls last, then by id (contract §6)."""
    return tuple(
        sorted(
            accounts,
            key=lambda each: (each.username is None, (each.username or "").casefold(), each.id),
        )
    )


def _kept(
    old: InstagramAccount, new: InstagramAccount | None, failed: frozenset[Source]
) -> InstagramAccount:
    """An account that was stored, with what is newly known of it."""
    if new is None:
        return old
    pages = {page.id: page for page in (*old.pages, *new.pages)}
    return replace(
        new,
        pages=tuple(pages[page_id] for page_id in sorted(pages)),
        sources=new.sources | (old.sources & failed),
    )


def _with_pages(account: InstagramAccount, leading: Iterable[_SeenPage]) -> InstagramAccount:
    seen = sorted(leading, key=lambda each: each.page.id)
    sources = account.sources.union(*(each.sources for each in seen))
    return replace(account, pages=tuple(each.page for each in seen), sources=sources)


def _richer(known: InstagramAccount, other: InstagramAccount) -> InstagramAccount:
    """The same account seen twice: each field from where it was given, sources together."""
    filled = {
        each.name: getattr(other, each.name)
        for each in fields(InstagramAccount)
        if getattr(known, each.name) is None
    }
    return replace(known, **filled, sources=known.sources | other.sources)


def _richer_page(known: Page, other: Page) -> Page:
    return Page(known.id, known.name or other.name, known.tasks or other.tasks)


def _is_about_one_node(error: GraphError) -> bool:
    if isinstance(error, GraphRefusal):
        return error.meaning in _ABOUT_ONE_NODE
    return isinstance(error, GraphMalformed)


def _reason(error: GraphError, otherwise: NotListedReason) -> NotListedReason:
    return NotListedReason.MALFORMED if isinstance(error, GraphMalformed) else otherwise


def _cause(error: GraphError) -> str | None:
    return cause_of(error) if isinstance(error, GraphRefusal) else None


def _once_each(rows: Iterable[NotListed]) -> Iterator[NotListed]:
    """Rows about the same thing become one, with every source; nameless ones all count."""
    known: dict[tuple[str | None, str | None], NotListed] = {}
    for row in rows:
        key = _row_key(row)
        if key == (None, None):
            yield row
        elif key in known:
            known[key] = replace(known[key], sources=known[key].sources | row.sources)
        else:
            known[key] = row
    yield from known.values()


def _row_key(row: NotListed) -> tuple[str | None, str | None]:
    return (row.page.id if row.page else None, row.instagram_account_id)


def _row_order(row: NotListed) -> tuple[str, str, str]:
    page_id, account_id = _row_key(row)
    return (row.reason, page_id or "", account_id or "")


def _most_telling(group: ExceptionGroup) -> Exception:
    """Of what ended the tasks: the death of the token, else whatever came first."""
    deaths = (each for each in group.exceptions if isinstance(each, GraphError))
    return next(deaths, group.exceptions[0])


@contextmanager
def _suppressed_timeout() -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        return


async def _settled(value: T | Awaitable[T | None] | None) -> T | GraphError | None:
    """What a value is or becomes; a caller's own task isn't cancelled along with ours."""
    try:
        if isinstance(value, asyncio.Future):
            settled: T | None = await asyncio.shield(value)
            return settled
        return await value if isinstance(value, Awaitable) else value
    except GraphError as error:
        if is_token_death(error):
            raise
        return error
