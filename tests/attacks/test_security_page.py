"""SECURITY.md says what is true: its tests exist, and its scanner's pattern finds keys (§11)."""

import re
import secrets
import string
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
PAGE = (ROOT / "SECURITY.md").read_text("utf-8")


def service_key() -> str:
    """A service key by the recipe of the contract's section 11, made here."""
    letters = ["".join(secrets.choice(BASE62) for _ in range(length)) for length in (8, 43)]
    body = f"igsk_{letters[0]}_{letters[1]}"
    number, check = zlib.crc32(body.encode()), ""
    while number:
        number, digit = divmod(number, 62)
        check = BASE62[digit] + check
    return body + check.rjust(6, "0")


def pattern() -> re.Pattern[str]:
    """The one indented line of the page that is for secret scanners."""
    (found,) = re.findall(r"(?m)^ {4}(igsk_\S+)$", PAGE)
    return re.compile(found)


def test_every_test_that_is_named_exists() -> None:
    """A promise without its test would be a claim."""
    named = re.findall(r"`(tests/[\w/.]+)`", PAGE)

    assert len(set(named)) > 15
    assert [path for path in named if not (ROOT / path).is_file()] == []


def test_every_attack_is_named() -> None:
    """What is tried here stands in the table."""
    files = {f"tests/attacks/{path.name}" for path in Path(__file__).parent.glob("test_*.py")}

    assert files - {f"tests/attacks/{Path(__file__).name}"} <= set(
        re.findall(r"`(tests/[\w/.]+)`", PAGE)
    )


def test_the_scanners_pattern_finds_every_key() -> None:
    """In the middle of whatever they were pasted into."""
    for _ in range(200):
        key = service_key()
        for text in (key, f"Bearer {key}", f'KEY="{key}"', f"https://x.test/?key={key}&a=b"):
            assert [found.group() for found in pattern().finditer(text)] == [key]


@pytest.mark.parametrize(
    "text",
    [
        "igsk_",
        "igsk_{id}_{secret}{check}",
        "igsk_short_key",
        "igsk_" + "a" * 58,
        "IGSK_" + "a" * 8 + "_" + "a" * 49,
        "igsk_" + "a" * 8 + "_" + "-" * 49,
    ],
)
def test_the_scanners_pattern_finds_nothing_else(text: str) -> None:
    """Neither the documentation nor a piece of a key."""
    assert pattern().search(text) is None
