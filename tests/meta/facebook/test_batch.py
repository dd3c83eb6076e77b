"""Many nodes by id: batches, and each part's own outcome (graph-facts §12)."""

import asyncio
import json
from collections.abc import Mapping

import httpx
import pytest

from igauth.domain import InstagramAccountId, Page, PageId
from igauth.meta.door import PageNode
from igauth.meta.errors import GraphError, GraphRefusal, Meaning
from igauth.meta.pauses import MemoryPauseBook
from tests.meta.facebook.reads import (
    ACCOUNT,
    BAKERY,
    IG_FIELDS,
    PAGE_FIELDS,
    accounts_of,
    page,
    pages_of,
    reading,
    reading_over,
    throw,
)
from tests.meta.scripted import TOKEN_TEXT, Always, Answer, Facebook, Script, answer, refusal


def ids(count: int) -> list[PageId]:
    return [PageId(str(number)) for number in range(1, count + 1)]


def part(body: object, code: int = 200) -> dict[str, object]:
    return {"code": code, "body": json.dumps(body)}


def parts_of(request: httpx.Request) -> list[str]:
    """The ids that a batch asks for."""
    form = dict(httpx.QueryParams(request.content.decode()))
    return [each["relative_url"].split("?")[0] for each in json.loads(form["batch"])]


def batching(request: httpx.Request) -> httpx.Response:
    """A Facebook where every Page exists."""
    if request.method == "GET":
        return httpx.Response(200, json={"id": request.url.path.rsplit("/", 1)[1]})
    return httpx.Response(200, json=[part({"id": node}) for node in parts_of(request)])


async def test_one_id_is_a_plain_get() -> None:
    """No batch for one."""
    found, script = reading(answer(page(1)))
    outcomes = await pages_of(found, [PageId("100000000000001")])

    assert outcomes == {
        "100000000000001": PageNode(Page(PageId("100000000000001"), "Page 1", ("MANAGE",)), None)
    }
    assert script.last.url.path == "/v26.0/100000000000001"
    assert script.query()["fields"] == PAGE_FIELDS


async def test_a_batch() -> None:
    """Token and proof as form fields; the parts carry neither (graph-facts 12.1 to 12.4)."""
    found, script = reading(batching)
    outcomes = await pages_of(found, ids(3))

    assert list(outcomes) == ["1", "2", "3"]
    assert script.last.url.path == "/v26.0/"
    form = script.form()
    assert form["access_token"] == TOKEN_TEXT
    assert len(form["appsecret_proof"]) == 64
    assert form["include_headers"] == "false"
    assert TOKEN_TEXT not in form["batch"]
    assert json.loads(form["batch"])[0]["method"] == "GET"
    query = json.loads(form["batch"])[0]["relative_url"].split("?")[1]
    assert dict(httpx.QueryParams(query)) == {"fields": PAGE_FIELDS}


async def test_batches_of_fifty_side_by_side() -> None:
    """Graph refuses more than 50 parts (12.6); 1,000 Pages are 20 calls."""
    found, script = reading(*([batching] * 20))
    outcomes = await pages_of(found, ids(1_000))

    assert len(outcomes) == 1_000
    assert {len(parts_of(request)) for request in script.requests} == {50}


async def test_no_ids_no_call_and_repeated_ids_once() -> None:
    """Nothing is asked twice."""
    found, script = reading(batching)

    assert await pages_of(found, []) == {}
    await pages_of(found, [*ids(2), *ids(2)])
    assert parts_of(script.last) == ["1", "2"]


async def test_each_part_has_its_own_outcome() -> None:
    """HTTP 200 outside, failures inside, bodies as JSON strings (trap 33)."""
    gone = {"error": {"code": 100, "error_subcode": 33, "message": "x"}}
    two_factor = {"error": {"code": 415, "error_subcode": 1404120}}
    body = [part({"id": "1"}), part(gone, 400), part(two_factor, 400), part({"name": "no id"})]
    found, script = reading(answer([*body, 7, {"code": 200, "body": {}}, {"body": "{}"}]))
    outcomes = await pages_of(found, ids(7))

    assert isinstance(outcomes[PageId("1")], PageNode)
    assert [type(outcomes[each]).__name__ for each in ids(7)[1:]] == (
        ["GraphRefusal"] * 2 + ["GraphMalformed"] * 4
    )
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    "open_part",
    [None, part({"error": {"code": 2, "is_transient": True}}, 503), part("<html>", 502)],
)
async def test_an_open_part_is_asked_again_alone(open_part: object) -> None:
    """null means not executed (12.5); a transient part may pass on a repeat."""
    found, script = reading(answer([part({"id": "1"}), open_part]), answer({"id": "2"}))
    outcomes = await pages_of(found, ids(2))

    assert all(isinstance(each, PageNode) for each in outcomes.values())
    assert script.last.url.path == "/v26.0/2"


async def test_missing_parts_are_asked_again() -> None:
    """A shorter array than asked is an array with nulls."""
    found, script = reading(answer([part({"id": "1"})]), batching, batching)
    outcomes = await pages_of(found, ids(3))

    assert len(script.requests) == 3
    assert all(isinstance(each, PageNode) for each in outcomes.values())


@pytest.mark.parametrize(
    ("fault", "calls"), [(refusal(190, 460), 1), (refusal(100), 1), (refusal(2, status=503), 3)]
)
async def test_a_batch_that_fails_as_a_whole(fault: Answer, calls: int) -> None:
    """A bad top-level token gives an object, not an array (12.7). It is told once, is no fault of
    its nodes, and isn't asked again part by part (contract §8)."""
    found, script = reading(*([fault] * calls))
    told: list[object] = []
    failed: list[GraphError] = []
    await found.read_pages(ids(9), lambda *each: told.append(each), failed.append)

    assert told == []
    assert len(failed) == 1
    assert len(script.requests) == calls


async def test_too_much_data_halves_the_batch() -> None:
    """Graph-facts 6.7: smaller, not again."""
    too_much = refusal(1, message="Please reduce the amount of data", status=500)
    found, script = reading(too_much, batching, batching)
    outcomes = await pages_of(found, ids(4))

    assert list(outcomes) == ["1", "2", "3", "4"]
    assert [parts_of(each) for each in script.requests[1:]] == [["1", "2"], ["3", "4"]]


@pytest.mark.parametrize("alone", [True, False])
async def test_a_merged_page_is_read_under_its_new_id(alone: bool) -> None:
    """Code 21 (graph-facts 7.9): the answer stands under the id that was asked."""
    moved = {"error": {"code": 21, "message": "(#21) Page ID 1 was migrated to page ID 99."}}
    first = answer(moved, 400) if alone else answer([part(moved, 400), part({"id": "2"})])
    found, script = reading(first, answer({"id": "99"}))
    outcome = (await pages_of(found, ids(1 if alone else 2)))[PageId("1")]

    assert isinstance(outcome, PageNode)
    assert outcome.page.id == "99"
    assert script.last.url.path == "/v26.0/99"


async def test_a_chain_of_merges_ends() -> None:
    """A loop of migrations is bounded."""
    loop = refusal(21, message="(#21) Page ID 1 was migrated to page ID 1.")
    found, script = reading(*([loop] * 3))
    outcome = (await pages_of(found, ids(1)))[PageId("1")]

    assert isinstance(outcome, GraphRefusal)
    assert len(script.requests) == 3


async def test_a_refused_field_in_a_batch() -> None:
    """Those who refuse it are asked again without it; nobody else loses it (A19)."""
    message = "(#100) Tried accessing nonexisting field (website) on node type (IGUser)"
    refused = part({"error": {"code": 100, "message": message}}, 400)
    found, script = reading(
        answer([refused, part({"id": "2"}), refused]), batching, batching, batching
    )
    outcomes = await pages_of(found, ids(3))
    await pages_of(found, ids(2))

    assert all(isinstance(each, PageNode) for each in outcomes.values())
    assert parts_of(script.requests[1]) == ["1", "3"]
    assert ["website" in script.form(index)["batch"] for index in range(3)] == [True, False, True]


async def test_a_page_of_its_own_190_leaves_the_token_alone() -> None:
    """It is that Page's affair, whatever its subcode: a dead token fails the lot (A22, 10.2)."""
    own = [
        part({"error": {"code": 190, "error_subcode": 2069032}}, 400),
        part({"error": {"code": 190, "message": "must be called with a Page Access Token"}}, 400),
        part({"error": {"code": 190, "error_subcode": 460}}, 400),
        part({"error": {"code": 190, "error_subcode": 459}}, 400),
        part({"id": "5"}),
    ]
    found, _ = reading(answer(own))
    outcomes = await pages_of(found, ids(5))

    assert [getattr(each, "meaning", None) for each in outcomes.values()] == (
        [Meaning.PAGE_ITSELF] * 4 + [None]
    )


async def test_a_lone_page_of_its_own_190() -> None:
    """Nor does one that is read by itself; debug_token tells of the token (A22)."""
    found, _ = reading(refusal(190, 2069032))
    outcome = (await pages_of(found, ids(1)))[PageId("1")]

    assert isinstance(outcome, GraphRefusal)
    assert outcome.meaning is Meaning.PAGE_ITSELF


class Counted(MemoryPauseBook):
    """Counts how often something is written down."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[set[str]] = []

    async def throttled(self, hints: Mapping[str, float | None]) -> float:
        self.written.append(set(hints))
        return await super().throttled(hints)


async def test_a_batch_notes_its_throttles_once() -> None:
    """Not once for each part: that made 1,618 writes of one batch (A7)."""
    throttled = part({"error": {"code": 80001}}, 400)
    header = {str(each): [{"estimated_time_to_regain_access": 5}] for each in range(1, 51)}
    pauses = Counted()
    headers = {"x-business-use-case-usage": json.dumps(header)}
    script = Script(answer([throttled] * 50, headers=headers))
    found = reading_over(Facebook(script, pauses=pauses))
    outcomes = await pages_of(found, ids(50))

    assert pauses.written == [{f"page:{each}" for each in range(1, 51)}]
    assert {getattr(each, "retry_after_seconds", None) for each in outcomes.values()} == {300}


async def test_each_batch_is_told_when_it_is_there() -> None:
    """A snapshot needs what is there by then; others have their turn in between (contract §6)."""
    gate = asyncio.Event()

    async def slow_second(request: httpx.Request) -> httpx.Response:
        if parts_of(request)[0] == "51":
            await gate.wait()
        return batching(request)

    found = reading_over(Facebook(slow_second))
    told: list[PageId] = []

    def tell(page_id: PageId, _outcome: object) -> None:
        told.append(page_id)
        if len(told) == 50:
            gate.set()

    await found.read_pages(ids(100), tell, throw)

    assert sorted(told[:50]) == sorted(ids(50))
    assert len(told) == 100


async def test_what_the_listener_raises_ends_the_reading() -> None:
    """A dead token ends the walk; what is under way isn't waited for."""

    def tell(_page_id: PageId, _outcome: object) -> None:
        raise KeyError("enough")

    found = reading_over(Facebook(Always(batching)))
    with pytest.raises(KeyError, match="enough"):
        await found.read_pages(ids(500), tell, throw)


async def test_a_throttled_part_stops_that_page_only() -> None:
    """80001 for one Page: the others are read, and next time it isn't asked (contract §8)."""
    header = {"2": [{"type": "pages", "estimated_time_to_regain_access": 12}]}
    throttled = part({"error": {"code": 80001}}, 400)
    found, script = reading(
        answer(
            [part({"id": "1"}), throttled, part({"id": "3"})],
            headers={"x-business-use-case-usage": json.dumps(header)},
        ),
        batching,
    )
    first = await pages_of(found, ids(3))
    second = await pages_of(found, ids(3))

    for outcomes in (first, second):
        assert isinstance(outcomes[PageId("1")], PageNode)
        assert getattr(outcomes[PageId("2")], "retry_after_seconds", None) == 720
    assert parts_of(script.last) == ["1", "3"]


async def test_instagram_accounts_by_id() -> None:
    """The person's own token reads them (graph-facts 7.6 C, 8.3)."""
    account_id = InstagramAccountId("17841400000000021")
    found, script = reading(answer(ACCOUNT))

    assert await accounts_of(found, [account_id]) == {account_id: BAKERY}
    assert script.query()["fields"] == IG_FIELDS
