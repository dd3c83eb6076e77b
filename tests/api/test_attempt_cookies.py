"""The attempts of one browser: five and 4 kB at most, and only they are touched (contract §3)."""

import base64
import hashlib
from collections.abc import AsyncGenerator

import pytest

from igauth.login.attempts import Attempts, NewAttempt, Wish
from igauth.security.keyring import KeyRing
from tests.stage import (
    FRONTEND,
    KEY,
    Browser,
    FakeClock,
    Stage,
    error_of,
    make_settings,
    open_stage,
)

MOST_BYTES = 4_096


@pytest.fixture
async def stage(sqlite_url: str) -> AsyncGenerator[Stage]:
    """A service without a limit in the way."""
    async with open_stage(make_settings(sqlite_url, rate_limit_login="9999/minute")) as opened:
        yield opened


def jar_bytes(browser: Browser) -> int:
    """What all attempt cookies take in a `Cookie` header."""
    jar = browser.cookies()
    return len("; ".join(f"{name}={jar[name]}" for name in browser.attempt_cookies()))


def path_of(length: int) -> str:
    """A path so long, always the same, that doesn't compress."""
    digests = (hashlib.sha512(str(number).encode()).digest() for number in range(25))
    return ("/" + base64.urlsafe_b64encode(b"".join(digests)).decode())[:length]


async def start(stage: Stage, browser: Browser, length: int) -> str:
    """Begins a login that returns to a path so long; its callback's address."""
    callback = await browser.approach("ada", return_to=path_of(length))
    stage.clock.advance(seconds=2)
    return callback


async def test_short_attempts_are_five(stage: Stage, browser: Browser) -> None:
    """Usual ones fit side by side."""
    for _ in range(7):
        await start(stage, browser, 30)

    assert len(browser.attempt_cookies()) == 5
    assert jar_bytes(browser) < MOST_BYTES


async def test_a_long_return_to_pushes_older_attempts_out(stage: Stage, browser: Browser) -> None:
    """All together stay under 4 kB: the newest lives, the oldest left."""
    short = await start(stage, browser, 30)
    long = [await start(stage, browser, 1_500) for _ in range(3)]

    assert jar_bytes(browser) < MOST_BYTES
    assert error_of(await browser.http.get(short)) == "state_mismatch"
    assert error_of(await browser.http.get(long[0])) == "state_mismatch"
    ended = await browser.http.get(long[-1])
    assert ended.headers["location"] == f"{FRONTEND}{path_of(1_500)}"


@pytest.mark.parametrize("lengths", [(1_500,) * 4, (900,) * 5, (30, 1_500, 30, 700, 1_500, 30)])
async def test_never_more_than_4_kb(
    stage: Stage, browser: Browser, lengths: tuple[int, ...]
) -> None:
    """After every start, in whatever order short and long ones come."""
    for length in lengths:
        newest = await start(stage, browser, length)
        assert 0 < jar_bytes(browser) < MOST_BYTES

    assert error_of(await browser.http.get(newest)) is None


async def test_the_longest_attempt_fits_into_one_cookie(browser: Browser) -> None:
    """Popup, reconnect and letters that grow ninefold when encoded: below 4096, or refused."""
    for letter in ("a", "é", "漢", " ", "%20", "\\"):
        for length in (300, 700, 1_490):
            answer = await browser.start(
                return_to="/x" + letter * (length // len(letter)),
                mode="popup",
                reconnect="x" * 64,
            )
            assert answer.status_code in (302, 400)
            cookie = answer.headers.get("set-cookie", "").partition(";")[0]
            assert len(cookie) < MOST_BYTES


@pytest.mark.parametrize(
    ("length", "status"), [(1_499, 302), (1_500, 302), (1_501, 400), (60_000, 400)]
)
@pytest.mark.parametrize("beginning", ["/", f"{FRONTEND}/", "http://evil.example/"])
async def test_the_longest_return_to(
    browser: Browser, beginning: str, length: int, status: int
) -> None:
    """1,500 characters, as they were given."""
    address = beginning + "a" * (length - len(beginning))

    answer = await browser.start(return_to=address)

    assert answer.status_code == (400 if "evil" in beginning else status)
    if answer.status_code == 400:
        assert answer.json()["code"] == "return_to_not_allowed"


@pytest.mark.parametrize("second", ["/", "\\", "%", "\x00", "\t", "\n", "\x1f", "\x7f", "\x85"])
async def test_a_paths_second_character(browser: Browser, second: str) -> None:
    """None that could lead to another host."""
    for address in (f"/{second}", f"/{second}evil.example", f"/{second}/evil.example"):
        answer = await browser.start(return_to=address)
        assert (answer.status_code, answer.json()["code"]) == (400, "return_to_not_allowed")


@pytest.fixture
def attempts() -> Attempts:
    """The room itself, on https."""
    return Attempts(KeyRing((KEY,)), secure=True, clock=FakeClock())


def begin(attempts: Attempts, jar: dict[str, str]) -> NewAttempt:
    """An attempt of a browser with these cookies."""
    return attempts.start(Wish(f"{FRONTEND}/"), begun_under=None, cookies=jar)


def test_only_names_of_exactly_our_form_are_touched(attempts: Attempts) -> None:
    """A cookie that isn't ours in form is never cleared, whatever it holds (contract §4)."""
    others = {
        "__Host-igauth_session": "x",
        "igauth_login_0123456789abcdef": "x",
        "__Host-igauth_login_": "x",
        "__Host-igauth_login_0123456789abcde": "x",
        "__Host-igauth_login_0123456789abcdef0": "x",
        "__Host-igauth_login_0123456789ABCDEF": "x",
        "__Host-igauth_login_0123456789abcdeg": "x",
        "__Host-igauth_login_0123456789abcdef\n": "x",
        "\xa0__Host-igauth_login_0123456789abcdef": "x",
    }

    assert begin(attempts, others).crowded_out == ()
    ours = {"__Host-igauth_login_0123456789abcdef": "x"}
    assert begin(attempts, others | ours).crowded_out == tuple(ours)


def test_a_full_jar_is_emptied_in_handfuls(attempts: Attempts) -> None:
    """Ten at a time, old attempts before rubbish (S7)."""
    jar: dict[str, str] = {}
    for _ in range(8):
        new = begin(attempts, {})
        jar[new.cookie_name] = new.cookie_value
    rubbish = {f"__Host-igauth_login_{number:016x}": "x.y.z" for number in range(90)}

    leaving = begin(attempts, jar | rubbish).crowded_out

    assert len(leaving) == 10
    assert len(set(leaving) & set(jar)) == 4


def test_an_attempt_prints_no_secret(attempts: Attempts) -> None:
    """Neither the state nor the cookie (S14)."""
    new = begin(attempts, {})

    assert new.state not in repr(new)
    assert new.cookie_value not in repr(new)
