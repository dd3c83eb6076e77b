"""After the login: logging out, several tabs and devices, the way out for good."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NewVisitor
from tests.browser.visitor import DIALOG, Visitor

pytestmark = pytest.mark.browser


async def test_log_out(ada: Visitor) -> None:
    """Signed out at once and after a reload; the next login needs no new choice at Facebook."""
    await ada.page.get_by_role("banner").get_by_role("button", name="Log out").click()
    await expect(ada.test_id("farewell")).to_contain_text("You are logged out")
    await ada.page.reload()
    await ada.see_signed_out()
    assert "igauth_session" not in {cookie.get("name") for cookie in await ada.context.cookies()}

    await ada.log_in("ada")
    await expect(ada.test_id("account-card")).to_have_count(3)


async def test_back_after_a_logout_shows_nothing(ada: Visitor) -> None:
    """What was on the page is not to be had by the back button."""
    await ada.go_to("Devices")
    await ada.page.get_by_role("banner").get_by_role("button", name="Log out").click()
    await ada.see_signed_out()
    await ada.page.go_back()

    await ada.see_signed_out()
    await expect(ada.test_id("account-card")).to_have_count(0)


# --- tabs ---


async def test_log_out_in_one_tab_is_seen_in_the_other(ada: Visitor) -> None:
    """And so is the next login."""
    other = await ada.open_tab()
    await other.open("/#/connections")
    await expect(other.test_id("connection-view")).to_be_visible()

    await ada.page.get_by_role("banner").get_by_role("button", name="Log out").click()
    await other.see_signed_out()

    async with ada.page.expect_popup() as opened:
        await ada.button("Facebook in a separate window").click()
    await Visitor(ada.context, await opened.value, ada.service, ada.watch).consent("ada")
    await ada.see_accounts()
    await expect(other.test_id("connection-view")).to_be_visible()


async def test_two_logins_at_once_in_two_tabs(visitor: Visitor) -> None:
    """Each tab has an attempt of its own: both end well, as one person in one session."""
    other = await visitor.open_tab()
    await other.open()
    for tab in (visitor, other):
        await tab.link("Continue with Facebook").click()
        await tab.introduce("ada")
    for tab in (other, visitor):
        await tab.decide("continue")
        await tab.see_accounts()

    await other.page.reload()
    await other.see_accounts()
    await other.go_to("Devices")
    await expect(other.test_id("device")).to_have_count(1)


# --- devices ---


async def test_sign_another_device_out(ada: Visitor, new_visitor: NewVisitor) -> None:
    """The other browser is out with its next click, and says why; this one stays."""
    phone = await new_visitor(user_agent="Mozilla/5.0 (iPhone; CPU iPhone OS 26_0) Safari/604.1")
    await phone.arrive_as("ada")

    await ada.go_to("Devices")
    await expect(ada.test_id("device")).to_have_count(2)
    await expect(ada.test_id("device", current="true")).to_contain_text("This device")
    await ada.button("Sign out Safari on iPhone").click()
    await expect(ada.test_id("device")).to_have_count(1)

    phone.watch.provoked.add(401)
    await phone.page.get_by_role("link", name="Devices").click()
    await expect(phone.test_id("farewell")).to_contain_text("Your session has ended")
    await ada.page.reload()
    await expect(ada.test_id("device")).to_have_count(1)


async def test_sign_out_everywhere_else(ada: Visitor, new_visitor: NewVisitor) -> None:
    """All but this one; then this one, too."""
    others = [await new_visitor() for _ in range(2)]
    for other in others:
        await other.arrive_as("ada")
        other.watch.provoked.add(401)
    await ada.go_to("Devices")
    await expect(ada.test_id("device")).to_have_count(3)

    await ada.button("Sign out everywhere else").click()
    await expect(ada.test_id("device")).to_have_count(1)
    for other in others:
        await other.button("Refresh").click()
        await other.see_signed_out()
    await ada.button("Log out on this device").click()
    await ada.see_signed_out()


# --- the way out ---


async def test_disconnect_asks_first(ada: Visitor) -> None:
    """The dialog takes the focus to the harmless answer; Escape and 'Keep it' change nothing."""
    await ada.go_to("Connections")
    dialog = ada.page.get_by_role("dialog", name="Disconnect and delete your data?")
    opener = ada.button("Disconnect and delete my data…")
    await opener.focus()
    for leave in ("Escape", "Enter"):
        await ada.page.keyboard.press("Enter")
        await expect(dialog).to_be_visible()
        await expect(dialog.get_by_role("button", name="Keep it")).to_be_focused()
        await ada.page.keyboard.press(leave)
        await expect(dialog).to_be_hidden()
        await expect(opener).to_be_focused()

    assert await ada.service.grant_of("ada") is not None
    await expect(ada.test_id("connection-status", status="active")).to_be_visible()


async def test_disconnect(ada: Visitor, new_visitor: NewVisitor) -> None:
    """By keyboard: signed out on every device, the grant at Facebook gone, all forgotten here."""
    other = await new_visitor()
    await other.arrive_as("ada")
    await ada.go_to("Connections")
    await ada.button("Disconnect and delete my data…").press("Enter")
    await ada.page.keyboard.press("Tab")
    await expect(ada.button("Disconnect and delete")).to_be_focused()
    await ada.page.keyboard.press("Enter")

    await expect(ada.test_id("farewell")).to_contain_text("Facebook confirmed it")
    assert await ada.service.grant_of("ada") is None
    other.watch.provoked.add(401)
    await other.button("Refresh").click()
    await other.see_signed_out()

    await ada.link("Continue with Facebook").click()
    await ada.page.wait_for_url(DIALOG)
    await expect(ada.page.locator('[name="declined"]').first).to_be_visible()  # asked anew
    await ada.consent("ada")
    await expect(ada.test_id("connection-status", status="active")).to_be_visible()


async def test_disconnect_while_facebook_is_down(ada: Visitor) -> None:
    """Deleted here all the same; the page says that Facebook has yet to confirm."""
    await ada.service.control("POST", "faults", {"preset": "unavailable"})
    await ada.go_to("Connections")
    await ada.button("Disconnect and delete my data…").click()
    await ada.button("Disconnect and delete").click()

    await expect(ada.test_id("farewell")).to_contain_text("Facebook hasn't confirmed yet")
    await ada.page.reload()
    await ada.see_signed_out()
