"""Sessions: resolve the one that a browser brings, list them, end them."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from igauth.domain import Clock, SessionHash
from igauth.errors import NOT_KEPT, NotFound
from igauth.events import trail
from igauth.security.opaque_tokens import OpaqueTokens
from igauth.settings import Settings
from igauth.store import attempts, views
from igauth.store import sessions as store
from igauth.store.database import Database, Transaction
from igauth.store.new_logins import NewSession
from igauth.store.people import PersonRow
from igauth.store.sessions import SessionRow
from igauth.store.views import Viewed

_TOUCH_EVERY: Final = timedelta(minutes=5)
_LONGEST_ID: Final = 128
_LONGEST_AGENT: Final = 300


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose request this is: a live session and its person."""

    session: SessionRow
    person: PersonRow


class Sessions:
    """Live sessions, each known by the keyed hash of its id."""

    def __init__(
        self, database: Database, tokens: OpaqueTokens, settings: Settings, clock: Clock
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._clock = clock
        self._idle = timedelta(days=settings.session_idle_days)
        self._max = timedelta(days=settings.session_max_days)

    async def resolve(self, session_id: str | None) -> Viewer | None:
        """The viewer of this cookie; None for unknown, ended and overdue sessions."""
        hashes = self.hashes(session_id)
        if not hashes:
            return None
        now, idle_since = self._now()
        found = await self._database.read(
            lambda tx: store.find(tx, hashes, now=now, idle_since=idle_since)
        )
        if found is None:
            return None
        await self._touch(found[0], hashes[0], now)
        return Viewer(*found)

    async def resolve_with_grants(
        self, session_id: str | None, *, with_accounts: bool = True
    ) -> Viewed | None:
        """The same with all that the person granted and what is stored of it: one query."""
        hashes = self.hashes(session_id)
        if not hashes:
            return None
        now, idle_since = self._now()
        found = await self._database.read(
            lambda tx: views.find_viewed(
                tx, hashes, now=now, idle_since=idle_since, with_accounts=with_accounts
            )
        )
        if found is not None:
            await self._touch(found.session, hashes[0], now)
        return found

    def hashes(self, session_id: str | None) -> tuple[SessionHash, ...]:
        """What a cookie's session may be kept under; nothing for what is no session's id."""
        if not session_id or len(session_id) > _LONGEST_ID or not session_id.isascii():
            return ()
        return self._tokens.session_hashes(session_id)

    def prepare(self, session_id: str, user_agent: str | None) -> NewSession:
        """A session to be, under this id."""
        now = self._clock()
        return NewSession(
            id_hash=self._tokens.session_hash(session_id),
            user_agent=_clean(user_agent),
            expires_at=now + self._max,
            ends_at=min(now + self._max, now + self._idle),
        )

    async def came_of(self, session_id: str, state_hash: str) -> bool:
        """Whether this session lives, and the login of this state made it."""
        if await self.resolve(session_id) is None:
            return False
        hashes = self.hashes(session_id)
        return await self._database.read(lambda tx: attempts.made_session(tx, state_hash, hashes))

    async def log_out(self, session_id: str | None) -> None:
        """Ends the session of this cookie, if there is one."""
        hashes = self.hashes(session_id)
        if not hashes:
            return

        def unit(tx: Transaction) -> str | None:
            person_id = store.remove_by_hash(tx, hashes)
            if person_id is not None:
                trail.keep(tx, "session.logout", at=self._clock(), person=person_id)
            return person_id

        person_id = await self._database.write(unit)
        if person_id is not None:
            trail.say("session.logout", person=person_id)

    async def list_live(self, viewer: Viewer) -> list[SessionRow]:
        """The viewer's live sessions, the latest seen first."""
        now, idle_since = self._now()
        return await self._database.read(
            lambda tx: store.list_live(tx, viewer.person.id, now=now, idle_since=idle_since)
        )

    async def end_one(self, viewer: Viewer, session_id: str) -> None:
        """Ends one of the viewer's own sessions, by its public id. Raises NotFound."""
        await self._end(viewer, "session.ended", lambda tx: self._end_one(tx, viewer, session_id))

    async def end_others(self, viewer: Viewer) -> None:
        """Ends all of the viewer's sessions but this one."""
        own, person_id = viewer.session.id, viewer.person.id
        await self._end(
            viewer,
            "session.others_ended",
            lambda tx: store.remove_all(tx, person_id, except_id=own),
        )

    async def _end(self, viewer: Viewer, event: str, end: Callable[[Transaction], object]) -> None:
        def unit(tx: Transaction) -> None:
            end(tx)
            trail.keep(tx, event, at=self._clock(), person=viewer.person.id)

        await self._database.write(unit)
        trail.say(event, person=viewer.person.id)

    def _end_one(self, tx: Transaction, viewer: Viewer, session_id: str) -> None:
        if not store.remove(tx, viewer.person.id, session_id):
            raise NotFound("You have no session of this id.")

    def idle_since(self) -> datetime:
        """Who wasn't seen since then has no live session."""
        return self._now()[1]

    def _now(self) -> tuple[datetime, datetime]:
        """Now, and the moment since when a live session was seen."""
        now = self._clock()
        return now, now - self._idle

    async def _touch(self, row: SessionRow, newest: SessionHash, now: datetime) -> None:
        """Notes that a session was seen, at most every five minutes."""
        if row.id_hash == newest and now - row.last_seen_at < _TOUCH_EVERY:
            return
        ends_at = min(row.expires_at, now + self._idle)
        with suppress(*NOT_KEPT):  # a full disk must not end reading
            await self._database.write(
                lambda tx: store.touch(tx, row, id_hash=newest, now=now, ends_at=ends_at)
            )


def _clean(user_agent: str | None) -> str | None:
    if user_agent is None:
        return None
    return "".join(filter(str.isprintable, user_agent))[:_LONGEST_AGENT]
