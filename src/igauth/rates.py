"""Rates: so many in so much time, as `30/minute` says it."""

import re
from dataclasses import dataclass

_RATE = re.compile(r"([1-9]\d{0,8})/(second|minute|hour|day)", re.ASCII)
_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many seconds."""

    amount: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Reads `30/minute`. Raises ValueError for anything else, and for a rate of none."""
        matched = _RATE.fullmatch(text)
        if matched is None:
            raise ValueError("must look like 30/minute")
        return cls(int(matched[1]), _SECONDS[matched[2]])
