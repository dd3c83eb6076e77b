"""Service keys: their form, their checksum, and the hash that the database keeps (contract §11).

`igsk_{id}_{secret}{check}`: a mistyped key is known as such without a database, and a leaked one
is found by secret scanners. The hash covers what the key may do and until when, so that whoever
writes the database can neither plant a key nor widen one.
"""

import hmac
import re
import secrets
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from igauth.security.keyring import KeyRing, Purpose

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_CHARACTERS: Final = 8
_SECRET_CHARACTERS: Final = 43
_CHECK_CHARACTERS: Final = 6
_FORM: Final = re.compile(r"igsk_([0-9A-Za-z]{8})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})")
_LIKE_ONE: Final = re.compile(r"igsk_[0-9A-Za-z]{8}_[0-9A-Za-z]{20,64}")


class BadServiceKey(Exception):
    """Not a service key: another form, or mistyped. It tells nothing more."""


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A well-formed key as somebody shows it: nothing is known yet of its being ours."""

    id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """The key, whole."""
        body = f"igsk_{self.id}_{self.secret}"
        return body + checksum(body)


@dataclass(frozen=True, slots=True)
class KeyTerms:
    """What a key may do, and until when at the latest; None: without end."""

    scopes: frozenset[str]
    expires_at: datetime | None


def new_service_key() -> PresentedKey:
    """A key that nobody has: id of 8, secret of 256 random bits."""
    return PresentedKey(_random(_ID_CHARACTERS), _random(_SECRET_CHARACTERS))


def parse_service_key(text: str) -> PresentedKey:
    """The key that `text` is. Raises BadServiceKey, for a wrong checksum too."""
    matched = _FORM.fullmatch(text)
    if matched is None:
        raise BadServiceKey
    presented = PresentedKey(matched[1], matched[2])
    if not hmac.compare_digest(presented.text, text):
        raise BadServiceKey
    return presented


def find_service_keys(text: str) -> list[str]:
    """Whatever in `text` looks like a service key."""
    return _LIKE_ONE.findall(text)


def checksum(body: str) -> str:
    """CRC-32 of `igsk_{id}_{secret}` as six base62 digits."""
    number, digits = zlib.crc32(body.encode()), ""
    for _ in range(_CHECK_CHARACTERS):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits


class ServiceKeyHashes:
    """Hashes keys under the ring's sub-key for them."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring

    @property
    def newest(self) -> str:
        """The id of the ring's key that hashes today."""
        return self._ring.newest

    def hash(self, key: PresentedKey, terms: KeyTerms) -> str:
        """What the database keeps, under the newest key of the ring."""
        return self._hash(key, terms, self._ring.newest)

    def matches(self, key: PresentedKey, terms: KeyTerms, *, key_hash: str, kid: str) -> bool:
        """Whether this very key was made with these terms; False where the ring lacks `kid`."""
        if kid not in self._ring:
            return False
        return hmac.compare_digest(self._hash(key, terms, kid), key_hash)

    def _hash(self, key: PresentedKey, terms: KeyTerms, kid: str) -> str:
        end = "" if terms.expires_at is None else terms.expires_at.astimezone(UTC).isoformat()
        message = _joined((key.id, key.secret, *sorted(terms.scopes), end))
        return self._ring.mac(Purpose.SERVICE_KEY, message, kid).hex()


def _joined(parts: Iterable[str]) -> bytes:
    """Length-prefixed, so that no two different lists give the same bytes."""
    encoded = [part.encode() for part in parts]
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)


def _random(characters: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(characters))
