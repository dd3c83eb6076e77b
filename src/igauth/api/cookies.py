"""Cookies: read strictly, set narrowly (contract §4; RFC 6265bis §4.1.3, §5.7).

Read by ourselves, because lenient readers undo what browsers guarantee: one that strips other
blanks than space and tab, or unquotes, turns a name that any sibling host may set into a
`__Host-` name, and the one of the standard library takes quadratic time (CVE-2024-7592).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Scope

from igauth.login.attempts import COOKIE_SECONDS
from igauth.settings import Settings

_SESSION = "igauth_session"
_DAY_SECONDS = 86_400
_MOST_BYTES = 65_536
_READ = "igauth.cookies"


def read_cookies(headers: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """Name to value of every cookie that came exactly once; bytes as Latin-1, nothing unquoted.

    A name that comes twice counts as absent: which of the two is genuine can't be told. What
    has no name is no cookie, and beyond 64 kB nothing is read at all.
    """
    lines = [value for name, value in headers if name == b"cookie"]
    if sum(map(len, lines)) > _MOST_BYTES:
        return {}
    found: dict[str, str] = {}
    repeated: set[str] = set()
    for pair in b";".join(lines).decode("latin-1").split(";"):
        name, equals, value = pair.partition("=")
        name = name.strip(" \t")
        if not name or not equals:
            continue
        if name in found:
            repeated.add(name)
        found[name] = value.strip(" \t")
    for name in repeated:
        del found[name]
    return found


def with_cookies_read(scope: Scope) -> Scope:
    """The request with its cookies read, and without their headers.

    What lies behind can't read them another way: FastAPI asks the lenient reader at each request.
    """
    headers = [header for header in scope["headers"] if header[0] != b"cookie"]
    return {**scope, "headers": headers, _READ: read_cookies(scope["headers"])}


def cookies_of(scope: Scope) -> Mapping[str, str]:
    """What `with_cookies_read` read."""
    found: Mapping[str, str] = scope[_READ]
    return found


@dataclass(frozen=True, slots=True)
class Cookies:
    """Names and attributes of every cookie that igauth sets."""

    secure: bool
    session_seconds: int

    @classmethod
    def of(cls, settings: Settings) -> "Cookies":
        """The cookies that these settings make."""
        return cls(settings.secure, settings.session_max_days * _DAY_SECONDS)

    @property
    def session_name(self) -> str:
        """The only name under which a session is read: `__Host-` and Secure on https."""
        return f"__Host-{_SESSION}" if self.secure else _SESSION

    def set_session(self, response: Response, session_id: str) -> None:
        """The browser is logged in from here on."""
        self._set(response, self.session_name, session_id, self.session_seconds)

    def clear_session(self, response: Response) -> None:
        """The browser forgets its session."""
        self.clear(response, self.session_name)

    def set_attempt(self, response: Response, name: str, value: str) -> None:
        """The browser remembers one login attempt for an hour."""
        self._set(response, name, value, COOKIE_SECONDS)

    def clear(self, response: Response, name: str) -> None:
        """The browser forgets this cookie."""
        self._set(response, name, "", 0)

    def _set(self, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(
            name,
            value,
            max_age=seconds,
            path="/",
            secure=self.secure,
            httponly=True,
            samesite="lax",
        )
