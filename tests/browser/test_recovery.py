"""Something breaks in the control panel, the page says what, and the person mends it."""

from collections.abc import Iterator

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.service import Service, running
from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def asking_service(
    chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """A service that asks Facebook for every listing."""
    with running(tmp_path_factory.mktemp("asking"), ACCOUNTS_MAX_AGE="0") as service:
        yield service


@pytest.fixture
def service(asking_service: Service) -> Service:
    """The service of this module."""
    return asking_service


@pytest.fixture
async def panel(ada: Visitor) -> Page:
    """The control panel, reached by the app's own link, in a tab of its own."""
    async with ada.page.expect_popup() as opened:
        await ada.link("Control panel").click()
    panel = await opened.value
    await expect(panel.get_by_role("heading", level=1)).to_be_visible()
    return panel


async def test_password_changed(ada: Visitor, panel: Page) -> None:
    """The list stays, and says that it is as it was; logging in again mends it."""
    await panel.locator("summary").filter(has=panel.get_by_text("ada", exact=True)).click()
    await panel.locator('[formaction$="/people/ada/change_password"]').click()
    await expect(panel.get_by_role("status")).to_be_visible()
    await ada.page.reload()
    notice = ada.test_id("connection-notice", status="reconnect_required")
    await expect(notice).to_be_visible()
    await expect(ada.test_id("account-card")).to_have_count(3)
    await expect(ada.test_id("can-publish", value="later")).to_have_count(2)

    ada.watch.provoked.add(409)
    await ada.button("Refresh").click()
    problem = ada.test_id("problem", code="reconnect_required")
    await problem.get_by_role("link", name="Reconnect with Facebook").click()
    await ada.consent("ada")
    await ada.see_accounts()
    await expect(ada.test_id("account-card")).to_have_count(3)
    await expect(notice).to_have_count(0)
    await ada.go_to("Connections")
    await expect(ada.test_id("connection-status", status="active")).to_be_visible()


async def test_facebook_is_down(ada: Visitor, panel: Page) -> None:
    """The last truth is shown as such; 'Refresh' tells the failure; when it is over, so is that."""
    await panel.get_by_role("button", name="Facebook is down").click()
    await expect(panel.get_by_role("list", name="Planned faults")).to_be_visible()
    await ada.page.reload()
    await expect(ada.test_id("stale")).to_be_visible()
    await expect(ada.test_id("account-card")).to_have_count(3)

    ada.watch.provoked.add(503)
    await ada.button("Refresh").click()
    problem = ada.test_id("problem", code="facebook_unavailable")
    await expect(problem).to_be_visible()
    await expect(ada.test_id("account-card")).to_have_count(3)

    await panel.get_by_role("button", name="Remove", exact=False).first.click()
    await expect(panel.get_by_role("list", name="Planned faults")).to_have_count(0)
    await expect(ada.button("Refresh")).to_be_hidden()  # one way to try again, not two
    await ada.button("Try again").click()
    await expect(problem).to_have_count(0)
    await expect(ada.test_id("stale")).to_have_count(0)


async def test_facebook_is_down_during_the_login(visitor: Visitor) -> None:
    """The login says so; trying again when it is over works."""
    await visitor.service.control("POST", "faults", {"preset": "unavailable"})
    await visitor.link("Continue with Facebook").click()
    await visitor.consent("ada")
    error = visitor.test_id("login-error", code="facebook_unavailable")
    await expect(error).to_contain_text("Reference for support")

    await visitor.service.control("DELETE", "faults")
    await error.get_by_role("link", name="Try again").click()
    await visitor.consent("ada")
    await visitor.see_accounts()


async def test_checkpoint(ada: Visitor) -> None:
    """Facebook wants something confirmed; once that is done, 'Check now' goes on."""
    await ada.service.happen("ada", "checkpoint")
    await ada.go_to("Connections")
    await ada.button("Check now").click()
    await expect(ada.test_id("connection-status", status="checkpoint_required")).to_be_visible()

    await ada.service.happen("ada", "clear_checkpoint")
    await ada.button("Check now").click()
    await expect(ada.test_id("connection-status", status="active")).to_be_visible()
    await expect(ada.test_id("problem")).to_have_count(0)


async def test_app_removed_at_facebook(ada: Visitor) -> None:
    """Facebook's word ends the session; after a new login all is well under the old connection."""
    await ada.service.happen("ada", "remove_app")
    await ada.page.reload()
    await ada.see_signed_out()

    await ada.log_in("ada")
    await expect(ada.test_id("account-card")).to_have_count(3)
    await expect(ada.test_id("connection-notice")).to_have_count(0)


async def test_a_page_without_the_network(ada: Visitor) -> None:
    """Offline the page says so and keeps what it has; back online it goes on by itself."""
    ada.watch.allowed.add("net::ERR_INTERNET_DISCONNECTED")
    await ada.context.set_offline(True)
    await ada.button("Refresh").click()
    await expect(ada.test_id("problem", code="offline")).to_be_visible()
    await expect(ada.test_id("account-card")).to_have_count(3)

    await ada.context.set_offline(False)
    await expect(ada.test_id("problem")).to_have_count(0)


async def test_the_panel_shows_the_calls(ada: Visitor, panel: Page) -> None:
    """Live, without a reload: what a refresh asked of Facebook, and never a token."""
    calls = panel.get_by_role("region", name="Newest calls").get_by_role("listitem")
    await expect(calls.filter(has_text="/me/accounts").first).to_be_visible()
    before = await calls.count()
    await ada.button("Refresh").click()
    await panel.bring_to_front()

    await expect(calls.nth(before)).to_be_visible()
    assert "EAA" not in await panel.content()
