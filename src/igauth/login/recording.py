"""What a login leaves behind: gathered from what Meta said, and committed whole."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from igauth.domain import (
    Clock,
    ConnectionId,
    GranularScopes,
    Listing,
    PersonId,
    Provider,
)
from igauth.errors import FacebookUnavailable
from igauth.events import trail
from igauth.grants.checks import live_grant
from igauth.grants.consent import Consent, certain_ids, next_consent, told
from igauth.grants.revocations import Revocations
from igauth.grants.vault import Vault
from igauth.listing.findings import Findings
from igauth.listing.freshness import Listings, may_list
from igauth.listing.keeping import Keeping
from igauth.meta.door import Door, Identified
from igauth.meta.errors import GraphError
from igauth.meta.verdicts import log_failure, login_error
from igauth.observability import REQUEST_ID
from igauth.store import logins
from igauth.store.connections import ConnectionRow, SealedToken
from igauth.store.database import Database, Transaction
from igauth.store.logins import Recorded
from igauth.store.new_logins import IntoLink, IntoSession, Listed, NewLogin


@dataclass(frozen=True, slots=True)
class _Fresh:
    """The connection that a login is about to make, as far as its scopes go."""

    id: ConnectionId
    provider: Provider
    granted_scopes: frozenset[str]
    scopes_known: bool
    granular: GranularScopes | None


CALLBACK_SECONDS: Final = 15.0


class Recorder:
    """Turns codes of one door into what is kept of them."""

    def __init__(
        self,
        door: Door,
        vault: Vault,
        keeping: Keeping,
        listings: Listings,
        revocations: Revocations,
        database: Database,
        clock: Clock,
        *,
        seconds: float = CALLBACK_SECONDS,
    ) -> None:
        """`seconds`: for all of it, from the code to the commit (contract §8)."""
        self.door = door
        self.vault = vault
        self.keeping = keeping
        self.listings = listings
        self.revocations = revocations
        self.database = database
        self.clock = clock
        self._seconds = seconds

    async def record(
        self, code: str, code_verifier: str, into: IntoSession | IntoLink, *, reconnect: str | None
    ) -> Recorded:
        """Code → token → whose it is → what is kept of it, all within the callback's budget.

        The code is sent once, whatever comes. Raises what a login ends with (contract §3).
        """
        ends_at = asyncio.get_running_loop().time() + self._seconds
        recording = Recording(self, self.listings.new_findings(self.door.provider))
        try:
            async with asyncio.timeout_at(ends_at):
                issued = await self.door.exchange(code, code_verifier)
                identified = await self.door.identify(issued, recording.findings)
        except GraphError as error:
            log_failure(error)
            raise login_error(error) from None
        except TimeoutError:
            raise FacebookUnavailable from None
        patience_seconds = max(1.0, ends_at - asyncio.get_running_loop().time())
        return await recording.commit(
            identified, into, reconnect=reconnect, patience_seconds=patience_seconds
        )


class Recording:
    """One login's way into the database."""

    def __init__(self, recorder: Recorder, findings: Findings) -> None:
        self._by = recorder
        self.findings = findings

    async def commit(
        self,
        identified: Identified,
        into: IntoSession | IntoLink,
        *,
        reconnect: str | None,
        patience_seconds: float,
    ) -> Recorded:
        """Person, connection, sealed token, listing, session or link: all of it or nothing.

        A listing that needs longer goes on by itself. Raises AccountSwitched, DatabaseUnavailable.
        """
        now = self._by.clock()
        first = self._first_listing(identified, now)
        login = self._login(identified, into, reconnect, first, now)
        try:
            recorded = await logins.record(
                self._by.database, login, patience_seconds=patience_seconds
            )
        except BaseException:
            identified.discovery.cancel()
            raise
        trail.say(recorded.event, outcome="ok", person=recorded.person_id)
        if first is None:
            self._by.listings.adopt(recorded.connection_id, identified.discovery, self.findings)
        return recorded

    def _first_listing(self, identified: Identified, now: datetime) -> Listing | None:
        """The whole listing, if it was as quick as the rest of the login, and well."""
        work: asyncio.Task[None] = identified.discovery
        if not work.done() or work.cancelled() or work.exception() is not None:
            return None
        return self.findings.listing(now)

    def _login(
        self,
        identified: Identified,
        into: IntoSession | IntoLink,
        reconnect: str | None,
        first: Listing | None,
        now: datetime,
    ) -> NewLogin:
        by, identity = self._by, identified.identity
        grant = live_grant(
            None,
            identified.facts,
            now,
            upgrade_pending=not identified.long_lived,
            rules=by.keeping.rules,
        )

        def seal(connection_id: ConnectionId, person_id: PersonId) -> SealedToken:
            return by.vault.seal(
                identified.token,
                connection_id,
                person_id,
                provider=by.door.provider,
                app_id=by.door.app_id,
            )

        def listed(
            tx: Transaction, _known: ConnectionRow | None, connection_id: ConnectionId
        ) -> Listed | None:
            if first is None or not may_list(by.door.provider, grant.granted_scopes):
                return None
            scoped = _Fresh(
                connection_id,
                by.door.provider,
                grant.granted_scopes or frozenset(),
                grant.granted_scopes is not None,
                grant.granular,
            )
            return by.keeping.prepared(tx, scoped, first)

        return NewLogin(
            provider=by.door.provider,
            app_id=by.door.app_id,
            subject=identity.subject,
            other_subject=identity.other_subject,
            name=identity.name,
            picture_url=identity.picture_url,
            grant=grant,
            seal=seal,
            consent=lambda stored: next_consent(
                stored, now, certain_ids(grant.granular, first)
            ).to_json(),
            tell=lambda consent: told(Consent.from_json(consent)),
            listing=listed,
            into=into,
            cancelled_revocations=by.revocations.hashes(identity.subject),
            reconnect=reconnect,
            request_id=REQUEST_ID.get(),
            now=now,
        )
