"""What a login leaves behind: gathered from what Meta said, and committed whole."""

import asyncio
from dataclasses import dataclass
from typing import Protocol

from igauth.domain import (
    Clock,
    ConnectionId,
    GranularScopes,
    Listing,
    PersonId,
    Provider,
)
from igauth.events import trail
from igauth.grants.checks import live_grant
from igauth.grants.consent import certain_ids, next_consent
from igauth.grants.revocations import Revocations
from igauth.grants.vault import Vault
from igauth.listing.findings import Findings
from igauth.listing.freshness import Listings, may_list
from igauth.listing.keeping import Keeping
from igauth.login.attempts import Attempt
from igauth.login.sessions import Sessions
from igauth.meta.door import Door, Identified
from igauth.observability import REQUEST_ID
from igauth.store import logins
from igauth.store.attempts import Outcome
from igauth.store.connections import ConnectionRow, SealedToken
from igauth.store.database import Database, Transaction
from igauth.store.logins import Listed, NewLogin


class Visitor(Protocol):
    """The browser that comes back from Meta."""

    @property
    def session_id(self) -> str | None: ...
    @property
    def user_agent(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class _Fresh:
    """The connection that a login is about to make, as far as its scopes go."""

    id: ConnectionId
    provider: Provider
    granted_scopes: frozenset[str]
    scopes_known: bool
    granular: GranularScopes | None


class Recorder:
    """Commits logins through one door."""

    def __init__(
        self,
        door: Door,
        vault: Vault,
        keeping: Keeping,
        listings: Listings,
        sessions: Sessions,
        revocations: Revocations,
        database: Database,
        clock: Clock,
    ) -> None:
        self.door = door
        self.vault = vault
        self.keeping = keeping
        self.listings = listings
        self.sessions = sessions
        self.revocations = revocations
        self.database = database
        self.clock = clock

    def begin(self) -> "Recording":
        """For one login: its findings are what the door fills."""
        return Recording(self, self.listings.new_findings(self.door.provider))


class Recording:
    """One login's way into the database."""

    def __init__(self, recorder: Recorder, findings: Findings) -> None:
        self._by = recorder
        self.findings = findings

    async def commit(
        self,
        identified: Identified,
        attempt: Attempt,
        visitor: Visitor,
        *,
        patience_seconds: float,
    ) -> Outcome:
        """Person, connection, sealed token, listing, session: all of it or nothing.

        A listing that needs longer goes on by itself. Raises AccountSwitched, DatabaseUnavailable.
        """
        first = self._first_listing(identified)
        login = self._login(identified, attempt, visitor, first)
        try:
            recorded = await logins.record(
                self._by.database, login, patience_seconds=patience_seconds
            )
        except BaseException:
            identified.discovery.cancel()
            raise
        event = "connection.added" if recorded.added else "login.completed"
        trail.say(event, outcome="ok", person=recorded.person_id)
        if first is None:
            self._by.listings.adopt(recorded.connection_id, identified.discovery, self.findings)
        return Outcome.ADDED if recorded.added else Outcome.COMPLETED

    def _first_listing(self, identified: Identified) -> Listing | None:
        """The whole listing, if it was as quick as the rest of the login, and well."""
        work: asyncio.Task[None] = identified.discovery
        if not work.done() or work.cancelled() or work.exception() is not None:
            return None
        return self.findings.listing(self._by.clock())

    def _login(
        self, identified: Identified, attempt: Attempt, visitor: Visitor, first: Listing | None
    ) -> NewLogin:
        by, now, identity = self._by, self._by.clock(), identified.identity
        grant = live_grant(None, identified.facts, now, upgrade_pending=not identified.long_lived)

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
            listing=listed,
            session=by.sessions.prepare(attempt.session_id, visitor.user_agent),
            state_hash=attempt.signed.state_hash,
            ended_sessions=(hashes := by.sessions.hashes(visitor.session_id)),
            adding_under=hashes if attempt.signed.begun_under in hashes else (),
            idle_since=by.sessions.idle_since(now),
            cancelled_revocations=by.revocations.hashes(identity.subject),
            reconnect=attempt.signed.reconnect,
            request_id=REQUEST_ID.get(),
            now=now,
        )
