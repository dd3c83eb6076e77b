"""Builds the use cases once for a process, and closes all that they opened (decision 0007)."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import structlog

from igauth.background import Background
from igauth.domain import Clock, utc_now
from igauth.grants.checks import Verification
from igauth.grants.connections import Connections
from igauth.grants.ending import Erasure
from igauth.grants.revocations import Revocations
from igauth.grants.state import Custody, GrantRules
from igauth.listing.discovery import Discovery
from igauth.listing.freshness import ANSWER_SECONDS, WALK_SECONDS, Listings
from igauth.login.attempts import Attempts
from igauth.login.consented import Proof
from igauth.login.flow import CALLBACK_SECONDS, LoginFlow
from igauth.login.return_to import ReturnAddresses
from igauth.login.sessions import Sessions
from igauth.meta.client import Budgets, FacebookApp, GraphCall, GraphClient
from igauth.meta.facebook.reading import FacebookResources
from igauth.meta.facebook.tokens import FacebookOAuth
from igauth.meta.pauses import PauseBook
from igauth.meta.transport import WarmTransport, new_http_client
from igauth.observability import Metrics
from igauth.security.keyring import KeyRing
from igauth.security.opaque_tokens import OpaqueTokens
from igauth.security.sealing import Sealer
from igauth.settings import Settings
from igauth.store.database import Database
from igauth.upkeep.doctor import Finding, examine
from igauth.upkeep.keeper import Keeper
from igauth.upkeep.shared_pauses import StoredPauseBook
from igauth.upkeep.startup import check_database, check_keys

_log = structlog.stdlib.get_logger("igauth.bootstrap")
_SHUTDOWN_MARGIN_SECONDS = 5.0


@dataclass(frozen=True)
class Wiring:
    """What a test or the demo puts in place of the real thing: transport, clock, patience."""

    transport: httpx.AsyncBaseTransport | None = None
    clock: Clock = utc_now
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    budgets: Budgets = field(default_factory=Budgets)
    callback_seconds: float = CALLBACK_SECONDS
    answer_seconds: float = ANSWER_SECONDS
    walk_seconds: float = WALK_SECONDS
    pauses_fresh_seconds: float = 1.0
    keeper: bool = True


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases of one process, and what operation needs."""

    settings: Settings
    database: Database
    ring: KeyRing
    graph: GraphClient
    login: LoginFlow
    sessions: Sessions
    listings: Listings
    connections: Connections
    erasure: Erasure
    keeper: Keeper
    rules: GrantRules
    metrics: Metrics
    background: Background
    clock: Clock


@asynccontextmanager
async def open_services(
    settings: Settings,
    wiring: Wiring | None = None,
    metrics: Metrics | None = None,
    *,
    rotating: bool = False,
) -> AsyncGenerator[Services]:
    """Everything, opened; refuses a database or key ring that doesn't fit this program."""
    wiring = wiring or Wiring()
    database = Database(settings.database_url.get_secret_value())
    background = Background()
    http = new_http_client(wiring.transport)
    try:
        await check_database(database)
        await check_keys(database, KeyRing(settings.keys), wiring.clock, rotating=rotating)
        await database.warm()
        if settings.allow_fake_facebook:
            _log.warning("facebook.stand_in", dialog=settings.facebook_dialog_url)
        yield _build(settings, wiring, database, background, http, metrics or Metrics())
    finally:
        await background.close(wiring.callback_seconds + _SHUTDOWN_MARGIN_SECONDS)
        await http.aclose()
        await database.close()


@asynccontextmanager
async def open_examination(
    settings: Settings, wiring: Wiring | None = None
) -> AsyncGenerator[AsyncGenerator[Finding]]:
    """The findings of `igauth doctor`, on connections of their own."""
    wiring = wiring or Wiring()
    database = Database(settings.database_url.get_secret_value())
    http = new_http_client(wiring.transport)
    graph = _graph(settings, wiring, http, None, None)
    try:
        yield examine(
            settings, database, _oauth(settings, graph, wiring.clock), graph, wiring.clock
        )
    finally:
        await http.aclose()
        await database.close()


def _graph(
    settings: Settings,
    wiring: Wiring,
    http: httpx.AsyncClient,
    pauses: PauseBook | None,
    on_call: Callable[[GraphCall], None] | None,
) -> GraphClient:
    return GraphClient(
        http,
        FacebookApp(*settings.app),
        graph_url=settings.facebook_graph_url,
        api_version=settings.facebook_api_version,
        budgets=wiring.budgets,
        pauses=pauses,
        on_call=on_call,
    )


def _oauth(settings: Settings, graph: GraphClient, clock: Clock) -> FacebookOAuth:
    return FacebookOAuth(
        graph,
        dialog_url=settings.facebook_dialog_url,
        redirect_uri=settings.redirect_uri,
        scopes=settings.facebook_scopes,
        config_id=settings.facebook_config_id,
        clock=clock,
    )


def _build(
    settings: Settings,
    wiring: Wiring,
    database: Database,
    background: Background,
    http: httpx.AsyncClient,
    metrics: Metrics,
) -> Services:
    app_id, _ = settings.app
    clock = wiring.clock
    ring = KeyRing(settings.keys)
    sealer, tokens = Sealer(ring), OpaqueTokens(ring)
    pauses = StoredPauseBook(database, clock, background, fresh_seconds=wiring.pauses_fresh_seconds)
    graph = _graph(settings, wiring, http, pauses, _counting(metrics))
    oauth = _oauth(settings, graph, clock)
    stand_in = settings.facebook_dialog_url if settings.allow_fake_facebook else None
    resources = FacebookResources(graph, stand_in_url=stand_in)
    rules = GrantRules.of(settings)
    custody = Custody(sealer, database, clock)
    verification = Verification(
        app_id=app_id,
        oauth=oauth,
        resources=resources,
        custody=custody,
        database=database,
        expiring=timedelta(days=settings.expiring_days),
        clock=clock,
    )
    listings = Listings(
        discovery=Discovery(resources, clock=clock, wanted_scopes=settings.facebook_scopes),
        custody=custody,
        verification=verification,
        rules=rules,
        database=database,
        background=background,
        max_age=timedelta(seconds=settings.accounts_max_age),
        clock=clock,
        sleep=wiring.sleep,
        answer_seconds=wiring.answer_seconds,
        walk_seconds=wiring.walk_seconds,
    )
    sessions = Sessions(database, tokens, settings, clock)
    revocations = Revocations(
        app_id=app_id, oauth=oauth, sealer=sealer, database=database, clock=clock
    )
    login = LoginFlow(
        app_id=app_id,
        attempts=Attempts(ring, secure=settings.secure, clock=clock),
        addresses=ReturnAddresses(settings),
        oauth=oauth,
        proof=Proof(
            app_id=app_id,
            oauth=oauth,
            resources=resources,
            listings=listings,
            budget_seconds=wiring.callback_seconds,
        ),
        listings=listings,
        sessions=sessions,
        revocations=revocations,
        custody=custody,
        database=database,
        background=background,
        warm=_warming(http, settings.facebook_graph_url),
        clock=clock,
        sleep=wiring.sleep,
        callback_seconds=wiring.callback_seconds,
    )
    return Services(
        settings=settings,
        database=database,
        ring=ring,
        graph=graph,
        login=login,
        sessions=sessions,
        listings=listings,
        connections=Connections(database, verification),
        erasure=Erasure(
            app_id=app_id,
            tokens=tokens,
            revocations=revocations,
            database=database,
            clock=clock,
        ),
        keeper=Keeper(
            verification=verification,
            revocations=revocations,
            sessions=sessions,
            database=database,
            clock=clock,
            sleep=wiring.sleep,
        ),
        rules=rules,
        metrics=metrics,
        background=background,
        clock=clock,
    )


def _counting(metrics: Metrics) -> Callable[[GraphCall], None]:
    def count(call: GraphCall) -> None:
        metrics.graph_calls.labels(call.endpoint, call.outcome).inc()
        metrics.graph_seconds.labels(call.endpoint).observe(call.seconds)
        for header, percent in call.usage.items():
            metrics.usage.labels(header).set(percent)

    return count


def _warming(http: httpx.AsyncClient, url: str) -> Callable[[int], Awaitable[None]]:
    """Opens idle connections where the transport can; a stand-in has none to open."""
    transport = http._transport

    async def warm(connections: int) -> None:
        if isinstance(transport, WarmTransport):
            await transport.warm(url, connections)

    return warm
