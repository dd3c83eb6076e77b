"""A real Chromium, the service as a process, and visitors who may not see one error."""

import os
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from playwright.async_api import Browser, Playwright, async_playwright, expect

from tests.browser.service import Service, running
from tests.browser.visitor import PATIENCE_MS, Visitor, Watch

NewVisitor = Callable[..., Awaitable[Visitor]]
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-proxy-server",
    "--host-resolver-rules=MAP *.igauth.test 127.0.0.1, MAP * ~NOTFOUND, "
    "EXCLUDE localhost, EXCLUDE 127.0.0.1",
]


@pytest.fixture(scope="session")
async def chromium() -> AsyncGenerator[Browser]:
    """One browser process; each visitor has a context of their own in it."""
    async with async_playwright() as playwright:
        program = _find_browser(playwright)
        if program is None:
            _do_without()
        expect.set_options(timeout=PATIENCE_MS)
        browser = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def common_service(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """`igauth dev` as everybody starts it. Only where there is a browser."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def service(common_service: Service) -> Service:
    """The service that the visitors of a test visit; modules with other wishes override it."""
    return common_service


@pytest.fixture
async def new_visitor(chromium: Browser, service: Service) -> AsyncGenerator[NewVisitor]:
    """Makes visitors; at the end none of their browsers may have complained."""
    await service.reset()
    visitors: list[Visitor] = []

    async def make(**options: Any) -> Visitor:
        context = await chromium.new_context(**{"reduced_motion": "reduce", **options})
        context.set_default_timeout(PATIENCE_MS)
        watch = Watch()
        await watch.over(context)
        visitors.append(Visitor(context, await context.new_page(), service, watch))
        return visitors[-1]

    yield make
    for visitor in visitors:
        await visitor.context.close()
    for visitor in visitors:
        visitor.watch.check()


@pytest.fixture
async def visitor(new_visitor: NewVisitor) -> Visitor:
    """Somebody at the signed-out page."""
    made = await new_visitor()
    await made.open()
    return made


@pytest.fixture
async def ada(new_visitor: NewVisitor) -> Visitor:
    """Ada, who is logged in and looks at her accounts."""
    made = await new_visitor()
    await made.arrive_as("ada")
    return made


def _find_browser(playwright: Playwright) -> Path | None:
    """`CHROMIUM`, else one of the system's, else playwright's own where it was installed."""
    named = os.environ.get("CHROMIUM")
    found = [named] if named else [shutil.which(program) for program in PROGRAMS]
    own = playwright.chromium.executable_path
    paths = [Path(path) for path in (*found, own) if path]
    return next((path for path in paths if path.exists()), None)


def _do_without() -> NoReturn:
    lacking = "no chromium, chromium-browser or google-chrome on PATH, and no CHROMIUM"
    if os.environ.get("IGAUTH_REQUIRE_BROWSER") == "1":
        pytest.fail(f"BROWSER TESTS ARE REQUIRED: {lacking}")
    pytest.skip(f"NOTHING WAS TESTED IN A BROWSER: {lacking}")
