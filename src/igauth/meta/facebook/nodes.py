"""Meta's nodes as they come, read into igauth's own words (graph-facts §6-§9).

Lenient: unknown fields are ignored, ids may be numbers, anything optional that can't be used is
None. Only a missing id, or an Instagram link of the wrong kind, makes a node malformed. Written
by hand, since a listing reads ten thousand of them while others wait.
"""

from dataclasses import dataclass
from typing import Any, Final

from igauth.domain import (
    InstagramAccount,
    Page,
    PageId,
    Permissions,
    Subject,
)
from igauth.meta.accounts import read_account
from igauth.meta.door import PageNode
from igauth.meta.facebook.fields import LINK, TOKEN, PageFields
from igauth.meta.text import NAME_LENGTH, as_id, clean_text, clean_url

_MOST_TASKS: Final = 50


@dataclass(frozen=True, slots=True)
class Profile:
    """The person behind a token, and what they granted; None where the answer didn't say."""

    subject: Subject
    name: str | None
    picture_url: str | None
    permissions: Permissions | None


@dataclass(frozen=True, slots=True)
class NodeParser:
    """Reads nodes. `pictures`: how a picture's link may begin, https but for an offline Meta."""

    pictures: tuple[str, ...] = ("https://",)

    @classmethod
    def beside(cls, stand_in_url: str | None) -> "NodeParser":
        """For an offline Meta, whose own pictures may be http."""
        return cls(("https://", f"{stand_in_url.rstrip('/')}/")) if stand_in_url else cls()

    def page(self, node: Any, fields: PageFields) -> PageNode | None:
        """A Page with the account linked to it, as far as asked; None where it is malformed."""
        if not isinstance(node, dict) or (page_id := as_id(node.get("id"))) is None:
            return None
        link = node.get(LINK)
        account = None if link is None else self.account(link)
        if link is not None and account is None:
            return None
        page = Page(
            PageId(page_id),
            clean_text(node.get("name"), NAME_LENGTH),
            _tasks(node.get("tasks")),
        )
        has_token = bool(_text(node.get(TOKEN))) if fields.asks(TOKEN) else None
        return PageNode(page, account, has_token, shows_link=fields.asks(LINK))

    def account(self, node: Any) -> InstagramAccount | None:
        """An IG user node of the Facebook-Login side (graph-facts 8.1); None where malformed."""
        return read_account(node, self.pictures)

    def profile(self, node: Any) -> Profile | None:
        """The person of `/me` (graph-facts 6.1); None where the answer holds no id."""
        subject = as_id(node.get("id"))
        if subject is None:
            return None
        return Profile(
            Subject(subject),
            clean_text(node.get("name"), NAME_LENGTH),
            self._nested_picture(node.get("picture")),
            _nested_permissions(node.get("permissions")),
        )

    def _nested_picture(self, value: Any) -> str | None:
        """`picture{url}` comes as {"data": {"url": …}} (graph-facts 6.1)."""
        data = value.get("data") if isinstance(value, dict) else None
        return clean_url(data.get("url"), self.pictures) if isinstance(data, dict) else None


def parse_permissions(entries: Any) -> Permissions:
    """`granted`, or `declined` or `expired`; the last word on each counts (graph-facts 9.1)."""
    words = {
        permission: entry.get("status")
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
        and (permission := clean_text(entry.get("permission"), 100)) is not None
    }
    return Permissions(
        granted=frozenset(name for name, word in words.items() if word == "granted"),
        declined=frozenset(name for name, word in words.items() if word in ("declined", "expired")),
    )


def _nested_permissions(value: Any) -> Permissions | None:
    """`permissions{…}` of /me, unless it is missing or only a first page of it (6.6)."""
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        return None
    paging = value.get("paging")
    if isinstance(paging, dict) and paging.get("next"):
        return None
    return parse_permissions(value["data"])


def _tasks(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    names = {clean_text(task, 64) for task in value[:_MOST_TASKS]}
    return tuple(sorted(name for name in names if name))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
