"""`igauth/react`: a page on another origin, bundled as products bundle, from login to logout."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.browser.service import Service, free_port, running
from tests.browser.test_other_origin import FrontEnd, serving
from tests.browser.visitor import DIALOG, Visitor
from tests.clients.tools import CLIENT, Run, find_tools

pytestmark = pytest.mark.browser

PAGE = Path(__file__).parents[1] / "clients" / "react" / "page.tsx"
HTML = (
    '<!doctype html><html lang="en"><title>React</title><link rel="icon" href="data:,">'
    '<meta name="igauth-base" content="{}">'
    '<main id="root"></main><script type="module" src="/page.js"></script>'
)


@pytest.fixture(scope="module")
def tools() -> Run:
    """Node's, to bundle the page."""
    return find_tools()


@pytest.fixture(scope="module")
def front_end() -> Iterator[FrontEnd]:
    """Where the product's page is."""
    with serving() as served:
        yield served


@pytest.fixture(scope="module")
def react_service(
    chromium: Browser, tools: Run, front_end: FrontEnd, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """`igauth dev` for the product; the page is type-checked, then bundled against it."""
    folder, port = tmp_path_factory.mktemp("react"), free_port()
    bundle = folder / "page.js"
    tools("node", "node_modules/typescript/bin/tsc", "-p", "tsconfig.page.json")
    tools(
        "node_modules/.bin/esbuild",
        str(PAGE),
        "--bundle",
        "--format=esm",
        "--jsx=automatic",
        "--minify",
        "--alias:igauth=" + str(CLIENT / "src" / "index.ts"),
        "--alias:igauth/react=" + str(CLIENT / "src" / "react.ts"),
        f"--outfile={bundle}",
        NODE_PATH=str(CLIENT / "node_modules"),
    )
    page = HTML.format(f"http://localhost:{port}").encode()
    front_end.files.update({"/": page, "/page.js": bundle.read_bytes()})
    told = {"FRONTEND_URL": f"{front_end.origin}/", "ALLOWED_ORIGINS": front_end.origin}
    with running(folder, port=port, **told) as service:
        yield service


@pytest.fixture
def service(react_service: Service) -> Service:
    """The service of this module."""
    return react_service


async def test_a_react_page(visitor: Visitor, front_end: FrontEnd) -> None:
    """Refused, logged in, listed, explained, refreshed, reconnected, logged out in another tab."""
    page = visitor.page
    await page.goto(f"{front_end.origin}/?tab=1")
    await visitor.button("Log in").click()
    await visitor.introduce("ada")
    await visitor.decide("cancel")
    await expect(page.get_by_role("alert")).to_have_text("Not logged in: access_denied")

    await visitor.button("Log in").click()
    await page.wait_for_url(DIALOG)
    await visitor.decide("continue")
    await expect(page.get_by_role("heading", name="Ada Invented")).to_be_visible()
    await expect(page).to_have_url(f"{front_end.origin}/?tab=1")
    accounts = page.get_by_role("list", name="Accounts").get_by_role("listitem")
    await expect(accounts).to_have_count(3)
    await expect(page.get_by_role("list", name="Not listed")).to_contain_text("Reading Circle")

    visitor.watch.provoked.add(409)
    await visitor.service.happen("ada", "change_password")
    await visitor.button("Refresh").click()
    await page.get_by_role("link", name="Mend it").click()
    await visitor.consent("ada")
    await expect(accounts).to_have_count(3)
    await visitor.button("Connections: ").click()
    await expect(visitor.button("Connections: active")).to_be_visible()

    other = await visitor.open_tab()
    await other.page.goto(front_end.origin)
    await other.button("Log out").click()
    await expect(other.button("Log in")).to_be_visible()
    await expect(visitor.button("Log in")).to_be_visible()
