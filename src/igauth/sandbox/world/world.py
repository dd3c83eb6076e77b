"""Everybody at the offline Facebook, and the codes and tokens given out to them (facts 2, 3, 4)."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from igauth.sandbox.graph.answers import GraphError
from igauth.sandbox.world.people import Choice, ExpiryVariant, GranularVariant, Page, Person

TokenKind = Literal["USER", "PAGE", "APP", "SYSTEM_USER"]
_PAGE_TOKEN = re.compile(r"EAAP([0-9a-f]{8})G(\w+)Z([0-9a-f]{40})")


@dataclass(frozen=True, slots=True)
class CastMember:
    """Somebody before anybody asked for them: built on first use (10,000 Pages!)."""

    key: str
    number: int
    name: str
    summary: str
    build: Callable[[Person], None]

    @property
    def id(self) -> str:
        """The stable app-scoped user id."""
        return f"102000000000000{self.number:02d}"

    def person(self) -> Person:
        """A fresh person with all they have."""
        email = f"{self.key}@example.test"
        made = Person(self.key, self.number, self.id, self.name, email, self.summary)
        self.build(made)
        return made


@dataclass(frozen=True, slots=True)
class Original:
    """What a member of the cast had at the start; the Pages themselves are shared, not copied."""

    pages: dict[str, Page]
    offered: Choice
    granular: GranularVariant
    expiry: ExpiryVariant
    refused_fields: dict[str, dict[str, int]]


class UnknownPerson(KeyError):
    """Nobody of that key is in the cast."""

    def __str__(self) -> str:
        return f"nobody called {self.args[0]!r} is in the sandbox's cast"


class World:
    """Everybody at the offline Facebook, by key.

    `largest_limit`: more than that in one page is "too much data" (facts 6.7, 7.5).
    """

    def __init__(self, cast: Iterable[CastMember]) -> None:
        self._original = tuple(cast)
        self.reset()

    def reset(self) -> None:
        """The original cast, without grants and without what tests added."""
        self._cast = {member.key: member for member in self._original}
        self._people: dict[str, Person] = {}
        self._originals: dict[str, Original] = {}
        self.largest_limit = 500

    @property
    def cast(self) -> list[CastMember]:
        """Who can be picked, in order, without building anybody."""
        return list(self._cast.values())

    def person(self, key: str) -> Person:
        """The person of that key, built when first asked for; raises `UnknownPerson`."""
        if key not in self._people:
            if key not in self._cast:
                raise UnknownPerson(key)
            self._people[key] = self._cast[key].person()
            if self._cast[key] in self._original:
                self._originals[key] = _original(self._people[key])
        return self._people[key]

    def original(self, key: str) -> Original:
        """What a member of the cast, met before, had at the start."""
        return self._originals[key]

    def met(self) -> Iterable[tuple[Person, Original | None]]:
        """Everybody asked for so far; None for those whom a test made."""
        return [(person, self._originals.get(key)) for key, person in self._people.items()]

    def known(self, key: str) -> bool:
        """Whether somebody of that key is in the cast."""
        return key in self._cast

    def add_person(self, key: str, name: str, summary: str = "Made by a test.") -> Person:
        """Somebody new, without Pages; appears in the dialog as well."""
        number = max((member.number for member in self.cast), default=0) + 1
        self._cast[key] = CastMember(key, number, name, summary, lambda _: None)
        return self.person(key)

    def by_id(self, user_id: str) -> Person | None:
        """The person with that app-scoped id."""
        keys = (member.key for member in self.cast if member.id == user_id)
        key = next(keys, None)
        return None if key is None else self.person(key)

    def owner_of(self, node_id: str) -> Person | None:
        """Who of those met has that id, or a Page, account or portfolio of that id."""
        for person in self._people.values():
            if node_id == person.id or any(node_id in each for each in person.assets.values()):
                return person
        return None


def _original(person: Person) -> Original:
    quirks = person.quirks
    refused = {node_id: dict(names) for node_id, names in quirks.refused_fields.items()}
    everything = person.everything()
    return Original(dict(person.pages), everything, quirks.granular, quirks.expiry, refused)


# --- codes and tokens ---


def hmac_hex(secret: str, message: str) -> str:
    """Lower-case hex HMAC-SHA256, as Facebook uses it; nothing of `igauth.security` on purpose."""
    return hmac.new(secret.encode(), message.encode(), hashlib.sha256).hexdigest()


@dataclass(slots=True)
class Code:
    """An authorization code: single use, short life, bound to redirect_uri (facts 1.4, 2.2)."""

    text: str
    person: str
    redirect_uri: str
    issued_at: datetime
    challenge: str | None = None
    challenge_method: str = "S256"
    system_user: bool = False
    auth_type: str | None = None
    used: bool = False


@dataclass(slots=True)
class Token:
    """An access token. `expires_at` None = never; `death` = why it was killed before its time.

    A Page token hangs on the user token that it was read with (facts 3.6).
    """

    text: str
    kind: TokenKind
    person: str | None = None
    serial: int = 0
    issued_at: datetime | None = None
    expires_at: datetime | None = None
    long_lived: bool = False
    page_id: str | None = None
    parent: "Token | None" = None
    auth_type: str | None = None
    foreign: bool = False
    death: GraphError | None = None

    @property
    def root(self) -> "Token":
        """The user's token behind a Page token, else itself."""
        return self.parent or self


@dataclass(slots=True)
class Ledger:
    """Every code and token of one sandbox. Page tokens are derived, not stored."""

    app_id: str
    app_secret: str
    codes: dict[str, Code] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    page_token_key: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    next_serial: int = 0
    _serials: dict[int, Token] = field(default_factory=dict)

    @property
    def app_token(self) -> str:
        """The app access token as it can be composed by hand (facts 2.7)."""
        return f"{self.app_id}|{self.app_secret}"

    @property
    def issued_app_token(self) -> str:
        """The app access token as `client_credentials` gives it (facts 2.7)."""
        return f"{self.app_id}|{hmac_hex(self.app_secret, 'app token')[:27]}"

    def add_code(self, person: str, redirect_uri: str, issued_at: datetime, **more: object) -> Code:
        """A fresh code of several hundred characters (facts 1.4)."""
        text = "AQB" + secrets.token_urlsafe(225)
        code = Code(text, person, redirect_uri, issued_at, **more)  # type: ignore[arg-type]
        self.codes[text] = code
        return code

    def add_token(self, kind: TokenKind, person: str, **more: object) -> Token:
        """A fresh user or system-user token; opaque, begins `EAA` (facts 2.6)."""
        text = f"EAA{kind[0]}{secrets.token_hex(88)}"
        token = Token(text, kind, person, self.next_serial, **more)  # type: ignore[arg-type]
        self.next_serial += 1
        self.put(token)
        return token

    def put(self, token: Token) -> None:
        """Enter a token that exists already; another app's has no serial number here."""
        self.tokens[token.text] = token
        if not token.foreign:
            self._serials[token.serial] = token

    def page_token(self, token: Token, page_id: str) -> str:
        """The Page token for (Page, person, app), the same each time it's read (facts 3.6)."""
        head = f"{token.root.serial:08x}G{page_id}"
        return f"EAAP{head}Z{hmac_hex(self.page_token_key, head)[:40]}"

    def find(self, text: str) -> Token | None:
        """The token of that text, dead or alive; None if it was never given out."""
        if text in (self.app_token, self.issued_app_token):
            return Token(text, "APP")
        return self.tokens.get(text) or self._find_page_token(text)

    def _find_page_token(self, text: str) -> Token | None:
        match = _PAGE_TOKEN.fullmatch(text)
        if match is None:
            return None
        parent, page_id = self._serials.get(int(match[1], 16)), match[2]
        if parent is None or self.page_token(parent, page_id) != text:
            return None
        expires_at = None if parent.long_lived else parent.expires_at
        token = Token(text, "PAGE", parent.person, expires_at=expires_at, page_id=page_id)
        token.long_lived, token.parent = parent.long_lived, parent
        return token

    def of_person(self, key: str) -> list[Token]:
        """Every user or system-user token given out for that person."""
        return [token for token in self._serials.values() if token.person == key]

    def kill(self, key: str, death: GraphError) -> None:
        """End that person's living tokens, and with them their Page tokens."""
        for token in self.of_person(key):
            token.death = token.death or death

    def reset(self) -> None:
        """Forget every code and token; with a new key, since serials begin anew."""
        self.codes.clear()
        self.tokens.clear()
        self._serials.clear()
        self.next_serial = 0
        self.page_token_key = secrets.token_hex(16)

    def add_foreign_token(self) -> Token:
        """A token that Facebook gave to another app (facts 4.6)."""
        text = f"EAAF{secrets.token_hex(88)}"
        self.put(Token(text, "USER", foreign=True))
        return self.tokens[text]
