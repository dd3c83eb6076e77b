"""Meta's `signed_request`: `<signature>.<payload>`, both base64url (graph-facts 13.1)."""

import base64
import binascii
import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from igauth.domain import Subject

_LONGEST = 8_192
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_USER_ID = re.compile(r"[\x21-\x7e]{1,128}")


class SignedRequestRefused(Exception):
    """Not signed by our app secret, or not of the promised shape. `cause` is a word for the log."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(cause)


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """What Meta says about one person: the app-scoped id, and when it was said (UTC)."""

    user_id: Subject
    issued_at: datetime


def parse_signed_request(text: str, app_secret: str) -> SignedRequest:
    """The content of a `signed_request`, believed only when our secret signed it.

    The order is Meta's own: two parts, signature over the encoded payload, JSON, algorithm,
    user_id, issued_at. One spelling only, base64url without padding and with nothing in its
    spare bits (RFC 4648 §3.5): else one request would have many. Raises SignedRequestRefused.
    """
    signature, payload = _parts(text)
    expected = hmac.digest(app_secret.encode(), payload.encode(), hashlib.sha256)
    if not hmac.compare_digest(signature, expected):
        raise SignedRequestRefused("signature")
    fields = _fields(payload)
    if fields.get("algorithm") != "HMAC-SHA256":
        raise SignedRequestRefused("algorithm")
    return SignedRequest(_user_id(fields.get("user_id")), _instant(fields.get("issued_at")))


def _parts(text: str) -> tuple[bytes, str]:
    if len(text) > _LONGEST:
        raise SignedRequestRefused("too_long")
    signature, separator, payload = text.partition(".")
    if not separator or "." in payload:
        raise SignedRequestRefused("not_two_parts")
    if not _BASE64URL.fullmatch(payload):
        raise SignedRequestRefused("not_base64url")
    return _decode(signature), payload


def _decode(text: str) -> bytes:
    if not _BASE64URL.fullmatch(text):
        raise SignedRequestRefused("not_base64url")
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise SignedRequestRefused("not_base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise SignedRequestRefused("not_canonical")
    return raw


def _fields(payload: str) -> dict[str, Any]:
    try:
        fields = json.loads(_decode(payload))
    except (ValueError, RecursionError):
        raise SignedRequestRefused("not_json") from None
    if not isinstance(fields, dict):
        raise SignedRequestRefused("not_an_object")
    return fields


def _user_id(value: Any) -> Subject:
    """Text, or the same digits as a number."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        value = str(value)
    if not isinstance(value, str) or not _USER_ID.fullmatch(value):
        raise SignedRequestRefused("user_id")
    return Subject(value)


def _instant(value: Any) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SignedRequestRefused("issued_at")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise SignedRequestRefused("issued_at") from None
