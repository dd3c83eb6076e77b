"""One call to Meta before it is sent, its answer, and what may be told of it afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from igauth.meta.door import UserToken
from igauth.meta.pauses import page_scope, person_scope

MOMENT_SECONDS: Final = 1.0
"""What a login needs besides Meta's answers."""


class Purpose(StrEnum):
    """What a call is made for: that decides its connections, its patience and its pauses (§8).

    EXCHANGE: the code's, one attempt, whatever comes. LOGIN: a login can't do without it, so it
    goes out in spite of every pause, and is tried again within the callback's time. CHECK: of a
    grant or of our app. LISTING: a walk's, on connections of its own and bounded in flight.
    """

    EXCHANGE = "exchange"
    LOGIN = "login"
    CHECK = "check"
    LISTING = "listing"

    @property
    def keeps_pauses(self) -> bool:
        """Whether a pause stops it."""
        return self in (Purpose.CHECK, Purpose.LISTING)


@dataclass(frozen=True, slots=True)
class Budgets:
    """Seconds on the wall clock, from when the call has its connection (contract §8).

    `call` bounds a call with its repeats. Of a login's reads it bounds each attempt; all of them
    end a moment before the callback, so that what only failed can still be left out.
    """

    connect: float = 2.0
    exchange: float = 5.0
    call: float = 5.0
    callback: float = 15.0
    repeats: int = 2
    backoff: float = 0.2
    backoff_cap: float = 2.0
    body_bytes: int = 2_000_000

    def attempt(self, purpose: Purpose) -> float:
        """The longest that one HTTP exchange may take."""
        return self.exchange if purpose is Purpose.EXCHANGE else self.call

    def whole(self, purpose: Purpose) -> float:
        """The longest that the call may take, repeats and waits included."""
        if purpose is Purpose.LOGIN:
            return max(self.call, self.callback - self.exchange - MOMENT_SECONDS)
        return self.attempt(purpose)


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `endpoint` is the template that logs and metrics show, without ids."""

    endpoint: str
    path: str
    purpose: Purpose
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    token: UserToken | None = None
    about: tuple[str, ...] = ()
    """Ids of the Pages or Instagram accounts that the call is addressed to."""
    shapes: tuple[type, ...] = (dict,)
    repeats: int | None = None
    """Fewer repeats than the budgets allow."""
    shrinks: bool = False
    """The caller asks for less where that may help, in place of a repeat (graph-facts 6.7)."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """Whose pauses stop this call, besides the app's."""
        person = self.token.person if self.token else None
        persons = (person_scope(person),) if person is not None else ()
        return (*persons, *(page_scope(node) for node in self.about))


@dataclass(frozen=True, slots=True)
class Answer:
    """A readable body of the shape that was asked for, and what the usage headers say.

    `regain_minutes`: Pages and Instagram accounts that have to wait (graph-facts 11.2).
    """

    body: Any = field(repr=False)
    regain_minutes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GraphCall:
    """What one HTTP exchange was, for metrics and the log; nothing secret in it.

    `outcome`: "ok", "unavailable", "timeout", "cancelled", or the `Meaning` of the refusal.
    """

    endpoint: str
    outcome: str
    seconds: float
    usage: Mapping[str, float] = field(default_factory=dict)
    served_version: str | None = None
