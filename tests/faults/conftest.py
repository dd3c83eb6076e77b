"""Faults for real: processes, sockets, signals."""

from collections.abc import AsyncGenerator

import pytest

from tests.faults.facebook import Facebook, open_facebook

_HERE = "tests/faults/"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder has the marker `faults`."""
    for item in items:
        if _HERE in item.nodeid:
            item.add_marker(pytest.mark.faults)


@pytest.fixture
async def facebook() -> AsyncGenerator[Facebook]:
    """A light Facebook."""
    async with open_facebook() as opened:
        yield opened
