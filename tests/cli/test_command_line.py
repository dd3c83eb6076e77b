"""The command line itself: help, version, one clear line for whatever is wrong (contract §1)."""

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import click
import pytest

from igauth.cli.options import Duration
from tests.cli.commands import MARK, Command, finished, serving

COMMANDS = [
    *(["dev"], ["serve"], ["migrate"], ["sandbox"], ["doctor"], ["renew"], ["erase"]),
    *(["status"], ["healthcheck"], ["openapi"], ["keys", "new"], ["keys", "rotate"]),
    *(["connections", "list"], ["connections", "show"], ["audit"]),
    *([["service-keys", name] for name in ("new", "list", "rotate", "revoke")]),
    *([["webhooks", name] for name in ("add", "list", "test", "replay", "rotate")]),
    *([["webhooks", name] for name in ("enable", "remove", "listen")]),
]
HEAVY = {"fastapi", "sqlalchemy", "httpx", "aiohttp", "pydantic", "structlog", "uvicorn", "rich"}


@pytest.mark.parametrize("name", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_every_command_has_help(command: Command, name: list[str], option: str) -> None:
    """It says what a command does, and changes nothing."""
    ended = command(*name, option)

    assert (ended.code, ended.err) == (0, "")
    assert re.match(rf"Usage: igauth {' '.join(name)} ", ended.out)
    assert list(Path.cwd().iterdir()) == []


def test_help_lists_every_command(command: Command) -> None:
    """All that there are, each with its sentence."""
    ended = command("--help")

    assert (ended.code, ended.err) == (0, "")
    listed = re.findall(r"^  ([a-z][\w-]*)  +\w", ended.out, re.M)
    assert {name for (name, *_) in COMMANDS} == set(listed)


def test_the_version_is_the_packages(command: Command) -> None:
    """As everybody asks for it."""
    from importlib.metadata import version

    ended = command("--version")

    assert (ended.code, ended.out, ended.err) == (0, f"igauth {version('igauth')}\n", "")


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["nonsense"], ["--nonsense"], ["serve", "--nonsense"], ["migrate", "now"]),
        *(["keys"], ["keys", "nonsense"], ["keys", "new", "more"], ["renew", "--everything"]),
        *(["serve", "--port", "x"], ["serve", "--port", "0"], ["serve", "--port", "65536"]),
        *(["dev", "--port"], ["sandbox", "--port", "-1"], ["healthcheck", "--port", "8e3"]),
        *(["erase"], ["erase", "--facebook-user-id", ""], ["serve", "--reload"]),
        ["erase", "--facebook-user-id", "1", "--instagram-user-id", "2"],
        ["erase", "--instagram-user-id", "a b"],
        ["sandbox", "--public-url", "nowhere"],
        ["serve", "--host", "no.such.host.invalid"],
    ],
    ids=lambda each: " ".join(each) or "nothing",
)
def test_a_bad_command_line_is_one_clear_line(command: Command, arguments: list[str]) -> None:
    """Exit 2, one line on standard error, no traceback, nothing done."""
    ended = command(*arguments, **serving(f"sqlite:///{Path.cwd()}/x.db"))

    assert ended.code == 2
    assert re.match(r"igauth: .{8,}", ended.complaint)
    assert list(Path.cwd().iterdir()) == []


def test_a_bad_user_id_is_refused_without_being_repeated(command: Command) -> None:
    """What isn't an app-scoped id reaches no database."""
    assert MARK not in command("erase", "--facebook-user-id", f"{MARK} \n").complaint


def test_the_real_entry_point_does_the_same() -> None:
    """As installed, not as called here."""
    ended = finished("igauth", "nonsense")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("igauth: ")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["keys", "new"], ["nonsense"]])
def test_what_prints_a_line_imports_next_to_nothing(arguments: list[str]) -> None:
    """A command's own imports are its own; none of the service's are paid for a line of help."""
    code = (
        "import sys\n"
        f"sys.argv = ['igauth', *{arguments!r}]\n"
        "from igauth.cli.main import main\n"
        "try: main()\n"
        "finally: print('\\nloaded', *sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    loaded = set(done.stdout.rpartition("\nloaded ")[2].split())

    assert "click" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("24h", timedelta(hours=24)),
        ("365d", timedelta(days=365)),
    ],
)
def test_a_duration_has_a_number_and_a_unit(written: str, meant: timedelta) -> None:
    """`\\d+[smhd]`, as every option takes it."""
    assert Duration().convert(written, None, None) == meant


@pytest.mark.parametrize("written", ["", "1", "h", "1w", "1 h", "-1d", "1.5h", "1h30m", "٣d"])
def test_anything_else_is_no_duration(written: str) -> None:
    """One clear line says how it is written."""
    with pytest.raises(click.BadParameter, match="like 24h"):
        Duration().convert(written, None, None)
