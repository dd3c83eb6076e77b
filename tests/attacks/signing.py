"""`signed_request` by the recipe of graph-facts 13.1, made here and not by the code under test."""

import base64
import hashlib
import hmac
import json
from typing import Any


def base64url(raw: bytes) -> str:
    """Canonical base64url: no padding, unused bits zero."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def sign_payload(payload: str, secret: str) -> str:
    """A signed_request around an encoded payload, whatever that is."""
    digest = hmac.digest(secret.encode(), payload.encode(), hashlib.sha256)
    return f"{base64url(digest)}.{payload}"


def sign(claims: Any, secret: str) -> str:
    """A signed_request as Meta makes it."""
    return sign_payload(base64url(json.dumps(claims).encode()), secret)


def claims_of(user_id: Any, issued_at: float, /, **changes: Any) -> dict[str, Any]:
    """What Meta says about one person; a change to None leaves the field out."""
    claims = {"user_id": user_id, "algorithm": "HMAC-SHA256", "issued_at": int(issued_at)}
    return {name: value for name, value in (claims | changes).items() if value is not None}
