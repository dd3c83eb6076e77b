"""A person's Facebook connection, as its owner handles it."""

from igauth.domain import ConnectionId, PersonId
from igauth.errors import NotFound
from igauth.grants.checks import Verification
from igauth.grants.state import public_error
from igauth.meta.errors import GraphError
from igauth.store import connections as store
from igauth.store.connections import ConnectionRow
from igauth.store.database import Database


class Connections:
    """Looks up, and re-checks on demand."""

    def __init__(self, database: Database, verification: Verification) -> None:
        self._database = database
        self._verification = verification

    async def list_own(self, person_id: PersonId) -> list[ConnectionRow]:
        """The viewer's connections: one, or none."""
        async with self._database.reading() as tx:
            row = await store.find_for_person(tx, person_id)
        return [] if row is None else [row]

    async def get_own(self, person_id: PersonId, connection_id: str) -> ConnectionRow:
        """The viewer's connection of this id. Raises NotFound, for foreign ids too."""
        for row in await self.list_own(person_id):
            if row.id == ConnectionId(connection_id):
                return row
        raise NotFound("You have no connection of this id.")

    async def verify(self, row: ConnectionRow) -> ConnectionRow:
        """The connection, re-checked at Facebook now. Raises what Facebook's failure means."""
        try:
            return await self._verification.verify(row)
        except GraphError as error:
            raise public_error(error) from None
