"""One call to Graph: budget, pauses, retries, a bounded body, an answer or a `GraphError`.

Meta, Graph API overview and "Rate limits"; contract §8; graph-facts §0, §10, §11.
"""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

import httpx
import structlog
from pydantic import SecretStr

from igauth.meta.errors import (
    GraphError,
    GraphRefusal,
    GraphThrottled,
    GraphTimeout,
    GraphUnavailable,
    Meaning,
)
from igauth.meta.facebook.proof import TokenAuth, UserToken
from igauth.meta.pauses import APP, MemoryPauseBook, PauseBook, page_scope, person_scope
from igauth.meta.transport import CertificateRefused
from igauth.meta.wire import (
    checked,
    parse_json,
    read_regain_minutes,
    read_usage,
    read_version,
    refusal_in,
    unpacker,
)

Node = TypeVar("Node", bound=str)

log = structlog.get_logger("igauth.graph")

_APP_THROTTLES: Final = frozenset({4, 341, None})
_PERSON_THROTTLES: Final = frozenset({17, 613, 2446079})


@dataclass(frozen=True, slots=True)
class Budgets:
    """Seconds on the wall clock, retries and waits of one call included (contract §8)."""

    connect: float = 2.0
    exchange: float = 5.0
    call: float = 5.0
    listing: float = 70.0
    retries: int = 2
    backoff: float = 0.2
    backoff_cap: float = 2.0
    body_bytes: int = 2_000_000


@dataclass(frozen=True, slots=True)
class FacebookApp:
    """The app as Facebook knows it."""

    client_id: str
    client_secret: SecretStr


@dataclass(frozen=True, slots=True)
class GraphCall:
    """What one HTTP exchange was, for metrics and the log; nothing secret in it.

    `outcome`: "ok", "unavailable", "timeout", or the `Meaning` of the refusal.
    """

    endpoint: str
    outcome: str
    seconds: float
    usage: Mapping[str, float] = field(default_factory=dict)
    served_version: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One call, before it is sent. `endpoint` is the template that logs and metrics show."""

    endpoint: str
    path: str
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] | None = field(default=None, repr=False)
    token: UserToken | None = None
    about: tuple[str, ...] = ()
    """Ids of the Pages or Instagram accounts that the call is addressed to."""
    shapes: tuple[type, ...] = (dict,)
    once: bool = False
    """The code exchange: one attempt, in spite of every pause (contract §8)."""
    patient: bool = False
    """A call of a listing's walk, which goes on long after its answer was due (contract §6)."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """Whose pauses stop this call."""
        person = self.token.person if self.token else None
        persons = (person_scope(person),) if person is not None else ()
        return (APP, *persons, *(page_scope(node) for node in self.about))


@dataclass(frozen=True, slots=True)
class Answer:
    """A readable body of the shape that was asked for, and what the usage headers say.

    `regain_minutes`: Pages and Instagram accounts that have to wait (graph-facts 11.2).
    """

    body: Any = field(repr=False)
    regain_minutes: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Exchange:
    """One HTTP exchange while it goes on: what can be told of it however it ends."""

    request: Request
    outcome: str = "cancelled"
    usage: Mapping[str, float] = field(default_factory=dict)
    regain_minutes: Mapping[str, float] = field(default_factory=dict)
    served_version: str | None = None

    def read_headers(self, headers: Mapping[str, str]) -> None:
        self.usage = read_usage(headers)
        self.regain_minutes = read_regain_minutes(headers)
        self.served_version = read_version(headers)


class GraphClient:
    """Sends `Request`s. Raises nothing but `GraphError` and cancellation."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        app: FacebookApp,
        *,
        graph_url: str,
        api_version: str,
        budgets: Budgets = Budgets(),
        pauses: PauseBook | None = None,
        on_call: Callable[[GraphCall], None] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        random: Callable[[], float] = random.random,
    ) -> None:
        self.app = app
        self.api_version = api_version
        self.graph_url = graph_url.rstrip("/")
        self.budgets = budgets
        self.monotonic = monotonic
        self.pauses: PauseBook = pauses or MemoryPauseBook(monotonic)
        self.served_version: str | None = None
        self._http = http
        self._on_call = on_call or (lambda _: None)
        self._sleep = sleep
        self._random = random
        self._struck: set[str] = set()
        self._told_versions: set[str] = set()

    @property
    def graph_host(self) -> str:
        """The host that Graph is asked at."""
        return urlsplit(self.graph_url).hostname or ""

    @property
    def app_token(self) -> UserToken:
        """`app_id|app_secret`, good wherever an app token is asked for (graph-facts 2.7)."""
        secret = self.app.client_secret.get_secret_value()
        return UserToken(SecretStr(f"{self.app.client_id}|{secret}"))

    async def fetch(self, request: Request) -> Answer:
        """The answer, after at most two more attempts where the contract allows them."""
        if not request.once:
            await self._refuse_while_paused(request)
        deadline = self.monotonic() + self._budget(request)
        for wait in self._waits(request):
            try:
                return await self._attempt(request, deadline)
            except GraphError as error:
                if not error.repeatable or self.monotonic() + wait >= deadline:
                    raise
            await self._sleep(wait)
        return await self._attempt(request, deadline)

    async def note_throttle(
        self, request: Request, refusal: GraphRefusal, regain_minutes: Mapping[str, float]
    ) -> GraphThrottled | GraphRefusal:
        """Records a throttle that Facebook answered, and gives the error to raise for it."""
        pauses = [
            await self._pause(scope, minutes)
            for scope, minutes in _throttled_scopes(request, refusal.code, regain_minutes).items()
        ]
        if request.once:
            return refusal
        seconds = max(pauses, default=60.0)
        return refusal.throttled(math.ceil(seconds))

    async def paused(self, endpoint: str, node_ids: Sequence[Node]) -> dict[Node, GraphError]:
        """Those Pages or accounts that have to wait, each with the error that says so."""
        if await self.pauses.remaining([page_scope(node) for node in node_ids]) <= 0:
            return {}
        waits = {node: await self.pauses.remaining([page_scope(node)]) for node in node_ids}
        return {
            node: GraphThrottled(endpoint, math.ceil(seconds))
            for node, seconds in waits.items()
            if seconds > 0
        }

    async def _pause(self, scope: str, minutes: float | None) -> float:
        self._struck.add(scope)
        return await self.pauses.throttled(scope, None if minutes is None else minutes * 60)

    def _budget(self, request: Request) -> float:
        if request.patient:
            return self.budgets.listing
        return self.budgets.exchange if request.once else self.budgets.call

    def _waits(self, request: Request) -> Iterator[float]:
        """Full jitter (AWS Architecture Blog, "Exponential Backoff And Jitter")."""
        for attempt in range(0 if request.once else self.budgets.retries):
            longest = min(self.budgets.backoff_cap, self.budgets.backoff * 2**attempt)
            yield self._random() * longest

    async def _refuse_while_paused(self, request: Request) -> None:
        seconds = await self.pauses.remaining(request.scopes)
        if seconds > 0:
            raise GraphThrottled(request.endpoint, math.ceil(seconds))

    async def _attempt(self, request: Request, deadline: float) -> Answer:
        exchange = _Exchange(request)
        began = self.monotonic()
        try:
            answer = await self._within(deadline, exchange)
            exchange.outcome = "ok"
        except GraphError as error:
            exchange.outcome = _outcome(error)
            failure = error
        else:
            await self._end_doubling(request.scopes)
            return answer
        finally:
            self._report(exchange, self.monotonic() - began)
        if isinstance(failure, GraphRefusal) and failure.meaning is Meaning.THROTTLED:
            raise await self.note_throttle(request, failure, exchange.regain_minutes)
        raise failure

    async def _within(self, deadline: float, exchange: _Exchange) -> Answer:
        """The whole exchange on the wall clock: httpx limits each read only (F-03)."""
        try:
            async with asyncio.timeout(max(0.0, deadline - self.monotonic())):
                return await self._exchange(exchange)
        except TimeoutError:
            failure = GraphTimeout(exchange.request.endpoint, "no full answer in time")
        raise failure

    async def _exchange(self, exchange: _Exchange) -> Answer:
        request = exchange.request
        status, raw = await self._send(exchange)
        body = parse_json(raw)
        refusal = refusal_in(request.endpoint, status, body)
        if refusal is not None:
            raise refusal
        body = checked(request.endpoint, status, body, request.shapes)
        return Answer(body, exchange.regain_minutes)

    async def _send(self, exchange: _Exchange) -> tuple[int, bytes]:
        try:
            response = await self._http.send(
                self._http_request(exchange.request),
                stream=True,
                auth=self._auth(exchange.request),
                follow_redirects=False,
            )
            try:
                exchange.read_headers(response.headers)
                return response.status_code, await self._read(exchange.request, response)
            finally:
                await response.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            failure = _unreached(exchange.request.endpoint, error)
        raise failure

    def _http_request(self, request: Request) -> httpx.Request:
        budget = self._budget(request)
        connect = self.budgets.connect
        query = f"?{urlencode(request.query)}" if request.query else ""
        return self._http.build_request(
            request.method,
            f"{self.graph_url}/{self.api_version}/{request.path}{query}",
            data=dict(request.form) if request.form is not None else None,
            # gzip alone: its unpacking can be stopped at the cap (F-05)
            headers={"Accept": "application/json", "Accept-Encoding": "gzip"},
            timeout=httpx.Timeout(budget, connect=connect, pool=connect),
        )

    def _auth(self, request: Request) -> TokenAuth | None:
        return TokenAuth(self.app.client_secret, request.token) if request.token else None

    async def _read(self, request: Request, response: httpx.Response) -> bytes:
        if 300 <= response.status_code < 400:
            raise GraphUnavailable(request.endpoint, f"HTTP {response.status_code}, not followed")
        unpack = unpacker(request.endpoint, response.headers.get("content-encoding", ""))
        body = bytearray()
        async for chunk in response.stream:  # type: ignore[union-attr]  # async client, async stream
            body += unpack(chunk, self.budgets.body_bytes + 1 - len(body))
            if len(body) > self.budgets.body_bytes:
                raise GraphUnavailable(request.endpoint, "the answer is too large")
        return bytes(body)

    def _report(self, exchange: _Exchange, seconds: float) -> None:
        served = exchange.served_version
        if served is not None:
            self._note_version(served)
        self._on_call(
            GraphCall(exchange.request.endpoint, exchange.outcome, seconds, exchange.usage, served)
        )

    def _note_version(self, served: str) -> None:
        """An expired version gives no error: only this header tells (trap 1)."""
        self.served_version = served
        if served != self.api_version and served not in self._told_versions:
            self._told_versions.add(served)
            log.warning("graph.version_differs", asked=self.api_version, served=served)

    async def _end_doubling(self, scopes: Sequence[str]) -> None:
        for scope in self._struck.intersection(scopes):
            if await self.pauses.remaining((scope,)) <= 0:
                self._struck.discard(scope)
                await self.pauses.cleared(scope)


def _unreached(endpoint: str, error: Exception) -> GraphUnavailable:
    """A network fault in our words; httpx's text may hold the URL."""
    if isinstance(error, httpx.TimeoutException):
        return GraphTimeout(endpoint, "no answer in time", repeatable=True)
    repeatable = isinstance(
        error, httpx.NetworkError | httpx.RemoteProtocolError
    ) and not isinstance(error, CertificateRefused)
    return GraphUnavailable(
        endpoint, f"not reached ({type(error).__name__})", repeatable=repeatable
    )


def _outcome(error: GraphError) -> str:
    if isinstance(error, GraphRefusal):
        return str(error.meaning)
    return "timeout" if isinstance(error, GraphTimeout) else "unavailable"


def _throttled_scopes(
    request: Request, code: int | None, regain_minutes: Mapping[str, float]
) -> Mapping[str, float | None]:
    """Which scopes a throttle pauses, each with its hint in minutes (graph-facts 11.6)."""
    longest = max(regain_minutes.values(), default=None)
    if code in _APP_THROTTLES:
        return {APP: longest}
    person = request.token.person if request.token else None
    own = {} if person is None else {person_scope(person): longest}
    if code in _PERSON_THROTTLES:
        return own
    nodes: dict[str, float | None] = {
        page_scope(node): minutes for node, minutes in regain_minutes.items()
    }
    if nodes.keys() & set(request.scopes):
        return nodes
    # The same call again has to be stopped as well, or calling on would extend the block.
    about = {page_scope(node): longest for node in request.about if len(request.about) == 1}
    return {**nodes, **(about or own)}
