"""`igauth keys new` and `igauth keys rotate` (contract §1)."""

import re

import pytest

from igauth.settings import Settings, load
from tests.cli.commands import Command, serving
from tests.cli.rows import log_ada_in
from tests.keys import KEY, OLDER_KEY


def test_keys_new_prints_a_line_for_keys(command: Command) -> None:
    """One line that the setting accepts, another each time."""
    first, second = command("keys", "new"), command("keys", "new")
    keys = [load(Settings, keys=each.out).keys for each in (first, second)]

    assert [(each.code, each.err, len(each.out.splitlines())) for each in (first, second)] == [
        (0, "", 1)
    ] * 2
    assert len({key.secret for (key,) in keys}) == len({key.kid for (key,) in keys}) == 2


def test_keys_rotate_frees_the_older_key(command: Command, database_url: str) -> None:
    """Re-sealed under the newest; then the older id may leave the ring."""
    log_ada_in(database_url, OLDER_KEY)
    rotated = command("keys", "rotate", **serving(database_url, KEY, OLDER_KEY))

    assert rotated.code == 0
    assert "re-sealed 1, unreadable 0, dropped 0" in rotated.out
    assert re.search(r"no readable row uses any more: k0$", rotated.out, re.M)
    assert command("status", **serving(database_url, KEY)).code == 0


@pytest.mark.parametrize(("options", "dropped"), [((), 0), (("--drop-unreadable",), 1)])
def test_a_lost_key_is_mended_by_keys_rotate(
    command: Command, database_url: str, options: tuple[str, ...], dropped: int
) -> None:
    """What lies under a key that is gone holds no key back: counted, marked, then it serves."""
    log_ada_in(database_url, OLDER_KEY)
    assert command("status", **serving(database_url, KEY)).code == 3
    rotated = command("keys", "rotate", *options, **serving(database_url, KEY))

    assert f"re-sealed 0, unreadable 1, dropped {dropped}" in rotated.out
    assert command("status", **serving(database_url, KEY)).code == 0
