"""What the operator's users have connected: the connections and accounts of everybody whom a
user is linked to (contract §11)."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from igauth.domain import Clock, ConnectionId, ConnectionStatus, PersonId
from igauth.errors import ConnectSessionExpired, IgAuthError, NotFound
from igauth.grants.state import GrantRules
from igauth.listing.accounts import Accounts
from igauth.listing.answer import Answer, ListingView, answer
from igauth.listing.freshness import Listings
from igauth.store import links, views
from igauth.store.connections import ConnectionRow
from igauth.store.database import Database, Transaction
from igauth.store.views import StoredGrant

_MOMENT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class LinkedConnection:
    """A connection, and the users of the operator's who are linked to its person."""

    row: ConnectionRow
    external_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Connected:
    """What a connect session brought: the connection and its listing as it is stored."""

    connection: LinkedConnection
    listing: Answer


@dataclass(frozen=True, slots=True)
class Filter:
    """Which connections are asked for: of one user or of all, in one state or in any."""

    external_id: str | None = None
    status: ConnectionStatus | None = None
    after: str = ""
    limit: int = 100


class Users:
    """Reads what users have; what is linked to nobody isn't there."""

    def __init__(
        self,
        listings: Listings,
        accounts: Accounts,
        rules: GrantRules,
        database: Database,
        clock: Clock,
    ) -> None:
        self._listings = listings
        self._accounts = accounts
        self._rules = rules
        self._database = database
        self._clock = clock

    async def list_connections(self, wanted: Filter) -> tuple[list[LinkedConnection], str | None]:
        """A page of connections, and where the next one begins, if there is one."""
        now = self._clock()

        def unit(tx: Transaction) -> list[LinkedConnection]:
            return with_users(tx, self._page(tx, wanted, now))

        found = await self._database.read(unit)
        more = len(found) > wanted.limit
        page = found[: wanted.limit]
        return page, page[-1].row.id if more else None

    async def get_connection(
        self, connection_id: str, external_id: str | None = None
    ) -> LinkedConnection:
        """A linked connection. Raises NotFound, all alike, where it isn't one, or another's."""

        def unit(tx: Transaction) -> LinkedConnection | None:
            row = links.find_connection(tx, ConnectionId(connection_id))
            return None if row is None else with_users(tx, [row])[0]

        found = await self._database.read(unit)
        if found is None or external_id not in (None, *found.external_ids):
            raise NotFound
        return found

    async def people(self, external_id: str) -> tuple[PersonId, ...]:
        """Everybody whom a user is linked to."""
        found = await self._database.read(lambda tx: links.list_people(tx, external_id))
        return tuple(found)

    async def listing(self, people: Sequence[PersonId], *, refresh: bool) -> Answer:
        """What these people list, as one list; nothing where there is nobody."""
        grants = await self._database.read(lambda tx: views.list_grants(tx, people))
        view = ListingView(())
        if grants:
            view = await self._listings.get(grants, refresh=refresh)
        return answer(view, self._rules, self._clock())

    async def account(self, external_id: str, account_id: str) -> str:
        """One account of that listing as JSON. Raises NotFound, and what a listing raises."""
        people = await self.people(external_id)
        if not people:
            raise NotFound
        return await self._accounts.get(people, account_id)

    async def connected(self, connection_id: ConnectionId) -> Connected:
        """What a session brought, as it is now. Raises ConnectSessionExpired where it went.

        A first listing that isn't there yet has a moment, as it has in a login (contract §3).
        """
        found, own = await self._database.read(lambda tx: _connected(tx, connection_id))
        view = ListingView(own)
        if any(each.listing is None for each in own):
            view = await self._soon(own)
        return Connected(found, answer(view, self._rules, self._clock()))

    async def _soon(self, grants: tuple[StoredGrant, ...]) -> ListingView:
        """What they list within a moment; what goes on then is for the first who asks."""
        walk = asyncio.ensure_future(self._listings.get(grants))
        await asyncio.wait((walk,), timeout=_MOMENT_SECONDS)
        if not walk.done():
            walk.cancel()
        with suppress(asyncio.CancelledError, IgAuthError):
            view = await walk
            ids = {each.connection.id for each in grants}
            own = tuple(each for each in view.grants if each.connection.id in ids)
            return ListingView(own, view.failures, view.stale)
        return ListingView(grants)

    def _page(self, tx: Transaction, wanted: Filter, now: datetime) -> list[ConnectionRow]:
        """One more than the page holds, where there are more."""
        return links.list_connections(
            tx,
            external_id=wanted.external_id,
            status=wanted.status,
            after=wanted.after,
            limit=wanted.limit + 1,
            now=now,
            soon=now + self._rules.expiring,
        )


def with_users(tx: Transaction, rows: Sequence[ConnectionRow]) -> list[LinkedConnection]:
    """Connections with the users of their people."""
    users = links.list_users(tx, [row.person_id for row in rows])
    return [LinkedConnection(row, tuple(users[row.person_id])) for row in rows]


def _connected(
    tx: Transaction, connection_id: ConnectionId
) -> tuple[LinkedConnection, tuple[StoredGrant, ...]]:
    row = links.find_connection(tx, connection_id)
    if row is None:
        raise ConnectSessionExpired
    grants = views.list_grants(tx, [row.person_id])
    own = tuple(each for each in grants if each.connection.id == connection_id)
    return with_users(tx, [row])[0], own
