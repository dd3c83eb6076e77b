"""A person at a browser, and a watch over all that the browser complains about."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.async_api import (
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    Request,
    WebError,
    expect,
)

from tests.browser.service import Service

DIALOG = re.compile(r"/dialog/oauth\?")
NEARBY = {"localhost", "127.0.0.1"}
PATIENCE_MS = 15_000
_STATUS = re.compile(r"Failed to load resource: the server responded with a status of (\d{3})")
_TELL_VIOLATIONS = """addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} forbids ${event.blockedURI}`))"""


@dataclass
class Watch:
    """Every page of a context: no console error, no uncaught error, no alert, nothing from afar.

    What a story provokes it says: `provoked` for a status, `allowed` for a text. It has to come.
    """

    provoked: set[int] = field(default_factory=set)
    allowed: set[str] = field(default_factory=set)
    hosts: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    _seen: set[int | str] = field(default_factory=set)

    async def over(self, context: BrowserContext) -> None:
        """Begins; before the context's first page."""
        context.on("console", self._hear)
        context.on("weberror", self._catch)
        context.on("dialog", self._dismiss)
        context.on("request", self._meet)
        await context.add_init_script(_TELL_VIOLATIONS)

    def check(self) -> None:
        """At a story's end: nothing but what was provoked, and all of that."""
        assert self.faults == []
        assert self._seen == self.provoked | self.allowed
        assert self.hosts <= NEARBY

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type != "error":
            return
        status = _STATUS.match(message.text)
        if status and int(status[1]) in self.provoked:
            self._seen.add(int(status[1]))
            return
        for text in self.allowed:
            if text in message.text:
                self._seen.add(text)
                return
        self.faults.append(f"console: {message.text} ({message.location})")

    def _catch(self, error: WebError) -> None:
        self.faults.append(f"uncaught: {error.error}")

    async def _dismiss(self, dialog: Dialog) -> None:
        self.faults.append(f"{dialog.type}: {dialog.message}")
        await dialog.dismiss()

    def _meet(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"}:
            self.hosts.add(parts.hostname or request.url)


@dataclass
class Visitor:
    """A person with a browser (and cookie jar) of their own, looking at one page."""

    context: BrowserContext
    page: Page
    service: Service
    watch: Watch

    async def open(self, path: str = "/") -> None:
        """Goes to an address of the service."""
        await self.page.goto(self.service.origin + path)

    async def open_tab(self) -> "Visitor":
        """Another tab of the same browser."""
        page = await self.context.new_page()
        return Visitor(self.context, page, self.service, self.watch)

    async def log_in(self, person: str, *, declined: Sequence[str] = ()) -> None:
        """From the signed-out page to the accounts, by redirect."""
        await self.page.get_by_role("link", name="Continue with Facebook").click()
        await self.consent(person, declined=declined)
        await self.see_accounts()

    async def arrive_as(self, person: str) -> None:
        """At the accounts, logged in without having seen the login: for stories that begin here."""
        self.service.met.add(person)
        requests = self.context.request
        dialog = await requests.get(f"{self.service.origin}/auth/facebook")
        await requests.post(dialog.url, form={"person": person, "decision": "continue"})
        await self.open()
        await self.see_accounts()

    async def consent(self, person: str, *, declined: Sequence[str] = ()) -> None:
        """At the dialog: says who one is, declines, continues."""
        await self.introduce(person)
        for permission in declined:
            await self.page.locator(f'[name="declined"][value="{permission}"]').check()
        await self.decide("continue")

    async def introduce(self, person: str) -> None:
        """At the dialog: says who one is, unless Facebook knows already."""
        self.service.met.add(person)
        await self.page.wait_for_url(DIALOG)
        choice = self.page.locator(f'[name="person"][value="{person}"]')
        if await choice.count():
            await choice.click()
        await expect(self.page.locator('[name="decision"][value="continue"]')).to_be_visible()

    async def decide(self, decision: str) -> None:
        """At the dialog: `continue` or `cancel`."""
        await self.page.locator(f'[name="decision"][value="{decision}"]').click()

    async def see_accounts(self) -> None:
        """Waits for the listing."""
        await expect(self.test_id("accounts-view")).to_be_visible()
        await expect(self.test_id("loading")).to_have_count(0)

    async def see_signed_out(self) -> None:
        """Waits for the page that offers the login."""
        await expect(self.test_id("signed-out")).to_be_visible()

    async def go_to(self, view: str) -> None:
        """To one of the three views, by its link."""
        await (
            self.page.get_by_role("navigation", name="Main").get_by_role("link", name=view).click()
        )
        await expect(self.page.get_by_role("heading", level=1)).to_be_visible()

    def test_id(self, name: str, **data: str) -> Locator:
        """An element of the example app by its test id, and by more of its data."""
        more = "".join(f'[data-{key.replace("_", "-")}="{value}"]' for key, value in data.items())
        return self.page.locator(f'[data-testid="{name}"]{more}')

    def button(self, name: str) -> Locator:
        """A button by its whole name."""
        return self.page.get_by_role("button", name=name, exact=True)

    def link(self, name: str) -> Locator:
        """A link by a part of its name."""
        return self.page.get_by_role("link", name=name)
