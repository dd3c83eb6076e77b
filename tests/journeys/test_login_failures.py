"""Every way in which a login can fail, each by its own code (contract §3)."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from igauth import errors
from igauth.meta.calls import Budgets
from tests.stage import (
    FRONTEND,
    Browser,
    FakeClock,
    Stage,
    error_of,
    make_sandbox,
    make_settings,
    open_stage,
    query_of,
    quick,
    replica,
)

CALLBACK = "/auth/facebook/callback"


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One engine is enough here: what differs between them is in the other journeys."""
    return sqlite_url


def is_untouched(stage: Stage) -> bool:
    """Whether nobody asked Facebook anything."""
    return stage.graph_calls == []


async def test_a_refusal_is_told_and_harmless(stage: Stage, browser: Browser) -> None:
    """`access_denied`: nothing is exchanged, and the session that was there stays (facts 1.5)."""
    await browser.log_in("ada")
    session, asked = browser.cookie(), len(stage.graph_calls)

    ended = await browser.http.get(await browser.approach("ada", decision="cancel"))

    assert error_of(ended) == "access_denied"
    assert len(stage.graph_calls) == asked
    assert browser.cookie() == session
    assert await browser.user() is not None


async def test_what_the_query_says_is_never_repeated(browser: Browser) -> None:
    """Neither Facebook's texts nor an attacker's reach the front end (security R-05)."""
    state = query_of(await browser.start())["state"][0]

    ended = await browser.get(
        f"{CALLBACK}?state={state}&error=access_denied&error_description=Call+0900+now"
        "&error_reason=<b>"
    )

    query = query_of(ended)
    assert set(query) == {"error", "error_description", "request_id"}
    assert query["error_description"] == [errors.AccessDenied.detail]
    assert query["request_id"] == [ended.headers["x-request-id"]]
    assert "0900" not in str(ended.headers)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "code=x",
        "code=x&state=",
        "code=x&state={state}&state={state}",
        "code=x&state={state}&state=other",
        "code=x&code=y&state={state}",
        "code=x&code=x&state={state}",
        "code=x&state=" + "a" * 513,
        "error=access_denied",
    ],
)
async def test_no_usable_state(stage: Stage, browser: Browser, query: str) -> None:
    """`state_missing`: absent, empty, repeated, too long; no request leaves, nothing is written."""
    state = query_of(await browser.start())["state"][0]

    ended = await browser.get(f"{CALLBACK}?{query.format(state=state)}")

    assert error_of(ended) == "state_missing"
    assert ended.headers["location"].startswith(f"{FRONTEND}/?error=")
    assert is_untouched(stage)
    assert await stage.count("spent_states") == 0


async def test_the_longest_state_is_still_a_state(browser: Browser) -> None:
    """512 characters are a state that nobody here made."""
    ended = await browser.get(f"{CALLBACK}?code=x&state={'a' * 512}")

    assert error_of(ended) == "state_mismatch"


async def test_another_browser_is_refused(stage: Stage, browser: Browser) -> None:
    """`state_mismatch`: the attacker's code and state in the victim's browser (security R-02)."""
    victim = stage.browser()
    await victim.start()

    ended = await victim.http.get(await browser.approach("ada"))

    assert error_of(ended) == "state_mismatch"
    assert victim.cookie() is None
    assert is_untouched(stage)
    assert await stage.count("spent_states") == 0


async def test_the_attempt_survives_somebody_elses_try(stage: Stage, browser: Browser) -> None:
    """A foreign arrival spends nothing: the right browser still gets in."""
    callback = await browser.approach("ada")
    await stage.browser().http.get(callback)

    assert error_of(await browser.http.get(callback)) is None


def _last(value: str) -> str:
    return value[:-2] + ("A" if value[-2] != "A" else "B") + value[-1]


def _first(value: str) -> str:
    return ("f" if value[0] != "f" else "g") + value[1:]


def _unsigned(value: str) -> str:
    return value.rpartition(".")[0]


@pytest.mark.parametrize("spoil", [_last, _first, _unsigned, lambda _: "", lambda _: "ü" * 9])
async def test_an_altered_cookie_is_no_cookie(
    stage: Stage, browser: Browser, spoil: Callable[[str], str]
) -> None:
    """`state_mismatch` for a forged or altered attempt, never a 500."""
    callback = await browser.approach("ada")
    (name,) = browser.attempt_cookies()
    spoilt = spoil(browser.cookies()[name])
    stranger = stage.browser()

    ended = await stranger.http.get(
        callback, headers=[(b"cookie", f"{name}={spoilt}".encode("latin-1"))]
    )

    assert error_of(ended) == "state_mismatch"
    assert is_untouched(stage)


async def test_one_attempts_cookie_does_not_fit_another(browser: Browser, stage: Stage) -> None:
    """The cookie is bound to its state: under another attempt's name it is worth nothing."""
    first = await browser.approach("ada")
    (name,) = browser.attempt_cookies()
    other = stage.browser()
    await other.start()
    (foreign,) = other.attempt_cookies()

    ended = await stage.browser().http.get(
        first, headers={"cookie": f"{name}={other.cookies()[foreign]}"}
    )

    assert error_of(ended) == "state_mismatch"


async def test_a_session_id_is_not_an_attempt(stage: Stage, browser: Browser) -> None:
    """Keys serve one purpose each: an attempt cookie as a session is nobody (security R-51)."""
    await browser.start()
    (name,) = browser.attempt_cookies()

    answer = await stage.browser().get(
        "/me", cookie=f"igauth_session={browser.cookies()[name][:120]}"
    )

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("minutes", "error"), [(15, None), (15.9, None), (16.1, "state_expired"), (59, "state_expired")]
)
async def test_fifteen_minutes_and_a_minutes_leeway(
    stage: Stage, browser: Browser, minutes: float, error: str | None
) -> None:
    """`state_expired` by the signed time; ends at its own return_to; nothing is written."""
    started = await browser.start(return_to="/settings?tab=social#top")
    stage.clock.advance(minutes=minutes)
    stage.sandbox.clock.advance(-minutes * 60)
    callback = await browser.consent(started.headers["location"])

    ended = await browser.http.get(callback)

    assert error_of(ended) == error
    assert ended.headers["location"].startswith(f"{FRONTEND}/settings?tab=social")
    if error is not None:
        assert is_untouched(stage)
        assert await stage.count("spent_states") == 0
        assert browser.attempt_cookies() == []


@pytest.mark.parametrize(("ahead", "error"), [(59, None), (62, "state_expired")])
async def test_a_replica_whose_clock_runs_behind(
    stage: Stage, browser: Browser, ahead: float, error: str | None
) -> None:
    """A cookie from the future: up to a minute is a clock's fault (security §0.4)."""
    callback = await browser.approach("ada")
    stage.clock.advance(seconds=-ahead)

    assert error_of(await browser.http.get(callback)) == error


@pytest.mark.parametrize(
    "preset",
    ["code_expired", "code_used", "code_used_bare", "code_garbled"],
)
async def test_a_rejected_code(stage: Stage, browser: Browser, preset: str) -> None:
    """`code_rejected` (facts 2.4), after one exchange; the session that was there stays."""
    await browser.log_in("ben")
    stage.sandbox.faults.preset(preset)
    stage.sandbox.calls.clear()

    ended = await browser.http.get(await browser.approach("ada"))

    assert error_of(ended) == "code_rejected"
    assert stage.graph_calls == ["exchange"]
    assert (await browser.user() or {})["name"] == "Ben Bare"


async def test_a_code_that_facebook_never_gave(browser: Browser) -> None:
    """`code_rejected` for a garbled code; a code of absurd length isn't even sent."""
    for code in ("AQBgarbled", "A" * 5_000):
        state = query_of(await browser.start())["state"][0]
        assert error_of(await browser.get(f"{CALLBACK}?state={state}&code={code}")) == (
            "code_rejected"
        )


def _debugged(**changes: Any) -> dict[str, Any]:
    data = {
        "app_id": "901234567890123",
        "type": "USER",
        "is_valid": True,
        "user_id": "10200000000000001",
        "scopes": ["pages_show_list", "instagram_basic"],
        "expires_at": 0,
        "data_access_expires_at": 0,
    } | changes
    return {"data": {name: value for name, value in data.items() if value is not None}}


@pytest.mark.parametrize(
    "changes",
    [
        {"is_valid": False, "error": {"code": 190, "subcode": 463, "message": "x"}},
        {"app_id": "1"},
        {"app_id": None},
        {"type": "PAGE"},
        {"type": None},
        {"user_id": "10200000000000002"},
        {"user_id": None},
    ],
)
async def test_a_token_that_is_not_proved_ours(
    stage: Stage, browser: Browser, changes: dict[str, Any]
) -> None:
    """`token_not_ours`: invalid, another app's, not a user's, or another person's (facts 4)."""
    body = httpx.Response(200, json=_debugged(**changes)).text
    stage.sandbox.faults.add("debug_token", "garbage", body=body)

    ended = await browser.log_in("ada")

    assert error_of(ended) == "token_not_ours"
    assert browser.cookie() is None
    assert await stage.count("people") == 0


async def test_a_token_of_another_app(stage: Stage, browser: Browser) -> None:
    """`token_not_ours` for the 400 of facts 4.6, too."""
    stage.sandbox.faults.add(
        "debug_token",
        code=100,
        message="(#100) The App_id in the input_token did not match the Viewing App",
    )

    assert error_of(await browser.log_in("ada")) == "token_not_ours"


@pytest.mark.parametrize("preset", ["dialog_development_mode", "dialog_cannot_load"])
async def test_a_dialog_that_is_misconfigured(stage: Stage, browser: Browser, preset: str) -> None:
    """`facebook_error` for `error_code` without `error` (facts 1.6); Facebook's text stays out."""
    stage.sandbox.faults.preset(preset)

    ended = await browser.log_in("ada")

    assert error_of(ended) == "facebook_error"
    assert stage.graph_calls == []
    assert "sandbox mode" not in ended.headers["location"]


@pytest.mark.parametrize("endpoint", ["exchange", "debug_token", "me"])
async def test_another_refusal(stage: Stage, browser: Browser, endpoint: str) -> None:
    """`facebook_error` for what a repeat won't change (facts 10.2, code 368)."""
    stage.sandbox.faults.preset("blocked", endpoint=endpoint)

    assert error_of(await browser.log_in("ada")) == "facebook_error"
    assert await stage.count("people") == 0


async def test_a_callback_without_code_or_error(stage: Stage, browser: Browser) -> None:
    """`facebook_error`: absence of `code` is a failure (facts 1.6)."""
    state = query_of(await browser.start())["state"][0]

    for query in (f"state={state}", f"state={state}&code="):
        ended = await browser.get(f"{CALLBACK}?{query}")
        assert error_of(ended) in ("facebook_error", "state_mismatch")
    assert stage.graph_calls == []


UNAVAILABLE = ["cut", "bad_gateway", "html_ok", "empty_ok", "null_ok", "list_ok", "half_json"]


@pytest.mark.parametrize("endpoint", ["exchange", "debug_token", "me"])
@pytest.mark.parametrize("preset", [*UNAVAILABLE, "oversize", "redirect", "empty_500"])
async def test_facebook_is_not_there(
    stage: Stage, browser: Browser, endpoint: str, preset: str
) -> None:
    """`facebook_unavailable`: 5xx, cut, unreadable or endless bodies (facts 10.7)."""
    stage.sandbox.faults.preset(preset, endpoint=endpoint)

    ended = await browser.log_in("ada")

    assert error_of(ended) == "facebook_unavailable"
    assert stage.calls.count("exchange") == 1
    assert await stage.count("people") == 0


@pytest.mark.parametrize("endpoint", ["exchange", "debug_token", "me"])
async def test_facebook_is_silent(database_url: str, endpoint: str) -> None:
    """`facebook_unavailable` when the budget runs out; the code was sent once."""
    wiring = quick(budgets=Budgets(exchange=0.05, call=0.05, backoff=0.0))
    async with open_stage(make_settings(database_url), wiring=wiring) as stage:
        stage.sandbox.faults.preset("hang", endpoint=endpoint)

        ended = await stage.browser().log_in("ada")

        assert error_of(ended) == "facebook_unavailable"
        assert stage.calls.count("exchange") == 1


async def test_the_whole_callback_has_a_bound(database_url: str) -> None:
    """`facebook_unavailable` when all of it takes too long, whatever single calls may."""
    async with open_stage(make_settings(database_url), wiring=quick(callback_seconds=0.1)) as stage:
        stage.sandbox.faults.preset("hang", endpoint="me")

        assert error_of(await stage.browser().log_in("ada")) == "facebook_unavailable"


@pytest.mark.parametrize(
    ("preset", "endpoint"),
    [
        ("wrong_secret", "exchange"),
        ("app_unknown", "exchange"),
        ("redirect_not_allowed", "exchange"),
        ("redirect_mismatch", "exchange"),
        ("bad_proof", "me"),
        ("proof_required", "me"),
        ("bad_proof", "debug_token"),
        ("token_bad", "debug_token"),
    ],
)
async def test_the_operator_has_to_act(
    stage: Stage,
    browser: Browser,
    preset: str,
    endpoint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`service_misconfigured`: our id, secret, proof or redirect URI (facts 2.4, 4.7, 5); alarm."""
    stage.sandbox.faults.preset(preset, endpoint=endpoint)

    ended = await browser.log_in("ada")

    assert error_of(ended) == "service_misconfigured"
    alarms = [line for line in capsys.readouterr().out.splitlines() if "misconfigured" in line]
    assert any("error" in line for line in alarms)


async def test_a_system_user_configuration(database_url: str) -> None:
    """`service_misconfigured`: this Login configuration yields system-user tokens (facts 1.9)."""
    settings = make_settings(database_url, facebook_config_id="700000000000001")
    clock = FakeClock()
    config = {"login_for_business": True, "config_system_user": True}
    sandbox = make_sandbox(settings, clock, config=config)
    async with open_stage(settings, sandbox=sandbox, clock=clock) as stage:
        ended = await stage.browser().log_in("ada")

        assert error_of(ended) == "service_misconfigured"
        assert await stage.count("people") == 0


class _Broken(httpx.AsyncBaseTransport):
    """A bug in our own wiring: raises what nobody expects."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise RuntimeError(f"a bug, and {request.url}")


async def test_a_bug_is_a_server_error(database_url: str) -> None:
    """`server_error` for anything else; the process lives on and says nothing of the cause."""
    async with open_stage(make_settings(database_url), wiring=quick(transport=_Broken())) as stage:
        browser = stage.browser()

        ended = await browser.log_in("ada")

        assert error_of(ended) == "server_error"
        assert "bug" not in ended.headers["location"]
        assert (await browser.get("/healthz")).status_code == 200


async def test_a_failed_login_leaves_no_session(stage: Stage, browser: Browser) -> None:
    """No session cookie before the commit, whatever fails (security P-31)."""
    stage.sandbox.faults.preset("blocked", endpoint="me")

    ended = await browser.log_in("ada")

    assert not any("igauth_session" in each for each in ended.headers.get_list("set-cookie"))
    assert await stage.count("sessions") == 0


async def test_a_failure_spends_the_state(stage: Stage, browser: Browser) -> None:
    """Single-use on every replica, even when the login then fails (security R-03)."""
    callback = await browser.approach("ada")
    thief = stage.browser()
    thief.take_jar_of(browser)
    stage.sandbox.faults.preset("code_expired", times=1)
    assert error_of(await browser.http.get(callback)) == "code_rejected"

    async with replica(stage) as other:
        late = other.browser()
        late.take_jar_of(thief)
        assert error_of(await late.http.get(callback)) == "state_used"

    assert error_of(await thief.http.get(callback)) == "state_used"
    assert stage.calls.count("exchange") == 1


async def test_after_a_failure_one_can_try_again(stage: Stage, browser: Browser) -> None:
    """Nothing sticks: the next attempt of the same browser succeeds."""
    stage.sandbox.faults.preset("blocked", endpoint="me", times=1)
    assert error_of(await browser.log_in("ada")) == "facebook_error"

    assert error_of(await browser.log_in("ada")) is None


async def test_a_throttled_app_can_still_exchange(stage: Stage, browser: Browser) -> None:
    """The code exchange is tried even while calls are paused (contract §8)."""
    stage.sandbox.faults.preset("throttled_app", endpoint="me", times=1)
    assert error_of(await browser.log_in("ada")) == "facebook_rate_limited"
    stage.sandbox.calls.clear()

    assert error_of(await browser.log_in("ada")) is None


def test_the_vocabulary_holds_the_whole_table() -> None:
    """The table of contract §3 and the vocabulary in `errors` are the same list."""
    table = {
        "access_denied",
        "state_missing",
        "state_mismatch",
        "state_expired",
        "state_used",
        "code_rejected",
        "token_not_ours",
        "account_switched",
        "facebook_error",
        "facebook_unavailable",
        "service_misconfigured",
        "database_unavailable",
        "server_error",
    }

    assert table <= {error.code for error in errors.all_errors()}


async def test_a_failure_goes_to_its_own_return_to(stage: Stage, browser: Browser) -> None:
    """Error parameters stand before the fragment, after the query that was there."""
    stage.sandbox.faults.preset("blocked", endpoint="me")

    ended = await browser.log_in("ada", return_to=f"{FRONTEND}/app?tab=1#/deep?x=y")

    address = urlsplit(ended.headers["location"])
    assert address.path == "/app"
    assert address.fragment == "/deep?x=y"
    assert address.query.startswith("tab=1&error=facebook_error&error_description=")
    assert list(parse_qs(address.query)) == ["tab", "error", "error_description", "request_id"]
