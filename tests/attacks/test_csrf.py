"""Cross-site request forgery: methods × Origin × Sec-Fetch-Site × cookie (contract §4, R-35).

The rule is written down here once more, by itself, and the whole product is held against it.
"""

from collections.abc import AsyncGenerator, Iterator
from itertools import product
from urllib.parse import urlencode

import httpx
import pytest

from tests.stage import BASE_URL, FRONTEND, SECURE_URL, Browser, Stage, make_settings, open_stage

OTHER = "https://app.example.test"
TRUSTED = {BASE_URL, FRONTEND, OTHER}
ORIGINS: list[str | None] = [
    None,
    BASE_URL,
    FRONTEND,
    OTHER,
    "",
    "null",
    "*",
    "https://evil.example",
    f"{FRONTEND}/",
    f"{FRONTEND}.evil.example",
    f"{FRONTEND}@evil.example",
    f"{FRONTEND} https://evil.example",
    f"{FRONTEND},https://evil.example",
    f"{FRONTEND}%00.evil.example",
    "http://localhost",
    "http://localhost:51730",
    "https://localhost:5173",
    "http://127.0.0.1:5173",
    "HTTP://LOCALHOST:5173",
    "https://evil.app.example.test",
    "https://app.example.test.evil.example",
    "http://app.example.test",
    f"{OTHER}:443",
    "file://",
    "chrome-extension://abcdefghijklmnop",
    "http://localhost:5173\u00a0",
]
SITES: list[str | None] = [
    *(None, "same-origin", "same-site", "cross-site", "none", ""),
    *("Same-Origin", "same-origin, cross-site", "xsame-origin", '"same-origin"'),
]
ROUTES = [
    ("POST", "/auth/logout"),
    ("DELETE", "/me"),
    ("DELETE", "/me/sessions"),
    ("DELETE", "/me/sessions/{session}"),
    ("DELETE", "/me/connections/{connection}"),
    ("POST", "/me/connections/{connection}/verify"),
]


def is_allowed(origin: str | None, site: str | None) -> bool:
    """Contract §4, in one line for each case."""
    if origin is not None:
        return origin in TRUSTED
    return site == "same-origin"


def combinations(*, allowed: bool) -> Iterator[dict[str, str]]:
    """Headers of every pair of Origin and Sec-Fetch-Site that the rule judges so."""
    for origin, site in product(ORIGINS, SITES):
        if is_allowed(origin, site) is allowed:
            named = {"origin": origin, "sec-fetch-site": site}
            yield {name: value for name, value in named.items() if value is not None}


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One engine: what is refused here never reaches it."""
    return sqlite_url


@pytest.fixture
async def stage(database_url: str) -> AsyncGenerator[Stage]:
    """A service with two front ends."""
    settings = make_settings(
        database_url, allowed_origins=(FRONTEND, OTHER), rate_limit_refresh="100000/minute"
    )
    async with open_stage(settings) as opened:
        yield opened


@pytest.fixture
async def ada(stage: Stage) -> Browser:
    """A browser that is logged in."""
    browser = stage.browser()
    await browser.log_in("ada")
    return browser


async def _paths(ada: Browser) -> dict[str, str]:
    (session,) = (await ada.get("/me/sessions")).json()["data"]
    return {"session": session["id"], "connection": (await ada.connection())["id"]}


async def _send(
    browser: Browser, method: str, path: str, headers: dict[str, str]
) -> httpx.Response:
    return await browser.http.request(
        method,
        browser.base_url + path,
        headers=[(name.encode(), value.encode()) for name, value in headers.items()],
    )


@pytest.mark.parametrize(("method", "template"), ROUTES)
async def test_no_combination_forges_a_request(
    stage: Stage, ada: Browser, method: str, template: str
) -> None:
    """Every refused pair, on every route that changes something: 403 and nothing done."""
    path = template.format(**await _paths(ada))
    asked = len(stage.calls)

    for headers in combinations(allowed=False):
        answer = await _send(ada, method, path, headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed"), headers

    assert await ada.user() is not None
    assert len((await ada.get("/me/sessions")).json()["data"]) == 1
    assert len(stage.calls) == asked


async def test_every_allowed_combination_works(ada: Browser) -> None:
    """The guard lets our own pages through, whatever else a browser adds."""
    verify = f"/me/connections/{(await ada.connection())['id']}/verify"

    for headers in combinations(allowed=True):
        assert (await _send(ada, "POST", verify, headers)).status_code == 200, headers


@pytest.mark.parametrize("method", ["PUT", "PATCH", "POST", "DELETE", "LINK", "MKCOL"])
async def test_other_methods_do_nothing(ada: Browser, method: str) -> None:
    """A method that a route doesn't know changes nothing, from wherever it comes."""
    for headers in ({"origin": "https://evil.example"}, {"origin": FRONTEND}):
        for path in ("/me/instagram-accounts", "/auth/session", "/auth/facebook", "/nowhere"):
            assert (await _send(ada, method, path, headers)).status_code in {403, 404, 405}
    assert await ada.user() is not None


@pytest.mark.parametrize(
    "trick",
    [
        {"x-http-method-override": "DELETE"},
        {"x-method-override": "DELETE"},
        {"x-http-method": "DELETE"},
    ],
)
async def test_a_safe_method_stays_safe(ada: Browser, trick: dict[str, str]) -> None:
    """No header and no parameter turns a GET or a HEAD into anything else (R-35)."""
    for method in ("GET", "HEAD"):
        for path in ("/me", "/auth/logout", "/me/sessions", "/me?_method=DELETE"):
            await _send(ada, method, path, trick | {"origin": "https://evil.example"})

    assert await ada.user() is not None


async def test_a_form_from_afar_is_no_request(ada: Browser) -> None:
    """The three bodies that a foreign form can send change nothing (R-37, P-36)."""
    bodies = {
        "text/plain": b'{"a":"="}',
        "application/x-www-form-urlencoded": b"_method=DELETE",
        "multipart/form-data; boundary=x": b"--x--\r\n",
    }
    for kind, body in bodies.items():
        for method, path in (("POST", "/auth/logout"), ("POST", "/me"), ("POST", "/me/sessions")):
            answer = await ada.http.request(
                method,
                ada.base_url + path,
                content=body,
                headers={"content-type": kind, "origin": "null", "sec-fetch-site": "cross-site"},
            )
            assert answer.status_code in {403, 404, 405}
    assert await ada.user() is not None


@pytest.mark.parametrize(
    "header",
    [
        "igauth_session={id}",
        "a=b;igauth_session={id}",
        "a=b ; \tigauth_session={id}\t ",
        "a=b; c; =d; igauth_session={id}; e",
        ";;;igauth_session={id}",
        "igauth_session ={id}",
        "igauth_session= {id}",
    ],
)
async def test_guard_and_login_read_the_same_cookie(
    stage: Stage, ada: Browser, header: str
) -> None:
    """Whatever counts as logged in counts as carrying the cookie: no gap between two readers."""
    cookie = header.format(id=ada.cookie())
    stranger = stage.browser()
    known = (await stranger.get("/auth/session", cookie=cookie)).json()["authenticated"]

    answer = await _send(
        stranger, "DELETE", "/me", {"cookie": cookie, "origin": "https://evil.example"}
    )

    assert known
    assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed")


@pytest.mark.parametrize(
    "headers",
    [
        ["igauth_session={id}; igauth_session={id}"],
        ["igauth_session={id}; igauth_session=x"],
        ["igauth_session=x; igauth_session={id}"],
        ["igauth_session={id}", "igauth_session=x"],
        ['igauth_session="{id}"'],
        ["a=b, igauth_session={id}"],
        ["=igauth_session={id}"],
        ["igauth_session\x0b={id}"],
        ["\xa0igauth_session={id}"],
        ["\x85igauth_session={id}"],
        ["IGAUTH_SESSION={id}"],
    ],
)
async def test_what_is_no_cookie_of_ours_is_no_way_in(
    stage: Stage, ada: Browser, headers: list[str]
) -> None:
    """A header that the guard passes over must be one by which nobody is logged in (S1)."""
    cookies = [(b"cookie", each.format(id=ada.cookie()).encode("latin-1")) for each in headers]
    stranger = stage.browser()
    url = stranger.base_url
    foreign = [*cookies, (b"origin", b"https://evil.example")]

    session = await stranger.http.get(f"{url}/auth/session", headers=cookies)
    answers = [
        await stranger.http.delete(f"{url}/me", headers=foreign),
        await stranger.http.delete(f"{url}/me/sessions", headers=foreign),
        await stranger.http.post(f"{url}/auth/logout", headers=foreign),
    ]

    assert session.json()["authenticated"] is False
    assert {each.status_code for each in answers} <= {204, 401, 403}
    assert await ada.user() is not None


@pytest.mark.parametrize("kind", ["deauthorize", "data-deletion"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", FRONTEND])
async def test_metas_callbacks_neither_read_nor_set_cookies(
    ada: Browser, kind: str, origin: str
) -> None:
    """There the signature is the proof; a session in the jar means nothing (§4)."""
    answer = await ada.http.post(
        f"{ada.base_url}/auth/facebook/{kind}",
        content=urlencode({"signed_request": "a.b"}),
        headers={"content-type": "application/x-www-form-urlencoded", "origin": origin},
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_signed_request")
    assert "set-cookie" not in answer.headers
    assert await ada.user() is not None


@pytest.mark.parametrize(
    ("dest", "mode", "status"),
    [
        *[(dest, "navigate", 403) for dest in ("iframe", "frame", "embed", "object")],
        *[(dest, "no-cors", 403) for dest in ("image", "script", "style", "audio", "font")],
        ("empty", "cors", 403),
        ("empty", "no-cors", 403),
        ("empty", "same-origin", 403),
        ("empty", None, 403),
        ("", None, 403),
        ("Document", "navigate", 403),
        ("document", "navigate", 302),
        ("empty", "navigate", 302),
        (None, None, 302),
    ],
)
async def test_a_login_begins_by_a_navigation_only(
    stage: Stage, dest: str | None, mode: str | None, status: int
) -> None:
    """No frame, image or fetch starts a login; a service worker may pass one on (§3, R-21)."""
    named = {"sec-fetch-dest": dest, "sec-fetch-mode": mode, "sec-fetch-site": "cross-site"}
    headers = {name: value for name, value in named.items() if value is not None}
    answer = await _send(stage.browser(), "GET", "/auth/facebook", headers)

    assert answer.status_code == status
    assert ("set-cookie" in answer.headers) is (status == 302)
    if status == 403:
        assert answer.json()["code"] == "not_a_navigation"


async def test_the_guard_stands_on_https_too(database_url: str) -> None:
    """There the prefixed cookie is the one that needs an Origin; the plain name is nothing."""
    settings = make_settings(database_url, base_url=SECURE_URL)
    async with open_stage(settings) as stage:
        browser = stage.browser()
        await browser.log_in("ada")
        forged = await _send(browser, "DELETE", "/me", {"origin": "https://evil.example"})
        unprefixed = f"igauth_session={browser.cookie('__Host-igauth_session')}"
        plain = await stage.browser().get("/auth/session", cookie=unprefixed)

        assert (forged.status_code, forged.json()["code"]) == (403, "csrf_failed")
        assert plain.json()["authenticated"] is False
        assert await browser.user() is not None
