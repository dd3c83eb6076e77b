"""Codes and tokens that the offline Facebook has given out (facts 2, 3, 4)."""

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from igauth.sandbox.problems import Problem
from igauth.sandbox.signed import hmac_hex

TokenKind = Literal["USER", "PAGE", "APP", "SYSTEM_USER"]
_PAGE_TOKEN = re.compile(r"EAAP([0-9a-f]{8})G(\w+)Z([0-9a-f]{40})")


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
    death: Problem | None = None

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
        return self._make_page_token(text, parent, page_id)

    def _make_page_token(self, text: str, parent: Token, page_id: str) -> Token:
        expires_at = None if parent.long_lived else parent.expires_at
        return Token(
            text,
            "PAGE",
            parent.person,
            expires_at=expires_at,
            long_lived=parent.long_lived,
            page_id=page_id,
            parent=parent,
        )

    def of_person(self, key: str) -> list[Token]:
        """Every user or system-user token given out for that person."""
        return [token for token in self._serials.values() if token.person == key]

    def kill(self, key: str, death: Problem) -> None:
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
