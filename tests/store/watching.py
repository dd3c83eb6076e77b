"""Watches what is sent to databases, and waits for what happens there."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, event


@dataclass(frozen=True, slots=True)
class Sent:
    """A statement as the driver got it."""

    text: str
    parameters: Any = field(repr=False)

    @property
    def verb(self) -> str:
        """What it does, roughly: its first word."""
        return self.text.split()[0]


class Watched(list[Sent]):
    """All that was sent, without what begins a transaction."""

    def add(
        self, _connection: Any, _cursor: Any, text: str, parameters: Any, _context: Any, _many: bool
    ) -> None:
        """SQLAlchemy's `before_cursor_execute`."""
        if not text.startswith("BEGIN"):
            self.append(Sent(text, parameters))


@contextmanager
def watched() -> Iterator[Watched]:
    """Watches every engine of this process while the block runs."""
    seen = Watched()
    event.listen(Engine, "before_cursor_execute", seen.add)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", seen.add)


async def eventually(ask: Callable[[], Awaitable[object]]) -> None:
    """Waits until the answer is neither false nor empty: somebody else's doing."""
    while not await ask():  # noqa: ASYNC110  # no event of ours tells of another process
        await asyncio.sleep(0.01)
