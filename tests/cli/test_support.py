"""`igauth connections` and `igauth audit`: what a support case asks for (contract §1)."""

import json
from typing import Any

import pytest

from tests.cli.commands import Command, serving
from tests.cli.rows import ADA, log_ada_in
from tests.keys import KEY

ACCOUNT = "17841401000000001"


@pytest.fixture
def settings(database_url: str) -> dict[str, str]:
    """Of a database that knows ada."""
    log_ada_in(database_url, KEY)
    return serving(database_url)


def data(command: Command, settings: dict[str, str], *arguments: str) -> list[dict[str, Any]]:
    """What `--json` prints."""
    ended = command(*arguments, "--json", **settings)
    assert (ended.code, ended.err) == (0, "")
    found: list[dict[str, Any]] = json.loads(ended.out)["data"]
    return found


def test_a_connection_is_found_by_whatever_is_known(
    command: Command, settings: dict[str, str]
) -> None:
    """Facebook's id, an Instagram account's, our own two, a part of the name in any case."""
    (every,) = data(command, settings, "connections", "list")
    known = [ADA, ACCOUNT, every["id"], every["person_id"], every["name"], "INVENTED"]
    assert "invented" in every["name"].lower()

    for each in known:
        for name in ("list", "show"):
            assert data(command, settings, "connections", name, each) == [every]
    for nobody in ("404", "%", "_", "nobody"):
        assert data(command, settings, "connections", "list", nobody) == []


def test_a_connection_says_what_a_support_case_needs(
    command: Command, settings: dict[str, str]
) -> None:
    """State, dates, permissions, accounts; and nothing that opens anything."""
    (shown,) = data(command, settings, "connections", "show", ADA)
    ended = command("connections", "show", ADA, **settings)

    assert (shown["status"], shown["cause"], shown["provider"]) == ("active", None, "facebook")
    assert shown["provider_user_id"] == ADA
    assert shown["missing_scopes"] == []
    assert shown["token_expires_at"].endswith("Z")
    assert ACCOUNT in {account["id"] for account in shown["accounts"]}
    assert "status: active\n" in ended.out
    assert f"{ACCOUNT} " in ended.out
    for secret in ("EAA", "v1.k1.", "sealed", "token_kid"):
        assert secret not in ended.out + json.dumps(shown)


def test_a_table_for_people(command: Command, settings: dict[str, str]) -> None:
    """Columns under their names."""
    ended = command("connections", "list", **settings)
    header, row = ended.out.splitlines()

    assert header.split() == [
        *("id", "provider", "name", "status", "cause", "verified_at", "accounts"),
    ]
    assert header.index("provider") == row.index("facebook")
    assert header.index("status") == row.index("active")


def test_showing_nobody_is_one_line(command: Command, settings: dict[str, str]) -> None:
    """Non-zero, so that scripts notice."""
    ended = command("connections", "show", "404", **settings)

    assert ended.code == 1
    assert "no connection" in ended.complaint


def test_the_trail_is_read_from_a_moment_on(command: Command, settings: dict[str, str]) -> None:
    """`--since`; the stage's login lies days before or after this machine's clock, so far back."""
    everything = data(command, settings, "audit", "--since", "36500d")
    login = next(event for event in everything if event["event"] == "login.completed")

    assert login["outcome"] == "ok"
    assert login["at"].endswith("Z")
    assert data(command, settings, "audit", "--since", "36500d", "--person", login["person"])
    assert data(command, settings, "audit", "--since", "36500d", "--person", "nobody") == []
    assert data(command, settings, "audit", "--since", "36500d", "--key", "sk_nobody") == []
    assert len(data(command, settings, "audit", "--since", "36500d", "--limit", "1")) == 1


def test_a_badly_written_duration_is_one_line(command: Command, settings: dict[str, str]) -> None:
    """Exit 2."""
    ended = command("audit", "--since", "yesterday", **settings)

    assert ended.code == 2
    assert "24h" in ended.complaint
