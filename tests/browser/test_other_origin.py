"""A front end on another port of localhost: CORS, cookies and logins across origins."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

import igauth
from tests.browser.service import Service, free_port, running
from tests.browser.visitor import DIALOG, Visitor

pytestmark = pytest.mark.browser

EXAMPLE = Path(igauth.__file__).parent / "example"
GUIDE = Path(__file__).parents[2] / "docs" / "front-end.md"
_BLANK = b'<!doctype html><title>Blank</title><link rel="icon" href="data:,">'
TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
ASK = """async ([url, options]) => {
  const response = await fetch(url, { credentials: "include", ...options });
  const names = ["Content-Type", "X-Request-ID", "ETag"];
  return { status: response.status, body: await response.text(),
    headers: Object.fromEntries(names.map((name) => [name, response.headers.get(name)])) };
}"""


@dataclass(frozen=True)
class FrontEnd:
    """A file server of somebody's product."""

    origin: str
    files: dict[str, bytes]


@pytest.fixture(scope="module")
def front_end() -> Iterator[FrontEnd]:
    """The one that igauth is told of."""
    with serving() as served:
        yield served


@pytest.fixture(scope="module")
def stranger() -> Iterator[FrontEnd]:
    """One that it isn't told of."""
    with serving() as served:
        yield served


@pytest.fixture(scope="module")
def known_service(
    chromium: Browser,
    front_end: FrontEnd,
    stranger: FrontEnd,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    """`igauth dev` for a front end elsewhere; both front ends are built to talk to it."""
    folder, port = tmp_path_factory.mktemp("known"), free_port()
    told = {"FRONTEND_URL": f"{front_end.origin}/", "ALLOWED_ORIGINS": front_end.origin}
    for each in (front_end, stranger):
        each.files.update(_product(f"http://localhost:{port}"))
    with running(folder, port=port, **told) as service:
        yield service


@pytest.fixture
def service(known_service: Service) -> Service:
    """The service of this module."""
    return known_service


async def test_twenty_lines_are_enough(visitor: Visitor, front_end: FrontEnd) -> None:
    """The guide's front end: a refusal, the next try right after it (B2), and what came of it."""
    await visitor.page.goto(f"{front_end.origin}/twenty?tab=1")
    visitor.watch.provoked.add(401)
    body = visitor.page.locator("body")
    await visitor.button("Log in").click()
    await visitor.introduce("ada")
    await visitor.decide("cancel")
    await expect(body).to_contain_text("Not logged in (access_denied).")
    await expect(visitor.page).to_have_url(f"{front_end.origin}/twenty?tab=1")

    await visitor.button("Log in").click()
    await visitor.page.wait_for_url(DIALOG)
    await visitor.decide("continue")
    await expect(visitor.page).to_have_url(f"{front_end.origin}/twenty?tab=1")
    await expect(body).to_contain_text("@invented.bakery: 1204 followers.")
    await expect(body).to_contain_text("Invented Reading Circle: This Page has no Instagram")


async def test_example_app_elsewhere(visitor: Visitor, front_end: FrontEnd) -> None:
    """The whole app under a policy of its own: redirect, pictures, window, logout."""
    await visitor.page.goto(front_end.origin)
    await visitor.log_in("ada")
    await expect(visitor.page).to_have_url(f"{front_end.origin}/")
    picture = visitor.test_id("account-card").locator("img").first
    await picture.scroll_into_view_if_needed()
    await expect(picture).to_have_js_property("naturalWidth", 200)

    await visitor.page.get_by_role("banner").get_by_role("button", name="Log out").click()
    await expect(visitor.test_id("farewell")).to_be_visible()
    async with visitor.page.expect_popup() as opened:
        await visitor.button("Facebook in a separate window").click()
    window = Visitor(visitor.context, await opened.value, visitor.service, visitor.watch)
    await window.consent("ada")
    await visitor.see_accounts()
    await visitor.button("Refresh").click()
    await expect(visitor.test_id("status")).to_have_text("Asked Facebook: 3 accounts")


async def test_refusal_comes_back_elsewhere(visitor: Visitor, front_end: FrontEnd) -> None:
    """`return_to` is the page that asked; the message is the app's own."""
    await visitor.page.goto(f"{front_end.origin}/#/connections")
    await visitor.link("Continue with Facebook").click()
    await visitor.introduce("ada")
    await visitor.decide("cancel")

    await expect(visitor.test_id("login-error", code="access_denied")).to_be_visible()
    await expect(visitor.page).to_have_url(f"{front_end.origin}/#/connections")


async def test_problems_are_readable_elsewhere(visitor: Visitor, front_end: FrontEnd) -> None:
    """Body and exposed headers of a failure, a validation error and a success, with its cookie."""
    visitor.watch.provoked |= {401, 404, 422}
    await visitor.page.goto(f"{front_end.origin}/blank")
    signed_out = await _ask(visitor, "/me/instagram-accounts")
    assert signed_out["status"] == 401
    assert '"code":"not_authenticated"' in signed_out["body"]
    assert signed_out["headers"]["Content-Type"] == "application/problem+json"
    assert signed_out["headers"]["X-Request-ID"] in signed_out["body"]

    await visitor.page.goto(front_end.origin)
    await visitor.log_in("cleo")
    listing = await _ask(visitor, "/me/instagram-accounts")
    assert (listing["status"], '"cleo.ceramics"' in listing["body"]) == (200, True)
    assert re.fullmatch(r'W/"[^"]+"', listing["headers"]["ETag"])
    asked_again = {"headers": {"If-None-Match": listing["headers"]["ETag"]}}
    assert (await _ask(visitor, "/me/instagram-accounts", asked_again))["status"] == 304
    assert '"not_found"' in (await _ask(visitor, "/me/connections/none"))["body"]
    refused = await _ask(visitor, "/me/instagram-accounts?refresh=perhaps")
    assert (refused["status"], '"invalid_request"' in refused["body"]) == (422, True)
    assert (await _ask(visitor, "/auth/logout", {"method": "POST"}))["status"] == 204


async def test_a_stranger_gets_nothing(
    visitor: Visitor, front_end: FrontEnd, stranger: FrontEnd
) -> None:
    """An origin that isn't allowed reads nothing, changes nothing, and gets nobody sent to it."""
    await visitor.page.goto(front_end.origin)
    await visitor.log_in("ada")
    visitor.watch.allowed.add("has been blocked by CORS policy")
    visitor.watch.allowed.add("net::ERR_FAILED")
    visitor.watch.provoked.add(400)
    await visitor.page.goto(f"{stranger.origin}/blank")
    for method, path in (("GET", "/me"), ("POST", "/auth/logout"), ("DELETE", "/me")):
        with pytest.raises(Exception, match="Failed to fetch"):
            await _ask(visitor, path, {"method": method})

    await visitor.page.goto(f"{visitor.service.origin}/auth/facebook?return_to={stranger.origin}/")
    await expect(visitor.page.locator("dd", has_text="return_to_not_allowed")).to_be_visible()
    await visitor.page.goto(f"{stranger.origin}/")
    await expect(visitor.test_id("problem", code="network")).to_be_visible()
    await visitor.page.goto(front_end.origin)
    await visitor.see_accounts()


async def test_a_fetch_cannot_begin_a_login(visitor: Visitor, front_end: FrontEnd) -> None:
    """A script that fetches the login is told that only a navigation may."""
    visitor.watch.provoked.add(403)
    await visitor.page.goto(f"{front_end.origin}/blank")
    answer = await _ask(visitor, "/auth/facebook")

    assert (answer["status"], '"not_a_navigation"' in answer["body"]) == (403, True)
    assert not DIALOG.search(visitor.page.url)


async def _ask(visitor: Visitor, path: str, options: dict[str, Any] | None = None) -> Any:
    """A fetch by a script of the page."""
    return await visitor.page.evaluate(ASK, [visitor.service.origin + path, options or {}])


# --- what the front ends are made of ---


def _product(base: str) -> dict[str, bytes]:
    """The example app and the guide's twenty lines, both told where igauth is."""
    files = {f"/example/{path.name}": path.read_bytes() for path in EXAMPLE.iterdir()}
    page = files.pop("/example/index.html").decode()
    told = page.replace('name="igauth-base" content=""', f'name="igauth-base" content="{base}"')
    assert told != page
    files["/"] = told.encode()
    files["/blank"] = _BLANK
    files["/twenty"] = _BLANK + b'<body><script type="module" src="/twenty.js"></script>'
    files["/twenty.js"] = _twenty_lines(base).encode()
    return files


def _twenty_lines(base: str) -> str:
    """The guide's code that needs nothing else, with its address exchanged."""
    match = re.search(r"```js\n(const BASE.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert match is not None
    code = match[1].replace("https://connect.example.com", base)
    assert code != match[1]
    return code


@contextmanager
def serving() -> Iterator[FrontEnd]:
    """A small file server on a free port, with the policy that the guide asks for."""
    files: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        """Answers GET from `files`."""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            content = files.get(path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", TYPES.get(Path(path).suffix, "text/html"))
            self.send_header("Content-Security-Policy", _policy(files))
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield FrontEnd(f"http://localhost:{server.server_port}", files)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _policy(files: dict[str, bytes]) -> str:
    """What docs/front-end.md says about CSP: igauth in connect-src and img-src, https: pictures."""
    found = re.search(rb'name="igauth-base" content="([^"]+)"', files["/"])
    base = found[1].decode() if found else ""
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; connect-src {base}; "
        f"img-src 'self' data: https: {base}; require-trusted-types-for 'script'"
    )
