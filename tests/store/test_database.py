"""The database: transactions, what happens when it fails us, and how it comes back."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import Insert, insert, select, text, update
from sqlalchemy.exc import IntegrityError, StatementError

from igauth.domain import PersonId, SessionHash
from igauth.errors import DatabaseUnavailable
from igauth.store import attempts, people, sessions
from igauth.store import database as module
from igauth.store.database import Database
from igauth.store.models import Person
from tests.postgres import PostgresServer
from tests.store.rows import LATER, NOW, add_person

SECRET = "cAnArYpassword"


@pytest.fixture
def sqlite_path(tmp_path: Path, sqlite_template: Path) -> Path:
    """A migrated SQLite file."""
    path = tmp_path / "one.db"
    path.write_bytes(sqlite_template.read_bytes())
    return path


@pytest.fixture
async def impatient(sqlite_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Database]:
    """SQLite that waits 50 ms for a lock in place of five seconds."""
    monkeypatch.setattr(module, "_BUSY_MILLISECONDS", 50)
    opened = Database(f"sqlite+aiosqlite:///{sqlite_path}")
    yield opened
    await opened.close()


@pytest.fixture
def server(request: pytest.FixtureRequest) -> PostgresServer:
    """PostgreSQL, or a skip."""
    found: PostgresServer | None = request.getfixturevalue("postgres")
    if found is None:
        pytest.skip("PostgreSQL is not tested: no server")
    return found


@pytest.fixture
def postgres_url(server: PostgresServer) -> Iterator[str]:
    """A migrated PostgreSQL database of its own."""
    server.create_database("store_database", template="igauth_template")
    yield server.url("store_database")
    server.drop_database("store_database")


async def count(database: Database) -> int:
    """How many people a reader sees."""
    async with database.reading() as tx:
        return await people.count(tx)


# --- transactions ---


async def test_a_transaction_commits_at_its_end(database: Database, other: Database) -> None:
    """Others see all of it, and nothing before."""
    async with database.transaction() as tx:
        await tx.execute(_insert("p1", "1"))
        assert await count(other) == 0

    assert await count(other) == 1


async def test_a_failing_block_leaves_nothing(database: Database) -> None:
    """Any exception rolls everything back, and comes out as it is."""

    class Mine(Exception):
        """Not the database's."""

    async def work() -> None:
        async with database.transaction() as tx:
            await tx.execute(_insert("p1", "1"))
            raise Mine

    with pytest.raises(Mine):
        await work()

    assert await count(database) == 0


async def test_a_cancelled_block_leaves_nothing(database: Database) -> None:
    """A request that is cut off in mid-transaction: rolled back, and the connection usable."""
    begun = asyncio.Event()

    async def work() -> None:
        async with database.transaction() as tx:
            await tx.execute(_insert("p1", "1"))
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await count(database) == 0
    await add_person(database, "1")
    assert await count(database) == 1


async def test_our_own_mistakes_are_no_outage(database: Database, ada: PersonId) -> None:
    """A broken rule of ours comes out as such: no 503 that hides a bug; values stay out."""
    with pytest.raises(IntegrityError) as broken:
        async with database.transaction() as tx:
            await tx.execute(_insert(ada, "999", name="cAnArY"))

    assert "cAnArY" not in str(broken.value)


async def test_making_one_opens_nothing() -> None:
    """No I/O before the first use: an app can be built without its database."""
    database = Database(f"postgresql+asyncpg://igauth:{SECRET}@127.0.0.1:1/igauth")

    assert SECRET not in repr(database.url) + str(database.url)
    await database.close()


async def test_a_closed_database_opens_again(database: Database) -> None:
    """`close` ends every connection; the next use makes new ones."""
    await database.ping()
    await database.close()
    await database.ping()


async def test_twenty_who_read_then_write_all_succeed(sqlite_path: Path) -> None:
    """SQLite, two processes' worth: BEGIN IMMEDIATE, so nobody's lock fails and nothing is lost."""
    pair = [Database(f"sqlite+aiosqlite:///{sqlite_path}") for _ in range(2)]
    person = await add_person(pair[0], "1", name="0")

    async def add_one(database: Database) -> None:
        async with database.transaction() as tx:
            name = (await tx.execute(select(Person.name))).scalar_one()
            await tx.execute(update(Person).values(name=str(int(name or 0) + 1)))

    await asyncio.gather(*(add_one(each) for _ in range(10) for each in pair))
    async with pair[0].reading() as tx:
        row = await people.find(tx, person)
    for each in pair:
        await each.close()

    assert row is not None
    assert row.name == "20"


# --- instants ---


async def test_an_instant_comes_back_aware_and_in_utc(database: Database) -> None:
    """Whatever zone it was given in, to the microsecond; and so do comparisons in SQL."""
    india = timezone(timedelta(hours=5, minutes=30))
    person = await add_person(database, "1", now=NOW.astimezone(india))
    async with database.reading() as tx:
        row = await people.find(tx, person)
        earlier = select(Person.id).where(Person.created_at < NOW.astimezone(india))
        not_later = select(Person.id).where(Person.created_at <= NOW.astimezone(india))
        found = [(await tx.execute(each)).all() for each in (earlier, not_later)]

    assert row is not None
    assert (row.created_at, row.created_at.tzinfo) == (NOW, UTC)
    assert [len(each) for each in found] == [0, 1]


async def test_far_instants_are_kept(database: Database) -> None:
    """Even ones that Facebook would never name."""
    for year in (1, 1969, 9999):
        moment = datetime(year, 6, 1, tzinfo=UTC)
        person = await add_person(database, str(year), now=moment)
        async with database.reading() as tx:
            row = await people.find(tx, person)

        assert row is not None
        assert row.created_at == moment


async def test_a_naive_instant_is_refused(database: Database) -> None:
    """A column never guesses a zone."""
    with pytest.raises(StatementError, match="must carry its time zone"):
        await add_person(database, "1", now=datetime(2026, 1, 1))  # noqa: DTZ001  # the very point


# --- outages ---


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+asyncpg://igauth:{SECRET}@127.0.0.1:1/igauth",
        "sqlite+aiosqlite:////nonexistent/folder/igauth.db",
    ],
)
async def test_an_absent_database_is_unavailable(url: str) -> None:
    """Reads, writes and pings: the one error, with Retry-After, without the password."""
    database = Database(url)
    for use in (database.transaction, database.reading):
        with pytest.raises(DatabaseUnavailable) as refused:
            async with use() as tx:
                await tx.execute(text("SELECT 1"))
        assert refused.value.retry_after == 5
        assert SECRET not in f"{refused.value!r}{refused.value.__cause__!r}"
    with pytest.raises(DatabaseUnavailable):
        await database.ping()
    await database.close()


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path) -> None:
    """Somebody's other file: refused, and left as it is."""
    path = tmp_path / "letter.txt"
    path.write_text("Dear Ada, " * 200)
    database = Database(f"sqlite+aiosqlite:///{path}")
    with pytest.raises(DatabaseUnavailable):
        await database.ping()
    await database.close()

    assert path.read_text() == "Dear Ada, " * 200


async def test_a_locked_file_is_unavailable_for_writers_only(
    impatient: Database, sqlite_path: Path
) -> None:
    """Another program writes: reads go on, a write gives up after its wait, then all is well."""
    with closing(sqlite3.connect(sqlite_path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable):
            await add_person(impatient, "1")
        assert await count(impatient) == 0
        stranger.execute("ROLLBACK")

    await add_person(impatient, "1")
    assert await count(impatient) == 1


async def test_whoever_waits_for_the_writer_too_long_is_told(impatient: Database) -> None:
    """One writer at a time in a process: the pool's own time-out is mapped, too."""
    async with impatient.transaction() as tx:
        await tx.execute(_insert("p1", "1"))
        with pytest.raises(DatabaseUnavailable):
            await add_person(impatient, "2")

    assert await count(impatient) == 1


async def test_a_read_only_file_can_be_read(sqlite_path: Path) -> None:
    """Reads go on; a write is an outage, not a crash."""
    writable = Database(f"sqlite+aiosqlite:///{sqlite_path}")
    await add_person(writable, "1")
    database = Database(f"sqlite+aiosqlite:///file:{sqlite_path}?mode=ro&uri=true")
    assert await count(database) == 1
    with pytest.raises(DatabaseUnavailable):
        await add_person(database, "2")
    assert await count(database) == 1
    await database.close()
    await writable.close()


async def test_a_full_disk_ends_when_there_is_room(sqlite_path: Path) -> None:
    """The write fails whole, reading goes on, and later writes succeed without a restart."""
    database = Database(f"sqlite+aiosqlite:///{sqlite_path}")
    async with database.transaction() as tx:
        pages = (await tx.exec_driver_sql("PRAGMA page_count")).scalar_one()
        await tx.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    with pytest.raises(DatabaseUnavailable):
        await add_person(database, "1", name="x" * 100_000)
    assert await count(database) == 0

    async with database.transaction() as tx:
        await tx.exec_driver_sql(f"PRAGMA max_page_count={pages + 1000}")
    await add_person(database, "1", name="x" * 100_000)
    assert await count(database) == 1
    await database.close()


async def test_a_missing_postgresql_database_is_unavailable(server: PostgresServer) -> None:
    """asyncpg's own errors while connecting are mapped."""
    database = Database(server.url("no_such_database"))
    with pytest.raises(DatabaseUnavailable):
        await database.ping()
    await database.close()


async def test_killed_idle_backends_are_replaced_unnoticed(postgres_url: str) -> None:
    """PostgreSQL restarted while nobody asked: the next requests just work."""
    database = Database(postgres_url)
    await asyncio.gather(*(count(database) for _ in range(5)))
    await _kill_all(postgres_url)

    assert await asyncio.gather(*(count(database) for _ in range(5))) == [0] * 5
    await database.close()


async def test_a_backend_killed_in_mid_transaction_is_one_failure(postgres_url: str) -> None:
    """That transaction is lost whole and told as an outage; the pool heals."""
    database = Database(postgres_url)

    async def work() -> None:
        async with database.transaction() as tx:
            await tx.execute(_insert("p1", "1"))
            await _kill_all(postgres_url)
            await tx.execute(_insert("p2", "2"))

    with pytest.raises(DatabaseUnavailable):
        await work()
    assert await count(database) == 0

    await add_person(database, "1")
    assert await count(database) == 1
    await database.close()


async def test_a_backend_killed_before_the_commit_commits_nothing(postgres_url: str) -> None:
    """A commit that isn't confirmed is an outage: no cookie may follow it."""
    database = Database(postgres_url)

    async def work() -> None:
        async with database.transaction() as tx:
            await attempts.consume(tx, "5" * 64, now=NOW, expires_at=LATER)
            await _kill_all(postgres_url)

    with pytest.raises(DatabaseUnavailable):
        await work()

    async with database.reading() as tx:
        assert await attempts.find_outcome(tx, "5" * 64) is None
    await database.close()


# --- SQLite's own ---


async def test_sqlite_is_set_up_as_promised(sqlite_path: Path) -> None:
    """WAL, foreign keys, secure deletion: on readers' and the writer's connections."""
    database = Database(f"sqlite+aiosqlite:///{sqlite_path}")
    for use in (database.transaction, database.reading):
        async with use() as tx:
            found = [
                (await tx.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
                for name in ("journal_mode", "foreign_keys", "secure_delete", "busy_timeout")
            ]
        assert found == ["wal", 1, 1, 5_000]
    await database.close()


async def test_what_was_erased_leaves_no_copy(sqlite_path: Path) -> None:
    """After an erasure neither the file nor its log holds a byte of the person."""
    database = Database(f"sqlite+aiosqlite:///{sqlite_path}")
    person = await add_person(database, "777000777000", name="cAnArY Invented")
    async with database.transaction() as tx:
        await sessions.add(
            tx,
            id_hash=SessionHash("cAnArYhash"),
            person_id=person,
            user_agent="cAnArYagent",
            now=NOW,
            expires_at=LATER,
        )
    assert b"cAnArY" in _all_bytes(sqlite_path)
    async with database.transaction() as tx:
        await people.remove(tx, person)
    await database.forget_deleted()

    left = _all_bytes(sqlite_path)

    assert b"cAnArY" not in left
    assert b"777000777000" not in left
    await database.close()


async def test_forgetting_is_harmless_anywhere(database: Database, ada: PersonId) -> None:
    """Nothing to do on PostgreSQL; on SQLite what lives stays."""
    await database.forget_deleted()

    assert await count(database) == 1


def _insert(person_id: str, user_id: str, name: str | None = None) -> Insert:
    return insert(Person).values(
        id=person_id,
        facebook_app_id="1",
        facebook_user_id=user_id,
        name=name,
        created_at=NOW,
        last_login_at=NOW,
    )


def _all_bytes(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))


async def _kill_all(url: str) -> None:
    """Ends every other backend of this database, as a restart of the server would."""
    killer = Database(url)
    async with killer.reading() as tx:
        await tx.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )
    await killer.close()
