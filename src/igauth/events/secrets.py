"""What messages are signed with: a secret of each receiver, shown once, sealed in the database,
the one before it valid for a day more (Standard Webhooks 1.0, "Secret rotation")."""

import base64
import secrets
import uuid
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from igauth.domain import Clock, Provider
from igauth.security.sealing import Place, Sealer, Unopenable
from igauth.store import webhooks
from igauth.store.database import Database, Transaction
from igauth.store.sealed import NO_APP
from igauth.store.webhooks import SecretRow

_log = structlog.stdlib.get_logger("igauth.webhooks")
OVERLAP: Final = timedelta(hours=24)
_BYTES: Final = 32


class Secrets:
    """Makes, seals and opens them."""

    def __init__(self, sealer: Sealer, database: Database, clock: Clock) -> None:
        self._sealer = sealer
        self._database = database
        self._clock = clock

    def renew(self, tx: Transaction, endpoint_id: str) -> str:
        """A fresh secret of this receiver, to be shown once."""
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(_BYTES)).decode()
        row_id = str(uuid.uuid4())
        sealed = self._sealer.seal(secret, secret_place(row_id))
        ends = self._clock() + OVERLAP
        webhooks.add_secret(tx, row_id, endpoint_id, sealed, self._sealer.newest, ends)
        return secret

    async def valid(self, endpoint_id: str) -> list[str]:
        """What to sign by now, the present one first; without those that can't be opened."""
        read = partial(webhooks.list_secrets, endpoint_id=endpoint_id, now=self._clock())
        opened = [self._opened(row) for row in await self._database.read(read)]
        return [each for each in opened if each is not None]

    def _opened(self, row: SecretRow) -> str | None:
        try:
            return self._sealer.open(row.sealed_secret or "", secret_place(row.id))
        except Unopenable:
            _log.error("webhook.secret_unreadable", row=row.id)
            return None


def secret_place(row_id: str) -> Place:
    """Where a secret lies; it is no app's and nobody's."""
    return Place("webhook_secrets", "sealed_secret", row_id, Provider.FACEBOOK, NO_APP, "")
