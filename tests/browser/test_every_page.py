"""Every page and state of ours: no fault that axe-core finds, in both themes and on a phone.

`IGAUTH_SCREENSHOTS=1` also takes each at 360, 1280 and 2560 px in both themes, into
build/screenshots, to be looked at.
"""

import json
import os
from collections.abc import Awaitable, Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.conftest import NewVisitor
from tests.browser.service import Service, running
from tests.browser.visitor import DIALOG, Visitor

pytestmark = pytest.mark.browser

AXE = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
RUN = """async () => (await axe.run({ resultTypes: ["violations"] })).violations.flatMap(
  ({ id, help, nodes }) => nodes.map((node) => `${id} (${help}): ${node.target} ${node.html}`))"""
SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
WIDTHS = (360, 1280, 2560)
BRANDED: dict[str, Any] = {
    "BRAND_NAME": "Invented Press",
    "SUPPORT_URL": "mailto:help@invented.test",
}
Scene = Callable[[Visitor], Awaitable[None]]


@pytest.fixture(scope="module")
def branded_service(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service of an operator who has a name."""
    with running(tmp_path_factory.mktemp("branded"), **BRANDED) as service:
        yield service


@pytest.fixture
def service(branded_service: Service) -> Service:
    """The service of this module."""
    return branded_service


# --- scenes ---


async def signed_out(visitor: Visitor) -> None:
    await visitor.open()
    await visitor.see_signed_out()


async def both_doors(visitor: Visitor) -> None:
    origin = visitor.service.origin
    urls = {door: f"{origin}/auth/{door}" for door in ("facebook", "instagram")}
    await _answer(visitor, "**/auth/session", lambda session: session.update(login_urls=urls))
    await signed_out(visitor)


async def login_failed(visitor: Visitor) -> None:
    await visitor.open("/?error=facebook_unavailable&error_description=x&request_id=abc123")
    await expect(visitor.test_id("login-error")).to_be_visible()


async def accounts(visitor: Visitor) -> None:
    await visitor.arrive_as("ada")


async def many_accounts(visitor: Visitor) -> None:
    await visitor.arrive_as("fay")
    await expect(visitor.test_id("account-row").first).to_be_visible()
    await visitor.button("Followers").click()


async def hostile_accounts(visitor: Visitor) -> None:
    await visitor.arrive_as("hana")


async def no_accounts(visitor: Visitor) -> None:
    await visitor.arrive_as("ben")
    await expect(visitor.test_id("empty")).to_be_visible()


async def reasons(visitor: Visitor) -> None:
    await visitor.arrive_as("jo")
    await expect(visitor.test_id("not-listed")).to_be_visible()


async def welcome(visitor: Visitor) -> None:
    await signed_out(visitor)
    await visitor.log_in("ada", declined=["instagram_content_publish"])
    await expect(visitor.test_id("welcome")).to_be_visible()


def ended(status: str) -> Scene:
    async def scene(visitor: Visitor) -> None:
        def end(listing: Any) -> None:
            listing["meta"]["connections"][0]["status"] = status

        await _answer(visitor, "**/me/instagram-accounts*", end)
        await visitor.arrive_as("ada")
        await expect(visitor.test_id("connection-notice")).to_be_visible()

    return scene


async def nothing_known(visitor: Visitor) -> None:
    def change(listing: Any) -> None:
        listing["meta"] |= {"stale": True, "complete": False}
        for account in listing["data"]:
            account["can_publish"] = None
            for page in account["pages"]:
                page["tasks"] = None

    await _answer(visitor, "**/me/instagram-accounts*", change)
    await visitor.arrive_as("ada")
    await expect(visitor.test_id("stale")).to_be_visible()


async def connections(visitor: Visitor) -> None:
    await visitor.arrive_as("ada")
    await visitor.go_to("Connections")
    await expect(visitor.test_id("consent-added")).to_be_visible()


async def ended_connections(visitor: Visitor) -> None:
    def change(listed: Any) -> None:
        first = listed["data"][0]
        first |= {"status": "reconnect_required", "cause": "password_changed"}
        other = {"provider": "instagram", "name": "invented.solo", "last_consent": None}
        held = {"status": "checkpoint_required", "cause": "checkpoint", "missing_scopes": []}
        listed["data"].append(first | other | held | {"id": "another"})

    await _answer(visitor, "**/me/connections", change)
    await connections(visitor)


async def disconnecting(visitor: Visitor) -> None:
    await connections(visitor)
    await visitor.button("Disconnect and delete my data…").click()
    await expect(visitor.page.get_by_role("dialog")).to_be_visible()


async def devices(visitor: Visitor) -> None:
    await visitor.arrive_as("ada")
    await visitor.go_to("Devices")
    await expect(visitor.test_id("device")).to_be_visible()


async def problem(visitor: Visitor) -> None:
    visitor.watch.provoked.add(401)
    await visitor.open("/me")


async def problem_in_german(visitor: Visitor) -> None:
    visitor.watch.provoked.add(404)
    await visitor.context.set_extra_http_headers({"Accept-Language": "de"})
    await visitor.open("/nothing/here")
    await expect(visitor.page.get_by_role("heading", name="Hier ist nichts")).to_be_visible()


async def deletion(visitor: Visitor) -> None:
    await visitor.arrive_as("ada")
    answer = await visitor.service.sign("data_deletion", "ada")
    await visitor.page.goto(json.loads(answer["body"])["url"])
    await expect(visitor.page.locator("dt", has_text="Done")).to_be_visible()


async def dialog(visitor: Visitor) -> None:
    await signed_out(visitor)
    await visitor.link("Continue with Facebook").click()
    await visitor.page.wait_for_url(DIALOG)


async def consent(visitor: Visitor) -> None:
    await dialog(visitor)
    await visitor.introduce("dora")


async def control_panel(visitor: Visitor) -> None:
    await visitor.arrive_as("ada")
    await visitor.service.control("POST", "faults", {"preset": "throttled_user", "times": 2})
    await visitor.page.goto(visitor.service.panel)


SCENES: dict[str, Scene] = {
    each.__name__: each
    for each in (
        signed_out,
        both_doors,
        login_failed,
        accounts,
        many_accounts,
        hostile_accounts,
        no_accounts,
        reasons,
        welcome,
        nothing_known,
        connections,
        ended_connections,
        disconnecting,
        devices,
        problem,
        problem_in_german,
        deletion,
        dialog,
        consent,
        control_panel,
    )
} | {
    status: ended(status)
    for status in ("expiring", "reconnect_required", "checkpoint_required", "revoked")
}


@pytest.mark.parametrize("name", SCENES)
async def test_a_page(new_visitor: NewVisitor, name: str) -> None:
    """axe-core has nothing to say, light or dark, at a desk or on a phone; nothing sticks out."""
    visitor = await new_visitor(viewport={"width": 1280, "height": 900}, color_scheme="light")
    await SCENES[name](visitor)
    page = visitor.page
    await page.evaluate(AXE)
    found = {"light": await page.evaluate(RUN)}
    await page.emulate_media(color_scheme="dark")
    found["dark"] = await page.evaluate(RUN)
    await page.set_viewport_size({"width": 360, "height": 740})
    found["dark, narrow"] = await page.evaluate(RUN)
    wide = await page.evaluate("document.documentElement.scrollWidth")

    if os.environ.get("IGAUTH_SCREENSHOTS") == "1":
        await _photograph(page, name)
    assert {look: faults for look, faults in found.items() if faults} == {}
    assert wide <= 360


async def _photograph(page: Page, name: str) -> None:
    for theme in ("light", "dark"):
        await page.emulate_media(color_scheme=theme)
        for width in WIDTHS:
            await page.set_viewport_size({"width": width, "height": 740 if width < 500 else 1100})
            await page.wait_for_load_state("networkidle")
            path = SCREENSHOTS / f"{name}-{width}-{theme}.png"
            await page.screenshot(path=path, full_page=width < 500, animations="disabled")


async def _answer(visitor: Visitor, address: str, change: Callable[[Any], None]) -> None:
    """The service's own answer, with a change."""

    async def answer(route: Route) -> None:
        response = await route.fetch()
        if response.status != 200:
            await route.fulfill(response=response)
            return
        body = await response.json()
        change(body)
        await route.fulfill(response=response, body=json.dumps(body))

    await visitor.page.route(address, answer)
