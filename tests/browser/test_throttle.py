"""Facebook throttles the app: its pauses live in the database, so a service of its own."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.service import Service, running
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


@pytest.fixture
def service(chromium: Browser, tmp_path: Path) -> Iterator[Service]:
    """A service that nobody else visits."""
    with running(tmp_path) as fresh:
        yield fresh


async def test_throttled(ada: Visitor) -> None:
    """The list stays; 'Try again' counts the wait down that the service named."""
    await ada.service.control("POST", "faults", {"preset": "throttled_app"})
    ada.watch.provoked.add(503)
    await ada.button("Refresh").click()

    problem = ada.test_id("problem", code="facebook_rate_limited")
    waiting = problem.get_by_role("button", name=re.compile(r"^Try again in \d+ (s|min)$"))
    await expect(waiting).to_be_disabled()
    await expect(ada.test_id("account-card")).to_have_count(3)
    await ada.page.reload()
    await ada.see_accounts()
    await expect(ada.test_id("problem")).to_have_count(0)
