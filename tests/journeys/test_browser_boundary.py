"""What stands between foreign pages and a person's session (contract §4, §5 Problems)."""

import re
from collections.abc import AsyncGenerator

import httpx
import pytest

from tests.stage import (
    BASE_URL,
    FRONTEND,
    SECURE_URL,
    Browser,
    Stage,
    make_settings,
    open_stage,
)

OTHER = "https://app.example.test"
UNSAFE = [
    ("POST", "/auth/logout"),
    ("DELETE", "/me"),
    ("DELETE", "/me/sessions"),
    ("DELETE", "/me/sessions/x"),
    ("DELETE", "/me/connections/x"),
    ("POST", "/me/connections/x/verify"),
]
ALLOWED = [
    {"origin": FRONTEND},
    {"origin": BASE_URL},
    {"origin": OTHER},
    {"origin": FRONTEND, "sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-origin"},
]
REFUSED: list[dict[str, str]] = [
    {},
    {"origin": "null"},
    {"origin": ""},
    {"origin": "*"},
    {"origin": "https://evil.example"},
    {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
    {"origin": f"{FRONTEND}/"},
    {"origin": f"{FRONTEND}.evil.example"},
    {"origin": "http://localhost"},
    {"origin": "https://localhost:5173"},
    {"origin": "http://localhost:51730"},
    {"origin": "HTTP://LOCALHOST:5173"},
    {"origin": "https://evil.app.example.test"},
    {"origin": "http://app.example.test"},
    {"origin": f"{OTHER}:443"},
    {"origin": f"{FRONTEND}, https://evil.example"},
    {"sec-fetch-site": "same-site"},
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "none"},
    {"sec-fetch-site": "Same-Origin "},
    {"referer": f"{FRONTEND}/"},
]


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One engine is enough here: what differs between them is in the other journeys."""
    return sqlite_url


@pytest.fixture
async def stage(database_url: str) -> AsyncGenerator[Stage]:
    """A service with two front ends."""
    settings = make_settings(database_url, allowed_origins=(FRONTEND, OTHER))
    async with open_stage(settings) as opened:
        yield opened


@pytest.fixture
async def ada(stage: Stage) -> Browser:
    """A browser that is logged in."""
    browser = stage.browser()
    await browser.log_in("ada")
    return browser


async def _send(
    browser: Browser, method: str, path: str, headers: dict[str, str]
) -> httpx.Response:
    return await browser.http.request(method, browser.base_url + path, headers=headers)


async def test_foreign_pages_change_nothing(stage: Stage, ada: Browser) -> None:
    """403 `csrf_failed` and nothing done, whatever the method, route and trick (R-35)."""
    for method, path in UNSAFE:
        for headers in REFUSED:
            answer = await _send(ada, method, path, headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "csrf_failed"), headers

    assert await ada.user() is not None
    assert await stage.count("people") == 1


async def test_the_cookie_anywhere_in_the_header_counts(ada: Browser) -> None:
    """Odd spacing, other cookies, two headers: what carries the session is guarded."""
    session = f"igauth_session={ada.cookie()}"
    for cookies in ([f"a=b;{session}"], [f"a=b; {session} ;c"], ["a=b", session]):
        answer = await ada.http.post(
            f"{BASE_URL}/auth/logout", headers=[("cookie", each) for each in cookies]
        )
        assert answer.status_code == 403
    assert await ada.user() is not None


@pytest.mark.parametrize("headers", ALLOWED)
async def test_our_own_pages_may(ada: Browser, headers: dict[str, str]) -> None:
    """Exactly our own origin or an allowed one; without Origin, `same-origin`."""
    assert (await _send(ada, "POST", "/auth/logout", headers)).status_code == 204
    assert await ada.user() is None


async def test_two_origins_are_none(ada: Browser) -> None:
    """A repeated Origin header is no allowed origin."""
    answer = await ada.http.post(
        f"{BASE_URL}/auth/logout", headers=[("origin", FRONTEND), ("origin", FRONTEND)]
    )

    assert answer.status_code == 403


async def test_without_the_cookie_there_is_nothing_to_forge(stage: Stage) -> None:
    """No session cookie: no CSRF; the answer is what it is without a session."""
    stranger = stage.browser()

    assert (await _send(stranger, "POST", "/auth/logout", {})).status_code == 204
    answer = await _send(stranger, "DELETE", "/me/sessions", {"origin": "https://evil.example"})
    assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


@pytest.mark.parametrize("kind", ["deauthorize", "data-deletion"])
async def test_metas_callbacks_need_no_origin(ada: Browser, kind: str) -> None:
    """They never read cookies: no CSRF, only the signature counts."""
    answer = await ada.http.post(
        f"{BASE_URL}/auth/facebook/{kind}",
        data={"signed_request": "a.b"},
        headers={"origin": "https://evil.example"},
    )

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_signed_request")
    assert await ada.user() is not None


# --- CORS ---


@pytest.mark.parametrize("origin", [FRONTEND, OTHER])
async def test_allowed_pages_may_read(ada: Browser, origin: str) -> None:
    """Exact origin, credentials, the promised headers exposed (R-36)."""
    answer = await ada.get("/me", origin=origin)

    assert answer.headers["access-control-allow-origin"] == origin
    assert answer.headers["access-control-allow-credentials"] == "true"
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert exposed == {"ETag", "Retry-After", "X-Request-ID"}
    assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/me", 401),
        ("GET", "/nowhere", 404),
        ("PUT", "/me", 405),
        ("GET", "/auth/facebook?mode=x", 422),
        ("GET", "/auth/facebook?return_to=//x", 400),
    ],
)
async def test_errors_can_be_read_too(
    browser: Browser, method: str, path: str, status: int
) -> None:
    """CORS headers stand on errors as well."""
    answer = await _send(browser, method, path, {"origin": FRONTEND})

    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == FRONTEND
    assert answer.headers["access-control-allow-credentials"] == "true"


async def test_an_outage_can_be_read_too(stage: Stage, ada: Browser) -> None:
    """503 with CORS and Retry-After."""
    async with stage.database_down():
        answer = await ada.get("/auth/session", origin=FRONTEND)

    assert answer.status_code == 503
    assert answer.headers["access-control-allow-origin"] == FRONTEND
    assert "retry-after" in answer.headers


FOREIGN = sorted({each["origin"] for each in REFUSED if each.get("origin")})


@pytest.mark.parametrize("origin", FOREIGN)
async def test_foreign_pages_may_not_read(ada: Browser, origin: str) -> None:
    """No CORS header for anybody else; `*` and `null` never; Vary all the same."""
    preflight = {"access-control-request-method": "GET", "origin": origin}
    for answer in (
        await _send(ada, "GET", "/me", {"origin": origin}),
        await _send(ada, "OPTIONS", "/me", preflight),
        await _send(ada, "GET", "/nowhere", {"origin": origin}),
    ):
        assert "access-control-allow-origin" not in answer.headers
        assert "access-control-allow-credentials" not in answer.headers
        assert "Origin" in answer.headers["vary"]


async def test_a_preflight(browser: Browser) -> None:
    """The three methods and the three headers of the contract, for any path."""
    answer = await _send(
        browser,
        "OPTIONS",
        "/me/sessions/x",
        {
            "origin": OTHER,
            "access-control-request-method": "DELETE",
            "access-control-request-headers": "content-type, x-request-id",
        },
    )

    assert answer.status_code in (200, 204)
    assert answer.headers["access-control-allow-origin"] == OTHER
    assert answer.headers["access-control-allow-credentials"] == "true"
    methods = {each.strip() for each in answer.headers["access-control-allow-methods"].split(",")}
    headers = {each.strip() for each in answer.headers["access-control-allow-headers"].split(",")}
    assert methods == {"GET", "POST", "DELETE"}
    assert headers == {"Content-Type", "If-None-Match", "X-Request-ID"}


# --- headers of every answer ---

SWEEP = [
    ("GET", "/healthz", {}, 200),
    ("GET", "/readyz", {}, 200),
    ("GET", "/metrics", {}, 200),
    ("GET", "/docs", {}, 200),
    ("GET", "/openapi.json", {}, 200),
    ("GET", "/auth/session", {}, 200),
    ("POST", "/auth/logout", {}, 204),
    ("GET", "/auth/facebook", {}, 302),
    ("GET", "/auth/facebook/callback", {}, 303),
    ("GET", "/auth/facebook?return_to=//x", {}, 400),
    ("GET", "/me", {}, 401),
    ("GET", "/auth/facebook", {"sec-fetch-dest": "iframe"}, 403),
    ("GET", "/nowhere", {}, 404),
    ("GET", "/nowhere", {"accept": "text/html"}, 404),
    ("GET", "/me/", {}, 404),
    ("GET", "/", {}, 404),
    ("HEAD", "/auth/facebook/callback", {}, 405),
    ("POST", "/auth/facebook", {}, 405),
    ("TRACE", "/me", {}, 405),
    ("OPTIONS", "/me", {}, 405),
    ("POST", "/auth/facebook/deauthorize", {"content-length": "20000"}, 413),
    ("POST", "/auth/facebook/deauthorize", {"content-type": "application/json"}, 415),
    ("GET", "/auth/facebook?mode=x", {}, 422),
    ("OPTIONS", "/me", {"origin": FRONTEND, "access-control-request-method": "GET"}, 204),
]


@pytest.mark.parametrize("secure", [False, True])
async def test_every_answer_is_armoured(database_url: str, secure: bool) -> None:
    """The same headers on 2xx, 3xx, 4xx and preflights; HSTS on https alone (R-38)."""
    settings = make_settings(database_url, base_url=SECURE_URL if secure else BASE_URL)
    async with open_stage(settings) as stage:
        browser = stage.browser()
        for method, path, headers, status in SWEEP:
            answer = await _send(browser, method, path, headers)
            assert answer.status_code == status, (method, path)
            _check_armour(answer, secure)
        async with stage.database_down():
            answer = await browser.get("/me", cookie=f"{_session_name(secure)}=x")
            assert answer.status_code == 503
            _check_armour(answer, secure)


def _session_name(secure: bool) -> str:
    return "__Host-igauth_session" if secure else "igauth_session"


def _check_armour(answer: httpx.Response, secure: bool) -> None:
    headers = answer.headers
    assert headers.get_list("x-content-type-options") == ["nosniff"]
    assert headers.get_list("referrer-policy") == ["no-referrer"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", headers["x-request-id"])
    assert "Origin" in headers["vary"]
    if secure:
        assert int(headers["strict-transport-security"].partition("=")[2].split(";")[0]) >= 31536000
    else:
        assert "strict-transport-security" not in headers
    assert "server" not in headers


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/auth/session", "no-store"),
        ("/me", "no-store"),
        ("/me/sessions", "no-store"),
        ("/me/connections", "no-store"),
        ("/me/instagram-accounts", "private, no-cache"),
        ("/auth/facebook", "no-store"),
        ("/auth/facebook/callback", "no-store"),
    ],
)
async def test_what_may_be_cached(ada: Browser, path: str, wanted: str) -> None:
    """Logins and personal data never; the listing is revalidated each time."""
    assert (await ada.get(path)).headers["cache-control"] == wanted


async def test_pictures_may_be_embedded(ada: Browser) -> None:
    """Their address leads to a live link, readable from other sites."""
    accounts = (await ada.accounts()).json()["data"]
    (pictured, *_) = [each for each in accounts if each["profile_picture_url"]]

    answer = await ada.get(f"/me/instagram-accounts/{pictured['id']}/picture")

    assert answer.status_code == 302
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


# --- request ids ---


@pytest.mark.parametrize("given", ["abc", "A.b_c-9", "x" * 64])
async def test_a_request_id_is_taken_over(browser: Browser, given: str) -> None:
    """In the header and in the problem."""
    answer = await browser.get("/me", x_request_id=given)

    assert answer.headers["x-request-id"] == given
    assert answer.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a;b", "<b>", "ü", "a\u00a0"])
async def test_a_bad_request_id_is_replaced(browser: Browser, given: str) -> None:
    """A fresh one each time."""
    headers = [(b"x-request-id", given.encode("latin-1"))]
    first, second = [await browser.http.get(f"{BASE_URL}/me", headers=headers) for _ in range(2)]

    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", first.headers["x-request-id"])
    assert given not in (first.headers["x-request-id"], second.headers["x-request-id"])
    assert first.headers["x-request-id"] != second.headers["x-request-id"]


# --- problems ---


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "code"),
    [
        ("GET", "/nowhere", {}, 404, "not_found"),
        ("GET", "/me/", {}, 404, "not_found"),
        ("GET", "/auth/facebook/callback/?code=x&state=y", {}, 404, "not_found"),
        ("PATCH", "/me", {}, 405, "method_not_allowed"),
        ("OPTIONS", "/me", {}, 405, "method_not_allowed"),
        ("POST", "/auth/logout", {"content-length": "16385"}, 413, "payload_too_large"),
        (
            "POST",
            "/auth/facebook/deauthorize",
            {"content-type": "application/json"},
            415,
            "unsupported_media_type",
        ),
        (
            "POST",
            "/auth/facebook/data-deletion",
            {"content-type": "text/plain"},
            415,
            "unsupported_media_type",
        ),
        ("GET", "/auth/facebook?prompt=x", {}, 422, "invalid_request"),
        ("GET", "/me", {}, 401, "not_authenticated"),
    ],
)
async def test_problems_have_one_shape(
    browser: Browser, method: str, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    """RFC 9457, the framework's own refusals included (R-67)."""
    answer = await _send(browser, method, path, headers)

    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    problem = answer.json()
    assert {"type", "title", "status", "detail", "code", "retryable", "action"} <= problem.keys()
    assert (problem["status"], problem["code"]) == (status, code)
    assert isinstance(problem["retryable"], bool)
    assert problem["request_id"] == answer.headers["x-request-id"]
    if status == 405:
        assert answer.headers["allow"]


async def test_an_invalid_listing_parameter(ada: Browser) -> None:
    """422 as a problem that doesn't repeat the value."""
    answer = await ada.get("/me/instagram-accounts?refresh=perhaps-not")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "perhaps-not" not in answer.text


async def test_a_body_that_grows_is_stopped(browser: Browser) -> None:
    """No Content-Length to go by: 413 once it is more than 16 kB."""

    async def endless() -> AsyncGenerator[bytes]:
        for _ in range(64):
            yield b"signed_request=" + b"x" * 1_024

    answer = await browser.http.post(
        f"{BASE_URL}/auth/facebook/deauthorize",
        content=endless(),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )

    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


async def test_only_the_session_makes_401(browser: Browser) -> None:
    """A 401 says where to log in."""
    problem = (await browser.get("/me")).json()

    assert problem["action"] == {"kind": "login", "url": f"{BASE_URL}/auth/facebook"}


@pytest.mark.parametrize("path", ["/nowhere", "/me", "/auth/facebook?return_to=//evil"])
async def test_a_person_who_navigates_sees_a_page(browser: Browser, path: str) -> None:
    """The same content as HTML, without a script."""
    answer = await browser.get(
        path, accept="text/html,application/xhtml+xml", sec_fetch_mode="navigate"
    )
    problem = (await browser.get(path)).json()

    assert answer.headers["content-type"].startswith("text/html")
    assert answer.status_code == problem["status"]
    for part in (problem["title"], problem["code"], answer.headers["x-request-id"]):
        assert part in answer.text
    assert "<script" not in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]


async def test_a_fetch_that_accepts_anything_gets_json(browser: Browser) -> None:
    """`fetch` with `text/html` in Accept is still a script's."""
    answer = await browser.get("/me", accept="text/html", sec_fetch_mode="cors")

    assert answer.headers["content-type"] == "application/problem+json"


# --- methods and hosts ---


async def test_a_link_scanner_spends_nothing(stage: Stage, browser: Browser) -> None:
    """HEAD on the callback: 405, the attempt unharmed (security R-42, F-31)."""
    callback = await browser.approach("ada")

    assert (await browser.http.head(callback)).status_code == 405
    assert stage.graph_calls == []
    assert (await browser.http.get(callback)).status_code == 303
    assert await browser.user() is not None


async def test_no_address_is_built_from_the_host(ada: Browser) -> None:
    """A poisoned Host or X-Forwarded-Host turns up in no answer (R-07, R-39)."""
    for path in ("/auth/session", "/me/instagram-accounts", "/me/connections", "/me/", "/me?x"):
        answer = await ada.get(
            path, host="evil.example", x_forwarded_host="evil.example", accept="application/json"
        )
        assert "evil.example" not in answer.text + str(answer.headers)


async def test_documentation_can_be_switched_off(database_url: str) -> None:
    """API_DOCS=false: 404 for both (R-56)."""
    async with open_stage(make_settings(database_url, api_docs=False)) as stage:
        for path in ("/docs", "/openapi.json"):
            assert (await stage.browser().get(path)).status_code == 404


async def test_metrics_want_their_token(database_url: str) -> None:
    """METRICS_TOKEN set: a Bearer, exactly."""
    async with open_stage(make_settings(database_url, metrics_token="m3trics-t0ken")) as stage:
        browser = stage.browser()
        for header in ({}, {"authorization": "Bearer x"}, {"authorization": "m3trics-t0ken"}):
            assert (await browser.get("/metrics", **header)).status_code == 401
        answer = await browser.get("/metrics", authorization="Bearer m3trics-t0ken")
        assert answer.status_code == 200
        assert "igauth_logins" in answer.text


async def test_allow_names_every_method(stage: Stage) -> None:
    """405 tells all that the address answers to (RFC 9110 §15.5.6, security R-42)."""
    browser = stage.browser()

    head = await browser.http.head(stage.settings.base_url + "/me")
    put = await browser.http.put(stage.settings.base_url + "/auth/facebook/deauthorize")

    assert (head.status_code, head.headers["allow"]) == (405, "DELETE, GET")
    assert (put.status_code, put.headers["allow"]) == (405, "GET, POST")


async def test_refused_requests_are_counted_by_their_template(stage: Stage) -> None:
    """A refusal before routing still has its path template in log and metrics (contract §9)."""
    browser = stage.browser()
    await browser.log_in("ada")
    await browser.send("DELETE", "/me/sessions/1", origin="https://evil.test")

    metrics = (await browser.get("/metrics")).text

    assert 'method="DELETE",route="/me/sessions/{session_id}",status="403"' in metrics
