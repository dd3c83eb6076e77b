"""`make bench-check` and `make bench-counts` notice what is over a bar."""

from typing import Any

import pytest
from benchmarks.bars import Bars

BARS = Bars(
    ratio={"login/sqlite/16": 6.0, "login/*": 8.0},
    most={"ready": 1.2},
    least={"keeper*": 100.0},
    counts={"login/sqlite": {"statements": 14}},
)


def results(
    ratio: float = 1.0, ready: float = 1.0, keeper: float = 200.0, at_once: int = 16
) -> dict[str, Any]:
    """Results as `make bench` writes them."""
    return {
        "cells": {f"login/sqlite/{at_once}": {"ratio": ratio}},
        "singles": {
            "ready": {"value": ready, "unit": "s"},
            "keeper, connections/sqlite": {"value": keeper, "unit": "per s"},
        },
    }


def test_what_is_under_its_bars_is_well() -> None:
    """Exit code 0."""
    assert BARS.report(results()) == 0


@pytest.mark.parametrize("bad", [{"ratio": 6.1}, {"ready": 1.3}, {"keeper": 99.0}])
def test_what_is_over_a_bar_is_not_well(
    bad: dict[str, float], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and a line that says which."""
    assert BARS.report(results(**bad)) == 1  # type: ignore[arg-type]  # one of them
    assert capsys.readouterr().out.count("NOT WELL") == 1


def test_the_first_pattern_that_fits_counts() -> None:
    """So that one cell may have a bar of its own."""
    assert BARS.report(results(ratio=7.0, at_once=16)) == 1
    assert BARS.report(results(ratio=7.0, at_once=64)) == 0


def test_nothing_measured_is_not_well() -> None:
    """A run that found nothing passes no check."""
    assert BARS.report({"cells": {}, "singles": {}}) == 1


def test_counts_are_exact() -> None:
    """A statement more is noticed, and one less as well."""
    assert BARS.report_counts({"login/sqlite": {"statements": 14}}) == 0
    assert BARS.report_counts({"login/sqlite": {"statements": 15}}) == 1
    assert BARS.report_counts({"login/sqlite": {"statements": 13}}) == 1


def test_the_bars_of_the_repository_can_be_read() -> None:
    """`benchmarks/bars.toml`."""
    assert Bars.read().ratio["login/sqlite/16"] == 6.0
