"""Walking an edge by cursors (graph-facts 7.4, 7.5; traps 18 to 20)."""

from typing import Any

import httpx
import pytest

from igauth.meta.errors import GraphRefusal, GraphThrottled, GraphUnavailable, Meaning
from igauth.meta.facebook.reading import ListPart
from tests.meta.facebook.reads import reading_over, walked
from tests.meta.scripted import (
    TOKEN_TEXT,
    Always,
    Answer,
    Facebook,
    Script,
    answer,
    raw,
    refusal,
)

NEXT = f"https://graph.facebook.com/v26.0/1/accounts?access_token={TOKEN_TEXT}&after=NEVERTAKEN"
TOO_MUCH = refusal(1, message="Please reduce the amount of data you're asking for", status=500)
TOO_MUCH_IN_OTHER_WORDS = [
    TOO_MUCH,
    refusal(1, message="Bitte reduziere die Menge der Daten", status=500),
    refusal(-3, message="whatever", status=500),
]


def listed(*numbers: int, after: object = None, next_url: object = None) -> Answer:
    body: dict[str, Any] = {"data": [{"id": str(number)} for number in numbers]}
    if after is not None:
        body["paging"] = {"cursors": {"before": "B", "after": after}}
        if next_url is not None:
            body["paging"]["next"] = next_url
    return answer(body)


async def walk(script: Script, **more: Any) -> list[ListPart]:
    return await walked(reading_over(Facebook(script, **more)))


def numbers(parts: list[ListPart]) -> list[int]:
    return [int(node.page.id) for part in parts for node in part.nodes]


async def test_every_page_of_the_edge() -> None:
    """The next query is our own, with the cursor; `next` is neither followed nor read."""
    script = Script(
        listed(1, 2, after="A1", next_url=NEXT),
        listed(3, after="A2", next_url=NEXT),
        listed(4, after="A3"),
    )
    parts = await walk(script)

    assert numbers(parts) == [1, 2, 3, 4]
    assert not any(part.truncated for part in parts)
    assert [script.query(each).get("after") for each in range(3)] == [None, "A1", "A2"]
    for request in script.requests:
        assert request.url.path == "/v26.0/me/accounts"
        assert TOKEN_TEXT not in str(request.url)


async def test_a_cursor_without_next_is_the_end() -> None:
    """Trap 19: cursors stand on the last page too."""
    script = Script(listed(1, after="A1"))

    assert numbers(await walk(script)) == [1]
    assert len(script.requests) == 1


async def test_short_and_empty_pages_do_not_end_it() -> None:
    """Only the absence of `next` ends the list (graph-facts 7.4)."""
    script = Script(
        listed(after="A1", next_url=NEXT),
        listed(1, after="A2", next_url=NEXT),
        listed(after="A3", next_url=NEXT),
        listed(2, after="A4"),
    )

    assert numbers(await walk(script)) == [1, 2]


@pytest.mark.parametrize("paging", [None, [], "x", 7, {}, {"cursors": None}, {"next": None}])
async def test_odd_paging_is_the_end(paging: object) -> None:
    """An empty list may have no paging at all (7.4)."""
    script = Script(answer({"data": [], "paging": paging}))
    parts = await walk(script)

    assert [part.truncated for part in parts] == [False]


@pytest.mark.parametrize(
    "next_url",
    [
        "https://evil.test/v26.0/me/accounts",
        "https://graph.facebook.com.evil.test/",
        "https://graph.facebook.com@evil.test/",
        "//evil.test/",
        "https://[broken",
        "/relative",
        7,
        {"a": 1},
    ],
)
async def test_a_foreign_next_ends_the_walk(next_url: object) -> None:
    """Nothing is asked of another host, nor of ours on its word (R-19, F-17)."""
    script = Script(listed(1, after="A1", next_url=next_url))
    parts = await walk(script)

    assert numbers(parts) == [1]
    assert parts[-1].truncated
    assert len(script.requests) == 1


@pytest.mark.parametrize("host", ["http://localhost:9000", "https://graph.facebook.com"])
async def test_a_stand_in_and_the_true_host_are_ours(host: str) -> None:
    """The stand-in's own host, whatever its port, and Graph's."""
    next_url = f"{host}/v26.0/1/accounts?after=X"
    script = Script(listed(1, after="A1", next_url=next_url), listed(2))

    assert numbers(await walk(script, graph_url="http://localhost:8000")) == [1, 2]


async def test_a_repeated_cursor_ends_the_walk() -> None:
    """A circle is noticed at its first repeat (F-17)."""
    script = Script(
        *(listed(number, after=f"A{number % 2}", next_url=NEXT) for number in range(1, 4)),
    )
    parts = await walk(script)

    assert numbers(parts) == [1, 2, 3]
    assert [part.truncated for part in parts] == [False, False, True]


@pytest.mark.parametrize("after", ["", 7, [], "ü", "x" * 5_000])
async def test_a_next_without_a_usable_cursor_ends_the_walk(after: object) -> None:
    """There is more, but no way to it."""
    parts = await walk(Script(listed(1, after=after, next_url=NEXT)))

    assert parts[-1].truncated


async def test_ten_thousand_pages_are_the_most() -> None:
    """Contract §6: 10,000 Pages end the walk."""

    def endless(request: httpx.Request) -> httpx.Response:
        start = int(request.url.params.get("after", "0"))
        made: Any = listed(*range(start, start + 100), after=str(start + 100), next_url=NEXT)
        response: httpx.Response = made(request)
        return response

    script = Always(endless)
    parts = await walk(script)

    assert len(numbers(parts)) == 10_000
    assert [part.truncated for part in parts] == [False] * 99 + [True]


async def test_exactly_ten_thousand_are_not_too_many() -> None:
    """The bound itself is no truncation, but more in one answer is."""
    assert not (await walk(Script(listed(*range(10_000)))))[-1].truncated
    parts = await walk(Script(listed(*range(10_001))))
    assert (len(numbers(parts)), parts[-1].truncated) == (10_000, True)


async def test_endless_empty_pages_end() -> None:
    """Fresh cursors for ever, and nothing behind them."""

    def endless(request: httpx.Request) -> httpx.Response:
        start = int(request.url.params.get("after", "0"))
        made: Any = listed(after=str(start + 1), next_url=NEXT)
        response: httpx.Response = made(request)
        return response

    parts = await walk(Always(endless))

    assert parts[-1].truncated
    assert len(parts) == 2_000


@pytest.mark.parametrize("too_much", TOO_MUCH_IN_OTHER_WORDS)
async def test_less_data_until_five(too_much: Answer) -> None:
    """100, 50, 25, 12, 6, 5, then the refusal, in whatever words (contract §8, 10.2, B25)."""
    script = Script(*([too_much] * 6))
    with pytest.raises(GraphRefusal) as caught:
        await walk(script)

    assert caught.value.meaning in (Meaning.REDUCE_DATA, Meaning.PERHAPS_TOO_MUCH)
    limits = [script.query(each)["limit"] for each in range(6)]
    assert limits == ["100", "50", "25", "12", "6", "5"]


async def test_the_smaller_page_stays_for_the_walk() -> None:
    """In mid-walk, with the same cursor, and no larger afterwards."""
    script = Script(
        listed(1, after="A1", next_url=NEXT),
        TOO_MUCH,
        listed(2, after="A2", next_url=NEXT),
        listed(3),
    )

    assert numbers(await walk(script)) == [1, 2, 3]
    asked = [(script.query(each).get("after"), script.query(each)["limit"]) for each in range(4)]
    assert asked == [(None, "100"), ("A1", "100"), ("A1", "50"), ("A2", "50")]


@pytest.mark.parametrize("bad", [refusal(2642), refusal(100, message="ungültig"), refusal(100)])
async def test_a_bad_cursor_starts_again_once(bad: Answer) -> None:
    """Cursors may become invalid; texts are localized (graph-facts 7.5)."""
    script = Script(
        listed(1, after="A1", next_url=NEXT),
        bad,
        listed(1, after="A9", next_url=NEXT),
        listed(2),
    )
    parts = await walk(script)

    assert set(numbers(parts)) == {1, 2}
    assert not any(part.truncated for part in parts)
    assert [script.query(each).get("after") for each in range(4)] == [None, "A1", None, "A9"]


async def test_a_second_bad_cursor_leaves_it_partial() -> None:
    """What was found stays (contract §6)."""
    script = Script(
        listed(1, after="A1", next_url=NEXT),
        refusal(2642),
        listed(1, after="A1", next_url=NEXT),
        refusal(2642),
    )
    parts = await walk(script)

    assert parts[-1].truncated
    assert set(numbers(parts)) == {1}


@pytest.mark.parametrize("code", [100, 2642])
async def test_without_a_cursor_it_is_a_refusal(code: int) -> None:
    """The first call has no cursor that could be bad."""
    with pytest.raises(GraphRefusal):
        await walk(Script(refusal(code)))


@pytest.mark.parametrize("fault", [refusal(190, 460), refusal(10), refusal(4), raw(b"[]")])
async def test_what_was_found_is_told_before_the_failure(fault: Answer) -> None:
    """An edge that fails in mid-walk has given its first part."""
    script = Script(listed(1, after="A1", next_url=NEXT), *([fault] * 3))
    found = reading_over(Facebook(script))
    told: list[ListPart] = []

    async def listen() -> None:
        async for part in found.walk_accounts().parts():
            told.append(part)  # noqa: PERF401 - the walk raises in the middle

    with pytest.raises((GraphRefusal, GraphThrottled, GraphUnavailable)):
        await listen()

    assert numbers(told) == [1]


@pytest.mark.parametrize("data", [None, {}, "x", 7])
async def test_no_list_is_unavailable(data: object) -> None:
    """Wrong shapes never are an empty list (F-06)."""
    with pytest.raises(GraphUnavailable):
        await walk(Script(answer({"data": data})))
    with pytest.raises(GraphUnavailable):
        await walk(Script(answer({})))
