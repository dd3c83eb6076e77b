"""Login attempts: each has a signed cookie of its own, bound to its state."""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from igauth.domain import Clock, Provider, SessionHash
from igauth.errors import StateExpired, StateMismatch, StateMissing
from igauth.security.keyring import KeyRing
from igauth.security.opaque_tokens import OpaqueTokens, code_challenge, new_secret, sha256_hex
from igauth.security.signing import AttemptSigner, BadSignature, SignedAttempt

COOKIE_SECONDS = 3_600
MOST_ATTEMPTS = 5
MOST_BYTES = 4_096
MOST_CLEARED = 10
_LIFETIME = timedelta(minutes=15)
_LEEWAY = timedelta(seconds=60)
_NAME = "igauth_login_"
_MOST_READ = 100


@dataclass(frozen=True, slots=True)
class Wish:
    """How a login is to go, as whoever starts it asks for; `connect`: for this connect session."""

    return_to: str
    popup: bool = False
    reconnect: str | None = None
    connect: str | None = None


@dataclass(frozen=True, slots=True)
class NewAttempt:
    """A started login: what goes to Meta, what goes into the cookie, what leaves the jar."""

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
    connect_code: str

    def __repr__(self) -> str:
        return f"Attempt({self.signed!r})"


class Attempts:
    """Starts attempts and recognises them when they come back. No I/O."""

    def __init__(
        self, ring: KeyRing, *, secure: bool, clock: Clock, door: Provider = Provider.FACEBOOK
    ) -> None:
        self._ring = ring
        self._door = door
        self._signer = AttemptSigner(ring)
        self._tokens = OpaqueTokens(ring)
        self._prefix = f"__Host-{_NAME}" if secure else _NAME
        self._form = re.compile(f"{self._prefix}[0-9a-f]{{16}}")
        self._clock = clock

    def start(
        self, wish: Wish, *, begun_under: SessionHash | None, cookies: Mapping[str, str]
    ) -> NewAttempt:
        """A new attempt; at most five, and 4 kB, live in one browser: the oldest leave."""
        state, secret = new_secret(), new_secret()
        signed = SignedAttempt(
            state_hash=sha256_hex(state),
            secret=secret,
            kid=self._ring.newest,
            return_to=wish.return_to,
            popup=wish.popup,
            reconnect=wish.reconnect,
            started_at=self._clock(),
            door=self._door,
            begun_under=begun_under,
            connect=wish.connect,
        )
        verifier = self._tokens.code_verifier(secret, signed.kid)
        name, value = self._cookie_name(signed.state_hash), self._signer.sign(signed)
        return NewAttempt(
            state=state,
            code_challenge=code_challenge(verifier),
            cookie_name=name,
            cookie_value=value,
            crowded_out=self._crowded_out(cookies, MOST_BYTES - _size(name, value)),
        )

    def state_of(self, states: Sequence[str]) -> str:
        """The one usable state of a callback's query. Raises StateMissing."""
        if len(states) != 1 or not re.fullmatch(r"[\x21-\x7e]{1,512}", states[0]):
            raise StateMissing
        return states[0]

    def recognise(self, state: str, cookies: Mapping[str, str]) -> Attempt:
        """The attempt that this browser started with this state, at this door.

        Raises StateMismatch.
        """
        state_hash = sha256_hex(state)
        name = self._cookie_name(state_hash)
        try:
            signed = self._signer.verify(cookies.get(name, ""))
        except BadSignature:
            raise StateMismatch from None
        is_this = hmac.compare_digest(signed.state_hash, state_hash) and signed.door == self._door
        if not is_this or signed.kid not in self._ring:
            raise StateMismatch
        return Attempt(
            signed=signed,
            cookie_name=name,
            code_verifier=self._tokens.code_verifier(signed.secret, signed.kid),
            session_id=self._tokens.session_id(signed.secret, signed.kid),
            connect_code=self._tokens.connect_code(signed.secret, signed.kid),
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

    def _crowded_out(self, cookies: Mapping[str, str], room: int) -> tuple[str, ...]:
        """Names of the cookies to clear: attempts beyond five or beyond `room` bytes, and rubbish.

        A handful at a time: a jar full of rubbish must not become an answer full of headers.
        """
        newest_first, rubbish = self._sorted(cookies)
        leaving: list[str] = []
        for place, name in enumerate(newest_first, start=2):
            room -= _size(name, cookies[name])
            if place > MOST_ATTEMPTS or room <= 0:
                leaving.append(name)
        return (*leaving, *rubbish)[:MOST_CLEARED]

    def _sorted(self, cookies: Mapping[str, str]) -> tuple[list[str], list[str]]:
        """Names of exactly our form: those that we signed, newest first, and the others."""
        dated: list[tuple[datetime, str]] = []
        rubbish: list[str] = []
        for name in islice(filter(self._is_ours, cookies), _MOST_READ):
            try:
                dated.append((self._signer.verify(cookies[name]).started_at, name))
            except BadSignature:
                rubbish.append(name)
        return [name for _, name in sorted(dated, reverse=True)], rubbish

    def _is_ours(self, name: str) -> bool:
        return self._form.fullmatch(name) is not None


def _size(name: str, value: str) -> int:
    """What a cookie takes in a `Cookie` header, with `=` and `; `."""
    return len(name) + len(value) + 3
