"""What refusals mean: the table of graph-facts §10.2."""

import traceback
from typing import Any

import pytest

from igauth.meta.errors import (
    TOKEN_ENDPOINT,
    ErrorEnvelope,
    GraphRefusal,
    GraphThrottled,
    Meaning,
    meaning_of,
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
        (1, None, Meaning.TRANSIENT),
        (1, 99, Meaning.TRANSIENT),
        (2, None, Meaning.TRANSIENT),
        (3, None, Meaning.MISCONFIGURED),
        (4, None, Meaning.THROTTLED),
        (10, None, Meaning.PERMISSION),
        (12, None, Meaning.MISCONFIGURED),
        (17, 2446079, Meaning.THROTTLED),
        (21, None, Meaning.MIGRATED),
        (32, None, Meaning.THROTTLED),
        (100, None, Meaning.OTHER),
        (100, 33, Meaning.NOT_VISIBLE),
        (100, 36007, Meaning.CODE_REJECTED),
        (100, 36008, Meaning.MISCONFIGURED),
        (100, 36009, Meaning.CODE_REJECTED),
        (101, None, Meaning.MISCONFIGURED),
        (102, None, Meaning.RECONNECT),
        (102, 458, Meaning.REVOKED),
        (104, None, Meaning.MISCONFIGURED),
        *((190, subcode, Meaning.RECONNECT) for subcode in (None, 456, 457, 460, 461, 462, 463)),
        *((190, subcode, Meaning.RECONNECT) for subcode in (465, 466, 467, 468, 493, 77777)),
        (190, 458, Meaning.REVOKED),
        (190, 459, Meaning.CHECKPOINT),
        (190, 464, Meaning.CHECKPOINT),
        (190, 492, Meaning.PERSON_MUST_ACT),
        (191, None, Meaning.MISCONFIGURED),
        (194, None, Meaning.MISCONFIGURED),
        (200, None, Meaning.PERMISSION),
        (299, None, Meaning.PERMISSION),
        (341, None, Meaning.THROTTLED),
        (368, 4854002, Meaning.PERSON_MUST_ACT),
        (415, 1404120, Meaning.PERSON_MUST_ACT),
        (450, None, Meaning.RECONNECT),
        (452, None, Meaning.RECONNECT),
        (506, 1455006, Meaning.OTHER),
        (613, 1996, Meaning.THROTTLED),
        (803, None, Meaning.NOT_VISIBLE),
        (2500, None, Meaning.MISCONFIGURED),
        (2635, None, Meaning.MISCONFIGURED),
        (2642, None, Meaning.BAD_CURSOR),
        (3919, None, Meaning.TRANSIENT),
        *((code, None, Meaning.THROTTLED) for code in range(80000, 80015)),
        (9, 2207050, Meaning.PERSON_MUST_ACT),
        (100, 2207050, Meaning.PERSON_MUST_ACT),
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
        (190, IMPERSONATING, Meaning.PERMISSION),
    ],
)
def test_the_text_decides_only_where_facts_say_so(
    code: int, message: str, meaning: Meaning
) -> None:
    """Traps 30 and 31, graph-facts 5.4, 6.5, 6.7, 7.5, 7.6, 7.9, 12.9."""
    assert read(code, message=message, status=500) is meaning
    assert read(code, message=message.upper()) is meaning


def test_a_known_subcode_beats_the_text() -> None:
    """A revoked grant stays one whatever the text says (graph-facts 10.2)."""
    assert read(190, 458, IMPERSONATING) is Meaning.REVOKED


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
    assert read(None, status=429) is Meaning.THROTTLED


def test_a_throttle_is_not_repeatable_though_it_says_transient() -> None:
    """Code 4 comes with is_transient:true, and calling on extends the block (10.8, 10.9)."""
    error = ErrorEnvelope.parse(envelope(4, is_transient=True))

    assert not GraphRefusal("me", error, 403).repeatable
    assert GraphRefusal("me", ErrorEnvelope.parse(envelope(2)), 503).repeatable


@pytest.mark.parametrize(
    "error",
    ["", "text", 7, [], [{}], {"code": "190"}, {"code": {}, "message": 3, "fbtrace_id": []}],
)
def test_any_error_value_becomes_an_envelope(error: object) -> None:
    """`code` may be a string, and the error anything (graph-facts 10.1)."""
    parsed = ErrorEnvelope.parse(error)

    assert parsed.code in (None, 190)
    assert parsed.message == ""


@pytest.mark.parametrize("code", [True, 10**12, "19 0", "-1", 1.5, "９"])
def test_a_code_that_is_no_number_is_none(code: object) -> None:
    """Nonsense codes are no code (security.md F-07)."""
    assert ErrorEnvelope.parse({"code": code}).code is None


def test_the_public_text_has_no_message_of_facebooks() -> None:
    """Private text without URL, token or name: str, repr and traceback (contract §7)."""
    secret = "Error validating Ada's token EAAsecret at https://x.test/?access_token=EAAsecret"
    error = GraphRefusal("me", ErrorEnvelope.parse(envelope(190, 463, secret)), 400)
    shown = (
        str(error) + repr(error) + "".join(traceback.format_exception(error)) + repr(vars(error))
    )

    assert "EAAsecret" not in shown
    assert "Ada" not in shown
    assert str(error) == "me: reconnect (code 190/463, HTTP 400, fbtrace_id Ainvented0001)"


def test_a_hostile_trace_id_is_dropped() -> None:
    """fbtrace_id is logged for Meta's support, so only a harmless one is kept (10.10)."""
    assert ErrorEnvelope.parse({"fbtrace_id": "A\nINFO forged line"}).fbtrace_id is None
    assert ErrorEnvelope.parse({"fbtrace_id": "A" * 65}).fbtrace_id is None
    assert ErrorEnvelope.parse({"fbtrace_id": "AbC_-9"}).fbtrace_id == "AbC_-9"


def test_refused_field_and_new_page_id_are_read() -> None:
    """Graph-facts 6.5 (with and without the node type) and 7.9 (code 21)."""

    def of(message: str) -> GraphRefusal:
        return GraphRefusal("x", ErrorEnvelope(code=100, message=message), 400)

    with_type = "(#100) Tried accessing nonexisting field (name) on node type (ShadowIGUser)"
    assert of(with_type).refused_field() == ("name", "ShadowIGUser")
    assert of("(#100) Tried accessing nonexisting field (x)").refused_field() == ("x", "")
    assert of("something else").refused_field() is None
    assert of("(#21) Page ID 11 was migrated to page ID 12.").migrated_to() == "12"
    assert of("Page ID 11 was migrated").migrated_to() is None


def test_a_throttle_keeps_facebooks_words() -> None:
    """GraphThrottled is a GraphRefusal with the same code and the wait (contract §8)."""
    error = GraphRefusal("me", ErrorEnvelope(code=17), 400).throttled(61)

    assert isinstance(error, GraphThrottled)
    assert (error.code, error.http_status, error.retry_after_seconds) == (17, 400, 61)
    assert error.meaning is Meaning.THROTTLED
