"""The pages that igauth itself shows: documentation, problems, deletion requests."""

import pytest
from playwright.async_api import expect

from tests.browser.visitor import Visitor

pytestmark = pytest.mark.browser


async def test_docs_without_a_network(visitor: Visitor) -> None:
    """Swagger UI from the package: every operation is listed, and one can be tried out."""
    document = await (
        await visitor.context.request.get(f"{visitor.service.origin}/openapi.json")
    ).json()
    operations = sum(len(methods) for methods in document["paths"].values())
    await visitor.open("/docs")

    await expect(visitor.page.locator(".opblock")).to_have_count(operations)
    assert operations > 20
    session = visitor.page.locator(".opblock", has_text="/auth/session")
    await session.locator(".opblock-summary-control").click()
    await session.get_by_role("button", name="Try it out").click()
    await session.get_by_role("button", name="Execute").click()
    await expect(
        session.locator(".live-responses-table td.response-col_status").last
    ).to_contain_text("200")
    await expect(session.locator(".live-responses-table")).to_contain_text('"authenticated": false')


async def test_problem_is_a_plain_page_to_people(visitor: Visitor) -> None:
    """Somebody who opens /me without a session reads why, and can log in from there."""
    visitor.watch.provoked.add(401)
    await visitor.open("/me")
    await expect(visitor.page.get_by_role("heading", level=1)).to_be_visible()
    await expect(visitor.page.locator("dd", has_text="not_authenticated")).to_be_visible()

    await visitor.link("Log in").click()
    await visitor.consent("ada")
    await visitor.see_accounts()


async def test_unknown_address_is_a_plain_page(visitor: Visitor) -> None:
    """The framework's own 404, too."""
    visitor.watch.provoked.add(404)
    await visitor.open("/nothing/here")

    await expect(visitor.page.locator("dd", has_text="not_found")).to_be_visible()
    assert await visitor.page.evaluate("document.querySelectorAll('script').length") == 0


async def test_deletion_request(ada: Visitor) -> None:
    """Sent from the panel; its status page says what was deleted, and the person is out."""
    await ada.page.goto(ada.service.panel)
    form = ada.page.locator("form").filter(has=ada.page.locator('button[name="kind"]')).first
    await form.locator('[name="person"]').select_option("ada")
    await form.locator('[name="kind"][value="data_deletion"]').click()
    async with ada.page.expect_popup() as opened:
        await ada.link("status page").first.click()
    page = await opened.value

    await expect(page.get_by_role("heading", name="Your data deletion request")).to_be_visible()
    code = page.url.rpartition("/")[2]
    await expect(page.locator("dd", has_text=code)).to_be_visible()
    await expect(page.locator("dt", has_text="Done")).to_be_visible()
    await ada.open()
    await ada.see_signed_out()
