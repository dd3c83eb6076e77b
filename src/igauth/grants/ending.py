"""Giving a grant back: disconnect, deauthorization, data deletion (contract §5, §10; facts §13).

What a person has here goes in one transaction; what Meta still has to be told is queued in that
same transaction and tried at once.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from igauth.domain import (
    Clock,
    ConnectionStatus,
    DeletionReason,
    PersonId,
    Provider,
    Subject,
)
from igauth.errors import NotFound
from igauth.events import outbox, trail
from igauth.grants.revocations import Revocations
from igauth.security.opaque_tokens import OpaqueTokens, sha256_hex
from igauth.security.signed_request import SignedRequest
from igauth.store import audit, connections, links, pauses, people, sessions, signed_requests
from igauth.store.connections import ConnectionRow
from igauth.store.database import Database, Transaction
from igauth.store.people import SignInRow
from igauth.store.signed_requests import ReceiptRow

_LEEWAY: Final = timedelta(seconds=60)
_FURTHEST: Final = timedelta(minutes=10)
OnErased = Callable[[], Awaitable[None]]


class Outcome(StrEnum):
    """What became of a signed request of Meta's."""

    DELETED = "deleted"
    NOTHING_STORED = "nothing_stored"
    SUPERSEDED = "superseded"
    DEAUTHORIZED = "deauthorized"


@dataclass(frozen=True, slots=True)
class Ended:
    """What was ended: all of the person or one connection, and what Facebook is to be told."""

    everything: bool
    revocations: tuple[tuple[str, Subject], ...] = ()


@dataclass(frozen=True, slots=True)
class By:
    """On whose word something ends; `actor`: the service key, for the trail."""

    reason: DeletionReason
    actor: str | None = None


BY_PERSON: Final = By(DeletionReason.PERSON)


class Ending:
    """Ends what a person has with us, on their word, the operator's, or Meta's."""

    def __init__(
        self,
        revocations: Revocations,
        tokens: OpaqueTokens,
        database: Database,
        *,
        clock: Clock,
        on_erased: OnErased,
    ) -> None:
        """`on_erased` is awaited after each commit that erased something: SQLite's log may still
        hold a copy."""
        self._revocations = revocations
        self._tokens = tokens
        self._database = database
        self._clock = clock
        self._on_erased = on_erased

    async def end_person(self, person_id: PersonId) -> bool:
        """Deletes everything of this person; True when Meta confirmed what it had to be told.

        False: it is queued. Raises NotFound where another request was quicker.
        """
        ended = await self._database.write(lambda tx: self._end_person(tx, person_id, BY_PERSON))
        return await self._told(ended)

    async def end_connection(
        self, row: ConnectionRow, *, actor: str | None = None
    ) -> tuple[Ended, bool]:
        """Ends one connection; everything, where nothing would be left to sign in with.

        `actor`: the service key that asked for it; None: the person. The flag is `end_person`'s.
        Raises NotFound where another request was quicker.
        """
        by = BY_PERSON if actor is None else By(DeletionReason.BACKEND, actor)
        ended = await self._database.write(lambda tx: self._end_connection(tx, row, by))
        return ended, await self._told(ended)

    async def end_user(self, external_id: str, *, disconnect: bool, actor: str) -> bool:
        """Unlinks one of the operator's users; with `disconnect` the people whom no other user is
        linked to are erased, in the same transaction. The flag is `end_person`'s."""
        ended = await self._database.write(
            lambda tx: self._end_user(tx, external_id, actor, disconnect=disconnect)
        )
        return ended is None or await self._told(ended)

    async def deauthorize(self, text: str, request: SignedRequest, who: SignInRow) -> None:
        """The person removed the app at Meta: connections `revoked`, sessions ended.

        `who`: the subject that the request names, at the door that it came to.
        """
        if await self._database.write(lambda tx: self._deauthorize(tx, text, request, who)):
            trail.say("person.deauthorized")

    async def delete_data(self, text: str, request: SignedRequest, who: SignInRow) -> str:
        """Deletes what is stored behind that door; returns the confirmation code of this request.

        The same request has the same code, whatever happened since.
        """
        code = await self._database.write(lambda tx: self._delete_data(tx, text, request, who))
        await self._on_erased()
        return code

    async def erase(self, who: SignInRow) -> bool:
        """Deletes what is stored of a subject by hand; False where there is nothing."""
        erased = await self._database.write(
            lambda tx: self._erase(tx, who, By(DeletionReason.OPERATOR))
        )
        await self._on_erased()
        return erased

    async def receipt(self, code: str) -> ReceiptRow:
        """What became of a deletion request. Raises NotFound for a code that we didn't give."""
        hashes = [sha256_hex(code)]
        found = await self._database.read(lambda tx: signed_requests.find_receipt(tx, hashes))
        if found is None:
            raise NotFound("There is no deletion request of this code.")
        return found

    async def _told(self, ended: Ended) -> bool:
        trail.say("person.disconnected" if ended.everything else "connection.disconnected")
        await self._on_erased()
        told = [await self._revocations.try_now(*each) for each in ended.revocations]
        return all(told)

    def _end_user(
        self, tx: Transaction, external_id: str, actor: str, *, disconnect: bool
    ) -> Ended | None:
        """None: nobody was erased. Links go last: the events name the user."""
        linked = sorted(links.list_people(tx, external_id))
        for person_id in linked:
            people.lock(tx, person_id)
        users = links.list_users(tx, linked)
        alone = [each for each in linked if users[each] == [external_id]] if disconnect else []
        by = By(DeletionReason.BACKEND, actor)
        ended = [self._end_person(tx, person_id, by) for person_id in alone]
        links.remove(tx, external_id)
        trail.keep(tx, "links.removed", at=self._clock(), actor=actor)
        queued = tuple(each for one in ended for each in one.revocations)
        return Ended(everything=True, revocations=queued) if ended else None

    def _end_person(self, tx: Transaction, person_id: PersonId, by: By) -> Ended:
        if not people.lock(tx, person_id):
            raise NotFound("There is nothing to disconnect any more.")
        sign_ins = people.list_sign_ins(tx, person_id)
        queued = self._queue(tx, sign_ins)
        self._erase_person(tx, person_id, "person.disconnected", by)
        return Ended(everything=True, revocations=queued)

    def _end_connection(self, tx: Transaction, row: ConnectionRow, by: By) -> Ended:
        if not people.lock(tx, row.person_id):
            raise NotFound("There is nothing to disconnect any more.")
        own = SignInRow(row.provider, row.app_id, row.subject)
        left = [each for each in people.list_sign_ins(tx, row.person_id) if each != own]
        others = [
            each for each in connections.list_for_person(tx, row.person_id) if each.id != row.id
        ]
        if not left or not others:
            return self._end_person(tx, row.person_id, by)
        queued = self._queue(tx, [own])
        self._end_alone(tx, row, by)
        return Ended(everything=False, revocations=queued)

    def _end_alone(self, tx: Transaction, row: ConnectionRow, by: By) -> None:
        if not connections.remove(tx, row):
            raise NotFound("There is nothing to disconnect any more.")
        outbox.record_deletion(tx, row.id, row.person_id, by.reason, self._clock())
        people.remove_sign_in(tx, SignInRow(row.provider, row.app_id, row.subject))
        trail.keep(
            tx,
            "connection.disconnected",
            at=self._clock(),
            actor=by.actor,
            person=row.person_id,
            connection=row.id,
        )

    def _queue(
        self, tx: Transaction, sign_ins: Sequence[SignInRow]
    ) -> tuple[tuple[str, Subject], ...]:
        """Only Facebook takes a grant back by a call (contract §10)."""
        subjects = [each.subject for each in sign_ins if each.provider is Provider.FACEBOOK]
        return tuple((self._revocations.queue(tx, subject), subject) for subject in subjects)

    def _deauthorize(
        self, tx: Transaction, text: str, request: SignedRequest, who: SignInRow
    ) -> bool:
        now = self._clock()
        receipt = ReceiptRow(Outcome.DEAUTHORIZED, now, now)
        key = _key("deauthorize", text)
        if not signed_requests.add(tx, key, code_hash=None, receipt=receipt):
            return False
        rows = self._present(tx, request, who)
        for row in rows:
            self._revoke(tx, row)
            if people.find_by_sign_in(tx, row.provider, row.app_id, row.subject) == row.person_id:
                sessions.remove_all(tx, row.person_id)
            trail.keep(
                tx,
                "person.deauthorized",
                at=now,
                actor="meta",
                person=row.person_id,
                connection=row.id,
            )
        return bool(rows)

    def _revoke(self, tx: Transaction, row: ConnectionRow) -> None:
        before = connections.lock(tx, row.id)
        if before is not None and connections.save_removed(tx, before):
            after = ConnectionStatus.REVOKED
            outbox.record_change(tx, row.id, before.status, after, self._clock())

    def _delete_data(
        self, tx: Transaction, text: str, request: SignedRequest, who: SignInRow
    ) -> str:
        codes = self._tokens.confirmation_codes(text)
        key = _key("delete", text)
        kept = signed_requests.find_code_hash(tx, key)
        for code in codes if kept is not None else ():
            if sha256_hex(code) == kept:
                return code
        now, outcome = self._clock(), self._deletion(tx, request, who)
        whole = outcome is not Outcome.DELETED or not self._database.is_sqlite
        receipt = ReceiptRow(outcome, now, now if whole else None)
        signed_requests.add(tx, key, code_hash=sha256_hex(codes[0]), receipt=receipt)
        return codes[0]

    def _deletion(self, tx: Transaction, request: SignedRequest, who: SignInRow) -> Outcome:
        present = self._present(tx, request, who)
        if not present and self._locked(tx, who):
            return Outcome.SUPERSEDED
        erased = self._erase(tx, who, By(DeletionReason.DATA_DELETION_REQUESTED))
        return Outcome.DELETED if erased else Outcome.NOTHING_STORED

    def _present(
        self, tx: Transaction, request: SignedRequest, who: SignInRow
    ) -> list[ConnectionRow]:
        """Connections that the request is about: not those that began after it, and none for one
        that comes from the future."""
        if request.issued_at > self._clock() + _FURTHEST:
            return []
        known = self._locked(tx, who)
        return [row for row in known if request.issued_at >= row.connected_at - _LEEWAY]

    def _locked(self, tx: Transaction, who: SignInRow) -> list[ConnectionRow]:
        """Connections to a subject, read once no login of their people is under way any more."""
        for row in connections.list_by_subject(tx, who.provider, who.app_id, who.subject):
            people.lock(tx, row.person_id)
        return connections.list_by_subject(tx, who.provider, who.app_id, who.subject)

    def _erase(self, tx: Transaction, who: SignInRow, by: By) -> bool:
        """Everything of a subject behind one door; the person too where no sign-in is left."""
        known = self._locked(tx, who)
        self._revocations.cancel(tx, who.subject)
        owner = people.find_by_sign_in(tx, who.provider, who.app_id, who.subject)
        for row in known:
            own = SignInRow(row.provider, row.app_id, row.subject)
            if [each for each in people.list_sign_ins(tx, row.person_id) if each != own]:
                self._end_alone(tx, row, by)
            else:
                self._erase_person(tx, row.person_id, "person.erased", by)
        if owner is not None and not known:
            self._erase_person(tx, owner, "person.erased", by)
        return bool(known or owner)

    def _erase_person(self, tx: Transaction, person_id: PersonId, event: str, by: By) -> None:
        audit_hash = self._tokens.audit_hash(person_id)
        audit.forget_person(tx, person_id, audit_hash)
        pauses.remove(tx, [f"person:{person_id}"])
        trail.keep(tx, event, at=self._clock(), actor=by.actor, person=audit_hash)
        outbox.record_erasure(tx, person_id, by.reason, self._clock())
        people.remove(tx, person_id)


def _key(route: str, signed_request: str) -> str:
    """What a request is remembered by: the same bytes may come to both callbacks."""
    return sha256_hex(f"{route}:{signed_request}")
