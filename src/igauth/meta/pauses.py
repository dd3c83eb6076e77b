"""Who must wait, until when: the memory behind throttle codes (graph-facts §11, contract §8).

Meta: calling on while throttled extends the block ("Rate limits", Graph API overview).
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

APP: Final = "app"
FIRST_PAUSE_SECONDS: Final = 60.0
LONGEST_GUESS_SECONDS: Final = 15 * 60.0
LONGEST_HINT_SECONDS: Final = 24 * 3600.0
_MANY: Final = 1_000


def person_scope(person: str) -> str:
    """The scope of one person's calls."""
    return f"person:{person}"


def page_scope(node_id: str) -> str:
    """The scope of calls about one Page or Instagram account."""
    return f"page:{node_id}"


def next_pause(hint_seconds: float | None, strikes: int) -> float:
    """How long to wait: what Facebook names, else a minute, doubling with each strike."""
    if hint_seconds is not None and math.isfinite(hint_seconds) and hint_seconds > 0:
        return min(hint_seconds, LONGEST_HINT_SECONDS)
    return min(FIRST_PAUSE_SECONDS * (1 << min(strikes, 10)), LONGEST_GUESS_SECONDS)


class PauseBook(Protocol):
    """Scopes are "app", "person:<key>" and "page:<id of a Page or Instagram account>"."""

    async def remaining(self, scopes: Sequence[str]) -> float:
        """Seconds still to wait for the longest of them; 0.0 if none."""
        ...

    async def throttled(self, hints: Mapping[str, float | None]) -> float:
        """Records what one answer throttled: scopes with the seconds that Meta named, or None.

        In one go, however many they are. Returns the longest pause in seconds (`next_pause`). A
        throttle while the scope already pauses is one of calls side by side, not a repeat.
        """
        ...

    async def cleared(self, scopes: Sequence[str]) -> None:
        """A call succeeded: the doubling ends. A pause that is still on stays."""
        ...


@dataclass(slots=True)
class _Pause:
    until: float
    strikes: int


class MemoryPauseBook:
    """The pauses of one process."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._pauses: dict[str, _Pause] = {}

    async def remaining(self, scopes: Sequence[str]) -> float:
        now = self._monotonic()
        return max((self._left(scope, now) for scope in scopes), default=0.0)

    async def throttled(self, hints: Mapping[str, float | None]) -> float:
        now = self._monotonic()
        self._forget_old(now)
        return max((self._throttled(scope, hint, now) for scope, hint in hints.items()), default=0)

    async def cleared(self, scopes: Sequence[str]) -> None:
        now = self._monotonic()
        for scope in scopes:
            if self._left(scope, now) <= 0:
                self._pauses.pop(scope, None)

    def _throttled(self, scope: str, hint_seconds: float | None, now: float) -> float:
        pause = self._pauses.setdefault(scope, _Pause(until=now, strikes=0))
        if pause.until <= now:
            pause.until = now + next_pause(hint_seconds, pause.strikes)
            pause.strikes += 1
        elif hint_seconds is not None:
            pause.until = max(pause.until, now + next_pause(hint_seconds, 0))
        return pause.until - now

    def _left(self, scope: str, now: float) -> float:
        pause = self._pauses.get(scope)
        return max(0.0, pause.until - now) if pause else 0.0

    def _forget_old(self, now: float) -> None:
        """A throttle long after the last one is no repeat; and the book stays small."""
        for scope, pause in list(self._pauses.items()):
            if pause.until + LONGEST_GUESS_SECONDS < now:
                del self._pauses[scope]
        while len(self._pauses) > _MANY:
            del self._pauses[min(self._pauses, key=lambda scope: self._pauses[scope].until)]
