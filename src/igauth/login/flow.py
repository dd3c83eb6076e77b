"""Logging in: from the redirect to the committed session (contract §3).

The journey is in `docs/decisions/0003` and `0010`: an attempt is recognised before anything else,
its state is spent by a statement that commits alone, the code is sent at most once, and what Meta
gave is kept in one transaction that no leaving browser can interrupt. `_log_in` is the list of
steps after that.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from igauth.background import Background
from igauth.errors import (
    AccessDenied,
    AppAccessMissing,
    CodeRejected,
    DatabaseUnavailable,
    FacebookRefused,
    FacebookUnavailable,
    IgAuthError,
    Overloaded,
    RateLimited,
    ServerError,
    StateUsed,
)
from igauth.events import trail
from igauth.login.attempts import Attempt, Attempts, Wish
from igauth.login.recording import Recorder
from igauth.login.return_to import ReturnAddresses
from igauth.login.sessions import Sessions
from igauth.login.spending import Spending
from igauth.meta.door import Door
from igauth.meta.errors import GraphError
from igauth.meta.meanings import lacks_role
from igauth.meta.verdicts import log_failure, login_error
from igauth.security.opaque_tokens import sha256_hex
from igauth.store.attempts import Outcome

_log = structlog.stdlib.get_logger("igauth.login")
CALLBACK_SECONDS: Final = 15.0
_LONGEST_CODE: Final = 4_096
_CANCELLED_BY_DIALOG: Final = "4201"


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


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a browser brings to the callback. Repeated parameters stay visible."""

    states: Sequence[str] = field(repr=False)
    codes: Sequence[str] = field(repr=False)
    error: str | None
    error_code: str | None
    refused: bool
    error_description: str | None = field(repr=False)
    cookies: Mapping[str, str] = field(repr=False)
    session_id: str | None = field(repr=False)
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class LoginEnd:
    """How a login ended: with a session, or with a failure; where to go; what to clear.

    `counts`: whether it counts towards RATE_LIMIT_LOGIN, as nothing that shows a real attempt.
    """

    return_to: str
    popup: bool = False
    session_id: str | None = field(default=None, repr=False)
    failure: IgAuthError | None = None
    spent_cookie: str | None = None
    counts: bool = False


class LoginFlow:
    """The use case: `start` makes an attempt, `complete` ends it."""

    def __init__(
        self,
        door: Door,
        attempts: Attempts,
        addresses: ReturnAddresses,
        spending: Spending,
        recorder: Recorder,
        sessions: Sessions,
        background: Background,
        *,
        callback_seconds: float = CALLBACK_SECONDS,
    ) -> None:
        self._door = door
        self._attempts = attempts
        self._addresses = addresses
        self._spending = spending
        self._recorder = recorder
        self._sessions = sessions
        self._background = background
        self._callback_seconds = callback_seconds

    def start(self, asked: StartWish, cookies: Mapping[str, str]) -> StartedLogin:
        """A new attempt. Raises ReturnToNotAllowed; writes nothing, asks nobody.

        Idle connections to Meta are opened meanwhile, so that the callback finds them warm.
        """
        wish = Wish(self._addresses.vet(asked.return_to), asked.popup, asked.reconnect)
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
            with suppress(DatabaseUnavailable):
                state_hash = sha256_hex(arrival.states[0])
                if await self._sessions.came_of(arrival.session_id, state_hash):
                    return LoginEnd(self._addresses.default, session_id=arrival.session_id)
        trail.say("login.refused", outcome=failure.code)
        return LoginEnd(self._addresses.default, failure=failure, counts=True)

    def _failed(self, attempt: Attempt, return_to: str, failure: IgAuthError) -> LoginEnd:
        """The cookie stays where the database couldn't be asked, so that a reload may succeed."""
        if isinstance(failure, Overloaded):
            failure = DatabaseUnavailable()
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
        """Code → token → whose it is → what is kept of it, all within the callback's budget."""
        ends_at = asyncio.get_running_loop().time() + self._callback_seconds
        code = _code_of(arrival)
        recording = self._recorder.begin()
        try:
            async with asyncio.timeout_at(ends_at):
                issued = await self._door.exchange(code, attempt.code_verifier)
                identified = await self._door.identify(issued, recording.findings)
        except GraphError as error:
            log_failure(error)
            raise login_error(error) from None
        except TimeoutError:
            raise FacebookUnavailable from None
        patience_seconds = max(1.0, ends_at - asyncio.get_running_loop().time())
        return await recording.commit(
            identified, attempt, arrival, patience_seconds=patience_seconds
        )


def _code_of(arrival: Arrival) -> str:
    """The code to exchange. Raises what the dialog's answer means (graph-facts 1.5, 1.6), whose
    "access denied" may be Instagram's own refusal (instagram-login-facts 2.5).
    """
    if lacks_role(arrival.error_description or ""):
        raise AppAccessMissing
    if arrival.error == "access_denied" or arrival.error_code == _CANCELLED_BY_DIALOG:
        raise AccessDenied
    if arrival.refused or not arrival.codes or not arrival.codes[0]:
        raise FacebookRefused
    if len(arrival.codes[0]) > _LONGEST_CODE:
        raise CodeRejected
    return arrival.codes[0]
