"""The watch itself: a browser that complains is heard."""

import pytest
from playwright.async_api import Browser, expect

from tests.browser.service import Service
from tests.browser.visitor import Watch

pytestmark = pytest.mark.browser

MISCHIEF = """async () => {
  console.error("oh no");
  setTimeout(() => { throw new Error("thrown") });
  document.body.append(document.createElement("style"));
  document.querySelector("style").textContent = "p { color: red }";
  const picture = Object.assign(new Image(), { src: "https://elsewhere.test/" });
  await new Promise((resolve) => { picture.onerror = resolve; });
  await fetch("/me");
  alert("hello");
}"""
NOTICED = (
    "alert: hello",
    "console: CSP: style-src",
    "console: Failed to load resource: net::ERR_NAME_NOT_RESOLVED",
    "console: Failed to load resource: the server responded with a status of 401",
    "console: oh no",
    "uncaught: thrown",
)


async def test_mischief_is_noticed(chromium: Browser, service: Service) -> None:
    """Console, uncaught errors, policy, status, dialogs and foreign hosts: each fails a story."""
    watch = Watch()
    context = await chromium.new_context()
    await watch.over(context)
    page = await context.new_page()
    await page.goto(service.origin)
    await expect(page.get_by_test_id("signed-out")).to_be_visible()
    watch.check()

    await page.evaluate(MISCHIEF)
    await context.close()

    heard = "\n".join(watch.faults)
    assert [each for each in NOTICED if each not in heard] == []
    assert watch.hosts == {"localhost", "elsewhere.test"}
    with pytest.raises(AssertionError):
        watch.check()
