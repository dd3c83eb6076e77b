"""What browsers do: log in, and ask for their accounts."""

import itertools
from http.cookies import SimpleCookie
from typing import Final
from urllib.parse import parse_qs, urlsplit

from benchmarks.graph_answers import callback_query
from benchmarks.http_client import HttpConnection, Reply
from benchmarks.load import Unexpected
from benchmarks.stage import Service

LISTING: Final = "/me/instagram-accounts"
_uids: Final = itertools.count(1)


def new_uid() -> int:
    """Somebody whom no service of this run has seen."""
    return next(_uids)


async def log_in(connection: HttpConnection, pages: int, uid: int) -> str:
    """A whole login, with the person's answer to the dialog left out; the session's cookie."""
    state, attempt = await start(connection)
    return await finish(connection, attempt, callback_query(state, pages, uid))


async def start(
    connection: HttpConnection, headers: dict[str, str] | None = None
) -> tuple[str, str]:
    """A login's first half: its state, and the cookie that the browser keeps."""
    reply = await connection.get("/auth/facebook", headers)
    demand(reply, 302)
    state = parse_qs(urlsplit(reply.headers["location"]).query)["state"][0]
    return state, cookie_header(reply)


async def finish(connection: HttpConnection, attempt: str, query: str) -> str:
    """A login's second half: the session's cookie."""
    reply = await connection.get(f"/auth/facebook/callback?{query}", {"Cookie": attempt})
    demand(reply, 303)
    if "error=" in reply.headers["location"]:
        raise Unexpected(f"the login failed: {reply.headers['location']}")
    return cookie_header(reply)


async def logged_in(service: Service, pages: int, people: int) -> list[str]:
    """The session cookies of new people, whose listings are stored."""
    connection = await HttpConnection.connect(service.port)
    try:
        cookies = [await log_in(connection, pages, new_uid()) for _ in range(people)]
        for cookie in cookies:
            await list_accounts(connection, cookie, pages, "?refresh=true")
    finally:
        connection.close()
    return cookies


async def list_accounts(
    connection: HttpConnection, cookie: str, expected: int, query: str = ""
) -> Reply:
    """The listing, which must show so many accounts."""
    reply = await connection.get(LISTING + query, {"Cookie": cookie})
    demand(reply, 200)
    shown = reply.body.count(b'"picture_url"')
    if shown != expected or b'"complete":true' not in reply.body:
        raise Unexpected(f"{shown} accounts in place of {expected}: {reply.body[-600:]!r}")
    return reply


def demand(reply: Reply, status: int) -> None:
    """Raises Unexpected where an answer isn't the one that is measured."""
    if reply.status != status:
        raise Unexpected(f"{reply.status} in place of {status}: {reply.body[:600]!r}")


def cookie_header(reply: Reply) -> str:
    """What a browser with an empty jar sends back."""
    jar = SimpleCookie()
    for cookie in reply.cookies:
        jar.load(cookie)
    return "; ".join(f"{name}={each.value}" for name, each in jar.items() if each.value)
