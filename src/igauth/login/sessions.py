"""Sessions: resolve the one that a browser brings, list them, end them."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from igauth.domain import Clock, PersonId, SessionHash
from igauth.errors import DatabaseUnavailable, NotFound
from igauth.events import trail as events
from igauth.security.opaque_tokens import OpaqueTokens
from igauth.settings import Settings
from igauth.store import attempts
from igauth.store import sessions as store
from igauth.store.attempts import Outcome
from igauth.store.database import Database, Transaction
from igauth.store.people import PersonRow
from igauth.store.sessions import SessionRow

MOST_SESSIONS = 20
_TOUCH_EVERY = timedelta(minutes=5)
_LONGEST_ID = 128
_LONGEST_AGENT = 300


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
        if not session_id or len(session_id) > _LONGEST_ID or not session_id.isascii():
            return None
        hashes = self._tokens.session_hashes(session_id)
        now = self._clock()
        async with self._database.reading() as tx:
            found = await store.find(tx, hashes, now=now, idle_since=now - self._idle)
        if found is None:
            return None
        await self._touch(found[0], hashes[0], now)
        return Viewer(*found)

    async def issue(
        self, tx: Transaction, session_id: str, person_id: PersonId, user_agent: str | None
    ) -> None:
        """A new session under this id, within the limit of parallel sessions."""
        now = self._clock()
        await store.keep_newest(tx, person_id, MOST_SESSIONS - 1)
        await store.add(
            tx,
            id_hash=self._tokens.session_hash(session_id),
            person_id=person_id,
            user_agent=_clean(user_agent),
            now=now,
            expires_at=now + self._max,
        )

    async def note_origin(self, tx: Transaction, session_id: str, state_hash: str) -> None:
        """The login of this state is completed, and made this session."""
        session_hash = self._tokens.session_hash(session_id)
        await attempts.finish(tx, state_hash, Outcome.COMPLETED, session_hash)

    async def came_of(self, session_id: str, state_hash: str) -> bool:
        """Whether this session lives, and the login of this state made it."""
        if await self.resolve(session_id) is None:
            return False
        async with self._database.reading() as tx:
            hashes = self._tokens.session_hashes(session_id)
            return await attempts.made_session(tx, state_hash, hashes)

    async def revoke(self, tx: Transaction, session_id: str) -> PersonId | None:
        """Ends the session of this cookie; tells whose it was."""
        return await store.remove_by_hash(tx, self._tokens.session_hashes(session_id))

    async def log_out(self, session_id: str | None) -> None:
        """Ends the session of this cookie, if there is one."""
        if not session_id or len(session_id) > _LONGEST_ID or not session_id.isascii():
            return
        async with self._database.transaction() as tx:
            person_id = await self.revoke(tx, session_id)
            if person_id is not None:
                await events.record(tx, "session.logout", at=self._clock(), person=person_id)

    async def list_live(self, viewer: Viewer) -> list[SessionRow]:
        """The viewer's live sessions, the latest seen first."""
        now = self._clock()
        async with self._database.reading() as tx:
            return await store.list_live(tx, viewer.person.id, now=now, idle_since=now - self._idle)

    async def end_one(self, viewer: Viewer, session_id: str) -> None:
        """Ends one of the viewer's own sessions, by its public id. Raises NotFound."""
        async with self._database.transaction() as tx:
            if not await store.remove(tx, viewer.person.id, session_id):
                raise NotFound("You have no session of this id.")
            await events.record(tx, "session.ended", at=self._clock(), person=viewer.person.id)

    async def end_others(self, viewer: Viewer) -> None:
        """Ends all of the viewer's sessions but this one."""
        async with self._database.transaction() as tx:
            await store.remove_all(tx, viewer.person.id, except_id=viewer.session.id)
            await events.record(
                tx, "session.others_ended", at=self._clock(), person=viewer.person.id
            )

    async def prune(self, tx: Transaction) -> int:
        """Deletes overdue sessions; returns how many."""
        now = self._clock()
        return await store.prune(tx, now=now, idle_since=now - self._idle)

    async def count_live(self, tx: Transaction) -> int:
        """How many sessions live."""
        now = self._clock()
        return await store.count_live(tx, now=now, idle_since=now - self._idle)

    async def _touch(self, row: SessionRow, newest: SessionHash, now: datetime) -> None:
        if row.id_hash == newest and now - row.last_seen_at < _TOUCH_EVERY:
            return
        with suppress(DatabaseUnavailable):  # a full disk must not end reading
            async with self._database.transaction() as tx:
                await store.touch(tx, row, id_hash=newest, now=now)


def _clean(user_agent: str | None) -> str | None:
    if user_agent is None:
        return None
    return "".join(filter(str.isprintable, user_agent))[:_LONGEST_AGENT]
