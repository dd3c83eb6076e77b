"""One call to a Graph host: its turn, budget, pauses, repeats, a bounded body, then an answer.

Meta, Graph API overview and "Rate limits"; contract §8; graph-facts §0, §10, §11.
"""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import structlog

from igauth.meta.calls import Answer, Budgets, GraphCall, Purpose, Request
from igauth.meta.errors import (
    GraphError,
    GraphRefusal,
    GraphThrottled,
    GraphTimeout,
    GraphUnreadable,
    Meaning,
)
from igauth.meta.meanings import refusal_in
from igauth.meta.pauses import MemoryPauseBook, PauseBook
from igauth.meta.sending import Exchange, GraphHost, Sender, Sign
from igauth.meta.throttling import Throttling, is_throttle
from igauth.meta.transport import Lane, Lanes
from igauth.meta.wire import checked, parse_json

_log = structlog.stdlib.get_logger("igauth.graph")


@dataclass(frozen=True, slots=True)
class Timing:
    """Time and chance, of which tests have their own."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    random: Callable[[], float] = random.random


class NewClient(Protocol):
    """Makes the client of a door: everything but its host and its proofs is the process's own."""

    def __call__(self, host: GraphHost, *, sign: Sign) -> "GraphClient":
        """A client of that host."""
        ...


class GraphClient:
    """Sends `Request`s. Raises nothing but `GraphError` and cancellation."""

    def __init__(
        self,
        lanes: Lanes,
        host: GraphHost,
        *,
        sign: Sign = lambda _: {},
        budgets: Budgets | None = None,
        pauses: PauseBook | None = None,
        on_call: Callable[[GraphCall], None] = lambda _: None,
        timing: Timing | None = None,
    ) -> None:
        self.lanes = lanes
        self.host = host
        self._budgets = budgets or Budgets()
        self._timing = timing or Timing()
        self.throttling = Throttling(pauses or MemoryPauseBook(self._timing.monotonic), host.pauses)
        self.served_version: str | None = None
        self._sender = Sender(host, sign, self._budgets)
        self._on_call = on_call
        self._told_versions: set[str] = set()

    async def fetch(self, request: Request) -> Answer:
        """The answer, after at most two more attempts where the contract allows them.

        A call waits for its turn as long as its caller does; its budget begins with the turn.
        """
        async with self._lane(request.purpose).slots:
            if request.purpose.keeps_pauses:
                await self._refuse_while_paused(request)
            return await self._repeated(request)

    async def _repeated(self, request: Request) -> Answer:
        deadline = self._timing.monotonic() + self._budgets.whole(request.purpose)
        for wait in self._waits(request):
            try:
                return await self._attempt(request, deadline)
            except GraphError as error:
                if not _is_repeated(request, error):
                    raise
                if self._timing.monotonic() + wait >= deadline:
                    raise
            await self._timing.sleep(wait)
        return await self._attempt(request, deadline)

    def _lane(self, purpose: Purpose) -> Lane:
        return self.lanes.listings if purpose is Purpose.LISTING else self.lanes.logins

    def _waits(self, request: Request) -> Iterator[float]:
        """Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter")."""
        repeats = self._budgets.repeats if request.repeats is None else request.repeats
        for attempt in range(0 if request.purpose is Purpose.EXCHANGE else repeats):
            longest = min(self._budgets.backoff_cap, self._budgets.backoff * 2**attempt)
            yield self._timing.random() * longest

    async def _refuse_while_paused(self, request: Request) -> None:
        seconds = await self.throttling.remaining(request)
        if seconds > 0:
            raise GraphThrottled(request.endpoint, math.ceil(seconds))

    async def _attempt(self, request: Request, deadline: float) -> Answer:
        exchange = Exchange(request)
        began = self._timing.monotonic()
        try:
            answer = await self._within(deadline - began, exchange)
            exchange.outcome = "ok"
        except GraphError as error:
            exchange.outcome = _outcome(error)
            failure = error
        else:
            await self.throttling.succeeded(request)
            return answer
        finally:
            self._report(exchange, self._timing.monotonic() - began)
        if isinstance(failure, GraphRefusal) and is_throttle(failure):
            seconds = await self.throttling.note([(request, failure)], exchange.regain_minutes)
            failure = failure.throttled(seconds)
        raise failure

    async def _within(self, left: float, exchange: Exchange) -> Answer:
        """The whole exchange on the wall clock: a limit on each read isn't enough (F-03)."""
        longest = min(left, self._budgets.attempt(exchange.request.purpose))
        try:
            async with asyncio.timeout(max(0.0, longest)):
                return await self._exchange(exchange)
        except TimeoutError:
            failure = GraphTimeout(exchange.request.endpoint, "no full answer in time")
        raise failure

    async def _exchange(self, exchange: Exchange) -> Answer:
        request = exchange.request
        transport = self._lane(request.purpose).transport
        status, raw = await self._sender.send(transport, exchange)
        body = parse_json(raw)
        refusal = refusal_in(request.endpoint, status, body)
        if refusal is not None:
            raise refusal
        body = checked(request.endpoint, status, body, request.shapes)
        return Answer(body, exchange.regain_minutes)

    def _report(self, exchange: Exchange, seconds: float) -> None:
        served = exchange.served_version
        if served is not None:
            self._note_version(served)
        self._on_call(
            GraphCall(exchange.request.endpoint, exchange.outcome, seconds, exchange.usage, served)
        )

    def _note_version(self, served: str) -> None:
        """An expired version gives no error: only this header tells (trap 1)."""
        self.served_version = served
        if served != self.host.version and served not in self._told_versions:
            self._told_versions.add(served)
            _log.warning("graph.version_differs", asked=self.host.version, served=served)


def _is_repeated(request: Request, error: GraphError) -> bool:
    """Contract §8; a login's reads are tried again after silence and nonsense too (C18)."""
    if request.shrinks and isinstance(error, GraphRefusal):
        return error.meaning is Meaning.TRANSIENT
    if request.purpose is Purpose.LOGIN and isinstance(error, GraphTimeout | GraphUnreadable):
        return True
    return error.repeatable


def _outcome(error: GraphError) -> str:
    if isinstance(error, GraphRefusal):
        return str(error.meaning)
    return "timeout" if isinstance(error, GraphTimeout) else "unavailable"
