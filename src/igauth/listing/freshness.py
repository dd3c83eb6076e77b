"""Freshness of listings: stored if young, refreshed once for all who wait, honest when stale.

Discovery itself is `accounts.py`; this room decides when it runs, how long anybody waits for it,
and what is kept (contract §6).
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import structlog

from igauth.background import Background
from igauth.domain import (
    Clock,
    GranularScopes,
    Listing,
    Permissions,
    PersonId,
    Source,
)
from igauth.errors import (
    FacebookTimeout,
    IgAuthError,
    NotFound,
    PermissionMissing,
    ReconnectRequired,
)
from igauth.grants.checks import Verification
from igauth.grants.consent import Consent, certain_ids, next_consent
from igauth.grants.state import DEAD, Custody, GrantRules, error_of, public_error
from igauth.listing.discovery import Discovery
from igauth.listing.findings import Progress
from igauth.listing.merging import merge
from igauth.listing.pictures import is_live
from igauth.meta.errors import GraphError, GraphRefusal
from igauth.meta.facebook.proof import UserToken
from igauth.meta.facebook.tokens import DebuggedToken
from igauth.store import connections, listings
from igauth.store.connections import ConnectionRow
from igauth.store.database import Database, Transaction

_log = structlog.stdlib.get_logger("igauth.listing")
ANSWER_SECONDS = 10.0
WALK_SECONDS = 60.0
_POLL_SECONDS = 0.1
NEEDED = frozenset({"pages_show_list", "instagram_basic"})
"""Permissions of which a listing needs at least one (contract §6)."""


@dataclass(frozen=True, slots=True)
class ListingView:
    """A listing as it is answered: with its connection, and whether it is older than it should."""

    listing: Listing
    connection: ConnectionRow
    stale: bool


@dataclass(frozen=True, slots=True)
class _Flight:
    """A refresh under way, and what it has found so far."""

    work: asyncio.Task[Listing]
    progress: Progress


class FirstListing:
    """The discovery that runs beside a login."""

    def __init__(self, flight: _Flight) -> None:
        self.flight = flight
        self.taken = False

    def take(self) -> Listing | None:
        """The whole listing, if it was as quick as the rest of the login, and well."""
        work = self.flight.work
        if not work.done() or work.cancelled() or work.exception() is not None:
            return None
        self.taken = True
        return work.result()

    def abandon(self) -> None:
        """The login failed: nobody needs this listing."""
        self.flight.work.cancel()


class Listings:
    """Answers with a person's listing, at the cost of at most one walk at a time."""

    def __init__(
        self,
        *,
        discovery: Discovery,
        custody: Custody,
        verification: Verification,
        rules: GrantRules,
        database: Database,
        background: Background,
        max_age: timedelta,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        answer_seconds: float = ANSWER_SECONDS,
        walk_seconds: float = WALK_SECONDS,
    ) -> None:
        self._discovery = discovery
        self._custody = custody
        self._verification = verification
        self._rules = rules
        self._database = database
        self._background = background
        self._max_age = max_age
        self._clock = clock
        self._sleep = sleep
        self._answer_seconds = answer_seconds
        self._walk_seconds = walk_seconds
        self._owner = uuid.uuid4().hex
        self._flights: dict[PersonId, _Flight] = {}

    async def get(self, person_id: PersonId, *, refresh: bool = False) -> ListingView:
        """The person's listing.

        A young stored one costs no call. An older one is refreshed; where that fails it is served
        as stale, unless `refresh` asked for the truth. Raises IgAuthError where there is nothing
        to serve, ReconnectRequired where the person has no connection.
        """
        row, stored = await self._stored(person_id)
        if stored is not None and not refresh and self._is_young(stored):
            return ListingView(stored, row, stale=False)
        try:
            row = await self._usable(row, stored)
            return await self._refreshed(row, stored)
        except IgAuthError:
            if stored is None or refresh:
                raise
        row, latest = await self._stored(person_id)
        return ListingView(latest or stored, row, stale=True)

    async def live_picture(self, person_id: PersonId, account_id: str) -> str:
        """A link to the account's picture that hasn't expired. Raises NotFound for none.

        The signed link's own expiry, `oe`, decides when Facebook is asked again.
        """
        url = _picture(await self.get(person_id), account_id)
        if is_live(url, self._clock()):
            return url
        return _picture(await self.get(person_id, refresh=True), account_id)

    def begin_first(
        self,
        token: UserToken,
        *,
        permissions: Awaitable[Permissions | None],
        granular: Awaitable[GranularScopes | None],
    ) -> FirstListing:
        """Starts discovery beside a login, whose other calls tell permissions and targets."""
        progress = Progress()
        work = self._discover(token, permissions, granular, progress)
        return FirstListing(_Flight(self._background.spawn(work), progress))

    async def store_first(self, tx: Transaction, person_id: PersonId, listing: Listing) -> None:
        """Keeps a login's listing in the login's own transaction."""
        await self._save(tx, person_id, listing)

    def adopt(self, person_id: PersonId, first: FirstListing) -> None:
        """The login is committed: a listing that needs longer goes on, for the first request."""
        if first.taken:
            return
        work = self._background.spawn(self._finish_first(person_id, first))
        self._fly(person_id, _Flight(work, first.flight.progress))

    async def _stored(self, person_id: PersonId) -> tuple[ConnectionRow, Listing | None]:
        async with self._database.reading() as tx:
            row = await connections.find_for_person(tx, person_id)
            kept = await listings.find(tx, person_id)
        if row is None:
            raise ReconnectRequired
        return row, None if kept is None else kept.listing

    def _is_young(self, listing: Listing) -> bool:
        return self._clock() - listing.fetched_at < self._max_age

    async def _usable(self, row: ConnectionRow, stored: Listing | None) -> ConnectionRow:
        """The row, if its grant can be asked at all; raises what is wrong with it else."""
        now = self._clock()
        status = self._rules.status(row, now)
        refusal = error_of(status, self._rules.reconnect_url(row, now))
        if status in DEAD and refusal is not None:
            raise refusal
        if refusal is not None:
            row = await self._after_checkpoint(row, refusal)
        if stored is None and not NEEDED & row.granted_scopes:
            raise PermissionMissing(
                "Neither pages_show_list nor instagram_basic was granted.",
                action_url=self._rules.select_url(row),
            )
        return row

    async def _after_checkpoint(self, row: ConnectionRow, refusal: IgAuthError) -> ConnectionRow:
        """Asks once each max age whether the person has passed Facebook's checkpoint."""
        now = self._clock()
        if row.verified_at is not None and now - row.verified_at < self._max_age:
            raise refusal
        try:
            row = await self._verification.verify(row)
        except GraphError as error:
            raise self._public(row, error) from None
        still = error_of(self._rules.status(row, now), self._rules.reconnect_url(row, now))
        if still is not None:
            raise still
        return row

    async def _refreshed(self, row: ConnectionRow, stored: Listing | None) -> ListingView:
        """The listing of the flight under way, or of a new one; within the answer's bound."""
        flight = self._flights.get(row.person_id) or self._launch(row, stored)
        done, _ = await asyncio.wait((flight.work,), timeout=self._answer_seconds)
        if done:
            listing = await self._landed(row, flight)
        else:
            listing = self._so_far(flight, stored)
        latest, _ = await self._stored(row.person_id)
        return ListingView(listing, latest, stale=False)

    async def _landed(self, row: ConnectionRow, flight: _Flight) -> Listing:
        try:
            return flight.work.result()
        except asyncio.CancelledError:
            raise FacebookTimeout from None
        except GraphError as error:
            raise self._public(row, error) from None

    def _public(self, row: ConnectionRow, error: GraphError) -> IgAuthError:
        refusal = public_error(error)
        if refusal.action_url is None and isinstance(refusal, ReconnectRequired):
            return ReconnectRequired(action_url=self._rules.reconnect_url(row, self._clock()))
        return refusal

    def _so_far(self, flight: _Flight, stored: Listing | None) -> Listing:
        """What is there when the answer is due. Raises FacebookTimeout if that is nothing."""
        snapshot = flight.progress.snapshot(self._clock())
        if snapshot is None:
            raise FacebookTimeout
        return merge(stored, snapshot) if stored is not None else snapshot

    def _launch(self, row: ConnectionRow, stored: Listing | None) -> _Flight:
        progress = Progress()
        work = self._background.spawn(self._refresh(row, stored, progress))
        return self._fly(row.person_id, _Flight(work, progress))

    def _fly(self, person_id: PersonId, flight: _Flight) -> _Flight:
        self._flights[person_id] = flight
        flight.work.add_done_callback(lambda _: self._forget(person_id, flight))
        return flight

    def _forget(self, person_id: PersonId, flight: _Flight) -> None:
        if self._flights.get(person_id) is flight:
            del self._flights[person_id]

    async def _refresh(
        self, row: ConnectionRow, stored: Listing | None, progress: Progress
    ) -> Listing:
        """Walks, unless another replica does or just did: then its result is taken."""
        while not await self._claim(row.person_id):
            await self._sleep(_POLL_SECONDS)
        try:
            return await self._newer(row.person_id, stored) or await self._walk(row, progress)
        except BaseException:
            await self._release(row.person_id)
            raise

    async def _claim(self, person_id: PersonId) -> bool:
        now = self._clock()
        until = now + timedelta(seconds=self._answer_seconds + self._walk_seconds + 5)
        async with self._database.transaction() as tx:
            return await listings.claim(tx, person_id, owner=self._owner, now=now, until=until)

    async def _newer(self, person_id: PersonId, known: Listing | None) -> Listing | None:
        """What another replica stored since `known` was read; gives the lease back."""
        async with self._database.reading() as tx:
            kept = await listings.find(tx, person_id)
        if kept is None or kept.listing is None:
            return None
        if known is not None and kept.listing.fetched_at <= known.fetched_at:
            return None
        await self._release(person_id)
        return kept.listing

    async def _release(self, person_id: PersonId) -> None:
        try:
            async with self._database.transaction() as tx:
                await listings.release(tx, person_id, self._owner, self._clock())
        except IgAuthError:
            _log.warning("listing.lease_not_released")

    async def _walk(self, row: ConnectionRow, progress: Progress) -> Listing:
        token = await self._custody.open(row)
        try:
            asking = self._background.spawn(self._verification.debug(token))
            fresh = await self._discover(
                token,
                self._permissions(token, row, asking),
                self._granular(row, asking, progress),
                progress,
            )
        except GraphRefusal as refusal:
            await self._verification.note_refusal(row, refusal)
            raise
        return await self._keep(row, fresh)

    async def _granular(
        self, row: ConnectionRow, asking: asyncio.Task[DebuggedToken], progress: Progress
    ) -> GranularScopes | None:
        """What the token covers; the last known, and no whole truth, where that isn't told."""
        try:
            return (await asyncio.shield(asking)).granular
        except GraphError as error:
            progress.fail(error, Source.GRANULAR_PAGES, Source.GRANULAR_INSTAGRAM)
            return row.granular

    async def _permissions(
        self, token: UserToken, row: ConnectionRow, asking: asyncio.Task[DebuggedToken]
    ) -> Permissions:
        """What is granted now: asked anew where the token's scopes aren't the stored ones."""
        stored = Permissions(row.granted_scopes, row.declined_scopes)
        try:
            debugged = await asyncio.shield(asking)
            if not debugged.is_valid or debugged.scopes == row.granted_scopes:
                return stored
            return await self._verification.renew_permissions(row, token)
        except GraphError:
            return stored

    async def _discover(
        self,
        token: UserToken,
        permissions: Awaitable[Permissions | None],
        granular: Awaitable[GranularScopes | None],
        progress: Progress,
    ) -> Listing:
        """One discovery; ended by the walk's bound with what it has."""
        try:
            async with asyncio.timeout(self._answer_seconds + self._walk_seconds):
                return await self._discovery.discover(
                    token, permissions=permissions, granular=granular, progress=progress
                )
        except TimeoutError:
            snapshot = progress.snapshot(self._clock())
            if snapshot is None:
                raise FacebookTimeout from None
            return snapshot

    async def _finish_first(self, person_id: PersonId, first: FirstListing) -> Listing:
        row, _ = await self._stored(person_id)
        try:
            fresh = await first.flight.work
        except GraphRefusal as refusal:
            await self._verification.note_refusal(row, refusal)
            raise
        return await self._keep(row, fresh)

    async def _keep(self, row: ConnectionRow, fresh: Listing) -> Listing:
        """Stores what was found, if the consent that it was found by is still the last one."""
        async with self._database.transaction() as tx:
            latest = await connections.find_for_person(tx, row.person_id)
            if latest is None:
                raise ReconnectRequired
            if latest.connected_at != row.connected_at or not NEEDED & latest.granted_scopes:
                return fresh
            saved = await self._save(tx, row.person_id, fresh)
            await self._note_consent(tx, latest, fresh)
        return saved

    async def _save(self, tx: Transaction, person_id: PersonId, fresh: Listing) -> Listing:
        """Stores a listing; a partial one never overwrites what it couldn't see."""
        kept = await listings.find(tx, person_id)
        if not fresh.complete and kept is not None and kept.listing is not None:
            fresh = merge(kept.listing, fresh)
        await listings.save(tx, person_id, fresh)
        return fresh

    async def _note_consent(self, tx: Transaction, row: ConnectionRow, listing: Listing) -> None:
        """A consent whose ids were not certain at login becomes certain by a whole listing."""
        if row.last_consent is None:
            return
        consent = Consent.from_json(row.last_consent)
        known = certain_ids(row.granular, listing)
        if consent.now is None and known is not None:
            settled = next_consent(None, consent.at, known)
            settled = replace(settled, before=consent.before)
            await connections.save_consent_diff(tx, row, settled.to_json())


def _picture(view: ListingView, account_id: str) -> str:
    for account in view.listing.accounts:
        if account.id == account_id and account.profile_picture_url is not None:
            return account.profile_picture_url
    raise NotFound("There is no picture of an Instagram account of this id in your list.")
