"""Which fields a call asks for, and what is left of them once Graph refused some.

One field that Graph doesn't know, or that leads to what wasn't granted, fails the whole call
(graph-facts 6.5, 6.6, 7.2b, trap 24), so it is dropped and the call repeated with the smaller
set: for this edge, node and person only. What one person's answer teaches never changes
another's (contract §6), so every walk and every node begins with the whole set.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from igauth.meta.errors import GraphRefusal, Meaning

LINK: Final = "instagram_business_account"
TOKEN: Final = "access_token"  # noqa: S105  # a field's name
TASKS: Final = "tasks"
MOST_NARROWINGS: Final = 12
_INSTAGRAM: Final = (
    *("username", "name", "biography", "website", "profile_picture_url"),
    *("followers_count", "follows_count", "media_count"),
)

T = TypeVar("T")


class InstagramFields:
    """Of an IG user node; only its id can't be refused."""

    def __init__(self) -> None:
        self._names = list(_INSTAGRAM)

    def text(self) -> str:
        """The `fields` parameter's value."""
        return ",".join(("id", *self._names))

    def narrow(self, refusal: GraphRefusal) -> bool:
        """Whether there is less to ask than what was refused."""
        if refusal.meaning is Meaning.PERMISSION:
            return self.only_ids()
        refused = _refused(refusal)
        return refused is not None and self.drop(refused[0])

    def only_ids(self) -> bool:
        """Asks for the id alone; False where nothing else was asked."""
        had_more, self._names = bool(self._names), []
        return had_more

    def drop(self, name: str) -> bool:
        """Without one field; False where it wasn't asked."""
        if name not in self._names:
            return False
        self._names.remove(name)
        return True


class PageFields:
    """Of a Page and the account linked to it.

    `tasks` exist on /me/accounts alone, a Page's token is looked at on portfolio edges (7.2a, 7.8).
    """

    def __init__(self, *more: str) -> None:
        self._names = ["name", *more, LINK]
        self._instagram = InstagramFields()

    def asks(self, name: str) -> bool:
        """Whether an answer without this field says that there is none."""
        return name in self._names

    def text(self) -> str:
        """The `fields` parameter's value."""
        link = f"{LINK}{{{self._instagram.text()}}}"
        return ",".join(("id", *(link if name == LINK else name for name in self._names)))

    def narrow(self, refusal: GraphRefusal) -> bool:
        """Whether there is less to ask than what was refused."""
        if refusal.meaning is Meaning.PERMISSION:
            return self._without_what_needs_permission()
        refused = _refused(refusal)
        return refused is not None and self._drop(*refused)

    def _without_what_needs_permission(self) -> bool:
        """Graph doesn't say what it was: the token, the account's fields, the account (7.2b)."""
        if self._drop_own(TOKEN):
            return True
        return (self.asks(LINK) and self._instagram.only_ids()) or self._drop_own(LINK)

    def _drop(self, name: str, node_type: str) -> bool:
        """The node type says whose field it is; without it the name is dropped from both."""
        of_account = "ig" in node_type.casefold()
        own = name != LINK and not of_account and self._drop_own(name)
        linked = (of_account or not node_type) and self._instagram.drop(name)
        return own or linked

    def _drop_own(self, name: str) -> bool:
        if name not in self._names:
            return False
        self._names.remove(name)
        return True


class ProfileFields:
    """Of /me, permissions included."""

    def __init__(self) -> None:
        self._asked = {
            "name": "name",
            "picture": "picture{url}",
            "permissions": "permissions{permission,status}",
        }

    def text(self) -> str:
        """The `fields` parameter's value."""
        return ",".join(("id", *self._asked.values()))

    def narrow(self, refusal: GraphRefusal) -> bool:
        """Whether there is less to ask than what was refused."""
        refused = _refused(refusal)
        return refused is not None and self._asked.pop(refused[0], None) is not None


Fields = InstagramFields | PageFields | ProfileFields


async def narrowing(call: Callable[[], Awaitable[T]], fields: Fields | None) -> T:
    """Awaits `call`, again with fewer fields as often as Graph refuses some."""
    for _ in range(MOST_NARROWINGS):
        try:
            return await call()
        except GraphRefusal as refusal:
            if fields is None or not fields.narrow(refusal):
                raise
    return await call()


def _refused(refusal: GraphRefusal) -> tuple[str, str] | None:
    return refusal.refused_field() if refusal.meaning is Meaning.FIELD_REFUSED else None
