"""Which fields are asked of a kind of node, less those that Graph refused lately.

One field that Graph doesn't know fails the whole call (graph-facts 6.5, trap 24), so it is
dropped, the call repeated with the smaller set, and the lesson kept for an hour.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from igauth.meta.errors import GraphRefusal, Meaning

FORGIVEN_AFTER_SECONDS: Final = 3_600.0
MOST_NARROWINGS: Final = 12

T = TypeVar("T")


class FieldSet:
    """The fields of one kind of node. `hint` is a part of the type names Graph has for it.

    `optional` maps a field's name to how it is asked, e.g. picture → "picture{url}".
    """

    def __init__(
        self,
        hint: str,
        essential: tuple[str, ...],
        optional: dict[str, str],
        monotonic: Callable[[], float],
    ) -> None:
        self.hint = hint
        self._essential = essential
        self._optional = optional
        self._monotonic = monotonic
        self._refused_at: dict[str, float] = {}

    def current(self) -> str:
        """The `fields` parameter's value."""
        asked = (text for name, text in self._optional.items() if self._is_asked(name))
        return ",".join((*self._essential, *asked))

    def refuse(self, name: str) -> bool:
        """Drops an optional field; False for a field that isn't one."""
        if name not in self._optional:
            return False
        self._refused_at[name] = self._monotonic()
        return True

    def _is_asked(self, name: str) -> bool:
        refused_at = self._refused_at.get(name)
        return refused_at is None or self._monotonic() - refused_at > FORGIVEN_AFTER_SECONDS


def narrow(refusal: GraphRefusal, sets: tuple[FieldSet, ...]) -> bool:
    """Whether the call can be repeated with fewer fields than the refused one."""
    refused = refusal.refused_field() if refusal.meaning is Meaning.FIELD_REFUSED else None
    if refused is None:
        return False
    name, node_type = refused
    named = [fields for fields in sets if fields.hint in node_type.casefold()] if node_type else []
    return bool([fields for fields in named or sets if fields.refuse(name)])


async def narrowing(call: Callable[[], Awaitable[T]], sets: tuple[FieldSet, ...]) -> T:
    """Awaits `call`, again with fewer fields as often as Graph refuses one."""
    for _ in range(MOST_NARROWINGS):
        try:
            return await call()
        except GraphRefusal as refusal:
            if not narrow(refusal, sets):
                raise
    return await call()
