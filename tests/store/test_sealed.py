"""Sealed values for the key ring's sake: which keys are needed, and re-sealing in batches."""

from dataclasses import replace

from sqlalchemy import update

from igauth.domain import PersonId
from igauth.store import connections, revocations, sealed
from igauth.store.database import Database
from igauth.store.models import Connection
from tests.store.rows import APP_ID, LATER, NOW, add_connection, add_person, get_connection

LONGEST = "k" * 32


async def kids(database: Database) -> frozenset[str]:
    """The ids of the keys that are needed."""
    async with database.reading() as tx:
        return await sealed.kids_in_use(tx)


async def queue(database: Database, sealed_user_id: str) -> str:
    """A queued revocation."""
    row_id = revocations.new_id()
    async with database.transaction() as tx:
        await revocations.add(tx, row_id, sealed_user_id, now=NOW, next_attempt_at=NOW)
    return row_id


async def test_an_empty_database_needs_no_key(database: Database) -> None:
    """Then any ring will do."""
    assert await kids(database) == frozenset()


async def test_tokens_and_queued_ids_need_their_keys(database: Database, ada: PersonId) -> None:
    """Both tables, each id once, of any allowed length."""
    people = [ada, await add_person(database, "1002"), await add_person(database, "1003")]
    for person, value in zip(people, ("v1.k1.A.A", f"v1.{LONGEST}.AA", "v1.k-_2.A"), strict=True):
        await add_connection(database, person, sealed=value)
    await queue(database, "v1.queued.AAAA")
    await queue(database, "v1.k1.AAAA")

    assert await kids(database) == {"k1", LONGEST, "k-_2", "queued"}


async def test_what_has_no_such_shape_needs_no_key(database: Database, ada: PersonId) -> None:
    """A damaged row holds no key back, and no start up."""
    damaged = ["", "EAAx", "v1", "v1.k1", "v1..AAAA", "v2.k1.AAAA", f"v1.{LONGEST}k.AAAA"]
    for value in [*damaged, "v1." + "x" * 99]:
        await add_connection(database, ada, sealed=value)
        await queue(database, value)

        assert await kids(database) == frozenset()


async def test_unreadable_and_empty_rows_need_no_key(database: Database, ada: PersonId) -> None:
    """What can't be opened anyway holds no key back."""
    bob = await add_person(database, "1002")
    unreadable = await add_connection(database, ada, sealed="v1.k1.AAAA")
    revoked = await add_connection(database, bob, sealed="v1.k2.AAAA")
    queued = await queue(database, "v1.k3.AAAA")
    assert await kids(database) == {"k1", "k2", "k3"}
    async with database.transaction() as tx:
        await connections.mark_unreadable(tx, unreadable)
        await connections.forget_token(tx, revoked.id)
        await revocations.mark_unreadable(tx, queued)

    assert await kids(database) == frozenset()


async def test_a_check_value_is_kept_as_first_seen(database: Database) -> None:
    """Another value under a known id changes nothing: the start must notice the difference."""
    async with database.transaction() as tx:
        assert await sealed.check_values(tx) == {}
        await sealed.add_check_value(tx, "k1", "aaaa", NOW)
        await sealed.add_check_value(tx, "k1", "bbbb", LATER)
        await sealed.add_check_value(tx, "k2", "cccc", NOW)

    async with database.reading() as tx:
        assert await sealed.check_values(tx) == {"k1": "aaaa", "k2": "cccc"}


async def test_tokens_come_in_batches_and_each_once(database: Database) -> None:
    """Resumable: beyond the last row's id, rows without a token left out."""
    rows = [
        await add_connection(database, await add_person(database, str(number)))
        for number in range(7)
    ]
    async with database.transaction() as tx:
        await connections.forget_token(tx, rows[3].id)
    seen: list[str] = []
    async with database.reading() as tx:
        while batch := await sealed.list_tokens(tx, seen[-1] if seen else "", 2):
            seen += [row.row for row in batch]

    assert seen == sorted(row.id for row in rows if row != rows[3])


async def test_a_sealed_row_names_its_place(database: Database, ada: PersonId) -> None:
    """All that the associated data is made of."""
    row = await add_connection(database, ada)
    queued = await queue(database, "v1.k1.BBBB")
    async with database.reading() as tx:
        (token,) = await sealed.list_tokens(tx, "", 10)
        (waiting,) = await sealed.list_queued(tx, "", 10)

    assert (token.table, token.column, token.row, token.app_id, token.person, token.sealed) == (
        *("connections", "sealed_token", row.id, APP_ID, ada, "v1.k1.AAAA"),
    )
    assert (waiting.table, waiting.column, waiting.row, waiting.sealed) == (
        *("revocations", "sealed_user_id", queued, "v1.k1.BBBB"),
    )
    assert (waiting.app_id, waiting.person) == ("", "")


async def test_resealing_writes_over_nothing_new(database: Database, ada: PersonId) -> None:
    """Compare and set on the very text: a login meanwhile wins."""
    await add_connection(database, ada, sealed="v1.k0.AAAA")
    await queue(database, "v1.k0.BBBB")
    async with database.transaction() as tx:
        (token,) = await sealed.list_tokens(tx, "", 10)
        (waiting,) = await sealed.list_queued(tx, "", 10)
        for row, fresh in ((token, "v1.k1.CCCC"), (waiting, "v1.k1.DDDD")):
            assert not await sealed.reseal(tx, replace(row, sealed="v1.k0.old"), fresh)
            assert await sealed.reseal(tx, row, fresh)
            assert not await sealed.reseal(tx, row, "v1.k1.EEEE")

    assert (await get_connection(database, ada)).sealed_token == "v1.k1.CCCC"
    assert await kids(database) == {"k1"}


async def test_unreadable_rows_are_marked_by_table(database: Database, ada: PersonId) -> None:
    """Both kinds in one go, and no others."""
    bob = await add_person(database, "1002")
    await add_connection(database, ada, sealed="v1.k1.AAAA")
    await queue(database, "v1.k2.AAAA")
    async with database.transaction() as tx:
        rows = [*await sealed.list_tokens(tx, "", 9), *await sealed.list_queued(tx, "", 9)]
        await sealed.mark_unreadable(tx, rows)
        await sealed.mark_unreadable(tx, [])
    await add_connection(database, bob, sealed="v1.k3.AAAA")
    await queue(database, "v1.k4.AAAA")

    assert await kids(database) == {"k3", "k4"}


async def test_a_marked_row_that_is_not_sealed_text_stays(
    database: Database, ada: PersonId
) -> None:
    """Marking changes no sealed text."""
    await add_connection(database, ada)
    async with database.transaction() as tx:
        await tx.execute(update(Connection).values(sealed_token="damaged"))
        await sealed.mark_unreadable(tx, await sealed.list_tokens(tx, "", 9))
    row = await get_connection(database, ada)

    assert (row.sealed_token, row.token_unreadable) == ("damaged", True)
    assert (row.status, row.status_cause) == ("reconnect_required", "token_unreadable")
    assert row.next_check_at is None


async def test_a_login_meanwhile_is_not_marked(database: Database, ada: PersonId) -> None:
    """The rotation read the old value; the new token is readable, and stays so."""
    await add_connection(database, ada)
    async with database.reading() as tx:
        rows = await sealed.list_tokens(tx, "", 9)
    await add_connection(database, ada, sealed="v1.k1.BBBB")
    async with database.transaction() as tx:
        await sealed.mark_unreadable(tx, rows)
    row = await get_connection(database, ada)

    assert (row.token_unreadable, row.status) == (False, "active")
