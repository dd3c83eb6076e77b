"""States that agree: what the example app says about answers that are rare, word by word.

The answers are the service's own, changed on their way in the one thing that a test is about.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.browser.visitor import DIALOG, Visitor

pytestmark = pytest.mark.browser

Change = Callable[[Any], None]
LISTING = "**/me/instagram-accounts*"
CONNECTIONS = "**/me/connections"
SESSION = "**/auth/session"


async def _changed(visitor: Visitor, address: str, change: Change) -> None:
    """From now on this answer comes with the change."""

    async def answer(route: Route) -> None:
        headers = {"if-none-match": "", **route.request.headers}
        headers.pop("if-none-match")
        response = await route.fetch(headers=headers)
        body = await response.json()
        change(body)
        await route.fulfill(response=response, body=json.dumps(body))

    await visitor.page.route(address, answer)


async def test_tasks_that_nobody_knows(ada: Visitor) -> None:
    """`tasks: null` and `can_publish: null` are shown as unknown, and nothing hangs (B1)."""

    def change(listing: Any) -> None:
        for account in listing["data"]:
            account["can_publish"] = None
            for page in account["pages"]:
                page["tasks"] = None

    await _changed(ada, LISTING, change)
    await ada.page.reload()
    await ada.see_accounts()
    await expect(ada.test_id("account-card")).to_have_count(3)
    await expect(ada.test_id("can-publish", value="unknown")).to_have_count(3)
    await expect(ada.page.get_by_text("Your role on it isn't known").first).to_be_visible()


@pytest.mark.parametrize("status", ["reconnect_required", "revoked", "checkpoint_required"])
async def test_nothing_green_under_a_dead_connection(ada: Visitor, status: str) -> None:
    """No account "can publish", and no date says "in 59 days" beside "Ended" (B9)."""

    def end_listing(listing: Any) -> None:
        for connection in listing["meta"]["connections"]:
            connection["status"] = status

    def end_connection(listed: Any) -> None:
        for connection in listed["data"]:
            connection["status"] = status

    await _changed(ada, LISTING, end_listing)
    await _changed(ada, CONNECTIONS, end_connection)
    await ada.page.reload()
    await expect(ada.test_id("connection-notice", status=status)).to_be_visible()
    await expect(ada.test_id("can-publish", value="yes")).to_have_count(0)
    await expect(ada.test_id("can-publish", value="later")).to_have_count(2)

    await ada.go_to("Connections")
    await expect(ada.test_id("connection-status", status=status)).to_be_visible()
    await expect(ada.test_id("token-ends")).to_have_count(0)
    await expect(ada.test_id("connection-view").locator(".tag.good")).to_have_count(0)
    await expect(ada.page.get_by_text("in 59 days")).to_have_count(0)


@pytest.mark.parametrize(
    ("kind", "label"),
    [("visit_facebook", "Go to Facebook"), ("visit_instagram", "Go to Instagram")],
)
async def test_links_say_where_they_lead_and_stay_offline(
    ada: Visitor, kind: str, label: str
) -> None:
    """ "Go to Instagram" isn't called Facebook, and in the sandbox leads to its panel (B9, B21)."""

    def change(listing: Any) -> None:
        entry = listing["meta"]["not_listed"][0]
        entry |= {
            "reason": "instagram_unreachable",
            "action": {"kind": kind, "url": "https://elsewhere.test/"},
        }

    await _changed(ada, LISTING, change)
    await ada.page.reload()
    link = ada.test_id("not-listed").get_by_role("link", name=label)
    await expect(link).to_contain_text("simulated")
    await expect(link).to_have_attribute("href", ada.service.panel)
    await expect(ada.link("Link an Instagram account")).to_have_count(0)


async def test_reasons_are_told_once(ada: Visitor) -> None:
    """Thirty Pages of one reason: one explanation, one link, the names; the rest on request."""

    def change(listing: Any) -> None:
        entry = listing["meta"]["not_listed"][0]
        listing["meta"]["not_listed"] = [
            entry | {"page": {"id": str(number), "name": f"Invented {number}"}}
            for number in range(30)
        ]

    await _changed(ada, LISTING, change)
    await ada.page.reload()
    await expect(ada.test_id("not-listed-reason")).to_have_count(1)
    await expect(ada.test_id("not-listed").get_by_role("link")).to_have_count(1)
    items = ada.test_id("not-listed-item")
    await expect(items).to_have_count(12)
    await ada.button("Show 18 more").click()
    await expect(items).to_have_count(30)
    await expect(items.nth(12)).to_be_focused()


async def test_both_doors_are_offered(visitor: Visitor) -> None:
    """A button for each open door, each with its mark and its own address."""

    def open_both(session: Any) -> None:
        origin = visitor.service.origin
        session["login_urls"] = {
            door: f"{origin}/auth/{door}" for door in ("facebook", "instagram")
        }

    await _changed(visitor, SESSION, open_both)
    await visitor.page.reload()
    for door in ("facebook", "instagram"):
        link = visitor.page.locator(f"a.door.{door}")
        await expect(link).to_have_accessible_name(f"Continue with {door.title()}")
        await expect(link.locator("svg")).to_have_count(1)
        href = await link.get_attribute("href")
        assert href is not None
        assert href.startswith(f"{visitor.service.origin}/auth/{door}?return_to=")
    await expect(visitor.button("Instagram in a separate window")).to_be_visible()


async def test_connections_of_both_doors(ada: Visitor) -> None:
    """Each has a card with words of its own: no dates of Facebook's on Instagram's."""

    def add(listed: Any) -> None:
        listed["data"].append(
            listed["data"][0]
            | {
                "id": "another",
                "provider": "instagram",
                "name": "invented.solo",
                "status": "checkpoint_required",
                "cause": "checkpoint",
                "last_consent": None,
                "missing_scopes": [],
                "granted_scopes": ["instagram_business_basic"],
                "manage_url": "https://www.instagram.com/accounts/manage_access/",
            }
        )

    await _changed(ada, CONNECTIONS, add)
    await ada.go_to("Connections")
    instagram = ada.test_id("connection", provider="instagram")
    await expect(
        instagram.get_by_role("heading", name="Instagram, as invented.solo")
    ).to_be_visible()
    await expect(instagram.get_by_role("link", name="Go to Instagram")).to_be_visible()
    await expect(instagram.locator("[data-testid=data-access-ends]")).to_have_count(0)
    await instagram.get_by_role("button", name="Disconnect Instagram…").click()
    dialog = ada.page.get_by_role("dialog", name="Disconnect Instagram?")
    await expect(dialog).to_contain_text(
        "The accounts that only Instagram leads to leave the list."
    )


async def test_a_word_after_reconnecting(ada: Visitor) -> None:
    """Back from Facebook the page says what the new consent changed; after a mere Back, nothing."""
    await ada.link("Choose accounts").click()
    await ada.page.wait_for_url(DIALOG)
    await ada.page.go_back()
    await ada.see_accounts()
    await expect(ada.test_id("welcome")).to_have_count(0)

    await ada.link("Choose accounts").click()
    await ada.consent("ada")
    await expect(ada.test_id("welcome")).to_contain_text("3 accounts as before.")
    await ada.page.reload()
    await ada.see_accounts()
    await expect(ada.test_id("welcome")).to_have_count(0)
