"""Freshness of listings: stored if young, refreshed once for all who wait, honest when stale.

The door discovers, `findings` explains; here is decided when that is done, how long anybody
waits for it, and what is kept (contract §6).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import structlog

from igauth.background import Background
from igauth.domain import Clock, ConnectionId, Listing, PersonId, Provider
from igauth.errors import (
    FacebookTimeout,
    IgAuthError,
    NotAuthenticated,
    PermissionMissing,
    ReconnectRequired,
)
from igauth.grants.checks import Checks, known
from igauth.grants.state import DEAD, GrantRules
from igauth.listing.answer import ListingView
from igauth.listing.findings import Findings
from igauth.listing.keeping import Keeping
from igauth.meta.door import GrantFacts
from igauth.meta.errors import GraphError, GraphRefusal
from igauth.meta.verdicts import log_failure, public_error
from igauth.store import leases, listings, views
from igauth.store.connections import ConnectionRow
from igauth.store.database import Database, Transaction
from igauth.store.leases import Lease
from igauth.store.views import StoredGrant

_log = structlog.stdlib.get_logger("igauth.listing")
ANSWER_SECONDS: Final = 10.0
WALK_SECONDS: Final = 60.0
NEEDED: Final = frozenset({"pages_show_list", "instagram_basic"})
"""Facebook's permissions of which a listing needs at least one (contract §6)."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How old a stored listing may be, how long an answer waits, how long a walk goes on after
    that."""

    max_age: timedelta
    answer_seconds: float = ANSWER_SECONDS
    walk_seconds: float = WALK_SECONDS
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    @property
    def whole_seconds(self) -> float:
        """The longest that a walk may take."""
        return self.answer_seconds + self.walk_seconds


@dataclass(frozen=True, slots=True)
class _Flight:
    """A refresh under way, and what it has found so far."""

    work: asyncio.Task[StoredGrant]
    findings: Findings


class Listings:
    """Answers with what people granted, at the cost of at most one walk at a time for each."""

    def __init__(
        self,
        checks: Checks,
        keeping: Keeping,
        rules: GrantRules,
        database: Database,
        background: Background,
        *,
        patience: Patience,
        clock: Clock,
    ) -> None:
        self._checks = checks
        self._keeping = keeping
        self._rules = rules
        self._database = database
        self._background = background
        self._patience = patience
        self._clock = clock
        self._flights: dict[ConnectionId, _Flight] = {}

    def is_young(self, grants: Sequence[StoredGrant]) -> bool:
        """Whether all of them can be shown without asking Meta."""
        return bool(grants) and all(self._is_young(each) for each in grants)

    async def get(self, grants: Sequence[StoredGrant], *, refresh: bool = False) -> ListingView:
        """What these grants list.

        Young stored listings cost no call. Older ones are refreshed; where that fails they are
        served as stale, unless `refresh` asked for the truth. Raises IgAuthError where nothing
        can be served, ReconnectRequired where there is no grant at all.
        """
        if not grants:
            raise ReconnectRequired
        wanted = [each for each in grants if refresh or not self._is_young(each)]
        if not wanted:
            return ListingView(tuple(grants))
        answers = await asyncio.gather(*(self._fresh(each) for each in wanted))
        shown = {each.connection.id: each for each in answers if isinstance(each, StoredGrant)}
        failures = {
            grant.connection.id: answer
            for grant, answer in zip(wanted, answers, strict=True)
            if isinstance(answer, IgAuthError)
        }
        self._refuse_if_nothing(grants, failures, refresh=refresh)
        latest = await self._latest(grants)
        return ListingView(
            grants=tuple(_with_connection(shown.get(each.connection.id), each) for each in latest),
            failures=failures,
            stale=any(each.listing for each in latest if each.connection.id in failures),
        )

    async def read(self, person_id: PersonId) -> ListingView:
        """What is stored for a person, asking nobody."""
        people = [person_id]
        return ListingView(await self._database.read(lambda tx: views.list_grants(tx, people)))

    def new_findings(self, provider: Provider) -> Findings:
        """For a discovery through this door."""
        return Findings(self._rules.wanted[provider])

    def adopt(
        self, connection_id: ConnectionId, discovery: "asyncio.Task[None]", findings: Findings
    ) -> None:
        """A login is committed: its listing goes on by itself, for the first request to join."""
        work = self._background.spawn(self._finish_first(connection_id, discovery, findings))
        self._fly(connection_id, _Flight(work, findings))

    async def _finish_first(
        self, connection_id: ConnectionId, discovery: "asyncio.Task[None]", findings: Findings
    ) -> StoredGrant:
        return await self._finish(
            (await self._stored(connection_id)).connection, discovery, findings
        )

    def _refuse_if_nothing(
        self,
        grants: Sequence[StoredGrant],
        failures: dict[ConnectionId, IgAuthError],
        *,
        refresh: bool,
    ) -> None:
        """An error only where no connection answered: at once asked for, or nothing is stored."""
        if len(failures) < len(grants):
            return
        if refresh or not any(each.listing for each in grants):
            raise next(iter(failures.values()))

    async def _latest(self, grants: Sequence[StoredGrant]) -> tuple[StoredGrant, ...]:
        """The same grants as they are stored now. Raises NotAuthenticated where all went: the
        person did."""
        people = list({each.connection.person_id: None for each in grants})
        latest = await self._database.read(lambda tx: views.list_grants(tx, people))
        if not latest:
            raise NotAuthenticated
        return latest

    def _is_young(self, grant: StoredGrant) -> bool:
        """A listing from before the latest consent is none of what was consented to."""
        listed = grant.listing
        return (
            listed is not None
            and listed.fetched_at >= grant.connection.connected_at
            and self._clock() - listed.fetched_at < self._patience.max_age
        )

    async def _fresh(self, grant: StoredGrant) -> StoredGrant | IgAuthError:
        """The grant with its listing of now, or why there is none."""
        try:
            row = await self._usable(grant)
            flight = self._flights.get(row.id) or self._launch(row, grant)
            done, _ = await asyncio.wait((flight.work,), timeout=self._patience.answer_seconds)
            return flight.work.result() if done else await self._so_far(flight, row)
        except asyncio.CancelledError:
            if asyncio.current_task().cancelling():  # type: ignore[union-attr]  # in a coroutine
                raise
            return FacebookTimeout()
        except IgAuthError as failure:
            return failure

    async def _usable(self, grant: StoredGrant) -> ConnectionRow:
        """The connection, if it can be asked at all; raises what is wrong with it else."""
        row, now = grant.connection, self._clock()
        refusal = self._rules.refusal(row, now)
        if refusal is not None and self._rules.status(row, now) in DEAD:
            raise refusal
        if refusal is not None:
            row = await self._after_checkpoint(row, refusal)
        if grant.listing is None and not may_list(row.provider, row.granted_scopes):
            raise self._permission_missing(row)
        return row

    async def _after_checkpoint(self, row: ConnectionRow, refusal: IgAuthError) -> ConnectionRow:
        """Asks once each max age whether the person has passed Meta's checkpoint."""
        now = self._clock()
        if row.verified_at is not None and now - row.verified_at < self._patience.max_age:
            raise refusal
        row = await self._checks.verify(row)
        still = self._rules.refusal(row, now)
        if still is not None:
            raise still
        return row

    def _permission_missing(self, row: ConnectionRow) -> PermissionMissing:
        return PermissionMissing(
            "Neither pages_show_list nor instagram_basic was granted.",
            action_url=self._rules.base_url + self._rules.select_path(row),
        )

    async def _so_far(self, flight: _Flight, row: ConnectionRow) -> StoredGrant:
        """What is there when the answer is due. Raises FacebookTimeout if that is nothing."""
        snapshot = flight.findings.snapshot(self._clock())
        if snapshot is None:
            raise FacebookTimeout
        return await self._database.read(lambda tx: self._keeping.merged(tx, row, snapshot))

    def _launch(self, row: ConnectionRow, grant: StoredGrant) -> _Flight:
        findings = self.new_findings(row.provider)
        work = self._background.spawn(self._refresh(row, grant, findings))
        return self._fly(row.id, _Flight(work, findings))

    def _fly(self, connection_id: ConnectionId, flight: _Flight) -> _Flight:
        self._flights[connection_id] = flight
        flight.work.add_done_callback(lambda _: self._forget(connection_id, flight))
        return flight

    def _forget(self, connection_id: ConnectionId, flight: _Flight) -> None:
        if self._flights.get(connection_id) is flight:
            del self._flights[connection_id]

    async def _refresh(
        self, row: ConnectionRow, grant: StoredGrant, findings: Findings
    ) -> StoredGrant:
        """Walks, unless another replica does or just did: then its result is taken."""
        await self._database.write(lambda tx: listings.reserve(tx, row.id))
        turn: Lease | StoredGrant = await leases.waited_for(
            lambda: self._turn(row, grant), self._patience.sleep
        )
        if isinstance(turn, StoredGrant):
            return turn
        async with leases.kept(self._database, turn, self._clock):
            return await self._walk(row, findings)

    async def _turn(self, row: ConnectionRow, grant: StoredGrant) -> Lease | StoredGrant | None:
        """Our lease, or what another replica stored meanwhile; None: another still walks."""
        after = grant.listing.fetched_at if grant.listing else None
        now = self._clock()
        seen = await self._database.read(lambda tx: listings.look(tx, row.id, now))
        if seen is None:
            raise NotAuthenticated  # whoever had this connection disconnected meanwhile
        newer, is_free = seen
        if newer is not None and (after is None or newer.fetched_at > after):
            return await self._stored(row.id)
        if not is_free:
            return None
        lease = listings.lease(row.id)
        claimed = await self._database.write(lambda tx: lease.claim(tx, now))
        return lease if claimed else None

    async def _stored(self, connection_id: ConnectionId) -> StoredGrant:
        found = await self._database.read(lambda tx: self._keeping.find(tx, connection_id))
        if found is None:
            raise NotAuthenticated
        return found

    async def _walk(self, row: ConnectionRow, findings: Findings) -> StoredGrant:
        door = self._checks.door(row)
        token = await self._checks.open(row)
        discovery = asyncio.create_task(door.discover(token, findings, known(row)))
        return await self._finish(row, discovery, findings)

    async def _finish(
        self,
        row: ConnectionRow,
        discovery: "asyncio.Task[GrantFacts | None] | asyncio.Task[None]",
        findings: Findings,
    ) -> StoredGrant:
        """What a discovery found, within the walk's bound, stored. Raises IgAuthError."""
        try:
            facts = await asyncio.wait_for(discovery, self._patience.whole_seconds)
        except TimeoutError:
            facts = None
        except GraphError as error:
            if isinstance(error, GraphRefusal):
                await self._checks.note_refusal(row, error)
            raise self._public(row, error) from None
        if facts is not None:
            await self._checks.note_facts(row, facts)
        listing = findings.snapshot(self._clock())
        if listing is None:
            raise FacebookTimeout
        return await self._keep(row, listing)

    def _public(self, row: ConnectionRow, error: GraphError) -> IgAuthError:
        log_failure(error)
        refusal = public_error(error)
        if isinstance(refusal, ReconnectRequired):
            return ReconnectRequired(action_url=self._rules.reconnect_url(row, self._clock()))
        return refusal

    async def _keep(self, row: ConnectionRow, fresh: Listing) -> StoredGrant:
        def unit(tx: Transaction) -> StoredGrant:
            latest = self._keeping.lock(tx, row)
            if not may_list(latest.provider, latest.granted_scopes):
                raise self._permission_missing(latest)
            return self._keeping.save(tx, latest, fresh)

        return await self._database.write(unit)


def may_list(provider: Provider, granted: frozenset[str] | None) -> bool:
    """Whether any permission was granted that could fill a listing."""
    return provider is not Provider.FACEBOOK or bool(NEEDED & (granted or frozenset()))


def _with_connection(shown: StoredGrant | None, latest: StoredGrant) -> StoredGrant:
    """What was found just now, with the connection's state as it is after that."""
    return latest if shown is None else replace(shown, connection=latest.connection)
