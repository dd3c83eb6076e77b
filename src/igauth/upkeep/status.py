"""Counts for those who run the service."""

from dataclasses import dataclass
from datetime import datetime

from igauth.domain import ConnectionStatus
from igauth.login.sessions import Sessions
from igauth.store import connections, people, revocations
from igauth.store.database import Database


@dataclass(frozen=True, slots=True)
class Status:
    """What `igauth status` prints. `oldest_check` is None where nothing was checked yet."""

    people: int
    connections: dict[str, int]
    sessions: int
    oldest_check: datetime | None
    queued_revocations: int


async def count_connections(database: Database) -> dict[str, int]:
    """How many connections are in each state, zeros included."""
    async with database.reading() as tx:
        counted = await connections.count_by_status(tx)
    return {status.value: counted.get(status.value, 0) for status in ConnectionStatus}


async def read_status(database: Database, sessions: Sessions) -> Status:
    """Everything at once. Raises DatabaseUnavailable."""
    by_state = await count_connections(database)
    async with database.reading() as tx:
        return Status(
            people=await people.count(tx),
            connections=by_state,
            sessions=await sessions.count_live(tx),
            oldest_check=await connections.oldest_check(tx),
            queued_revocations=await revocations.count(tx),
        )
