"""The key ring: newest key first, a sub-key for each purpose (HKDF-SHA256, RFC 5869)."""

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import lru_cache

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from igauth.settings import RootKey


class Purpose(StrEnum):
    """What a sub-key is for; no key serves two purposes."""

    SEAL = "token-enc"
    ATTEMPT = "login-state"
    PKCE = "pkce-verifier"
    SESSION_ID = "session-id"
    SESSION_HASH = "session-hash"
    CONFIRMATION_CODE = "confirmation-code"
    AUDIT_HASH = "audit-hash"
    SUBJECT_HASH = "subject-hash"
    SERVICE_KEY = "service-key"
    CONNECT_LINK = "connect-link"
    CONNECT_CODE = "connect-code"
    CONNECT_CODE_HASH = "connect-code-hash"
    HANDOFF_CODE = "handoff-code"
    CHECK = "key-check"


class UnknownKey(Exception):
    """A key id that the ring doesn't hold."""


class KeyRing:
    """The root keys, newest first: the first seals and signs, all of them open and verify."""

    def __init__(self, keys: Sequence[RootKey]) -> None:
        if not keys:
            raise ValueError("a key ring needs at least one key")
        self._secrets = {key.kid: key.secret for key in keys}
        self.newest = keys[0].kid
        self._subkey = lru_cache(maxsize=256)(self._derive)

    def __iter__(self) -> Iterator[str]:
        return iter(self._secrets)

    def __contains__(self, kid: str) -> bool:
        return kid in self._secrets

    def subkey(self, purpose: Purpose, kid: str) -> bytes:
        """32 bytes for one purpose. Raises UnknownKey."""
        if kid not in self._secrets:
            raise UnknownKey(kid)
        return self._subkey(purpose, kid)

    def mac(self, purpose: Purpose, message: bytes, kid: str | None = None) -> bytes:
        """HMAC-SHA256 of `message` under the purpose's sub-key, of the newest key by default."""
        key = self.subkey(purpose, self.newest if kid is None else kid)
        return hmac.digest(key, message, hashlib.sha256)

    def check_value(self, kid: str) -> str:
        """16 hex digits that tell one key from another of the same id, and nothing more."""
        return self.mac(Purpose.CHECK, b"igauth key check", kid)[:8].hex()

    def _derive(self, purpose: Purpose, kid: str) -> bytes:
        info = b"igauth/v1/" + purpose.value.encode()
        return HKDF(SHA256(), 32, salt=None, info=info).derive(self._secrets[kid])
