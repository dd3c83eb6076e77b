"""Logging in, as a person sees it (contract §3)."""

import asyncio
from urllib.parse import urlsplit

import pytest

from igauth.domain import ConnectionStatus
from tests.stage import (
    BASE_URL,
    FACEBOOK,
    FRONTEND,
    SECURE_URL,
    Browser,
    FakeClock,
    Stage,
    error_of,
    make_sandbox,
    make_settings,
    open_stage,
    query_of,
)

DIALOG_PARAMETERS = {
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "return_scopes",
    "code_challenge",
    "code_challenge_method",
}
CRITICAL_PATH = ("exchange", "upgrade", "debug_token", "me")


async def test_a_person_logs_in_and_is_known(browser: Browser) -> None:
    """One consent, and the front end knows who is there."""
    ended = await browser.log_in("ada")

    assert ended.status_code == 303
    assert ended.headers["location"] == f"{FRONTEND}/"
    session = (await browser.get("/auth/session")).json()
    assert session["authenticated"] is True
    assert session["user"]["name"] == "Ada Invented"
    assert session["login_url"] == f"{BASE_URL}/auth/facebook"


async def test_a_stranger_is_nobody(browser: Browser) -> None:
    """`/auth/session` never answers 401."""
    answer = await browser.get("/auth/session")

    assert answer.status_code == 200
    assert answer.json() == {
        "authenticated": False,
        "user": None,
        "login_url": f"{BASE_URL}/auth/facebook",
        "login_urls": {"facebook": f"{BASE_URL}/auth/facebook"},
    }


async def test_the_accounts_are_there_at_once(stage: Stage, browser: Browser) -> None:
    """The listing came with the login: the first request begins no walk of its own."""
    await browser.log_in("ada")

    listing = (await browser.accounts()).json()

    assert [account["username"] for account in listing["data"]] == [
        "ada.quiet",
        "invented.bakery",
        "invented_flowers",
    ]
    assert stage.graph_calls == ["exchange", "upgrade", "debug_token", "me", "businesses"]


async def test_a_login_takes_two_round_trips(database_url: str) -> None:
    """The exchange, then everything else side by side; unknown paths are never asked."""
    settings, clock = make_settings(database_url), FakeClock()

    async def until_all_are_here(_seconds: float) -> None:
        """Nobody of the second round is answered before all of it has arrived."""
        while sandbox.calls.of("upgrade", "debug_token", "me", "accounts"):
            if all(sandbox.calls.of(endpoint) for endpoint in CRITICAL_PATH):
                return
            await asyncio.sleep(0)

    sandbox = make_sandbox(settings, clock, sleep=until_all_are_here)
    sandbox.state.latency_seconds = 1.0
    async with open_stage(settings, sandbox=sandbox, clock=clock) as stage:
        await stage.browser().log_in("ada")

    needed = [call for call in sandbox.calls.top() if call.endpoint in CRITICAL_PATH]
    exchange, *second = sorted(needed, key=lambda call: call.began)
    assert exchange.endpoint == "exchange"
    assert {"upgrade", "debug_token", "me"} == {call.endpoint for call in second}
    assert min(call.began for call in second) > (exchange.ended or 0)
    assert max(call.began for call in second) < min(call.ended or 0 for call in second)
    assert sandbox.calls.unknown() == []


async def test_the_dialog_gets_exactly_what_is_promised(stage: Stage, browser: Browser) -> None:
    """302 to the dialog with the contract's parameters and no other."""
    started = await browser.start()

    address = urlsplit(started.headers["location"])
    query = query_of(started)
    assert started.status_code == 302
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{FACEBOOK}/v26.0/dialog/oauth"
    assert query.keys() == DIALOG_PARAMETERS
    assert query["client_id"] == [stage.settings.facebook_client_id]
    assert query["redirect_uri"] == [f"{BASE_URL}/auth/facebook/callback"]
    assert query["response_type"] == ["code"]
    assert query["scope"] == [",".join(stage.settings.facebook_scopes)]
    assert query["return_scopes"] == ["true"]
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["code_challenge"][0]) == 43


@pytest.mark.parametrize(
    ("prompt", "auth_type"), [("select", "rerequest"), ("reauthorize", "reauthorize")]
)
async def test_a_prompt_asks_again(browser: Browser, prompt: str, auth_type: str) -> None:
    """`prompt` becomes the dialog's auth_type (facts 1.1)."""
    query = query_of(await browser.start(prompt=prompt))

    assert query["auth_type"] == [auth_type]
    assert query.keys() == DIALOG_PARAMETERS | {"auth_type"}


async def test_login_for_business_sends_its_configuration(database_url: str) -> None:
    """`config_id` in place of `scope` (facts 1.3)."""
    settings = make_settings(database_url, facebook_config_id="700000000000001")
    clock = FakeClock()
    sandbox = make_sandbox(settings, clock, config={"login_for_business": True})
    async with open_stage(settings, sandbox=sandbox, clock=clock) as stage:
        browser = stage.browser()
        query = query_of(await browser.start())
        ended = await browser.log_in("ada")

    assert query["config_id"] == ["700000000000001"]
    assert "scope" not in query
    assert error_of(ended) is None


@pytest.mark.parametrize(
    "smuggled",
    [
        {"scope": "ads_management"},
        {"auth_type": "reauthenticate"},
        {"config_id": "1"},
        {"state": "mine"},
        {"redirect_uri": "https://evil.example/"},
        {"client_id": "1"},
        {"session": "x", "user": "1", "access_token": "EAA"},
    ],
)
async def test_nobody_can_add_to_the_dialog(browser: Browser, smuggled: dict[str, str]) -> None:
    """Unknown parameters are ignored (security R-13, R-20)."""
    plain, odd = query_of(await browser.start()), query_of(await browser.start(**smuggled))

    own = ("state", "code_challenge")
    assert {k: v for k, v in odd.items() if k not in own} == {
        k: v for k, v in plain.items() if k not in own
    }
    assert odd["state"] != ["mine"]


@pytest.mark.parametrize(
    "bad",
    [
        {"mode": "iframe"},
        {"mode": ""},
        {"prompt": "none"},
        {"reconnect": ""},
        {"reconnect": "x" * 65},
        {"reconnect": "two words"},
    ],
)
async def test_a_bad_value_is_refused(browser: Browser, bad: dict[str, str]) -> None:
    """422 `invalid_request`, no cookie, and the value isn't repeated."""
    answer = await browser.start(**bad)

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"
    assert "set-cookie" not in answer.headers
    assert "two words" not in answer.text


@pytest.mark.parametrize("name", ["return_to", "mode", "prompt", "reconnect"])
async def test_a_repeated_parameter_is_refused(browser: Browser, name: str) -> None:
    """RFC 6749 §3.1."""
    value = {"return_to": "/", "mode": "popup", "prompt": "select", "reconnect": "x"}[name]

    answer = await browser.get(f"/auth/facebook?{name}={value}&{name}={value}")

    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid_request"


async def test_every_attempt_is_fresh(browser: Browser) -> None:
    """State and challenge are 256 random bits each, new every time (security R-01)."""
    starts = [query_of(await browser.start()) for _ in range(20)]

    states = {query["state"][0] for query in starts}
    assert len(states) == 20
    assert all(len(state) >= 43 for state in states)
    assert len({query["code_challenge"][0] for query in starts}) == 20
    assert len({state[:4] for state in states}) > 15


async def test_starting_writes_nothing_and_asks_nobody(stage: Stage, browser: Browser) -> None:
    """A login start costs the database and Facebook nothing."""
    await browser.start()

    assert stage.calls == []
    for table in ("spent_states", "people", "sessions", "audit_events"):
        assert await stage.count(table) == 0


async def test_the_attempt_cookie_is_narrow(stage: Stage, browser: Browser) -> None:
    """HttpOnly, Lax, an hour, host-only; on loopback http without prefix or Secure."""
    header = (await browser.start()).headers["set-cookie"]

    name, _, attributes = header.partition("=")
    assert name.startswith("igauth_login_")
    parts = {part.strip().lower() for part in attributes.split(";")[1:]}
    assert parts == {"httponly", "max-age=3600", "path=/", "samesite=lax"}


async def test_on_https_cookies_are_prefixed(database_url: str) -> None:
    """`__Host-` and Secure, both for the attempt and for the session."""
    settings = make_settings(database_url, base_url=SECURE_URL)
    async with open_stage(settings) as stage:
        browser = stage.browser()
        started = await browser.start()
        callback = await browser.consent(started.headers["location"])
        ended = await browser.http.get(callback)

        attempt, session = started.headers["set-cookie"], ended.headers.get_list("set-cookie")[0]
        assert attempt.startswith("__Host-igauth_login_")
        assert session.startswith("__Host-igauth_session=")
        for cookie in (attempt, session):
            assert {"secure", "httponly", "path=/", "samesite=lax"} <= {
                part.strip().lower() for part in cookie.split(";")
            }
        assert await browser.user() is not None


async def test_on_https_a_plain_session_cookie_counts_for_nothing(database_url: str) -> None:
    """Only the `__Host-` name is read: a sibling subdomain can't plant a session."""
    async with open_stage(make_settings(database_url, base_url=SECURE_URL)) as stage:
        browser = stage.browser()
        await browser.log_in("ada")
        planted = stage.browser()
        value = browser.cookie("__Host-igauth_session")

        answer = await planted.get("/auth/session", cookie=f"igauth_session={value}")

        assert answer.json()["authenticated"] is False


async def test_the_attempt_cookie_is_cleared_at_use(browser: Browser) -> None:
    """What is used up leaves the jar."""
    await browser.log_in("ada")

    assert browser.attempt_cookies() == []
    assert browser.cookie() is not None


async def test_the_session_cookie_lives_as_long_as_a_session(
    stage: Stage, browser: Browser
) -> None:
    """Max-Age is SESSION_MAX_DAYS."""
    ended = await browser.log_in("ada")

    (session,) = [
        header for header in ended.headers.get_list("set-cookie") if "igauth_session=" in header
    ]
    assert f"Max-Age={stage.settings.session_max_days * 86_400}" in session


async def test_the_way_back_is_clean(browser: Browser) -> None:
    """No code, state, token or name in the final address, and nothing is cached (R-15)."""
    callback = await browser.approach("ada")

    ended = await browser.http.get(callback)

    assert ended.headers["location"] == f"{FRONTEND}/"
    assert ended.headers["cache-control"] == "no-store"
    assert ended.headers["referrer-policy"] == "no-referrer"
    assert ended.content == b""


async def test_facebook_sees_the_same_redirect_uri_twice(stage: Stage) -> None:
    """A poisoned Host changes neither leg (security R-07)."""
    browser = stage.browser()
    started = await browser.get(
        "/auth/facebook", host="evil.example", x_forwarded_host="evil.example"
    )

    assert query_of(started)["redirect_uri"] == [stage.settings.redirect_uri]
    callback = await browser.consent(started.headers["location"])
    assert error_of(await browser.http.get(callback, headers={"host": "evil.example"})) is None


async def test_the_verifier_matches_the_challenge(stage: Stage, browser: Browser) -> None:
    """S256 of what the exchange sends is what the dialog got (RFC 7636 §4.6)."""
    started = await browser.start()
    challenge = query_of(started)["code_challenge"][0]
    await browser.http.get(await browser.consent(started.headers["location"]))

    (code,) = stage.sandbox.ledger.codes.values()
    assert code.challenge == challenge
    assert code.challenge_method == "S256"
    assert code.used


async def test_what_facebook_never_asked_for_has_no_effect(stage: Stage, browser: Browser) -> None:
    """A token in the callback's query is not a login (security R-08)."""
    started = await browser.start()
    state = query_of(started)["state"][0]

    ended = await browser.get(
        f"/auth/facebook/callback?state={state}&access_token=EAAx&signed_request=a.b&user_id=1"
    )

    assert error_of(ended) == "facebook_error"
    assert stage.graph_calls == []


async def test_secrets_travel_as_promised(stage: Stage, browser: Browser) -> None:
    """Bearer or form, a proof on every call but the two of the token endpoint (contract §7)."""
    await browser.log_in("ada")

    for call in stage.sandbox.calls.top():
        allowed = {"input_token"} if call.endpoint == "debug_token" else set()
        assert set(call.secrets_in_query) <= allowed | {"appsecret_proof"}, call.endpoint
        if call.endpoint not in ("exchange", "upgrade"):
            assert call.proof == "valid", call.endpoint


async def test_a_second_login_keeps_person_and_connection(stage: Stage, browser: Browser) -> None:
    """A person has exactly one connection; times move on, ids stay."""
    await browser.log_in("ada")
    person, connection = await browser.user(), await browser.connection()
    stage.clock.advance(days=1)

    await browser.log_in("ada")

    again = await browser.user()
    assert person is not None
    assert again is not None
    assert again["id"] == person["id"]
    assert again["created_at"] == person["created_at"]
    assert again["last_login_at"] == "2026-11-24T12:00:00Z"
    assert (await browser.connection())["id"] == connection["id"]
    assert await stage.count("connections") == 1


async def test_two_people_are_two_people(stage: Stage) -> None:
    """Identity is the app-scoped id, nothing else (security R-12)."""
    ada, ben = stage.browser(), stage.browser()
    await ada.log_in("ada")
    await ben.log_in("ben")

    assert (await ada.user() or {})["id"] != (await ben.user() or {})["id"]
    assert await stage.count("people") == 2


@pytest.mark.parametrize("variant", ["absent", "never"])
async def test_a_token_without_a_date_has_no_date(
    stage: Stage, browser: Browser, variant: str
) -> None:
    """Expiry is what Facebook says, never a guess (facts 3.2, 4.3): null, and active."""
    stage.sandbox.world.person("ada").quirks.expiry = variant  # type: ignore[assignment]

    await browser.log_in("ada")

    connection = await browser.connection()
    assert connection["status"] == ConnectionStatus.ACTIVE
    if variant == "never":
        assert connection["token_expires_at"] is None


async def test_what_was_declined_is_told(browser: Browser) -> None:
    """A partial grant is a login, with the missing permission named (facts 1.4)."""
    await browser.log_in("ada", form={"declined": "business_management"})

    connection = await browser.connection()
    assert connection["declined_scopes"] == ["business_management"]
    assert connection["missing_scopes"] == ["business_management"]
    assert "prompt=select" in connection["reconnect_url"]


@pytest.mark.parametrize("destination", ["iframe", "empty", "image", "embed", "frame", ""])
async def test_a_login_is_a_navigation(browser: Browser, destination: str) -> None:
    """A Sec-Fetch-Dest that isn't `document`: 403 `not_a_navigation`, no cookie (R-21)."""
    answer = await browser.get("/auth/facebook", sec_fetch_dest=destination)

    assert answer.status_code == 403
    assert answer.json()["code"] == "not_a_navigation"
    assert "set-cookie" not in answer.headers


async def test_a_document_or_an_old_browser_may_log_in(browser: Browser) -> None:
    """`document`, or no such header at all."""
    for headers in ({"sec_fetch_dest": "document"}, {}):
        assert (await browser.get("/auth/facebook", **headers)).status_code == 302
