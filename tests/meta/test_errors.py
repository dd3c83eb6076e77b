"""What a call ends with: refusals as they are kept, without Facebook's own words."""

import traceback

import pytest

from igauth.meta.errors import ErrorEnvelope, GraphRefusal, GraphThrottled, Meaning
from igauth.meta.meanings import refusal_of
from tests.meta.scripted import envelope


def test_a_throttle_is_not_repeatable_though_it_says_transient() -> None:
    """Code 4 comes with is_transient:true, and calling on extends the block (10.8, 10.9)."""
    error = ErrorEnvelope.parse(envelope(4, is_transient=True))

    assert not refusal_of("me", error, 403).repeatable
    assert refusal_of("me", ErrorEnvelope.parse(envelope(2)), 503).repeatable


@pytest.mark.parametrize(
    "error",
    ["", "text", 7, [], [{}], {"code": "190"}, {"code": {}, "message": 3, "fbtrace_id": []}],
)
def test_any_error_value_becomes_an_envelope(error: object) -> None:
    """`code` may be a string, and the error anything (graph-facts 10.1)."""
    parsed = ErrorEnvelope.parse(error)

    assert parsed.code in (None, 190)
    assert parsed.message == ""


@pytest.mark.parametrize("code", [True, 10**12, "19 0", "--1", 1.5, "９"])
def test_a_code_that_is_no_number_is_none(code: object) -> None:
    """Nonsense codes are no code (security.md F-07)."""
    assert ErrorEnvelope.parse({"code": code}).code is None


def test_the_public_text_has_no_message_of_facebooks() -> None:
    """Private text without URL, token or name: str, repr and traceback (contract §7)."""
    secret = "Error validating Ada's token EAAsecret at https://x.test/?access_token=EAAsecret"
    error = refusal_of("me", ErrorEnvelope.parse(envelope(190, 463, secret)), 400)
    shown = (
        str(error) + repr(error) + "".join(traceback.format_exception(error)) + repr(vars(error))
    )

    assert "EAAsecret" not in shown
    assert "Ada" not in shown
    assert str(error) == "me: token_expired (code 190/463, HTTP 400, fbtrace_id Ainvented0001)"


def test_a_hostile_trace_id_is_dropped() -> None:
    """fbtrace_id is logged for Meta's support, so only a harmless one is kept (10.10)."""
    assert ErrorEnvelope.parse({"fbtrace_id": "A\nINFO forged line"}).fbtrace_id is None
    assert ErrorEnvelope.parse({"fbtrace_id": "A" * 65}).fbtrace_id is None
    assert ErrorEnvelope.parse({"fbtrace_id": "AbC_-9"}).fbtrace_id == "AbC_-9"


def test_refused_field_and_new_page_id_are_read() -> None:
    """Graph-facts 6.5 (with and without the node type) and 7.9 (code 21)."""

    def of(message: str) -> GraphRefusal:
        return refusal_of("x", ErrorEnvelope(code=100, message=message), 400)

    with_type = "(#100) Tried accessing nonexisting field (name) on node type (ShadowIGUser)"
    assert of(with_type).refused_field() == ("name", "ShadowIGUser")
    assert of("(#100) Tried accessing nonexisting field (x)").refused_field() == ("x", "")
    assert of("something else").refused_field() is None
    assert of("(#21) Page ID 11 was migrated to page ID 12.").migrated_to() == "12"
    assert of("Page ID 11 was migrated").migrated_to() is None


def test_a_throttle_keeps_facebooks_words() -> None:
    """GraphThrottled is a GraphRefusal with the same code and the wait (contract §8)."""
    error = refusal_of("me", ErrorEnvelope(code=17), 400).throttled(61)

    assert isinstance(error, GraphThrottled)
    assert (error.code, error.http_status, error.retry_after_seconds) == (17, 400, 61)
    assert error.meaning is Meaning.PERSON_THROTTLED


def test_a_wait_of_our_own() -> None:
    """A pause that is still on stops the call before it is made."""
    error = GraphThrottled("me", 30)

    assert (error.code, error.http_status, error.meaning) == (None, 0, Meaning.PAUSED)
    assert not error.repeatable


def test_refused_fields_are_found_in_linear_time() -> None:
    """Meta's text may be as long as it likes (security.md §0.8)."""
    for text in ("nonexisting field (x" * 5_000, "nonexisting field (x) on node type (" * 2_000):
        error = refusal_of("x", ErrorEnvelope.parse({"code": 100, "message": text}), 400)
        assert error.migrated_to() is None
        error.refused_field()
