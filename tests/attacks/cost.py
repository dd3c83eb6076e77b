"""What a request costs, in processor time of this process, and whether that grows in proportion.

Nothing here is compared with a clock on the wall: a busy machine makes no difference to it. A
request that costs the square of its length costs sixteen times as much when it is four times as
long; one in proportion, four times.
"""

import time
from collections.abc import Awaitable, Callable

Ask = Callable[[int], Awaitable[object]]
TRIES = 4
FACTOR = 8  # between four and sixteen, with room on both sides


async def cpu_seconds(ask: Ask, size: int, tries: int = TRIES) -> float:
    """The least that a request of that size costs, over a few tries."""
    return min([await _once(ask, size) for _ in range(tries)])


async def assert_in_proportion(ask: Ask, size: int, *, ordinary: Ask) -> None:
    """A request four times as long costs less than eight times as much.

    `ordinary` is a request of no size: what every request costs is no growth.
    """
    await ask(1)
    floor = await cpu_seconds(ordinary, 0)
    small = await cpu_seconds(ask, size)
    allowed = FACTOR * max(small, floor)
    spent = [await _once(ask, 4 * size)]
    while spent[-1] > allowed and len(spent) < TRIES:
        spent.append(await _once(ask, 4 * size))

    assert min(spent) <= allowed, f"{4 * size}: {min(spent):.4f} s, {size}: {small:.4f} s"


async def _once(ask: Ask, size: int) -> float:
    began = time.process_time()
    await ask(size)
    return time.process_time() - began
