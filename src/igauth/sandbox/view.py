"""What one call may see: the person behind its token, their grant, and links made for it."""

from dataclasses import dataclass, field
from urllib.parse import urlencode

from igauth.sandbox.ledger import Token
from igauth.sandbox.pictures import picture_link
from igauth.sandbox.state import State
from igauth.sandbox.world import Grant, InstagramAccount, Page, Person

_PICTURE_SIZES = {"small": 50, "normal": 100, "album": 50, "large": 200, "square": 50}


@dataclass(slots=True)
class View:
    """One call's eyes. Collects which accounts and Pages it touched, for usage headers (11.3)."""

    state: State
    token: Token
    person: Person
    grant: Grant
    version: str
    origin: str
    touched_accounts: dict[str, None] = field(default_factory=dict)
    touched_pages: dict[str, None] = field(default_factory=dict)

    def sees_in_list(self, page: Page) -> bool:
        """Whether /me/accounts shows the Page: chosen, role, not hidden in a portfolio (7.6)."""
        if not (page.listed and page.assigned and page.trouble is None):
            return False
        return self.grant.choice.has_page(page) and self._portfolio_open(page)

    def _portfolio_open(self, page: Page) -> bool:
        if page.business is None:
            return True
        return page.business in self.person.businesses and self.sees_business(page.business)

    def sees_business(self, business_id: str) -> bool:
        """Whether the portfolio may be looked into (facts 7.6, work-around B)."""
        allowed = self.grant.has("business_management")
        return allowed and self.grant.choice.has_business(business_id)

    def has_role(self, page: Page) -> bool:
        """Whether token and Instagram account of the Page are given (facts 7.7, 7.8)."""
        return page.assigned and self.grant.choice.has_page(page)

    def account_of(self, page: Page) -> InstagramAccount | None:
        """The professional account behind a Page, or None: then the key is absent (facts 7.7)."""
        account = self.person.accounts.get(page.instagram or "")
        if account is None or account.trouble is not None or not self.has_role(page):
            return None
        granted = self.grant.has("instagram_basic")
        return account if granted and self.grant.choice.has_account(account.id) else None

    def page_token(self, page: Page) -> str | None:
        """The Page's token, or None where the person's role doesn't allow it (facts 7.8)."""
        given = page.gives_token and self.has_role(page)
        return self.state.ledger.page_token(self.token, page.id) if given else None

    def picture_of(self, node_id: str) -> str:
        """A signed link that dies after some days (facts 8.5)."""
        return picture_link(self.state.config.pictures, node_id, self.state.clock.unix())

    def account_picture(self, account: InstagramAccount) -> str | None:
        """`profile_picture_url`; None where the account has none (facts 8.4)."""
        if not account.has_picture:
            return None
        return account.picture_url or self.picture_of(account.id)

    def edge_link(self, owner_id: str, edge: str, params: dict[str, str]) -> str:
        """A complete paging link: numeric id for `me`, token in clear, no proof (7.4, 5.7)."""
        query = urlencode({"access_token": self.token.text, **params})
        return f"{self.origin}/{self.version}/{owner_id}/{edge}?{query}"


def picture_size(modifiers: dict[str, str]) -> tuple[int, int]:
    """Width and height that a `picture` field or edge asks for; 50 by default (facts 6.1)."""
    base = _PICTURE_SIZES.get(modifiers.get("type", ""), 50)
    width = _size(modifiers.get("width"), base)
    return width, _size(modifiers.get("height"), width)


def _size(text: str | None, default: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 5 else default
