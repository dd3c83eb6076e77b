"""What people read on our pages, in their language: one file of texts each, in texts/."""

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

_FILES = files("igauth.api") / "texts"
_FIRST = "en"


@dataclass(frozen=True, slots=True)
class Texts:
    """The texts of one language. `tag` is its BCP 47 tag."""

    tag: str
    words: dict[str, Any]

    def of(self, code: str) -> tuple[str, str]:
        """Title and sentence of a problem; of any that has no words of its own, the general."""
        problems = self.words["problems"]
        title, sentence = problems.get(code, problems["server_error"])
        return title, sentence

    def moment(self, instant: datetime) -> str:
        """An instant in UTC, to the minute."""
        at = instant.astimezone(UTC)
        month = self.words["months"][at.month - 1]
        told: str = self.words["moment"]
        return told.format(day=at.day, month=month, year=at.year, time=f"{at:%H:%M}")


@cache
def all_texts() -> dict[str, Texts]:
    """Every language that has a file, by its tag."""
    found = [each for each in _FILES.iterdir() if each.name.endswith(".toml")]
    return {
        each.name.removesuffix(".toml"): Texts(
            each.name.removesuffix(".toml"), tomllib.loads(each.read_text("utf-8"))
        )
        for each in found
    }


def texts_for(accept_language: str) -> Texts:
    """The first language of `Accept-Language` that there is (RFC 9110 §12.5.4); else English."""
    wishes = [_wish(each) for each in accept_language[:500].split(",")]
    for _, tag in sorted((each for each in wishes if each[0] > 0), key=lambda wish: -wish[0]):
        known = all_texts().get(tag.partition("-")[0].lower())
        if known is not None:
            return known
    return all_texts()[_FIRST]


def _wish(part: str) -> tuple[float, str]:
    tag, _, weight = part.partition(";")
    name, _, number = weight.strip().partition("=")
    try:
        return (float(number) if name == "q" else 1.0), tag.strip()
    except ValueError:
        return 0.0, tag.strip()
