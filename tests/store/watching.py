"""Watches what is sent to databases: the statements, in order, with their parameters."""

from collections.abc import Iterator
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
