"""Cookies: `__Host-` and Secure on https, plain names on loopback http (RFC 6265bis §4.1.3)."""

from dataclasses import dataclass

from starlette.responses import Response

from igauth.login.attempts import COOKIE_SECONDS
from igauth.settings import Settings

_SESSION = "igauth_session"
_DAY_SECONDS = 86_400


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
        """The only name under which a session is read."""
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
