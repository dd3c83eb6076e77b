"""Logging in, as people do it: by redirect and in a window, with refusals and second thoughts."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.visitor import DIALOG, Visitor

pytestmark = pytest.mark.browser

PUBLISH = "instagram_content_publish"
CAST = {
    "ada": (
        ["17841401000000003", "17841401000000001", "17841401000000002"],
        ["page_without_instagram"],
    ),
    "ben": ([], []),
    "cleo": (["17841403000000001"], ["page_without_instagram"]),
    "dora": (
        ["17841404000000004", "17841404000000002", "17841404000000001", "17841404000000003"],
        ["page_not_granted"],
    ),
}


@pytest.mark.parametrize("person", CAST)
async def test_login_by_redirect(visitor: Visitor, person: str) -> None:
    """Each sees their accounts in order, and why others aren't listed, at a clean address."""
    accounts, reasons = CAST[person]
    await visitor.log_in(person)

    await expect(visitor.page).to_have_url(visitor.service.origin + "/")
    await expect(visitor.test_id("account-card")).to_have_count(len(accounts))
    assert await _data_of_all(visitor, "account-card", "accountId") == accounts
    assert sorted(await _data_of_all(visitor, "not-listed-item", "reason")) == reasons
    await expect(visitor.test_id("empty")).to_have_count(0 if accounts else 1)


async def test_pictures_and_roles_are_shown(ada: Visitor) -> None:
    """Two pictures come through igauth; the account without one has initials; roles decide."""
    pictures = ada.test_id("account-card").locator("img")
    await expect(pictures).to_have_count(2)
    for picture in await pictures.all():
        await picture.scroll_into_view_if_needed()
        await expect(picture).to_have_js_property("naturalWidth", 200)

    quiet = ada.test_id("account-card", account_id="17841401000000003")
    await expect(quiet.locator("[data-testid=can-publish]")).to_have_attribute("data-value", "no")
    await expect(ada.test_id("can-publish", value="yes")).to_have_count(2)
    link = ada.link("Link an Instagram account")
    assert await link.get_attribute("rel") == "noopener noreferrer"


async def test_hostile_names_stay_text(visitor: Visitor) -> None:
    """Scripts in names, biographies, websites and picture links do nothing, and are shown."""
    await visitor.log_in("hana")

    await expect(visitor.test_id("account-card")).to_have_count(8)
    await expect(visitor.page.get_by_text("<script>alert('page')</script>").first).to_be_visible()
    assert await visitor.page.locator("main script, main iframe").count() == 0
    assert await visitor.page.locator('main [href^="javascript:"]').count() == 0


async def test_many_accounts_are_shown_in_steps_and_found(visitor: Visitor) -> None:
    """250 accounts: a table of the first sixty, more on request, one by its name; or cards."""
    await visitor.log_in("fay")
    rows = visitor.test_id("account-row")
    await expect(rows).to_have_count(60)

    await visitor.button("Show more (190 left)").press("Enter")
    await expect(rows.nth(119)).to_be_attached()
    await visitor.page.get_by_role("searchbox", name="Find an account").fill("shop 249")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("fay.shop00249")
    await expect(visitor.test_id("status")).to_have_text("1 account found")

    await visitor.button("As cards").click()
    await expect(visitor.test_id("account-card")).to_contain_text("fay.shop00249")
    await visitor.page.reload()
    await expect(visitor.test_id("account-card")).to_have_count(60)


async def test_the_table_is_sorted_and_grows_by_itself(visitor: Visitor) -> None:
    """By followers, most first, said to screen readers; scrolling to the end brings all 250."""
    await visitor.log_in("fay")
    await visitor.button("Followers").click()
    heading = visitor.page.get_by_role("columnheader", name="Followers")
    await expect(heading).to_have_attribute("aria-sort", "descending")
    numbers = visitor.page.locator("tbody td.number:nth-child(3)")
    shown = [
        int(title.replace(",", ""))
        for title in await numbers.evaluate_all("(all) => all.map((each) => each.title)")
    ]
    assert shown == sorted(shown, reverse=True)

    rows = visitor.test_id("account-row")
    for count in (120, 180, 240, 250):
        await rows.last.scroll_into_view_if_needed()
        await expect(rows).to_have_count(count)


# --- in a window of its own ---


async def test_login_in_a_window(visitor: Visitor) -> None:
    """The window closes by itself, and the page behind it shows the accounts without a reload."""
    await visitor.page.evaluate("window.stayed = true")
    window = await _open_window(visitor)
    await expect(visitor.test_id("popup-waiting")).to_be_visible()
    async with window.page.expect_event("close"):
        await window.consent("cleo")

    await visitor.see_accounts()
    await expect(visitor.test_id("account-card")).to_have_count(1)
    assert await visitor.page.evaluate("window.stayed")


async def test_refusal_in_a_window(visitor: Visitor) -> None:
    """The window closes, the page says so, and the window opens again."""
    window = await _open_window(visitor)
    await window.introduce("cleo")
    async with window.page.expect_event("close"):
        await window.decide("cancel")

    await expect(visitor.test_id("login-error", code="access_denied")).to_be_visible()
    await (await _open_window(visitor)).consent("cleo")
    await visitor.see_accounts()


async def test_window_that_is_closed(visitor: Visitor) -> None:
    """Closing it without a word ends the waiting."""
    window = await _open_window(visitor)
    await window.page.wait_for_url(DIALOG)
    await window.page.close()

    await expect(visitor.test_id("login-error", code="popup_closed")).to_be_visible()
    await expect(visitor.button("Facebook in a separate window")).to_be_visible()


async def test_waiting_that_is_cancelled(visitor: Visitor) -> None:
    """Cancel closes the window."""
    window = await _open_window(visitor)
    async with window.page.expect_event("close"):
        await visitor.button("Cancel").click()

    await expect(visitor.test_id("status")).to_have_text("Login cancelled")
    await expect(visitor.button("Facebook in a separate window")).to_be_focused()


async def test_blocked_window(visitor: Visitor) -> None:
    """Where the browser opens none, the page offers the redirect, and that works."""
    await visitor.page.evaluate("window.open = () => null")
    await visitor.button("Facebook in a separate window").click()
    await expect(visitor.test_id("popup-blocked")).to_be_visible()

    await visitor.link("Log in here instead").click()
    await visitor.consent("ada")
    await visitor.see_accounts()


async def test_window_without_an_opener_goes_back_by_itself(visitor: Visitor) -> None:
    """The popup's last page in an ordinary tab: on to `return_to`, at a clean address."""
    await visitor.open("/auth/facebook?mode=popup&return_to=/%23/devices")
    await visitor.consent("ada")

    await expect(visitor.test_id("devices-view")).to_be_visible()
    await expect(visitor.page).to_have_url(f"{visitor.service.origin}/#/devices")


# --- refusals and second thoughts ---


async def test_refusal(visitor: Visitor) -> None:
    """Cancel leads back with a message, gone from the address; trying again works."""
    await visitor.link("Continue with Facebook").click()
    await visitor.introduce("ada")
    await visitor.decide("cancel")

    message = visitor.test_id("login-error", code="access_denied")
    await expect(message).to_be_focused()
    await expect(visitor.page).to_have_url(visitor.service.origin + "/")
    await visitor.page.reload()
    await visitor.see_signed_out()
    await expect(message).to_have_count(0)

    await visitor.link("Continue with Facebook").click()
    await visitor.decide("cancel")
    await visitor.link("Try again").click()
    await visitor.consent("ada")
    await visitor.see_accounts()


async def test_declined_permission_is_asked_again(visitor: Visitor) -> None:
    """A warning with its fix: Facebook asks once more, and then nothing is missing."""
    await visitor.log_in("ada", declined=[PUBLISH])
    warning = visitor.test_id("warning", code="permission_missing")
    await expect(warning.locator(f'[data-permission="{PUBLISH}"]')).to_be_visible()
    await expect(visitor.test_id("can-publish", value="no")).to_have_count(3)
    await visitor.go_to("Connections")
    await expect(
        visitor.test_id("permission", permission=PUBLISH, state="declined")
    ).to_be_visible()

    await visitor.go_to("Accounts")
    await warning.get_by_role("link", name="Choose permissions at Facebook").click()
    await visitor.page.wait_for_url(re.compile("auth_type=rerequest"))
    await visitor.consent("ada")

    await expect(visitor.test_id("can-publish", value="yes")).to_have_count(2)
    await expect(warning).to_have_count(0)
    await visitor.go_to("Connections")
    await expect(visitor.test_id("permission", permission=PUBLISH, state="granted")).to_be_visible()


async def test_another_person_is_not_taken_for_the_first(visitor: Visitor) -> None:
    """Choosing again as somebody else at Facebook: told, and still logged in as before."""
    await visitor.log_in("ada")
    await visitor.link("Choose accounts").click()
    await visitor.page.wait_for_url(DIALOG)
    await visitor.page.locator('[name="switch"]').click()
    await visitor.consent("cleo")

    await expect(visitor.test_id("login-error", code="account_switched")).to_be_visible()
    await expect(visitor.test_id("account-card")).to_have_count(3)


# --- reload and back ---


async def test_reload_after_a_login(visitor: Visitor) -> None:
    """The page again, and the callback's own address again: still logged in, no error."""
    async with visitor.page.expect_request(re.compile("/auth/facebook/callback")) as called:
        await visitor.log_in("ada")
    await visitor.page.reload()
    await visitor.see_accounts()

    await visitor.page.goto((await called.value).url)
    await visitor.see_accounts()
    await expect(visitor.test_id("login-error")).to_have_count(0)
    await expect(visitor.page).to_have_url(visitor.service.origin + "/")


async def test_back_after_a_login(visitor: Visitor) -> None:
    """Back over the dialog to where it began, and forth again: logged in, no error."""
    await visitor.log_in("ada")
    for step in (visitor.page.go_back, visitor.page.go_forward):
        await step()
        await visitor.page.wait_for_url(DIALOG)
        while DIALOG.search(visitor.page.url):
            await step()
        await visitor.see_accounts()
        await expect(visitor.test_id("login-error")).to_have_count(0)


async def test_continuing_in_a_dialog_that_was_left_behind(visitor: Visitor) -> None:
    """Back in the dialog one can press Continue once more: logged in, no error."""
    await visitor.log_in("ada")
    await visitor.page.go_back()
    await visitor.page.wait_for_url(DIALOG)
    await visitor.decide("continue")

    await visitor.see_accounts()
    await expect(visitor.test_id("account-card")).to_have_count(3)
    await expect(visitor.test_id("login-error")).to_have_count(0)


# --- by keyboard ---


async def test_login_by_keyboard_alone(visitor: Visitor) -> None:
    """Tab and Enter lead through the app and the dialog; the heading has the focus at the end."""
    await _tab_to(visitor.page, "a.skip")
    await _tab_to(visitor.page, "a:text('Continue with Facebook')")
    await visitor.page.keyboard.press("Enter")
    await visitor.page.wait_for_url(DIALOG)
    visitor.service.met.add("cleo")
    await _tab_to(visitor.page, '[name="person"][value="cleo"]')
    await visitor.page.keyboard.press("Enter")
    await _tab_to(visitor.page, '[name="decision"][value="continue"]')
    await visitor.page.keyboard.press("Enter")

    await visitor.see_accounts()
    await _tab_to(visitor.page, "nav a:text('Devices')")
    await visitor.page.keyboard.press("Enter")
    await expect(visitor.page.get_by_role("heading", name="Devices", level=1)).to_be_focused()


async def _tab_to(page: Page, selector: str) -> None:
    """Presses Tab until the element has the focus."""
    wanted = page.locator(selector)
    await expect(wanted).to_be_attached()
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await wanted.evaluate("element => element === document.activeElement"):
            return
    pytest.fail(f"Tab doesn't lead to {selector}")


async def _open_window(visitor: Visitor) -> Visitor:
    async with visitor.page.expect_popup() as opened:
        await visitor.button("Facebook in a separate window").click()
    return Visitor(visitor.context, await opened.value, visitor.service, visitor.watch)


async def _data_of_all(visitor: Visitor, test_id: str, name: str) -> list[str]:
    values: list[str] = await visitor.test_id(test_id).evaluate_all(
        "(all, name) => all.map((each) => each.dataset[name])", name
    )
    return values
