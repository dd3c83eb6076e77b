"""Parked codes: sealed for the user of their session, taken out once (contract §11)."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from igauth.domain import Clock, Provider
from igauth.errors import CodeRejected, ConnectSessionExpired
from igauth.meta.door import Door
from igauth.security.keyring import Purpose
from igauth.security.opaque_tokens import OpaqueTokens
from igauth.security.sealing import Place, Sealer, Unopenable
from igauth.store import connect_sessions as store
from igauth.store.connect_sessions import ConnectSessionRow, ParkedRow
from igauth.store.database import Database, Transaction


@dataclass(frozen=True, slots=True)
class Code:
    """A code of Meta's, and the verifier that goes with it."""

    code: str = field(repr=False)
    verifier: str = field(repr=False)


class Parking:
    """Keeps codes between the callback and the operator's server."""

    def __init__(
        self,
        doors: Mapping[Provider, Door],
        tokens: OpaqueTokens,
        sealer: Sealer,
        database: Database,
        clock: Clock,
    ) -> None:
        self._doors = doors
        self._tokens = tokens
        self._sealer = sealer
        self._database = database
        self._clock = clock

    async def park(
        self, session_id: str, connect_code: str, *, code: str, code_verifier: str
    ) -> None:
        """Keeps the code, sealed for the session's user. Raises ConnectSessionExpired."""
        text = json.dumps([code, code_verifier])

        def unit(tx: Transaction) -> bool:
            session = store.find(tx, session_id)
            return session is not None and self._park(tx, session, connect_code, text)

        if not await self._database.write(unit):
            raise ConnectSessionExpired

    async def way_back(self, session_id: str) -> tuple[str, str | None]:
        """Where the session returns to, and the operator's `state`."""
        row = await self._database.read(lambda tx: store.find(tx, session_id))
        if row is None:
            raise ConnectSessionExpired
        return row.return_to, row.state

    def open(self, row: ParkedRow) -> Code:
        """What was parked. Raises CodeRejected where it can't be opened: altered, or moved."""
        try:
            return Code(*json.loads(self._sealer.open(row.sealed_code or "", _place(row))))
        except Unopenable:
            raise CodeRejected from None

    def hashes(self, connect_code: str) -> tuple[str, ...]:
        """What a connect code may be kept under."""
        return self._tokens.keyed_hashes(Purpose.CONNECT_CODE_HASH, connect_code)

    def _park(
        self, tx: Transaction, session: ConnectSessionRow, connect_code: str, text: str
    ) -> bool:
        empty = ParkedRow(
            id=str(uuid.uuid4()),
            provider=session.provider,
            app_id=self._doors[session.provider].app_id,
            external_id=session.external_id,
            sealed_code=None,
            error=None,
            leased_until=None,
        )
        return store.park(
            tx,
            empty,
            sealed_code=self._sealer.seal(text, _place(empty)),
            session_id=session.id,
            code_hash=self._tokens.keyed_hash(Purpose.CONNECT_CODE_HASH, connect_code),
            kid=self._sealer.newest,
            now=self._clock(),
        )


def _place(row: ParkedRow) -> Place:
    """Where a parked code lies, and which user of the operator's it is for."""
    return Place("parked_codes", "sealed_code", row.id, row.provider, row.app_id, row.external_id)
