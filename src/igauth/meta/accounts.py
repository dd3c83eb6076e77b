"""An Instagram account as either door shows it, read into igauth's own words."""

from typing import Any, Final

from igauth.domain import InstagramAccount, InstagramAccountId
from igauth.meta.text import (
    BIOGRAPHY_LENGTH,
    NAME_LENGTH,
    as_count,
    as_id,
    clean_lines,
    clean_text,
    clean_url,
)

_WEBSITES: Final = ("https://", "http://")


def read_account(node: Any, pictures: tuple[str, ...]) -> InstagramAccount | None:
    """The account of a node with an `id`; None where it has none. What can't be used is None.

    `pictures`: how a picture's link may begin (graph-facts 8.1, 8.4, 8.5).
    """
    if not isinstance(node, dict) or (account_id := as_id(node.get("id"))) is None:
        return None
    return InstagramAccount(
        InstagramAccountId(account_id),
        clean_text(node.get("username"), NAME_LENGTH),
        clean_text(node.get("name"), NAME_LENGTH),
        clean_lines(node.get("biography"), BIOGRAPHY_LENGTH),
        clean_url(node.get("website"), _WEBSITES),
        clean_url(node.get("profile_picture_url"), pictures),
        as_count(node.get("followers_count")),
        as_count(node.get("follows_count")),
        as_count(node.get("media_count")),
    )
