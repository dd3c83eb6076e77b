"""All that one sandbox knows, handed to every part of it: there is nothing global."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from igauth.sandbox.calls import CallLog
from igauth.sandbox.config import SandboxClock, SandboxConfig
from igauth.sandbox.faults import Faults
from igauth.sandbox.ledger import Ledger
from igauth.sandbox.world import World


@dataclass(slots=True)
class State:
    """The sandbox's memory. `latency_seconds` is waited before every Graph answer."""

    config: SandboxConfig
    clock: SandboxClock
    world: World
    ledger: Ledger
    faults: Faults
    calls: CallLog
    sleep: Callable[[float], Awaitable[None]]
    latency_seconds: float = 0.0
    changes: int = 0

    def touch(self) -> None:
        """Note that something changed: the state file is written, and an open panel looks anew."""
        self.changes += 1

    @property
    def mark(self) -> str:
        """Another text whenever a panel that is open would look different."""
        return f"{self.calls.events}.{len(self.calls)}.{self.changes}"

    def reset(self) -> None:
        """Everything as at the start; codes and tokens are forgotten, so they no longer parse."""
        self.world.reset()
        self.ledger.reset()
        self.faults.clear()
        self.calls.clear()
        self.clock.reset()
        self.latency_seconds = 0.0
        self.touch()
