"""The database: units of work, what happens when it fails us, and how it comes back."""

import asyncio
import sqlite3
import traceback
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import Select, func, insert, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError, ProgrammingError, StatementError

from igauth.errors import DatabaseUnavailable, Overloaded
from igauth.store import database as module
from igauth.store import people
from igauth.store.database import Database, Transaction
from igauth.store.logins import Recorded
from igauth.store.models import Person
from tests.postgres import PostgresServer
from tests.store.rows import NOW, log_in

SECRET = "cAnArYpassword"
CANARY = "yRAnAc"[::-1]  # tracebacks quote our source, where it must not stand
PAIR = ("p1", "p2")


def add(tx: Transaction, *ids: str, name: str | None = None, created_at: datetime = NOW) -> None:
    """So many people, by a statement each."""
    for person_id in ids:
        values = {"id": person_id, "name": name, "created_at": created_at, "last_login_at": NOW}
        tx.execute(insert(Person).values(values))


async def number(database: Database) -> int:
    """How many people a reader sees."""
    return await database.read(people.count)


def seen_from_outside(url: str) -> int:
    """The same for another process, while this one is in the midst of something."""

    async def look() -> int:
        database = Database(url)
        try:
            return await number(database)
        finally:
            await database.close()

    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, look()).result()


@asynccontextmanager
async def nobody_else_writes(url: str) -> AsyncGenerator[None]:
    """While this block runs, somebody else holds what every write needs."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(str(make_url(url).database), isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            yield
        return
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(address)
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE people IN EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


# --- units ---


async def test_a_unit_commits_at_its_end(database: Database, database_url: str) -> None:
    """Others see all of it, and nothing before; what it returns comes back."""

    def unit(tx: Transaction) -> int:
        add(tx, *PAIR)
        return seen_from_outside(database_url)

    assert await database.write(unit) == 0
    assert seen_from_outside(database_url) == 2


async def test_a_failing_unit_leaves_nothing(database: Database) -> None:
    """Any exception rolls everything back, and comes out as it is; it isn't tried again."""
    runs = 0

    class Mine(Exception):
        """Not the database's."""

    def unit(tx: Transaction) -> None:
        nonlocal runs
        runs += 1
        add(tx, *PAIR)
        raise Mine

    with pytest.raises(Mine):
        await database.write(unit)

    assert (runs, await number(database)) == (1, 0)


async def test_a_unit_whose_last_statement_fails_leaves_nothing(database: Database) -> None:
    """A rule of the schema, too, takes all of the unit back."""
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: add(tx, "p1", "p2", "p1"))

    assert await number(database) == 0


async def test_a_write_is_seen_by_the_next_read(database: Database) -> None:
    """Whoever was answered finds what he wrote, by whichever connection he asks."""
    for expected in range(1, 13):
        await database.write(lambda tx, new=f"p{expected}": add(tx, new))  # type: ignore[misc]
        assert await number(database) == expected


async def test_units_side_by_side_don_t_meet(database: Database) -> None:
    """More at once than there are connections: each is whole, and each gets its own answer."""

    def unit(mark: str) -> Callable[[Transaction], str | None]:
        def work(tx: Transaction) -> str | None:
            add(tx, mark, name=f"name of {mark}")
            return tx.execute(select(Person.name).where(Person.id == mark)).scalar_one()

        return work

    marks = [f"p{each}" for each in range(60)]
    found = await asyncio.gather(*(database.write(unit(mark)) for mark in marks))

    assert found == [f"name of {mark}" for mark in marks]
    assert await number(database) == 60


# --- callers that go away ---


async def test_a_cancelled_caller_leaves_whole_transactions(database: Database) -> None:
    """Cut off at any moment: both rows or neither, and the pool is fine."""
    for moment in range(60):
        ids = f"{moment}a", f"{moment}b"
        work = asyncio.create_task(
            database.write(lambda tx, ids=ids: add(tx, *ids))  # type: ignore[misc]
        )
        for _ in range(moment % 30):
            await asyncio.sleep(0)
        work.cancel()
        await asyncio.wait((work,))
    firsts = await asyncio.gather(*(number(database) for _ in range(25)))
    await database.write(lambda tx: add(tx, *PAIR))

    assert {each % 2 for each in firsts} == {0}
    found = set(await database.read(lambda tx: tx.execute(select(Person.id)).scalars().all()))
    assert all((f"{each}a" in found) == (f"{each}b" in found) for each in range(60))
    assert found >= set(PAIR)


async def test_closing_waits_for_what_a_cancelled_caller_began(
    database: Database, database_url: str
) -> None:
    """The unit ends by itself, and the database isn't closed in its midst."""
    await number(database)
    work = asyncio.create_task(database.write(lambda tx: add(tx, *PAIR)))
    await asyncio.sleep(0)
    work.cancel()
    await asyncio.wait((work,))
    await database.close()

    assert work.cancelled()
    assert seen_from_outside(database_url) == 2


async def test_a_cancelled_reader_leaves_its_connection(database: Database) -> None:
    """Far more cancelled reads than connections: the next ones are answered."""
    for moment in range(80):
        work = asyncio.create_task(number(database))
        for _ in range(moment % 20):
            await asyncio.sleep(0)
        work.cancel()
        await asyncio.wait((work,))

    assert await asyncio.gather(*(number(database) for _ in range(25))) == [0] * 25


# --- too many, too long ---


async def test_more_than_can_wait_are_refused_at_once(
    database: Database, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bound holds for reads and writes alike; afterwards there is room again."""
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    async with nobody_else_writes(database_url):
        waiting = [
            asyncio.create_task(database.write(lambda tx, new=f"p{each}": add(tx, new)))  # type: ignore[misc]
            for each in range(3)
        ]
        await asyncio.sleep(0)
        for refused in (database.write(people.count), database.read(people.count)):
            with pytest.raises(Overloaded):  # in its first step, before it waits for anything
                refused.send(None)
    await asyncio.gather(*waiting)

    assert await number(database) == 3


async def test_somebody_elses_lock_is_waited_out(database: Database, database_url: str) -> None:
    """Another process writes: the unit takes its turn when that has ended."""
    async with nobody_else_writes(database_url):
        work = asyncio.create_task(database.write(lambda tx: add(tx, *PAIR)))
        assert [await number(database) for _ in range(5)] == [0] * 5
    await work

    assert await number(database) == 2


# --- our own mistakes ---


async def test_our_own_mistakes_are_no_outage(database: Database, ada: Recorded) -> None:
    """A broken rule of ours comes out as such: no 503 that hides a bug; values stay out."""
    with pytest.raises(IntegrityError) as doubled:
        await database.write(lambda tx: add(tx, ada.person_id, name=CANARY))
    with pytest.raises(IntegrityError) as lacking:
        await database.write(lambda tx: add(tx, CANARY, name=CANARY, created_at=None))  # type: ignore[arg-type]
    told = "".join(map(_told, (doubled.value, lacking.value)))

    assert CANARY not in told
    assert ada.person_id not in told


async def test_a_value_that_cannot_be_held_is_no_outage(postgresql: Database) -> None:
    """PostgreSQL's own word for it, and a statement that it doesn't understand."""
    with pytest.raises(StatementError) as bad:
        await postgresql.write(lambda tx: add(tx, "p1", name=f"\x00{CANARY}"))
    with pytest.raises(ProgrammingError):
        await postgresql.read(lambda tx: tx.execute(text("SELECT nothing FROM nowhere")))

    assert not isinstance(bad.value, DatabaseUnavailable)
    assert CANARY not in _told(bad.value)


# --- instants ---


async def test_an_instant_comes_back_aware_and_in_utc(database: Database) -> None:
    """Whatever zone it was given in, to the microsecond; and so do comparisons in SQL."""
    india = NOW.astimezone(timezone(timedelta(hours=5, minutes=30)))
    await database.write(lambda tx: add(tx, "p1", created_at=india))

    def look(tx: Transaction) -> tuple[datetime, int, int]:
        earlier = _number_of().where(Person.created_at < india)
        not_later = _number_of().where(Person.created_at <= india)
        created_at = tx.execute(select(Person.created_at)).scalar_one()
        return created_at, tx.execute(earlier).scalar_one(), tx.execute(not_later).scalar_one()

    found = await database.read(look)

    assert found == (NOW, 0, 1)
    assert found[0].tzinfo is UTC


async def test_far_instants_are_kept(database: Database) -> None:
    """Even ones that Facebook would never name."""
    moments = [datetime(year, 6, 1, tzinfo=UTC) for year in (1, 1969, 9999)]
    for moment in moments:
        mark = str(moment.year)
        await database.write(lambda tx, mark=mark, at=moment: add(tx, mark, created_at=at))  # type: ignore[misc]
    ordered = select(Person.created_at).order_by(Person.created_at)

    assert await database.read(lambda tx: list(tx.execute(ordered).scalars())) == moments


async def test_a_naive_instant_is_refused(database: Database) -> None:
    """A column never guesses a zone."""
    naive = datetime(2026, 1, 1)  # noqa: DTZ001  # the very point

    with pytest.raises(StatementError, match="must carry its time zone"):
        await database.write(lambda tx: add(tx, "p1", created_at=naive))


# --- outages ---


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+asyncpg://igauth:{SECRET}@127.0.0.1:1/igauth",
        "sqlite+aiosqlite:////nonexistent/folder/igauth.db",
    ],
)
async def test_an_absent_database_is_unavailable(url: str) -> None:
    """Reads and writes: the one error, with Retry-After, without the password anywhere."""
    database = Database(url)
    for use in (database.write, database.read):
        with pytest.raises(DatabaseUnavailable) as refused:
            await use(people.count)
        assert refused.value.retry_after == 5
        assert refused.value.__cause__ is not None
        assert SECRET not in _told(refused.value)
    await database.warm()  # no failure: reading may go on without it
    await database.close()


async def test_making_one_opens_nothing() -> None:
    """No I/O before the first use: an app can be built without its database."""
    database = Database(f"postgresql+asyncpg://igauth:{SECRET}@127.0.0.1:1/igauth")

    assert SECRET not in repr(database.url) + str(database.url)
    await database.close()


async def test_a_closed_database_opens_again(database: Database) -> None:
    """`close` ends every connection; the next use makes new ones."""
    for expected in range(3):
        assert await number(database) == expected
        await log_in(database, str(expected))
        assert await database.empty_log()
        await database.close()


async def test_a_missing_postgresql_database_is_unavailable(server: PostgresServer) -> None:
    """What PostgreSQL says while connecting is mapped, too."""
    database = Database(server.url("no_such_database"))
    with pytest.raises(DatabaseUnavailable):
        await number(database)
    await database.close()


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    """Somebody's other file: refused, and left as it is."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ada, " * 200)
    database = Database(f"sqlite+aiosqlite:///{path}")
    for use in (database.write, database.read):
        with pytest.raises(DatabaseUnavailable):
            await use(people.count)
    with pytest.raises(DatabaseUnavailable):
        await database.empty_log()
    await database.close()

    assert path.read_text() == "Dear Ada, " * 200


def _number_of() -> Select[int]:
    return select(func.count()).select_from(Person)


def _told(error: BaseException) -> str:
    """All that a log could hold of it."""
    return repr(error) + "".join(traceback.format_exception(error))
