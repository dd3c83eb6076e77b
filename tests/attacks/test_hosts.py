"""Spoofed hosts and forwarding headers, as raw bytes to `igauth serve` (R-07, R-39, P-17 to P-20).

Whatever a request says about where it went, addresses are built from `BASE_URL` alone.
"""

import time
from collections.abc import AsyncGenerator, Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from igauth.sandbox.app import SandboxConfig
from tests.attacks.processes import Fleet, RawAnswer, open_fleet, raw, send_raw
from tests.attacks.signing import claims_of, sign
from tests.stage import BASE_URL, SECURE_URL, Stage, make_settings, open_stage

EVIL = "evil.example"
FORM = "Content-Type: application/x-www-form-urlencoded"
SPOOFS = {
    "host": [f"Host: {EVIL}"],
    "host and port": [f"Host: {EVIL}:443"],
    "host with a path": [f"Host: {EVIL}/health?x="],
    "host with user info": [f"Host: localhost@{EVIL}"],
    "host with a blank": [f"Host: localhost {EVIL}"],
    "host with a backslash": [f"Host: localhost\\{EVIL}"],
    "empty host": ["Host: "],
    "two hosts": ["Host: localhost", f"Host: {EVIL}"],
    "two hosts, the other way": [f"Host: {EVIL}", "Host: localhost"],
    "forwarded host": ["Host: {ours}", f"X-Forwarded-Host: {EVIL}"],
    "forwarded host and scheme": [
        "Host: {ours}",
        f"X-Forwarded-Host: {EVIL}",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Port: 443",
        f"X-Forwarded-Server: {EVIL}",
        f"X-Forwarded-Prefix: //{EVIL}",
    ],
    "RFC 7239": ["Host: {ours}", f'Forwarded: for=1.2.3.4;host={EVIL};proto="https"'],
    "underscores": ["Host: {ours}", f"X_Forwarded_Host: {EVIL}", f"X_FORWARDED_HOST: {EVIL}"],
    "rewriting proxies": [
        "Host: {ours}",
        f"X-Original-URL: //{EVIL}/",
        f"X-Rewrite-URL: //{EVIL}/",
        f"X-Original-Host: {EVIL}",
        f"X-Host: {EVIL}",
        f"X-HTTP-Host-Override: {EVIL}",
        "X-HTTP-Method-Override: DELETE",
    ],
}
TARGETS = [
    "/auth/facebook",
    "/auth/facebook?mode=popup",
    "/auth/facebook/callback",
    "/auth/facebook/callback?state=x&code=y",
    "/auth/session",
    "/me",
    "/me/",
    "/me/instagram-accounts",
    "/nowhere",
    "/docs",
    "/openapi.json",
]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, sqlite_template: object) -> Iterator[Fleet]:
    """One replica, without a proxy before it."""
    folder = tmp_path_factory.mktemp("hosts")
    (folder / "igauth.db").write_bytes(bytes_of(sqlite_template))
    with open_fleet(folder, f"sqlite:///{folder}/igauth.db", replicas=1) as opened:
        yield opened
        opened.assert_alive()


def bytes_of(template: object) -> bytes:
    """The migrated database file."""
    with open(str(template), "rb") as file:
        return file.read()


def _headers(fleet: Fleet, spoof: str) -> list[str]:
    ours = urlsplit(fleet.base_url).netloc
    return [header.replace("{ours}", ours) for header in SPOOFS[spoof]]


def _assert_ours(answer: RawAnswer, fleet: Fleet) -> None:
    """Nothing of the spoof in the answer; a redirect leads to us, the front end or Facebook."""
    assert EVIL not in answer.whole
    location = answer.header("Location")
    if location is not None:
        target = urlsplit(location)
        origin = f"{target.scheme}://{target.netloc}"
        assert origin in {fleet.base_url, "http://localhost:5173", fleet.facebook.origin}


@pytest.mark.parametrize("spoof", SPOOFS)
async def test_no_answer_repeats_a_spoofed_host(fleet: Fleet, spoof: str) -> None:
    """Not in a body, not in a header, on no route, whether it is answered or refused."""
    for target in TARGETS:
        answer = await send_raw(
            fleet.replicas[0].port, raw(target, *_headers(fleet, spoof), "Accept: text/html")
        )
        assert 200 <= answer.status < 500, (target, answer)
        _assert_ours(answer, fleet)


@pytest.mark.parametrize("spoof", SPOOFS)
async def test_the_redirect_uri_is_a_constant(fleet: Fleet, spoof: str) -> None:
    """A login that starts under a spoof names our callback, or doesn't start (RFC 6749 §4.1.3)."""
    request = raw("/auth/facebook", *_headers(fleet, spoof))
    answer = await send_raw(fleet.replicas[0].port, request)

    location = urlsplit(answer.header("Location") or "")
    if answer.status == 302:
        query = parse_qs(location.query)
        assert query["redirect_uri"] == [f"{fleet.base_url}/auth/facebook/callback"]
    elif answer.status == 307:
        assert f"{location.scheme}://{location.netloc}" == fleet.base_url
    else:
        assert 400 <= answer.status < 500


@pytest.mark.parametrize("name", ["127.0.0.1", "[::1]"])
async def test_another_loopback_name_is_sent_to_ours(fleet: Fleet, name: str) -> None:
    """307 to the very same address at BASE_URL, whose cookies the callback will find (§3)."""
    target = "/auth/facebook?return_to=%2Fdeep%3Fx%3D1&prompt=select"
    port = urlsplit(fleet.base_url).port
    answer = await send_raw(fleet.replicas[0].port, raw(target, f"Host: {name}:{port}"))

    assert answer.status == 307
    assert answer.header("Location") == fleet.base_url + target
    assert answer.header("Set-Cookie") is None


@pytest.mark.parametrize("spoof", SPOOFS)
async def test_the_deletion_page_has_our_address(fleet: Fleet, spoof: str) -> None:
    """The `url` that Meta shows to people begins with BASE_URL (P-19, P-20)."""
    signed = sign(claims_of("424242", time.time()), SandboxConfig().app_secret)
    body = urlencode({"signed_request": signed}).encode()
    request = raw(
        "/auth/facebook/data-deletion", *_headers(fleet, spoof), FORM, method="POST", body=body
    )
    answer = await send_raw(fleet.replicas[0].port, request)

    _assert_ours(answer, fleet)
    if answer.status == 200:
        assert f'"url":"{fleet.base_url}/auth/facebook/data-deletion/' in answer.body
    else:
        assert 400 <= answer.status < 500


@pytest.mark.parametrize(
    "target",
    [
        f"http://{EVIL}/auth/facebook",
        f"https://{EVIL}/me",
        f"http://{EVIL}@localhost/auth/facebook",
        f"//{EVIL}/auth/facebook",
        f"//{EVIL}/%2e%2e",
        f"/\\{EVIL}",
        f"/%2f{EVIL}/",
        f"@{EVIL}/auth/facebook",
        f"{EVIL}:443",
        "*",
        "?x",
        "/auth/facebook?return_to=http://localhost:5173/%0d%0aX-Evil:1",
        "/auth/facebook%0d%0aX-Evil:1",
        "/me/..;/metrics",
        "/auth/../me",
        "/%6de",
    ],
)
@pytest.mark.parametrize("host", ["{ours}", "127.0.0.1", EVIL])
async def test_odd_request_targets_lead_nowhere(fleet: Fleet, target: str, host: str) -> None:
    """Absolute form, doubled strokes, encoded strokes: never a foreign redirect, never a 5xx."""
    ours = urlsplit(fleet.base_url).netloc
    request = raw(target, f"Host: {host.replace('{ours}', ours)}")
    answer = await send_raw(fleet.replicas[0].port, request)

    assert answer.status < 500
    assert "\r\nX-Evil" not in answer.head
    location = answer.header("Location")
    if location is not None:
        parts = urlsplit(location)
        assert f"{parts.scheme}://{parts.netloc}" in {fleet.base_url, fleet.facebook.origin}


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "OPTIONS", "PROPFIND", "get"])
async def test_odd_methods_do_nothing(fleet: Fleet, method: str) -> None:
    """Refused, and nothing of the request is echoed (R-42)."""
    request = raw("/me", f"Host: {EVIL}", "X-Canary: canary", method=method)
    answer = await send_raw(fleet.replicas[0].port, request)

    assert answer.status in {0, 400, 404, 405, 501}
    assert "canary" not in answer.whole
    assert EVIL not in answer.whole


@pytest.mark.parametrize(
    "lengths",
    [
        ("Content-Length: 5", "Transfer-Encoding: chunked"),
        ("Content-Length: 5", "Content-Length: 6"),
        ("Content-Length: -1",),
        ("Content-Length: +5",),
        ("Content-Length: 5,5",),
        ("Content-Length: 0x5",),
        ("Transfer-Encoding: chunked, identity",),
        ("Transfer-Encoding: xchunked",),
        ("Transfer-Encoding : chunked",),
    ],
    ids=" + ".join,
)
async def test_ambiguous_lengths_smuggle_nothing(fleet: Fleet, lengths: tuple[str, ...]) -> None:
    """Two opinions about where a request ends: refused, or one request only (R-43, P-38)."""
    ours = urlsplit(fleet.base_url).netloc
    hidden = f"GET /healthz HTTP/1.1\r\nHost: {ours}\r\nX-Request-ID: smuggled\r\n\r\n"
    head = "\r\n".join(["POST /auth/logout HTTP/1.1", f"Host: {ours}", *lengths, "", ""])
    answer = await send_raw(
        fleet.replicas[0].port, (head + "0\r\n\r\n" + hidden).encode() + raw("/nowhere")
    )

    assert answer.status in {0, 400, 405, 411, 413, 501}
    assert "smuggled" not in answer.whole


# --- behind a proxy ---


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One engine: what is tried here ends before the database."""
    return sqlite_url


@pytest.fixture
async def proxied(database_url: str) -> AsyncGenerator[Stage]:
    """An https service that trusts the proxies of 10.0.0.0/8, and allows two login starts."""
    settings = make_settings(
        database_url,
        base_url=SECURE_URL,
        trusted_proxies="10.0.0.0/8",
        rate_limit_login="2/hour",
    )
    async with open_stage(settings) as opened:
        yield opened


@pytest.mark.parametrize("address", ["10.0.0.1", "203.0.113.9"])
async def test_a_forwarded_scheme_takes_no_armour_off(proxied: Stage, address: str) -> None:
    """`X-Forwarded-Proto: http` leaves Secure, `__Host-` and HSTS as they are, from anybody."""
    answer = await proxied.browser(address).get(
        "/auth/facebook", x_forwarded_proto="http", x_forwarded_host=EVIL
    )

    assert answer.status_code == 302
    assert answer.headers["set-cookie"].startswith("__Host-igauth_login_")
    assert "secure" in answer.headers["set-cookie"].lower()
    assert answer.headers["strict-transport-security"].startswith("max-age=31536000")
    assert EVIL not in str(answer.headers)


async def _starts(stage: Stage, peer: str, *headers: list[tuple[str, str]]) -> list[int]:
    http = stage.browser(peer).http
    url = f"{stage.settings.base_url}/auth/facebook"
    return [(await http.get(url, headers=each)).status_code for each in headers]


async def test_underscores_name_no_client(proxied: Stage) -> None:
    """`X_Forwarded_For` is not the proxy's header: nobody smuggles an address in (P-17)."""
    requests = [
        [("x-forwarded-for", "198.51.100.7"), ("x_forwarded_for", f"203.0.113.{number}")]
        for number in range(3)
    ]

    assert await _starts(proxied, "10.0.0.1", *requests) == [302, 302, 429]


async def test_what_the_client_wrote_itself_counts_for_nothing(proxied: Stage) -> None:
    """Counted from the right, over repeated headers as over commas (RFC 9110 §5.3)."""
    requests = [
        [("x-forwarded-for", f"203.0.113.{number}"), ("x-forwarded-for", "198.51.100.7")]
        for number in range(2)
    ] + [[("x-forwarded-for", "203.0.113.9, 198.51.100.7")]]

    assert await _starts(proxied, "10.0.0.1", *requests) == [302, 302, 429]


@pytest.mark.parametrize(
    "claimed", ["unknown", "_hidden", "", ",", "999.1.1.1", "10.0.0.1:99999", "a" * 5_000, "::%"]
)
async def test_a_nonsense_client_address_is_survived(proxied: Stage, claimed: str) -> None:
    """No 5xx, and no way around the limit by inventing new nonsense each time."""
    statuses = await _starts(
        proxied, "10.0.0.1", *([("x-forwarded-for", f"{claimed}")] for _ in range(3))
    )

    assert statuses == [302, 302, 429]


async def test_without_trusted_proxies_nobody_is_believed(database_url: str) -> None:
    """Every forwarding header there is, from loopback too: one client, one limit (P-30)."""
    settings = make_settings(database_url, rate_limit_login="2/hour")
    names = ("x-forwarded-for", "forwarded", "x-real-ip", "true-client-ip", "cf-connecting-ip")
    async with open_stage(settings) as stage:
        requests = [
            [(name, f"203.0.113.{number}") for name in names] + [("host", BASE_URL[7:])]
            for number in range(3)
        ]
        assert await _starts(stage, "127.0.0.1", *requests) == [302, 302, 429]
