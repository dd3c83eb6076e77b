"""Sealed values for the key ring's sake: which keys are needed, and re-sealing in batches."""

from dataclasses import replace
from functools import partial

from igauth.domain import Provider
from igauth.store import connections, revocations, sealed
from igauth.store.database import Database
from igauth.store.sealed import SEALED, SealedColumn, SealedRow
from tests.store.rows import (
    APP_ID,
    LATER,
    NOW,
    get_connection,
    log_in,
    sealed_by,
    sql,
)

TOKENS, QUEUE, *_ = SEALED


async def kids(database: Database) -> frozenset[str]:
    """The ids of the keys that are needed."""
    return await database.read(lambda tx: sealed.kids_in_use(tx, NOW))


async def know(database: Database, *kids: str) -> None:
    """These keys have been used with this database."""
    for kid in kids:
        await database.write(partial(sealed.add_check_value, kid=kid, value=f"c {kid}", now=NOW))


async def queue(database: Database, kid: str = "k1", text: str = "B") -> str:
    """A queued revocation under this key."""
    row_id = revocations.new_id()
    add = partial(
        revocations.add,
        row_id=row_id,
        sealed_subject=f"v1.{kid}.{text}",
        subject_hash="h",
        kid=kid,
        now=NOW,
        next_attempt_at=NOW,
    )
    await database.write(add)
    return row_id


async def listed(
    database: Database, column: SealedColumn, kid: str | None, after: str = "", limit: int = 99
) -> list[SealedRow]:
    """Values under this key."""
    pick = partial(sealed.list_sealed, column=column, kid=kid, after=after, limit=limit)
    return await database.read(pick)


# --- which keys ---


async def test_tokens_and_queued_ids_need_their_keys(database: Database) -> None:
    """Both tables, each key once; a key that nothing lies under is in the way of nobody."""
    await know(database, "k1", "k2", "k3", "k4")
    assert await kids(database) == frozenset()
    for number, kid in enumerate(("k1", "k1", "k2")):
        await log_in(database, str(number), **sealed_by(kid))
    await queue(database, "k3")

    assert await kids(database) == {"k1", "k2", "k3"}


async def test_what_cannot_be_opened_needs_no_key(database: Database) -> None:
    """Given up, revoked, or marked by the keeper: it holds no key back."""
    await know(database, "k1", "k2", "k3")
    unreadable, revoked = [
        await log_in(database, str(number), **sealed_by(f"k{number}")) for number in (1, 2)
    ]
    queued = await queue(database, "k3")
    assert await kids(database) == {"k1", "k2", "k3"}
    rows = [await get_connection(database, each) for each in (unreadable, revoked)]
    await database.write(lambda tx: connections.mark_unreadable(tx, rows[0]))
    await database.write(lambda tx: connections.save_removed(tx, rows[1]))
    await database.write(lambda tx: revocations.mark_unreadable(tx, queued))

    assert await kids(database) == frozenset()


async def test_a_check_value_is_kept_as_first_seen(database: Database) -> None:
    """Another value under a known id changes nothing: the start must notice the difference."""
    assert await database.read(sealed.check_values) == {}
    for kid, value, at in (("k1", "aaaa", NOW), ("k1", "bbbb", LATER), ("k2", "cccc", NOW)):
        await database.write(partial(sealed.add_check_value, kid=kid, value=value, now=at))

    assert await database.read(sealed.check_values) == {"k1": "aaaa", "k2": "cccc"}
    knows = [await database.read(partial(sealed.knows, kid=kid)) for kid in ("k1", "k3")]
    assert knows == [True, False]


# --- walking them ---


async def test_values_of_a_key_come_in_batches_and_each_once(database: Database) -> None:
    """Resumable: beyond the last row's id; other keys, and rows without a value, left out."""
    ids = [
        (await log_in(database, str(number), **sealed_by("k1"))).connection_id
        for number in range(7)
    ]
    await log_in(database, "other", **sealed_by("k2"))
    row = await get_connection(database, ids[3])
    await database.write(lambda tx: connections.save_removed(tx, row))
    seen: list[str] = []
    while batch := await listed(database, TOKENS, "k1", seen[-1] if seen else "", 2):
        assert len(batch) <= 2
        seen += [row.row for row in batch]

    assert seen == sorted(each for each in ids if each != ids[3])


async def test_a_sealed_row_names_its_place(database: Database) -> None:
    """All that the associated data is made of; a queued one is this app's, and nobody's."""
    ada = await log_in(database, "77", provider=Provider.INSTAGRAM)
    queued = await queue(database)

    assert await listed(database, TOKENS, "k1") == [
        SealedRow(
            *(ada.connection_id, "v1.k1.AAAA", "k1", Provider.INSTAGRAM, APP_ID, ada.person_id)
        )
    ]
    assert await listed(database, QUEUE, "k1") == [
        SealedRow(queued, "v1.k1.B", "k1", Provider.FACEBOOK, "", "")
    ]
    assert "v1.k1" not in repr(await listed(database, QUEUE, "k1"))


# --- writing them ---


async def test_resealing_writes_over_nothing_new(database: Database) -> None:
    """Compare and set on the very text: a login meanwhile wins."""
    await know(database, "k0", "k1")
    ada = await log_in(database, **sealed_by("k0"))
    await queue(database, "k0")
    for column in (TOKENS, QUEUE):
        (row,) = await listed(database, column, "k0")
        replaced = [
            await database.write(
                partial(sealed.reseal, column=column, row=each, sealed=f"v1.k1.{text}", kid="k1")
            )
            for each, text in ((replace(row, sealed="v1.k0.old"), "1"), (row, "2"), (row, "3"))
        ]
        assert replaced == [False, True, False]

    assert await kids(database) == {"k1"}
    row_now = await get_connection(database, ada)
    assert (row_now.sealed_token, row_now.token_kid) == ("v1.k1.2", "k1")
    assert await sql(database, "SELECT sealed_subject, kid FROM revocations") == [("v1.k1.2", "k1")]


async def test_what_was_given_up_is_kept_and_can_be_taken_up(database: Database) -> None:
    """Its key came back: the token lives again, and both are due at once."""
    ada = await log_in(database)
    await queue(database)
    for column in (TOKENS, QUEUE):
        (row,) = await listed(database, column, "k1")
        assert await database.write(partial(sealed.give_up, column=column, row=row))
        assert await listed(database, column, "k1") == []
        assert await listed(database, column, None) == [replace(row, kid=None)]
    given_up = await get_connection(database, ada)
    assert (given_up.status, given_up.cause) == ("reconnect_required", "token_unreadable")
    assert given_up.next_check_at is None

    for column in (TOKENS, QUEUE):
        (row,) = await listed(database, column, None)
        take = partial(sealed.take_up, column=column, row=row, kid="k1", now=LATER)
        assert await database.write(take)
        assert await listed(database, column, "k1") == [replace(row, kid="k1")]
    taken_up = await get_connection(database, ada)

    assert (taken_up.status, taken_up.cause, taken_up.next_check_at) == ("active", None, LATER)
    claim = partial(revocations.claim_attempts, now=LATER, limit=9)
    assert len((await database.write(claim))[1]) == 1


async def test_a_login_meanwhile_is_not_given_up(database: Database) -> None:
    """The rotation read the old value; the new token is readable, and stays so."""
    ada = await log_in(database)
    (row,) = await listed(database, TOKENS, "k1")
    await log_in(database, **sealed_by("k1", "v1.k1.BBBB"))
    for write in (sealed.give_up, sealed.empty):
        assert not await database.write(partial(write, column=TOKENS, row=row))
    after = await get_connection(database, ada)

    assert (after.sealed_token, after.token_kid, after.status) == ("v1.k1.BBBB", "k1", "active")


async def test_what_is_emptied_is_gone(database: Database) -> None:
    """Nothing of it is left to be listed, under any key."""
    ada = await log_in(database)
    await queue(database)
    for column in (TOKENS, QUEUE):
        (row,) = await listed(database, column, "k1")
        assert await database.write(partial(sealed.empty, column=column, row=row))
        assert await listed(database, column, "k1") == await listed(database, column, None) == []

    assert (await get_connection(database, ada)).sealed_token is None
