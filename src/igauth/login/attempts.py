"""Login attempts: each has a signed cookie of its own, bound to its state."""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from igauth.domain import Clock
from igauth.errors import StateExpired, StateMismatch, StateMissing
from igauth.security.keyring import KeyRing
from igauth.security.opaque_tokens import OpaqueTokens, code_challenge, new_secret, sha256_hex
from igauth.security.signing import AttemptSigner, BadSignature, SignedAttempt

COOKIE_SECONDS = 3_600
MOST_ATTEMPTS = 5
_LIFETIME = timedelta(minutes=15)
_LEEWAY = timedelta(seconds=60)
_LONGEST_STATE = 512
_NAME = "igauth_login_"


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """A started login: what goes to Facebook, what goes into the cookie, what leaves the jar."""

    state: str = field(repr=False)
    code_challenge: str
    cookie_name: str
    cookie_value: str = field(repr=False)
    crowded_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login attempt that this browser really started."""

    signed: SignedAttempt
    cookie_name: str
    code_verifier: str
    session_id: str

    def __repr__(self) -> str:
        return f"Attempt({self.signed!r})"


class Attempts:
    """Starts attempts and recognises them when they come back. No I/O."""

    def __init__(self, ring: KeyRing, *, secure: bool, clock: Clock) -> None:
        self._ring = ring
        self._signer = AttemptSigner(ring)
        self._tokens = OpaqueTokens(ring)
        self._prefix = f"__Host-{_NAME}" if secure else _NAME
        self._clock = clock

    def start(
        self, return_to: str, *, popup: bool, reconnect: str | None, cookies: Mapping[str, str]
    ) -> NewAttempt:
        """A new attempt; at most five live in one browser, the oldest leave."""
        state, secret = new_secret(), new_secret()
        signed = SignedAttempt(
            state_hash=sha256_hex(state),
            secret=secret,
            kid=self._ring.newest,
            return_to=return_to,
            popup=popup,
            reconnect=reconnect,
            started_at=self._clock(),
        )
        verifier = self._tokens.code_verifier(secret, signed.kid)
        return NewAttempt(
            state=state,
            code_challenge=code_challenge(verifier),
            cookie_name=self._cookie_name(signed.state_hash),
            cookie_value=self._signer.sign(signed),
            crowded_out=self._crowded_out(cookies),
        )

    def state_of(self, states: Sequence[str]) -> str:
        """The one usable state of a callback's query. Raises StateMissing."""
        if len(states) != 1 or not re.fullmatch(r"[\x21-\x7e]{1,512}", states[0]):
            raise StateMissing
        return states[0]

    def recognise(self, state: str, cookies: Mapping[str, str]) -> Attempt:
        """The attempt that this browser started with this state. Raises StateMismatch."""
        state_hash = sha256_hex(state)
        name = self._cookie_name(state_hash)
        try:
            signed = self._signer.verify(cookies.get(name, ""))
        except BadSignature:
            raise StateMismatch from None
        if not hmac.compare_digest(signed.state_hash, state_hash) or signed.kid not in self._ring:
            raise StateMismatch
        return Attempt(
            signed=signed,
            cookie_name=name,
            code_verifier=self._tokens.code_verifier(signed.secret, signed.kid),
            session_id=self._tokens.session_id(signed.secret, signed.kid),
        )

    def check_age(self, attempt: Attempt) -> None:
        """Raises StateExpired for an attempt that was started too long ago."""
        age = self._clock() - attempt.signed.started_at
        if not -_LEEWAY <= age <= _LIFETIME + _LEEWAY:
            raise StateExpired

    def forgotten_at(self, attempt: Attempt) -> datetime:
        """When no attempt of this age can be recognised any more."""
        return attempt.signed.started_at + _LIFETIME + 2 * _LEEWAY

    def _cookie_name(self, state_hash: str) -> str:
        return f"{self._prefix}{state_hash[:16]}"

    def _crowded_out(self, cookies: Mapping[str, str]) -> tuple[str, ...]:
        """Names of the cookies to clear, so that with the new one at most five live."""
        dated: list[tuple[datetime, str]] = []
        unreadable: list[str] = []
        for name, value in cookies.items():
            if not name.startswith(self._prefix):
                continue
            try:
                dated.append((self._signer.verify(value).started_at, name))
            except BadSignature:
                unreadable.append(name)
        newest_first = sorted(dated, reverse=True)
        return (*unreadable, *(name for _, name in newest_first[MOST_ATTEMPTS - 1 :]))
