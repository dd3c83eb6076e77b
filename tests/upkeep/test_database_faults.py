"""Why a database can't be used, each with a mend of its own, and never a password (B3, B31)."""

import socket
import sqlite3
from pathlib import Path

import pytest

from igauth.database_url import parse_database_url
from igauth.store.database import Database
from igauth.upkeep.database_faults import DatabaseRefused, check_address
from igauth.upkeep.startup import bring_to_head, check_database
from tests.fake_postgres import fake_postgres, self_signed
from tests.nobody import as_nobody, open_folder
from tests.postgres import ABSENT, PostgresServer

MARK = "sEkReTvAlUe"


async def refusal(url: str) -> DatabaseRefused:
    """What a start is refused with."""
    database = Database(url)
    try:
        with pytest.raises(DatabaseRefused) as refused:
            await check_database(database)
    finally:
        await database.close()
    assert MARK not in repr(refused.value) + str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    (fault,) = refused.value.faults
    assert fault.setting == "DATABASE_URL"
    assert fault.text == f"{refused.value.text}; {refused.value.mend}"
    return refused.value


# --- PostgreSQL ---


@pytest.mark.parametrize(
    ("sqlstate", "text", "mend"),
    [
        ("28P01", "password", "percent-encoded"),
        ("28000", "refuses this user", "pg_hba.conf"),
        ("3D000", "no database of this name", "createdb"),
        ("53300", "no connection left", "max_connections"),
        ("57P03", "starting up", "moment"),
        ("42501", "privilege", "GRANT"),
        ("XX000", "SQLSTATE XX000", "look the code up"),
    ],
)
async def test_what_the_server_refuses_has_its_own_mend(
    sqlstate: str, text: str, mend: str
) -> None:
    """By SQLSTATE; the server's own words, which hold a name, are not repeated."""
    async with fake_postgres(sqlstate) as server:
        refused = await refusal(server.url)

    assert text in refused.text
    assert mend in refused.mend


async def test_a_database_that_is_not_there(postgres: PostgresServer | None) -> None:
    """As a real server says it."""
    if postgres is None:
        pytest.skip(ABSENT)

    assert "no database of this name" in (await refusal(postgres.url("nowhere"))).text


async def test_a_closed_port() -> None:
    """Nobody listens, on whichever address of the name."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for host in ("127.0.0.1", "localhost"):
        refused = await refusal(f"postgresql://u:{MARK}@{host}:{port}/d")

        assert "nothing listens" in refused.text
        assert "start the server" in refused.mend


async def test_an_unknown_host() -> None:
    """A name that can't exist (RFC 6761 §6.4)."""
    refused = await refusal(f"postgresql://u:{MARK}@db.invalid/d")

    assert "host of the database is unknown" in refused.text


async def test_a_missing_socket(tmp_path: Path) -> None:
    """The server isn't running, or its socket lies elsewhere."""
    refused = await refusal(f"postgresql://u:{MARK}@/d?host={tmp_path}")

    assert "no socket" in refused.text


async def test_a_server_that_never_answers() -> None:
    """It is given up, as a start has no time to lose."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        port = deaf.getsockname()[1]
        url = f"postgresql://u:{MARK}@127.0.0.1:{port}/d?connect_timeout=1"

        assert "does not answer in time" in (await refusal(url)).text


async def test_tls_that_the_server_lacks() -> None:
    """sslmode=require, and the server has no TLS."""
    async with fake_postgres() as server:
        refused = await refusal(f"{server.url}?sslmode=require")

    assert "no TLS" in refused.text


async def test_a_certificate_that_is_not_trusted(tmp_path: Path) -> None:
    """The mend names the parameter that helps."""
    async with fake_postgres(certificate=self_signed(tmp_path)) as server:
        refused = await refusal(f"{server.url}?sslmode=verify-full")

    assert "not trusted" in refused.text
    assert "sslrootcert" in refused.mend


# --- SQLite ---


def path_refusal(path: Path) -> str:
    """What shows of a path without opening it."""
    with pytest.raises(DatabaseRefused) as refused:
        check_address(parse_database_url(f"sqlite:///{path}"))
    assert str(path.parent) in refused.value.text
    return refused.value.text


def test_a_missing_folder(tmp_path: Path) -> None:
    """The path, and that it doesn't exist."""
    assert "folder of the database file does not exist" in path_refusal(tmp_path / "no" / "x.db")


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    """Likewise."""
    (tmp_path / "no").touch()

    assert "is not a folder" in path_refusal(tmp_path / "no" / "x.db")


def test_a_file_that_is_a_folder(tmp_path: Path) -> None:
    """Somebody named the folder and forgot the file."""
    (tmp_path / "x.db").mkdir()

    assert "is a folder" in path_refusal(tmp_path / "x.db")


def test_a_file_that_is_something_else(tmp_path: Path) -> None:
    """It is left alone."""
    (tmp_path / "x.db").write_text("not a database, but somebody's notes")

    assert "not an SQLite database" in path_refusal(tmp_path / "x.db")


@pytest.mark.parametrize("content", [None, b""])
def test_a_file_that_has_yet_to_be_made_is_fine(tmp_path: Path, content: bytes | None) -> None:
    """Absent or empty: `migrate` makes it."""
    path = tmp_path / "x.db"
    if content is not None:
        path.write_bytes(content)

    check_address(parse_database_url(f"sqlite:///{path}"))
    bring_to_head(f"sqlite:///{path}")
    check_address(parse_database_url(f"sqlite:///{path}"))


@pytest.mark.parametrize("forbidden", ["folder", "file"])
def test_what_belongs_to_another_user(forbidden: str) -> None:
    """A volume that root made: the path is named (defect B31)."""
    with open_folder() as outer:
        folder = outer / "data"
        folder.mkdir(mode=0o777)
        folder.chmod(0o777)
        path = folder / "x.db"
        sqlite3.connect(path).close()
        path.chmod(0o666)
        (folder if forbidden == "folder" else path).chmod(0o555)
        said = as_nobody(lambda: _said_of(path))
        folder.chmod(0o700)

    assert "cannot be read and written by this user" in said
    assert str(path if forbidden == "file" else folder) in said


def _said_of(path: Path) -> str:
    try:
        check_address(parse_database_url(f"sqlite:///{path}"))
    except DatabaseRefused as refused:
        return str(refused)
    return "nothing"


async def test_a_damaged_file(tmp_path: Path) -> None:
    """It begins as SQLite's files do, and goes on otherwise."""
    path = tmp_path / "x.db"
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 4_000)
    refused = await refusal(f"sqlite:///{path}")

    assert "not an SQLite database" in refused.text or "damaged" in refused.text


async def test_a_database_that_is_behind(tmp_path: Path) -> None:
    """Never migrated: the command is named."""
    assert (await refusal(f"sqlite:///{tmp_path}/x.db")).mend == "run: igauth migrate"
