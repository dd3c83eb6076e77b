"""A person's connections, as their owner looks them up."""

from igauth.domain import ConnectionId, PersonId
from igauth.errors import NotFound
from igauth.store import connections as store
from igauth.store.connections import ConnectionRow
from igauth.store.database import Database


class Connections:
    """Lists and finds; what is foreign isn't there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_own(self, person_id: PersonId) -> list[ConnectionRow]:
        """The person's connections, Facebook's first."""
        return await self._database.read(lambda tx: store.list_for_person(tx, person_id))

    async def get_own(self, person_id: PersonId, connection_id: str) -> ConnectionRow:
        """The person's connection of this id. Raises NotFound, for foreign ids too."""
        wanted = ConnectionId(connection_id)
        row = await self._database.read(lambda tx: store.find(tx, wanted))
        if row is None or row.person_id != person_id:
            raise NotFound("You have no connection of this id.")
        return row
