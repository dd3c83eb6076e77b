"""Signed picture links of Facebook's CDN: they carry their own expiry (graph-facts 8.5)."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

_MARGIN = timedelta(minutes=5)


def expires_at(url: str) -> datetime | None:
    """When a signed link dies: `oe`, hexadecimal unix seconds. None where it doesn't say."""
    values = parse_qs(urlsplit(url).query).get("oe", [])
    try:
        return datetime.fromtimestamp(int(values[0], 16), UTC)
    except (IndexError, ValueError, OverflowError, OSError):
        return None


def is_live(url: str, now: datetime) -> bool:
    """Whether the link can still be handed out for a few minutes."""
    expiry = expires_at(url)
    return expiry is None or expiry > now + _MARGIN
