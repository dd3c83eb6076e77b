"""The `fields` parameter: `id,accounts.limit(100){name,picture.width(200){url}}` (facts 6.6)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from igauth.sandbox.problems import Refused, bad_fields

_NAME = re.compile(r"\s*([A-Za-z_]\w*)\s*")
_MODIFIER = re.compile(r"\.([a-z_]+)\(([^()]*)\)\s*")
MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Ask:
    """One field that is asked for, with modifiers and, for nodes and edges, sub-fields."""

    name: str
    modifiers: Mapping[str, str] = field(default_factory=dict)
    fields: tuple["Ask", ...] = ()

    @property
    def key(self) -> str:
        """The key in the answer: the name, unless `.as(…)` says otherwise."""
        return self.modifiers.get("as", self.name)


def parse_fields(text: str) -> tuple[Ask, ...]:
    """Parse a `fields` text; an empty one asks for nothing in particular. Refuses with 2500."""
    if not text.strip():
        return ()
    parser = _Parser(text)
    asks = parser.list_of_asks(0)
    if parser.at < len(text):
        raise parser.refusal()
    return asks


def glimpse(text: str) -> tuple[Ask, ...]:
    """Like `parse_fields`, but nothing is refused: for the log and for faults."""
    try:
        return parse_fields(text)
    except Refused:
        return ()


def unparse(asks: tuple[Ask, ...]) -> str:
    """The text of parsed fields, for `paging.next` of a nested edge (facts 6.6)."""
    return ",".join(_unparse_one(ask) for ask in asks)


def _unparse_one(ask: Ask) -> str:
    modifiers = "".join(f".{name}({value})" for name, value in ask.modifiers.items())
    nested = f"{{{unparse(ask.fields)}}}" if ask.fields else ""
    return f"{ask.name}{modifiers}{nested}"


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def refusal(self) -> Refused:
        return Refused(bad_fields(self.text[self.at : self.at + 1] or "end of string", self.at))

    def list_of_asks(self, depth: int) -> tuple[Ask, ...]:
        if depth > MAX_DEPTH:
            raise self.refusal()
        asks = [self.ask(depth)]
        while self.take(","):
            asks.append(self.ask(depth))
        return tuple(asks)

    def ask(self, depth: int) -> Ask:
        match = _NAME.match(self.text, self.at)
        if match is None:
            raise self.refusal()
        self.at = match.end()
        modifiers = self.modifiers()
        return Ask(match[1], modifiers, self.nested(depth))

    def modifiers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        while match := _MODIFIER.match(self.text, self.at):
            found[match[1]] = match[2].strip()
            self.at = match.end()
        return found

    def nested(self, depth: int) -> tuple[Ask, ...]:
        if not self.take("{"):
            return ()
        asks = self.list_of_asks(depth + 1)
        if not self.take("}"):
            raise self.refusal()
        return asks

    def take(self, char: str) -> bool:
        if not self.text.startswith(char, self.at):
            return False
        self.at += 1
        while self.text.startswith(" ", self.at):
            self.at += 1
        return True
