"""Meta's signed requests: each is carried out once; the receipt of a deletion names nobody."""

import asyncio
from functools import partial

from igauth.store import signed_requests
from igauth.store.database import Database
from igauth.store.signed_requests import ReceiptRow
from tests.store.rows import LATER, NOW, sql

RECEIPT = ReceiptRow("deleted", NOW, None)


async def add(
    database: Database,
    request_hash: str = "r1",
    code_hash: str | None = "c1",
    receipt: ReceiptRow = RECEIPT,
) -> bool:
    """Notes a request as carried out."""
    unit = partial(
        signed_requests.add, request_hash=request_hash, code_hash=code_hash, receipt=receipt
    )
    return await database.write(unit)


async def receipt(database: Database, *code_hashes: str) -> ReceiptRow | None:
    """What whoever has the code is told."""
    return await database.read(lambda tx: signed_requests.find_receipt(tx, code_hashes))


async def test_the_same_request_again_changes_nothing(database: Database, other: Database) -> None:
    """Ten at once on two replicas: noted once, with the first one's code and outcome."""
    added = await asyncio.gather(*(add(each) for _ in range(5) for each in (database, other)))
    assert sorted(added) == [False] * 9 + [True]
    assert not await add(database, code_hash="c2", receipt=ReceiptRow("other", LATER, LATER))

    assert await receipt(database, "c0", "c1") == RECEIPT
    assert await receipt(database, "c2") is None
    assert await receipt(database) is None


async def test_a_request_leads_to_its_code(database: Database) -> None:
    """A deauthorization has none, nor has a request that never came."""
    await add(database)
    await add(database, "r2", None, ReceiptRow("deauthorized", NOW, NOW))
    found = [
        await database.read(partial(signed_requests.find_code_hash, request_hash=each))
        for each in ("r1", "r2", "r3")
    ]

    assert found == ["c1", None, None]


async def test_a_receipt_says_when_no_copy_is_left(database: Database) -> None:
    """All that wait are completed at once; those that were stay as they are."""
    await add(database)
    await add(database, "r2", "c2", ReceiptRow("nothing_stored", NOW, NOW))
    await add(database, "r3", None, ReceiptRow("deauthorized", NOW, None))
    completed = [
        await database.write(partial(signed_requests.complete, now=LATER)) for _ in range(2)
    ]

    assert completed == [1, 0]
    assert await receipt(database, "c1") == ReceiptRow("deleted", NOW, LATER)
    assert await receipt(database, "c2") == ReceiptRow("nothing_stored", NOW, NOW)


async def test_a_receipt_names_nobody(database: Database) -> None:
    """Hashes, an outcome, dates."""
    await add(database)
    (row,) = await sql(database, "SELECT request_hash, code_hash, outcome FROM signed_requests")

    assert row == ("r1", "c1", "deleted")
