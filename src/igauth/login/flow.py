"""Logging in with Facebook: from the redirect to the committed session (contract §3).

The journey is `docs/decisions/0003` and `0010`: an attempt is recognised before anything else,
its state is spent by a statement that commits alone, the code is sent at most once, and what
Facebook gave is kept in one transaction that no leaving browser can interrupt.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from igauth.background import Background
from igauth.domain import (
    Clock,
    ConnectionId,
    ConnectionStatus,
    Listing,
    PersonId,
)
from igauth.errors import (
    AccessDenied,
    AccountSwitched,
    CodeRejected,
    DatabaseUnavailable,
    FacebookRefused,
    IgAuthError,
    ServerError,
    StateUsed,
)
from igauth.events import trail as events
from igauth.grants.checks import about_a_day
from igauth.grants.consent import Consent, certain_ids, next_consent
from igauth.grants.revocations import Revocations
from igauth.grants.state import Custody
from igauth.listing.freshness import NEEDED, Listings
from igauth.login.attempts import Attempt, Attempts
from igauth.login.consented import Consented, Proof
from igauth.login.return_to import ReturnAddresses
from igauth.login.sessions import Sessions
from igauth.meta.facebook.reading import Profile
from igauth.meta.facebook.tokens import FacebookOAuth
from igauth.security.opaque_tokens import sha256_hex
from igauth.store import attempts as spent_states
from igauth.store import connections, people
from igauth.store.attempts import Outcome
from igauth.store.connections import ConnectionRow, Grant
from igauth.store.database import Database, Transaction

_log = structlog.stdlib.get_logger("igauth.login")
CALLBACK_SECONDS = 15.0
_OUTCOME_MARGIN = timedelta(seconds=5)
_POLL_SECONDS = 0.05
_WARM_CONNECTIONS = 5
_LONGEST_CODE = 4_096
_FIRST_CHECK = timedelta(minutes=1)

AUTH_TYPES = {"select": "rerequest", "reauthorize": "reauthorize"}
"""Our `prompt` in the dialog's words (graph-facts 1.1)."""


@dataclass(frozen=True, slots=True)
class StartedLogin:
    """Where to send the browser, the cookie it needs, and the cookies that it must drop."""

    location: str
    cookie_name: str
    cookie_value: str
    dropped_cookies: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a browser brings to the callback. Repeated parameters stay visible."""

    states: Sequence[str]
    codes: Sequence[str]
    error: str | None
    refused: bool
    cookies: Mapping[str, str]
    session_id: str | None
    user_agent: str | None

    def __repr__(self) -> str:
        return f"Arrival(refused={self.refused})"


@dataclass(frozen=True, slots=True)
class LoginEnd:
    """How a login ended: with a session, or with a failure; where to go; what to clear."""

    return_to: str
    popup: bool = False
    session_id: str | None = None
    failure: IgAuthError | None = None
    spent_cookie: str | None = None
    recognised: bool = True

    def __repr__(self) -> str:
        return f"LoginEnd(failure={self.failure!r})"


class LoginFlow:
    """The use case: `start` makes an attempt, `complete` ends it."""

    def __init__(
        self,
        *,
        app_id: str,
        attempts: Attempts,
        addresses: ReturnAddresses,
        oauth: FacebookOAuth,
        proof: Proof,
        listings: Listings,
        sessions: Sessions,
        revocations: Revocations,
        custody: Custody,
        database: Database,
        background: Background,
        warm: Callable[[int], Awaitable[None]],
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        callback_seconds: float = CALLBACK_SECONDS,
    ) -> None:
        self._app_id = app_id
        self._attempts = attempts
        self._addresses = addresses
        self._oauth = oauth
        self._proof = proof
        self._listings = listings
        self._sessions = sessions
        self._revocations = revocations
        self._custody = custody
        self._database = database
        self._background = background
        self._warm = warm
        self._clock = clock
        self._sleep = sleep
        self._callback_seconds = callback_seconds

    def start(
        self,
        *,
        return_to: str | None,
        popup: bool,
        prompt: str | None,
        reconnect: str | None,
        cookies: Mapping[str, str],
    ) -> StartedLogin:
        """A new attempt. Raises ReturnToNotAllowed; writes nothing, asks nobody.

        Idle connections to Facebook are opened meanwhile, so that the callback finds them warm.
        """
        address = self._addresses.vet(return_to)
        attempt = self._attempts.start(address, popup=popup, reconnect=reconnect, cookies=cookies)
        location = self._oauth.dialog_address(
            state=attempt.state,
            code_challenge=attempt.code_challenge,
            auth_type=AUTH_TYPES.get(prompt or ""),
        )
        self._background.spawn(self._warm_up())
        return StartedLogin(
            location, attempt.cookie_name, attempt.cookie_value, attempt.crowded_out
        )

    async def _warm_up(self) -> None:
        await self._warm(_WARM_CONNECTIONS)

    async def complete(self, arrival: Arrival) -> LoginEnd:
        """Ends the attempt that this browser started. Never raises for what can go wrong."""
        try:
            attempt = self._recognise(arrival)
        except IgAuthError as failure:
            if await self._is_own_reload(arrival):
                return LoginEnd(self._addresses.default, session_id=arrival.session_id)
            events.say("login.refused", outcome=failure.code)
            return LoginEnd(self._addresses.default, failure=failure, recognised=False)
        signed = attempt.signed
        end = LoginEnd(
            return_to=self._addresses.vet_or_default(signed.return_to),
            popup=signed.popup,
            spent_cookie=attempt.cookie_name,
        )
        try:
            self._attempts.check_age(attempt)
            return await self._once(attempt, arrival, end)
        except IgAuthError as failure:
            return _failed(end, failure)
        except Exception:
            _log.exception("login.crashed")
            return _failed(end, ServerError())

    def _recognise(self, arrival: Arrival) -> Attempt:
        state = self._attempts.state_of(arrival.states)
        if len(arrival.codes) > 1:
            state = self._attempts.state_of(())
        return self._attempts.recognise(state, arrival.cookies)

    async def _is_own_reload(self, arrival: Arrival) -> bool:
        """Whether this very browser completed this login before: its session tells.

        A completed login cleared the attempt's cookie, so a reload or the back button has only
        the session that came of it.
        """
        if len(arrival.states) != 1 or not arrival.session_id:
            return False
        with suppress(DatabaseUnavailable):
            return await self._sessions.came_of(arrival.session_id, sha256_hex(arrival.states[0]))
        return False

    async def _once(self, attempt: Attempt, arrival: Arrival, end: LoginEnd) -> LoginEnd:
        """The winner of the state does the login, shielded; every other arrival waits for it."""
        work = self._background.spawn(self._win_or_wait(attempt, arrival), kept=True)
        session_id = await asyncio.shield(work)
        return LoginEnd(
            end.return_to, end.popup, session_id=session_id, spent_cookie=end.spent_cookie
        )

    async def _win_or_wait(self, attempt: Attempt, arrival: Arrival) -> str:
        if not await self._spend(attempt):
            return await self._same_session(attempt)
        try:
            return await self._log_in(attempt, arrival)
        except BaseException as failure:
            await self._note_failed(attempt, failure)
            raise

    async def _spend(self, attempt: Attempt) -> bool:
        async with self._database.transaction() as tx:
            return await spent_states.consume(
                tx,
                attempt.signed.state_hash,
                now=self._clock(),
                expires_at=self._attempts.forgotten_at(attempt),
            )

    async def _note_failed(self, attempt: Attempt, failure: BaseException) -> None:
        code = failure.code if isinstance(failure, IgAuthError) else ServerError.code
        try:
            async with self._database.transaction() as tx:
                await spent_states.finish(tx, attempt.signed.state_hash, Outcome.FAILED)
                await events.keep(tx, "login.failed", at=self._clock(), outcome=code)
        except IgAuthError:
            _log.warning("login.outcome_not_noted")

    async def _same_session(self, attempt: Attempt) -> str:
        """What the first arrival made, once it is done. Raises StateUsed where it is gone."""
        while (outcome := await self._outcome(attempt)) is None:
            await self._sleep(_POLL_SECONDS)
        if outcome is Outcome.FAILED:
            raise StateUsed
        if await self._sessions.resolve(attempt.session_id) is None:
            raise StateUsed
        return attempt.session_id

    async def _outcome(self, attempt: Attempt) -> Outcome | None:
        """How the first arrival ended; one that died in the midst counts as failed."""
        async with self._database.reading() as tx:
            found = await spent_states.find_outcome(tx, attempt.signed.state_hash)
        if found is None:
            return Outcome.FAILED
        spent_at, outcome = found
        patience = timedelta(seconds=self._callback_seconds) + _OUTCOME_MARGIN
        if outcome is None and self._clock() - spent_at > patience:
            return Outcome.FAILED
        return outcome

    async def _log_in(self, attempt: Attempt, arrival: Arrival) -> str:
        code = _code_of(arrival)
        consented = await self._proof.consent(code, attempt.code_verifier)
        try:
            person_id = await self._commit(attempt, arrival, consented)
        except BaseException:
            consented.listing.abandon()
            raise
        self._listings.adopt(person_id, consented.listing)
        return attempt.session_id

    async def _commit(self, attempt: Attempt, arrival: Arrival, consented: Consented) -> PersonId:
        """Person, sealed token, connection, listing, session: all of it or nothing."""
        now = self._clock()
        async with self._database.transaction() as tx:
            await self._check_same_person(tx, attempt.signed.reconnect, consented.profile)
            person_id = await self._save_person(tx, consented.profile, now)
            row = await connections.reserve(tx, person_id, now)
            listing = _worth_keeping(consented)
            await self._save_connection(tx, row, consented, listing, now)
            if listing is not None:
                await self._listings.store_first(tx, person_id, listing)
            await self._revocations.cancel(tx, consented.profile.id)
            if arrival.session_id:
                await self._sessions.revoke(tx, arrival.session_id)
            await self._sessions.issue(tx, attempt.session_id, person_id, arrival.user_agent)
            await self._sessions.note_origin(tx, attempt.session_id, attempt.signed.state_hash)
            await events.record(tx, "login.completed", at=now, outcome="ok", person=person_id)
        return person_id

    async def _check_same_person(
        self, tx: Transaction, reconnect: str | None, profile: Profile
    ) -> None:
        if reconnect is None:
            return
        row = await connections.find(tx, ConnectionId(reconnect))
        if row is None or (row.facebook_app_id, row.facebook_user_id) != (
            self._app_id,
            profile.id,
        ):
            raise AccountSwitched

    async def _save_person(self, tx: Transaction, profile: Profile, now: datetime) -> PersonId:
        return await people.upsert(
            tx,
            app_id=self._app_id,
            user_id=profile.id,
            name=profile.name,
            picture_url=profile.picture_url,
            now=now,
        )

    async def _save_connection(
        self,
        tx: Transaction,
        row: ConnectionRow,
        consented: Consented,
        listing: Listing | None,
        now: datetime,
    ) -> None:
        consent: Consent = next_consent(
            row.last_consent, now, certain_ids(consented.debugged.granular, listing)
        )
        await connections.save_login(
            tx,
            row.id,
            sealed_token=self._custody.seal(
                consented.token.access_token, row.id, self._app_id, row.person_id
            ),
            grant=_grant(consented, now),
            last_consent=consent.to_json(),
            now=now,
        )


def _grant(consented: Consented, now: datetime) -> Grant:
    """The facts of a fresh consent. A token whose upgrade failed is checked again soon."""
    debugged = consented.debugged
    expires_at = consented.token.expires_at
    if not consented.long_lived and expires_at is None:
        expires_at = debugged.expires_at
    settled = consented.long_lived and expires_at is not None
    return Grant(
        status=ConnectionStatus.ACTIVE,
        status_cause=None,
        upgrade_pending=not consented.long_lived,
        token_expires_at=expires_at,
        data_access_expires_at=debugged.data_access_expires_at,
        granted_scopes=consented.permissions.granted,
        declined_scopes=consented.permissions.declined,
        granular=debugged.granular,
        verified_at=now,
        next_check_at=now + (about_a_day() if settled else _FIRST_CHECK),
    )


def _worth_keeping(consented: Consented) -> Listing | None:
    """The first listing, unless no permission was granted that could have filled it."""
    return consented.listing.take() if NEEDED & consented.permissions.granted else None


def _failed(end: LoginEnd, failure: IgAuthError) -> LoginEnd:
    """The same end with a failure. The cookie stays where the database couldn't be asked."""
    events.say("login.failed", outcome=failure.code)
    spent = None if isinstance(failure, DatabaseUnavailable) else end.spent_cookie
    return LoginEnd(end.return_to, end.popup, failure=failure, spent_cookie=spent)


def _code_of(arrival: Arrival) -> str:
    """The code to exchange. Raises what the dialog's answer means (graph-facts 1.5, 1.6)."""
    if arrival.error == "access_denied":
        raise AccessDenied
    if arrival.refused or not arrival.codes or not arrival.codes[0]:
        raise FacebookRefused
    if len(arrival.codes[0]) > _LONGEST_CODE:
        raise CodeRejected
    return arrival.codes[0]
