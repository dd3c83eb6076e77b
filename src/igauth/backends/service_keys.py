"""Service keys: made by command alone, recognised at every request under `/v1` (contract §11)."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from igauth.domain import Clock, ServiceScope
from igauth.errors import DatabaseUnavailable, NotFound, Overloaded, ServiceKeyInvalid
from igauth.events import trail
from igauth.security.keyring import KeyRing
from igauth.security.service_keys import (
    BadServiceKey,
    KeyTerms,
    PresentedKey,
    ServiceKeyHashes,
    new_service_key,
    parse_service_key,
)
from igauth.store import service_keys as store
from igauth.store.database import Database, Transaction
from igauth.store.service_keys import ServiceKeyRow

_TOUCH_EVERY: Final = timedelta(minutes=5)
_BY_COMMAND: Final = "command"


class ServiceKeys:
    """Makes keys, recognises them, ends them."""

    def __init__(self, ring: KeyRing, database: Database, clock: Clock) -> None:
        self._hashes = ServiceKeyHashes(ring)
        self._database = database
        self._clock = clock

    async def resolve(self, text: str) -> ServiceKeyRow:
        """The live key that `text` is. Raises ServiceKeyInvalid, whatever is wrong with it."""
        try:
            presented = parse_service_key(text)
        except BadServiceKey:
            raise ServiceKeyInvalid from None
        row = await self._known(presented)
        now = self._clock()
        if row is None or not row.is_live(now):
            raise ServiceKeyInvalid
        await self._touch(row, presented, now)
        return row

    async def note_leaked(self, texts: Iterable[str]) -> None:
        """Keys that came where they may be read by others: each that is ours leaves a row of the
        trail (what isn't, doesn't: strangers could fill it)."""
        trail.say("service_key.in_url")
        for text in set(texts):
            with suppress(BadServiceKey):
                row = await self._known(parse_service_key(text))
                if row is not None:
                    await self._keep("service_key.in_url", row)

    async def make(
        self, name: str, scopes: Iterable[ServiceScope], lifetime: timedelta | None
    ) -> str:
        """A new key, told this once."""
        now = self._now()
        terms = KeyTerms(frozenset(scopes), None if lifetime is None else now + lifetime)
        return await self._database.write(lambda tx: self._make(tx, name, terms, now))

    async def rotate(self, key_id: str, overlap: timedelta) -> str:
        """A new key in place of one that lives on for `overlap` at most: same name, same scopes,
        and as long a life as that one was given. Raises NotFound where there is no live one."""
        return await self._database.write(lambda tx: self._rotate(tx, key_id, overlap))

    async def revoke(self, key_id: str) -> None:
        """Ends a key at once. Raises NotFound."""
        now = self._now()

        def unit(tx: Transaction) -> None:
            _get(tx, key_id)
            store.revoke(tx, key_id, now)
            trail.keep(tx, "service_key.revoked", at=now, actor=_BY_COMMAND, purpose=key_id)

        await self._database.write(unit)
        trail.say("service_key.revoked", key=key_id)

    async def list_all(self) -> list[ServiceKeyRow]:
        """Every key, live or not."""
        return await self._database.read(store.list_all)

    def _make(self, tx: Transaction, name: str, terms: KeyTerms, now: datetime) -> str:
        presented = new_service_key()
        row = ServiceKeyRow(
            id=presented.id,
            name=name,
            scopes=terms.scopes,
            key_hash=self._hashes.hash(presented, terms),
            kid=self._hashes.newest,
            created_at=now,
            expires_at=terms.expires_at,
            ends_early_at=None,
            revoked_at=None,
            used_at=None,
        )
        store.add(tx, row)
        trail.keep(tx, "service_key.made", at=now, actor=_BY_COMMAND, purpose=row.id)
        return presented.text

    def _rotate(self, tx: Transaction, key_id: str, overlap: timedelta) -> str:
        now, row = self._now(), _get(tx, key_id)
        if not row.is_live(now):
            raise NotFound("This service key has ended; make a new one.")
        lifetime = None if row.expires_at is None else row.expires_at - row.created_at
        store.end_early(tx, row, now + overlap)
        trail.keep(tx, "service_key.rotated", at=now, actor=_BY_COMMAND, purpose=row.id)
        terms = KeyTerms(row.scopes, None if lifetime is None else now + lifetime)
        return self._make(tx, row.name, terms, now)

    async def _known(self, presented: PresentedKey) -> ServiceKeyRow | None:
        """The row that this very key made, live or not."""
        row = await self._database.read(lambda tx: store.find(tx, presented.id))
        if row is None:
            return None
        terms = KeyTerms(row.scopes, row.expires_at)
        ours = self._hashes.matches(presented, terms, key_hash=row.key_hash, kid=row.kid)
        return row if ours else None

    async def _touch(self, row: ServiceKeyRow, presented: PresentedKey, now: datetime) -> None:
        """Notes the use, at most every five minutes; renews the hash under the newest key."""
        recent = row.used_at is not None and now - row.used_at < _TOUCH_EVERY
        if recent and row.kid == self._hashes.newest:
            return
        key_hash = self._hashes.hash(presented, KeyTerms(row.scopes, row.expires_at))
        kid = self._hashes.newest
        with suppress(DatabaseUnavailable, Overloaded):  # a full disk must not end reading
            await self._database.write(
                lambda tx: store.touch(tx, row, key_hash=key_hash, kid=kid, now=now)
            )

    async def _keep(self, event: str, row: ServiceKeyRow) -> None:
        at = self._clock()
        await self._database.write(lambda tx: trail.keep(tx, event, at=at, actor=row.id))

    def _now(self) -> datetime:
        """To the second: the hash covers the end as every database gives it back."""
        return self._clock().replace(microsecond=0)


def _get(tx: Transaction, key_id: str) -> ServiceKeyRow:
    row = store.find(tx, key_id)
    if row is None:
        raise NotFound("There is no service key of this id.")
    return row
