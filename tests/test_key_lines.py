"""Lines of KEYS: what is taken, and what no random source would make (contract §2)."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from igauth.key_lines import RootKey, new_key_line, parse_key_lines

MARK = "sEkReTvAlUe"
GOOD = hashlib.sha256(b"invented").digest()
OTHER = hashlib.sha256(b"another").digest()


def text_of(secret: bytes) -> str:
    """Bytes as KEYS wants them."""
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def line(secret: bytes, kid: str = "k1") -> str:
    """A whole line."""
    return f"{kid}:{text_of(secret)}"


# Drawn as a random source draws: hypothesis' own bytes seek out what is simple.
random_secrets = st.integers(0, 2**256).map(lambda seed: hashlib.sha256(b"%d" % seed).digest())


@given(random_secrets)
@hypothesis_settings(max_examples=3_000, deadline=None, database=None)
def test_no_random_key_is_refused(secret: bytes) -> None:
    """Thousands of them; the chance against any is reckoned in the module (defect A4)."""
    assert parse_key_lines(line(secret)) == (RootKey("k1", secret),)


@pytest.mark.parametrize("first", [b"<", b"x", b"secret", b"your-", b"changeme", b"\0"])
def test_a_good_key_may_begin_with_any_bytes(first: bytes) -> None:
    """Samples are judged by the text as written: one key in 256 begins with `<` (defect A4)."""
    assert parse_key_lines(line(first + GOOD[len(first) :]))


def test_new_lines_are_keys() -> None:
    """What `igauth keys new` prints is what the setting takes, newest first, another each time."""
    lines = [new_key_line() for _ in range(50)]
    keys = parse_key_lines(",\n ".join(lines))

    assert [key.kid for key in keys] == [each.split(":")[0] for each in lines]
    assert len({key.secret for key in keys}) == 50


@pytest.mark.parametrize("text", [text_of(GOOD), text_of(GOOD) + "="])
def test_a_key_may_be_padded(text: str) -> None:
    """base64url with or without its `=`."""
    assert parse_key_lines(f"k1:{text}") == (RootKey("k1", GOOD),)


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        (bytes(32), "all zero"),
        (b"\xff" * 32, "all one"),
        (bytes(range(32)), "counted"),
        (bytes(range(7, 39)), "counted from seven"),
        (bytes((7 * number + 3) % 256 for number in range(32)), "counted in sevens"),
        (bytes(range(200, 168, -1)), "counted down"),
        (bytes(sorted(GOOD)), "in order"),
        (bytes(sorted(GOOD, reverse=True)), "in order backwards"),
        (GOOD[:16] * 2, "two halves alike"),
        (GOOD[:12] * 3, "three pieces alike"),
        (b"ab" * 16, "two letters"),
        (bytes([1, 2, 3, 4] * 8), "four numbers"),
        (b"correct horse battery staple 1!!", "a sentence"),
        (b"changeme-0123456789abcdefghijklm", "a sample's bytes"),
        (b"Line one\nLine two\tand a third...", "text with blanks"),
        (hashlib.md5(b"x", usedforsecurity=False).hexdigest().encode(), "hexadecimal of a hash"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_weak_bytes_are_refused(secret: bytes, why: str) -> None:
    """What is thought up or counted out can be guessed (defect S12)."""
    secret = secret[:32]
    assert len(secret) == 32, why

    with pytest.raises(ValueError, match=r"^has a (key that is too regular|sample)"):
        parse_key_lines(line(secret))


@pytest.mark.parametrize(
    "written",
    [
        "changeme",
        "change-me-change-me-change-me-change-me-abc",
        "changeme-changeme-changeme-changeme-changem",
        "CHANGEME0123456789abcdefghijklmnopqrstuvwxy",
        "Placeholder00123456789abcdefghijklmnopqrstu",
        "your-key-here",
        "your_secret_key_that_is_long_enough_for_all",
        "please-replace-this-by-a-key-of-your-own-xy",
        "PLEASE-REPLACE-THIS-BY-A-KEY-OF-YOUR-OWN-XY",
        "0123456789abcdef0123456789abcdef0123456789a",
    ],
)
def test_samples_are_known_by_their_text(written: str) -> None:
    """Words and hexadecimal in place of base64url, whatever bytes they stand for (S12, A4)."""
    with pytest.raises(ValueError, match=r"^has a (sample key|key that is too regular)"):
        parse_key_lines(f"k1:{written}")


@pytest.mark.parametrize(
    "text",
    [
        MARK,
        f":{text_of(GOOD)}",
        f"k.1:{text_of(GOOD)}",
        f"{'k' * 33}:{text_of(GOOD)}",
        "k1:",
        f"k1:{MARK}!",
        f"k1:{MARK}é",
        line(GOOD[:31]),
        line(GOOD + b"x"),
        f"{line(GOOD)},{line(OTHER)}",
        f"{line(GOOD)},{line(GOOD, 'k2')}",
        f"{line(GOOD)},{MARK}",
    ],
)
def test_what_is_no_ring_is_refused_without_its_text(text: str) -> None:
    """Form, length, repeats."""
    with pytest.raises(ValueError, match=r"^(must|has|repeats)") as refused:
        parse_key_lines(text)

    assert MARK not in str(refused.value)
    assert text_of(GOOD)[:8] not in str(refused.value)


def test_a_key_never_prints() -> None:
    """Its id does."""
    shown = repr(parse_key_lines(line(GOOD)))

    assert "k1" in shown
    assert repr(GOOD)[2:12] not in shown
