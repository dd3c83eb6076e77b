"""A door: what igauth asks of Facebook Login and of Instagram Login alike (contract §3, §10).

Each door speaks its own wire behind these verbs; only the types of this module cross. Whatever
a door raises is a `GraphError` (what it means: `verdicts`), or a refusal of `igauth.errors` that
only a login can end with.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr

from igauth.domain import (
    GranularScopes,
    InstagramAccount,
    InstagramAccountId,
    Page,
    PageId,
    Permissions,
    Provider,
    Source,
    Subject,
)
from igauth.meta.errors import GraphError, GraphRefusal


@dataclass(frozen=True, slots=True)
class UserToken:
    """A person's access token, and the key of the person whose pauses its calls keep."""

    secret: SecretStr
    person: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token that Meta just issued.

    `expires_at` None: Meta named no date. `granted`: the scopes that came with it, None where
    the answer didn't say.
    """

    access_token: SecretStr
    expires_at: datetime | None
    granted: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose token it is. `other_subject`: Instagram's second id of the same account."""

    subject: Subject
    name: str | None = None
    picture_url: str | None = None
    other_subject: Subject | None = None


@dataclass(frozen=True, slots=True)
class GrantFacts:
    """What Meta says of a grant. None: it didn't say; instants in UTC.

    `speaks_of_dates` False: a probe that told only that the token lives; its dates are as before.
    """

    token_expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    permissions: Permissions | None = None
    granular: GranularScopes | None = None
    speaks_of_dates: bool = True


@dataclass(frozen=True, slots=True)
class Identified:
    """A login whose token is proved ours.

    `token` is the long-lived one where the upgrade succeeded. `discovery` still fills the
    findings that `identify` was given; whoever doesn't want it cancels it.
    """

    identity: Identity
    token: IssuedToken
    long_lived: bool
    facts: GrantFacts
    discovery: "asyncio.Task[None]"


@dataclass(frozen=True, slots=True)
class Check:
    """What Meta says of a token now: facts where it lives, else the refusal that ended it.

    `refusal` beside facts: the token lives, and is held up (a checkpoint).
    """

    facts: GrantFacts | None
    refusal: GraphRefusal | None = None
    is_ours: bool = True


@dataclass(frozen=True, slots=True)
class Renewed:
    """A new token in place of one close to its end, and what Meta says of it."""

    token: IssuedToken
    facts: GrantFacts


@dataclass(frozen=True, slots=True)
class PageNode:
    """A Page with the Instagram account linked to it; None where the key is absent (trap 22).

    `has_page_token`: whether Facebook gives us a token for it; None where it wasn't asked.
    `shows_link`: whether the answer could have shown an account; else nothing is known of it.
    """

    page: Page
    instagram: InstagramAccount | None
    has_page_token: bool | None = None
    shows_link: bool = True


class Findings(Protocol):
    """Where a discovery puts what it finds; `igauth.listing.findings` keeps and explains it.

    Nothing here raises or waits. A source counts as failed until it is `done`.
    """

    def expect(self, *sources: Source) -> None:
        """The sources that this discovery asks, told before it asks any."""
        ...

    def done(self, *sources: Source) -> None:
        """These sources have nothing more to say."""
        ...

    def fail(self, error: GraphError, *sources: Source) -> None:
        """These sources didn't answer in full."""
        ...

    def truncate(self, source: Source) -> None:
        """A bound ended the walk of this source: there may be more."""
        ...

    def grant(self, permissions: Permissions) -> None:
        """What the person granted."""
        ...

    def choose(self, granular: GranularScopes) -> None:
        """What the person ticked in the dialog."""
        ...

    def add_page(self, node: PageNode, source: Source) -> None:
        """A Page, with the account that is linked to it."""
        ...

    def add_account(self, account: InstagramAccount, source: Source) -> None:
        """An account that was read by itself."""
        ...

    def add_unread_page(self, page_id: PageId, error: GraphError, source: Source) -> None:
        """A granted Page whose node can't be read."""
        ...

    def add_unread_account(
        self, account_id: InstagramAccountId, error: GraphError, source: Source
    ) -> None:
        """A granted account whose node can't be read, or used."""
        ...

    def add_malformed(self, source: Source, page_id: PageId | None = None) -> None:
        """An entry that Meta described in a way that can't be read."""
        ...

    def knows_page(self, page_id: PageId) -> bool:
        """Whether some source has shown this Page already."""
        ...

    def knows_account(self, account_id: InstagramAccountId) -> bool:
        """Whether some source has shown this account already."""
        ...

    @property
    def is_empty(self) -> bool:
        """Whether no Page and no account was found."""
        ...


class Door(Protocol):
    """One way to a grant. Every method but `dialog_address` and `renewal_due_at` crosses the
    network."""

    @property
    def provider(self) -> Provider:
        """Which door it is."""
        ...

    @property
    def app_id(self) -> str:
        """Meta's number of the app behind this door."""
        ...

    @property
    def served_version(self) -> str | None:
        """The API version that Meta really served last; None before the first answer."""
        ...

    @property
    def can_revoke(self) -> bool:
        """Whether a grant can be taken back by a call (Facebook), or by the person alone."""
        ...

    def dialog_address(self, *, state: str, code_challenge: str, prompt: str | None) -> str:
        """Where the browser is sent; `prompt` is ours: None, "select" or "reauthorize"."""
        ...

    async def warm(self) -> None:
        """Opens connections for a callback that will come soon. Never raises."""
        ...

    async def exchange(self, code: str, code_verifier: str) -> IssuedToken:
        """Spends the code: one HTTP attempt, whatever comes. First round trip of a login."""
        ...

    async def identify(self, issued: IssuedToken, findings: Findings) -> Identified:
        """Second round trip: upgrade, proof that the token is ours, profile, first listing.

        Raises TokenNotOurs, ServiceMisconfigured, or GraphError.
        """
        ...

    async def check(self, token: UserToken, subject: Subject) -> Check:
        """What Meta says of this token now. Raises GraphError where it said nothing about it."""
        ...

    def renewal_due_at(
        self, issued_at: datetime | None, ends_at: datetime | None
    ) -> datetime | None:
        """From when on a token of these dates is to be renewed; None: by `EXPIRING_DAYS`."""
        ...

    async def renew(self, token: UserToken, subject: Subject, known: GrantFacts) -> Renewed | None:
        """A better token than the one whose facts are `known`; None where there is none now.

        Raises GraphError where Meta didn't answer.
        """
        ...

    async def discover(
        self, token: UserToken, findings: Findings, known: GrantFacts
    ) -> GrantFacts | None:
        """Fills `findings`; returns what it learned of the grant on the way, if anything.

        Raises GraphError if the token is dead or no source answered.
        """
        ...

    async def revoke(self, subject: Subject) -> None:
        """Returns once Meta confirmed that the grant has ended. Raises GraphError."""
        ...

    async def check_app(self) -> None:
        """Returns if Meta accepts our id and secret. Raises GraphError."""
        ...
