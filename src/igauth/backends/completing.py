"""Completing a connect session, on behalf of the user whom the operator's server names from its
own session: a forwarded link, a victim's consent, an attacker's grant end here as `wrong_user`,
before any token exists (contract §11)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol

import structlog

from igauth.backends.parking import Parking
from igauth.background import Background
from igauth.domain import Clock, ConnectionId, Provider
from igauth.errors import (
    CodeRejected,
    ConnectCodeInvalid,
    ConnectSessionExpired,
    DatabaseUnavailable,
    IgAuthError,
    NotFound,
    Overloaded,
    ServerError,
    WrongUser,
    error_of,
)
from igauth.events import outbox, trail
from igauth.store import connect_sessions as store
from igauth.store import leases
from igauth.store.connect_sessions import ConnectSessionRow, ConnectStatus, ParkedRow
from igauth.store.database import Database, Transaction
from igauth.store.leases import Lease
from igauth.store.logins import Recorded
from igauth.store.new_logins import IntoLink

_log = structlog.stdlib.get_logger("igauth.connect")
_REPEATABLE: Final = timedelta(minutes=10)


class Exchanging(Protocol):
    """What turns a code into what is kept of it, through one door."""

    async def record(
        self, code: str, code_verifier: str, into: IntoLink, *, reconnect: str | None
    ) -> Recorded:
        """Two round trips and a commit. Raises what a login ends with."""
        ...


@dataclass(frozen=True, slots=True)
class Completion:
    """Who completes which session, with what, by which service key."""

    connect_session: str
    connect_code: str = field(repr=False)
    external_id: str
    actor: str


@dataclass(frozen=True, slots=True)
class _Mine:
    """The code is ours to exchange."""

    session: ConnectSessionRow
    parked: ParkedRow
    lease: Lease


class Completing:
    """Exchanges parked codes, each at most once."""

    def __init__(
        self,
        parking: Parking,
        doors: Mapping[Provider, Exchanging],
        database: Database,
        background: Background,
        *,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._parking = parking
        self._doors = doors
        self._database = database
        self._background = background
        self._clock = clock
        self._sleep = sleep

    async def complete(self, asked: Completion) -> ConnectionId:
        """The connection that came of it; the same again for ten minutes.

        Raises NotFound, ConnectCodeInvalid, WrongUser, ConnectSessionExpired, and what a login
        can fail with (contract §3).
        """
        while True:
            turn = await self._database.write(lambda tx: self._turn(tx, asked))
            if isinstance(turn, IgAuthError):
                raise turn
            if isinstance(turn, _Mine):
                work = self._background.spawn(self._exchange(turn, asked), kept=True)
                return await asyncio.shield(work)
            if turn is not None:
                return turn
            await leases.waited_for(lambda: self._is_settled(asked), self._sleep)

    def _turn(
        self, tx: Transaction, asked: Completion
    ) -> "_Mine | ConnectionId | IgAuthError | None":
        """Our turn, what came of another's, or why there is none; None: another is at it.

        A refusal that destroys something is returned, since raising would undo it.
        """
        session = store.lock(tx, asked.connect_session)
        if session is None:
            raise NotFound("There is no connect session of this id.")
        now = self._clock()
        if session.status_at(now) is ConnectStatus.EXPIRED:
            raise ConnectSessionExpired
        parked = store.find_parked(tx, session.id, self._parking.hashes(asked.connect_code))
        if parked is None:
            raise ConnectCodeInvalid
        if session.external_id != asked.external_id:
            return self._refuse_user(tx, session, asked)
        if session.status is ConnectStatus.COMPLETED:
            return self._repeated(session)
        if session.error is not None:
            raise error_of(session.error)
        return self._take(tx, session, parked)

    def _take(
        self, tx: Transaction, session: ConnectSessionRow, parked: ParkedRow
    ) -> "_Mine | IgAuthError | None":
        now = self._clock()
        if parked.sealed_code is not None:
            lease = store.lease(parked.id)
            store.take(tx, parked.id, lease.owner, now)
            return _Mine(session, parked, lease)
        if parked.is_being_exchanged(now):
            return None
        store.fail(tx, session.id, CodeRejected.code)  # whoever had it died: the code is spent
        return CodeRejected()

    def _repeated(self, session: ConnectSessionRow) -> ConnectionId:
        is_late = session.completed_at is None or (
            self._clock() - session.completed_at > _REPEATABLE
        )
        if is_late or session.connection_id is None:
            raise ConnectSessionExpired
        return ConnectionId(session.connection_id)

    def _refuse_user(
        self, tx: Transaction, session: ConnectSessionRow, asked: Completion
    ) -> WrongUser:
        """Nobody's grant goes to somebody else; what is under way or done already stays."""
        if session.status is ConnectStatus.RETURNED and not store.is_taken(tx, session.id):
            store.fail(tx, session.id, WrongUser.code)
            self._note_refused(tx, session, asked)
        return WrongUser()

    def _note_refused(self, tx: Transaction, session: ConnectSessionRow, asked: Completion) -> None:
        """The trail and the event, in the transaction of the refusal."""
        trail.keep(
            tx,
            "connect_session.refused",
            at=self._clock(),
            outcome=WrongUser.code,
            actor=asked.actor,
            purpose=session.id,
        )
        outbox.record_refusal(tx, session.id, [session.external_id], self._clock())

    async def _is_settled(self, asked: Completion) -> bool | None:
        """Whether whoever exchanges the code has ended, or died."""
        hashes = self._parking.hashes(asked.connect_code)
        row = await self._database.read(
            lambda tx: store.find_parked(tx, asked.connect_session, hashes)
        )
        return None if row is not None and row.is_being_exchanged(self._clock()) else True

    async def _exchange(self, mine: _Mine, asked: Completion) -> ConnectionId:
        """Two round trips, and one commit that no leaving server can interrupt."""
        session = mine.session
        into = IntoLink(session.external_id, session.id, mine.parked.id, asked.actor)
        try:
            async with leases.renewed(self._database, mine.lease, self._clock):
                code = self._parking.open(mine.parked)
                recorded = await self._doors[session.provider].record(
                    code.code, code.verifier, into, reconnect=session.reconnect
                )
        except IgAuthError as failure:
            raise await self._fail(session, failure) from None
        except Exception:
            _log.exception("connect.crashed")
            raise await self._fail(session, ServerError()) from None
        return recorded.connection_id

    async def _fail(self, session: ConnectSessionRow, failure: IgAuthError) -> IgAuthError:
        if isinstance(failure, Overloaded):
            failure = DatabaseUnavailable()
        trail.say("connect.failed", outcome=failure.code)
        with suppress(DatabaseUnavailable, Overloaded):  # its lease runs out by itself
            await self._database.write(lambda tx: store.fail(tx, session.id, failure.code))
        return failure
