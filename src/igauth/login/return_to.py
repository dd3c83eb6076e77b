"""Where a login may end: `return_to` is vetted at its start, and again when it is used."""

import re
from urllib.parse import parse_qsl, quote, urlsplit

from igauth.errors import ReturnToNotAllowed
from igauth.settings import Settings, origin_of

LONGEST = 1_500
_LONGEST_ENCODED = 2_200  # it lies in a cookie, and browsers drop those beyond 4096 bytes
_OWN_PARAMETERS = frozenset({"error", "error_description", "request_id"})
_CONNECT_PARAMETERS = frozenset({"connect_code", "connect_session", "state", "error", "request_id"})
_PATH = re.compile(r"/(?![/\\%])[^\x00-\x1f\x7f-\x9f]*")
_SAFE = "".join(map(chr, range(0x21, 0x7F))).replace("\\", "")


class ReturnAddresses:
    """Knows the origins that a login may return to (contract §3)."""

    def __init__(self, settings: Settings) -> None:
        self.default = settings.frontend
        self._frontend_origin = origin_of(settings.frontend)
        self._origins = {settings.base_url, *settings.allowed_origins}

    def vet(self, return_to: str | None) -> str:
        """The absolute URL to return to; the default for None. Raises ReturnToNotAllowed."""
        if return_to is None:
            return self.default
        if len(return_to) > LONGEST:
            raise ReturnToNotAllowed
        return self._allowed(return_to)

    def vet_or_default(self, return_to: str) -> str:
        """What `vet` returned, again at use: what is no longer allowed ends at the default."""
        try:
            return self._allowed(return_to)
        except ReturnToNotAllowed:
            return self.default

    def _allowed(self, return_to: str) -> str:
        url = in_ascii(self._absolute(return_to))
        if len(url) > _LONGEST_ENCODED:
            raise ReturnToNotAllowed
        if not _OWN_PARAMETERS.isdisjoint(name for name, _ in _query(url)):
            raise ReturnToNotAllowed
        return url

    def _absolute(self, return_to: str) -> str:
        if return_to.startswith("/"):
            if not _PATH.fullmatch(return_to):
                raise ReturnToNotAllowed
            return self._frontend_origin + return_to
        try:
            if origin_of(return_to) in self._origins:
                return return_to
        except (ValueError, KeyError):
            pass
        raise ReturnToNotAllowed


class ConnectAddresses:
    """Knows the addresses that a connect session may return to (contract §11): origin and path,
    compared without the query; any path of the front ends where none are set."""

    def __init__(self, settings: Settings) -> None:
        self._urls = frozenset(settings.connect_return_urls)
        self._origins = frozenset(settings.allowed_origins)

    def vet(self, return_to: str) -> str:
        """The address as a header can carry it. Raises ReturnToNotAllowed."""
        try:
            origin, parts = origin_of(return_to), urlsplit(return_to)
        except (ValueError, KeyError):
            raise ReturnToNotAllowed from None
        url = in_ascii(return_to)
        allowed = (
            f"{origin}{parts.path or '/'}" in self._urls
            if self._urls
            else (origin in self._origins)
        )
        own = _CONNECT_PARAMETERS.isdisjoint(name for name, _ in _query(return_to))
        if not (allowed and own) or len(return_to) > LONGEST or len(url) > _LONGEST_ENCODED:
            raise ReturnToNotAllowed
        return url


def in_ascii(url: str) -> str:
    """`url` as a header can carry it: what isn't printable ASCII, and `\\`, percent-encoded."""
    return quote(url, safe=_SAFE, errors="replace")


def with_parameters(url: str, parameters: dict[str, str]) -> str:
    """`url` with parameters added to its query, before any fragment; the rest untouched."""
    added = "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in parameters.items())
    base, hash_sign, fragment = url.partition("#")
    separator = "" if base.endswith(("?", "&")) else "&" if "?" in base else "?"
    return f"{base}{separator}{added}{hash_sign}{fragment}"


def _query(url: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(url).query, keep_blank_values=True)
