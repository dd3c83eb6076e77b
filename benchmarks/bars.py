"""`make bench-check`: whether the last run of `make bench` is under the bars of `bars.toml`."""

import json
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from benchmarks.results import FILE

BARS: Final = Path(__file__).with_name("bars.toml")


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars by pattern: at most so many floors, at most or at least so much, exactly so many."""

    ratio: Mapping[str, float]
    most: Mapping[str, float]
    least: Mapping[str, float]
    counts: Mapping[str, Mapping[str, int]]

    @classmethod
    def read(cls, path: Path = BARS) -> "Bars":
        """Those of a file."""
        return cls(**tomllib.loads(path.read_text()))

    def report(self, results: Mapping[str, Any]) -> int:
        """Prints each figure that has a bar; 1 where one is over it."""
        lines = list(self._judged(results))
        for is_well, text in lines:
            print("well    " if is_well else "NOT WELL", text)
        return 0 if lines and all(is_well for is_well, _ in lines) else 1

    def report_counts(self, found: Mapping[str, Mapping[str, int]]) -> int:
        """Prints each count that isn't as it should be; 1 where there is one."""
        wrong = [
            f"{name}: {kind} {number}, not {found.get(name, {}).get(kind)}"
            for name, kinds in self.counts.items()
            for kind, number in kinds.items()
            if name in found and found[name].get(kind) != number
        ]
        for text in wrong:
            print("NOT WELL", text, "were found")
        return 1 if wrong else 0

    def _judged(self, results: Mapping[str, Any]) -> Iterator[tuple[bool, str]]:
        for name, cell in results["cells"].items():
            bar = _of(self.ratio, name)
            if bar is not None and cell["ratio"] is not None:
                yield cell["ratio"] <= bar, f"{name}: {cell['ratio']:.2f} floors, at most {bar:g}"
        for name, single in results["singles"].items():
            most, least = _of(self.most, name), _of(self.least, name)
            shown = f"{name}: {single['value']:.3g} {single['unit']}"
            if most is not None:
                yield single["value"] <= most, f"{shown}, at most {most:g}"
            if least is not None:
                yield single["value"] >= least, f"{shown}, at least {least:g}"


def _of(bars: Mapping[str, float], name: str) -> float | None:
    """The first bar whose pattern fits."""
    return next((bar for pattern, bar in bars.items() if fnmatchcase(name, pattern)), None)


if __name__ == "__main__":
    if not FILE.exists():
        sys.exit("no results yet: make bench")
    sys.exit(Bars.read().report(json.loads(FILE.read_text())))
