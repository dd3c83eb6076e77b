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

from igauth.domain import GranularScopes, Permissions, Provider, Subject
from igauth.meta.errors import GraphRefusal


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
    """What Meta says of a grant. None: it didn't say; instants in UTC."""

    token_expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    permissions: Permissions | None = None
    granular: GranularScopes | None = None


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


class Findings(Protocol):
    """Where a discovery puts what it finds; `igauth.listing.findings` keeps and explains it."""


class Door(Protocol):
    """One way to a grant. Every method but `dialog_address` crosses the network."""

    @property
    def provider(self) -> Provider:
        """Which door it is."""
        ...

    @property
    def app_id(self) -> str:
        """Meta's number of the app behind this door."""
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
