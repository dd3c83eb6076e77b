"""Readiness: 200 only while a login could be kept; writes are refused to a foreign schema
(contract §5, §9; defects C13, C21)."""

import pytest
from sqlalchemy import text

from igauth.settings import RootKey
from igauth.store import migrations
from igauth.store.database import Database, Transaction
from igauth.upkeep.readiness import KEPT_SECONDS, Readiness
from tests.stage import (
    KEY,
    Browser,
    Stage,
    error_of,
    make_settings,
    open_stage,
    query_of,
    replica,
)

NEWER = RootKey("k2", bytes(range(50, 82)))


async def readiness_of(stage: Stage) -> tuple[int, str | None]:
    """What `/readyz` says."""
    answer = await stage.browser().get("/readyz")
    return answer.status_code, answer.json().get("code")


async def set_schema(stage: Stage, revision: str | None) -> None:
    """Another program migrates the database, or takes it back to before any migration."""
    other = Database(stage.settings.database_url.get_secret_value())
    forget = text("DELETE FROM alembic_version")
    remember = text("INSERT INTO alembic_version VALUES (:revision)")
    await other.write(lambda tx: tx.execute(forget))
    if revision is not None:
        await other.write(lambda tx: tx.execute(remember, {"revision": revision}))
    await other.close()


@pytest.mark.parametrize(
    ("revision", "why"), [("20990101", "newer program"), (None, "igauth migrate")]
)
async def test_a_foreign_schema_is_not_written_to(
    stage: Stage, browser: Browser, revision: str | None, why: str
) -> None:
    """Not ready, and no login is kept, nor asked for at Facebook; reads go on; and back (C13)."""
    await browser.log_in("ada")
    callback = await browser.approach("ben")
    asked = stage.calls.count("exchange")
    await set_schema(stage, revision)

    assert await readiness_of(stage) == (503, "not_ready")
    refused = await browser.http.get(callback)
    ended = await browser.send("POST", "/auth/logout")

    assert error_of(refused) == "database_unavailable"
    assert why in query_of(refused)["error_description"][0]
    assert (ended.status_code, ended.json()["code"]) == (503, "not_ready")
    assert why in ended.json()["detail"]
    assert ended.headers["retry-after"]
    assert stage.calls.count("exchange") == asked
    assert await browser.user() is not None

    await set_schema(stage, migrations.head_revision())
    assert await readiness_of(stage) == (200, None)
    assert error_of(await browser.http.get(callback)) is None


async def test_a_foreign_schema_is_noticed_without_being_asked(
    stage: Stage, browser: Browser
) -> None:
    """The chore looks every few seconds, whether or not anybody asks `/readyz`."""
    await browser.log_in("ada")
    await set_schema(stage, "20990101")
    (watch,) = [each for each in stage.services.chores if each.name == "readiness"]

    await watch.do()

    assert (await browser.send("POST", "/auth/logout")).json()["code"] == "not_ready"


async def test_a_storage_that_only_reads_is_not_ready(stage: Stage, browser: Browser) -> None:
    """A full disk or a standby still reads well; a login would be lost (C21). And back."""
    await browser.log_in("ada")
    await make_read_only(stage, "on")

    assert await readiness_of(stage) == (503, "database_unavailable")
    assert await browser.user() is not None
    assert (await browser.get("/metrics")).status_code == 200

    await make_read_only(stage, "off")
    assert await readiness_of(stage) == (200, None)


async def make_read_only(stage: Stage, word: str) -> None:
    """As a standby is, or a disk that was mounted read-only."""
    database = stage.services.database
    if database.is_sqlite:
        driver = await database._engine._writer._open()  # type: ignore[union-attr]  # SQLite's
        await driver.execute(f"PRAGMA query_only={word}")
        return
    other = Database(stage.settings.database_url.get_secret_value())
    name = database.url.database
    kill = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    def unit(tx: Transaction) -> None:
        tx.exec_driver_sql("SET TRANSACTION READ WRITE")
        tx.exec_driver_sql(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {word}')
        tx.exec_driver_sql(kill)

    await other.write(unit)
    await other.close()


async def test_a_file_that_was_overwritten_is_not_ready(sqlite_url: str) -> None:
    """SQLite reads on from its own memory (C21)."""
    async with open_stage(make_settings(sqlite_url)) as stage:
        path = stage.services.database.address.sqlite_path
        assert path is not None
        with path.open("r+b") as file:
            file.write(b"\0" * 4_096)

        assert (await readiness_of(stage))[0] == 503


async def test_a_key_that_rows_need_is_wanted(stage: Stage, browser: Browser) -> None:
    """A replica that lacks the key under which another seals can't open what it is asked for."""
    async with replica(stage, keys=(NEWER, KEY)) as newer:
        await newer.browser().log_in("ada")

        assert await readiness_of(newer) == (200, None)
        assert await readiness_of(stage) == (503, "not_ready")


async def test_asking_often_writes_seldom(stage: Stage) -> None:
    """A row every few seconds, however many ask, and one examination at a time."""
    moment = 0.0
    services = stage.services
    asked = Readiness(
        services.database,
        services.ring,
        services.background,
        clock=stage.clock,
        monotonic=lambda: moment,
    )

    async def written() -> str:
        stage.clock.advance(seconds=1)
        await asked.check()
        ((at,),) = await stage.sql("SELECT leased_until FROM turns WHERE name = 'readiness'")
        return str(at)

    first, second = await written(), await written()
    moment += KEPT_SECONDS
    third = await written()

    assert first == second < third
