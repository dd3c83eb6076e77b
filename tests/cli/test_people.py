"""`igauth status`, `renew`, `erase` (contract §1)."""

import json

import pytest

from tests.cli.commands import Command, serving
from tests.cli.rows import ADA, log_ada_in
from tests.keys import KEY


def test_status_counts_and_erase_deletes(command: Command, database_url: str) -> None:
    """A person is counted, erased by hand, and gone; a second time there is nothing."""
    settings = serving(database_url)
    log_ada_in(database_url, KEY)
    before = command("status", **settings).out
    erased = command("erase", "--facebook-user-id", ADA, **settings)
    again = command("erase", "--facebook-user-id", ADA, **settings)
    after = command("status", **settings).out

    assert "people: 1\n" in before
    assert "connections active: 1\n" in before
    assert (erased.code, erased.out) == (0, "erased\n")
    assert (again.code, again.out) == (0, "nothing stored about this person\n")
    assert "people: 0\n" in after
    assert "connections active: 1" not in after


def test_status_for_scripts(command: Command, database_url: str) -> None:
    """`{"data": [...]}`, and nothing else on standard output."""
    log_ada_in(database_url, KEY)
    ended = command("status", "--json", **serving(database_url))
    (found,) = json.loads(ended.out)["data"]

    assert (ended.code, found["people"], found["connections"]["active"]) == (0, 1, 1)
    assert found["queued_revocations"] == 0
    assert set(json.loads(ended.out)) == {"data"}


def test_renew_with_nothing_to_do_asks_nobody(command: Command, database_url: str) -> None:
    """One sweep over an empty database."""
    ended = command("renew", **serving(database_url))

    assert (ended.code, ended.out) == (
        0,
        "checked 0\npostponed 0, revocations confirmed 0\n",
    )


@pytest.mark.parametrize("door", ["facebook", "instagram"])
def test_an_unknown_id_has_nothing_to_erase(command: Command, database_url: str, door: str) -> None:
    """At either door; ids of one door are nobody's at the other."""
    log_ada_in(database_url, KEY)
    both = serving(
        database_url,
        INSTAGRAM_CLIENT_ID="26000000000000041",
        INSTAGRAM_CLIENT_SECRET="fedcba9876543210fedcba9876543210",
    )
    user_id = "404" if door == "facebook" else ADA
    ended = command("erase", f"--{door}-user-id", user_id, **both)

    assert (ended.code, ended.out) == (0, "nothing stored about this person\n")
    assert "people: 1\n" in command("status", **both).out


def test_a_closed_door_erases_nobody(command: Command, sqlite_url: str) -> None:
    """Whose app it would be isn't known: the setting is named."""
    ended = command("erase", "--instagram-user-id", "1", **serving(sqlite_url))

    assert ended.code == 3
    assert {line.split(":")[0] for line in ended.err.splitlines()} == {
        "INSTAGRAM_CLIENT_ID",
        "INSTAGRAM_CLIENT_SECRET",
    }
