"""What both doors' token answers have in common: a token that can be used, dates as Meta says."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pydantic import SecretStr

from igauth.domain import Clock
from igauth.meta.errors import GraphUnreadable
from igauth.meta.wire import as_number

_LONGEST_LIFE: Final = timedelta(days=3_650)
_LONGEST_TOKEN: Final = 8_192
_YEAR_9999: Final = 253_370_764_800


def token_in(endpoint: str, value: Any) -> SecretStr:
    """A token that can stand in a header: printable ASCII, no blanks. Raises GraphUnreadable."""
    if (
        isinstance(value, str)
        and 0 < len(value) <= _LONGEST_TOKEN
        and value.isascii()
        and value.isprintable()
        and " " not in value
    ):
        return SecretStr(value)
    raise GraphUnreadable(endpoint, "the answer holds no token")


def expiry_of(expires_in: Any, clock: Clock) -> datetime | None:
    """Only what Meta says: absent, 0 or nonsense is no date (graph-facts 2.3, 3.2, trap 12)."""
    seconds = as_number(expires_in)
    if not seconds or seconds > _LONGEST_LIFE.total_seconds():
        return None
    return clock() + timedelta(seconds=int(seconds))


def instant_of(value: Any) -> datetime | None:
    """Unix seconds; 0 means never (graph-facts 4.3)."""
    seconds = as_number(value)
    if not seconds or seconds >= _YEAR_9999:
        return None
    return datetime.fromtimestamp(int(seconds), UTC)
