"""Lists over cursors: `data`, `paging.cursors`, `paging.next`, `summary` (facts 7.4)."""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from igauth.sandbox.fields import Ask, unparse
from igauth.sandbox.problems import BAD_CURSOR, TOO_MUCH_DATA, Problem, Refused
from igauth.sandbox.view import View

DEFAULT_LIMIT = 25
_POSITION = re.compile(r"(\d{1,9})\.(\d{1,4})")
_CURSOR_HEAD = "QVFIU"


@dataclass(frozen=True, slots=True)
class Listed:
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
    view: View, owner_id: str, ask: Ask, listed: Listed, show: Callable[[Any], object]
) -> dict[str, object]:
    """One page of an edge. An empty list has no `paging` at all (facts 7.4)."""
    limit = _limit(ask, view.state.world.largest_limit)
    found = _slice(ask, listed, limit)
    entries = [show(item) for item in listed.items[found.start : found.end]]
    if found.start == 0:
        entries += listed.odd
    answer: dict[str, object] = {"data": entries}
    if listed.items:
        answer["paging"] = _paging(view, owner_id, ask, found, len(listed.items))
    if ask.modifiers.get("summary") in ("1", "true", "total_count"):
        answer["summary"] = {"total_count": len(listed.items)}
    return answer


def _limit(ask: Ask, largest: int) -> int:
    text = ask.modifiers.get("limit", str(DEFAULT_LIMIT))
    if not re.fullmatch(r"\d{1,9}", text):
        raise Refused(Problem("(#100) param limit must be an integer", 100))
    if int(text) > largest:
        raise Refused(TOO_MUCH_DATA)
    return max(1, int(text))


def _slice(ask: Ask, listed: Listed, limit: int) -> Slice:
    total = len(listed.items)
    if "before" in ask.modifiers:
        end, step = read_cursor(ask.modifiers["before"])
        return Slice(max(0, end - limit), min(end, total), max(0, step - 1))
    start, step = read_cursor(ask.modifiers["after"]) if "after" in ask.modifiers else (0, 0)
    if step < len(listed.page_sizes):
        limit = min(limit, listed.page_sizes[step])
    return Slice(min(start, total), min(start + limit, total), step)


def _paging(view: View, owner_id: str, ask: Ask, found: Slice, total: int) -> dict[str, object]:
    """Cursors stand on the last page as well; only `next` says that there is more (facts 7.4)."""
    before = make_cursor(found.start, found.step)
    after = make_cursor(found.end, found.step + 1)
    paging: dict[str, object] = {"cursors": {"before": before, "after": after}}
    if found.end < total:
        paging["next"] = _link(view, owner_id, ask, {"after": after})
    if found.start > 0:
        paging["previous"] = _link(view, owner_id, ask, {"before": before})
    return paging


def _link(view: View, owner_id: str, ask: Ask, cursor: dict[str, str]) -> str:
    params = {"fields": unparse(ask.fields)} if ask.fields else {}
    params["limit"] = ask.modifiers.get("limit", str(DEFAULT_LIMIT))
    return view.edge_link(owner_id, ask.name, {**params, **cursor})


def make_cursor(position: int, step: int) -> str:
    """An opaque cursor, base64 as in recordings (facts 7.4)."""
    text = base64.urlsafe_b64encode(f"{position}.{step}".encode()).decode()
    return _CURSOR_HEAD + text.rstrip("=")


def read_cursor(text: str) -> tuple[int, int]:
    """Position and page number; refuses a cursor that isn't ours (facts 7.5)."""
    try:
        coded = text.removeprefix(_CURSOR_HEAD)
        plain = base64.urlsafe_b64decode(coded + "=" * (-len(coded) % 4)).decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise Refused(BAD_CURSOR) from error
    match = _POSITION.fullmatch(plain)
    if match is None:
        raise Refused(BAD_CURSOR)
    return int(match[1]), int(match[2])
