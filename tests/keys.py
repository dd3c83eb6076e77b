"""Root keys that settings accept, and the lines of KEYS that say so."""

import base64
import hashlib

from igauth.settings import RootKey

KEY = RootKey("k1", hashlib.sha256(b"an invented key").digest())
OLDER_KEY = RootKey("k0", hashlib.sha256(b"an older one").digest())


def key_line(key: RootKey) -> str:
    """A key as KEYS wants it."""
    return f"{key.kid}:{base64.urlsafe_b64encode(key.secret).decode()}"
