"""What Graph is asked for with a person's token: profile, permissions, Pages, Instagram accounts.

Meta, reference of User, User/accounts, Business, IG User (graph-facts §6-§9). Page tokens are
looked at and dropped at once, never kept (contract §6).
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from igauth.domain import (
    BusinessId,
    InstagramAccount,
    InstagramAccountId,
    PageId,
    Permissions,
    Source,
)
from igauth.meta.door import PageNode
from igauth.meta.errors import (
    GraphError,
    GraphRefusal,
    GraphTimeout,
    GraphUnavailable,
    GraphUnreadable,
    Meaning,
)
from igauth.meta.facebook.batch import NodeKind, NodeReader
from igauth.meta.facebook.caller import Caller
from igauth.meta.facebook.fields import (
    TASKS,
    TOKEN,
    InstagramFields,
    PageFields,
    ProfileFields,
    narrowing,
)
from igauth.meta.facebook.nodes import NodeParser, Profile, parse_permissions
from igauth.meta.facebook.paging import LARGEST_PAGE, EdgePart, EdgeWalk
from igauth.meta.text import as_id
from igauth.meta.verdicts import ends_everything

_ACCOUNTS: Final = "me/accounts"
_WITHOUT_PAGES: Final = frozenset(
    {
        *(Meaning.PERMISSION, Meaning.FIELD_REFUSED, Meaning.NOT_VISIBLE, Meaning.OTHER),
        *(Meaning.REDUCE_DATA, Meaning.PERHAPS_TOO_MUCH, Meaning.NODE_THROTTLED),
        *(Meaning.TWO_FACTOR, Meaning.IDENTITY_CHECK, Meaning.RESTRICTED, Meaning.ROLE_LOST),
        *(Meaning.PAGE_ITSELF, Meaning.MIGRATED),
    }
)
"""Refusals of `/me` with Pages that the Pages may have caused: it is asked again without them."""


@dataclass(frozen=True, slots=True)
class ListPart:
    """One answer of a listing edge. `truncated`: a bound ended the walk, there may be more.

    `malformed`: one entry each, the Page's id where it could be read.
    """

    nodes: tuple[PageNode, ...]
    malformed: tuple[PageId | None, ...] = ()
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class FirstPages:
    """The first page of /me/accounts, as it came with the profile; `rest` has what follows."""

    part: ListPart
    rest: "PageWalk | None"


class PageWalk:
    """A walk over an edge of Pages."""

    def __init__(self, edge: EdgeWalk, fields: PageFields, parser: NodeParser) -> None:
        self._edge = edge
        self._fields = fields
        self._parser = parser

    async def parts(self) -> AsyncIterator[ListPart]:
        """Every answer in turn. Raises GraphError where the edge itself refuses."""
        async for part in self._edge.parts():
            yield self._read(part)

    def begin_with(self, body: Any) -> FirstPages:
        """Takes a first page that came inside another answer. Raises GraphUnreadable."""
        part, more = self._edge.begin_with(body)
        return FirstPages(self._read(part), self if more else None)

    def _read(self, part: EdgePart) -> ListPart:
        read = [(self._parser.page(entry, self._fields), entry) for entry in part.entries]
        return ListPart(
            nodes=tuple(node for node, _ in read if node is not None),
            malformed=tuple(_id_of(entry) for node, entry in read if node is None),
            truncated=part.truncated,
        )


@dataclass(frozen=True, slots=True)
class Reading:
    """One person's reads. Every method raises `GraphError` and nothing else."""

    caller: Caller
    parser: NodeParser

    async def profile(self, repeats: int | None = None) -> Profile:
        """The person and their permissions; a call more where those are missing."""
        fields = ProfileFields()

        async def ask() -> Any:
            query = {"fields": fields.text()}
            return (await self.caller.get("me", "me", query, repeats=repeats)).body

        return await self._profile_in(await narrowing(ask, fields))

    async def profile_with_pages(self, listing: "Reading") -> tuple[Profile, FirstPages | None]:
        """The same and the first Pages, in one call by field expansion (graph-facts 6.6).

        Where the Pages may have spoilt it, it is asked again without them: no Pages then.
        `listing` reads what follows the first Pages.
        """
        walk, pages = listing._accounts()
        expansion = f"accounts.limit({LARGEST_PAGE}){{{pages.text()}}}"
        query = {"fields": f"{ProfileFields().text()},{expansion}"}
        try:
            body = (await self.caller.get("me", "me", query, repeats=0)).body
        except GraphRefusal as refusal:
            if refusal.meaning not in _WITHOUT_PAGES and not refusal.repeatable:
                raise
        except GraphUnavailable as error:
            if not isinstance(error, GraphTimeout | GraphUnreadable) and not error.repeatable:
                raise
        else:
            return await self._profile_in(body), _first_pages(walk, body.get("accounts"))
        return await self.profile(repeats=1), None

    async def _profile_in(self, body: Any) -> Profile:
        profile = self.parser.profile(body)
        if profile is None:
            raise GraphUnreadable("me", "the answer holds no id")
        if profile.permissions is not None:
            return profile
        try:
            return replace(profile, permissions=await self.permissions())
        except GraphError as error:
            if ends_everything(error):
                raise
            return profile

    async def permissions(self) -> Permissions:
        """What was granted and declined; it says nothing of which assets (trap 7)."""
        walk = EdgeWalk(self.caller, "me/permissions", "me/permissions")
        entries = [entry async for part in walk.parts() for entry in part.entries]
        return parse_permissions(entries)

    def walk_accounts(self) -> PageWalk:
        """Every page of /me/accounts. Pages of portfolios may be left out (trap 21)."""
        return self._accounts()[0]

    def _accounts(self) -> tuple[PageWalk, PageFields]:
        fields = PageFields(TASKS)
        edge = EdgeWalk(self.caller, _ACCOUNTS, _ACCOUNTS, fields)
        return PageWalk(edge, fields, self.parser), fields

    def walk_business_pages(
        self, business: BusinessId, edge: Literal[Source.OWNED_PAGES, Source.CLIENT_PAGES]
    ) -> PageWalk:
        """A portfolio's own or its clients' Pages, and whether we get a token for each."""
        fields = PageFields(TOKEN)
        walk = EdgeWalk(self.caller, f"{{business}}/{edge}", f"{business}/{edge}", fields)
        return PageWalk(walk, fields, self.parser)

    async def businesses(self) -> AsyncIterator[tuple[list[BusinessId | None], bool]]:
        """The portfolios in which the person has a role (7.6): ids, None for malformed ones, and
        whether a bound ended the walk."""
        walk = EdgeWalk(self.caller, "me/businesses", "me/businesses", query={"fields": "id"})
        async for part in walk.parts():
            ids = [_id_of(entry) for entry in part.entries]
            yield [None if each is None else BusinessId(each) for each in ids], part.truncated

    async def read_pages(
        self,
        ids: Sequence[PageId],
        tell: Callable[[PageId, PageNode | GraphError], None],
        fail: Callable[[GraphError], None],
    ) -> None:
        """Pages by id, in batches side by side; each is told with its node or its own error."""
        kind = NodeKind("{page}", PageFields, self.parser.page)
        await NodeReader(self.caller, kind, tell, fail).read(ids)

    async def read_instagram_accounts(
        self,
        ids: Sequence[InstagramAccountId],
        tell: Callable[[InstagramAccountId, InstagramAccount | GraphError], None],
        fail: Callable[[GraphError], None],
    ) -> None:
        """Instagram accounts by id with the person's own token (graph-facts 7.6 C, 8.3)."""
        kind = NodeKind("{instagram}", InstagramFields, lambda body, _: self.parser.account(body))
        await NodeReader(self.caller, kind, tell, fail).read(ids)


def _first_pages(walk: PageWalk, nested: Any) -> FirstPages | None:
    """What the expansion gave: an edge without entries is left out (0.8), so that is no Page.

    None where it can't be read: the edge is asked by itself then.
    """
    try:
        return walk.begin_with({"data": []} if nested is None else nested)
    except GraphUnreadable:
        return None


def _id_of(entry: Any) -> PageId | None:
    found = as_id(entry.get("id")) if isinstance(entry, dict) else None
    return None if found is None else PageId(found)
