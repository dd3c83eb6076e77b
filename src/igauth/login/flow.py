"""Logging in: from the redirect to the committed session (contract §3).

The journey is in `docs/decisions/0003` and `0010`: an attempt is recognised before anything else,
its state is spent by a statement that commits alone, the code is sent at most once, and what Meta
gave is kept in one transaction that no leaving browser can interrupt. `_log_in` is the list of
steps after that.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from igauth.background import Background
from igauth.errors import (
    NOT_KEPT,
    CodeRejected,
    DatabaseUnavailable,
    IgAuthError,
    NotReady,
    Overloaded,
    RateLimited,
    ServerError,
    StateUsed,
)
from igauth.events import trail
from igauth.login.arrivals import Arrival, LoginEnd, code_of
from igauth.login.attempts import Attempt, Attempts, Wish
from igauth.login.connecting import ConnectReturns
from igauth.login.recording import Recorder
from igauth.login.return_to import ReturnAddresses
from igauth.login.sessions import Sessions
from igauth.login.spending import Spending
from igauth.security.opaque_tokens import sha256_hex
from igauth.store.attempts import Outcome
from igauth.store.new_logins import IntoSession

_log = structlog.stdlib.get_logger("igauth.login")


@dataclass(frozen=True, slots=True)
class StartWish:
    """What whoever starts a login asks for. `return_to` isn't vetted yet; `adding_to`: the
    session whose person is to gain what the login brings (contract §10)."""

    return_to: str | None = None
    popup: bool = False
    prompt: str | None = None
    reconnect: str | None = None
    adding_to: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class StartedLogin:
    """Where to send the browser, the cookie it needs, and the cookies that it must drop."""

    location: str = field(repr=False)
    cookie_name: str
    cookie_value: str = field(repr=False)
    dropped_cookies: tuple[str, ...]


class LoginFlow:
    """The use case: `start` makes an attempt, `complete` ends it."""

    def __init__(
        self,
        attempts: Attempts,
        addresses: ReturnAddresses,
        spending: Spending,
        recorder: Recorder,
        sessions: Sessions,
        returns: ConnectReturns,
        background: Background,
    ) -> None:
        self._attempts = attempts
        self._addresses = addresses
        self._spending = spending
        self._recorder = recorder
        self._sessions = sessions
        self._returns = returns
        self._background = background
        self._door = recorder.door

    def start(self, asked: StartWish, cookies: Mapping[str, str]) -> StartedLogin:
        """A new attempt. Raises ReturnToNotAllowed; writes nothing, asks nobody.

        Idle connections to Meta are opened meanwhile, so that the callback finds them warm.
        """
        wish = Wish(self._addresses.vet(asked.return_to), asked.popup, asked.reconnect)
        return self._start(wish, asked, cookies)

    def start_connecting(
        self, session_id: str, return_to: str, prompt: str | None, cookies: Mapping[str, str]
    ) -> StartedLogin:
        """An attempt of a connect session, whose address was vetted when that was made."""
        wish = Wish(return_to, connect=session_id)
        return self._start(wish, StartWish(prompt=prompt), cookies)

    def _start(self, wish: Wish, asked: StartWish, cookies: Mapping[str, str]) -> StartedLogin:
        begun_under = next(iter(self._sessions.hashes(asked.adding_to)), None)
        attempt = self._attempts.start(wish, begun_under=begun_under, cookies=cookies)
        location = self._door.dialog_address(
            state=attempt.state, code_challenge=attempt.code_challenge, prompt=asked.prompt
        )
        self._background.spawn(self._door.warm())
        return StartedLogin(
            location, attempt.cookie_name, attempt.cookie_value, attempt.crowded_out
        )

    async def complete(self, arrival: Arrival) -> LoginEnd:
        """Ends the attempt that this browser started.

        Raises RateLimited where too many arrivals wait for one attempt, and nothing else.
        """
        try:
            attempt = self._recognise(arrival)
        except IgAuthError as failure:
            return await self._unrecognised(arrival, failure)
        signed = attempt.signed
        if signed.connect is not None:
            return await self._returns.complete(signed.connect, attempt, arrival)
        return_to = self._addresses.vet_or_default(signed.return_to)
        try:
            self._attempts.check_age(attempt)
            logged_in = await self._once(attempt, arrival)
        except RateLimited:
            raise
        except IgAuthError as failure:
            return self._failed(attempt, return_to, failure)
        except Exception:
            _log.exception("login.crashed")
            return self._failed(attempt, return_to, ServerError())
        return LoginEnd(
            return_to,
            signed.popup,
            session_id=attempt.session_id if logged_in else None,
            spent_cookie=attempt.cookie_name,
        )

    def _recognise(self, arrival: Arrival) -> Attempt:
        states = arrival.states if len(arrival.codes) <= 1 else ()
        return self._attempts.recognise(self._attempts.state_of(states), arrival.cookies)

    async def _unrecognised(self, arrival: Arrival, failure: IgAuthError) -> LoginEnd:
        """A stranger, or the very browser that completed this login before: its session tells.

        A completed login cleared the attempt's cookie, so a reload or the back button has only
        the session that came of it.
        """
        if len(arrival.states) == 1 and arrival.session_id:
            with suppress(*NOT_KEPT):
                state_hash = sha256_hex(arrival.states[0])
                if await self._sessions.came_of(arrival.session_id, state_hash):
                    return LoginEnd(self._addresses.default, session_id=arrival.session_id)
        trail.say("login.refused", outcome=failure.code)
        return LoginEnd(self._addresses.default, failure=failure, counts=True)

    def _failed(self, attempt: Attempt, return_to: str, failure: IgAuthError) -> LoginEnd:
        """The cookie stays where the database couldn't be asked, so that a reload may succeed."""
        if isinstance(failure, Overloaded | NotReady):
            failure = DatabaseUnavailable(failure.public_detail)
        trail.say("login.failed", outcome=failure.code)
        kept = isinstance(failure, DatabaseUnavailable)
        return LoginEnd(
            return_to,
            attempt.signed.popup,
            failure=failure,
            spent_cookie=None if kept else attempt.cookie_name,
            counts=isinstance(failure, CodeRejected),
        )

    async def _once(self, attempt: Attempt, arrival: Arrival) -> bool:
        """The winner of the state does the login, shielded; every other arrival waits for it.

        True: there is a session of this attempt. False: something was added to another's person.
        """
        work = self._background.spawn(self._win_or_wait(attempt, arrival), kept=True)
        return await asyncio.shield(work)

    async def _win_or_wait(self, attempt: Attempt, arrival: Arrival) -> bool:
        async with self._spending.of(attempt) as turn:
            if turn.is_mine:
                turn.outcome = await self._log_in(attempt, arrival)
        if turn.outcome is Outcome.ADDED:
            return False
        if not turn.is_mine and await self._sessions.resolve(attempt.session_id) is None:
            raise StateUsed
        return True

    async def _log_in(self, attempt: Attempt, arrival: Arrival) -> Outcome:
        """What the code is worth, kept: a session comes of it, or an addition."""
        recorded = await self._recorder.record(
            code_of(arrival),
            attempt.code_verifier,
            self._into(attempt, arrival),
            reconnect=attempt.signed.reconnect,
        )
        return Outcome.ADDED if recorded.added else Outcome.COMPLETED

    def _into(self, attempt: Attempt, arrival: Arrival) -> IntoSession:
        """The session that the browser gets, in place of the one that it came with."""
        hashes = self._sessions.hashes(arrival.session_id)
        return IntoSession(
            session=self._sessions.prepare(attempt.session_id, arrival.user_agent),
            state_hash=attempt.signed.state_hash,
            ended_sessions=hashes,
            adding_under=hashes if attempt.signed.begun_under in hashes else (),
            idle_since=self._sessions.idle_since(),
        )
