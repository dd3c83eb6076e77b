"""The places that settings are read from: what in them can't be read, and what nobody will read.

pydantic-settings reads them (environment, `.env`, `/run/secrets`); it passes over a file that is
a folder, and ends in a traceback at one that isn't text. Here both are said, with the file's name.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from igauth.setting_faults import Fault

ENCODING = "utf-8-sig"
"""UTF-8, with or without the mark that Windows' editors put in front."""
_PREFIXES = ("FACEBOOK_", "INSTAGRAM_", "SESSION_", "RATE_LIMIT_", "CONNECT_RETURN_", "WEBHOOK_")
_OTHERS = frozenset({"SESSION_MANAGER"})
"""Set by Linux desktops."""
_SHORT = 6


@dataclass(frozen=True, slots=True)
class UnknownName:
    """A name that looks like a setting and is none; `meant` is the one that it resembles."""

    name: str
    place: str
    meant: str | None = None

    def __str__(self) -> str:
        guess = f"; {self.meant} is" if self.meant else ""
        return f"{self.name} ({self.place}) is not a setting{guess}"


def unreadable_files(
    env_file: Path | None, secrets_dir: Path | None, names: Collection[str]
) -> Iterator[Fault]:
    """A fault for each file that would be read and can't be. `names` are in lower case."""
    if env_file is not None and env_file.exists():
        yield from _unreadable(env_file)
    if secrets_dir is None:
        return
    try:
        files = sorted(secrets_dir.iterdir())
    except OSError as error:
        yield Fault(str(secrets_dir), f"cannot be listed by this user ({error.strerror})")
        return
    for file in files:
        if file.name.lower() in names:
            yield from _unreadable(file)


def _unreadable(file: Path) -> Iterator[Fault]:
    if file.is_fifo():
        return  # what is read from it once is gone
    try:
        text = file.read_text(ENCODING)
    except OSError as error:
        yield Fault(str(file), f"cannot be read by this user ({error.strerror})")
    except UnicodeError:
        yield Fault(str(file), "is not UTF-8 text; save it as UTF-8")
    else:
        if "\0" in text:
            yield Fault(str(file), "has NUL characters, as UTF-16 does; save it as UTF-8")


def unknown_names(
    known: Collection[str], environment: Mapping[str, str], env_file: Path | None
) -> list[UnknownName]:
    """Names of both places that look like ours and aren't: a misspelt setting is no setting.

    `known` are in upper case. An unreadable file has none; it is refused elsewhere.
    """
    found = [_unknown(name, "environment", known) for name in sorted(environment)]
    if env_file is not None and env_file.is_file():
        written = dotenv_values(env_file, encoding=ENCODING)
        found += [_unknown(name, str(env_file), known) for name in written]
    return [each for each in found if each is not None]


def _unknown(name: str, place: str, known: Collection[str]) -> UnknownName | None:
    upper = name.upper()
    if upper in known or upper in _OTHERS:
        return None
    near = (each for each in known if _within(upper, each, 1 if len(each) < _SHORT else 2))
    meant = next(near, None)
    if meant is None and not upper.startswith(_PREFIXES):
        return None
    return UnknownName(name, place, meant)


def _within(one: str, other: str, edits: int) -> bool:
    """Whether so many insertions, deletions or exchanges of a letter make one into the other."""
    if abs(len(one) - len(other)) > edits:
        return False
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    if not one or not other or edits == 0:
        return len(one) + len(other) <= edits
    return (
        _within(one[1:], other[1:], edits - 1)
        or _within(one[1:], other, edits - 1)
        or _within(one, other[1:], edits - 1)
    )
