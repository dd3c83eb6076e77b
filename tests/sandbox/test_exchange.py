"""The code exchange and the long-lived exchange (facts 2 and 3)."""

import base64
import hashlib

import httpx
import pytest

from igauth.sandbox.app import Sandbox
from tests.sandbox.facebook import REDIRECT_URI, Facebook, TestClock, error_of

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")


@pytest.fixture
def code(sandbox: Sandbox) -> str:
    """A fresh code of ada's."""
    return sandbox.authorize("ada", redirect_uri=REDIRECT_URI)


async def test_a_code_becomes_a_short_lived_token(facebook: Facebook, code: str) -> None:
    """access_token, token_type and expires_in, and nothing else (facts 2.3)."""
    answer = await facebook.exchange(code)

    assert answer.status_code == 200
    assert answer.json().keys() == {"access_token", "token_type", "expires_in"}
    assert answer.json()["token_type"] == "bearer"
    assert answer.json()["expires_in"] == 5127
    assert answer.json()["access_token"].startswith("EAA")


async def test_get_with_a_query_works_as_documented(facebook: Facebook, code: str) -> None:
    """The documented form is GET (facts 2.1); the log names the secrets in the query."""
    config = facebook.sandbox.config
    params = {
        "client_id": config.app_id,
        "client_secret": config.app_secret,
        "redirect_uri": REDIRECT_URI,
        "code": code,
    }
    answer = await facebook.http.get("/v26.0/oauth/access_token", params=params)

    assert answer.status_code == 200
    (call,) = facebook.sandbox.calls.of("exchange")
    assert call.secrets_in_query == ("client_secret", "code")


@pytest.mark.parametrize("carrier", ["json", "multipart", "query"])
async def test_post_parameters_travel_in_any_body(
    facebook: Facebook, code: str, carrier: str
) -> None:
    """Form, JSON, multipart and query are all read (facts 0.2)."""
    config = facebook.sandbox.config
    params = {
        "client_id": config.app_id,
        "client_secret": config.app_secret,
        "redirect_uri": REDIRECT_URI,
        "code": code,
    }
    url = "/v26.0/oauth/access_token"
    if carrier == "json":
        answer = await facebook.http.post(url, json=params)
    elif carrier == "query":
        answer = await facebook.http.post(url, params=params)
    else:
        fields = {name: (None, value.encode()) for name, value in params.items()}
        answer = await facebook.http.post(url, files=fields)

    assert answer.status_code == 200, answer.text


async def test_a_code_is_used_once(facebook: Facebook, code: str) -> None:
    """The second try is 100/36009 (facts 2.4)."""
    await facebook.exchange(code)

    assert error_of(await facebook.exchange(code)) == (400, 100, 36009)


async def test_a_code_expires(facebook: Facebook, code: str, clock: TestClock) -> None:
    """After its life it is 100/36007 (facts 2.4)."""
    clock.advance(600)

    assert error_of(await facebook.exchange(code)) == (400, 100, 36007)


async def test_the_redirect_uri_is_compared_byte_for_byte(facebook: Facebook, code: str) -> None:
    """A trailing slash is 100/36008 (facts 2.2, 2.4, trap 10), and the code is gone."""
    differing = await facebook.exchange(code, redirect_uri=REDIRECT_URI + "/")
    again = await facebook.exchange(code)

    assert error_of(differing) == (400, 100, 36008)
    assert error_of(again) == (400, 100, 36009)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"code": "garbled"}, (400, 100, None)),
        ({"code": None}, (400, 100, None)),
        ({"redirect_uri": "callback"}, (400, 191, None)),
        ({"redirect_uri": None}, (400, 100, None)),
        ({"client_secret": "wrong"}, (400, 1, None)),
        ({"client_secret": None}, (400, 100, None)),
        ({"client_id": "123"}, (400, 101, None)),
        ({"client_id": None}, (400, 101, None)),
        ({"client_id": "abc"}, (500, 1, None)),
        ({"grant_type": "password"}, (400, 100, None)),
    ],
)
async def test_what_the_exchange_refuses(
    facebook: Facebook,
    code: str,
    changes: dict[str, str | None],
    expected: tuple[int, int | None, int | None],
) -> None:
    """Each mistake has its code; a wrong secret is code 1 with HTTP 400 (facts 2.4, trap 11)."""
    answer = await facebook.exchange(**{"code": code, **changes})

    assert error_of(answer) == expected


async def test_code_problems_say_invalid_code(facebook: Facebook) -> None:
    """WWW-Authenticate has the word invalid_code (facts 2.4, 10.6)."""
    answer = await facebook.exchange("garbled")

    assert answer.headers["www-authenticate"].startswith(
        'OAuth "Facebook Platform" "invalid_code" "Invalid verification code format.'
    )


async def test_wrong_app_credentials_leave_the_code_alone(facebook: Facebook, code: str) -> None:
    """The app is checked before the code is looked at (facts 2.4)."""
    await facebook.exchange(code, client_secret="wrong")

    assert (await facebook.exchange(code)).status_code == 200


@pytest.mark.parametrize("verifier", [None, "w" * 43, ""])
async def test_pkce_wrong_or_missing_verifier_is_refused(
    facebook: Facebook, verifier: str | None
) -> None:
    """With a challenge in the dialog the verifier counts (facts 1.8): code 100."""
    code = facebook.sandbox.authorize(
        "ada", redirect_uri=REDIRECT_URI, code_challenge=CHALLENGE.decode()
    )

    assert error_of(await facebook.exchange(code, code_verifier=verifier)) == (400, 100, None)


async def test_pkce_right_verifier_is_accepted(facebook: Facebook) -> None:
    """S256 of the verifier is the challenge (facts 1.8)."""
    code = facebook.sandbox.authorize(
        "ada", redirect_uri=REDIRECT_URI, code_challenge=CHALLENGE.decode()
    )

    assert (await facebook.exchange(code, code_verifier=VERIFIER)).status_code == 200


async def test_without_a_challenge_a_verifier_is_ignored(facebook: Facebook, code: str) -> None:
    """Sending PKCE parameters is harmless (facts 1.8)."""
    assert (await facebook.exchange(code, code_verifier="anything")).status_code == 200


async def test_the_app_token(facebook: Facebook) -> None:
    """client_credentials gives `id|key`, which works like `id|secret` (facts 2.7)."""
    answer = await facebook.exchange(None, redirect_uri=None, grant_type="client_credentials")
    app_token = answer.json()["access_token"]
    inspected = await facebook.get("/debug_token", app_token, input_token=app_token)

    assert answer.json().keys() == {"access_token", "token_type"}
    assert app_token.startswith("901234567890123|")
    assert inspected.json()["data"]["type"] == "APP"
    assert "user_id" not in inspected.json()["data"]


# --- long-lived tokens, facts 3 ---


async def test_upgrade_gives_just_under_sixty_days(facebook: Facebook) -> None:
    """expires_in 5183944 (facts 3.2)."""
    answer = await facebook.upgrade(await facebook.short_token())

    assert answer.json()["expires_in"] == 5183944


async def test_upgrading_again_yields_what_is_left(facebook: Facebook, clock: TestClock) -> None:
    """A long-lived token isn't prolonged (facts 3.3, trap 13)."""
    token = await facebook.token()
    clock.advance(1000)
    answer = await facebook.upgrade(token)

    assert answer.json()["expires_in"] == 5182944
    assert answer.json()["access_token"] != token


async def test_expires_in_may_be_absent(facebook: Facebook) -> None:
    """The answer is good all the same; debug_token knows the end (facts 2.3, 3.2, trap 12)."""
    facebook.sandbox.world.person("ada").quirks.expiry = "absent"
    answer = await facebook.upgrade(await facebook.short_token())
    token = answer.json()["access_token"]

    assert "expires_in" not in answer.json()
    assert (await facebook.debug(token))["expires_at"] == facebook.sandbox.clock.unix() + 5183944


async def test_tokens_may_never_expire(facebook: Facebook, clock: TestClock) -> None:
    """expires_at 0 is never (facts 3.2, trap 12)."""
    facebook.sandbox.world.person("ada").quirks.expiry = "never"
    token = await facebook.token()
    clock.advance(80 * 86_400)

    assert (await facebook.debug(token))["expires_at"] == 0
    assert (await facebook.get("/me", token)).status_code == 200


async def test_an_expired_token_is_not_upgraded(facebook: Facebook, clock: TestClock) -> None:
    """190/463, with both times in the text (facts 3.4, 10.4)."""
    token = await facebook.short_token()
    clock.advance(5127)
    answer = await facebook.upgrade(token)

    assert error_of(answer) == (400, 190, 463)
    assert answer.json()["error"]["message"] == (
        "Error validating access token: Session has expired on Monday, 23-Nov-26 05:25:27 PST. "
        "The current time is Monday, 23-Nov-26 05:25:27 PST."
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fb_exchange_token": "EAAgarbage"}, (400, 190, None)),
        ({"fb_exchange_token": None}, (400, 100, None)),
        ({"client_secret": "wrong"}, (400, 1, None)),
        ({"client_id": "123"}, (400, 101, None)),
    ],
)
async def test_what_the_upgrade_refuses(
    facebook: Facebook,
    changes: dict[str, str | None],
    expected: tuple[int, int | None, int | None],
) -> None:
    """Garbage is 190, wrong app credentials are as in the code exchange (facts 3.4)."""
    token = await facebook.short_token()
    answer = await facebook.upgrade(token, **changes)

    assert error_of(answer) == expected


async def test_no_proof_is_needed_at_the_token_endpoint(facebook: Facebook, code: str) -> None:
    """These calls carry the client_secret (facts 5.6)."""
    assert isinstance(await facebook.exchange(code), httpx.Response)
    assert facebook.sandbox.calls.of("exchange")[0].proof == "absent"
