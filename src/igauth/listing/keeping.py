"""Keeping a listing: merged into what is stored, rendered, written; one way for logins, requests
and background walks."""

from collections.abc import Sequence
from dataclasses import replace

from igauth.domain import Clock, ConnectionId, EventType, Listing
from igauth.errors import ReconnectRequired
from igauth.events import outbox
from igauth.grants.consent import Consent, certain_ids, next_consent
from igauth.grants.state import GrantRules, Scoped
from igauth.listing.merging import merge
from igauth.listing.rendering import Scopes, rendered, rerendered, restored
from igauth.store import connections, listings
from igauth.store.connections import ConnectionRow
from igauth.store.database import Transaction
from igauth.store.listings import AccountRow, ListingRow, digest_of
from igauth.store.views import StoredGrant


class Keeping:
    """Writes listings, inside the transaction of whoever has one."""

    def __init__(self, rules: GrantRules, clock: Clock) -> None:
        self.rules = rules
        self._clock = clock

    def find(self, tx: Transaction, connection_id: ConnectionId) -> StoredGrant | None:
        """A connection with its stored listing and accounts."""
        row = connections.find(tx, connection_id)
        if row is None:
            return None
        accounts = listings.list_accounts(tx, connection_id)
        return _grant(row, listings.find(tx, connection_id), accounts)

    def lock(self, tx: Transaction, row: ConnectionRow) -> ConnectionRow:
        """The connection as it is now; nobody changes it before the end of the transaction.

        Raises ReconnectRequired where it went, or where the person consented anew meanwhile.
        """
        latest = connections.lock(tx, row.id)
        if latest is None or latest.connected_at != row.connected_at:
            raise ReconnectRequired
        return latest

    def save(self, tx: Transaction, row: ConnectionRow, fresh: Listing) -> StoredGrant:
        """Stores a listing; a partial one never overwrites what it couldn't see."""
        kept, accounts = self.prepared(tx, row, fresh)
        change = _change(tx, row, accounts)
        listings.save(tx, row.id, kept, accounts)
        self._note_consent(tx, row, fresh)
        if change is not None:
            connections.raise_version(tx, row)
            outbox.record(tx, EventType.ACCOUNTS_CHANGED, row.id, self._clock(), **change)
        return _grant(row, kept, accounts)

    def prepared(
        self, tx: Transaction, row: Scoped, fresh: Listing
    ) -> tuple[ListingRow, list[AccountRow]]:
        """A listing as it would be stored now."""
        if not fresh.complete:
            stored = listings.find(tx, row.id)
            if stored is not None:
                before = restored(stored, listings.list_accounts(tx, row.id))
                fresh = merge(before, fresh, row.granular)
        return rendered(fresh, row.id, _scopes(row), self.rules.select_path(row))

    def merged(self, tx: Transaction, row: ConnectionRow, snapshot: Listing) -> StoredGrant:
        """What is known so far, over what is stored; nothing is written."""
        return _grant(row, *self.prepared(tx, row, snapshot))

    def rerender(self, tx: Transaction, row: ConnectionRow) -> None:
        """The connection's scopes changed: what its accounts may be used for is told anew."""
        stored = listings.find(tx, row.id)
        if stored is None:
            return
        accounts = rerendered(listings.list_accounts(tx, row.id), _scopes(row))
        listings.save(tx, row.id, replace(stored, digest=digest_of(accounts)), accounts)

    def _note_consent(self, tx: Transaction, row: ConnectionRow, listing: Listing) -> None:
        """A consent whose ids were not certain at login becomes certain by a whole listing."""
        if row.last_consent is None:
            return
        consent = Consent.from_json(row.last_consent)
        known = certain_ids(row.granular, listing)
        if consent.now is None and known is not None:
            settled = replace(next_consent(None, consent.at, known), before=consent.before)
            connections.save_consent_diff(tx, row, settled.to_json())


def _change(
    tx: Transaction, row: ConnectionRow, accounts: Sequence[AccountRow]
) -> dict[str, list[str]] | None:
    """Ids that came and went since this consent was listed; None where it wasn't yet, or where
    nothing did.

    What the consent itself named is no news when a partial listing is made whole.
    """
    stored = listings.find(tx, row.id)
    if stored is None or stored.fetched_at < row.connected_at or row.last_consent is None:
        return None
    consented = Consent.from_json(row.last_consent).now
    if consented is None:
        return None
    before, now = listings.list_ids(tx, row.id), {each.instagram_account_id for each in accounts}
    expected = before if stored.complete else before | set(consented)
    added, removed = sorted(now - expected), sorted(before - now)
    return {"added": added, "removed": removed} if added or removed else None


def _scopes(row: Scoped) -> Scopes:
    granted = row.granted_scopes if row.scopes_known else None
    return Scopes(row.provider, granted, row.granular)


def _grant(
    row: ConnectionRow, listing: ListingRow | None, accounts: Sequence[AccountRow]
) -> StoredGrant:
    return StoredGrant(row, listing, ",".join(each.body for each in accounts))
