"""Texts without secrets, whatever they are and however long (contract §7, defect S2)."""

import re
from collections.abc import Sequence
from re import _constants as sre  # what `re` makes of a pattern
from re import _parser
from typing import Any

import pytest

from igauth import observability, redaction
from igauth.redaction import MOST_CHARACTERS, redact_text

TOKEN = "EAAinvented0Token1234"
CANARIES = {
    "user token": TOKEN,
    "app token": "901234567890123|5a4db0c05a4db0c05a4db0c0",
    "sealed": "v1.k1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
    "query": "GET /auth/facebook/callback?code=cAnArY&state=cAnArY HTTP/1.1",
    "fragment": "https://app.test/#access_token=cAnArY",
    "exchange": "grant_type=fb_exchange_token&fb_exchange_token=cAnArY&client_secret=cAnArY",
    "debug": "/debug_token?input_token=cAnArY&appsecret_proof=cAnArY",
    "verifier": "code_verifier=cAnArY",
    "form": "signed_request=cAnArY.cAnArY",
    "json": '{"access_token": "cAnArY", "code":"cAnArY"}',
    "a dict's repr": "{'access_token': 'cAnArY', 'state': 'cAnArY'}",
    "bearer": "Authorization: Bearer cAnArY",
    "basic": "authorization=cAnArY",
    "session": "Cookie: theme=dark; igauth_session=cAnArY; x=y",
    "host cookie": "set-cookie: __Host-igauth_session=cAnArY; Path=/",
    "attempt": "igauth_login_0123456789abcdef=cAnArY.cAnArY",
    "database": "postgresql+asyncpg://igauth:cAnArY@db:5432/igauth",
    "password": "password=cAnArY",
    "service key": "igsk_cAnArY12_0123456789abcdefghijABCDEFGHIJ",
    "link": "https://connect.test/connect/igcl_cAnArYcAnArY",
    "webhook secret": "whsec_cAnArY+/cAnArY==",
    "connect code": "https://app.test/done?connect_session=cs_1&connect_code=cAnArY",
    "hand-off": '{"handoff_code": "cAnArY"}',
    "instagram token": "IGAAcAnArYcAnArY",
    "bearer in a sentence": "sent Bearer cAnArY to them",
    "header pairs": "[(b'authorization', b'Bearer cAnArY'), (b'cookie', b'a=cAnArY; b=cAnArY')]",
    "other authorization": "proxy-authorization: Basic cAnArY cAnArY",
    "whole cookie": 'cookie: theme="cAnArY"; other=cAnArY',
    "escaped json": '{\\"access_token\\": \\"cAnArY\\"}',
    "bytes": "{'code': b'cAnArY'}",
}


PATTERNS = {
    name: pattern
    for module in (redaction, observability)
    for name, pattern in vars(module).items()
    if isinstance(pattern, re.Pattern)
}
HOSTILE = [
    "1",
    "igauth_login_",
    "igauth_login_(" + "1" * 60,
    "EAA",
    "EAA1234567 ",
    "://",
    "://a:",
    "://u:p",
    "v1.",
    "v1.a.",
    "123456|",
    "cookie ",
    "cookie: ",
    "code",
    "code=",
    "bearer ",
    "bearer  tokens ",
    "igsk_",
    "whsec_a",
    '"',
    "\\",
    " ",
    "\n",
    "=",
    "\x1b",
    "\u202e",
]


@pytest.mark.parametrize("text", CANARIES.values(), ids=CANARIES.keys())
def test_nothing_that_looks_secret_stays(text: str) -> None:
    """Tokens, codes, states, proofs, keys, links, cookies, passwords."""
    cleaned = redact_text(text)

    assert "cAnArY" not in cleaned
    assert TOKEN not in cleaned
    assert "[redacted]" in cleaned
    assert not re.search(r"5a4db0c0|AAAAAAAA", cleaned)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "login.completed",
        "state_mismatch",
        "error code 190, subcode 458",
        "/me/instagram-accounts/{id}/picture",
        "https://connect.example.test/auth/facebook/callback",
        "http://localhost:8000/me",
        "d05ffd5c-6006-4588-abd7-03031e677e5f",
        "2026-11-23T20:00:18.051488Z",
        "v26.0",
        "Send METRICS_TOKEN as a Bearer token.",
        "cookie, code and state",
        "service key igsk_ of eight characters",
    ],
)
def test_plain_text_stays(text: str) -> None:
    """Ids, routes, codes and versions are what a log is read for."""
    assert redact_text(text) == text


# --- time ---


def most_looks(pattern: Sequence[Any], *, last: bool = True) -> int:
    """How often a character is looked at, at most, from one place on: then it failed or matched.

    Raises ValueError where that has no bound but the text's length: at a repetition that may give
    back what it ate, or whose bound is missing though something follows that can fail.
    """
    if not pattern:
        return 0
    (kind, given), rest = pattern[0], pattern[1:]
    following = most_looks(rest, last=last)
    ways, looks = _looks(kind, given, last=last and not rest)
    return looks + ways * following


def _looks(kind: Any, given: Any, *, last: bool) -> tuple[int, int]:
    """In how many ways one item may match, and how often it looks."""
    if kind is sre.BRANCH:
        each = [most_looks(list(branch), last=last) for branch in given[1]]
        return len(each), sum(each)
    if kind is sre.SUBPATTERN:
        return _ways_of(given[3]), most_looks(list(given[3]), last=last)
    if kind in (sre.ASSERT, sre.ASSERT_NOT):
        return 1, most_looks(list(given[1]), last=False)
    if kind is sre.ATOMIC_GROUP:
        return 1, most_looks(list(given), last=last)
    if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
        return 1, _repeated(kind, *given, last=last)
    return 1, 1


def _repeated(kind: Any, least: int, most: int, item: Any, *, last: bool) -> int:
    if kind is not sre.POSSESSIVE_REPEAT and least != most:
        raise ValueError("a repetition gives back what it ate")
    once = most_looks(list(item), last=False)
    if most is not sre.MAXREPEAT:
        return (most + 1) * once
    if not last:
        raise ValueError("a repetition without a bound stands before something that can fail")
    return (least + 1) * once


def _ways_of(item: Any) -> int:
    ways = 1
    for kind, given in item:
        ways *= _looks(kind, given, last=True)[0]
    return ways


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS.keys())
def test_each_pattern_costs_no_more_than_its_text_is_long(pattern: re.Pattern[str]) -> None:
    """So many looks at each place at most, and what was matched is never looked at again (S2).

    n characters cost under n times this figure; 4n under four times that.
    """
    looks = most_looks(list(_parser.parse(pattern.pattern, pattern.flags & re.VERBOSE)))

    assert 0 < looks < 10_000


@pytest.mark.parametrize(
    "pattern",
    [
        r"igauth_login_\w+=",
        r"igauth_login_\w++=",
        r"(a+)+b",
        r"\s*=",
        r"\d{6,}+\|x",
        r"(?:x|y)+z",
        r"a{1,9}b",
    ],
)
def test_a_pattern_that_costs_more_is_found_out(pattern: str) -> None:
    """The proof above can fail: among these is the one that froze the service."""
    with pytest.raises(ValueError, match="a repetition"):
        most_looks(list(_parser.parse(pattern)))


@pytest.mark.parametrize("unit", HOSTILE, ids=repr)
@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS.keys())
def test_each_pattern_stands_100_kb_of_its_worst(pattern: re.Pattern[str], unit: str) -> None:
    """It comes to an end; pytest's own time limit is all that is measured."""
    text = unit * (100_000 // len(unit))

    assert isinstance(pattern.sub("", text), str)


# --- length ---


def test_a_long_text_is_cut_before_it_is_looked_at() -> None:
    """Begin and end stay, whole words and whole lines of them."""
    text = "begin " + "x" * 200_000 + "\n" + "line of a traceback\n" * 200 + "ValueError: end"
    cleaned = redact_text(text)

    assert len(cleaned) <= MOST_CHARACTERS + 20
    assert cleaned.startswith("begin")
    assert cleaned.endswith("line of a traceback\nValueError: end")
    assert "cut" in cleaned


def test_no_cut_tears_a_secret_from_its_name() -> None:
    """Wherever it falls, the rest of a token doesn't stand there as innocent text."""
    secret = "cAnArY" * 3_000
    for name in ("access_token=", "Authorization: Bearer ", "Cookie: a="):
        for before in range(0, MOST_CHARACTERS, 1_021):
            for after in (0, 9_000):
                text = "." * before + f" {name}{secret}" + "\n" * (after > 0) + "." * after
                assert "cAnArY" not in redact_text(text)
