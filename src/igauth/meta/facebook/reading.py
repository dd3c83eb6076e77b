"""What Graph is asked for with a person's token: profile, permissions, Pages, Instagram accounts.

Meta, reference of User, User/accounts, Business, IG User, "Batch requests" (graph-facts §6-§9,
§12). Page tokens are never kept.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from igauth.domain import (
    AppScopedUserId,
    BusinessId,
    InstagramAccount,
    InstagramAccountId,
    Page,
    PageId,
    Permissions,
    Source,
)
from igauth.meta.batch import NodeKind, NodeReader
from igauth.meta.client import Answer, GraphClient, Request
from igauth.meta.errors import GraphError, GraphUnavailable
from igauth.meta.facebook.fields import FieldSet, narrowing
from igauth.meta.facebook.nodes import (
    WireBusiness,
    WireInstagram,
    WirePage,
    WireProfile,
    parse_node,
    parse_permissions,
)
from igauth.meta.facebook.proof import UserToken
from igauth.meta.paging import EdgePart, EdgeWalk
from igauth.meta.text import as_id

_INSTAGRAM_FIELDS: Final = (
    "username",
    "name",
    "biography",
    "website",
    "profile_picture_url",
    "followers_count",
    "follows_count",
    "media_count",
)


@dataclass(frozen=True, slots=True)
class Profile:
    """The person behind a token, and what they granted."""

    id: AppScopedUserId
    name: str | None
    picture_url: str | None
    permissions: Permissions | None


@dataclass(frozen=True, slots=True)
class PageNode:
    """A Page with the Instagram account linked to it; None where the key is absent (trap 22).

    `has_page_token`: whether Facebook gives us a token for it; None where it wasn't asked.
    """

    page: Page
    instagram: InstagramAccount | None
    has_page_token: bool | None = None


@dataclass(frozen=True, slots=True)
class ListPart:
    """One answer of a listing edge. `truncated`: a bound ended the walk, there may be more."""

    nodes: tuple[PageNode, ...]
    malformed: int = 0
    malformed_ids: tuple[PageId, ...] = ()
    truncated: bool = False


@dataclass(frozen=True, slots=True)
class Businesses:
    """The person's business portfolios; `complete` is False when a bound ended the walk."""

    ids: tuple[BusinessId, ...]
    malformed: int
    complete: bool


class FacebookResources:
    """Reads with a person's token. Every method raises `GraphError` and nothing else.

    Picture links must be https; those of `stand_in_url`, an offline Facebook, may be http.
    """

    def __init__(self, graph: GraphClient, *, stand_in_url: str | None = None) -> None:
        self._graph = graph
        stand_in = (f"{stand_in_url.rstrip('/')}/",) if stand_in_url else ()
        self._pictures = ("https://", *stand_in)
        self._user = FieldSet(
            "user",
            ("id",),
            {
                "name": "name",
                "picture": "picture{url}",
                "permissions": "permissions{permission,status}",
            },
            graph.monotonic,
        )
        self._page = FieldSet("page", ("id",), {"name": "name", "tasks": "tasks"}, graph.monotonic)
        self._instagram = FieldSet(
            "ig", ("id",), {name: name for name in _INSTAGRAM_FIELDS}, graph.monotonic
        )

    async def profile(self, token: UserToken) -> Profile:
        """One call for the person and their permissions; a second only where those are missing."""
        answer = await narrowing(lambda: self._fetch_me(token), (self._user,))
        person = parse_node(WireProfile, answer.body, self._pictures)
        if person is None:
            raise GraphUnavailable("me", "the answer holds no id")
        permissions = _nested_permissions(answer.body.get("permissions"))
        return Profile(
            AppScopedUserId(person.id),
            person.name,
            person.picture,
            permissions if permissions is not None else await self.permissions(token),
        )

    async def _fetch_me(self, token: UserToken) -> Answer:
        query = {"fields": self._user.current()}
        return await self._graph.fetch(Request("me", "me", query=query, token=token))

    async def permissions(self, token: UserToken) -> Permissions:
        """What was granted and declined; it says nothing of which assets (trap 7)."""
        walk = self._walk(token, "me/permissions", "me/permissions", dict)
        entries = [entry async for part in walk.parts() for entry in part.entries]
        return parse_permissions(entries)

    async def walk_accounts(self, token: UserToken) -> AsyncIterator[ListPart]:
        """Every page of /me/accounts. Pages of portfolios may be left out (trap 21)."""
        async for part in self._walk_pages(token, "me/accounts", "me/accounts", with_token=False):
            yield part

    async def businesses(self, token: UserToken) -> Businesses:
        """The business portfolios in which the person has a role (graph-facts 7.6)."""
        walk = self._walk(token, "me/businesses", "me/businesses", lambda: {"fields": "id"})
        ids: dict[BusinessId, None] = {}
        malformed, complete = 0, True
        async for part in walk.parts():
            nodes = [parse_node(WireBusiness, entry, ()) for entry in part.entries]
            ids.update((BusinessId(node.id), None) for node in nodes if node)
            malformed += nodes.count(None)
            complete = complete and not part.truncated
        return Businesses(tuple(ids), malformed, complete)

    async def walk_business_pages(
        self,
        token: UserToken,
        business: BusinessId,
        edge: Literal[Source.OWNED_PAGES, Source.CLIENT_PAGES],
    ) -> AsyncIterator[ListPart]:
        """A portfolio's own or its clients' Pages, and whether we get a token for each."""
        endpoint, path = f"{{business}}/{edge}", f"{business}/{edge}"
        async for part in self._walk_pages(token, endpoint, path, with_token=True):
            yield part

    async def read_pages(
        self, token: UserToken, ids: Sequence[PageId]
    ) -> Mapping[PageId, PageNode | GraphError]:
        """Pages by id, in batches side by side; each has its node or its own error."""
        sets = (self._page, self._instagram)
        kind = NodeKind("{page}", self._page_fields, sets, self._page_node)
        return await NodeReader(self._graph, token, kind).read(ids)

    async def read_instagram_accounts(
        self, token: UserToken, ids: Sequence[InstagramAccountId]
    ) -> Mapping[InstagramAccountId, InstagramAccount | GraphError]:
        """Instagram accounts by id with the person's own token (graph-facts 7.6 C, 8.3)."""
        sets = (self._instagram,)
        kind = NodeKind("{instagram}", self._instagram.current, sets, self._account)
        return await NodeReader(self._graph, token, kind).read(ids)

    # -- edges

    async def _walk_pages(
        self, token: UserToken, endpoint: str, path: str, *, with_token: bool
    ) -> AsyncIterator[ListPart]:
        def query() -> Mapping[str, str]:
            return {"fields": self._page_fields() + (",access_token" if with_token else "")}

        walk = self._walk(token, endpoint, path, query, (self._page, self._instagram))
        async for part in walk.parts():
            yield self._list_part(part, with_token)

    def _walk(
        self,
        token: UserToken,
        endpoint: str,
        path: str,
        query: Callable[[], Mapping[str, str]],
        field_sets: tuple[FieldSet, ...] = (),
    ) -> EdgeWalk:
        return EdgeWalk(self._graph, token, endpoint, path, query, field_sets)

    def _page_fields(self) -> str:
        return f"{self._page.current()},instagram_business_account{{{self._instagram.current()}}}"

    def _list_part(self, part: EdgePart, with_token: bool) -> ListPart:
        read = [(self._page_node(entry, with_token), entry) for entry in part.entries]
        bad = [entry for node, entry in read if node is None]
        known = (as_id(entry.get("id")) for entry in bad if isinstance(entry, Mapping))
        return ListPart(
            nodes=tuple(node for node, _ in read if node is not None),
            malformed=len(bad),
            malformed_ids=tuple(PageId(found) for found in known if found),
            truncated=part.truncated,
        )

    def _page_node(self, entry: Any, with_token: bool = False) -> PageNode | None:
        wire = parse_node(WirePage, entry, self._pictures)
        if wire is None:
            return None
        return PageNode(
            page=wire.page(),
            instagram=wire.instagram.account() if wire.instagram else None,
            has_page_token=wire.has_page_token if with_token else None,
        )

    def _account(self, body: Any) -> InstagramAccount | None:
        wire = parse_node(WireInstagram, body, self._pictures)
        return wire.account() if wire else None


def _nested_permissions(value: Any) -> Permissions | None:
    """`permissions{…}` of /me, unless it is missing or only a first page of it (6.6)."""
    if not isinstance(value, Mapping) or not isinstance(value.get("data"), list):
        return None
    paging = value.get("paging")
    if isinstance(paging, Mapping) and paging.get("next"):
        return None
    return parse_permissions(value["data"])
