"""Meta's signed_request: believed only when our secret signed it (graph-facts 13.1)."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igauth.security.signed_request import (
    SignedRequest,
    SignedRequestRefused,
    parse_signed_request,
)

SECRET = "0123456789abcdef0123456789abcdef"
VECTOR = (
    "gJRz5P3Jb-hxRqxM2dSdhTNQfEJOK3vjI6GiniQ2itg."
    "eyJ1c2VyX2lkIjoiMTAyMDAwMDAwMDAwMDAwMDEiLCJhbGdvcml0aG0iOiJITUFDLVNIQTI1NiIs"
    "Imlzc3VlZF9hdCI6MTc5NTM5MjAwMH0"
)
EXPECTED = ("10200000000000001", datetime.fromtimestamp(1795392000, UTC))
SIGNATURE, PAYLOAD = VECTOR.split(".")
GOOD: dict[str, Any] = {
    "user_id": "10200000000000001",
    "algorithm": "HMAC-SHA256",
    "issued_at": 1795392000,
}


def encoded(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(payload: str, secret: str = SECRET) -> str:
    """An encoded payload, signed as Meta does."""
    digest = hmac.new(secret.encode(), payload.encode(), hashlib.sha256).digest()
    return f"{encoded(digest)}.{payload}"


def signed_json(fields: object) -> str:
    """Any JSON, rightly signed."""
    return signed(encoded(json.dumps(fields).encode()))


def refusal(text: str, secret: str = SECRET) -> str | None:
    """The word that a text is refused with, None if it is believed."""
    try:
        parse_signed_request(text, secret)
    except SignedRequestRefused as refused:
        return refused.cause
    return None


def test_the_vector_is_read() -> None:
    """The facts' own vector: id and instant."""
    read = parse_signed_request(VECTOR, SECRET)

    assert (read.user_id, read.issued_at) == EXPECTED


@pytest.mark.parametrize(
    "more",
    [
        {"expires": 1795392000},
        {"oauth_token": "EAAx", "user": {"country": "de"}},
        {"issued_at": 1795392000.0},
        {"user_id": "0"},
        {"name": "\ud83d\ude00 \x00"},
    ],
)
def test_what_meta_may_add_is_ignored(more: dict[str, Any]) -> None:
    """Unknown fields, fractions and the test user's id do no harm (facts 13.2, 13.6)."""
    read = parse_signed_request(signed_json(GOOD | more), SECRET)

    assert isinstance(read, SignedRequest)
    assert read.user_id == (GOOD | more)["user_id"]


def test_one_request_has_one_spelling() -> None:
    """Padding, other alphabets and set spare bits are refused, also where they were signed (S9)."""
    padded = base64.urlsafe_b64encode(json.dumps(GOOD).encode()).decode()
    spare = SIGNATURE[:-1] + chr(ord(SIGNATURE[-1]) + 1)

    assert refusal(signed(padded)) == "not_base64url"
    assert refusal(f"{SIGNATURE}=.{PAYLOAD}") == "not_base64url"
    assert refusal(f"{SIGNATURE}.{PAYLOAD}=") == "not_base64url"
    assert refusal(f"{spare}.{PAYLOAD}") == "not_canonical"


def test_a_numeric_user_id_is_its_digits() -> None:
    """Of any size; as text afterwards (B32)."""
    number = 10_200_000_000_000_001

    said = parse_signed_request(signed_json(GOOD | {"user_id": number}), SECRET)

    assert said.user_id == str(number)


MALFORMED = {
    "empty": "",
    "one part": "abc",
    "a dot": ".",
    "no signature": f".{PAYLOAD}",
    "no payload": f"{SIGNATURE}.",
    "three parts": f"{VECTOR}.x",
    "leading dot": f".{VECTOR}",
    "swapped parts": f"{PAYLOAD}.{SIGNATURE}",
    "blank before": f" {VECTOR}",
    "line end after": f"{VECTOR}\n",
    "NUL within": VECTOR.replace(".", ".\0"),
    "plus sign": VECTOR.replace("-", "+"),
    "stroke": "/" + VECTOR[1:],
    "too much padding": f"{SIGNATURE}===.{PAYLOAD}",
    "padding inside": f"{SIGNATURE[:4]}={SIGNATURE[4:]}.{PAYLOAD}",
    "other alphabet": f"{SIGNATURE}.пейлоад",
    "full-width": f"{SIGNATURE}.{PAYLOAD[:-1]}１",
    "lone surrogate in payload": f"{SIGNATURE}.\ud800",
    "lone surrogate in signature": f"\ud800.{PAYLOAD}",
    "one base64 character": "A.A",
    "too long": f"{SIGNATURE}.{'A' * 9000}",
    "percent-encoded": VECTOR.replace(".", "%2E"),
    "quoted": f'"{VECTOR}"',
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_text_is_refused(text: str) -> None:
    """Not of the promised shape: refused, never another error."""
    assert refusal(text) is not None


FORGED = {
    "other secret": signed(PAYLOAD, "f" * 32),
    "no secret": signed(PAYLOAD, ""),
    "secret in capitals": signed(PAYLOAD, SECRET.upper()),
    "one bit of the signature": "h" + VECTOR[1:],
    "signature cut": f"{SIGNATURE[:-4]}.{PAYLOAD}",
    "signature doubled": f"{SIGNATURE}{SIGNATURE}.{PAYLOAD}",
    "other person, old signature": f"{SIGNATURE}.{encoded(json.dumps(GOOD).encode())}",
    "SHA-1": encoded(hmac.new(SECRET.encode(), PAYLOAD.encode(), "sha1").digest()) + f".{PAYLOAD}",
    "SHA-512": encoded(hmac.new(SECRET.encode(), PAYLOAD.encode(), "sha512").digest())
    + f".{PAYLOAD}",
    "plain hash": encoded(hashlib.sha256(PAYLOAD.encode()).digest()) + f".{PAYLOAD}",
    "signed JSON, not its text": encoded(
        hmac.new(SECRET.encode(), base64.urlsafe_b64decode(PAYLOAD + "=="), "sha256").digest()
    )
    + f".{PAYLOAD}",
    "hexadecimal signature": hmac.new(SECRET.encode(), PAYLOAD.encode(), "sha256").hexdigest()
    + f".{PAYLOAD}",
    "algorithm none": f"AA.{encoded(json.dumps(GOOD | {'algorithm': 'none'}).encode())}",
    "zeros": f"{encoded(bytes(32))}.{PAYLOAD}",
}


@pytest.mark.parametrize("text", FORGED.values(), ids=FORGED.keys())
def test_a_forged_signature_is_refused(text: str) -> None:
    """Well formed, but not signed by us; nothing else is looked at before."""
    assert refusal(text) == "signature"


_ODD: dict[str, tuple[object, ...]] = {
    "algorithm": (None, "", "none", "hmac-sha256", "HMAC-SHA1", ["HMAC-SHA256"]),
    "user_id": (None, "", -1, True, 1.5, "1 ", "1\n", "\x00", "1" * 129, ["1"], {}, "１"),
    "issued_at": (
        *(None, "1795392000", True, [], {}, float("nan"), float("inf"), 1e300, -1e300),
        *(10**18, 10**400, -(10**400)),
    ),
}
ODD_FIELDS = [(name, value) for name, values in _ODD.items() for value in values]


@pytest.mark.parametrize(("name", "value"), ODD_FIELDS, ids=lambda each: repr(each)[:24])
def test_an_oddly_typed_field_is_refused_though_signed(name: str, value: object) -> None:
    """Meta's own signature doesn't make nonsense believable; the cause names the field."""
    assert refusal(signed_json(GOOD | {name: value})) == name


@pytest.mark.parametrize("name", GOOD)
def test_a_missing_field_is_refused_though_signed(name: str) -> None:
    """Each of the three fields is needed."""
    fields = {key: value for key, value in GOOD.items() if key != name}

    assert refusal(signed_json(fields)) == name


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (b"", "not_base64url"),
        (b"{", "not_json"),
        (b"\xff\xfe{}", "not_json"),
        (b"\xed\xa0\x80", "not_json"),
        (b"[" * 5000, "not_json"),
        (b'{"issued_at":' + b"1" * 5000 + b"}", "not_json"),
        (b"[]", "not_an_object"),
        (b"null", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"7", "not_an_object"),
    ],
)
def test_a_signed_payload_that_is_no_object_is_refused(raw: bytes, cause: str) -> None:
    """Bytes that aren't UTF-8, JSON or an object: refused by name."""
    assert refusal(signed(encoded(raw))) == cause


def test_the_refusal_repeats_nothing() -> None:
    """A log of the refusal shows a word, not what was sent."""
    with pytest.raises(SignedRequestRefused) as refused:
        parse_signed_request(signed(PAYLOAD, "other"), SECRET)

    assert str(refused.value) == "signature"


@given(st.text(st.characters()) | st.from_regex(r"[A-Za-z0-9_-]{1,60}\.[A-Za-z0-9_=-]{1,200}"))
def test_no_text_is_believed_or_breaks_it(text: str) -> None:
    """Whatever comes, surrogates included: refused, by the one error."""
    assert refusal(text) is not None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*GOOD, "expires"]), _JSON))
def test_no_signed_object_breaks_it(fields: dict[str, Any]) -> None:
    """Any JSON under a right signature: read, or refused by the one error."""
    text = signed_json(GOOD | fields)

    assert refusal(text) in {None, *GOOD, "too_long", "not_json"}


@given(st.binary(max_size=80), st.binary(max_size=200))
def test_no_bytes_break_it(signature: bytes, payload: bytes) -> None:
    """Random bytes, rightly encoded, are refused."""
    assert refusal(f"{encoded(signature)}.{encoded(payload)}") in {"signature", "not_base64url"}
