"""Giving a grant back: disconnect, deauthorization, data deletion (contract §5; graph-facts §13).

What a person has here goes in one transaction; what Facebook still has to be told is queued in
that same transaction and tried at once.
"""

from datetime import timedelta

from igauth.domain import AppScopedUserId, Clock, PersonId
from igauth.errors import NotFound
from igauth.events import trail as events
from igauth.grants.revocations import Revocations
from igauth.security.opaque_tokens import OpaqueTokens, sha256_hex
from igauth.security.signed_request import SignedRequest
from igauth.store import audit, connections, pauses, people, receipts, sessions
from igauth.store.database import Database, Transaction
from igauth.store.people import PersonRow
from igauth.store.receipts import ReceiptRow

DELETED = "deleted"
NOTHING_STORED = "nothing_stored"
SUPERSEDED = "superseded"
_LEEWAY = timedelta(seconds=60)


class Erasure:
    """Ends what a person has with us, on their word or on Meta's."""

    def __init__(
        self,
        *,
        app_id: str,
        tokens: OpaqueTokens,
        revocations: Revocations,
        database: Database,
        clock: Clock,
    ) -> None:
        self._app_id = app_id
        self._tokens = tokens
        self._revocations = revocations
        self._database = database
        self._clock = clock

    async def disconnect(self, person: PersonRow) -> bool:
        """Deletes everything of this person; True when Facebook confirmed the revocation.

        False: it is queued. Raises NotFound where another request was quicker.
        """
        async with self._database.transaction() as tx:
            row_id = await self._revocations.queue(tx, person.facebook_user_id)
            if not await self._erase(tx, person.id, "person.disconnected"):
                raise NotFound("There is nothing to disconnect any more.")
        await self._database.forget_deleted()
        return await self._revocations.try_now(row_id, person.facebook_user_id)

    async def deauthorize(self, request: SignedRequest) -> None:
        """The person removed the app at Facebook: connection `revoked`, sessions ended."""
        async with self._database.transaction() as tx:
            person = await self._present_person(tx, request)
            if person is None:
                return
            row = await connections.find_for_person(tx, person.id)
            if row is not None:
                await connections.forget_token(tx, row.id)
            await sessions.remove_all(tx, person.id)
            await events.record(tx, "person.deauthorized", at=self._clock(), person=person.id)

    async def delete_data(self, signed_request: str, request: SignedRequest) -> str:
        """Deletes everything of the person; returns the confirmation code of this request.

        The same request has the same code, whatever happened since.
        """
        codes = self._tokens.confirmation_codes(signed_request)
        async with self._database.transaction() as tx:
            kept = await receipts.find(tx, [sha256_hex(code) for code in codes])
            if kept is not None:
                return next(code for code in codes if sha256_hex(code) == kept.code_hash)
            outcome = await self._delete(tx, request)
            now = self._clock()
            await receipts.add(tx, ReceiptRow(sha256_hex(codes[0]), outcome, now, now))
        await self._database.forget_deleted()
        return codes[0]

    async def erase(self, user_id: AppScopedUserId) -> bool:
        """Deletes the person of this id by hand; False where there is nobody."""
        async with self._database.transaction() as tx:
            erased = await self._erase_by_id(tx, user_id)
        await self._database.forget_deleted()
        return erased

    async def receipt(self, code: str) -> ReceiptRow:
        """What became of a deletion request. Raises NotFound for a code we didn't give."""
        async with self._database.reading() as tx:
            kept = await receipts.find(tx, [sha256_hex(code)])
        if kept is None:
            raise NotFound("There is no deletion request of this code.")
        return kept

    async def _delete(self, tx: Transaction, request: SignedRequest) -> str:
        person = await people.find_by_facebook_id(tx, self._app_id, request.user_id)
        if person is not None and await self._is_outdated(tx, person, request):
            return SUPERSEDED
        return DELETED if await self._erase_by_id(tx, request.user_id) else NOTHING_STORED

    async def _erase_by_id(self, tx: Transaction, user_id: AppScopedUserId) -> bool:
        await self._revocations.cancel(tx, user_id)
        person = await people.find_by_facebook_id(tx, self._app_id, user_id)
        return person is not None and await self._erase(tx, person.id, "person.erased")

    async def _erase(self, tx: Transaction, person_id: PersonId, event: str) -> bool:
        audit_hash = self._tokens.audit_hash(person_id)
        await audit.forget_person(tx, person_id, audit_hash)
        await pauses.remove(tx, [f"person:{person_id}"])
        await events.record(tx, event, at=self._clock(), person=audit_hash)
        return await people.remove(tx, person_id)

    async def _present_person(self, tx: Transaction, request: SignedRequest) -> PersonRow | None:
        """The person that the request is about, unless they connected again after it."""
        person = await people.find_by_facebook_id(tx, self._app_id, request.user_id)
        if person is None or await self._is_outdated(tx, person, request):
            return None
        return person

    async def _is_outdated(
        self, tx: Transaction, person: PersonRow, request: SignedRequest
    ) -> bool:
        row = await connections.find_for_person(tx, person.id)
        return row is not None and request.issued_at < row.connected_at - _LEEWAY
