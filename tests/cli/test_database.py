"""`igauth migrate`, and what every command says of a database that can't be used (contract §1)."""

import pytest

from igauth.store import migrations
from tests.cli.commands import MARK, Command, free_port, serving
from tests.cli.rows import revision, set_revision


def test_migrate_brings_a_new_database_to_head(command: Command) -> None:
    """Twice is once; the plain URL is mapped."""
    for _ in range(2):
        ended = command("migrate", DATABASE_URL="sqlite:///new.db")
        assert (ended.code, ended.err) == (0, "")
        assert migrations.head_revision() in ended.out

    migrations.check("sqlite+aiosqlite:///new.db")


def test_migrate_needs_no_other_setting_but_refuses_bad_ones(command: Command) -> None:
    """Exit 3 and a line for each fault."""
    ended = command("migrate", DATABASE_URL=f"mysql://u:{MARK}@h/d", BASE_URL=MARK)

    assert ended.code == 3
    assert [line.split(":")[0] for line in ended.err.splitlines()] == ["BASE_URL", "DATABASE_URL"]
    assert MARK not in ended.err


@pytest.mark.parametrize("name", ["serve", "migrate", "status", "renew"])
def test_a_closed_port_is_one_line_with_its_mend(command: Command, name: str) -> None:
    """Whatever asks: the cause, what to do, no traceback, no password (defect B3)."""
    ended = command(name, **serving(f"postgresql://u:{MARK}@127.0.0.1:{free_port()}/d"))

    assert (ended.code, ended.complaint) == (
        3,
        "DATABASE_URL: nothing listens at the address of the database; "
        "start the server, or correct host and port in the URL",
    )


@pytest.mark.parametrize("name", ["serve", "migrate", "status", "renew"])
def test_a_missing_folder_is_one_line_with_its_path(command: Command, name: str) -> None:
    """SQLite's file can't be made there (defect B31)."""
    ended = command(name, **serving("sqlite:////no/such/folder/x.db"))

    assert ended.code == 3
    assert "does not exist: /no/such/folder" in ended.complaint


def test_migrate_leaves_a_newer_database_alone(command: Command, database_url: str) -> None:
    """An older program doesn't touch what it doesn't know."""
    set_revision(database_url, "20991231_tomorrow")

    assert "newer program" in command("migrate", DATABASE_URL=database_url).complaint
    assert revision(database_url) == "20991231_tomorrow"


def test_no_command_says_the_name_of_a_class(command: Command) -> None:
    """People read these lines (defect B12)."""
    settings = serving(
        f"postgresql://u:{MARK}@127.0.0.1:{free_port()}/d",
        FACEBOOK_GRAPH_URL=f"http://127.0.0.1:{free_port()}",
    )
    ended = command("doctor", **settings, ALLOW_FAKE_FACEBOOK="true")

    assert ended.code == 1
    assert "Unavailable" not in ended.out + ended.err
    assert MARK not in ended.out + ended.err
