"""Meta's nodes as they come, read into igauth's own words (graph-facts §6-§9).

Lenient: unknown fields are ignored, ids may be numbers, anything optional that can't be used is
None. Only a missing id, or an Instagram link of the wrong kind, makes a node malformed.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo

from igauth.domain import InstagramAccount, InstagramAccountId, Page, PageId, Permissions
from igauth.meta.text import (
    BIOGRAPHY_LENGTH,
    NAME_LENGTH,
    as_count,
    as_id,
    clean_lines,
    clean_text,
    clean_url,
)

_MOST_TASKS: Final = 50


def _name(value: Any) -> str | None:
    return clean_text(value, NAME_LENGTH)


def _biography(value: Any) -> str | None:
    return clean_lines(value, BIOGRAPHY_LENGTH)


def _website(value: Any) -> str | None:
    return clean_url(value, ("https://", "http://"))


def _picture(value: Any, info: ValidationInfo) -> str | None:
    return clean_url(value, (info.context or {}).get("pictures", ("https://",)))


def _nested_picture(value: Any, info: ValidationInfo) -> str | None:
    """`picture{url}` comes as {"data": {"url": …}} (graph-facts 6.1)."""
    data = value.get("data") if isinstance(value, Mapping) else None
    return _picture(data.get("url"), info) if isinstance(data, Mapping) else None


def _tasks(value: Any) -> tuple[str, ...] | None:
    if not _is_list(value):
        return None
    names = (clean_text(task, 64) for task in value[:_MOST_TASKS])
    return tuple(sorted({name for name in names if name}))


def _is_there(value: Any) -> bool:
    """A Page token is looked at and dropped at once (contract §6)."""
    return isinstance(value, str) and bool(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


Id = Annotated[str, BeforeValidator(as_id)]
Name = Annotated[str | None, BeforeValidator(_name)]
Count = Annotated[int | None, BeforeValidator(as_count)]


class WireModel(BaseModel):
    """A node of Meta's. Its text never stands in an error: see `parse_node`."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class WireInstagram(WireModel):
    """An IG user node of the Facebook-Login side (graph-facts 8.1)."""

    id: Id
    username: Name = None
    name: Name = None
    biography: Annotated[str | None, BeforeValidator(_biography)] = None
    website: Annotated[str | None, BeforeValidator(_website)] = None
    profile_picture_url: Annotated[str | None, BeforeValidator(_picture)] = None
    followers_count: Count = None
    follows_count: Count = None
    media_count: Count = None

    def account(self) -> InstagramAccount:
        fields = self.model_dump(exclude={"id"})
        return InstagramAccount(id=InstagramAccountId(self.id), **fields)


class WirePage(WireModel):
    """A Page of a listing edge or by itself (graph-facts 7.1, 7.2)."""

    id: Id
    name: Name = None
    tasks: Annotated[tuple[str, ...] | None, BeforeValidator(_tasks)] = None
    instagram: WireInstagram | None = Field(default=None, alias="instagram_business_account")
    has_page_token: Annotated[bool, BeforeValidator(_is_there)] = Field(
        default=False, alias="access_token"
    )

    def page(self) -> Page:
        return Page(id=PageId(self.id), name=self.name, tasks=self.tasks)


class WireProfile(WireModel):
    """The person behind a token (graph-facts 6.1)."""

    id: Id
    name: Name = None
    picture: Annotated[str | None, BeforeValidator(_nested_picture)] = None


class WireBusiness(WireModel):
    """A business portfolio (graph-facts 7.6)."""

    id: Id


W = TypeVar("W", bound=WireModel)


def parse_node(model: type[W], node: Any, pictures: tuple[str, ...]) -> W | None:
    """The node, or None if it is malformed."""
    if not isinstance(node, Mapping):
        return None
    try:
        return model.model_validate(node, context={"pictures": pictures})
    except ValidationError:
        return None


def parse_permissions(entries: Any) -> Permissions:
    """`granted`, or `declined` or `expired`; the last word on each counts (graph-facts 9.1)."""
    words = {
        permission: entry.get("status")
        for entry in (entries if _is_list(entries) else ())
        if isinstance(entry, Mapping)
        and (permission := clean_text(entry.get("permission"), 100)) is not None
    }
    return Permissions(
        granted=frozenset(name for name, word in words.items() if word == "granted"),
        declined=frozenset(name for name, word in words.items() if word in ("declined", "expired")),
    )
