"""Accounts as Instagram Login sees them, with their codes and tokens (instagram-login-facts).

One account is all that a login of that door is about (5.7). Some are the very accounts that the
Facebook cast has behind its Pages: `user_id` is their id there (5.2).
"""

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

BASIC = "instagram_business_basic"
PERMISSIONS = (
    BASIC,
    "instagram_business_content_publish",
    "instagram_business_manage_comments",
    "instagram_business_manage_messages",
    "instagram_business_manage_insights",
)
Kind = Literal["BUSINESS", "MEDIA_CREATOR", "PERSONAL"]
IdKind = Literal["text", "number"]
PermissionsKind = Literal["text", "list", "absent"]
NoRole = Literal["graph", "exchange", "redirect", "page"]


@dataclass(frozen=True, slots=True)
class Shape:
    """How Instagram words its answers for one account; all of these were seen (3.2, 5.1, 4.2)."""

    wrapped: bool = False
    ids: IdKind = "text"
    permissions: PermissionsKind = "text"
    same_token: bool = False


@dataclass(slots=True)
class Account:
    """An Instagram account that somebody signs in with.

    `id` is this app's own id of it, `user_id` the professional account's (5.1). `no_role`: the
    account has no role on this app, and where that shows (1.7, 2.3, 4.4). `held_hours`: from how
    many hours after a login until how many it waits at a checkpoint, which then heals (6.2).
    """

    key: str
    number: int
    summary: str
    user_id: str | None
    username: str
    name: str | None = None
    kind: Kind = "BUSINESS"
    followers_count: int = 100
    shape: Shape = field(default_factory=Shape)
    no_role: NoRole | None = None
    held_hours: tuple[float, float] | None = None
    at_checkpoint: bool = False
    permissions: list[str] | None = None
    logged_in_at: datetime | None = None

    @property
    def id(self) -> str:
        """The app-scoped id: above 2⁵³, as they are (3.2)."""
        return f"260000000000{self.number:05d}"

    def is_held(self, now: datetime) -> bool:
        """Whether Instagram wants the person to pass a checkpoint first."""
        if self.held_hours is None or self.logged_in_at is None:
            return self.at_checkpoint
        first, last = (self.logged_in_at + timedelta(hours=hours) for hours in self.held_hours)
        return self.at_checkpoint or first <= now < last


CAST = (
    Account(
        "bakery",
        1,
        "Invented Bakery, the first account of ada's: behind both doors.",
        "17841401000000001",
        "invented.bakery",
        "Invented Bakery",
        followers_count=1204,
        shape=Shape(wrapped=True),
    ),
    Account(
        "flowers",
        2,
        "ada's second account, behind both doors; answers are flat, ids are numbers.",
        "17841401000000002",
        "invented_flowers",
        "Invented Flowers",
        followers_count=1205,
        shape=Shape(ids="number", permissions="list"),
    ),
    Account(
        "ceramics",
        3,
        "cleo's account: behind both doors.",
        "17841403000000001",
        "cleo.ceramics",
        "Cleo Ceramics",
        shape=Shape(wrapped=True, ids="number", same_token=True),
    ),
    Account(
        "studio",
        4,
        "A creator without any Page: behind this door alone.",
        "17841490000000004",
        "studio.invented",
        "Studio Invented",
        "MEDIA_CREATOR",
    ),
    Account(
        "market",
        5,
        "Behind this door alone; nobody says which permissions it gave.",
        "17841490000000005",
        "night.market",
        "Night Market",
        shape=Shape(permissions="absent"),
    ),
    Account(
        "private",
        6,
        "A personal account: the consent goes well, then nothing more does.",
        "17841490000000006",
        "just.me",
        "Just Me",
        "PERSONAL",
    ),
    Account(
        "stranger",
        7,
        "No role on this app: consent and exchange go well, then 'method type: get'.",
        "17841490000000007",
        "not.invited",
        no_role="graph",
    ),
    Account(
        "held",
        8,
        "One hour after the login a checkpoint, which is passed six hours later.",
        "17841490000000008",
        "held.up",
        "Held Up",
        held_hours=(1, 7),
    ),
    Account(
        "nameless",
        9,
        "Instagram tells no user_id: only this app's own id is known.",
        None,
        "no.user.id",
    ),
)

# --- codes and tokens ---


@dataclass(slots=True)
class LoginCode:
    """A code: single use, one hour, bound to its redirect_uri (2.4)."""

    text: str
    account: str
    redirect_uri: str
    scopes: tuple[str, ...]
    issued_at: datetime
    used: bool = False


@dataclass(slots=True)
class AccountToken:
    """A token of one account; `death` is what it answers since it was killed before its time."""

    text: str
    account: str
    long_lived: bool
    issued_at: datetime
    expires_at: datetime
    death: str | None = None


@dataclass(slots=True)
class InstagramWorld:
    """Every account of that door, and what was given out to it."""

    accounts: dict[str, Account] = field(default_factory=dict)
    codes: dict[str, LoginCode] = field(default_factory=dict)
    tokens: dict[str, AccountToken] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.accounts:
            self.reset()

    def reset(self) -> None:
        """The cast as at the start, without codes and tokens."""
        self.accounts = {each.key: replace(each) for each in CAST}
        self.codes.clear()
        self.tokens.clear()

    def add_account(self, key: str, username: str, **more: object) -> Account:
        """Somebody new, professional and behind this door alone unless told."""
        number = max(each.number for each in self.accounts.values()) + 1
        more.setdefault("user_id", f"178414900000{number:05d}")
        account = Account(key, number, "Made by a test.", username=username, **more)  # type: ignore[arg-type]
        self.accounts[key] = account
        return account

    def add_code(
        self, account: Account, redirect_uri: str, scopes: tuple[str, ...], now: datetime
    ) -> LoginCode:
        """A consent: what was granted before is forgotten, what befell the account too."""
        account.permissions, account.logged_in_at = list(scopes), now
        text = f"AQB{secrets.token_urlsafe(150)}"
        self.codes[text] = LoginCode(text, account.key, redirect_uri, scopes, now)
        return self.codes[text]

    def add_token(
        self, account: str, seconds: int, now: datetime, *, long_lived: bool
    ) -> AccountToken:
        """A token; opaque, begins `IGAA` (1.9)."""
        text = f"IGAA{'L' if long_lived else 'S'}{secrets.token_hex(60)}"
        ends = now + timedelta(seconds=seconds)
        self.tokens[text] = AccountToken(text, account, long_lived, now, ends)
        return self.tokens[text]

    def of(self, key: str) -> list[AccountToken]:
        """Every token given out for that account."""
        return [token for token in self.tokens.values() if token.account == key]

    def kill(self, key: str, death: str) -> None:
        """End its living tokens; they answer so from now on."""
        for token in self.of(key):
            token.death = token.death or death

    def remember(self) -> "InstagramRecord":
        """What shall outlive the process: of accounts only what differs from the cast."""
        records = {each.key: AccountRecord.of(each) for each in self.accounts.values()}
        usual = {each.key: AccountRecord.of(each) for each in CAST}
        changed = {key: each for key, each in records.items() if each != usual.get(key)}
        return InstagramRecord(
            accounts=changed, codes=[*self.codes.values()], tokens=[*self.tokens.values()]
        )

    def recall(self, record: "InstagramRecord") -> None:
        """Puts back what was remembered; what the cast no longer has is skipped."""
        for key, known in record.accounts.items():
            for name in AccountRecord.model_fields if key in self.accounts else ():
                setattr(self.accounts[key], name, getattr(known, name))
        self.codes.update({each.text: each for each in record.codes})
        self.tokens.update(
            {each.text: each for each in record.tokens if each.account in self.accounts}
        )


class AccountRecord(BaseModel):
    """What can become of an account."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    no_role: NoRole | None
    at_checkpoint: bool
    permissions: list[str] | None
    logged_in_at: AwareDatetime | None

    @classmethod
    def of(cls, account: Account) -> "AccountRecord":
        """As it is now."""
        return cls(**{name: getattr(account, name) for name in cls.model_fields})


class InstagramRecord(BaseModel):
    """That door in a state file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accounts: dict[str, AccountRecord] = Field(default_factory=dict)
    codes: list[LoginCode] = Field(default_factory=list)
    tokens: list[AccountToken] = Field(default_factory=list)
