"""Looks: narrow screens, light and dark, and the pictures of the documentation.

`IGAUTH_SCREENSHOTS=1` renews docs/images; else the same pictures are taken and thrown away.
"""

import os
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import NewVisitor
from tests.browser.visitor import DIALOG, Visitor

pytestmark = pytest.mark.browser

IMAGES = Path(__file__).parents[2] / "docs" / "images"
LARGEST = 250_000
NARROW = {"width": 360, "height": 740}
DESK = {"width": 1180, "height": 860}


async def test_narrow_screen(new_visitor: NewVisitor) -> None:
    """At 360 px nothing sticks out sideways, on any page, for the longest names, too."""
    visitor = await new_visitor(viewport=NARROW)
    await visitor.open()
    await visitor.see_signed_out()
    await _fits(visitor.page)
    await visitor.link("Continue with Facebook").click()
    await visitor.page.wait_for_url(DIALOG)
    await _fits(visitor.page)
    await visitor.introduce("hana")
    await _fits(visitor.page)
    await visitor.decide("continue")
    await visitor.see_accounts()
    await expect(visitor.test_id("account-card")).to_have_count(8)
    await _fits(visitor.page)
    for view, test_id in (("Connection", "permission"), ("Devices", "device")):
        await visitor.go_to(view)
        await expect(visitor.test_id(test_id).first).to_be_visible()
        await _fits(visitor.page)
    await visitor.page.goto(visitor.service.panel)
    await _fits(visitor.page)


@pytest.mark.parametrize("viewport", [DESK, NARROW])
async def test_the_panel_ends_with_its_content(
    new_visitor: NewVisitor, viewport: dict[str, int]
) -> None:
    """However many calls there were, nothing but the panel can be scrolled to (B8)."""
    visitor = await new_visitor(viewport=viewport)
    for _ in range(60):
        await visitor.page.request.get(f"{visitor.service.origin}/sandbox/v26.0/me?fields=id")
    await visitor.page.goto(visitor.service.panel)
    await expect(visitor.page.get_by_role("region", name="Newest calls")).to_be_visible()
    tall, content = await visitor.page.evaluate(
        "[document.documentElement.scrollHeight,"
        " document.querySelector('main').getBoundingClientRect().bottom + scrollY]"
    )

    assert tall <= content + 1


async def test_theme_is_kept(new_visitor: NewVisitor) -> None:
    """The system's theme until one chooses; the choice outlives a reload and reaches other tabs."""
    visitor = await new_visitor(color_scheme="light")
    await visitor.open()
    toggle = visitor.button("Dark theme")
    await expect(toggle).to_have_attribute("aria-pressed", "false")
    assert await _ground(visitor.page) == "rgb(246, 246, 249)"
    other = await visitor.open_tab()
    await other.open()

    await toggle.click()
    await expect(other.button("Dark theme")).to_have_attribute("aria-pressed", "true")
    await visitor.page.reload()
    await expect(toggle).to_have_attribute("aria-pressed", "true")
    assert await _ground(visitor.page) == "rgb(16, 18, 24)"

    await toggle.click()
    await expect(toggle).to_have_attribute("aria-pressed", "false")
    await visitor.page.emulate_media(color_scheme="dark")
    await expect(toggle).to_have_attribute("aria-pressed", "true")


async def test_pictures_of_the_app(new_visitor: NewVisitor, tmp_path: Path) -> None:
    """The accounts in both themes and on a phone, and why others aren't listed."""
    visitor = await new_visitor(viewport=DESK, color_scheme="light")
    await visitor.arrive_as("ada")
    await _picture(visitor, tmp_path, "accounts")
    await visitor.page.emulate_media(color_scheme="dark")
    await _picture(visitor, tmp_path, "accounts-dark")

    narrow = await new_visitor(viewport=NARROW, color_scheme="light")
    await narrow.arrive_as("ada")
    await _picture(narrow, tmp_path, "accounts-narrow")


async def test_picture_of_the_reasons(new_visitor: NewVisitor, tmp_path: Path) -> None:
    """What isn't listed, each with its reason."""
    visitor = await new_visitor(viewport=DESK, color_scheme="light")
    await visitor.arrive_as("jo")
    await visitor.test_id("not-listed").scroll_into_view_if_needed()
    await visitor.test_id("not-listed").screenshot(path=_place(tmp_path, "not-listed"))


async def test_pictures_of_the_sandbox(new_visitor: NewVisitor, tmp_path: Path) -> None:
    """The dialog, and the control panel with a fault planned."""
    visitor = await new_visitor(viewport=DESK, color_scheme="light")
    await visitor.open()
    await visitor.link("Continue with Facebook").click()
    await visitor.introduce("ada")
    await _picture(visitor, tmp_path, "sandbox-dialog")
    await visitor.decide("continue")
    await visitor.see_accounts()
    await visitor.service.control("POST", "faults", {"preset": "throttled_user", "times": 2})
    await visitor.page.goto(visitor.service.panel)
    await _picture(visitor, tmp_path, "control-panel")


async def _fits(page: Page) -> None:
    """No horizontal scroll bar: neither the page's own, nor by an element out of sight."""
    await page.wait_for_load_state("load")
    wide, seen = await page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= seen, f"{page.url}: {wide} px on a screen of {seen}"


async def _ground(page: Page) -> str:
    colour: str = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    return colour


async def _picture(visitor: Visitor, folder: Path, name: str) -> None:
    """What the screen shows, when its pictures are there and nothing moves."""
    await visitor.page.wait_for_load_state("networkidle")
    path = _place(folder, name)
    await visitor.page.screenshot(path=path, animations="disabled")
    assert path.stat().st_size < LARGEST


def _place(folder: Path, name: str) -> Path:
    renewing = os.environ.get("IGAUTH_SCREENSHOTS") == "1"
    return (IMAGES if renewing else folder) / f"{name}.png"
