"""Discovery: every Instagram account a person granted, and why an expected one is missing.

All sources are asked side by side and merged on the Instagram id (contract §6, graph-facts §7).
No database here: `merge` says what a partial answer keeps of a stored one.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Literal, TypeVar

from igauth.domain import (
    BusinessId,
    Clock,
    GranularScopes,
    InstagramAccountId,
    Listing,
    PageId,
    Permissions,
    Source,
)
from igauth.errors import (
    PermissionMissing,
)
from igauth.listing.causes import is_token_death, warning_code
from igauth.listing.findings import BUSINESS_MANAGEMENT, PORTFOLIO_EDGES, Progress
from igauth.meta.errors import (
    GraphError,
)
from igauth.meta.facebook.proof import UserToken
from igauth.meta.facebook.reading import FacebookResources

HEAD_START_SECONDS: Final = 1.0
MOST_EDGES_AT_ONCE: Final = 20
_PORTFOLIO: Final = (Source.BUSINESSES, *PORTFOLIO_EDGES)
_GRANULAR: Final = (Source.GRANULAR_PAGES, Source.GRANULAR_INSTAGRAM)
T = TypeVar("T")


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
            for edge in PORTFOLIO_EDGES
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
