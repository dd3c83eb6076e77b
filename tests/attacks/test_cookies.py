"""Forged, swapped, planted and doubled cookies (contract §3, §4; R-02, R-26, R-51; S1, S4).

A browser is played by its jar; an attacker by the raw bytes of a Cookie header.
"""

import secrets
import shutil
import string
from collections.abc import AsyncGenerator
from pathlib import Path

import httpx
import pytest

from tests.stage import (
    KEY,
    OLDER_KEY,
    SECURE_URL,
    Browser,
    Stage,
    error_of,
    make_settings,
    open_stage,
    replica,
)

SESSION = "igauth_session"
PREFIXED = f"__Host-{SESSION}"
BLANKS = {  # what Python's str.strip() takes for a blank and a browser for a part of the name
    "NBSP": b"\xa0",
    "NEL": b"\x85",
    "VT": b"\x0b",
    "FF": b"\x0c",
    "FS": b"\x1c",
    "US": b"\x1f",
    "NBSP in UTF-8": b"\xc2\xa0",
    "EM SPACE in UTF-8": b"\xe2\x80\x83",
    "BOM in UTF-8": b"\xef\xbb\xbf",
}
HIGHEST_BIT = str.maketrans(
    dict(
        zip(
            string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_",
            string.ascii_lowercase[6:] + string.digits + "-_" + string.ascii_uppercase
            + string.ascii_lowercase[:6],
            strict=True,
        )
    )
)  # fmt: skip
"""Every letter of base64url becomes the one whose first bit differs: it never means the same."""


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """One engine: a forged cookie is recognised before any database."""
    return sqlite_url


@pytest.fixture
async def stage(database_url: str) -> AsyncGenerator[Stage]:
    """The service on loopback http, without a limit on wrong guesses."""
    settings = make_settings(database_url, rate_limit_login="100000/minute")
    async with open_stage(settings) as opened:
        yield opened


@pytest.fixture
async def secure(database_url: str) -> AsyncGenerator[Stage]:
    """The service on https, where names are prefixed."""
    async with open_stage(make_settings(database_url, base_url=SECURE_URL)) as opened:
        yield opened


async def _get(stage: Stage, url: str, *cookies: bytes | str) -> httpx.Response:
    """A visit by an empty jar, with these Cookie headers byte for byte."""
    raw = [each.encode("latin-1") if isinstance(each, str) else each for each in cookies]
    return await stage.browser().http.get(url, headers=[(b"cookie", each) for each in raw])


async def _is_known(stage: Stage, *cookies: bytes | str) -> bool:
    answer = await _get(stage, f"{stage.settings.base_url}/auth/session", *cookies)
    assert answer.status_code == 200
    known: bool = answer.json()["authenticated"]
    return known


async def _attempt(browser: Browser) -> tuple[str, str, str]:
    """A login up to its end: the callback's address, the attempt cookie's name and value."""
    callback = await browser.approach("ada")
    (name,) = browser.attempt_cookies()
    return callback, name, browser.cookie(name) or ""


def _nothing_was_sent(stage: Stage) -> bool:
    return stage.graph_calls == []


# --- one kind of cookie in the place of another ---


async def test_an_attempt_is_no_session(stage: Stage, browser: Browser) -> None:
    """Whole, or any part of it: keys serve one purpose each (R-51)."""
    _, _, value = await _attempt(browser)

    for piece in (value, *value.split("."), value.partition(".")[2]):
        assert not await _is_known(stage, f"{SESSION}={piece}")


async def test_a_session_is_no_attempt(stage: Stage, browser: Browser) -> None:
    """A valid session id under the attempt's name ends in `state_mismatch`."""
    await browser.log_in("ada")
    callback, name, _ = await _attempt(browser)
    asked = len(stage.graph_calls)

    answer = await _get(stage, callback, f"{name}={browser.cookie()}")

    assert error_of(answer) == "state_mismatch"
    assert len(stage.graph_calls) == asked


async def test_another_browsers_attempt(stage: Stage) -> None:
    """The attacker's callback in the victim's jar, which has an attempt of its own (R-02)."""
    attacker, victim = stage.browser(), stage.browser()
    callback, _, _ = await _attempt(attacker)
    await victim.approach("ben")

    ended = await victim.http.get(callback)

    assert error_of(ended) == "state_mismatch"
    assert _nothing_was_sent(stage)
    assert await victim.user() is None


async def test_an_attempt_under_anothers_name(stage: Stage) -> None:
    """A signed cookie, renamed to fit a foreign state, is still bound to its own."""
    attacker, victim = stage.browser(), stage.browser()
    callback, name, _ = await _attempt(attacker)
    _, _, value = await _attempt(victim)

    assert error_of(await _get(stage, callback, f"{name}={value}")) == "state_mismatch"
    assert _nothing_was_sent(stage)


async def test_halves_of_two_attempts(stage: Stage) -> None:
    """One attempt's payload with another's signature is nobody's attempt."""
    one, other = stage.browser(), stage.browser()
    callback, name, value = await _attempt(one)
    _, _, strange = await _attempt(other)
    for spliced in (
        f"{value.rpartition('.')[0]}.{strange.rpartition('.')[2]}",
        f"{strange.rpartition('.')[0]}.{value.rpartition('.')[2]}",
    ):
        assert error_of(await _get(stage, callback, f"{name}={spliced}")) == "state_mismatch"
    assert _nothing_was_sent(stage)


async def test_every_altered_byte(stage: Stage, browser: Browser) -> None:
    """`state_mismatch` for a change at any place of the cookie, and for every cut."""
    callback, name, value = await _attempt(browser)
    altered = [
        value[:place] + value[place].translate(HIGHEST_BIT) + value[place + 1 :]
        for place in range(len(value))
        if value[place] != "."
    ]
    cut = [value[:-1], value[1:], value + "A", value + ".", "." + value, value.upper(), ""]

    for each in (*altered, *cut):
        answer = await _get(stage, callback, f"{name}={each}")
        assert error_of(answer) == "state_mismatch", each
    assert _nothing_was_sent(stage)
    assert error_of(await _get(stage, callback, f"{name}={value}")) is None


async def test_another_key_under_the_same_id(
    stage: Stage, browser: Browser, sqlite_template: Path, tmp_path: Path
) -> None:
    """Signed by somebody who knows our key's id but not its bytes."""
    shutil.copy(sqlite_template, tmp_path / "impostor.db")
    settings = make_settings(
        f"sqlite+aiosqlite:///{tmp_path}/impostor.db",
        keys=(type(KEY)(KEY.kid, OLDER_KEY.secret),),
    )
    async with open_stage(settings) as impostor:
        forger = impostor.browser()
        started = await forger.start()
        (name,) = forger.attempt_cookies()
        callback = await browser.consent(started.headers["location"])

        answer = await _get(stage, callback, f"{name}={forger.cookie(name)}")

    assert error_of(answer) == "state_mismatch"
    assert _nothing_was_sent(stage)


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "..",
        "...",
        "a.b",
        "a.b.c",
        "null",
        "e30.x",
        ".eJwDAAAAAAE.x",  # compressed nothing
        ".eJztwQEBAAAAgiD_r25IQAEAAAAAAAAAAAAAAAAAAAAAAADvBgAAAA",
        "A" * 4_000,
        "%00",
        "\xff\xfe",
        '"a"',
    ],
)
async def test_nonsense_as_an_attempt_or_a_session(
    stage: Stage, browser: Browser, value: str
) -> None:
    """Nobody's, without a 5xx: compressed, empty, binary, quoted."""
    callback, name, _ = await _attempt(browser)

    assert error_of(await _get(stage, callback, f"{name}={value}")) == "state_mismatch"
    assert not await _is_known(stage, f"{SESSION}={value}")
    assert _nothing_was_sent(stage)


# --- names ---


@pytest.mark.parametrize("blank", BLANKS.values(), ids=BLANKS.keys())
async def test_a_disguised_prefix_plants_no_session(secure: Stage, blank: bytes) -> None:
    """Browsers let a sibling host set these, since to them the name has no prefix (S1)."""
    attacker = secure.browser()
    await attacker.log_in("ada")
    session = f"{PREFIXED}={attacker.cookie(PREFIXED)}".encode()
    name, _, value = session.partition(b"=")

    for planted in (blank + session, name + blank + b"=" + value, b"a=b; " + blank + session):
        assert not await _is_known(secure, planted)
    assert await _is_known(secure, session)


@pytest.mark.parametrize("blank", BLANKS.values(), ids=BLANKS.keys())
async def test_a_disguised_prefix_plants_no_attempt(secure: Stage, blank: bytes) -> None:
    """Login CSRF by a planted attempt: `state_mismatch`, and no code is spent (S1)."""
    attacker = secure.browser()
    callback, name, value = await _attempt(attacker)
    planted = blank + f"{name}={value}".encode()

    assert error_of(await _get(secure, callback, planted)) == "state_mismatch"
    assert _nothing_was_sent(secure)


@pytest.mark.parametrize(
    "name",
    [
        SESSION,
        PREFIXED.lower(),
        PREFIXED.upper(),
        PREFIXED.replace("-", "_"),
        PREFIXED.replace("Host", "Secure"),
        f"__Host-{PREFIXED}",
        f"${PREFIXED}",
        f'"{PREFIXED}"',
        f"{PREFIXED}\x00",
        PREFIXED.replace("_", "%5F"),
        f"={PREFIXED}",
    ],
)
async def test_only_the_exact_name_is_read(secure: Stage, name: str) -> None:
    """On https the prefixed name alone, byte for byte (R-28)."""
    ada = secure.browser()
    await ada.log_in("ada")

    assert not await _is_known(secure, f"{name}={ada.cookie(PREFIXED)}")


@pytest.mark.parametrize("space", [b" ", b"\t", b" \t "])
async def test_space_and_tab_are_no_part_of_a_name(stage: Stage, space: bytes) -> None:
    """What RFC 6265bis strips is stripped here as well; nothing else is (§4)."""
    ada = stage.browser()
    await ada.log_in("ada")
    value = (ada.cookie() or "").encode()

    assert await _is_known(
        stage, b"a=b;" + space + SESSION.encode() + space + b"=" + space + value + space + b";c=d"
    )


async def test_a_quoted_value_is_another_value(stage: Stage, browser: Browser) -> None:
    """Nothing is unquoted: neither by RFC 2109's quotes nor by its octal escapes (§4)."""
    await browser.log_in("ada")
    value = browser.cookie() or ""
    octal = "".join(f"\\{ord(letter):03o}" for letter in value)

    for quoted in (f'"{value}"', f'"{octal}"', f"'{value}'", f'"{value}', f'{value}"'):
        assert not await _is_known(stage, f"{SESSION}={quoted}")


@pytest.mark.parametrize("split", [False, True], ids=["one header", "two headers"])
async def test_a_name_that_comes_twice_is_absent(
    stage: Stage, browser: Browser, split: bool
) -> None:
    """Which of two would win is an attacker's choice, so neither does (§4)."""
    await browser.log_in("ada")
    good, bad = f"{SESSION}={browser.cookie()}", f"{SESSION}=planted"
    for pair in ((good, bad), (bad, good), (good, good)):
        cookies = pair if split else ("; ".join(pair),)
        assert not await _is_known(stage, *cookies)


async def test_an_attempt_that_comes_twice_is_absent(stage: Stage, browser: Browser) -> None:
    """A planted twin of an attempt ends it, and not in the attacker's account."""
    callback, name, value = await _attempt(browser)
    good, bad = f"{name}={value}", f"{name}=planted"
    for pair in ((good, bad), (bad, good), (good, good)):
        assert error_of(await _get(stage, callback, "; ".join(pair))) == "state_mismatch"
    assert _nothing_was_sent(stage)


# --- what is planted, and what is cleared ---

PLANTED = [
    "igauth_login_",
    "igauth_login_@",
    "igauth_login_(",
    "igauth_login_xyz",
    "igauth_login_0123456789abcdeg",
    "igauth_login_0123456789ABCDEF",
    "igauth_login_0123456789abcdef0",
    "igauth_login_" + "1" * 3_000,
    "igauth_login_a b",
    "igauth_login_é",
    "igauth_login_\x7f",
    "igauth_session_",
    "igauth_other",
    "_igauth_login_0123456789abcdef",
]


@pytest.mark.parametrize("is_secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("name", PLANTED, ids=lambda name: ascii(name)[:40])
async def test_a_foreign_cookie_spoils_no_login(
    stage: Stage, secure: Stage, name: str, is_secure: bool
) -> None:
    """A login starts and ends beside any cookie whose name only resembles ours (S4)."""
    where = secure if is_secure else stage
    planted = f"{'__Host-' if is_secure else ''}{name}=x"
    browser = where.browser()
    base_url = where.settings.base_url

    started = await _get(where, f"{base_url}/auth/facebook", planted)
    callback = await browser.consent(started.headers["location"])
    (ours,) = started.headers.get_list("set-cookie")
    ended = await _get(where, callback, f"{planted}; {ours.partition(';')[0]}")

    assert started.status_code == 302
    assert error_of(ended) is None
    for cookie in ended.headers.get_list("set-cookie"):
        assert not cookie.startswith(f"{planted.partition('=')[0]}=")


async def test_junk_is_not_answered_in_kind(stage: Stage) -> None:
    """Six hundred junk attempts: at most a handful is cleared, in less than they cost (S7)."""
    junk = "; ".join(f"igauth_login_{number:016x}=junk" for number in range(600))

    answer = await _get(stage, f"{stage.settings.base_url}/auth/facebook", junk)

    cookies = answer.headers.get_list("set-cookie")
    assert answer.status_code == 302
    assert len(cookies) <= 12
    assert sum(map(len, cookies)) < 4_000


async def test_attempts_stay_small_in_all(stage: Stage, browser: Browser) -> None:
    """However long `return_to` is: the attempt cookies of one jar stay under 4 kB (§3)."""
    for _ in range(8):
        await browser.start(return_to=f"/{secrets.token_urlsafe(1_050)}")

        attempts = {name: browser.cookie(name) for name in browser.attempt_cookies()}
        assert 1 <= len(attempts) <= 5
        assert sum(len(f"{name}={value}") for name, value in attempts.items()) < 4_096


async def test_the_newest_attempt_survives_a_long_one(stage: Stage, browser: Browser) -> None:
    """What is pushed out is older: the login that was begun last can always be ended."""
    await browser.start()
    callback = await browser.approach("ada", return_to=f"/{secrets.token_urlsafe(1_050)}")

    assert error_of(await browser.http.get(callback)) is None


# --- sessions that are brought along ---


@pytest.mark.parametrize(
    "planted", ["x", "A" * 43, "0" * 64, "-" * 43, "../../etc", "' OR 1=1 --", "A" * 3_000]
)
async def test_an_invented_session_is_never_adopted(stage: Stage, planted: str) -> None:
    """Fixation: unknown before the login, and unknown after it (R-26, R-27)."""
    victim = stage.browser()
    victim.http.cookies.set(SESSION, planted, domain="localhost.local")

    await victim.log_in("ada")

    assert await victim.user() is not None
    assert victim.cookie() != planted
    assert not await _is_known(stage, f"{SESSION}={planted}")


async def test_an_attackers_session_ends_at_the_victims_login(stage: Stage) -> None:
    """A planted live session is revoked, not shared: the attacker sees nothing (R-26)."""
    attacker, victim = stage.browser(), stage.browser()
    await attacker.log_in("ben")
    victim.take_jar_of(attacker)

    await victim.log_in("ada")

    assert (await victim.user() or {})["name"] != "Ben Bare"
    assert await attacker.user() is None


async def test_a_copied_cookie_dies_everywhere_with_the_logout(stage: Stage) -> None:
    """At once, at this replica and at the next (R-31, P-28)."""
    ada, thief = stage.browser(), stage.browser()
    await ada.log_in("ada")
    thief.take_jar_of(ada)

    await ada.send("POST", "/auth/logout")

    async with replica(stage) as other:
        elsewhere = other.browser()
        elsewhere.take_jar_of(thief)
        assert await thief.user() is await elsewhere.user() is None
        assert (await elsewhere.get("/me")).status_code == 401


async def test_cookies_are_as_hard_as_they_can_be(secure: Stage) -> None:
    """Prefixed, Secure, HttpOnly, Lax, host-only, whole site; each Set-Cookie of a login (R-28)."""
    browser = secure.browser()
    started = await browser.start()
    callback = await browser.consent(started.headers["location"])
    ended = await browser.http.get(callback)

    headers = started.headers.get_list("set-cookie") + ended.headers.get_list("set-cookie")
    assert len(headers) == 3
    for header in headers:
        attributes = {part.strip().lower() for part in header.split(";")[1:]}
        assert header.startswith("__Host-igauth_")
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= attributes
        assert not [each for each in attributes if each.startswith("domain")]
        assert len(header.partition(";")[0]) <= 4_096
