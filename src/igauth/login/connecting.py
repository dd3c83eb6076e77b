"""Coming back from Meta in a connect session: the code is parked for the operator's server, and
nothing is asked of Meta (contract §11)."""

import asyncio
from typing import Protocol

import structlog

from igauth.background import Background
from igauth.errors import (
    CodeRejected,
    DatabaseUnavailable,
    IgAuthError,
    Overloaded,
    RateLimited,
    ReturnToNotAllowed,
    ServerError,
)
from igauth.events import trail
from igauth.login.arrivals import Arrival, LoginEnd, code_of
from igauth.login.attempts import Attempt, Attempts
from igauth.login.return_to import ConnectAddresses, with_parameters
from igauth.login.spending import Spending
from igauth.store.attempts import Outcome

_log = structlog.stdlib.get_logger("igauth.login")


class Parking(Protocol):
    """Where codes lie until the operator's server completes their session."""

    async def park(
        self, session_id: str, connect_code: str, *, code: str, code_verifier: str
    ) -> None:
        """Keeps the code, sealed. Raises ConnectSessionExpired."""
        ...

    async def way_back(self, session_id: str) -> tuple[str, str | None]:
        """Where the session returns to, and the operator's `state`. Raises
        ConnectSessionExpired."""
        ...


class ConnectReturns:
    """Ends attempts of connect sessions: with a parked code, or a refusal."""

    def __init__(
        self,
        attempts: Attempts,
        addresses: ConnectAddresses,
        spending: Spending,
        parking: Parking,
        background: Background,
        *,
        default: str,
    ) -> None:
        """`default`: where a browser goes whose address is allowed no more."""
        self._attempts = attempts
        self._addresses = addresses
        self._spending = spending
        self._parking = parking
        self._background = background
        self._default = default

    async def complete(self, session_id: str, attempt: Attempt, arrival: Arrival) -> LoginEnd:
        """The address to go back to: with the connect code, or with what went wrong.

        Raises RateLimited where too many arrivals wait for one attempt, and nothing else.
        """
        try:
            self._attempts.check_age(attempt)
            work = self._background.spawn(self._once(session_id, attempt, arrival), kept=True)
            address = await asyncio.shield(work)
        except RateLimited:
            raise
        except IgAuthError as failure:
            return self._failed(attempt, failure)
        except Exception:
            _log.exception("connect.crashed")
            return self._failed(attempt, ServerError())
        return LoginEnd(address, spent_cookie=attempt.cookie_name, connecting=True)

    async def _once(self, session_id: str, attempt: Attempt, arrival: Arrival) -> str:
        """The winner of the state parks the code; whoever waited has the same connect code."""
        async with self._spending.of(attempt) as turn:
            if turn.is_mine:
                await self._parking.park(
                    session_id,
                    attempt.connect_code,
                    code=code_of(arrival),
                    code_verifier=attempt.code_verifier,
                )
                turn.outcome = Outcome.PARKED
                await self._spending.note(attempt, Outcome.PARKED)
        return_to, state = await self._parking.way_back(session_id)
        parameters = {"connect_session": session_id, "connect_code": attempt.connect_code}
        if state is not None:
            parameters["state"] = state
        return with_parameters(self._addresses.vet(return_to), parameters)

    def _failed(self, attempt: Attempt, failure: IgAuthError) -> LoginEnd:
        """The cookie stays where the database couldn't be asked, so that a reload may succeed."""
        if isinstance(failure, Overloaded):
            failure = DatabaseUnavailable()
        trail.say("connect.failed", outcome=failure.code)
        kept = isinstance(failure, DatabaseUnavailable)
        return LoginEnd(
            self._return_to(attempt),
            failure=failure,
            spent_cookie=None if kept else attempt.cookie_name,
            counts=isinstance(failure, CodeRejected),
            connecting=True,
        )

    def _return_to(self, attempt: Attempt) -> str:
        try:
            return self._addresses.vet(attempt.signed.return_to)
        except ReturnToNotAllowed:
            return self._default
