"""What `igauth doctor` says of service keys: those that nobody uses, and those that end soon."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from igauth.domain import Clock
from igauth.store import service_keys
from igauth.store.database import Database
from igauth.store.service_keys import ServiceKeyRow
from igauth.upkeep.findings import Finding, warning

_UNUSED: Final = timedelta(days=90)
_SOON: Final = timedelta(days=30)


async def service_key_warnings(database: Database, clock: Clock) -> list[Finding]:
    """A warning for each."""
    rows, now = await database.read(service_keys.list_all), clock()
    return [each for row in rows if row.is_live(now) for each in _warnings(row, now)]


def _warnings(row: ServiceKeyRow, now: datetime) -> Iterator[Finding]:
    if now - (row.used_at or row.created_at) >= _UNUSED:
        text = f"{row.id} ({row.name}) was not used for 90 days"
        yield warning("service keys", text, f"igauth service-keys revoke {row.id}")
    if row.ends_at is not None and row.ends_at - now <= _SOON:
        text = f"{row.id} ({row.name}) ends on {row.ends_at:%Y-%m-%d}"
        yield warning("service keys", text, f"igauth service-keys rotate {row.id}")
