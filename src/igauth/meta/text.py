"""Foreign text made safe at the boundary (security.md §0.8, F-07, F-20).

JSON, SQLite and PostgreSQL each refuse some of what a hostile name may hold: lone surrogates,
NUL. What only looks odd (markup, right-to-left marks, emoji) stays: those who show it escape it.
Ten thousand Pages pass here, so what is clean already is told at a glance.
"""

import re
from typing import Any, Final
from urllib.parse import quote, urlsplit

from igauth.meta.wire import as_number

NAME_LENGTH: Final = 300
BIOGRAPHY_LENGTH: Final = 2_000
URL_LENGTH: Final = 4_000
_BIGGEST_COUNT: Final = 2**53 - 1
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNPRINTABLE_IN_LINES: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST_ID: Final = 32
_PLAIN_URL: Final = re.compile(
    r"(?i:https?)://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:[/?#][!#-;=?-\[\]-~]*)?"
)
_NOT_IN_URLS: Final = re.compile(r"[\x00-\x20\x7f-\x9f\ud800-\udfff\\\"<>]")
_STAYS_IN_URLS: Final = "!#$%&'()*+,-./:;=?@[]^_`{|}~"


def clean_text(value: Any, longest: int) -> str | None:
    """One line of text, cut at `longest`; None for what is empty or isn't text."""
    return _cleaned(value, _UNPRINTABLE, longest)


def clean_lines(value: Any, longest: int) -> str | None:
    """Text that may have line breaks, as biographies do."""
    return _cleaned(value, _UNPRINTABLE_IN_LINES, longest)


def _cleaned(value: Any, unwanted: re.Pattern[str], longest: int) -> str | None:
    if not isinstance(value, str):
        return None
    if len(value) <= longest and value.isprintable():
        return value or None
    return unwanted.sub("", value[: 4 * longest])[:longest] or None


def as_id(value: Any) -> str | None:
    """A node id as text: digits only, since ids go into paths; a number is taken too (0.4)."""
    if isinstance(value, str):
        is_number = value.isdigit() and value.isascii() and len(value) <= _LONGEST_ID
        return value if is_number else None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**32:
        return str(value)
    return None


def as_count(value: Any) -> int | None:
    """A count that every JSON reader can hold."""
    if type(value) is int and 0 <= value <= _BIGGEST_COUNT:
        return value
    number = as_number(value)
    return int(number) if number is not None and number <= _BIGGEST_COUNT else None


def clean_url(value: Any, beginnings: tuple[str, ...]) -> str | None:
    """An absolute link that begins so, in ASCII; otherwise unchanged: picture links are signed
    (graph-facts 8.5). What isn't ASCII stands percent-encoded, as browsers send it (B13)."""
    if not isinstance(value, str) or len(value) > URL_LENGTH:
        return None
    link = value if _PLAIN_URL.fullmatch(value) else _in_ascii(value)
    return link if link is not None and link.lower().startswith(beginnings) else None


def _in_ascii(value: str) -> str | None:
    if _NOT_IN_URLS.search(value):
        return None
    try:
        parts = urlsplit(value)
        usable = bool(parts.hostname) and "@" not in parts.netloc and parts.netloc.isascii()
    except ValueError:
        return None
    return quote(value, safe=_STAYS_IN_URLS) if usable else None
