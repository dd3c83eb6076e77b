"""Several connections' accounts as one list: an account that two reach is one entry (contract
§6, §10)."""

from collections.abc import Iterable, Sequence
from typing import Any

from pydantic_core import from_json, to_json


def joined(texts: Sequence[str], *, living: int) -> str:
    """Rendered accounts of each connection, the one to act with first first, as one list.

    The first `living` of them are of live connections: what a dead one might publish counts only
    where no live one reaches the account.
    """
    entries: dict[str, dict[str, Any]] = {}
    reached: set[str] = set()
    for place, text in enumerate(texts):
        for account in from_json(f"[{text}]"):
            account_id, known = account["id"], entries.get(account["id"])
            if place < living:
                reached.add(account_id)
            elif account_id in reached and known is not None:
                account["can_publish"] = known["can_publish"]
            entries[account_id] = account if known is None else one(known, account)
    return to_json(sorted(entries.values(), key=_order)).decode()[1:-1]


def one(known: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The same account by two connections: each field from where it was given."""
    filled = {name: other[name] if value is None else value for name, value in known.items()}
    pages = {page["id"]: page for page in (*other["pages"], *known["pages"])}
    return {
        **filled,
        "pages": [pages[page_id] for page_id in sorted(pages)],
        "can_publish": _any((known["can_publish"], other["can_publish"])),
        "connection_ids": [*known["connection_ids"], *other["connection_ids"]],
    }


def _any(answers: Iterable[bool | None]) -> bool | None:
    """Whether any live connection may; None where none says yes and one doesn't know."""
    told = set(answers)
    return True if True in told else None if None in told else False


def _order(account: dict[str, Any]) -> tuple[bool, str, str]:
    """By username, case-folded, nulls last, then by id."""
    username = account["username"]
    return (username is None, (username or "").casefold(), account["id"])
