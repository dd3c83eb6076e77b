"""Asking Meta what a grant is worth now, and writing down what it said: the only place that
changes a connection's state, but for logins and what ends it."""

import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import structlog

from igauth.domain import Clock, ConnectionCause, ConnectionStatus, Permissions, Provider
from igauth.errors import NotFound, ReconnectRequired
from igauth.events import outbox, trail
from igauth.grants.state import DEAD, LIVE, GrantRules
from igauth.grants.vault import Vault
from igauth.meta.door import Check, Door, GrantFacts, Renewed, UserToken
from igauth.meta.errors import GraphError, GraphRefusal
from igauth.meta.verdicts import cause_of, log_failure, public_error, status_of
from igauth.store import connections
from igauth.store.connections import ConnectionRow, Grant, SealedToken
from igauth.store.database import Database, Transaction

_log = structlog.stdlib.get_logger("igauth.checks")
_SOON: Final = timedelta(minutes=1)
Doors = Mapping[Provider, Door]
Rerender = Callable[[Transaction, ConnectionRow], None]
Death = tuple[ConnectionRow, Check]
"""A living connection, and the answer that ends or holds up its grant."""


class Checks:
    """Keeps a connection's stored state equal to what Meta says of its token."""

    def __init__(
        self,
        doors: Doors,
        vault: Vault,
        database: Database,
        *,
        rules: GrantRules,
        clock: Clock,
        on_scopes: Rerender,
    ) -> None:
        """`on_scopes` is called in the transaction in which a connection's scopes change."""
        self._doors = doors
        self._vault = vault
        self._database = database
        self._rules = rules
        self._clock = clock
        self._on_scopes = on_scopes

    def door(self, row: ConnectionRow) -> Door:
        """The door of a connection. Raises ReconnectRequired where it is closed, or another
        app's stands there now."""
        door = self._doors.get(row.provider)
        if door is None or door.app_id != row.app_id:
            raise ReconnectRequired
        return door

    async def verify(self, row: ConnectionRow) -> ConnectionRow:
        """Re-checks the connection at Meta and stores what it learned; as it is then.

        Raises ReconnectRequired where there is no token, NotFound where the connection went
        meanwhile, and what a failing Meta means for people (`verdicts.public_error`).
        """
        try:
            await self.check(row)
        except GraphError as error:
            log_failure(error)
            raise public_error(error) from None
        return await self.reread(row)

    async def check(self, row: ConnectionRow) -> ConnectionStatus:
        """The same for the keeper; returns the state. Raises ReconnectRequired, GraphError."""
        token = await self._vault.open(row)
        return await self._save(row, await self.door(row).check(token, row.subject))

    async def renew(self, row: ConnectionRow, held_back: list[Death]) -> ConnectionStatus | None:
        """Like `check`, but with a new token where one is due. Raises as `check`.

        None: a grant ended that is judged by number; it is put into `held_back`, nothing written.
        """
        token = await self._vault.open(row)
        if row.upgrade_pending or self._renewal_is_due(row):
            renewed = await self.door(row).renew(token, row.subject, known(row))
            if renewed is not None:
                return await self._save_renewed(row, renewed)
        check = await self.door(row).check(token, row.subject)
        if is_judged_by_number(row) and _is_death(check):
            held_back.append((row, check))
            return None
        return await self._save(row, check)

    async def settle(self, death: Death) -> ConnectionStatus:
        """Writes down a death that `renew` held back."""
        return await self._save(*death)

    async def open(self, row: ConnectionRow) -> UserToken:
        """The token of a connection. Raises ReconnectRequired."""
        return await self._vault.open(row)

    async def note_refusal(self, row: ConnectionRow, refusal: GraphRefusal) -> None:
        """A call said that the token is dead or held up: that is the connection's state now."""
        status = status_of(refusal)
        if status is not None:
            await self._save_status(row, status, cause_of(refusal))

    async def note_facts(self, row: ConnectionRow, facts: GrantFacts) -> None:
        """What a listing learned of the grant on its way."""
        if facts.permissions is None or facts.permissions == permissions(row):
            return
        fresh = facts.permissions

        def unit(tx: Transaction) -> None:
            if connections.save_permissions(tx, row, fresh):
                self._rerender(tx, row)

        await self._database.write(unit)

    async def reread(self, row: ConnectionRow) -> ConnectionRow:
        """The connection as it is now. Raises NotFound."""
        latest = await self._database.read(lambda tx: connections.find(tx, row.id))
        if latest is None:
            raise NotFound
        return latest

    def _renewal_is_due(self, row: ConnectionRow) -> bool:
        ends_at = row.token_expires_at
        due_at = self.door(row).renewal_due_at(row.token_issued_at, ends_at)
        if due_at is None and ends_at is not None:
            due_at = ends_at - self._rules.expiring
        return due_at is not None and due_at <= self._clock()

    async def _save(self, row: ConnectionRow, check: Check) -> ConnectionStatus:
        now = self._clock()
        if not check.is_ours:
            cause = ConnectionCause.NOT_OURS
            return await self._save_status(row, ConnectionStatus.RECONNECT_REQUIRED, cause, now)
        held_up = None if check.refusal is None else status_of(check.refusal)
        if check.refusal is not None and held_up is not None:
            return await self._save_status(row, held_up, cause_of(check.refusal), now)
        if check.facts is None:
            cause = ConnectionCause.SESSION_INVALID
            return await self._save_status(row, ConnectionStatus.RECONNECT_REQUIRED, cause, now)
        pending = row.upgrade_pending
        grant = live_grant(row, check.facts, now, upgrade_pending=pending, rules=self._rules)
        await self._database.write(lambda tx: self._save_grant(tx, row, grant))
        return grant.status

    async def _save_renewed(self, row: ConnectionRow, renewed: Renewed) -> ConnectionStatus:
        now = self._clock()
        grant = live_grant(row, renewed.facts, now, upgrade_pending=False, rules=self._rules)
        token = self._vault.seal_for(row, renewed.token)
        await self._database.write(lambda tx: self._save_grant(tx, row, grant, token))
        return grant.status

    def _save_grant(
        self, tx: Transaction, row: ConnectionRow, grant: Grant, token: SealedToken | None = None
    ) -> None:
        before = connections.lock_same(tx, row)
        if before is None or not connections.save_check(tx, before, grant, token=token):
            return
        self._note_change(tx, before, grant.status)
        if (grant.granted_scopes, grant.granular) != (row.granted_scopes, row.granular):
            self._rerender(tx, row)

    async def _save_status(
        self,
        row: ConnectionRow,
        status: ConnectionStatus,
        cause: ConnectionCause | None,
        verified_at: datetime | None = None,
    ) -> ConnectionStatus:
        """A state that isn't `active`; written where it is another than before."""
        if (status, cause) == (row.status, row.cause) and verified_at is None:
            return status
        next_check_at = None if status in DEAD else self._clock() + about_a_day()

        def unit(tx: Transaction) -> bool:
            before = connections.lock_same(tx, row)
            if before is None:
                return False
            if status is ConnectionStatus.REVOKED:
                connections.save_removed(tx, before)
            else:
                connections.save_status(
                    tx, before, status, cause, verified_at=verified_at, next_check_at=next_check_at
                )
            return self._note_change(tx, before, status)

        if await self._database.write(unit):
            trail.say("connection.status", outcome=status.value, person=row.person_id)
        return status

    def _note_change(
        self, tx: Transaction, before: ConnectionRow, status: ConnectionStatus
    ) -> bool:
        """One event for each change of state, whoever was quicker to notice it."""
        now = self._clock()
        changed = outbox.record_change(tx, before.id, before.status, status, now)
        if changed:
            trail.keep(
                tx,
                "connection.status",
                at=now,
                outcome=status.value,
                actor="meta",
                person=before.person_id,
                connection=before.id,
            )
        return changed

    def _rerender(self, tx: Transaction, row: ConnectionRow) -> None:
        latest = connections.find(tx, row.id)
        if latest is not None:
            self._on_scopes(tx, latest)


def is_judged_by_number(row: ConnectionRow) -> bool:
    """Whether this is a living grant of a door that has no word for "the app is blocked": many
    that end at once are no fault of people's (instagram-login-facts 12.7)."""
    return row.status in LIVE and row.provider is Provider.INSTAGRAM


def _is_death(check: Check) -> bool:
    return check.facts is None or check.refusal is not None or not check.is_ours


def known(row: ConnectionRow) -> GrantFacts:
    """What is stored of a grant, in the door's words."""
    return GrantFacts(
        token_expires_at=row.token_expires_at,
        data_access_expires_at=row.data_access_expires_at,
        permissions=permissions(row),
        granular=row.granular,
    )


def permissions(row: ConnectionRow) -> Permissions | None:
    """What is stored of the permissions; None where they were never told."""
    return Permissions(row.granted_scopes, row.declined_scopes) if row.scopes_known else None


def live_grant(
    row: ConnectionRow | None,
    facts: GrantFacts,
    now: datetime,
    *,
    upgrade_pending: bool,
    rules: GrantRules,
) -> Grant:
    """A grant whose token lives, but for its dates. What Meta didn't say stays as it was.

    A token without a date, or short-lived, is looked at again soon after a login (`row` None).
    """
    granted = facts.permissions or (permissions(row) if row else None)
    dates = facts if facts.speaks_of_dates or row is None else row
    settled = row is not None or not (upgrade_pending or facts.token_expires_at is None)
    status, cause = rules.by_dates(dates.token_expires_at, dates.data_access_expires_at, now)
    again = now + (about_a_day() if settled else _SOON)
    return Grant(
        status=status,
        cause=cause,
        upgrade_pending=upgrade_pending,
        token_expires_at=dates.token_expires_at,
        data_access_expires_at=dates.data_access_expires_at,
        granted_scopes=None if granted is None else granted.granted,
        declined_scopes=frozenset() if granted is None else granted.declined,
        granular=facts.granular,
        verified_at=now,
        next_check_at=None if status in DEAD else again,
    )


def about_a_day() -> timedelta:
    """When to check next: a day, with jitter, so that logins of one hour don't stay together."""
    return timedelta(hours=24 * random.uniform(0.9, 1.1))  # noqa: S311  # jitter, no secret
