"""Every redirect, and who may be redirected into a login (contract §3).

The only place that writes a `Location`: what stands in it may have come from a stranger or from
Facebook, and a header can only carry ASCII.
"""

import re

from starlette.requests import Request
from starlette.responses import Response

from igauth.errors import NotANavigation
from igauth.login.return_to import in_ascii
from igauth.origins import is_loopback

_HOST = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9.-]{1,253})(?::\d{1,5})?", re.I)


def redirect(status: int, url: str) -> Response:
    """A redirect to `url`, percent-encoded where it isn't ASCII."""
    return Response(status_code=status, headers={"Location": in_ascii(url)})


def check_navigation(request: Request) -> None:
    """Raises NotANavigation for a request that says itself that it isn't one (Fetch Metadata).

    `empty` with `navigate` is a service worker that passes a navigation on.
    """
    destination = request.headers.get("sec-fetch-dest", "document")
    mode = request.headers.get("sec-fetch-mode")
    if destination != "document" and (destination, mode) != ("empty", "navigate"):
        raise NotANavigation


def way_home(request: Request, base_url: str) -> Response | None:
    """Where the browser is at another name of this machine: the same address at `base_url`.

    Cookies of `127.0.0.1` never reach `localhost`: a login that began there could not end.
    """
    here, home = _host(request.headers.get("host", "")), _host(base_url.partition("://")[2])
    if here == home or not (is_loopback(base_url) and is_loopback(f"http://{here.rstrip('.')}")):
        return None
    query = request.scope["query_string"].decode("latin-1")
    return redirect(307, f"{base_url}{request.scope['path']}{'?' if query else ''}{query}")


def _host(authority: str) -> str:
    """The host of `host:port` in lower case; empty where it isn't one."""
    matched = _HOST.fullmatch(authority)
    return matched[1].lower() if matched else ""
