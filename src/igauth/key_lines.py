"""Lines of KEYS: `kid:base64url(32 bytes)`, newest first, and what is too weak to be a key.

A key that a random source made is never refused: all rules below together meet one with a chance
under 2⁻⁴² (each has its own beside it), and a property test tries thousands.
"""

import base64
import binascii
import re
import secrets
from dataclasses import dataclass, field
from itertools import pairwise

_KID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_SAMPLES = (
    *("changeme", "change-me", "change_me", "placeholder", "your-key", "your_key"),
    *("your-secret", "your_secret", "sample-key", "sample_key"),
)
# Words, or hexadecimal, in place of base64url. Of 43 random characters:
# 2 · (28/64)⁴³ + 2 · (16/64)⁴³ = 2⁻⁵⁰.
_ONE_KIND = re.compile(r"[a-z_-]+|[A-Z_-]+|[0-9a-f]+|[0-9A-F]+")
_FEWEST_VALUES = 16
_FEWEST_STEPS = 13


@dataclass(frozen=True, slots=True)
class RootKey:
    """One key of the ring: its id, and 32 bytes that never print."""

    kid: str
    secret: bytes = field(repr=False)


def new_key_line() -> str:
    """A fresh line for `KEYS`: a random id and 32 random bytes, base64url."""
    kid = secrets.token_hex(4)
    return f"{kid}:{base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b'=').decode()}"


def parse_key_lines(text: str) -> tuple[RootKey, ...]:
    """The ring, from lines or a comma list. Raises ValueError, without the value."""
    lines = (line.strip() for line in text.replace("\n", ",").split(","))
    keys = tuple(_parse(line) for line in lines if line)
    if len({key.kid for key in keys}) < len(keys):
        raise ValueError("repeats a key id")
    if len({key.secret for key in keys}) < len(keys):
        raise ValueError("repeats a key")
    return keys


def _parse(line: str) -> RootKey:
    kid, separator, written = line.partition(":")
    if not separator or not _KID.fullmatch(kid):
        raise ValueError("must be a comma list of kid:base64url(32 bytes)")
    written = written.rstrip("=")
    if _is_sample(written):
        raise ValueError("has a sample key; make one with: igauth keys new")
    secret = _decoded(written)
    if _ONE_KIND.fullmatch(written) or _is_weak(secret):
        raise ValueError("has a key that is too regular to be random; igauth keys new makes one")
    return RootKey(kid, secret)


def _decoded(written: str) -> bytes:
    try:
        secret = base64.b64decode(
            written + "=" * (-len(written) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, ValueError):
        raise ValueError("has a key that is not base64url") from None
    if len(secret) != 32:
        raise ValueError("has a key that is not 32 bytes long")
    return secret


def _is_sample(written: str) -> bool:
    """Whether the text as written begins as samples do.

    Of 43 random characters: under 30 · 64⁻⁸ = 2⁻⁴³·⁰⁹ (ten samples of eight characters or more,
    in three ways of writing).
    """
    ways = (way for sample in _SAMPLES for way in (sample, sample.upper(), sample.capitalize()))
    return written.startswith(tuple(ways))


def _is_weak(secret: bytes) -> bool:
    """Whether these bytes were thought up or counted out rather than drawn.

    Of 32 random bytes: fewer than 16 different values: under C(256,15) · (15/256)³² = 2⁻⁵¹;
    a piece of up to 16 bytes repeated: under 2⁻¹²⁷; in order, or in order backwards: 2/32! =
    2⁻¹¹⁶; fewer than 13 different steps from byte to byte (0,1,2…; 7,14,21…): under
    C(256,12) · (12/256)³¹ = 2⁻⁶⁹; printable ASCII alone, a sentence: (98/256)³² = 2⁻⁴⁴·³.
    """
    steps = {(after - before) % 256 for before, after in pairwise(secret)}
    return (
        len(set(secret)) < _FEWEST_VALUES
        or len(steps) < _FEWEST_STEPS
        or any(secret[period:] == secret[:-period] for period in range(1, 17))
        or list(secret) in (sorted(secret), sorted(secret, reverse=True))
        or all(byte in b"\t\n\r" or 0x20 <= byte < 0x7F for byte in secret)
    )
