"""Exchange, upgrade, debug_token, revocation (graph-facts §2-§4, 9.2)."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from igauth.domain import Subject
from igauth.meta.calls import Purpose
from igauth.meta.door import IssuedToken, UserToken
from igauth.meta.errors import (
    GraphError,
    GraphRefusal,
    GraphThrottled,
    GraphUnavailable,
    Meaning,
)
from igauth.meta.facebook.debugging import DebuggedToken
from igauth.meta.facebook.tokens import TokenCalls
from igauth.meta.verdicts import status_of
from tests.meta.scripted import (
    APP,
    APP_ID,
    APP_SECRET,
    TOKEN,
    TOKEN_TEXT,
    VERSION,
    Always,
    Answer,
    Facebook,
    Script,
    answer,
    raw,
    refusal,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
REDIRECT_URI = "http://localhost:8000/auth/facebook/callback"
CODE, VERIFIER = "AQBinventedcode#_=_", "v" * 43
USER = Subject("10200000000000001")
APP_TOKEN = f"{APP_ID}|{APP_SECRET}"
ISSUED = answer({"access_token": "EAAshort", "token_type": "bearer", "expires_in": 5127})


def tokens_over(script: Script) -> TokenCalls:
    return TokenCalls(Facebook(script).client(), APP, lambda: NOW)


def tokens(*answers: Answer) -> tuple[TokenCalls, Script]:
    script = Script(*answers)
    return tokens_over(script), script


async def exchange(calls: TokenCalls) -> IssuedToken:
    return await calls.exchange(CODE, VERIFIER, REDIRECT_URI)


async def upgrade(calls: TokenCalls, purpose: Purpose = Purpose.CHECK) -> IssuedToken:
    return await calls.upgrade(TOKEN, purpose)


async def debug(calls: TokenCalls) -> DebuggedToken:
    return await calls.debug(TOKEN, Purpose.CHECK)


# -- the exchange


async def test_the_exchange() -> None:
    """A POST with everything in its body, the secret too (graph-facts 2.1, R-09)."""
    calls, script = tokens(ISSUED)
    issued = await exchange(calls)

    assert issued.access_token.get_secret_value() == "EAAshort"
    assert issued.expires_at == NOW + timedelta(seconds=5127)
    assert script.last.method == "POST"
    assert str(script.last.url) == f"https://graph.facebook.com/{VERSION}/oauth/access_token"
    assert script.form() == {
        "client_id": APP_ID,
        "client_secret": APP_SECRET,
        "grant_type": "authorization_code",
        "redirect_uri": REDIRECT_URI,
        "code": CODE,
        "code_verifier": VERIFIER,
    }
    assert "authorization" not in script.last.headers
    assert "EAAshort" not in repr(issued)


@pytest.mark.parametrize(
    ("expires_in", "seconds"),
    [
        (5183944, 5183944),
        ("5183944", 5183944),
        (3600.0, 3600),
        (None, None),
        (0, None),
        ("0", None),
        (-1, None),
        (True, None),
        ("soon", None),
        ([], None),
        (10**12, None),
        (10**400, None),
    ],
)
async def test_expiry_is_what_facebook_says(expires_in: object, seconds: int | None) -> None:
    """Absent, 0 or nonsense is no date, never "expired now" (trap 12, F-15)."""
    calls, _ = tokens(answer({"access_token": "EAA", "expires_in": expires_in}))

    expected = None if seconds is None else NOW + timedelta(seconds=seconds)
    assert (await exchange(calls)).expires_at == expected


async def test_an_absent_expiry_is_no_date() -> None:
    """`expires_in` may be missing altogether (graph-facts 2.3)."""
    calls, _ = tokens(answer({"access_token": "EAA"}))

    assert (await exchange(calls)).expires_at is None


@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        (refusal(100, 36007), Meaning.CODE_REJECTED),
        (refusal(100, 36009), Meaning.CODE_REJECTED),
        (refusal(100), Meaning.CODE_REJECTED),
        (refusal(100, 33), Meaning.CODE_REJECTED),
        (
            refusal(100, message="This authorization code has been used. cursor"),
            Meaning.CODE_REJECTED,
        ),
        (refusal(100, 36008), Meaning.REDIRECT_REFUSED),
        (refusal(191), Meaning.REDIRECT_REFUSED),
        (refusal(101), Meaning.MISCONFIGURED),
        (refusal(1), Meaning.MISCONFIGURED),
        (refusal(1, status=500), Meaning.TRANSIENT),
        (refusal(2, status=503), Meaning.TRANSIENT),
        (refusal(190), Meaning.SESSION_INVALID),
        (refusal(77777), Meaning.OTHER),
    ],
)
async def test_refusals_of_the_exchange(fault: Answer, meaning: Meaning) -> None:
    """Graph-facts 2.4 and trap 11; one attempt each."""
    calls, script = tokens(fault)
    with pytest.raises(GraphRefusal) as caught:
        await exchange(calls)

    assert caught.value.meaning is meaning
    assert caught.value.__context__ is None
    assert len(script.requests) == 1


@pytest.mark.parametrize("code", [4, 17, 613])
async def test_a_throttled_exchange_says_how_long(code: int) -> None:
    """One attempt, and the wait: the person starts again later (contract §3, B5)."""
    calls, script = tokens(refusal(code, status=403))
    with pytest.raises(GraphThrottled) as caught:
        await exchange(calls)

    assert caught.value.retry_after_seconds == 60
    assert len(script.requests) == 1


NO_TOKENS: list[object] = [None, "", 7, {}, "E A", "E\nA", "EÄ", "E" * 9_000]


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ReadError("x"),
        httpx.ConnectError("x"),
        httpx.ReadTimeout("x"),
        raw(b"", 502),
        raw(b"", 200),
        raw(b"null"),
        raw(b"access_token=EAA&expires=5127"),
        answer({}),
        *(answer({"access_token": odd}) for odd in NO_TOKENS),
    ],
)
async def test_no_readable_answer_to_the_exchange(fault: Answer) -> None:
    """An unknown outcome is never retried: the code was consumed (trap 9, R-10)."""
    calls, script = tokens(fault)
    with pytest.raises(GraphUnavailable):
        await exchange(calls)

    assert len(script.requests) == 1


# -- the upgrade


async def test_the_upgrade() -> None:
    """A POST form with the short token, without header or proof (graph-facts 3.1, 5.6)."""
    calls, script = tokens(answer({"access_token": "EAAlong", "expires_in": 5183944}))
    issued = await upgrade(calls)

    assert issued.access_token.get_secret_value() == "EAAlong"
    assert issued.expires_at == NOW + timedelta(seconds=5183944)
    assert script.form() == {
        "client_id": APP_ID,
        "client_secret": APP_SECRET,
        "grant_type": "fb_exchange_token",
        "fb_exchange_token": TOKEN_TEXT,
    }
    assert TOKEN_TEXT not in str(script.last.url)
    assert "authorization" not in script.last.headers


async def test_the_upgrade_is_safe_to_repeat() -> None:
    """Only the code is single-use (contract §8)."""
    calls, script = tokens(raw(b"", 502), httpx.ReadError("x"), ISSUED)
    await upgrade(calls)

    assert len(script.requests) == 3


@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        (refusal(190, 463), Meaning.TOKEN_EXPIRED),
        (refusal(1), Meaning.MISCONFIGURED),
        (refusal(101), Meaning.MISCONFIGURED),
    ],
)
async def test_refusals_of_the_upgrade(fault: Answer, meaning: Meaning) -> None:
    """Graph-facts 3.4."""
    calls, _ = tokens(fault)
    with pytest.raises(GraphRefusal) as caught:
        await upgrade(calls)

    assert caught.value.meaning is meaning


async def test_the_keepers_upgrade_keeps_pauses_and_a_logins_does_not() -> None:
    """A login's own calls are tried even then (contract §8, C17)."""
    calls, script = tokens(refusal(4), ISSUED)
    for _ in range(2):
        with pytest.raises(GraphThrottled):
            await upgrade(calls)
    await upgrade(calls, Purpose.LOGIN)

    assert len(script.requests) == 2


# -- debug_token

LIVE: dict[str, Any] = {
    "app_id": APP_ID,
    "type": "USER",
    "application": "Invented Scheduler",
    "data_access_expires_at": 1803168000,
    "expires_at": 1800576000,
    "is_valid": True,
    "issued_at": 1795392000,
    "scopes": ["pages_show_list", "public_profile"],
    "granular_scopes": [
        {"scope": "pages_show_list", "target_ids": ["100000000000011", "100000000000012"]},
        {"scope": "business_management"},
        {"scope": "ads_read", "target_ids": None},
        {"scope": "instagram_basic", "target_ids": ["17841400000000021"]},
        {"scope": "pages_read_engagement", "target_ids": []},
    ],
    "user_id": "10200000000000001",
}


async def test_debugging_a_live_token() -> None:
    """Graph-facts 4.2; app token as Bearer with its own proof, input_token in the query (4.1)."""
    calls, script = tokens(answer({"data": LIVE}))
    found = await debug(calls)

    assert (found.is_valid, found.app_id, found.subject, found.type) == (True, APP_ID, USER, "USER")
    assert found.expires_at == datetime.fromtimestamp(1800576000, UTC)
    assert found.data_access_expires_at == datetime.fromtimestamp(1803168000, UTC)
    assert found.scopes == {"pages_show_list", "public_profile"}
    assert found.refusal is None
    proof = hmac.new(APP_SECRET.encode(), APP_TOKEN.encode(), hashlib.sha256).hexdigest()
    assert script.query() == {"input_token": TOKEN_TEXT, "appsecret_proof": proof}
    assert script.last.headers["Authorization"] == f"Bearer {APP_TOKEN}"
    assert APP_SECRET not in str(script.last.url)


async def test_granular_scopes() -> None:
    """Absent or null ids are "not limited", an empty list isn't (graph-facts 4.4, trap 16)."""
    calls, _ = tokens(answer({"data": LIVE}))
    granular = (await debug(calls)).granular

    assert granular.targets == {
        "pages_show_list": ("100000000000011", "100000000000012"),
        "business_management": None,
        "ads_read": None,
        "instagram_basic": ("17841400000000021",),
        "pages_read_engagement": (),
    }


async def test_a_scope_that_comes_twice_is_united() -> None:
    """Both entries count, and one without ids limits nothing (4.4, B33)."""
    twice = [
        {"scope": "instagram_basic", "target_ids": ["1", "2"]},
        {"scope": "instagram_basic", "target_ids": ["2", "3"]},
        {"scope": "pages_show_list", "target_ids": ["9"]},
        {"scope": "pages_show_list"},
    ]
    calls, _ = tokens(answer({"data": LIVE | {"granular_scopes": twice}}))

    assert (await debug(calls)).granular.targets == {
        "instagram_basic": ("1", "2", "3"),
        "pages_show_list": None,
    }


async def test_odd_granular_scopes_are_left_out() -> None:
    """One malformed entry never spoils the list; ids that are no ids go."""
    odd: list[object] = [
        *(None, 7, [], {}, {"target_ids": ["1"]}, {"scope": 7}, {"scope": ""}),
        {"scope": "pages_show_list", "target_ids": [11, "12", "12", None, "../me", {}, True]},
        {"scope": "instagram_basic", "target_ids": "17841400000000021"},
    ]
    calls, _ = tokens(answer({"data": LIVE | {"granular_scopes": odd}}))

    assert (await debug(calls)).granular.targets == {
        "pages_show_list": ("11", "12"),
        "instagram_basic": None,
    }


async def test_dates_of_zero_are_none() -> None:
    """0 means never (graph-facts 4.3)."""
    calls, _ = tokens(answer({"data": LIVE | {"expires_at": 0, "data_access_expires_at": 0}}))
    found = await debug(calls)

    assert (found.expires_at, found.data_access_expires_at) == (None, None)


async def test_old_captures_are_read() -> None:
    """Ids as numbers, optional fields absent (graph-facts 4.3)."""
    data = {"app_id": int(APP_ID), "user_id": int(USER), "is_valid": True, "scopes": []}
    calls, _ = tokens(answer({"data": data}))
    found = await debug(calls)

    assert (found.app_id, found.subject, found.type) == (APP_ID, USER, None)
    assert found.granular.targets == {}


@pytest.mark.parametrize(
    ("subcode", "meaning"),
    [
        (463, Meaning.TOKEN_EXPIRED),
        (458, Meaning.APP_REMOVED),
        (None, Meaning.TOKEN_EXPIRED),
    ],
)
async def test_an_invalid_token_comes_at_200(subcode: int | None, meaning: Meaning) -> None:
    """Trap 15: `data.error`, with `subcode` in place of `error_subcode`."""
    error = {"code": 190, "message": "Session has expired", "subcode": subcode}
    calls, _ = tokens(answer({"data": {"error": error, "is_valid": False, "scopes": []}}))
    found = await debug(calls)

    assert found.subject is None
    death = found.death()
    assert death is not None
    assert death.meaning is meaning


async def test_a_token_of_another_app_is_invalid() -> None:
    """HTTP 400, code 100: "did not match the Viewing App" (graph-facts 4.6)."""
    calls, _ = tokens(refusal(100, message="(#100) The App_id in the input_token did not match"))
    found = await debug(calls)

    death = found.death()
    assert death is not None
    assert death.meaning is Meaning.NOT_OURS


@pytest.mark.parametrize(
    "fault",
    [
        refusal(100, message="(#100) Invalid parameter"),
        refusal(100),
        refusal(2, status=503),
        refusal(4),
        answer({"data": {}}),
        answer({"data": {"is_valid": None}}),
        raw(b"", 502),
        httpx.ReadTimeout("x"),
    ],
)
async def test_an_answer_that_does_not_speak_of_the_token(fault: Answer) -> None:
    """debug_token in trouble ends no grant (4.6a, A18)."""
    with pytest.raises(GraphError) as caught:
        await debug(tokens_over(Always(fault)))

    assert status_of(caught.value) is None


@pytest.mark.parametrize("code", [1, 2, 4, 17, 341, 100, None])
async def test_invalid_for_a_passing_cause_is_no_death(code: int | None) -> None:
    """Only an inner 190 or 102 speaks of the token (4.6a, A18)."""
    error = None if code is None else {"code": code, "message": "x"}
    calls, _ = tokens(answer({"data": {"is_valid": False, "error": error}}))
    found = await debug(calls)

    with pytest.raises(GraphError) as caught:
        found.death()
    assert status_of(caught.value) is None


@pytest.mark.parametrize("message", ["API access blocked.", "(#200) whatever", ""])
async def test_an_app_that_may_not_even_ask_is_blocked(message: str) -> None:
    """The app's own token needs no permission: its 200 speaks of the app (10.2, A20)."""
    calls, _ = tokens(refusal(200, message=message, status=403))
    with pytest.raises(GraphRefusal) as caught:
        await debug(calls)

    assert caught.value.meaning is Meaning.APP_BLOCKED


@pytest.mark.parametrize(
    "fault",
    [
        refusal(190),
        refusal(190, 463),
        refusal(101),
        refusal(100, message="Invalid appsecret_proof provided in the API argument"),
    ],
)
async def test_a_bad_app_token_is_our_fault(fault: Answer) -> None:
    """Graph-facts 4.7: a 190 at the outer level is about the app token, not the person's."""
    calls, _ = tokens(fault)
    with pytest.raises(GraphRefusal) as caught:
        await debug(calls)

    assert caught.value.meaning is Meaning.MISCONFIGURED


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": []}, {"data": "x"}, [], None])
async def test_a_shapeless_debug_answer(body: object) -> None:
    """Wrong shapes are unavailable (security.md F-06)."""
    calls, _ = tokens(answer(body))
    with pytest.raises(GraphUnavailable):
        await debug(calls)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
DATA = st.fixed_dictionaries({}, optional=dict.fromkeys([*LIVE, "error"], JSON_VALUES))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=DATA | JSON_VALUES)
async def test_any_debug_answer_is_read_or_unavailable(data: object) -> None:
    """Never another exception (security.md F-07)."""
    script = Always(raw(json.dumps({"data": data}).encode()))
    try:
        found = await debug(tokens_over(script))
    except GraphError:
        return
    assert found.granular.ids("pages_") == tuple(dict.fromkeys(found.granular.ids("pages_")))


# -- revocation


@pytest.mark.parametrize("body", [{"success": True}, True])
async def test_a_revocation(body: object) -> None:
    """DELETE with the app token and its proof; the answer has an old and a new form (9.2)."""
    calls, script = tokens(answer(body))
    await calls.revoke(USER)

    assert script.last.method == "DELETE"
    assert script.last.url.path == f"/{VERSION}/{USER}/permissions"
    assert script.last.headers["Authorization"] == f"Bearer {APP_TOKEN}"
    assert script.query().keys() == {"appsecret_proof"}


@pytest.mark.parametrize("fault", [refusal(190, 458), refusal(100), refusal(100, 33)])
async def test_a_person_who_is_gone_is_revoked(fault: Answer) -> None:
    """190/458 and 100 count as done (graph-facts 9.4, contract §5)."""
    calls, script = tokens(fault)
    await calls.revoke(USER)

    assert len(script.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        refusal(190),
        refusal(101),
        refusal(10),
        refusal(4),
        refusal(100, message="Invalid appsecret_proof provided in the API argument"),
        answer({"success": False}),
        answer({"success": "true"}),
        answer(False),
        answer({}),
        answer([]),
        raw(b""),
    ],
)
async def test_an_unconfirmed_revocation_raises(fault: Answer) -> None:
    """Our own bad app token or proof must not look like a revocation."""
    calls, _ = tokens(fault)
    with pytest.raises(GraphError):
        await calls.revoke(USER)


async def test_a_revocation_is_repeated() -> None:
    """DELETE is safe to repeat (contract §8)."""
    calls, script = tokens(raw(b"", 502), httpx.ReadError("x"), answer({"success": True}))
    await calls.revoke(USER)

    assert len(script.requests) == 3


async def test_a_hostile_id_stays_in_its_segment() -> None:
    """An id is one segment of the path, whatever it holds."""
    calls, script = tokens(answer(True))
    await calls.revoke(Subject("../me?x=1"))

    assert script.last.url.raw_path.startswith(f"/{VERSION}/..%2Fme%3Fx%3D1/permissions?".encode())


async def test_tokens_never_print() -> None:
    """Secrets print as stars (contract §7)."""
    calls, _ = tokens(ISSUED, answer({"data": LIVE}))
    shown = repr(await exchange(calls)) + repr(await debug(calls))

    assert "EAAshort" not in shown
    assert repr(UserToken(SecretStr("EAAx"), "1")) == "UserToken(secret=SecretStr('**********'))"
