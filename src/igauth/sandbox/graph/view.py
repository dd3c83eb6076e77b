"""What one call may see: the person behind its token, their grant, links and lists made for it."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from igauth.sandbox.graph.answers import TOO_MUCH_DATA, GraphError, Refused
from igauth.sandbox.graph.request import Selection, limit_of, unparse
from igauth.sandbox.state import State
from igauth.sandbox.transport import Answer
from igauth.sandbox.world.people import Grant, InstagramAccount, Page, Person
from igauth.sandbox.world.world import Token

_CURSOR_HEAD = "QVFIU"
_POSITION = re.compile(r"(\d{1,9})\.(\d{1,4})")
_BAD_CURSOR = GraphError("(#100) Invalid cursors values: the cursor can't be decoded", 100)


@dataclass(slots=True)
class View:
    """One call's eyes. Collects which accounts and Pages it touched, for usage headers (11.3)."""

    state: State
    token: Token
    person: Person
    grant: Grant
    version: str
    origin: str
    touched_accounts: dict[str, None] = field(default_factory=dict)
    touched_pages: dict[str, None] = field(default_factory=dict)

    def sees_in_list(self, page: Page) -> bool:
        """Whether /me/accounts shows the Page: chosen, role, not hidden in a portfolio (7.6)."""
        if not (page.listed and page.trouble is None and self.has_role(page)):
            return False
        if page.business is None:
            return True
        return page.business in self.person.businesses and self.sees_business(page.business)

    def sees_business(self, business_id: str) -> bool:
        """Whether the portfolio may be looked into (facts 7.6, work-around B)."""
        allowed = self.grant.has("business_management")
        return allowed and self.grant.choice.has_business(business_id)

    def has_role(self, page: Page) -> bool:
        """Whether token and Instagram account of the Page are given (facts 7.7, 7.8)."""
        return page.assigned and self.grant.choice.has_page(page)

    def account_of(self, page: Page) -> InstagramAccount | None:
        """The professional account behind a Page, or None: then the key is absent (facts 7.7)."""
        account = self.person.accounts.get(page.instagram or "")
        if account is None or account.trouble is not None or not self.has_role(page):
            return None
        granted = self.grant.has("instagram_basic")
        return account if granted and self.grant.choice.has_account(account.id) else None

    def page_token(self, page: Page) -> str | None:
        """The Page's token, or None where the person's role doesn't allow it (facts 7.8)."""
        given = page.gives_token and self.has_role(page)
        return self.state.ledger.page_token(self.token, page.id) if given else None

    def picture_of(self, node_id: str) -> str:
        """A signed link that dies after some days (facts 8.5)."""
        return picture_link(self.state.config.pictures, node_id, self.state.clock.unix())

    def account_picture(self, account: InstagramAccount) -> str | None:
        """`profile_picture_url`; None where the account has none (facts 8.4)."""
        if not account.has_picture:
            return None
        return account.picture_url or self.picture_of(account.id)

    def website_of(self, node_id: str) -> str:
        """A node's page at www.facebook.com, which is the sandbox itself, so that it's offline."""
        return f"{self.state.config.root}/{node_id}"


# --- lists over cursors: `data`, `paging.cursors`, `paging.next`, `summary` (facts 7.4) ---


@dataclass(frozen=True, slots=True)
class EdgeItems:
    """What an edge holds, in order; `odd` entries are put raw into its first page.

    `page_sizes` caps the successive pages, zero included (facts 7.4: short pages with a next).
    """

    items: Sequence[Any]
    odd: tuple[object, ...] = ()
    page_sizes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Slice:
    """One page of a list: from `start` to `end`; `step` is the number of the page."""

    start: int
    end: int
    step: int


def list_edge(
    view: View, owner_id: str, edge: Selection, held: EdgeItems, show: Callable[[Any], object]
) -> dict[str, object]:
    """One page of an edge. An empty list has no `paging` at all (facts 7.4)."""
    found = _slice(edge, held, _limit(edge, view.state.world.largest_limit))
    entries = [show(item) for item in held.items[found.start : found.end]]
    if found.start == 0:
        entries += held.odd
    answer: dict[str, object] = {"data": entries}
    if held.items:
        answer["paging"] = _paging(view, owner_id, edge, found, len(held.items))
    if edge.modifiers.get("summary") in ("1", "true", "total_count"):
        answer["summary"] = {"total_count": len(held.items)}
    return answer


def _limit(edge: Selection, largest: int) -> int:
    if not re.fullmatch(r"\d{1,9}", edge.modifiers.get("limit", "1")):
        raise Refused(GraphError("(#100) param limit must be an integer", 100))
    if limit_of(edge.modifiers) > largest:
        raise Refused(TOO_MUCH_DATA)
    return max(1, limit_of(edge.modifiers))


def _slice(edge: Selection, held: EdgeItems, limit: int) -> Slice:
    total = len(held.items)
    if "before" in edge.modifiers:
        end, step = _read_cursor(edge.modifiers["before"])
        return Slice(max(0, end - limit), min(end, total), max(0, step - 1))
    start, step = _read_cursor(edge.modifiers["after"]) if "after" in edge.modifiers else (0, 0)
    if step < len(held.page_sizes):
        limit = min(limit, held.page_sizes[step])
    return Slice(min(start, total), min(start + limit, total), step)


def _paging(
    view: View, owner_id: str, edge: Selection, found: Slice, total: int
) -> dict[str, object]:
    """Cursors stand on the last page as well; only `next` says that there is more (facts 7.4).

    The links are complete: numeric id for `me`, token in clear, no proof (facts 5.7, 7.4).
    """
    cursors = {
        "before": _make_cursor(found.start, found.step),
        "after": _make_cursor(found.end, found.step + 1),
    }
    params = {"access_token": view.token.text}
    params |= {"fields": unparse(edge.fields)} if edge.fields else {}
    params["limit"] = edge.modifiers.get("limit", "25")
    link = f"{view.origin}/{view.version}/{owner_id}/{edge.name}?"
    paging: dict[str, object] = {"cursors": cursors}
    if found.end < total:
        paging["next"] = link + urlencode({**params, "after": cursors["after"]})
    if found.start > 0:
        paging["previous"] = link + urlencode({**params, "before": cursors["before"]})
    return paging


def _make_cursor(position: int, step: int) -> str:
    """An opaque cursor, base64 as in recordings (facts 7.4)."""
    text = base64.urlsafe_b64encode(f"{position}.{step}".encode()).decode()
    return _CURSOR_HEAD + text.rstrip("=")


def _read_cursor(text: str) -> tuple[int, int]:
    """Position and page number; refuses a cursor that isn't ours (facts 7.5)."""
    try:
        coded = text.removeprefix(_CURSOR_HEAD)
        plain = base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise Refused(_BAD_CURSOR) from error
    match = _POSITION.fullmatch(plain)
    if match is None:
        raise Refused(_BAD_CURSOR)
    return int(match[1]), int(match[2])


# --- profile pictures: signed links that expire, and the drawings behind them (facts 8.5) ---

_DAY = 86_400
_LIVES_DAYS = 5
_PICTURE_KEY = b"the sandbox's picture key; a link is no secret here"
_PICTURE_HEADERS = {
    "cross-origin-resource-policy": "cross-origin",
    "content-security-policy": "default-src 'none'",
    "cache-control": "max-age=1209600, no-transform",
    "x-content-type-options": "nosniff",
}


def picture_link(base: str, node_id: str, now: int) -> str:
    """A link whose `oe` is its end in hex unix seconds, steady for a day (facts 8.5)."""
    expiry = f"{(now // _DAY + _LIVES_DAYS) * _DAY:X}"
    signature = _picture_signature(node_id, expiry)
    query = urlencode({"_nc_cat": "106", "ccb": "1-7", "oh": signature, "oe": expiry})
    return f"{base}/_pictures/{node_id}.svg?{query}"


def _picture_signature(node_id: str, expiry: str) -> str:
    digest = hmac.new(_PICTURE_KEY, f"{node_id}.{expiry}".encode(), hashlib.sha256).hexdigest()
    return f"00_AT{digest[:24]}"


def draw_picture(name: str, query: Mapping[str, str], now: int) -> Answer:
    """The picture of a link; 403 once it has expired or been altered (facts 8.5)."""
    match = re.fullmatch(r"(\d{1,25})\.svg", name)
    signature, expiry = query.get("oh", ""), query.get("oe", "")
    if match is None:
        return _drawing(404, "Not found")
    if not hmac.compare_digest(
        _picture_signature(match[1], expiry).encode(), signature.encode("utf-8", "replace")
    ):
        return _drawing(403, "Bad URL hash")
    if int(expiry, 16) <= now:
        return _drawing(403, "URL signature expired")
    return _drawing(200, _svg(match[1]), "image/svg+xml")


def _drawing(status: int, text: str, kind: str = "text/plain") -> Answer:
    return Answer(status, text.encode(), {**_PICTURE_HEADERS, "content-type": kind})


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
