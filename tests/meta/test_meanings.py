"""What refusals mean: the table of graph-facts §10.2."""

from typing import Any

import pytest

from igauth.meta.errors import ErrorEnvelope, Meaning
from igauth.meta.meanings import (
    INSTAGRAM_EXCHANGE,
    TOKEN_ENDPOINT,
    lacks_role,
    meaning_of,
    refusal_in,
)
from tests.meta.scripted import envelope

IMPERSONATING = (
    "Any of the pages_read_engagement permission(s) must be granted before "
    "impersonating a user's page."
)


def read(
    code: int | None,
    subcode: int | None = None,
    message: str = "",
    status: int = 400,
    endpoint: str = "me",
    **more: Any,
) -> Meaning:
    error = ErrorEnvelope.parse(envelope(code, subcode, message, **more))
    return meaning_of(error, status, endpoint)


@pytest.mark.parametrize(
    ("code", "subcode", "meaning"),
    [
        (-3, None, Meaning.REDUCE_DATA),
        (1, None, Meaning.TRANSIENT),
        (1, 99, Meaning.TRANSIENT),
        (2, None, Meaning.TRANSIENT),
        (3, None, Meaning.MISCONFIGURED),
        (4, None, Meaning.APP_THROTTLED),
        (10, None, Meaning.PERMISSION),
        (12, None, Meaning.MISCONFIGURED),
        (17, 2446079, Meaning.PERSON_THROTTLED),
        (21, None, Meaning.MIGRATED),
        (32, None, Meaning.NODE_THROTTLED),
        (100, None, Meaning.OTHER),
        (100, 33, Meaning.NOT_VISIBLE),
        (100, 36007, Meaning.CODE_REJECTED),
        (100, 36008, Meaning.REDIRECT_REFUSED),
        (100, 36009, Meaning.CODE_REJECTED),
        (101, None, Meaning.MISCONFIGURED),
        (102, None, Meaning.SESSION_INVALID),
        (102, 458, Meaning.APP_REMOVED),
        (104, None, Meaning.MISCONFIGURED),
        *((190, subcode, Meaning.SESSION_INVALID) for subcode in (None, 0, 456, 457, 461, 462)),
        *((190, subcode, Meaning.SESSION_INVALID) for subcode in (465, 466, 467, 468, 77777)),
        (190, 458, Meaning.APP_REMOVED),
        (190, 459, Meaning.CHECKPOINT),
        (190, 460, Meaning.PASSWORD_CHANGED),
        (190, 463, Meaning.TOKEN_EXPIRED),
        (190, 464, Meaning.UNCONFIRMED_USER),
        (190, 492, Meaning.ROLE_LOST),
        (190, 493, Meaning.DATA_ACCESS_EXPIRED),
        (190, 2069032, Meaning.PAGE_ITSELF),
        (191, None, Meaning.REDIRECT_REFUSED),
        (194, None, Meaning.MISCONFIGURED),
        (200, None, Meaning.PERMISSION),
        (299, None, Meaning.PERMISSION),
        (341, None, Meaning.APP_THROTTLED),
        (368, None, Meaning.BLOCKED),
        (368, 1390008, Meaning.BLOCKED),
        (368, 4854002, Meaning.IDENTITY_CHECK),
        (415, 1404120, Meaning.TWO_FACTOR),
        (450, None, Meaning.SESSION_INVALID),
        (452, None, Meaning.SESSION_INVALID),
        (506, 1455006, Meaning.OTHER),
        (613, 1996, Meaning.PERSON_THROTTLED),
        (803, None, Meaning.NOT_VISIBLE),
        (2500, None, Meaning.MISCONFIGURED),
        (2635, None, Meaning.MISCONFIGURED),
        (2642, None, Meaning.BAD_CURSOR),
        (3919, None, Meaning.TRANSIENT),
        *((code, None, Meaning.NODE_THROTTLED) for code in range(80000, 80015)),
        (9, 2207050, Meaning.RESTRICTED),
        (100, 2207050, Meaning.RESTRICTED),
        (77777, None, Meaning.OTHER),
        (None, None, Meaning.OTHER),
    ],
)
@pytest.mark.parametrize("status", [400, 401, 403])
def test_the_code_decides_whatever_the_status(
    code: int | None, subcode: int | None, meaning: Meaning, status: int
) -> None:
    """Code first, then subcode; HTTP status is a weak signal (graph-facts 10.2, 10.5)."""
    assert read(code, subcode, status=status) is meaning


@pytest.mark.parametrize(
    ("code", "message", "meaning"),
    [
        (1, "Please reduce the amount of data you're asking for", Meaning.REDUCE_DATA),
        (100, "Invalid appsecret_proof provided in the API argument", Meaning.MISCONFIGURED),
        (100, "(#100) Tried accessing nonexisting field (x)", Meaning.FIELD_REFUSED),
        (100, "The ids query parameter is deprecated in v26.0+", Meaning.MISCONFIGURED),
        (100, "(#100) Missing permission(s)", Meaning.PERMISSION),
        (100, "does not exist, cannot be loaded due to missing permission", Meaning.NOT_VISIBLE),
        (100, "Invalid cursor", Meaning.BAD_CURSOR),
        (100, "(#100) The App_id in the input_token did not match", Meaning.NOT_OURS),
        (190, IMPERSONATING, Meaning.PERMISSION),
        (190, "This method must be called with a Page Access Token", Meaning.PAGE_ITSELF),
        (190, "The user has not authorized application 901234567890123.", Meaning.APP_REMOVED),
        (190, "because the user changed their password", Meaning.PASSWORD_CHANGED),
        (190, "Session has expired on Sunday, 22-Nov-26", Meaning.TOKEN_EXPIRED),
        (200, "API access blocked.", Meaning.APP_BLOCKED),
        (200, "(#200) API access deactivated. To reactivate, go to …", Meaning.APP_BLOCKED),
        (200, "Cannot call API for app 9 on behalf of user 1", Meaning.MISCONFIGURED),
        (10, "Cannot call API for app 9 on behalf of user 1", Meaning.MISCONFIGURED),
    ],
)
def test_the_text_decides_only_where_facts_say_so(
    code: int, message: str, meaning: Meaning
) -> None:
    """Traps 30 and 31, graph-facts 4.6, 5.4, 6.5, 6.7, 7.5, 7.6, 7.9, 10.2, 10.3, 12.9."""
    assert read(code, message=message, status=500) is meaning
    assert read(code, message=message.upper()) is meaning


def test_a_known_subcode_beats_the_text() -> None:
    """A revoked grant stays one whatever the text says (graph-facts 10.2)."""
    assert read(190, 458, IMPERSONATING) is Meaning.APP_REMOVED


def test_code_1_at_the_token_endpoint_is_our_secret() -> None:
    """Trap 11: wrong client_secret is code 1 with HTTP 400; with HTTP 500 it is an outage."""
    assert read(1, status=400, endpoint=TOKEN_ENDPOINT) is Meaning.MISCONFIGURED
    assert read(1, status=500, endpoint=TOKEN_ENDPOINT) is Meaning.TRANSIENT
    assert read(1, status=400) is Meaning.TRANSIENT


def test_what_no_table_knows() -> None:
    """Graph-facts 10.1, 10.8, 10.9: is_transient and 5xx may pass; else give up on it."""
    assert read(77777, is_transient=True) is Meaning.TRANSIENT
    assert read(77777, status=500) is Meaning.TRANSIENT
    assert read(None, status=503) is Meaning.TRANSIENT
    assert read(None, status=429) is Meaning.APP_THROTTLED


def test_code_1_in_unknown_words_may_be_too_much_data() -> None:
    """ "Reduce the amount of data", localized (graph-facts 10.2, B25)."""
    assert read(1, message="Bitte weniger Daten", status=500) is Meaning.PERHAPS_TOO_MUCH
    assert read(1, message="An unknown error occurred", status=500) is Meaning.TRANSIENT
    assert read(1, message="Unbekannt", status=500, is_transient=True) is Meaning.TRANSIENT
    assert read(1, message="", status=500) is Meaning.TRANSIENT


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_body_with_an_error_is_a_refusal(status: int) -> None:
    """Whatever the status (graph-facts 10.1); 429 alone is one too."""
    refusal = refusal_in("me", status, {"error": envelope(190, 460)})

    assert refusal is not None
    assert refusal.meaning is Meaning.PASSWORD_CHANGED
    assert refusal_in("me", status, {"data": []}) is None
    assert refusal_in("me", 429, None) is not None


# -- Instagram's host

NO_VERB = "Unsupported request - method type: get"


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ("Error validating access token: Session has expired on …", Meaning.TOKEN_EXPIRED),
        ("Error validating access token: The session has been invalidated", "password_changed"),
        (
            "You cannot access the app till you log in to www.instagram.com and follow the "
            "instructions given.",
            Meaning.INSTAGRAM_CHECKPOINT,
        ),
        ("Session key is malformed because of invalid user id.", Meaning.INSTAGRAM_CHECKPOINT),
        ("The user has not authorized application 9.", Meaning.APP_REMOVED),
        ("Invalid OAuth access token - Cannot parse access token", Meaning.SESSION_INVALID),
        ("Session key invalid", Meaning.SESSION_INVALID),
        ("Algo deu errado", Meaning.SESSION_INVALID),
    ],
)
@pytest.mark.parametrize("subcode", [0, None])
def test_at_instagrams_host_the_text_tells(message: str, meaning: str, subcode: int | None) -> None:
    """190 has subcode 0, or none: a checkpoint isn't an expiry (instagram-login-facts 6.2)."""
    assert read(190, subcode, message) == meaning


def test_the_misleading_one() -> None:
    """ "method type: get" means that the account has no access (instagram-login-facts 4.4)."""
    assert read(100, message=NO_VERB, type="IGApiException") is Meaning.APP_ACCESS_MISSING
    assert read(100, message=NO_VERB, type="GraphMethodException") is Meaning.OTHER
    assert read(100, 33, NO_VERB, type="IGApiException") is Meaning.NOT_VISIBLE


def test_a_personal_account() -> None:
    """In whatever code it is said (instagram-login-facts 1.5)."""
    said = "The user is not an Instagram Business"

    assert {read(code, message=said) for code in (10, 100, 190)} == {Meaning.NOT_PROFESSIONAL}


@pytest.mark.parametrize(
    ("message", "meaning"),
    [
        ("Matching code was not found or was already used", Meaning.CODE_REJECTED),
        ("Invalid authorization code", Meaning.CODE_REJECTED),
        ("This authorization code has been used", Meaning.CODE_REJECTED),
        (
            "Error validating verification code. Please make sure your redirect_uri is identical",
            Meaning.REDIRECT_REFUSED,
        ),
        ("Invalid redirect_uri", Meaning.REDIRECT_REFUSED),
        ("Invalid platform app", Meaning.MISCONFIGURED),
        ("Invalid Client Secret", Meaning.MISCONFIGURED),
        ("Insufficient developer role", Meaning.APP_ACCESS_MISSING),
        ("Algo deu errado", Meaning.OTHER),
    ],
)
def test_the_other_shape_of_the_code_exchange(message: str, meaning: Meaning) -> None:
    """Without a code: only the text tells (instagram-login-facts 3.4)."""
    body = {"error_type": "OAuthException", "code": 400, "error_message": message}
    refusal = refusal_in(INSTAGRAM_EXCHANGE, 400, body)

    assert refusal is not None
    assert refusal.meaning is meaning
    assert refusal.code is None
    outage = refusal_in(INSTAGRAM_EXCHANGE, 503, body)
    assert outage is not None
    assert outage.meaning in (Meaning.TRANSIENT, Meaning.APP_ACCESS_MISSING)


@pytest.mark.parametrize(
    ("words", "lacks"),
    [
        ("Insufficient developer role", True),
        ("Insufficient Developer Role.", True),
        ("The user denied your request", False),
        ("", False),
    ],
)
def test_a_redirect_may_say_that_the_role_is_missing(words: str, lacks: bool) -> None:
    """It isn't the person who refused then (instagram-login-facts 2.5)."""
    assert lacks_role(words) is lacks
