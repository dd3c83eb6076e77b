"""What doesn't vary: statements, thread hops, round trips of the database, for one request.

Statements are counted at SQLAlchemy's cursors, thread hops at aiosqlite's queue, round trips at
PostgreSQL's wire: a relay on a socket of its own sees how often the client speaks after the server.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import aiosqlite
from sqlalchemy import Engine, event
from sqlalchemy.engine import make_url

_CHUNK: Final = 1 << 20
_SOCKET: Final = ".s.PGSQL.5432"


@dataclass(slots=True)
class Counts:
    """Since the start; `since` tells what a request did."""

    statements: int = 0
    commits: int = 0
    thread_hops: int = 0
    round_trips: int = 0
    graph_calls: int = 0

    def since(self, before: "Counts") -> "Counts":
        """The difference."""
        return Counts(
            self.statements - before.statements,
            self.commits - before.commits,
            self.thread_hops - before.thread_hops,
            self.round_trips - before.round_trips,
            self.graph_calls - before.graph_calls,
        )

    def copy(self) -> "Counts":
        """As it is now."""
        return replace(self)


@contextmanager
def counted(counts: Counts) -> Iterator[None]:
    """Counts every engine of this process while the block runs."""

    def statement(*_: Any) -> None:
        counts.statements += 1

    def commit(*_: Any) -> None:
        counts.commits += 1

    execute = aiosqlite.Connection._execute

    async def hop(self: aiosqlite.Connection, *given: Any, **named: Any) -> Any:
        counts.thread_hops += 1
        return await execute(self, *given, **named)  # type: ignore[no-untyped-call]

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)
    aiosqlite.Connection._execute = hop  # type: ignore[method-assign]
    try:
        yield
    finally:
        aiosqlite.Connection._execute = execute  # type: ignore[method-assign]
        event.remove(Engine, "commit", commit)
        event.remove(Engine, "before_cursor_execute", statement)


@asynccontextmanager
async def relayed(url: str, folder: Path, counts: Counts) -> AsyncIterator[str]:
    """The address of a relay to this PostgreSQL, which counts round trips."""
    server_folder = str(make_url(url).query["host"])

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up, down = await asyncio.open_unix_connection(f"{server_folder}/{_SOCKET}")
        talk = _Talk(counts)
        await asyncio.gather(_copy(reader, down, talk.ask), _copy(up, writer, talk.answer))

    server = await asyncio.start_unix_server(relay, folder / _SOCKET)
    async with server:
        relay_url = make_url(url).update_query_dict({"host": str(folder)})
        yield relay_url.render_as_string(hide_password=False)


class _Talk:
    """One connection: a round trip begins where the client speaks after the server has."""

    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._waiting = False

    def ask(self) -> None:
        if not self._waiting:
            self._counts.round_trips += 1
        self._waiting = True

    def answer(self) -> None:
        self._waiting = False


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, note: Any) -> None:
    try:
        while data := await reader.read(_CHUNK):
            note()
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()
