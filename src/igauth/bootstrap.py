"""One async context manager: opens engine and connections, builds the use cases, closes all.

A small builder for each room; nothing is global, and nothing happens at import.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import httpx
import structlog

from igauth.backends.completing import Completing
from igauth.backends.connect_sessions import ConnectSessions
from igauth.backends.handoffs import Handoffs
from igauth.backends.parking import Parking
from igauth.backends.service_keys import ServiceKeys
from igauth.backends.tokens import GraphApp, ServedTokens
from igauth.backends.users import Users
from igauth.background import Background
from igauth.domain import Clock, Provider, utc_now
from igauth.errors import IgAuthError
from igauth.events.addresses import Addresses, Lookup
from igauth.events.opening import Events, build_events
from igauth.events.posting import open_transport
from igauth.grants.checks import Checks, Doors
from igauth.grants.connections import Connections
from igauth.grants.ending import Ending
from igauth.grants.revocations import Revocations
from igauth.grants.state import GrantRules
from igauth.grants.vault import Vault
from igauth.listing.accounts import Accounts
from igauth.listing.freshness import ANSWER_SECONDS, WALK_SECONDS, Listings, Patience
from igauth.listing.keeping import Keeping
from igauth.login.attempts import Attempts
from igauth.login.connecting import ConnectReturns
from igauth.login.flow import LoginFlow
from igauth.login.recording import CALLBACK_SECONDS, Recorder
from igauth.login.return_to import ConnectAddresses, ReturnAddresses
from igauth.login.sessions import Sessions
from igauth.login.spending import Spending
from igauth.meta.calls import Budgets, GraphCall
from igauth.meta.client import GraphClient, NewClient
from igauth.meta.door import Door
from igauth.meta.errors import GraphError
from igauth.meta.facebook.door import FacebookDoor
from igauth.meta.instagram.door import InstagramDoor
from igauth.meta.pauses import PauseBook
from igauth.meta.sending import GraphHost, Sign
from igauth.meta.transport import Lanes
from igauth.observability import Metrics
from igauth.security.keyring import KeyRing
from igauth.security.opaque_tokens import OpaqueTokens
from igauth.security.sealing import Sealer
from igauth.settings import Settings
from igauth.store.database import Database
from igauth.upkeep.dates import Dates
from igauth.upkeep.doctor import examine
from igauth.upkeep.findings import Finding
from igauth.upkeep.keeper import Keeper
from igauth.upkeep.loops import Chore
from igauth.upkeep.pruning import ErasedCopies, Pruning
from igauth.upkeep.readiness import WATCH_SECONDS, Readiness
from igauth.upkeep.shared_clock import SharedClock
from igauth.upkeep.shared_pauses import StoredPauseBook
from igauth.upkeep.startup import check_database, check_keys
from igauth.upkeep.status import Counting

_log = structlog.stdlib.get_logger("igauth.bootstrap")
_SHUTDOWN_MARGIN_SECONDS: Final = 5.0
_DOORS: Final[dict[Provider, Callable[[Settings, NewClient, Clock], Door]]] = {
    Provider.FACEBOOK: FacebookDoor.of,
    Provider.INSTAGRAM: InstagramDoor.of,
}


@dataclass(frozen=True)
class Wiring:
    """What a test or the demo puts in place of the real thing: transport, clock, patience.

    Without `clock` the database's decides, as `machine_clock` with its difference tells it.
    """

    transport: httpx.AsyncBaseTransport | None = None
    clock: Clock | None = None
    machine_clock: Clock = utc_now
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    budgets: Budgets = field(default_factory=Budgets)
    callback_seconds: float = CALLBACK_SECONDS
    answer_seconds: float = ANSWER_SECONDS
    walk_seconds: float = WALK_SECONDS
    pauses_fresh_seconds: float = 1.0
    keeper: bool = True
    receivers: httpx.AsyncBaseTransport | None = None
    lookup: Lookup | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases of one process, and what operation needs."""

    settings: Settings
    database: Database
    ring: KeyRing
    doors: Doors
    logins: dict[Provider, LoginFlow]
    sessions: Sessions
    listings: Listings
    accounts: Accounts
    connections: Connections
    service_keys: ServiceKeys
    connect_sessions: ConnectSessions
    completing: Completing
    handoffs: Handoffs
    users: Users
    tokens: ServedTokens
    checks: Checks
    ending: Ending
    keeper: Keeper
    counting: Counting
    rules: GrantRules
    readiness: Readiness
    events: Events
    chores: tuple[Chore, ...]
    metrics: Metrics
    background: Background
    clock: Clock


@dataclass(frozen=True, slots=True)
class _Basics:
    """What every builder needs."""

    settings: Settings
    wiring: Wiring
    database: Database
    background: Background
    ring: KeyRing
    rules: GrantRules
    shared_clock: SharedClock

    @property
    def clock(self) -> Clock:
        return self.wiring.clock or self.shared_clock

    @property
    def tokens(self) -> OpaqueTokens:
        return OpaqueTokens(self.ring)


@asynccontextmanager
async def open_services(
    settings: Settings,
    wiring: Wiring | None = None,
    metrics: Metrics | None = None,
    *,
    rotating: bool = False,
) -> AsyncGenerator[Services]:
    """Everything, opened; refuses a database or key ring that doesn't fit this program."""
    wiring, metrics = wiring or Wiring(), metrics or Metrics()
    database = Database(settings.database_url.get_secret_value())
    background = Background(foreseen=(IgAuthError, GraphError))
    lanes = _lanes(settings, wiring)
    receivers = wiring.receivers or open_transport()
    try:
        await check_database(database)
        shared = SharedClock(database, wiring.machine_clock)
        await shared.measure()
        ring = KeyRing(settings.keys)
        await check_keys(database, ring, wiring.clock or shared, rotating=rotating)
        await database.warm()
        if settings.allow_fake_facebook:
            _log.warning("facebook.stand_in", dialog=settings.facebook_dialog_url)
        basics = _Basics(
            settings, wiring, database, background, ring, GrantRules.of(settings), shared
        )
        events = _events(basics, receivers, metrics)
        yield _build(basics, _doors(basics, lanes, metrics), events, metrics)
    finally:
        await background.close(wiring.callback_seconds + _SHUTDOWN_MARGIN_SECONDS)
        await lanes.aclose()
        await receivers.aclose()
        await database.close()


@asynccontextmanager
async def open_examination(
    settings: Settings, wiring: Wiring | None = None
) -> AsyncGenerator[AsyncGenerator[Finding]]:
    """The findings of `igauth doctor`, on connections of their own."""
    wiring = wiring or Wiring()
    clock = wiring.clock or wiring.machine_clock
    database = Database(settings.database_url.get_secret_value())
    lanes = _lanes(settings, wiring)
    new_client = _clients(lanes, wiring, None, lambda _: None)
    try:
        doors = {each: _DOORS[each](settings, new_client, clock) for each in settings.open_doors}
        yield examine(settings, database, doors, clock)
    finally:
        await lanes.aclose()
        await database.close()


def _lanes(settings: Settings, wiring: Wiring) -> Lanes:
    if wiring.transport:
        return Lanes.over(wiring.transport)
    proxy = settings.outbound_proxy
    return Lanes.to_meta(None if proxy is None else proxy.get_secret_value())


def _clients(
    lanes: Lanes,
    wiring: Wiring,
    pauses: PauseBook | None,
    on_call: Callable[[GraphCall], None],
) -> NewClient:
    """Makes the client of each door, all over the same connections."""

    def new_client(host: GraphHost, *, sign: Sign) -> GraphClient:
        return GraphClient(
            lanes, host, sign=sign, budgets=wiring.budgets, pauses=pauses, on_call=on_call
        )

    return new_client


def _doors(basics: _Basics, lanes: Lanes, metrics: Metrics) -> Doors:
    pauses = StoredPauseBook(
        basics.database,
        basics.clock,
        basics.background,
        fresh_seconds=basics.wiring.pauses_fresh_seconds,
    )
    new_client = _clients(lanes, basics.wiring, pauses, _counting(metrics))
    return {
        provider: _DOORS[provider](basics.settings, new_client, basics.clock)
        for provider in basics.settings.open_doors
    }


def _build(basics: _Basics, doors: Doors, events: Events, metrics: Metrics) -> Services:
    vault = Vault(Sealer(basics.ring), basics.database, basics.clock)
    keeping = Keeping(basics.rules, basics.clock)
    checks = _checks(basics, doors, vault, keeping)
    listings = _listings(basics, checks, keeping)
    sessions = Sessions(basics.database, basics.tokens, basics.settings, basics.clock)
    addresses = ConnectAddresses(basics.settings)
    parking = Parking(doors, basics.tokens, Sealer(basics.ring), basics.database, basics.clock)
    revocations = Revocations(
        doors.get(Provider.FACEBOOK),
        sealer=Sealer(basics.ring),
        tokens=basics.tokens,
        database=basics.database,
        clock=basics.clock,
    )
    readiness = Readiness(basics.database, basics.ring, basics.background, clock=basics.clock)
    copies = ErasedCopies(basics.database, basics.background, basics.clock)
    keeper = Keeper(
        checks, revocations, basics.database, clock=basics.clock, sleep=basics.wiring.sleep
    )
    accounts = _accounts(basics, listings)
    recorders = {
        provider: Recorder(
            door,
            vault,
            keeping,
            listings,
            revocations,
            basics.database,
            basics.clock,
            seconds=basics.wiring.callback_seconds,
        )
        for provider, door in doors.items()
    }
    return Services(
        settings=basics.settings,
        database=basics.database,
        ring=basics.ring,
        doors=doors,
        logins={
            provider: _login(basics, recorder, sessions, parking, addresses)
            for provider, recorder in recorders.items()
        },
        sessions=sessions,
        listings=listings,
        accounts=accounts,
        connections=Connections(basics.database),
        service_keys=ServiceKeys(basics.ring, basics.database, basics.clock),
        connect_sessions=ConnectSessions(
            tuple(doors), basics.tokens, basics.database, vet=addresses.vet, clock=basics.clock
        ),
        handoffs=Handoffs(basics.tokens, basics.database, basics.clock),
        tokens=ServedTokens(
            checks, basics.rules, _graph_apps(basics.settings), basics.database, basics.clock
        ),
        users=Users(listings, accounts, basics.rules, basics.database, basics.clock),
        completing=Completing(
            parking,
            recorders,
            basics.database,
            basics.background,
            clock=basics.clock,
            sleep=basics.wiring.sleep,
        ),
        checks=checks,
        ending=Ending(
            revocations,
            basics.tokens,
            basics.database,
            clock=basics.clock,
            on_erased=copies.forget,
        ),
        keeper=keeper,
        counting=Counting(basics.database, expiring=basics.rules.expiring, clock=basics.clock),
        rules=basics.rules,
        readiness=readiness,
        events=events,
        chores=_chores(basics, keeper, revocations, copies, readiness, events),
        metrics=metrics,
        background=basics.background,
        clock=basics.clock,
    )


def _graph_apps(settings: Settings) -> dict[Provider, GraphApp]:
    """What backends need beside a token. Instagram's door knows no proof (instagram facts)."""
    facebook = f"{settings.facebook_graph_url}/{settings.facebook_api_version}"
    instagram = f"{settings.instagram_graph_url}/{settings.instagram_api_version}"
    return {
        Provider.FACEBOOK: GraphApp(facebook, settings.facebook_client_secret),
        Provider.INSTAGRAM: GraphApp(instagram, None),
    }


def _checks(basics: _Basics, doors: Doors, vault: Vault, keeping: Keeping) -> Checks:
    return Checks(
        doors,
        vault,
        basics.database,
        rules=basics.rules,
        clock=basics.clock,
        on_scopes=keeping.rerender,
    )


def _listings(basics: _Basics, checks: Checks, keeping: Keeping) -> Listings:
    wiring = basics.wiring
    patience = Patience(
        max_age=timedelta(seconds=basics.settings.accounts_max_age),
        answer_seconds=wiring.answer_seconds,
        walk_seconds=wiring.walk_seconds,
        sleep=wiring.sleep,
    )
    return Listings(
        checks,
        keeping,
        basics.rules,
        basics.database,
        basics.background,
        patience=patience,
        clock=basics.clock,
    )


def _accounts(basics: _Basics, listings: Listings) -> Accounts:
    return Accounts(
        listings,
        basics.rules,
        basics.database,
        max_age=timedelta(seconds=basics.settings.accounts_max_age),
        clock=basics.clock,
    )


def _login(
    basics: _Basics,
    recorder: Recorder,
    sessions: Sessions,
    parking: Parking,
    addresses: ConnectAddresses,
) -> LoginFlow:
    settings, clock = basics.settings, basics.clock
    attempts = Attempts(
        basics.ring, secure=settings.secure, clock=clock, door=recorder.door.provider
    )
    spending = Spending(attempts, basics.database, clock=clock, sleep=basics.wiring.sleep)
    returns = ConnectReturns(
        attempts, addresses, spending, parking, basics.background, default=settings.frontend
    )
    return LoginFlow(
        attempts,
        ReturnAddresses(settings),
        spending,
        recorder,
        sessions,
        returns,
        basics.background,
    )


def _events(basics: _Basics, receivers: httpx.AsyncBaseTransport, metrics: Metrics) -> Events:
    addresses = Addresses(basics.settings.webhook_allowed_hosts, basics.wiring.lookup)
    return build_events(
        addresses,
        receivers,
        Sealer(basics.ring),
        basics.database,
        basics.background,
        metrics,
        basics.clock,
    )


def _chores(
    basics: _Basics,
    keeper: Keeper,
    revocations: Revocations,
    copies: ErasedCopies,
    readiness: Readiness,
    events: Events,
) -> tuple[Chore, ...]:
    dates = Dates(basics.database, basics.rules, basics.clock)
    pruning = Pruning(basics.database, clock=basics.clock, sleep=basics.wiring.sleep)
    return (
        Chore("checks", keeper.sweep),
        Chore("revocations", revocations.sweep),
        Chore("pruning", pruning.prune),
        Chore("erased copies", copies.forget),
        Chore("clock", basics.shared_clock.measure),
        Chore("readiness", readiness.watch, WATCH_SECONDS),
        Chore("dates", dates.mark),
        Chore("webhooks", events.deliveries.round, every_seconds=1.0),
        Chore("webhook counts", events.deliveries.measure, every_seconds=15.0),
    )


def _counting(metrics: Metrics) -> Callable[[GraphCall], None]:
    def count(call: GraphCall) -> None:
        metrics.graph_calls.labels(call.endpoint, call.outcome).inc()
        metrics.graph_seconds.labels(call.endpoint).observe(call.seconds)
        for header, percent in call.usage.items():
            metrics.usage.labels(header).set(percent)

    return count
