"""Hand-offs: a front end that holds our cookie names its person to the operator's server, by a
code that counts once, for a minute (contract §11)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from igauth.backends.users import LinkedConnection, with_users
from igauth.domain import Clock, PersonId
from igauth.errors import HandoffInvalid
from igauth.events import trail
from igauth.security.keyring import Purpose
from igauth.security.opaque_tokens import OpaqueTokens, new_secret
from igauth.store import connections, handoffs, links, people
from igauth.store.database import Database, Transaction
from igauth.store.people import PersonRow

_LIFETIME: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class HandedOver:
    """The person whom a code named, and what they have connected."""

    person: PersonRow
    connections: tuple[LinkedConnection, ...]


class Handoffs:
    """Makes codes for people, and redeems them."""

    def __init__(self, tokens: OpaqueTokens, database: Database, clock: Clock) -> None:
        self._tokens = tokens
        self._database = database
        self._clock = clock

    async def offer(self, person_id: PersonId) -> tuple[str, datetime]:
        """A code that names this person, and its end."""
        code, ends_at = f"igho_{new_secret()}", self._clock() + _LIFETIME
        code_hash = self._tokens.keyed_hash(Purpose.HANDOFF_CODE, code)
        await self._database.write(lambda tx: handoffs.add(tx, code_hash, person_id, ends_at))
        return code, ends_at

    async def redeem(self, code: str, external_id: str | None, actor: str) -> HandedOver:
        """Whom the code named; linked to that user, if one is named. Raises HandoffInvalid."""
        hashes = self._tokens.keyed_hashes(Purpose.HANDOFF_CODE, code)
        now = self._clock()

        def unit(tx: Transaction) -> HandedOver:
            person_id = handoffs.consume(tx, hashes, now)
            person = None if person_id is None else people.find(tx, person_id)
            if person is None:
                raise HandoffInvalid
            if external_id is not None:
                links.add(tx, external_id, person.id, now)
            trail.keep(tx, "handoff.redeemed", at=now, actor=actor, person=person.id)
            rows = connections.list_for_person(tx, person.id)
            return HandedOver(person, tuple(with_users(tx, rows)))

        return await self._database.write(unit)
