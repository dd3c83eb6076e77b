"""The figures of a run: cells of the table and single values, with their ratios, as JSON."""

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.load import Figures
from benchmarks.processes import ROOT

FILE: Final = ROOT / "benchmarks" / "results.json"
_HEADINGS: Final = (
    "row",
    "database",
    "at once",
    "CPU ms",
    "× floor",
    "per s",
    "refused",
    "p50 ms",
    "p99 ms",
    "peak MB",
    "Graph calls",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One row on one database, so many at once. `floor` names the cell that it is held against."""

    row: str
    engine: str
    at_once: int
    figures: Figures
    floor: str | None = None

    @property
    def name(self) -> str:
        """How bars and floors name it."""
        return f"{self.row}/{self.engine}/{self.at_once}"


@dataclass(frozen=True, slots=True)
class Single:
    """A value that isn't a cost for each request."""

    name: str
    value: float
    unit: str


@dataclass
class Results:
    """Everything that a run found, in order."""

    cells: dict[str, Cell] = field(default_factory=dict)
    singles: dict[str, Single] = field(default_factory=dict)

    def add(self, found: Cell | Single) -> None:
        """Takes one, and says so."""
        if isinstance(found, Single):
            self.singles[found.name] = found
            print(f"  {found.name}: {found.value:.3g} {found.unit}", flush=True)
            return
        self.cells[found.name] = found
        print(f"  {found.name}: {found.figures.cpu_ms:.3g} ms", flush=True)

    def ratio(self, cell: Cell) -> float | None:
        """CPU in floors; None where the floor wasn't run."""
        floor = self.cells.get(cell.floor or "")
        return cell.figures.cpu_ms / floor.figures.cpu_ms if floor else None

    def write(self, path: Path = FILE) -> None:
        """All of it, as JSON."""
        body = {
            "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
            "python": platform.python_version(),
            "cells": {cell.name: self._cell(cell) for cell in self.cells.values()},
            "singles": {each.name: asdict(each) for each in self.singles.values()},
        }
        path.write_text(json.dumps(body, indent=1) + "\n")

    def _cell(self, cell: Cell) -> dict[str, Any]:
        return {**asdict(cell.figures), "floor": cell.floor, "ratio": self.ratio(cell)}

    def table(self) -> str:
        """For people, and for `docs/performance.md`: Markdown."""
        rows = [_HEADINGS, *(self._row(cell) for cell in self.cells.values())]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
        rule = tuple("-" * width for width in widths)
        lines = [_line(row, widths) for row in (rows[0], rule, *rows[1:])]
        singles = [f"- {each.name}: {each.value:.3g} {each.unit}" for each in self.singles.values()]
        return "\n".join([*lines, "", *singles])

    def _row(self, cell: Cell) -> tuple[str, ...]:
        figures, ratio = cell.figures, self.ratio(cell)
        return (
            cell.row,
            cell.engine,
            str(cell.at_once),
            f"{figures.cpu_ms:.3f}",
            "" if ratio is None else f"{ratio:.1f}",
            f"{figures.per_second:.0f}",
            str(figures.refused or ""),
            f"{figures.p50_ms:.1f}",
            f"{figures.p99_ms:.1f}",
            f"{figures.peak_mb:.0f}",
            f"{figures.graph_calls:.1f}",
        )


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    cells = [
        text.ljust(width) if column < 2 else text.rjust(width)
        for column, (text, width) in enumerate(zip(row, widths, strict=True))
    ]
    return f"| {' | '.join(cells)} |"
