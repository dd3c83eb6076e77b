"""Rate limits: bounded, whoever comes from wherever (contract §2; defects A1, S5, S8, S19)."""

import threading
from collections.abc import AsyncGenerator

import pytest

from igauth.api.limiting import MOST_WINDOWS, Limiter, client_key
from igauth.errors import RateLimited
from igauth.rates import Rate
from igauth.settings import Settings
from tests.api.steps import steps_of
from tests.stage import Stage, error_of, make_settings, open_stage


class Seconds:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    """The limiter's clock."""
    return Seconds()


def is_refused(limiter: Limiter, key: str = "ada") -> bool:
    """Whether one more is one too many."""
    try:
        limiter.hit(key)
    except RateLimited:
        return True
    return False


def test_so_many_and_no_more(clock: Seconds) -> None:
    """Three a minute: the fourth is refused, and each key has its own."""
    limiter = Limiter(Rate(3, 60), clock)

    assert [is_refused(limiter) for _ in range(5)] == [False, False, False, True, True]
    assert not is_refused(limiter, "ben")


@pytest.mark.parametrize("waited", [0.0, 0.4, 17.0, 59.9])
def test_who_waits_as_told_is_let_in(clock: Seconds, waited: float) -> None:
    """`Retry-After` is enough, and a second less isn't."""
    limiter = Limiter(Rate(1, 60), clock)
    limiter.hit("ada")
    clock.now += waited
    with pytest.raises(RateLimited) as refused:
        limiter.hit("ada")
    wait = refused.value.retry_after or 0

    clock.now += wait - 1
    assert is_refused(limiter)
    clock.now += 1
    assert not is_refused(limiter)
    assert 1 <= wait <= 60


def test_what_is_only_counted_makes_the_next_wait(clock: Seconds) -> None:
    """`count` refuses nothing, and uses the limit up."""
    limiter = Limiter(Rate(2, 60), clock)

    assert [limiter.count("ada") for _ in range(3)] == [0.0, 0.0, 60.0]
    assert is_refused(limiter)


def test_a_flood_of_addresses_is_bounded(clock: Seconds) -> None:
    """A hundred thousand /64s: a fixed number of windows, and no thread."""
    limiter = Limiter(Rate(30, 60), clock)
    threads = threading.active_count()
    for number in range(100_000):
        clock.now += 0.0001
        limiter.hit(client_key(f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::1"))

    assert len(limiter) == MOST_WINDOWS
    assert threading.active_count() == threads


def test_a_hit_costs_the_same_among_thousands(clock: Seconds) -> None:
    """As many steps with ten thousand known addresses as with ten (A1)."""

    def cost(addresses: int) -> int:
        limiter = Limiter(Rate(30, 60), clock)
        for number in range(addresses):
            limiter.hit(str(number))
        return steps_of(lambda: [limiter.count(key) for key in ("new", "new", "5")])

    assert cost(9_000) == cost(10)


def test_a_full_table_forgets_the_oldest_first(clock: Seconds) -> None:
    """Room is made by the window that ends next; a later one still holds."""
    limiter = Limiter(Rate(1, 60), clock)
    for number in range(MOST_WINDOWS + 1):
        limiter.hit(str(number))

    assert is_refused(limiter, "1")
    assert is_refused(limiter, str(MOST_WINDOWS))
    assert not is_refused(limiter, "0")


def test_what_has_ended_is_swept_away(clock: Seconds) -> None:
    """Without any timer: later hits take two ended windows along, each."""
    limiter = Limiter(Rate(30, 60), clock)
    for number in range(1_000):
        limiter.hit(str(number))
    clock.now += 61

    for _ in range(600):
        limiter.count("ada")

    assert len(limiter) == 1


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("1/second", Rate(1, 1)),
        ("30/minute", Rate(30, 60)),
        ("100/hour", Rate(100, 3_600)),
        ("9/day", Rate(9, 86_400)),
    ],
)
def test_rates_are_written_so(text: str, rate: Rate) -> None:
    """A number, a stroke, a unit."""
    assert Rate.parse(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        *("", "30", "30/", "/minute", "minute", "30/minutes", "30 / minute", "30/Minute"),
        *("0/minute", "-1/minute", "1.5/minute", "1e3/minute", "٣/minute", "9999999999/day"),
        *("30/minute\n", "30/minute;1/second", "30 per minute", "30/2 minutes"),
    ],
)
def test_other_rates_are_refused(text: str) -> None:
    """Also what other libraries would take for one."""
    with pytest.raises(ValueError, match="30/minute"):
        Rate.parse(text)


def test_defaults() -> None:
    """The contract's table: thirty login starts, six refreshes a minute (S19)."""
    assert Settings().login_rate == Rate(30, 60)
    assert Settings().refresh_rate == Rate(6, 60)


@pytest.fixture
async def strict(sqlite_url: str) -> AsyncGenerator[Stage]:
    """A service that allows three login starts an hour."""
    async with open_stage(make_settings(sqlite_url, rate_limit_login="3/hour")) as stage:
        yield stage


async def test_rejected_codes_count(strict: Stage) -> None:
    """Who sends bogus codes uses up the login limit, and asks Facebook no more than it (S8)."""
    browser = strict.browser()
    for _ in range(2):
        callback = await browser.approach("ada")
        bogus = callback.replace("code=", "code=bogus")
        assert error_of(await browser.http.get(bogus)) == "code_rejected"

    assert (await browser.start()).status_code == 429


async def test_a_real_attempt_with_a_rejected_code_is_not_refused(strict: Stage) -> None:
    """It was begun here: it ends with its error, however full the window is."""
    browser = strict.browser()
    callbacks = [await browser.approach("ada") for _ in range(3)]
    assert (await browser.start()).status_code == 429

    for callback in callbacks:
        ended = await browser.http.get(callback.replace("code=", "code=bogus"))
        assert error_of(ended) == "code_rejected"


async def test_the_seventh_refresh_waits(sqlite_url: str) -> None:
    """By default six a minute, `verify` among them; the stored listing is always served."""
    async with open_stage(make_settings(sqlite_url)) as stage:
        browser = stage.browser()
        await browser.log_in("ada")
        verify = f"/me/connections/{(await browser.connection())['id']}/verify"
        statuses = [(await browser.accounts(refresh="true")).status_code for _ in range(5)]
        statuses.append((await browser.send("POST", verify)).status_code)

        seventh = await browser.accounts(refresh="true")

        assert statuses == [200] * 6
        assert (seventh.status_code, seventh.json()["code"]) == (429, "rate_limited")
        assert 1 <= int(seventh.headers["retry-after"]) <= 60
        assert (await browser.send("POST", verify)).status_code == 429
        assert (await browser.accounts()).status_code == 200
