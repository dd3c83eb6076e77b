"""Cookies as they are read (contract §4; defects S1, S3, S4, S7), through the real server."""

import re
from collections.abc import AsyncGenerator

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from igauth.api.cookies import cookies_of, read_cookies
from tests.api.cookie_corpus import CORPUS, Case
from tests.api.served import Answer, exchange, opened, request, served
from tests.api.steps import assert_linear, steps_of
from tests.stage import SECURE_URL, Stage, make_settings, open_stage

MOST_CLEARED = 10
OURS = re.compile(r"(__Host-)?igauth_login_[0-9a-f]{16}=")


async def _tell(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that tells which cookies came."""
    await JSONResponse(dict(read_cookies(scope["headers"])))(scope, receive, send)


@pytest.fixture(scope="module")
async def reader() -> AsyncGenerator[int]:
    """The port of that application."""
    async with served(_tell) as port:
        yield port


def _lines(lines: tuple[bytes, ...]) -> list[tuple[str, bytes | str]]:
    return [("cookie", line) for line in lines]


def test_the_corpus_is_large() -> None:
    """At least 150 headers, none twice."""
    assert len({lines for lines, _ in CORPUS}) == len(CORPUS) >= 150


async def test_each_header_yields_exactly_its_cookies(reader: int) -> None:
    """Every line of the corpus over a socket: these cookies, and no other."""
    for lines, expected in CORPUS:
        answer = await exchange(reader, request("/", *_lines(lines)))

        assert (answer.status, answer.json()) == (200, expected), lines


@pytest.mark.parametrize("byte", [*range(0x09), *range(0x0B, 0x20), 0x7F])
async def test_a_control_character_is_no_blank(reader: int, byte: int) -> None:
    """The server refuses it, or it stays a part of the name: never is it stripped away."""
    if byte == 0x0D:
        return  # ends the line
    odd = bytes([byte])
    for line in (odd + b"igauth_session=x", b"a=1;" + odd + b"igauth_session" + odd + b"=x"):
        answer = await exchange(reader, request("/", ("cookie", line)))

        assert answer.status == 400 or "igauth_session" not in answer.json(), line


WORST = [b'"\\"', b";", b"=", b" ", b"\t=", b"a;", b"a=;", b"a=1;", b'a="\\";', b"igauth_login_"]


def _steps(header: bytes) -> int:
    return steps_of(lambda: read_cookies([(b"cookie", header)]))


@pytest.mark.parametrize("worst", WORST)
def test_reading_takes_linear_time(worst: bytes) -> None:
    """Four times the header costs four times the steps, whatever it is made of."""
    small, large = (_steps(worst * (size // len(worst))) for size in (16_000, 64_000))

    assert_linear(small, large)


def test_beyond_the_bound_nothing_is_read() -> None:
    """100 kB cost as many steps as 70 kB: none but to see how long they are."""
    long, longer = (_steps(b"a=1;" * number) for number in (17_500, 25_000))

    assert longer == long < 100


@pytest.fixture
async def secure(sqlite_url: str) -> AsyncGenerator[Stage]:
    """A service on https, without a limit in the way."""
    settings = make_settings(sqlite_url, base_url=SECURE_URL, rate_limit_login="99999/minute")
    async with open_stage(settings) as stage:
        yield stage


def _check_cleared(answer: Answer, case: Case) -> None:
    cookies = answer.values("set-cookie")
    assert answer.status == 302, case
    assert len(cookies) <= 1 + MOST_CLEARED, case
    assert all(OURS.match(cookie) for cookie in cookies), case


async def test_no_header_disturbs_a_login(secure: Stage) -> None:
    """Each line of the corpus: 302 with an attempt, and only cookies of our form are touched."""
    async with served(opened(secure)) as port:
        for case in CORPUS:
            answer = await exchange(port, request("/auth/facebook", *_lines(case[0])))
            if sum(map(len, case[0])) > 64_000 and answer.status == 431:
                continue
            _check_cleared(answer, case)
            session = await exchange(port, request("/auth/session", *_lines(case[0])))
            assert session.json()["authenticated"] is False, case


async def test_a_foreign_cookie_of_nearly_our_name_is_left_alone(secure: Stage) -> None:
    """`__Host-igauth_login_@` made every login of its browser end in 500 (S4)."""
    near = ["@", "", "0123456789ABCDEF", "0123456789abcde", "0123456789abcdef0", "x" * 16, "(1"]
    line = "; ".join(f"__Host-igauth_login_{each}=x" for each in near)
    async with served(opened(secure)) as port:
        answer = await exchange(port, request("/auth/facebook", ("cookie", line)))

    assert answer.status == 302
    assert len(answer.values("set-cookie")) == 1


async def test_rubbish_comes_back_as_a_handful(secure: Stage) -> None:
    """Hundreds of junk attempt cookies don't become hundreds of Set-Cookie headers (S7)."""
    line = ";".join(f"__Host-igauth_login_{number:016x}=" for number in range(600))
    async with served(opened(secure)) as port:
        answer = await exchange(port, request("/auth/facebook", ("cookie", line)))

    cookies = answer.values("set-cookie")
    assert len(cookies) == 1 + MOST_CLEARED
    assert sum(map(len, cookies)) < 4_096


@pytest.mark.parametrize("blank", [b"\xa0", b"\x85", b"\xc2\xa0"])
async def test_a_planted_session_counts_for_nothing(secure: Stage, blank: bytes) -> None:
    """A live session under a name that browsers don't see as prefixed is nobody's (S1)."""
    attacker = secure.browser()
    await attacker.log_in("ada")
    session = (attacker.cookie("__Host-igauth_session") or "").encode()
    async with served(opened(secure)) as port:
        own = await exchange(
            port, request("/auth/session", ("cookie", b"__Host-igauth_session=" + session))
        )
        planted = await exchange(
            port, request("/auth/session", ("cookie", blank + b"__Host-igauth_session=" + session))
        )

    assert own.json()["authenticated"] is True
    assert planted.json()["authenticated"] is False


async def test_no_other_reader_ever_sees_a_cookie(secure: Stage) -> None:
    """FastAPI asks the standard library's reader at each request; it finds nothing (S3)."""
    seen: list[dict[str, str]] = []

    @secure.app.get("/spy")
    async def spy(request: Request) -> None:
        seen.append(request.cookies)
        seen.append(dict(cookies_of(request.scope)))

    async with served(opened(secure)) as port:
        await exchange(port, request("/spy", ("cookie", b'a="\\""'), ("cookie", b"b=2")))

    assert seen == [{}, {"a": '"\\""', "b": "2"}]
