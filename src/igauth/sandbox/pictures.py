"""Profile pictures: signed links that expire, and the drawings behind them (facts 8.5)."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from urllib.parse import urlencode

_DAY = 86_400
_LIVES_DAYS = 5
_KEY = b"the sandbox's picture key; a link is no secret here"
_FILE = re.compile(r"(\d{1,25})\.svg")


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a picture link answers."""

    status: int
    content: bytes
    content_type: str


def picture_link(base: str, node_id: str, now: int) -> str:
    """A link whose `oe` is its end in hex unix seconds, steady for a day (facts 8.5)."""
    ends = (now // _DAY + _LIVES_DAYS) * _DAY
    expiry = f"{ends:X}"
    query = urlencode({"_nc_cat": "106", "ccb": "1-7", "oh": _mark(node_id, expiry), "oe": expiry})
    return f"{base}/_pictures/{node_id}.svg?{query}"


def _mark(node_id: str, expiry: str) -> str:
    digest = hmac.new(_KEY, f"{node_id}.{expiry}".encode(), hashlib.sha256).hexdigest()
    return f"00_AT{digest[:24]}"


def draw(name: str, oh: str, oe: str, now: int) -> Drawing:
    """The picture of a link; 403 once it has expired or been altered (facts 8.5)."""
    match = _FILE.fullmatch(name)
    if match is None:
        return Drawing(404, b"Not found", "text/plain")
    if not hmac.compare_digest(_mark(match[1], oe).encode(), oh.encode()):
        return Drawing(403, b"Bad URL hash", "text/plain")
    if int(oe, 16) <= now:
        return Drawing(403, b"URL signature expired", "text/plain")
    return Drawing(200, _svg(match[1]).encode(), "image/svg+xml")


def _svg(node_id: str) -> str:
    """Two circles on a ground, in colours that follow from the id."""
    digest = hashlib.sha256(node_id.encode()).digest()
    hue, other = digest[0] * 360 // 256, digest[1] * 360 // 256
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="200" height="200" '
        f'role="img" aria-label="Picture of {node_id}">'
        f'<rect width="64" height="64" fill="hsl({hue} 60% 78%)"/>'
        f'<circle cx="32" cy="25" r="12" fill="hsl({other} 55% 42%)"/>'
        f'<ellipse cx="32" cy="58" rx="22" ry="18" fill="hsl({other} 55% 42%)"/></svg>'
    )
