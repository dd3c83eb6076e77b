"""Rate limits, by the `limits` library: in this process's memory, bounded, moving window."""

import ipaddress
import math
import time

from limits import RateLimitItem
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter

from igauth.errors import RateLimited


class Limiter:
    """Counts hits of one kind for each key."""

    def __init__(self, rate: RateLimitItem, kind: str) -> None:
        self._rate = rate
        self._kind = kind
        self._window = MovingWindowRateLimiter(MemoryStorage())

    async def hit(self, key: str) -> None:
        """Counts one. Raises RateLimited, with how long to wait, when it is one too many."""
        if await self._window.hit(self._rate, self._kind, key):
            return
        stats = await self._window.get_window_stats(self._rate, self._kind, key)
        raise RateLimited(retry_after=max(1, math.ceil(stats.reset_time - time.time())))


def client_key(host: str | None) -> str:
    """One key for each client address; IPv6 by its /64, IPv4-mapped addresses as IPv4."""
    try:
        address = ipaddress.ip_address((host or "").split("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
