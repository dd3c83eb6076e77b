"""`igauth serve` starts with what is safe, or says why it doesn't (contract §1, §2)."""

import re
import socket
from pathlib import Path

import pytest

from igauth.settings import RootKey
from tests.cli.commands import APP_SECRET, MARK, Command, Ended, finished, free_port, serving
from tests.cli.rows import log_ada_in, set_revision
from tests.keys import KEY, OLDER_KEY, key_line


def test_serve_names_each_missing_setting() -> None:
    """The real entry point: exit 3, one line for each, in one go."""
    ended = finished("igauth", "serve")

    assert ended.code == 3
    assert ended.out == ""
    assert ended.err.splitlines() == [
        "FACEBOOK_CLIENT_ID: is required, or INSTAGRAM_CLIENT_ID for the other door",
        "FACEBOOK_CLIENT_SECRET: is required, or INSTAGRAM_CLIENT_SECRET for the other door",
        "FRONTEND_URL: is required unless EXAMPLE_APP is true",
        "KEYS: is required",
    ]


def test_serve_shows_no_value_of_what_it_refuses(command: Command) -> None:
    """Names and reasons only."""
    ended = command(
        "serve",
        **serving(
            f"postgresql://u:p@h:{MARK}/d",
            BASE_URL=f"http://localhost:{MARK}",
            KEYS=f"k1:{MARK}",
            FACEBOOK_CLIENT_ID=MARK,
        ),
    )

    assert ended.code == 3
    assert [line.split(":")[0] for line in ended.err.splitlines()] == [
        *("BASE_URL", "FACEBOOK_CLIENT_ID", "DATABASE_URL", "KEYS"),
    ]
    assert MARK not in ended.err


def test_serve_refuses_a_database_that_is_behind(command: Command) -> None:
    """Never migrated: the line names the command that mends it."""
    ended = command("serve", **serving("sqlite:///never.db"))

    assert (ended.code, ended.complaint) == (
        3,
        "DATABASE_URL: the database is behind this program; run: igauth migrate",
    )


def test_serve_refuses_a_database_that_is_ahead(command: Command, database_url: str) -> None:
    """A newer program was here: that is said, and the command is named, too."""
    set_revision(database_url, "20991231_tomorrow")
    ended = command("serve", **serving(database_url))

    assert ended.code == 3
    assert "newer program" in ended.complaint
    assert "igauth migrate" in ended.complaint


def test_serve_refuses_a_known_key_id_with_other_bytes(command: Command, database_url: str) -> None:
    """The database remembers a check value of every key: a mixed-up ring is named by its id."""
    assert command("status", **serving(database_url)).code == 0
    wrong = RootKey("k1", OLDER_KEY.secret)
    ended = command("serve", **serving(database_url, RootKey("k2", KEY.secret), wrong))

    assert ended.code == 3
    assert re.match(r"KEYS: key id k1 has other bytes", ended.complaint)
    shows_no_key(ended)


def test_serve_refuses_a_ring_that_lacks_a_needed_key(command: Command, database_url: str) -> None:
    """A stored token lies under k0: without it the start is refused, with its id."""
    log_ada_in(database_url, OLDER_KEY)
    ended = command("serve", **serving(database_url, KEY))

    assert ended.code == 3
    assert re.match(r"KEYS: key id k0 is missing", ended.complaint)
    shows_no_key(ended)


def test_serve_names_a_file_that_it_cannot_read(command: Command) -> None:
    """`.env` as PowerShell writes it: exit 3, one line (defect B26)."""
    Path(".env").write_bytes("KEYS=x\n".encode("utf-16"))
    ended = command("serve")

    assert ended.code == 3
    assert ended.complaint.startswith(".env: is not UTF-8")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"KEYS": "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"}, "KEYS"),
        ({"FACEBOOK_CLIENT_SECRET": "x"}, "FACEBOOK_CLIENT_SECRET"),
        ({"TRUSTED_PROXIES": "0.0.0.0/0"}, "TRUSTED_PROXIES"),
        ({"BASE_URL": "https://c.test", "FRONTEND_URL": "http://a.test"}, "FRONTEND_URL"),
        ({"INSTAGRAM_CLIENT_ID": "123"}, "INSTAGRAM_CLIENT_SECRET"),
    ],
    ids=["counted key", "one-letter secret", "every proxy", "http front end", "half a pair"],
)
def test_serve_refuses_what_is_unsafe(
    command: Command, sqlite_url: str, change: dict[str, str], named: str
) -> None:
    """Exit 3, one line, the setting's name and not its value (defects S12, S16)."""
    ended = command("serve", **(serving(sqlite_url) | change))

    assert ended.code == 3
    assert ended.complaint.startswith(f"{named}: ")
    assert not any(value in ended.complaint for value in change.values() if len(value) > 3)


@pytest.mark.parametrize("name", ["serve", "sandbox", "dev"])
def test_a_taken_port_is_named_with_a_hint(command: Command, sqlite_url: str, name: str) -> None:
    """One line, no traceback (defect B12)."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        ended = command(name, "--port", str(port), **serving(sqlite_url))

    assert ended.code == 1
    assert f"port {port} " in ended.complaint
    assert "--port" in ended.complaint


def test_an_address_of_another_machine_is_named(command: Command, sqlite_url: str) -> None:
    """TEST-NET-1 is nobody's (RFC 5737)."""
    ended = command(
        "serve", "--host", "192.0.2.1", "--port", str(free_port()), **serving(sqlite_url)
    )

    assert ended.code == 1
    assert "192.0.2.1 is no address of this machine" in ended.complaint


def shows_no_key(ended: Ended) -> None:
    """Neither ring key, in part."""
    for key in (KEY, OLDER_KEY):
        assert key_line(key).split(":")[1][:8] not in ended.out + ended.err
    assert APP_SECRET not in ended.out + ended.err
