"""Receipts of deletion requests, and the audit trail: no identity in either."""

from datetime import timedelta

from igauth.store.receipts import ReceiptRow
from sqlalchemy import select

from igauth.domain import PersonId
from igauth.store import audit, receipts
from igauth.store.database import Database
from igauth.store.models import AuditEvent
from tests.store.rows import LATER, NOW

RECEIPT = ReceiptRow("h1", "deleted", NOW, LATER)


async def test_the_first_receipt_stays(database: Database) -> None:
    """The same request again changes nothing: same code, same outcome, same day."""
    async with database.transaction() as tx:
        await receipts.add(tx, RECEIPT)
        await receipts.add(tx, ReceiptRow("h1", "nothing_stored", LATER, None))
    async with database.reading() as tx:
        assert await receipts.find(tx, ["h0", "h1"]) == RECEIPT
        assert await receipts.find(tx, ["h0"]) is None
        assert await receipts.find(tx, []) is None


async def test_an_erased_person_leaves_a_hash_in_the_trail(database: Database) -> None:
    """Their events stay, under a hash in place of the id; others' keep theirs."""
    ada, bob = PersonId("p-ada"), PersonId("p-bob")
    async with database.transaction() as tx:
        for person in (ada, bob, None):
            await audit.add(tx, "login.completed", at=NOW, outcome="ok", person=person)
        await audit.forget_person(tx, ada, "hash")
        people = (await tx.execute(select(AuditEvent.person))).scalars().all()

    assert sorted(str(person) for person in people) == ["None", "hash", "p-bob"]


async def test_old_events_are_pruned(database: Database) -> None:
    """Strictly older ones only."""
    async with database.transaction() as tx:
        for at in (NOW, LATER):
            await audit.add(tx, "e", at=at, request_id="r-1")
        assert await audit.prune(tx, NOW) == 0
        assert await audit.prune(tx, NOW + timedelta(microseconds=1)) == 1
        (left,) = (await tx.execute(select(AuditEvent.at, AuditEvent.request_id))).all()

    assert tuple(left) == (LATER, "r-1")
