"""Cross-origin reading: origins × answers × preflights (contract §4, R-36)."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from tests.stage import BASE_URL, FRONTEND, Browser, Stage, make_settings, open_stage

OTHER = "https://app.example.test"
ALLOWED = [FRONTEND, OTHER]
FOREIGN = [
    "null",
    "*",
    "",
    "https://evil.example",
    f"{FRONTEND}/",
    f"{FRONTEND}.evil.example",
    f"{FRONTEND}@evil.example",
    f"{FRONTEND}, https://evil.example",
    f"https://evil.example, {FRONTEND}",
    f"{FRONTEND} https://evil.example",
    f"{FRONTEND}\u00a0",
    "http://localhost",
    "http://localhost:51730",
    "http://localhost:517",
    "https://localhost:5173",
    "http://127.0.0.1:5173",
    "HTTP://LOCALHOST:5173",
    "http://sub.localhost:5173",
    "https://evil.app.example.test",
    "https://evilapp.example.test",
    "https://app-example.test",
    "https://appXexample.test",
    "https://example.test",
    "http://app.example.test",
    f"{OTHER}:443",
    f"{OTHER}.",
    f"{OTHER}%60.evil.example",
    f"{OTHER}_.evil.example",
    "file://",
    "data:",
    "moz-extension://abc",
]
ANSWERS = [
    ("GET", "/me", {}, 200),
    ("GET", "/auth/session", {}, 200),
    ("GET", "/me/instagram-accounts", {}, 200),
    ("GET", "/me/sessions", {}, 200),
    ("GET", "/healthz", {}, 200),
    ("GET", "/auth/facebook", {}, 302),
    ("GET", "/auth/facebook/callback", {}, 303),
    ("GET", "/auth/facebook?return_to=//x", {}, 400),
    ("GET", "/me", {"cookie": "igauth_session="}, 401),
    ("GET", "/auth/facebook", {"sec-fetch-dest": "iframe"}, 403),
    ("GET", "/nowhere", {}, 404),
    ("GET", "/me/instagram-accounts/1", {}, 404),
    ("GET", "/auth/facebook/data-deletion/0", {}, 404),
    ("PUT", "/me", {"cookie": "a=b"}, 405),
    ("POST", "/auth/facebook/deauthorize", {"content-length": "20000"}, 413),
    ("POST", "/auth/facebook/deauthorize", {"content-type": "application/json"}, 415),
    ("GET", "/auth/facebook?mode=x", {}, 422),
]
GRANTS = ("access-control-allow-origin", "access-control-allow-credentials")


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One engine: headers know no database."""
    return sqlite_url


@pytest.fixture
async def stage(database_url: str) -> AsyncGenerator[Stage]:
    """A service with two front ends and a login limit that is soon over."""
    settings = make_settings(
        database_url, allowed_origins=(FRONTEND, OTHER), rate_limit_login="1000/hour"
    )
    async with open_stage(settings) as opened:
        yield opened


@pytest.fixture
async def ada(stage: Stage) -> Browser:
    """A browser that is logged in."""
    browser = stage.browser()
    await browser.log_in("ada")
    return browser


async def _ask(
    browser: Browser, method: str, path: str, headers: dict[str, str], origin: str
) -> httpx.Response:
    named = headers | {"origin": origin}
    sent = [(name.encode(), value.encode()) for name, value in named.items()]
    return await browser.http.request(method, browser.base_url + path, headers=sent)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"), ANSWERS, ids=lambda part: str(part)
)
async def test_only_allowed_pages_read_an_answer(
    ada: Browser, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """Good or bad, each kind of answer is readable by exactly the allowed origins."""
    for origin in ALLOWED:
        answer = await _ask(ada, method, path, headers, origin)
        assert answer.status_code == status
        assert answer.headers.get_list("access-control-allow-origin") == [origin]
        assert answer.headers.get_list("access-control-allow-credentials") == ["true"]
        exposed = answer.headers["access-control-expose-headers"].split(",")
        assert {name.strip() for name in exposed} == {"ETag", "Retry-After", "X-Request-ID"}
        assert "Origin" in answer.headers["vary"]
    for origin in FOREIGN:
        answer = await _ask(ada, method, path, headers, origin)
        assert not set(GRANTS) & set(answer.headers), origin
        assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize("path", ["/me", "/me/sessions/x", "/nowhere", "/auth/logout", "*"])
async def test_a_preflight_grants_only_allowed_pages(browser: Browser, path: str) -> None:
    """The contract's three methods and three headers; to everybody else nothing."""
    asked = {
        "access-control-request-method": "DELETE",
        "access-control-request-headers": "content-type,authorization,x-evil",
    }
    for origin in ALLOWED:
        answer = await _ask(browser, "OPTIONS", path.replace("*", "/*"), asked, origin)
        assert answer.status_code in {200, 204}
        assert answer.headers["access-control-allow-origin"] == origin
        methods = answer.headers["access-control-allow-methods"].split(",")
        assert {each.strip() for each in methods} == {"GET", "POST", "DELETE"}
        names = answer.headers["access-control-allow-headers"].split(",")
        assert {each.strip() for each in names} == {"Content-Type", "If-None-Match", "X-Request-ID"}
    for origin in FOREIGN:
        answer = await _ask(browser, "OPTIONS", path.replace("*", "/*"), asked, origin)
        assert not set(GRANTS) & set(answer.headers), origin
        assert "Origin" in answer.headers["vary"]


async def test_private_networks_are_not_opened(browser: Browser) -> None:
    """A public page's preflight for a private address is not granted by us."""
    asked = {
        "access-control-request-method": "GET",
        "access-control-request-private-network": "true",
    }
    answer = await _ask(browser, "OPTIONS", "/me", asked, "https://evil.example")

    assert "access-control-allow-private-network" not in answer.headers


async def test_an_outage_and_a_limit_are_readable_too(stage: Stage, ada: Browser) -> None:
    """503 and 429 carry the grant for allowed origins, and for nobody else."""
    async with stage.database_down():
        outage = [await _ask(ada, "GET", "/me", {}, origin) for origin in (FRONTEND, FOREIGN[3])]
    for _ in range(1_000):
        await ada.get("/auth/facebook/callback")
    limited = [
        await _ask(ada, "GET", "/auth/facebook", {}, origin) for origin in (FRONTEND, FOREIGN[3])
    ]

    assert [each.status_code for each in (*outage, *limited)] == [503, 503, 429, 429]
    for ours, theirs in (outage, limited):
        assert ours.headers["access-control-allow-origin"] == FRONTEND
        assert "retry-after" in ours.headers
        assert not set(GRANTS) & set(theirs.headers)


async def test_two_origins_are_none(ada: Browser) -> None:
    """A repeated Origin header is granted nothing, whichever comes first."""
    for pair in ((FRONTEND, "https://evil.example"), ("https://evil.example", FRONTEND)):
        headers = [("origin", origin) for origin in pair]
        answer = await ada.http.get(f"{BASE_URL}/me", headers=headers)
        assert not set(GRANTS) & set(answer.headers)


async def test_pictures_show_elsewhere_but_are_not_readable(ada: Browser) -> None:
    """`Cross-Origin-Resource-Policy: cross-origin` for pictures alone, without any CORS grant."""
    accounts = (await ada.accounts()).json()["data"]
    pictured = next(each for each in accounts if each["profile_picture_url"])
    picture = f"/me/instagram-accounts/{pictured['id']}/picture"

    shown = await _ask(ada, "GET", picture, {}, "https://evil.example")
    data = await _ask(ada, "GET", "/me/instagram-accounts", {}, "https://evil.example")

    assert shown.headers["cross-origin-resource-policy"] == "cross-origin"
    assert data.headers["cross-origin-resource-policy"] == "same-origin"
    assert not set(GRANTS) & set(shown.headers)
