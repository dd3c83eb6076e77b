"""Dialog, exchange, upgrade, refresh (instagram-login-facts §2-§4; contract §10)."""

import logging
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from igauth.meta.errors import (
    GraphError,
    GraphRefusal,
    GraphUnavailable,
    Meaning,
)
from igauth.meta.verdicts import login_error
from tests.meta.instagram.graph import (
    APP_ID,
    APP_SECRET,
    AUTHORIZE,
    GRAPH,
    ISSUED,
    LONG,
    NOW,
    REDIRECT_URI,
    SCOPES,
    SHORT_TEXT,
    TOKEN,
    TOKENS,
    Graph,
    findings,
    no_access,
    of_exchange,
    well,
)
from tests.meta.scripted import Answer, answer, raw, refusal

CODE, VERIFIER = "AQBinventedcode", "v" * 43


def dialog_query(prompt: str | None) -> dict[str, str]:
    address = well().door().dialog_address(state="s+/=&", code_challenge="c", prompt=prompt)

    assert address.startswith(f"{AUTHORIZE}/oauth/authorize?")
    return dict(parse_qsl(urlsplit(address).query, strict_parsing=True))


def test_the_dialog_address_has_exactly_these_parameters() -> None:
    """No PKCE, no proof, no version (contract §10; 2.1, 2.6)."""
    assert dialog_query(None) == {
        "client_id": APP_ID,
        "redirect_uri": REDIRECT_URI,
        "response_type": "code",
        "scope": "instagram_business_basic,instagram_business_content_publish",
        "state": "s+/=&",
    }


def test_another_account_is_asked_for() -> None:
    """`prompt=select` asks for credentials though somebody is signed in (2.8)."""
    assert dialog_query("select")["force_reauth"] == "true"


async def test_the_exchange() -> None:
    """A form POST without version, verifier or proof; the secret in its body (3.1)."""
    graph = well()
    issued = await graph.door().exchange(CODE, VERIFIER)
    (request,) = graph.requests["exchange"]

    assert str(request.url) == f"{TOKENS}/oauth/access_token"
    assert dict(parse_qsl(request.content.decode())) == {
        "client_id": APP_ID,
        "client_secret": APP_SECRET,
        "grant_type": "authorization_code",
        "redirect_uri": REDIRECT_URI,
        "code": CODE,
    }
    assert issued.access_token.get_secret_value() == SHORT_TEXT
    assert issued.expires_at == NOW + timedelta(hours=1)
    assert issued.granted == frozenset(SCOPES)
    assert SHORT_TEXT not in repr(issued)


async def test_junk_after_the_code_is_stripped() -> None:
    """`#_` comes along where the code was copied from the address (2.4)."""
    graph = well()
    await graph.door().exchange(f"{CODE}#_", VERIFIER)

    assert dict(parse_qsl(graph.requests["exchange"][0].content.decode()))["code"] == CODE


@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize(
    ("permissions", "granted"),
    [
        ("instagram_business_basic,instagram_business_content_publish", frozenset(SCOPES)),
        (list(SCOPES), frozenset(SCOPES)),
        ([SCOPES[0], 7, None, " ", "x y"], frozenset(SCOPES[:1])),
        ("", frozenset[str]()),
        ([], frozenset[str]()),
        (None, None),
        (7, None),
        ({}, None),
    ],
)
@pytest.mark.parametrize("user_id", ["26000000000000041", 26000000000000041, 10**30, None])
async def test_the_exchange_in_all_its_shapes(
    wrapped: bool, permissions: object, granted: frozenset[str] | None, user_id: object
) -> None:
    """Wrapped or flat, a huge number or a text, a list or a text or nothing (3.2)."""
    body: dict[str, Any] = {**ISSUED, "permissions": permissions, "user_id": user_id}
    graph = well(exchange=answer({"data": [body]} if wrapped else body))

    assert (await graph.door().exchange(CODE, VERIFIER)).granted == granted


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (of_exchange("Matching code was not found or was already used"), "code_rejected"),
        (of_exchange("Invalid authorization code"), "code_rejected"),
        (of_exchange("Invalid platform app"), "service_misconfigured"),
        (of_exchange("Please make sure your redirect_uri is identical"), "service_misconfigured"),
        (of_exchange("Insufficient developer role"), "app_access_missing"),
        (of_exchange("Algo deu errado"), "facebook_error"),
        (refusal(4), "facebook_rate_limited"),
        (raw(b"", 429), "facebook_rate_limited"),
        (raw(b"", 502), "facebook_unavailable"),
        (raw(b"<html>"), "facebook_unavailable"),
        (answer({"user_id": 1}), "facebook_unavailable"),
        (answer({"data": []}), "facebook_unavailable"),
        (httpx.ReadError("x"), "facebook_unavailable"),
        (httpx.ConnectTimeout("x"), "facebook_unavailable"),
    ],
)
async def test_a_failed_exchange(fault: Answer, code: str) -> None:
    """One attempt, whatever comes, and its name in the table of contract §3 (3.4)."""
    graph = well(exchange=fault)
    with pytest.raises(GraphError) as caught:
        await graph.door().exchange(CODE, VERIFIER)

    assert login_error(caught.value).code == code
    assert graph.asked == ["exchange"]


async def test_the_upgrade_and_the_refresh_are_gets() -> None:
    """Meta has no other way: a POST is refused there (4.1, 4.2); no version in the path."""
    graph = well()
    await graph.door().identify(await graph.door().exchange(CODE, VERIFIER), findings())
    (upgrade,) = graph.requests["upgrade"]

    assert upgrade.method == "GET"
    assert upgrade.url.path == "/access_token"
    assert dict(upgrade.url.params) == {
        "grant_type": "ig_exchange_token",
        "client_secret": APP_SECRET,
        "access_token": SHORT_TEXT,
    }
    assert "authorization" not in upgrade.headers


async def test_the_profile_has_the_token_in_its_header() -> None:
    """And no proof, which this host isn't known to want (4.3, 4.6)."""
    graph = well()
    await graph.door().identify(await graph.door().exchange(CODE, VERIFIER), findings())
    (me,) = graph.requests["me"]

    assert me.headers["authorization"] == f"Bearer {SHORT_TEXT}"
    assert set(me.url.params) == {"fields"}
    assert str(me.url).startswith(f"{GRAPH}/v26.0/me?")


LOUD = f"https://graph.instagram.com/access_token?client_secret={APP_SECRET}&t={SHORT_TEXT}"


@pytest.mark.parametrize(
    "fault",
    [httpx.ConnectError(LOUD), httpx.ReadTimeout(LOUD), refusal(190, 0, LOUD), raw(LOUD.encode())],
)
async def test_no_error_shows_the_address(fault: Answer, caplog: pytest.LogCaptureFixture) -> None:
    """The secret stands in it (trap 7)."""
    caplog.set_level(logging.DEBUG)
    graph = well(upgrade=fault, me=fault)
    with pytest.raises(GraphError) as caught:
        await graph.door().identify(await graph.door().exchange(CODE, VERIFIER), findings())
    error = caught.value

    assert error.__context__ is None
    for secret in (APP_SECRET, SHORT_TEXT):
        assert secret not in str(error) + repr(error) + repr(vars(error)) + caplog.text


@pytest.mark.parametrize("message", ["Matching code was not found", "redirect_uri is identical"])
async def test_an_app_that_instagram_knows(message: str) -> None:
    """There is no call to ask by: a made-up code is refused as a code (3.4)."""
    await Graph({"exchange": of_exchange(message)}).door().check_app()


@pytest.mark.parametrize("fault", [of_exchange("Invalid platform app"), raw(b"", 502)])
async def test_an_app_that_instagram_does_not_know(fault: Answer) -> None:
    """Meta's own app id in place of Instagram's, mostly (2.3)."""
    with pytest.raises(GraphError):
        await Graph({"exchange": fault}).door().check_app()


async def test_nothing_can_be_revoked() -> None:
    """No call takes a grant back; who asks all the same isn't told that it did (4.8, trap 11)."""
    door = well().door()

    assert not door.can_revoke
    with pytest.raises(GraphUnavailable):
        await door.revoke(TOKEN.person)  # type: ignore[arg-type]  # whoever it is


async def test_an_answer_without_a_token_is_no_token() -> None:
    """HTTP 200 without `access_token` (4.5): the short one is kept."""
    graph = well(upgrade=answer({**LONG, "access_token": None}))
    login = await graph.door().identify(await graph.door().exchange(CODE, VERIFIER), findings())

    assert not login.long_lived


async def test_no_access_is_told_at_each_call() -> None:
    """The same text comes three times in a row (4.4)."""
    graph = well(upgrade=no_access(), me=no_access(), refresh=no_access())
    with pytest.raises(GraphRefusal) as caught:
        await graph.door().identify(await graph.door().exchange(CODE, VERIFIER), findings())

    assert caught.value.meaning is Meaning.APP_ACCESS_MISSING
    assert graph.asked == ["exchange", "upgrade", "me"]
