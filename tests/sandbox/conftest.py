"""One sandbox with a still clock and a sleep that doesn't wait, and a client that asks it."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from igauth.sandbox.app import Sandbox
from tests.sandbox.facebook import Facebook, Sleeps, TestClock


@pytest.fixture
def clock() -> TestClock:
    """The time that the sandbox sees."""
    return TestClock()


@pytest.fixture
def sleeps() -> Sleeps:
    """What the sandbox would have waited."""
    return Sleeps()


@pytest.fixture
def sandbox(clock: TestClock, sleeps: Sleeps) -> Sandbox:
    """A fresh offline Facebook."""
    return Sandbox(clock=clock, sleep=sleeps)


@pytest.fixture
async def facebook(sandbox: Sandbox) -> AsyncGenerator[Facebook]:
    """Asks that sandbox, without a socket."""
    async with httpx.AsyncClient(
        transport=sandbox.transport(), base_url="http://localhost:9000"
    ) as http:
        yield Facebook(sandbox, http)
