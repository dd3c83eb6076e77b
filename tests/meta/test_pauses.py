"""Who must wait, until when (graph-facts §11, contract §8)."""

import math

import pytest

from igauth.meta.pauses import MemoryPauseBook
from tests.meta.scripted import FakeTime


@pytest.fixture
def time() -> FakeTime:
    """Time that a test moves."""
    return FakeTime()


@pytest.fixture
def book(time: FakeTime) -> MemoryPauseBook:
    """An empty book."""
    return MemoryPauseBook(time.monotonic)


async def test_nobody_waits_at_first(book: MemoryPauseBook) -> None:
    """No throttle, no pause."""
    assert await book.remaining(["app", "person:1"]) == 0.0
    assert await book.remaining([]) == 0.0


async def test_without_a_hint_a_minute_doubling_to_fifteen(
    book: MemoryPauseBook, time: FakeTime
) -> None:
    """Contract §8: 60 s, doubling to 15 min while it repeats."""
    pauses = []
    for _ in range(6):
        pauses.append(await book.throttled({"app": None}))
        time.now += pauses[-1]

    assert pauses == [60, 120, 240, 480, 900, 900]


async def test_a_hint_is_taken_as_it_is(book: MemoryPauseBook) -> None:
    """The usage header's minutes win (graph-facts 11.2)."""
    assert await book.throttled({"app": 720.0}) == 720.0
    assert await book.remaining(["app"]) == 720.0


@pytest.mark.parametrize("hint", [0.0, -5.0, math.inf, math.nan])
async def test_a_senseless_hint_is_none(book: MemoryPauseBook, hint: float) -> None:
    """0 means not throttled by that header (11.2); nonsense never pauses for ever."""
    assert await book.throttled({"app": hint}) == 60.0


async def test_a_hint_is_a_day_at_most(book: MemoryPauseBook) -> None:
    """A hostile header can't stop the service for good."""
    assert await book.throttled({"app": 1e9}) == 86_400.0


async def test_calls_side_by_side_are_one_throttle(book: MemoryPauseBook, time: FakeTime) -> None:
    """Twenty parallel refusals don't double twenty times."""
    for _ in range(20):
        await book.throttled({"app": None})
    time.now += 20

    assert await book.remaining(["app"]) == 40.0


async def test_a_longer_hint_prolongs_a_pause(book: MemoryPauseBook) -> None:
    """The longest of what is known counts, and never gets shorter."""
    await book.throttled({"app": 60.0})

    assert await book.throttled({"app": 300.0}) == 300.0
    assert await book.throttled({"app": 30.0}) == 300.0


async def test_the_longest_of_the_scopes_counts(book: MemoryPauseBook) -> None:
    """A call waits for app, person and Page alike; others don't."""
    await book.throttled({"person:1": 100.0})
    await book.throttled({"page:9": 200.0})

    assert await book.remaining(["app", "person:1", "page:9"]) == 200.0
    assert await book.remaining(["app", "person:2"]) == 0.0


async def test_a_success_ends_the_doubling(book: MemoryPauseBook, time: FakeTime) -> None:
    """After a success the next throttle begins at a minute again."""
    time.now += await book.throttled({"app": None})
    await book.cleared(["app"])

    assert await book.throttled({"app": None}) == 60.0


async def test_a_success_leaves_a_pause_that_is_on(book: MemoryPauseBook, time: FakeTime) -> None:
    """A call that was under way when the throttle came proves nothing."""
    await book.throttled({"app": None})
    await book.cleared(["app"])

    assert await book.remaining(["app"]) == 60.0
    time.now += 60
    assert await book.throttled({"app": None}) == 120.0


async def test_long_quiet_forgets(book: MemoryPauseBook, time: FakeTime) -> None:
    """A throttle an hour later is no repeat; memory doesn't grow."""
    await book.throttled({"app": None})
    time.now += 3600

    assert await book.throttled({"app": None}) == 60.0


async def test_the_book_stays_small(book: MemoryPauseBook) -> None:
    """Thousands of scopes don't grow memory for ever (security.md F-50)."""
    for number in range(1_200):
        await book.throttled({f"person:{number}": 60.0})

    assert len(book._pauses) <= 1_001


async def test_one_answer_is_noted_in_one_go(book: MemoryPauseBook) -> None:
    """A batch may throttle fifty nodes: one record, and the longest pause of them (A7)."""
    longest = await book.throttled({"page:1": 60.0, "page:2": 300.0, "person:1": None})

    assert longest == 300.0
    assert await book.remaining(["page:1", "person:1"]) == 60.0


async def test_no_scope_is_no_pause(book: MemoryPauseBook) -> None:
    """Nobody is named, nobody waits."""
    assert await book.throttled({}) == 0.0
