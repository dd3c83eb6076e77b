"""How long a run may take, and how many requests there are at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """`seconds` of each cell; `silence_seconds` before a login that must find Facebook warm."""

    seconds: float = 2.0
    silence_seconds: float = 20.0
    at_once: tuple[int, ...] = (1, 16, 64)
