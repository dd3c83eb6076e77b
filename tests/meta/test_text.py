"""Foreign text made safe at the boundary (security.md F-07, F-20)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igauth.meta.text import as_count, as_id, clean_lines, clean_text, clean_url

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("dirty", "clean"),
    [
        ("Invented Bakery", "Invented Bakery"),
        ("lone \ud800 surrogate", "lone  surrogate"),
        ("NUL\x00 bell\x07 line\n tab\t", "NUL bell line tab"),
        ("\x7f\x85C1", "C1"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("\u202eright to left\u2028", "\u202eright to left\u2028"),
        ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
        ("", None),
        ("\x00\ud800", None),
        (7, None),
        (None, None),
        ({"en": "x"}, None),
    ],
)
def test_names(dirty: object, clean: str | None) -> None:
    """What no database or JSON reader takes goes; what only looks odd stays (F-20)."""
    assert clean_text(dirty, 300) == clean


def test_a_megabyte_name_is_cut() -> None:
    """Lengths are capped (contract §8)."""
    assert clean_text("x" * 1_000_000, 300) == "x" * 300


def test_a_biography_keeps_its_line_breaks() -> None:
    """Biographies have lines; other control characters go."""
    assert clean_lines("one\ntwo\x00\r", 2_000) == "one\ntwo"


@given(ANYTHING)
def test_cleaned_text_always_can_be_stored(value: object) -> None:
    """UTF-8 and JSON take whatever comes out (security.md §0.8)."""
    for cleaned in (clean_text(value, 10), clean_lines(value, 10)):
        if cleaned is not None:
            cleaned.encode()
            json.dumps(cleaned).encode()
            assert "\x00" not in cleaned
            assert 0 < len(cleaned) <= 10


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("17841400000000021", "17841400000000021"),
        (17841400000000021, "17841400000000021"),
        ("0", "0"),
        ("../../me", None),
        ("1?fields=access_token", None),
        ("12\n", None),
        ("１２", None),
        ("", None),
        ("9" * 33, None),
        (10**40, None),
        (-1, None),
        (True, None),
        (1.0, None),
        (None, None),
        ([], None),
    ],
)
def test_ids(value: object, found: str | None) -> None:
    """Ids are digits, as text; they go into paths (graph-facts 0.4, trap 27)."""
    assert as_id(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (1204, 1204),
        (0, 0),
        ("342", 342),
        (87.0, 87),
        (-1, None),
        (True, None),
        (float("nan"), None),
        (float("inf"), None),
        (10**400, None),
        (2**53, None),
        ("many", None),
        ([], None),
        (None, None),
    ],
)
def test_counts(value: object, found: int | None) -> None:
    """Counts that every reader of JSON can hold, else null (security.md F-07)."""
    assert as_count(value) == found


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://scontent.xx.fbcdn.net/v/t51/1_n.jpg?oh=00_AT&oe=6B2B3C4D", True),
        ("HTTPS://scontent.xx.fbcdn.net/x", True),
        ("http://insecure.example.test/picture.jpg", False),
        ("javascript:alert(1)", False),
        ("data:image/svg+xml;base64,PHN2Zy8+", False),
        ("//no-scheme.example.test/picture.jpg", False),
        ("https:///no-host", False),
        ("https://[broken", False),
        ("https://x.test/a b", False),
        ("https://x.test/\n", False),
        ("https://x.test\\@evil.test/", False),
        ("https://user:password@x.test/picture.jpg", False),
        ('https://x.test/"><script>alert(1)</script>', False),
        ("file:///etc/passwd", False),
        ("https://x.test/" + "a" * 4_000, False),
        ("", False),
        (7, False),
        (None, False),
    ],
)
def test_picture_links(url: object, kept: bool) -> None:
    """Only https pictures pass, unchanged: any change breaks the signature (8.5, F-20)."""
    assert clean_url(url, ("https://",)) == (url if kept else None)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://x.test/\u2028.jpg?oe=1", "https://x.test/%E2%80%A8.jpg?oe=1"),
        ("https://x.test/Bäckerei%20.jpg#ü", "https://x.test/B%C3%A4ckerei%20.jpg#%C3%BC"),
        ("https://x.test/a|b'(c)", "https://x.test/a|b'(c)"),
        ("https://bücher.test/x.jpg", None),
    ],
)
def test_a_link_is_ascii(url: str, sent: str | None) -> None:
    """It stands in a Location header, so it is encoded as browsers do (B13, S10)."""
    assert clean_url(url, ("https://",)) == sent


@given(st.text(max_size=40))
def test_any_link_can_stand_in_a_header(tail: str) -> None:
    """Latin-1 and printable, whatever the path holds (B13)."""
    link = clean_url(f"https://x.test/{tail}", ("https://",))
    if link is not None:
        assert link.isascii()
        assert link.isprintable()
        assert " " not in link


def test_a_long_hostile_link_is_judged_in_linear_time() -> None:
    """Ten thousand of them pass here (security.md §0.8)."""
    for tail in ("a" * 3_900 + "\x00", "?" * 3_900 + " ", "%" * 3_900, ":" * 3_900):
        clean_url(f"https://x.test{tail}", ("https://",))


def test_websites_may_be_http() -> None:
    """A person's website link may be old-fashioned, but never a script."""
    assert clean_url("http://x.test/", ("https://", "http://")) == "http://x.test/"
    assert clean_url("javascript:alert(1)//http://", ("https://", "http://")) is None
