"""Sealing: AES-256-GCM bound to where the value lies (NIST SP 800-38D; contract §7).

A sealed value reads `v1.{kid}.{base64url(nonce | ciphertext | tag)}`. Its associated data names
version, key, table, column, row, door, app and person: a value moved elsewhere doesn't open.
"""

import base64
import binascii
import os
from dataclasses import astuple, dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from igauth.security.keyring import KeyRing, Purpose

_VERSION = "v1"
_NONCE_BYTES = 12


class Unopenable(Exception):
    """A sealed value that can't be opened: altered, moved, cut, or its key is gone.

    It has no cause and no detail, so that it tells an attacker nothing.
    """


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value lies, and whose it is."""

    table: str
    column: str
    row: str
    door: str
    app_id: str
    person: str


class Sealer:
    """Seals under the newest key, opens under all of them."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._ciphers = {kid: AESGCM(ring.subkey(Purpose.SEAL, kid)) for kid in ring}

    def seal(self, plain: str, place: Place) -> str:
        """`plain` sealed for `place`; two seals of the same text differ."""
        kid = self._ring.newest
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[kid].encrypt(nonce, plain.encode(), _associated(kid, place))
        return f"{_VERSION}.{kid}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, place: Place) -> str:
        """What was sealed for `place`. Raises Unopenable."""
        try:
            version, kid, body = sealed.split(".", 2)
            if version != _VERSION:
                raise Unopenable
            raw = base64.b64decode(body, altchars=b"-_", validate=True)
            if base64.urlsafe_b64encode(raw).decode() != body:
                raise Unopenable
            nonce, rest = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
            return self._ciphers[kid].decrypt(nonce, rest, _associated(kid, place)).decode()
        except (InvalidTag, KeyError, ValueError, binascii.Error):
            raise Unopenable from None

    def knows(self, kid: str) -> bool:
        """Whether the ring holds this key."""
        return kid in self._ciphers

    @property
    def newest(self) -> str:
        """The id of the key that seals today."""
        return self._ring.newest


def kid_of(sealed: str) -> str | None:
    """The id of the key that sealed this value; None where it has no such shape."""
    parts = sealed.split(".", 2)
    return parts[1] if len(parts) == 3 and parts[0] == _VERSION else None


def _associated(kid: str, place: Place) -> bytes:
    """Length-prefixed, so that no two different places give the same bytes."""
    parts = [part.encode() for part in (_VERSION, kid, *astuple(place))]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
