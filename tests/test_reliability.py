"""`docs/reliability.md` names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_reliability_page_names_tests_that_exist() -> None:
    """Each promise has its test: a file, and where it is named, a function in it."""
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    named = re.findall(r"`([a-z_/]+\.py)(?:::(test_\w+))?`", page)

    assert len(named) > 10
    for path, function in named:
        source = (ROOT / "tests" / path).read_text("utf-8")
        assert f"def {function or 'test_'}" in source, (path, function)
