"""Whom a throttle stops, noted once for everything that one answer refused (contract §8).

Meta names the one who must wait by the code, and for Pages and accounts by the usage headers
(graph-facts 11.2, 11.6). Each door has pauses of its own: its app is another one.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from igauth.meta.calls import Request
from igauth.meta.errors import GraphError, GraphRefusal, GraphThrottled
from igauth.meta.pauses import APP, PauseBook, page_scope, person_scope
from igauth.meta.verdicts import Pause, verdict_of

_UNKNOWN_SECONDS: Final = 60.0


class Throttling:
    """The pauses of one door's calls. `prefix` keeps them apart from the other door's."""

    def __init__(self, pauses: PauseBook, prefix: str = "") -> None:
        self._pauses = pauses
        self._prefix = prefix
        self._struck: set[str] = set()

    async def remaining(self, request: Request) -> float:
        """Seconds for which this call has to wait; 0.0 if it may go out."""
        return await self._pauses.remaining(self._named((APP, *request.scopes)))

    async def paused_nodes(self, endpoint: str, ids: Sequence[str]) -> dict[str, GraphError]:
        """Those Pages or accounts that have to wait, each with the error that says so."""
        if await self._pauses.remaining(self._named(map(page_scope, ids))) <= 0:
            return {}
        waits = {
            node: await self._pauses.remaining(self._named((page_scope(node),))) for node in ids
        }
        return {
            node: GraphThrottled(endpoint, math.ceil(seconds))
            for node, seconds in waits.items()
            if seconds > 0
        }

    async def note(
        self, refused: Iterable[tuple[Request, GraphRefusal]], regain_minutes: Mapping[str, float]
    ) -> int:
        """Records what one answer throttled, in one go; returns the wait in seconds."""
        hints: dict[str, float | None] = {}
        for request, refusal in refused:
            for scope, minutes in _scopes(request, refusal, regain_minutes).items():
                seconds = None if minutes is None else minutes * 60
                hints[self._prefix + scope] = max(
                    hints.get(self._prefix + scope) or 0, seconds or 0
                )
        if not hints:
            return math.ceil(_UNKNOWN_SECONDS)
        self._struck.update(hints)
        return math.ceil(
            await self._pauses.throttled({key: hint or None for key, hint in hints.items()})
        )

    async def succeeded(self, request: Request) -> None:
        """A call went well: where its pauses are over, the doubling ends."""
        if not self._struck:
            return
        struck = self._struck.intersection(self._named((APP, *request.scopes)))
        over = [scope for scope in struck if await self._pauses.remaining((scope,)) <= 0]
        if over:
            self._struck.difference_update(over)
            await self._pauses.cleared(over)

    def _named(self, scopes: Iterable[str]) -> tuple[str, ...]:
        return tuple(self._prefix + scope for scope in scopes)


def is_throttle(error: GraphError) -> bool:
    """Whether Meta asked somebody to wait by this answer."""
    return isinstance(error, GraphRefusal) and verdict_of(error).pause is not None


def _scopes(
    request: Request, refusal: GraphRefusal, regain_minutes: Mapping[str, float]
) -> Mapping[str, float | None]:
    """Which scopes a throttle pauses, each with its hint in minutes."""
    pause = verdict_of(refusal).pause
    longest = max(regain_minutes.values(), default=None)
    if pause is Pause.APP:
        return {APP: longest}
    person = request.token.person if request.token else None
    own = {} if person is None else {person_scope(person): longest}
    if pause is Pause.PERSON:
        return own
    nodes: dict[str, float | None] = {
        page_scope(node): minutes for node, minutes in regain_minutes.items()
    }
    if nodes.keys() & set(request.scopes):
        return nodes
    # The same call again has to be stopped as well, or calling on would extend the block.
    about = {page_scope(node): longest for node in request.about if len(request.about) == 1}
    return {**nodes, **(about or own)}
