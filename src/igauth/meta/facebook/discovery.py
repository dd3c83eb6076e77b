"""Discovery: every Instagram account a person granted, and why an expected one is missing.

All sources are asked side by side (contract §6, graph-facts §7): `/me/accounts`, the ids of the
granular scopes, and the portfolios. What they tell goes into `Findings`, where it is merged.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, TypeVar

from igauth.domain import (
    BusinessId,
    GranularScopes,
    InstagramAccount,
    InstagramAccountId,
    PageId,
    Permissions,
    Source,
)
from igauth.errors import PermissionMissing
from igauth.meta.door import Findings, PageNode
from igauth.meta.errors import GraphError
from igauth.meta.facebook.debugging import DebuggedToken
from igauth.meta.facebook.reading import FirstPages, ListPart, PageWalk, Reading
from igauth.meta.side_by_side import side_by_side
from igauth.meta.verdicts import ends_everything, obstacle_of, warning_code

HEAD_START_SECONDS: Final = 1.0
BUSINESS_MANAGEMENT: Final = "business_management"
_EDGES: Final[tuple[Literal[Source.OWNED_PAGES], Literal[Source.CLIENT_PAGES]]] = (
    Source.OWNED_PAGES,
    Source.CLIENT_PAGES,
)
_PORTFOLIO: Final = (Source.BUSINESSES, *_EDGES)
_GRANULAR: Final = (Source.GRANULAR_PAGES, Source.GRANULAR_INSTAGRAM)
SOURCES: Final = (Source.ACCOUNTS, *_GRANULAR, *_PORTFOLIO)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Beside:
    """Calls beside the walk, whose answers it needs; each may end in a GraphError.

    `permissions`: None where nobody knows. `first_pages`: those that a login's profile brought
    along; without them, they are asked for. `known`: what was chosen as of last time, for where
    that isn't told now.
    """

    permissions: "asyncio.Future[Permissions | None]"
    granular: "asyncio.Future[GranularScopes]"
    first_pages: "asyncio.Future[FirstPages | None] | None" = None
    known: GranularScopes | None = None


class Discovery:
    """One walk over all sources."""

    def __init__(self, reading: Reading, findings: Findings, beside: Beside) -> None:
        self._reading = reading
        self._findings = findings
        self._beside = beside
        self._asked = {Source.ACCOUNTS}
        self._failed: dict[Source, GraphError] = {}
        self._first_answer = asyncio.Event()
        findings.expect(*SOURCES)

    async def walk(self) -> None:
        """Raises GraphError if the token is dead, or the app blocked, or no source answered."""
        await side_by_side(self._from_accounts(), self._from_granular(), self._from_portfolios())
        error = self._failed.get(Source.ACCOUNTS)
        if error is not None and self._findings.is_empty and self._nobody_answered(error):
            raise error

    def _nobody_answered(self, error: GraphError) -> bool:
        """A refusal for want of a permission is no failure but an answer (contract §6, 403)."""
        for_want = warning_code(error) == PermissionMissing.code
        return not for_want and self._asked.issubset(self._failed)

    # -- how a source ends

    @contextmanager
    def _asking(self, *sources: Source) -> Iterator[None]:
        """Notes how the asking ends; only what ends everything goes on upwards."""
        try:
            yield
        except GraphError as error:
            self._fail(error, *sources)
        self._findings.done(*sources)

    def _fail(self, error: GraphError, *sources: Source) -> None:
        if ends_everything(error):
            raise error
        self._failed.update(dict.fromkeys(sources, error))
        self._findings.fail(error, *sources)

    async def _add(self, part: ListPart, source: Source) -> None:
        """One answer of a listing edge; then others have their turn."""
        for node in part.nodes:
            self._findings.add_page(node, source)
        for page_id in part.malformed:
            self._findings.add_malformed(source, page_id)
        if part.truncated:
            self._findings.truncate(source)
        await asyncio.sleep(0)

    # -- /me/accounts

    async def _from_accounts(self) -> None:
        with self._asking(Source.ACCOUNTS):
            try:
                walk = await self._after_first_pages()
                if walk is not None:
                    async for part in walk.parts():
                        await self._add(part, Source.ACCOUNTS)
                        self._first_answer.set()
            finally:
                self._first_answer.set()

    async def _after_first_pages(self) -> PageWalk | None:
        if self._beside.first_pages is None:
            return self._reading.walk_accounts()
        first = await asyncio.shield(self._beside.first_pages)
        if first is None:
            return self._reading.walk_accounts()
        await self._add(first.part, Source.ACCOUNTS)
        self._first_answer.set()
        return first.rest

    # -- granular scopes

    async def _from_granular(self) -> None:
        """Reads what the person ticked and nothing has shown yet: Pages, then accounts.

        Each part of a batch counts as a call (graph-facts 11.8), so what another answer is about
        to show isn't asked: the first one of /me/accounts, which is on its way as long as
        debug_token is, and the Pages, which name their accounts.
        """
        granular = self._beside.known
        told = await _told(self._beside.granular)
        if isinstance(told, GraphError):
            self._asked.update(_GRANULAR)
            self._fail(told, *_GRANULAR)
        else:
            granular = told
        if granular is not None:
            self._findings.choose(granular)
            await self._head_start()
            await self._read_pages(granular)
            await self._read_accounts(granular)
        self._findings.done(*_GRANULAR)

    async def _head_start(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(HEAD_START_SECONDS):
                await self._first_answer.wait()

    async def _read_pages(self, granular: GranularScopes) -> None:
        named = map(PageId, granular.ids("pages_"))
        with self._asking(Source.GRANULAR_PAGES):
            await self._reading.read_pages(
                [each for each in named if not self._findings.knows_page(each)],
                self._tell_page,
                partial(self._fail_reading, Source.GRANULAR_PAGES),
            )

    def _tell_page(self, page_id: PageId, outcome: PageNode | GraphError) -> None:
        self._asked.add(Source.GRANULAR_PAGES)
        if not isinstance(outcome, GraphError):
            self._findings.add_page(outcome, Source.GRANULAR_PAGES)
        elif obstacle_of(outcome) is None:
            self._fail(outcome, Source.GRANULAR_PAGES)
        else:
            self._findings.add_unread_page(page_id, outcome, Source.GRANULAR_PAGES)

    def _fail_reading(self, source: Source, error: GraphError) -> None:
        self._asked.add(source)
        self._fail(error, source)

    async def _read_accounts(self, granular: GranularScopes) -> None:
        named = map(InstagramAccountId, granular.ids("instagram_"))
        with self._asking(Source.GRANULAR_INSTAGRAM):
            await self._reading.read_instagram_accounts(
                [each for each in named if not self._findings.knows_account(each)],
                self._tell_account,
                partial(self._fail_reading, Source.GRANULAR_INSTAGRAM),
            )

    def _tell_account(
        self, account_id: InstagramAccountId, outcome: InstagramAccount | GraphError
    ) -> None:
        self._asked.add(Source.GRANULAR_INSTAGRAM)
        if not isinstance(outcome, GraphError):
            self._findings.add_account(outcome, Source.GRANULAR_INSTAGRAM)
        elif obstacle_of(outcome) is None:
            self._fail(outcome, Source.GRANULAR_INSTAGRAM)
        else:
            self._findings.add_unread_account(account_id, outcome, Source.GRANULAR_INSTAGRAM)

    # -- business portfolios

    async def _from_portfolios(self) -> None:
        if not await self._may_ask_portfolios():
            self._findings.done(*_PORTFOLIO)
            return
        self._asked.add(Source.BUSINESSES)
        with self._asking(*_PORTFOLIO):
            businesses = await self._businesses()
            self._findings.done(Source.BUSINESSES)
            await side_by_side(
                *(self._walk_portfolio(each, edge) for each in businesses for edge in _EDGES)
            )

    async def _may_ask_portfolios(self) -> bool:
        """By /me/permissions; where those are unknown, by the granular scopes."""
        permissions = await _told(self._beside.permissions)
        if isinstance(permissions, Permissions):
            self._findings.grant(permissions)
            return BUSINESS_MANAGEMENT in permissions.granted
        granular = await _told(self._beside.granular)
        if isinstance(granular, GranularScopes) and BUSINESS_MANAGEMENT in granular.targets:
            return True
        if permissions is not None:
            self._fail(permissions, *_PORTFOLIO)
        return False

    async def _businesses(self) -> list[BusinessId]:
        found: dict[BusinessId, None] = {}
        async for ids, truncated in self._reading.businesses():
            found.update((each, None) for each in ids if each is not None)
            for _ in range(ids.count(None)):
                self._findings.add_malformed(Source.BUSINESSES)
            if truncated:
                self._findings.truncate(Source.BUSINESSES)
        return list(found)

    async def _walk_portfolio(
        self, business: BusinessId, edge: Literal[Source.OWNED_PAGES, Source.CLIENT_PAGES]
    ) -> None:
        try:
            async for part in self._reading.walk_business_pages(business, edge).parts():
                await self._add(part, edge)
        except GraphError as error:
            self._fail(error, edge)


async def _told(answer: "asyncio.Future[T]") -> T | GraphError:
    """What a call beside the walk told. It isn't cancelled along with the walk."""
    try:
        return await asyncio.shield(answer)
    except GraphError as error:
        if ends_everything(error):
            raise
        return error


async def granular_of(debugging: "asyncio.Task[DebuggedToken]") -> GranularScopes:
    """What a debug_token under way says of the person's choice. Raises GraphError."""
    return (await asyncio.shield(debugging)).granular
