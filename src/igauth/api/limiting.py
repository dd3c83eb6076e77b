"""Rate limits in this process's memory: what one hit costs doesn't depend on how many hit.

A window for each key begins with its first hit. Windows lie in the order in which they began, so
the ended ones are at the front: each hit sweeps a few of them away. Beyond a fixed number of
windows the oldest, which is nearest to its end, makes room; a flood of addresses is bounded so.
"""

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from igauth.errors import RateLimited
from igauth.rates import Rate

MOST_WINDOWS = 10_000
_SWEPT_AT_A_HIT = 2


@dataclass(slots=True)
class _Window:
    ends_at: float
    hits: int = 0


class Limiter:
    """Counts hits of one kind for each key. `clock` is in seconds and never goes back."""

    def __init__(self, rate: Rate, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def __len__(self) -> int:
        """How many windows are kept at the moment."""
        return len(self._windows)

    def hit(self, key: str) -> None:
        """Counts one. Raises RateLimited, with how long to wait, when it is one too many."""
        wait_seconds = self.count(key)
        if wait_seconds > 0:
            raise RateLimited(retry_after=math.ceil(wait_seconds))

    def count(self, key: str) -> float:
        """Counts one and refuses nothing; returns the seconds to wait, 0 within the limit."""
        now = self._clock()
        self._sweep(now)
        window = self._windows.get(key)
        if window is None or window.ends_at <= now:
            window = self._begin(key, now)
        window.hits += 1
        return 0.0 if window.hits <= self._rate.amount else window.ends_at - now

    def _begin(self, key: str, now: float) -> _Window:
        self._windows.pop(key, None)
        if len(self._windows) >= MOST_WINDOWS:
            self._windows.popitem(last=False)
        window = self._windows[key] = _Window(now + self._rate.seconds)
        return window

    def _sweep(self, now: float) -> None:
        for _ in range(_SWEPT_AT_A_HIT):
            oldest = next(iter(self._windows.values()), None)
            if oldest is None or oldest.ends_at > now:
                return
            self._windows.popitem(last=False)


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
