"""Dialog, exchange, upgrade, debug_token, revocation (graph-facts §1-§4, 9.2)."""

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from igauth.domain import AppScopedUserId
from igauth.meta.errors import (
    GraphError,
    GraphRefusal,
    GraphThrottled,
    GraphUnavailable,
    Meaning,
)
from igauth.meta.facebook.proof import UserToken
from igauth.meta.facebook.tokens import FacebookOAuth
from tests.meta.scripted import (
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
SCOPES = ("pages_show_list", "instagram_basic")
CODE, VERIFIER = "AQBinventedcode#_=_", "v" * 43
USER = AppScopedUserId("10200000000000001")
APP_TOKEN = f"{APP_ID}|{APP_SECRET}"
ISSUED = answer({"access_token": "EAAshort", "token_type": "bearer", "expires_in": 5127})


def oauth_over(script: Script, config_id: str | None = None) -> FacebookOAuth:
    return FacebookOAuth(
        Facebook(script).client(),
        dialog_url="https://www.facebook.com/",
        redirect_uri=REDIRECT_URI,
        scopes=SCOPES,
        config_id=config_id,
        clock=lambda: NOW,
    )


def oauth(*answers: Answer) -> tuple[FacebookOAuth, Script]:
    script = Script(*answers)
    return oauth_over(script), script


# -- the dialog


def dialog_query(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query, strict_parsing=True))


def test_the_dialog_address_has_exactly_these_parameters() -> None:
    """Contract §3; graph-facts 1.1."""
    flow, _ = oauth()
    address = flow.dialog_address(state="s+/=&", code_challenge="c" * 43, auth_type=None)

    assert address.startswith(f"https://www.facebook.com/{VERSION}/dialog/oauth?")
    assert dialog_query(address) == {
        "client_id": APP_ID,
        "redirect_uri": REDIRECT_URI,
        "response_type": "code",
        "scope": "pages_show_list,instagram_basic",
        "state": "s+/=&",
        "return_scopes": "true",
        "code_challenge": "c" * 43,
        "code_challenge_method": "S256",
    }


def test_auth_type_only_when_asked() -> None:
    """`prompt=select` is rerequest (trap 8)."""
    flow, _ = oauth()
    address = flow.dialog_address(state="s", code_challenge="c", auth_type="rerequest")

    assert dialog_query(address)["auth_type"] == "rerequest"


def test_a_configuration_takes_the_place_of_scope() -> None:
    """Facebook Login for Business (trap 6)."""
    flow = oauth_over(Script(), config_id="700000000000001")
    query = dialog_query(flow.dialog_address(state="s", code_challenge="c", auth_type=None))

    assert query["config_id"] == "700000000000001"
    assert "scope" not in query


# -- the exchange


async def test_the_exchange() -> None:
    """A POST with everything in its body, the secret too (graph-facts 2.1, R-09)."""
    flow, script = oauth(ISSUED)
    issued = await flow.exchange_code(CODE, VERIFIER)

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
    flow, _ = oauth(answer({"access_token": "EAA", "expires_in": expires_in}))

    expected = None if seconds is None else NOW + timedelta(seconds=seconds)
    assert (await flow.exchange_code(CODE, VERIFIER)).expires_at == expected


async def test_an_absent_expiry_is_no_date() -> None:
    """`expires_in` may be missing altogether (graph-facts 2.3)."""
    flow, _ = oauth(answer({"access_token": "EAA"}))

    assert (await flow.exchange_code(CODE, VERIFIER)).expires_at is None


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
        (refusal(100, 36008), Meaning.MISCONFIGURED),
        (refusal(191), Meaning.MISCONFIGURED),
        (refusal(101), Meaning.MISCONFIGURED),
        (refusal(1), Meaning.MISCONFIGURED),
        (refusal(1, status=500), Meaning.TRANSIENT),
        (refusal(2, status=503), Meaning.TRANSIENT),
        (refusal(4, status=403), Meaning.THROTTLED),
        (refusal(17), Meaning.THROTTLED),
        (refusal(190), Meaning.RECONNECT),
        (refusal(77777), Meaning.OTHER),
    ],
)
async def test_refusals_of_the_exchange(fault: Answer, meaning: Meaning) -> None:
    """Graph-facts 2.4 and trap 11; one attempt each."""
    flow, script = oauth(fault)
    with pytest.raises(GraphRefusal) as caught:
        await flow.exchange_code(CODE, VERIFIER)

    assert caught.value.meaning is meaning
    assert not isinstance(caught.value, GraphThrottled)
    assert caught.value.__context__ is None
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
    flow, script = oauth(fault)
    with pytest.raises(GraphUnavailable):
        await flow.exchange_code(CODE, VERIFIER)

    assert len(script.requests) == 1


# -- the upgrade


async def test_the_upgrade() -> None:
    """A POST form with the short token, without header or proof (graph-facts 3.1, 5.6)."""
    flow, script = oauth(answer({"access_token": "EAAlong", "expires_in": 5183944}))
    issued = await flow.upgrade(TOKEN)

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
    flow, script = oauth(raw(b"", 502), httpx.ReadError("x"), ISSUED)
    await flow.upgrade(TOKEN)

    assert len(script.requests) == 3


@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        (refusal(190, 463), Meaning.RECONNECT),
        (refusal(1), Meaning.MISCONFIGURED),
        (refusal(101), Meaning.MISCONFIGURED),
    ],
)
async def test_refusals_of_the_upgrade(fault: Answer, meaning: Meaning) -> None:
    """Graph-facts 3.4."""
    flow, _ = oauth(fault)
    with pytest.raises(GraphRefusal) as caught:
        await flow.upgrade(TOKEN)

    assert caught.value.meaning is meaning


async def test_the_upgrade_keeps_pauses() -> None:
    """Only the exchange goes out in spite of a pause (contract §8)."""
    flow, script = oauth(refusal(4))
    for _ in range(2):
        with pytest.raises(GraphThrottled):
            await flow.upgrade(TOKEN)

    assert len(script.requests) == 1


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
    flow, script = oauth(answer({"data": LIVE}))
    found = await flow.debug_token(TOKEN)

    assert (found.is_valid, found.app_id, found.user_id, found.type) == (True, APP_ID, USER, "USER")
    assert found.expires_at == datetime.fromtimestamp(1800576000, UTC)
    assert found.data_access_expires_at == datetime.fromtimestamp(1803168000, UTC)
    assert found.scopes == {"pages_show_list", "public_profile"}
    assert found.error is None
    proof = hmac.new(APP_SECRET.encode(), APP_TOKEN.encode(), hashlib.sha256).hexdigest()
    assert script.query() == {"input_token": TOKEN_TEXT, "appsecret_proof": proof}
    assert script.last.headers["Authorization"] == f"Bearer {APP_TOKEN}"
    assert APP_SECRET not in str(script.last.url)


async def test_granular_scopes() -> None:
    """Absent or null ids are "not limited", an empty list isn't (graph-facts 4.4, trap 16)."""
    flow, _ = oauth(answer({"data": LIVE}))
    granular = (await flow.debug_token(TOKEN)).granular

    assert granular.targets == {
        "pages_show_list": ("100000000000011", "100000000000012"),
        "business_management": None,
        "ads_read": None,
        "instagram_basic": ("17841400000000021",),
        "pages_read_engagement": (),
    }


async def test_odd_granular_scopes_are_left_out() -> None:
    """One malformed entry never spoils the list; ids that are no ids go."""
    odd: list[object] = [
        *(None, 7, [], {}, {"target_ids": ["1"]}, {"scope": 7}, {"scope": ""}),
        {"scope": "pages_show_list", "target_ids": [11, "12", "12", None, "../me", {}, True]},
        {"scope": "instagram_basic", "target_ids": "17841400000000021"},
    ]
    flow, _ = oauth(answer({"data": LIVE | {"granular_scopes": odd}}))

    assert (await flow.debug_token(TOKEN)).granular.targets == {
        "pages_show_list": ("11", "12"),
        "instagram_basic": None,
    }


async def test_dates_of_zero_are_none() -> None:
    """0 means never (graph-facts 4.3)."""
    flow, _ = oauth(answer({"data": LIVE | {"expires_at": 0, "data_access_expires_at": 0}}))
    found = await flow.debug_token(TOKEN)

    assert (found.expires_at, found.data_access_expires_at) == (None, None)


async def test_old_captures_are_read() -> None:
    """Ids as numbers, optional fields absent (graph-facts 4.3)."""
    data = {"app_id": int(APP_ID), "user_id": int(USER), "is_valid": True, "scopes": []}
    flow, _ = oauth(answer({"data": data}))
    found = await flow.debug_token(TOKEN)

    assert (found.app_id, found.user_id, found.type) == (APP_ID, USER, None)
    assert found.granular.targets == {}


@pytest.mark.parametrize(
    ("subcode", "meaning"),
    [(463, Meaning.RECONNECT), (458, Meaning.REVOKED), (None, Meaning.RECONNECT)],
)
async def test_an_invalid_token_comes_at_200(subcode: int | None, meaning: Meaning) -> None:
    """Trap 15: `data.error`, with `subcode` in place of `error_subcode`."""
    error = {"code": 190, "message": "Session has expired", "subcode": subcode}
    flow, _ = oauth(answer({"data": {"error": error, "is_valid": False, "scopes": []}}))
    found = await flow.debug_token(TOKEN)

    assert not found.is_valid
    assert found.error is not None
    assert found.error.meaning is meaning
    assert found.user_id is None


async def test_a_token_of_another_app_is_invalid() -> None:
    """HTTP 400, code 100: "did not match the Viewing App" (graph-facts 4.6)."""
    flow, _ = oauth(refusal(100, message="(#100) The App_id in the input_token did not match"))
    found = await flow.debug_token(TOKEN)

    assert not found.is_valid
    assert found.app_id is None
    assert found.error is not None


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
    flow, _ = oauth(fault)
    with pytest.raises(GraphRefusal) as caught:
        await flow.debug_token(TOKEN)

    assert caught.value.meaning is Meaning.MISCONFIGURED


@pytest.mark.parametrize("body", [{}, {"data": None}, {"data": []}, {"data": "x"}, [], None])
async def test_a_shapeless_debug_answer(body: object) -> None:
    """Wrong shapes are unavailable (security.md F-06)."""
    flow, _ = oauth(answer(body))
    with pytest.raises(GraphUnavailable):
        await flow.debug_token(TOKEN)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
DATA = st.fixed_dictionaries({}, optional=dict.fromkeys([*LIVE, "error"], JSON_VALUES))


@given(data=DATA | JSON_VALUES)
async def test_any_debug_answer_is_read_or_unavailable(data: object) -> None:
    """Never another exception (security.md F-07)."""
    script = Always(raw(json.dumps({"data": data}).encode()))
    try:
        found = await oauth_over(script).debug_token(TOKEN)
    except GraphError:
        return
    assert found.granular.ids("pages_") == tuple(dict.fromkeys(found.granular.ids("pages_")))


# -- revocation


@pytest.mark.parametrize("body", [{"success": True}, True])
async def test_a_revocation(body: object) -> None:
    """DELETE with the app token and its proof; the answer has an old and a new form (9.2)."""
    flow, script = oauth(answer(body))
    await flow.revoke(USER)

    assert script.last.method == "DELETE"
    assert script.last.url.path == f"/{VERSION}/{USER}/permissions"
    assert script.last.headers["Authorization"] == f"Bearer {APP_TOKEN}"
    assert script.query().keys() == {"appsecret_proof"}


@pytest.mark.parametrize("fault", [refusal(190, 458), refusal(100), refusal(100, 33)])
async def test_a_person_who_is_gone_is_revoked(fault: Answer) -> None:
    """190/458 and 100 count as done (graph-facts 9.4, contract §5)."""
    flow, script = oauth(fault)
    await flow.revoke(USER)

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
    flow, _ = oauth(fault)
    with pytest.raises(GraphError):
        await flow.revoke(USER)


async def test_a_revocation_is_repeated() -> None:
    """DELETE is safe to repeat (contract §8)."""
    flow, script = oauth(raw(b"", 502), httpx.ReadError("x"), answer({"success": True}))
    await flow.revoke(USER)

    assert len(script.requests) == 3


async def test_a_hostile_id_stays_in_its_segment() -> None:
    """An id is one segment of the path, whatever it holds."""
    flow, script = oauth(answer(True))
    await flow.revoke(AppScopedUserId("../me?x=1"))

    assert script.last.url.raw_path.startswith(f"/{VERSION}/..%2Fme%3Fx%3D1/permissions?".encode())


async def test_tokens_never_print() -> None:
    """Secrets print as stars (contract §7)."""
    flow, _ = oauth(ISSUED, answer({"data": LIVE}))
    shown = repr(await flow.exchange_code(CODE, VERIFIER)) + repr(await flow.debug_token(TOKEN))

    assert "EAAshort" not in shown
    assert repr(UserToken(SecretStr("EAAx"), "1")) == "UserToken(secret=SecretStr('**********'))"
