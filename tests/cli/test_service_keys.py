"""`igauth service-keys`: made, shown once, rotated, revoked (contract §11)."""

import json
import re
from typing import Any

import pytest

from tests.cli.commands import Command, serving

KEY_FORM = re.compile(r"igsk_[0-9A-Za-z]{8}_[0-9A-Za-z]{49}\n")


@pytest.fixture
def settings(database_url: str) -> dict[str, str]:
    """Of a service without any key."""
    return serving(database_url)


def made(command: Command, settings: dict[str, str], *arguments: str) -> str:
    """The key that a command prints, and nothing beside it."""
    ended = command("service-keys", *arguments, **settings)
    assert ended.code == 0, ended
    assert KEY_FORM.fullmatch(ended.out), ended
    return ended.out.strip()


def listed(command: Command, settings: dict[str, str]) -> list[dict[str, Any]]:
    """What `list --json` prints."""
    ended = command("service-keys", "list", "--json", **settings)
    found: list[dict[str, Any]] = json.loads(ended.out)["data"]
    return found


def test_a_key_is_shown_once(command: Command, settings: dict[str, str]) -> None:
    """Alone on standard output; the list knows everything of it but the key."""
    arguments = ("--name", "worker", "--scopes", "tokens,read", "--expires", "365d")
    key = made(command, settings, "new", *arguments)
    (row,) = listed(command, settings)
    table = command("service-keys", "list", **settings).out

    assert (row["id"], row["name"], row["scopes"]) == (key[5:13], "worker", ["read", "tokens"])
    assert (row["status"], row["used_at"]) == ("active", None)
    assert row["expires_at"].endswith("Z")
    assert key[14:] not in json.dumps(row) + table


def test_a_key_is_rotated_and_revoked(command: Command, settings: dict[str, str]) -> None:
    """A new one of the same name and scopes; the old one lives on for the overlap, or ends."""
    old = made(command, settings, "new", "--name", "w", "--scopes", "read")
    new = made(command, settings, "rotate", old[5:13], "--overlap", "1h")
    revoked = command("service-keys", "revoke", new[5:13], **settings)

    assert (revoked.code, revoked.out) == (0, "revoked\n")
    assert {row["id"]: row["status"] for row in listed(command, settings)} == {
        old[5:13]: "rotated",
        new[5:13]: "revoked",
    }


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("new", "--scopes", "read"), "--name"),
        (("new", "--name", "n"), "--scopes"),
        (("new", "--name", "n", "--scopes", "read,all"), "connect, read, tokens, manage, events"),
        (("new", "--name", "n", "--scopes", ""), "comma list"),
        (("new", "--name", "", "--scopes", "read"), "--name"),
        (("new", "--name", "n", "--scopes", "read", "--expires", "1y"), "24h"),
        (("new", "--name", "n", "--scopes", "read", "--expires", "0d"), "--expires"),
        (("revoke", "nobody12"), "no service key"),
        (("rotate", "nobody12"), "no service key"),
    ],
)
def test_bad_input_is_one_clear_line(
    command: Command, settings: dict[str, str], arguments: tuple[str, ...], complaint: str
) -> None:
    """And a non-zero exit."""
    assert complaint in command("service-keys", *arguments, **settings).complaint
