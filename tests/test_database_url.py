"""DATABASE_URL as providers print it: what the driver is given of it (contract §2, defect B30)."""

import ssl
from pathlib import Path

import pytest
from sqlalchemy import text

from igauth.database_url import parse_database_url
from igauth.errors import DatabaseUnavailable
from igauth.store import migrations
from igauth.store.database import Database, Transaction
from tests.fake_postgres import fake_postgres, self_signed
from tests.postgres import ABSENT, PostgresServer

MARK = "sEkReTvAlUe"
BASE = "postgresql://u:p@h/d"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("sqlite:///igauth.db", "sqlite+aiosqlite:///igauth.db"),
        ("sqlite:////var/lib/igauth.db", "sqlite+aiosqlite:////var/lib/igauth.db"),
        ("sqlite+aiosqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("postgresql://u:p@h:5432/d", "postgresql+asyncpg://u:p@h:5432/d"),
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql+asyncpg://u:p%40%2F@[::1]:5432/d", None),
        ("postgresql:///d?host=/run/pg", "postgresql+asyncpg:///d?host=%2Frun%2Fpg"),
        (f"{BASE}?sslmode=require&application_name=x", "postgresql+asyncpg://u:p@h/d"),
    ],
)
def test_schemes_become_drivers_and_parameters_arguments(given: str, url: str | None) -> None:
    """What SQLAlchemy passes on stays in the address, the driver's own leaves it."""
    assert parse_database_url(given).url == (url or given)


def test_an_sqlite_file_is_known_by_its_path() -> None:
    """Relative to where igauth runs, or absolute by a fourth stroke."""
    assert parse_database_url("sqlite:///a/b.db").sqlite_path == Path("a/b.db")
    assert parse_database_url("sqlite:////a/b.db").sqlite_path == Path("/a/b.db")
    assert parse_database_url(BASE).sqlite_path is None
    assert parse_database_url("sqlite:///x.db").connect_args() == {}


@pytest.mark.parametrize(
    ("query", "given"),
    [
        ("", {}),
        ("sslmode=require", {"ssl": "require"}),
        ("ssl=prefer", {"ssl": "prefer"}),
        ("sslmode=require&channel_binding=require", {"ssl": "require"}),
        ("application_name=ig%20auth", {"server_settings": {"application_name": "ig auth"}}),
        ("connect_timeout=10", {"timeout": 10}),
        ("connect_timeout=0", {}),
        (
            "pgbouncer=true&connect_timeout=15",
            {"timeout": 15, "statement_cache_size": 0, "prepared_statement_cache_size": 0},
        ),
        ("pgbouncer=false", {}),
    ],
)
def test_the_usual_parameters_reach_the_driver(query: str, given: dict[str, object]) -> None:
    """As Neon, Supabase, Heroku and others print them."""
    assert parse_database_url(f"{BASE}?{query}").connect_args() == given


@pytest.mark.parametrize(
    ("query", "verifies_host"),
    [
        ("sslmode=verify-full", True),
        ("sslmode=verify-ca", False),
        ("sslrootcert=system", True),
        ("sslmode=verify-full&sslrootcert={file}", True),
        ("sslmode=verify-ca&sslrootcert={file}", False),
        ("sslmode=require&sslrootcert={file}", False),
    ],
)
def test_tls_is_verified_as_libpq_verifies(tmp_path: Path, query: str, verifies_host: bool) -> None:
    """libpq, "SSL Support": a root certificate makes `require` verify it."""
    file = self_signed(tmp_path)
    context = parse_database_url(f"{BASE}?{query.format(file=file)}").connect_args()["ssl"]

    assert isinstance(context, ssl.SSLContext)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname is verifies_host


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("options=-c%20search_path%3Dx", "options"),
        ("gssencmode=prefer", "gssencmode"),
        ("sslmode=require&sslcert=client.crt", "sslcert"),
        ("pool_timeout=10&connection_limit=5", "connection_limit"),
        ("sslmode=sometimes", "sslmode"),
        ("sslrootcert=/nowhere/root.crt", "sslrootcert"),
        ("sslmode=require&sslrootcert=system", "sslmode=verify-full"),
        ("connect_timeout=soon", "connect_timeout"),
    ],
)
def test_what_does_not_work_is_named(query: str, named: str) -> None:
    """The parameter by its name, and no value."""
    with pytest.raises(ValueError, match=named) as refused:
        parse_database_url(f"postgresql://u:{MARK}@h/d?{query}")

    assert MARK not in str(refused.value)


@pytest.mark.parametrize(
    "given",
    [
        f"postgresql://u:12?{MARK}@h/d",
        f"postgresql://u:p@h/d?{MARK}",
        f"postgresql://u:p@h/d?x{MARK}=1",
        f"postgresql://u:p@{MARK}@h/d",
        f"mysql://u:{MARK}@h/d",
    ],
)
def test_a_torn_address_shows_nothing_of_itself(given: str) -> None:
    """A password with `?` or `&` in it turns into parameters: those are not shown."""
    with pytest.raises(ValueError, match=r"^(must|has)") as refused:
        parse_database_url(given)

    assert MARK not in str(refused.value)


def test_an_address_prints_without_its_password() -> None:
    """As all that holds a secret."""
    assert MARK not in repr(parse_database_url(f"postgresql://u:{MARK}@h/d?sslmode=require"))


# --- at the other end ---


async def _approach(url: str) -> None:
    database = Database(url)
    try:
        with pytest.raises(DatabaseUnavailable):
            await migrations.current_revision(database)
    finally:
        await database.close()


async def test_a_server_hears_who_comes() -> None:
    """application_name arrives; without a parameter the driver prefers TLS, and does without."""
    async with fake_postgres() as server:
        await _approach(f"{server.url}?application_name=igauth")

    assert server.heard[-1]["application_name"] == "igauth"
    assert server.heard[-1]["user"] == "someone"
    assert server.encrypted[-1] is False


@pytest.mark.parametrize(
    ("query", "heard"),
    [
        ("sslmode=require", True),
        ("sslmode=verify-full&sslrootcert={file}", True),
        ("sslmode=require&sslrootcert={file}", True),
        ("sslmode=disable", True),
        ("sslmode=verify-full", False),
        ("sslrootcert=system", False),
    ],
)
async def test_a_certificate_is_believed_as_asked(tmp_path: Path, query: str, heard: bool) -> None:
    """A server with a certificate of its own: nothing is told to it unless that is trusted."""
    file = self_signed(tmp_path)
    async with fake_postgres(certificate=file) as server:
        await _approach(f"{server.url}?{query.format(file=file)}")

    assert bool(server.heard) is heard
    assert set(server.encrypted) <= {query != "sslmode=disable"}


async def test_a_foreign_name_in_the_certificate_is_refused(tmp_path: Path) -> None:
    """verify-full compares the host, verify-ca doesn't."""
    file = self_signed(tmp_path, "other.test")
    async with fake_postgres(certificate=file) as server:
        await _approach(f"{server.url}?sslmode=verify-full&sslrootcert={file}")
        assert server.heard == []
        await _approach(f"{server.url}?sslmode=verify-ca&sslrootcert={file}")
        assert len(server.heard) == 1


@pytest.mark.parametrize(("pooler", "prepared"), [("", True), ("pgbouncer=true", False)])
async def test_behind_a_pooler_nothing_is_prepared(
    postgres: PostgresServer | None, pooler: str, prepared: bool
) -> None:
    """A named statement would be missing on the connection that the pooler gives next."""
    if postgres is None:
        pytest.skip(ABSENT)
    url = postgres.url("postgres")
    database = Database(f"{url}{'&' if '?' in url else '?'}{pooler}")
    try:
        for run in (database.read, database.write):
            assert (await run(_prepared_statements) > 0) is prepared
        assert await migrations.current_revision(database) is None
    finally:
        await database.close()


def _prepared_statements(tx: Transaction) -> int:
    tx.execute(text("SELECT :x + 1"), {"x": 1})
    number: int = tx.execute(text("SELECT count(*) FROM pg_prepared_statements")).scalar_one()
    return number
