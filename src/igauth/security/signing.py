"""Signing: the login attempt's cookie can be read by its browser, but not changed by it.

Uses itsdangerous without its timestamp: a signed value from a replica whose clock runs ahead
would be refused there. The attempt carries its own `started_at` instead.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from itsdangerous import BadData, URLSafeSerializer

from igauth.domain import Provider
from igauth.security.keyring import KeyRing, Purpose

_SALT = "igauth.login.v1"


class BadSignature(Exception):
    """A cookie that this service did not write, or that was altered."""


@dataclass(frozen=True, slots=True)
class SignedAttempt:
    """What a login attempt's cookie says. `secret` is the attempt's own; `kid` derives from it.

    `begun_under`: keyed hash of the session to whose person something is to be added. `connect`:
    the connect session that it was started for (contract §11); None: a login.
    """

    state_hash: str
    secret: str
    kid: str
    return_to: str
    popup: bool
    reconnect: str | None
    started_at: datetime
    door: str = Provider.FACEBOOK
    begun_under: str | None = None
    connect: str | None = None

    def __repr__(self) -> str:
        return f"SignedAttempt(started_at={self.started_at.isoformat()})"


class AttemptSigner:
    """Writes and reads attempt cookies: the newest key signs, every key verifies."""

    def __init__(self, ring: KeyRing) -> None:
        oldest_first = [ring.subkey(Purpose.ATTEMPT, kid) for kid in reversed(list(ring))]
        self._serializer = URLSafeSerializer(
            oldest_first,
            salt=_SALT,
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )

    def sign(self, attempt: SignedAttempt) -> str:
        """The cookie's value, URL-safe."""
        return str(
            self._serializer.dumps(
                {
                    "h": attempt.state_hash,
                    "s": attempt.secret,
                    "k": attempt.kid,
                    "r": attempt.return_to,
                    "p": attempt.popup,
                    "c": attempt.reconnect,
                    "d": attempt.door,
                    "u": attempt.begun_under,
                    "n": attempt.connect,
                    "t": int(attempt.started_at.timestamp() * 1000),
                }
            )
        )

    def verify(self, cookie: str) -> SignedAttempt:
        """The attempt that `cookie` holds. Raises BadSignature."""
        try:
            fields: dict[str, Any] = self._serializer.loads(cookie)
            return SignedAttempt(
                state_hash=fields["h"],
                secret=fields["s"],
                kid=fields["k"],
                return_to=fields["r"],
                popup=fields["p"],
                reconnect=fields["c"],
                door=fields["d"],
                begun_under=fields["u"],
                connect=fields["n"],
                started_at=datetime.fromtimestamp(fields["t"] / 1000, UTC),
            )
        except (BadData, KeyError, TypeError, ValueError, OverflowError):
            raise BadSignature from None
