"""People, and what they have at the offline Facebook: Pages, Instagram accounts, portfolios.

Pages, accounts and businesses are frozen; a `Person` is a small mutable store of them, so that a
test can add, swap and take away. Nothing here knows HTTP.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from igauth.sandbox.graph.answers import GraphError

ALL_TASKS = ("ANALYZE", "ADVERTISE", "MESSAGING", "MODERATE", "CREATE_CONTENT", "MANAGE")

GranularVariant = Literal["listed", "absent", "null", "empty", "missing", "twice"]
ExpiryVariant = Literal["stated", "absent", "never"]


@dataclass(frozen=True, slots=True)
class InstagramAccount:
    """An Instagram professional account (facts 8.2); what is None is omitted on the wire (8.4).

    `trouble` is how a direct read fails; the account's key then vanishes from its Page (8.8).
    """

    id: str
    username: str | None = None
    name: str | None = None
    biography: str | None = None
    website: str | None = None
    has_picture: bool = True
    picture_url: str | None = None
    followers_count: int | None = 0
    follows_count: int | None = 0
    media_count: int | None = 0
    trouble: GraphError | None = None
    offered: bool = True


@dataclass(frozen=True, slots=True)
class Page:
    """A Facebook Page as one person sees it (facts 7.2, 7.6).

    `listed`: may stand in /me/accounts. `assigned`: the person has a role, so that a token and the
    Instagram account are given. `offered`: the dialog lets the person choose it. `formerly`: the id
    that was chosen before a migration.
    """

    id: str
    name: str | None
    instagram: str | None = None
    connected_instagram: str | None = None
    category: str = "Local business"
    tasks: tuple[str, ...] = ALL_TASKS
    username: str | None = None
    business: str | None = None
    relation: Literal["owned", "client"] = "owned"
    listed: bool = True
    assigned: bool = True
    gives_token: bool = True
    offered: bool = True
    formerly: str | None = None
    trouble: GraphError | None = None


@dataclass(frozen=True, slots=True)
class Business:
    """A business portfolio of the person's (facts 7.6); `trouble`: how its edges refuse them."""

    id: str
    name: str
    verification_status: str = "verified"
    offered: bool = True
    trouble: GraphError | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """Which assets a consent covers; None means all, now and in future (facts 4.4)."""

    pages: frozenset[str] | None = None
    instagram_accounts: frozenset[str] | None = None
    businesses: frozenset[str] | None = None

    def has_page(self, page: Page) -> bool:
        """Whether the Page was chosen, under its present or its former id."""
        return self.pages is None or page.id in self.pages or page.formerly in self.pages

    def has_account(self, account_id: str) -> bool:
        """Whether the Instagram account was chosen."""
        return self.instagram_accounts is None or account_id in self.instagram_accounts

    def has_business(self, business_id: str) -> bool:
        """Whether the portfolio was chosen."""
        return self.businesses is None or business_id in self.businesses


@dataclass(slots=True)
class Grant:
    """What one person allows the app: statuses of permissions and the chosen assets (facts 9.1)."""

    permissions: dict[str, str]
    choice: Choice
    given_at: datetime
    data_access_until: datetime

    def has(self, permission: str) -> bool:
        """Whether the permission is granted just now."""
        return self.permissions.get(permission) == "granted"

    def names(self, status: str) -> list[str]:
        """Permissions with that status, in the order in which they were asked."""
        return [name for name, found in self.permissions.items() if found == status]


@dataclass(slots=True)
class Quirks:
    """How Facebook behaves oddly for one person; every switch is off by default.

    `page_sizes`: most entries of the successive pages of /me/accounts (facts 7.4, short pages).
    `odd_entries`: raw JSON put into an edge's first page. `granular`: facts 4.4. `expiry`: facts
    3.2. `fragile`: the token dies (190/460) as soon as an endpoint is asked a second time.
    `refused_fields`: by node id and field, the code (100 or 10) that the field's mention costs the
    whole call, wherever the node is shown (facts 6.5, 7.2b).
    """

    page_sizes: tuple[int, ...] = ()
    odd_entries: dict[str, tuple[object, ...]] = field(default_factory=dict)
    granular: GranularVariant = "listed"
    expiry: ExpiryVariant = "stated"
    fragile: bool = False
    odd_granular: tuple[object, ...] = ()
    refused_fields: dict[str, dict[str, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Person:
    """Somebody with a Facebook account; `id` is app-scoped (facts 6.4)."""

    key: str
    number: int
    id: str
    name: str
    email: str | None
    summary: str
    picture_url: str | None = None
    pages: dict[str, Page] = field(default_factory=dict)
    accounts: dict[str, InstagramAccount] = field(default_factory=dict)
    businesses: dict[str, Business] = field(default_factory=dict)
    grant: Grant | None = None
    quirks: Quirks = field(default_factory=Quirks)
    at_checkpoint: bool = False
    unconfirmed: bool = False
    answered: set[str] = field(default_factory=set)

    @property
    def system_user_id(self) -> str:
        """Who `me` is for a system-user token of this person's portfolio (facts 1.9)."""
        return f"12200000000000{self.number:02d}"

    @property
    def assets(self) -> dict[str, Mapping[str, Page | InstagramAccount | Business]]:
        """What the person has of each kind of `Choice`, by id."""
        return {
            "pages": self.pages,
            "instagram_accounts": self.accounts,
            "businesses": self.businesses,
        }

    def add_page(
        self, name: str | None, *, instagram: InstagramAccount | str | None = None, **more: object
    ) -> Page:
        """Add a Page, by default with a fresh id, all tasks and no Instagram account.

        `more` are fields of `Page`. An `InstagramAccount` given is added as well.
        """
        if isinstance(instagram, InstagramAccount):
            self.accounts[instagram.id] = instagram
            instagram = instagram.id
        more.setdefault("id", _fresh_id(f"1000{self.number:02d}", self.pages))
        page = Page(name=name, instagram=instagram, **more)  # type: ignore[arg-type]
        self.pages[page.id] = page
        return page

    def add_instagram(self, username: str | None, **more: object) -> InstagramAccount:
        """Add an Instagram account, linked to nothing yet; `more` are its fields."""
        more.setdefault("id", _fresh_id(f"17841{400 + self.number}", self.accounts))
        account = InstagramAccount(username=username, **more)  # type: ignore[arg-type]
        self.accounts[account.id] = account
        return account

    def add_business(self, name: str, **more: object) -> Business:
        """Add a portfolio in which the person has a role."""
        more.setdefault("id", _fresh_id(f"20000{self.number:02d}", self.businesses))
        business = Business(name=name, **more)  # type: ignore[arg-type]
        self.businesses[business.id] = business
        return business

    def change_page(self, page_id: str, **changes: object) -> Page:
        """Swap a Page for one with other fields."""
        self.pages[page_id] = replace(self.pages[page_id], **changes)  # type: ignore[arg-type]
        return self.pages[page_id]

    def change_account(self, account_id: str, **changes: object) -> InstagramAccount:
        """Swap an Instagram account for one with other fields."""
        found = self.accounts[account_id]
        self.accounts[account_id] = replace(found, **changes)  # type: ignore[arg-type]
        return self.accounts[account_id]

    def link_instagram(self, page_id: str, account_id: str) -> None:
        """Link an Instagram account of this person to a Page."""
        if account_id not in self.accounts:
            raise KeyError(account_id)
        self.change_page(page_id, instagram=account_id, connected_instagram=account_id)

    def unlink_instagram(self, page_id: str) -> None:
        """Take the Instagram account off a Page (facts 8.8)."""
        self.change_page(page_id, instagram=None, connected_instagram=None)

    def everything(self) -> Choice:
        """All that the dialog offers to this person now, by id."""
        return Choice(
            **{
                kind: frozenset(asset.id for asset in assets.values() if asset.offered)
                for kind, assets in self.assets.items()
            }
        )

    def decline(self, permission: str) -> None:
        """Take one permission away; it is then listed as declined (facts 9.1, 9.3)."""
        if self.grant is not None and permission in self.grant.permissions:
            self.grant.permissions[permission] = "declined"


def _fresh_id(prefix: str, taken: Collection[str]) -> str:
    number = len(taken) + 1
    while f"{prefix}{number:09d}" in taken:
        number += 1
    return f"{prefix}{number:09d}"
