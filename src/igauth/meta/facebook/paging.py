"""Walking an edge to its end, by cursors (graph-facts 7.4, 7.5; traps 18-20).

`paging.next` has the token in clear, so it is never followed or kept: that it is there says that
there is more, its host that nobody misleads us, and the next query is our own with the cursor.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from igauth.meta.errors import GraphRefusal, GraphUnreadable, Meaning
from igauth.meta.facebook.caller import Caller
from igauth.meta.facebook.fields import PageFields, narrowing

LARGEST_PAGE: Final = 100
SMALLEST_PAGE: Final = 5
MOST_ENTRIES: Final = 10_000
MOST_PARTS: Final = 2_000
FACEBOOK_HOST: Final = "graph.facebook.com"
_TOO_MUCH: Final = (Meaning.REDUCE_DATA, Meaning.PERHAPS_TOO_MUCH)


@dataclass(frozen=True, slots=True)
class EdgePart:
    """The entries of one answer; `truncated`: a bound ended the walk, there may be more."""

    entries: tuple[Any, ...] = field(repr=False)
    truncated: bool = False


@dataclass(slots=True)
class EdgeWalk:
    """One walk over one edge. `fields`: of Pages, narrowed on the way; else `query` says it all."""

    caller: Caller
    endpoint: str
    path: str
    fields: PageFields | None = None
    query: Mapping[str, str] = field(default_factory=dict)
    _limit: int = LARGEST_PAGE
    _cursor: str | None = field(default=None, repr=False)
    _seen: set[str] = field(default_factory=set, repr=False)
    _entries: int = 0
    _parts: int = 0
    _restarted: bool = False

    async def parts(self) -> AsyncIterator[EdgePart]:
        """Every answer in turn. Raises GraphError where the edge itself refuses."""
        more = True
        while more:
            part, more = await self._next_part()
            yield part

    def begin_with(self, body: Any) -> tuple[EdgePart, bool]:
        """Takes a first page that came inside another answer (graph-facts 6.6).

        Returns its part, and whether `parts` has more. Raises GraphUnreadable.
        """
        if not isinstance(body, Mapping):
            raise GraphUnreadable(self.endpoint, "the answer holds no list")
        return self._take(body)

    async def _next_part(self) -> tuple[EdgePart, bool]:
        try:
            body = await self._fetch()
        except GraphRefusal as refusal:
            if not self._is_bad_cursor(refusal):
                raise
            return self._restart()
        return self._take(body)

    def _take(self, body: Mapping[str, Any]) -> tuple[EdgePart, bool]:
        entries = self._entries_of(body)
        more, truncated = self._advance(body.get("paging"))
        return EdgePart(entries, truncated), more and not truncated

    def _is_bad_cursor(self, refusal: GraphRefusal) -> bool:
        """2642, or a 100 whose text may be in any language (graph-facts 7.5)."""
        if self._cursor is None:
            return False
        return refusal.meaning is Meaning.BAD_CURSOR or (
            refusal.code == 100 and refusal.meaning is Meaning.OTHER
        )

    def _restart(self) -> tuple[EdgePart, bool]:
        """From the first page, once; the second bad cursor leaves the walk partial."""
        if self._restarted:
            return EdgePart((), truncated=True), False
        self._restarted = True
        self._cursor = None
        self._seen.clear()
        self._entries = 0
        return EdgePart(()), True

    async def _fetch(self) -> Mapping[str, Any]:
        """One page; halved while Graph asks for less data (graph-facts 6.7, 10.2)."""
        while True:
            try:
                return await narrowing(self._fetch_once, self.fields)
            except GraphRefusal as refusal:
                if refusal.meaning not in _TOO_MUCH or self._limit <= SMALLEST_PAGE:
                    raise
            self._limit = max(SMALLEST_PAGE, self._limit // 2)

    async def _fetch_once(self) -> Mapping[str, Any]:
        query = {**self.query, "limit": str(self._limit)}
        if self.fields is not None:
            query["fields"] = self.fields.text()
        if self._cursor is not None:
            query["after"] = self._cursor
        body: Mapping[str, Any] = (
            await self.caller.get(self.endpoint, self.path, query, shrinks=True)
        ).body
        return body

    def _entries_of(self, body: Mapping[str, Any]) -> tuple[Any, ...]:
        entries = body.get("data")
        if not isinstance(entries, list):
            raise GraphUnreadable(self.endpoint, "the answer holds no list")
        self._parts += 1
        room = MOST_ENTRIES - self._entries
        self._entries += len(entries)
        return tuple(entries[:room])

    def _advance(self, paging: Any) -> tuple[bool, bool]:
        """Whether there is more, and whether the walk must end in spite of it."""
        next_url = paging.get("next") if isinstance(paging, Mapping) else None
        if not next_url:
            return False, self._entries > MOST_ENTRIES
        cursor = _after(paging)
        if cursor is None or cursor in self._seen or self._is_foreign(next_url):
            return True, True
        self._seen.add(cursor)
        self._cursor = cursor
        return True, self._entries >= MOST_ENTRIES or self._parts >= MOST_PARTS

    def _is_foreign(self, next_url: Any) -> bool:
        try:
            host = urlsplit(next_url).hostname if isinstance(next_url, str) else None
        except ValueError:
            return True
        return host not in (self.caller.host_name, FACEBOOK_HOST)


def _after(paging: Mapping[str, Any]) -> str | None:
    cursors = paging.get("cursors")
    after = cursors.get("after") if isinstance(cursors, Mapping) else None
    usable = isinstance(after, str) and 0 < len(after) <= 4_000 and after.isascii()
    return after if usable else None
