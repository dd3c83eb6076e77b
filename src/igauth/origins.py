"""Web addresses as browsers see them: origins (RFC 6454), sites, and this machine itself."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

# Below these, strangers live side by side: a page of one is no page of another's site. A few that
# front ends are often hosted at; the whole list (publicsuffix.org) would be a package of its own.
_SHARED = (
    *("github.io", "gitlab.io", "pages.dev", "workers.dev", "vercel.app", "netlify.app"),
    *("herokuapp.com", "onrender.com", "fly.dev", "web.app", "firebaseapp.com", "run.app"),
    *("azurewebsites.net", "azurestaticapps.net", "cloudfront.net", "amplifyapp.com"),
    *("up.railway.app", "ngrok.app", "ngrok-free.app", "trycloudflare.com", "deno.dev"),
)
_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gov", "ne", "net", "or", "org"})


def origin_of(url: str) -> str:
    """The origin (RFC 6454) of an absolute http(s) URL: lower case, without a default port.

    Raises ValueError for anything else, user info and odd characters included.
    """
    if re.search(r"[\s\\\x00-\x1f\x7f]", url):
        raise ValueError("has blanks, backslashes or control characters")
    try:
        parts = urlsplit(url)
        number = parts.port
    except ValueError:  # its text repeats what was given
        raise ValueError("is not a well-formed URL") from None
    host = _host(parts)
    port = "" if number in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{number}"
    return f"{parts.scheme}://{host}{port}"


def _host(parts: SplitResult) -> str:
    if parts.scheme not in ("http", "https"):
        raise ValueError("must begin with http:// or https://")
    if "@" in parts.netloc or not parts.hostname:
        raise ValueError("must name a host, without user info")
    if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", parts.hostname):
        raise ValueError("has a host name with characters that are not allowed")
    return f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname


def bare_origin(url: str) -> str:
    """`url` as an origin. Raises ValueError for one that has a path, query or fragment."""
    origin = origin_of(url)
    parts = urlsplit(url)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("must be an origin only: scheme, host, port")
    return origin


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def same_site(url: str, other: str) -> bool:
    """Whether browsers send a SameSite=Lax cookie of `other` along with a fetch made by `url`.

    A site is a scheme and a registrable domain (RFC 6265bis §5.2); which domains can be
    registered is known here by rule of thumb, good enough for a warning and for nothing else.
    """
    return _site(url) == _site(other)


def _site(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, _registrable(parts.hostname or "")


def _registrable(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        labels = host.split(".")
    for suffix in _SHARED:
        if host.endswith(f".{suffix}"):
            return ".".join(labels[-(suffix.count(".") + 2) :])
    country = len(labels[-1]) == 2 and len(labels) > 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if country else -2 :])
