"""Connect sessions: made for one user of the operator's, opened by a link, read (contract §11)."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from igauth.domain import Clock, ConnectionId, Provider
from igauth.errors import ConnectSessionExpired, InvalidRequest, NotFound
from igauth.events import trail
from igauth.security.keyring import Purpose
from igauth.security.opaque_tokens import OpaqueTokens, new_secret
from igauth.store import connect_sessions as store
from igauth.store import connections, links
from igauth.store.connect_sessions import ConnectSessionRow, ConnectStatus
from igauth.store.database import Database, Transaction

_LINK: Final = re.compile(r"igcl_[A-Za-z0-9_-]{43}")
_ENDED: Final = (ConnectStatus.COMPLETED, ConnectStatus.FAILED, ConnectStatus.EXPIRED)


@dataclass(frozen=True, slots=True)
class ConnectWish:
    """What the operator's server asks for; `return_to` isn't vetted yet, nor is the rest."""

    external_id: str
    return_to: str
    provider: Provider | None
    prompt: str | None
    reconnect: str | None
    state: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewConnectSession:
    """A session that was just made, and its link, told this once."""

    row: ConnectSessionRow
    link: str = field(repr=False)


class ConnectSessions:
    """Makes, opens and reads connect sessions."""

    def __init__(
        self,
        doors: Sequence[Provider],
        tokens: OpaqueTokens,
        database: Database,
        *,
        vet: Callable[[str], str],
        clock: Clock,
    ) -> None:
        """`vet` returns an address that a session may return to, or raises ReturnToNotAllowed."""
        self._doors = doors
        self._tokens = tokens
        self._database = database
        self._vet = vet
        self._clock = clock

    async def create(self, wish: ConnectWish, actor: str) -> NewConnectSession:
        """A new session. Raises ReturnToNotAllowed, InvalidRequest, and NotFound where the
        connection to reconnect isn't that user's."""
        return_to, link = self._vet(wish.return_to), f"igcl_{new_secret()}"
        now = self._clock()

        def unit(tx: Transaction) -> ConnectSessionRow:
            row = self._row(wish, return_to, self._door(tx, wish), link, now)
            store.add(tx, row)
            trail.keep(tx, "connect_session.made", at=now, actor=actor)
            return row

        return NewConnectSession(await self._database.write(unit), link)

    async def get(self, session_id: str) -> tuple[ConnectSessionRow, ConnectStatus]:
        """A session and its status now. Raises NotFound."""
        row = await self._database.read(lambda tx: store.find(tx, session_id))
        if row is None:
            raise NotFound("There is no connect session of this id.")
        return row, row.status_at(self._clock())

    async def visit(self, link: str) -> ConnectSessionRow:
        """The session that a link opens; nothing changes by it. Raises ConnectSessionExpired."""
        if not _LINK.fullmatch(link):
            raise ConnectSessionExpired
        hashes = self._tokens.keyed_hashes(Purpose.CONNECT_LINK, link)
        row = await self._database.read(lambda tx: store.find_by_link(tx, hashes))
        if row is None or row.status_at(self._clock()) in _ENDED or row.provider not in self._doors:
            raise ConnectSessionExpired
        return row

    def _door(self, tx: Transaction, wish: ConnectWish) -> Provider:
        """The door that was asked for: else that of the connection to reconnect, else the first
        open one."""
        door = wish.provider
        if wish.reconnect is not None:
            wanted = connections.find(tx, ConnectionId(wish.reconnect))
            if wanted is None or wanted.person_id not in links.list_people(tx, wish.external_id):
                raise NotFound("This user has no connection of this id.")
            door = door or wanted.provider
        door = door or self._doors[0]
        if door not in self._doors:
            raise InvalidRequest("This provider is not open here.")
        if door is Provider.INSTAGRAM and wish.prompt == "reauthorize":
            raise InvalidRequest("Instagram knows no prompt=reauthorize.")
        return door

    def _row(
        self, wish: ConnectWish, return_to: str, door: Provider, link: str, now: datetime
    ) -> ConnectSessionRow:
        return ConnectSessionRow(
            id=f"cs_{new_secret()}",
            link_hash=self._tokens.keyed_hash(Purpose.CONNECT_LINK, link),
            external_id=wish.external_id,
            provider=door,
            return_to=return_to,
            prompt=wish.prompt,
            reconnect=wish.reconnect,
            state=wish.state,
            status=ConnectStatus.OPEN,
            error=None,
            created_at=now,
            expires_at=now + store.LINK_LIFETIME,
            completed_at=None,
            connection_id=None,
        )
