"""Profile, permissions, Pages, portfolios, Instagram accounts (graph-facts §6-§9)."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from igauth.domain import (
    BusinessId,
    InstagramAccount,
    InstagramAccountId,
    Page,
    PageId,
    Permissions,
    Source,
)
from igauth.meta.errors import GraphError, GraphRefusal, GraphUnavailable, Meaning
from igauth.meta.facebook.fields import FORGIVEN_AFTER_SECONDS
from igauth.meta.facebook.reading import FacebookResources, ListPart, PageNode
from tests.meta.scripted import (
    TOKEN,
    TOKEN_TEXT,
    Always,
    Answer,
    Facebook,
    Script,
    answer,
    refusal,
)

PICTURE = "https://scontent.xx.fbcdn.net/v/t51/1_n.jpg?oh=00_AT&oe=6B2B3C4D"
ACCOUNT: dict[str, Any] = {
    "id": "17841400000000021",
    "username": "invented.bakery",
    "name": "Invented Bakery",
    "biography": "Bread\nand more",
    "website": "http://bakery.example.test/",
    "profile_picture_url": PICTURE,
    "followers_count": 1204,
    "follows_count": 87,
    "media_count": 342,
}
BAKERY = InstagramAccount(
    id=InstagramAccountId("17841400000000021"),
    username="invented.bakery",
    name="Invented Bakery",
    biography="Bread\nand more",
    website="http://bakery.example.test/",
    profile_picture_url=PICTURE,
    followers_count=1204,
    follows_count=87,
    media_count=342,
)
IG_FIELDS = (
    "id,username,name,biography,website,profile_picture_url,"
    "followers_count,follows_count,media_count"
)
PAGE_FIELDS = f"id,name,tasks,instagram_business_account{{{IG_FIELDS}}}"


def resources(*answers: Answer, **more: Any) -> tuple[FacebookResources, Script]:
    script = Script(*answers)
    return FacebookResources(Facebook(script).client(), **more), script


def page(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"1000{number:011d}", "name": f"Page {number}", "tasks": ["MANAGE"], **more}


async def walked(found: FacebookResources) -> list[ListPart]:
    return [part async for part in found.walk_accounts(TOKEN)]


def no_field(name: str, node: str = "") -> Answer:
    tail = f" on node type ({node})" if node else ""
    return refusal(100, message=f"(#100) Tried accessing nonexisting field ({name}){tail}")


# -- profile and permissions

PERMISSIONS = {
    "data": [
        {"permission": "instagram_basic", "status": "granted"},
        {"permission": "email", "status": "declined"},
        {"permission": "user_photos", "status": "expired"},
    ]
}
GRANTED = Permissions(frozenset({"instagram_basic"}), frozenset({"email", "user_photos"}))


async def test_the_profile_is_one_call() -> None:
    """Name, picture and permissions by field expansion (house.md §6, graph-facts 6.6)."""
    body = {"id": 10200000000000001, "name": "Ada", "picture": {"data": {"url": PICTURE}}}
    found, script = resources(answer({**body, "permissions": PERMISSIONS}))
    profile = await found.profile(TOKEN)

    assert (profile.id, profile.name, profile.picture_url) == ("10200000000000001", "Ada", PICTURE)
    assert profile.permissions == GRANTED
    assert script.last.url.path == "/v26.0/me"
    assert script.query()["fields"] == "id,name,picture{url},permissions{permission,status}"


@pytest.mark.parametrize(
    "nested",
    [None, {}, {"data": None}, {"data": [], "paging": {"next": "https://graph.facebook.com/x"}}, 7],
)
async def test_absent_permissions_are_asked_for(nested: object) -> None:
    """A call of its own where the expansion gave nothing, or only a first page."""
    found, script = resources(answer({"id": "1", "permissions": nested}), answer(PERMISSIONS))

    assert (await found.profile(TOKEN)).permissions == GRANTED
    assert script.last.url.path == "/v26.0/me/permissions"


async def test_optional_parts_of_a_profile_may_be_absent() -> None:
    """Trap 23; a picture that isn't https is dropped."""
    for picture in (None, {}, {"data": None}, {"data": {"url": "javascript:alert(1)"}}, "x"):
        found, _ = resources(answer({"id": "1", "picture": picture, "permissions": PERMISSIONS}))
        profile = await found.profile(TOKEN)
        assert (profile.name, profile.picture_url) == (None, None)


@pytest.mark.parametrize("body", [{}, {"id": None}, {"id": "x"}, {"id": []}])
async def test_a_profile_without_id_is_unavailable(body: object) -> None:
    """The one thing that can't be missing."""
    found, _ = resources(answer(body))
    with pytest.raises(GraphUnavailable):
        await found.profile(TOKEN)


async def test_a_refused_profile_field_is_dropped() -> None:
    """Contract §6: the call is repeated with the smaller set."""
    found, script = resources(
        no_field("picture", "User"), answer({"id": "1", "name": "Ada", "permissions": PERMISSIONS})
    )

    assert (await found.profile(TOKEN)).name == "Ada"
    assert script.query()["fields"] == "id,name,permissions{permission,status}"


async def test_permissions() -> None:
    """granted; declined and expired; malformed entries don't spoil the list (9.1)."""
    odd = [
        None,
        7,
        {},
        {"permission": None},
        {"permission": "x"},
        {"permission": "y", "status": []},
    ]
    found, _ = resources(answer({"data": [*odd, *PERMISSIONS["data"]]}))

    assert await found.permissions(TOKEN) == GRANTED


async def test_permissions_over_several_pages() -> None:
    """Not paged in practice; read to the end if it is."""
    paging = {"cursors": {"after": "A"}, "next": "https://graph.facebook.com/v26.0/1/permissions"}
    first = {"data": [{"permission": "email", "status": "granted"}], "paging": paging}
    found, script = resources(answer(first), answer(PERMISSIONS))

    assert (await found.permissions(TOKEN)).granted == {"instagram_basic"}
    assert script.query()["after"] == "A"


# -- a listing edge


async def test_me_accounts() -> None:
    """100 a page, Instagram fields expanded, no account_type, no page token asked (7.1, 7.5)."""
    entries = [page(11, instagram_business_account=ACCOUNT), page(12)]
    found, script = resources(answer({"data": entries}))
    parts = await walked(found)

    first = Page(PageId("100000000000011"), "Page 11", ("MANAGE",))
    second = Page(PageId("100000000000012"), "Page 12", ("MANAGE",))
    assert parts == [ListPart((PageNode(first, BAKERY), PageNode(second, None)))]
    assert script.last.url.path == "/v26.0/me/accounts"
    assert script.query()["fields"] == PAGE_FIELDS
    assert script.query()["limit"] == "100"
    assert "account_type" not in str(script.last.url)


@pytest.mark.parametrize("edge", [Source.OWNED_PAGES, Source.CLIENT_PAGES])
async def test_portfolio_edges_tell_whether_there_is_a_token(edge: Any) -> None:
    """access_token is asked, looked at and dropped at once (contract §6, graph-facts 7.8)."""
    entries = [page(1, access_token="EAAinventedPage"), page(2), page(3, access_token="")]
    found, script = resources(answer({"data": entries}))
    walk = found.walk_business_pages(TOKEN, BusinessId("2000000000000031"), edge)
    parts = [part async for part in walk]

    assert [node.has_page_token for node in parts[0].nodes] == [True, False, False]
    assert "EAAinventedPage" not in repr(parts)
    assert script.last.url.path == f"/v26.0/2000000000000031/{edge}"
    assert script.query()["fields"] == f"{PAGE_FIELDS},access_token"


async def test_a_token_that_was_not_asked_for_says_nothing() -> None:
    """/me/accounts gives tokens by default; the flag is for portfolio edges."""
    found, _ = resources(answer({"data": [page(1, access_token="EAAinventedPage")]}))

    assert (await walked(found))[0].nodes[0].has_page_token is None


ODD: list[object] = [
    *(42, None, "a text", [], {}, True, 1.5),
    {"name": "no id"},
    {"id": None},
    {"id": "../../me"},
    {"id": "100000000000078", "instagram_business_account": "17841400000000078"},
    {"id": "100000000000079", "instagram_business_account": {"username": "no.id"}},
]


async def test_malformed_entries_are_counted() -> None:
    """One malformed entry never spoils the list (contract §8, F-18)."""
    good = page(1, name={"en": "no text"}, tasks="MANAGE", instagram_business_account=None)
    found, _ = resources(answer({"data": [*ODD, good, {"id": 100000000000002}]}))
    (part,) = await walked(found)

    assert [node.page.id for node in part.nodes] == ["100000000000001", "100000000000002"]
    assert part.nodes[0] == PageNode(Page(PageId("100000000000001")), None)
    assert part.malformed == len(ODD)
    assert part.malformed_ids == ("100000000000078", "100000000000079")


async def test_hostile_values_are_cleaned() -> None:
    """Names, counts, links (security.md F-07, F-20)."""
    account = {
        **ACCOUNT,
        "id": 17841400000000021,
        "username": "bad\ud800name\x00",
        "name": "x" * 1_000_000,
        "biography": 7,
        "website": "javascript:alert(1)",
        "profile_picture_url": "http://insecure.test/x.jpg",
        "followers_count": "1204",
        "follows_count": -1,
        "media_count": 10**400,
    }
    tasks = ["MANAGE", 7, None, "CREATE_CONTENT", "MANAGE", "T" * 500, *("x" * 99)]
    entry = page(1, instagram_business_account=account, tasks=tasks)
    body = json.dumps({"data": [entry]}).encode()
    found, _ = resources(lambda _: httpx.Response(200, content=body))
    ((node,),) = [part.nodes for part in await walked(found)]

    assert node.instagram == InstagramAccount(
        id=InstagramAccountId("17841400000000021"),
        username="badname",
        name="x" * 300,
        followers_count=1204,
    )
    assert node.page.tasks == ("CREATE_CONTENT", "MANAGE", "T" * 64, "x")


async def test_http_pictures_for_the_offline_facebook() -> None:
    """Only those of the stand-in itself."""
    account = ACCOUNT | {"profile_picture_url": "http://localhost:9000/_pictures/1"}
    found, _ = resources(
        answer({"data": [page(1, instagram_business_account=account)]}),
        stand_in_url="http://localhost:9000",
    )
    ((node,),) = [part.nodes for part in await walked(found)]

    assert node.instagram is not None
    assert node.instagram.profile_picture_url == "http://localhost:9000/_pictures/1"


# -- refused fields


async def test_a_refused_field_is_dropped_and_remembered() -> None:
    """It costs one extra call once, not the listing (contract §6, trap 24)."""
    empty = answer({"data": []})
    found, script = resources(no_field("biography", "ShadowIGUser"), empty, empty)
    await walked(found)
    await walked(found)

    without = PAGE_FIELDS.replace("biography,", "")
    assert [script.query(index)["fields"] for index in range(3)] == [PAGE_FIELDS, without, without]


async def test_after_an_hour_the_field_is_asked_again() -> None:
    """Facebook may have mended it."""
    empty = answer({"data": []})
    fake = Facebook(Script(no_field("biography", "IGUser"), empty, empty))
    found = FacebookResources(fake.client())
    await walked(found)
    fake.time.now += FORGIVEN_AFTER_SECONDS + 1
    await walked(found)

    assert fake.script.query()["fields"] == PAGE_FIELDS


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("ShadowIGUser", PAGE_FIELDS.replace("username,name", "username")),
        ("Page", PAGE_FIELDS.replace("id,name,tasks", "id,tasks")),
        ("", PAGE_FIELDS.replace("id,name,tasks", "id,tasks").replace("username,name", "username")),
    ],
)
async def test_the_node_type_says_whose_field_it_is(node: str, expected: str) -> None:
    """`name` is a field of both; without the type's name it is dropped from both (6.5)."""
    found, script = resources(no_field("name", node), answer({"data": []}))
    await walked(found)

    assert script.query()["fields"] == expected


@pytest.mark.parametrize("name", ["id", "instagram_business_account", "unheard_of"])
async def test_what_can_not_be_dropped_is_refused(name: str) -> None:
    """Without the account's key every Page would look unlinked."""
    found, script = resources(no_field(name, "Page"))
    with pytest.raises(GraphRefusal):
        await walked(found)

    assert len(script.requests) == 1


async def test_an_endless_refusal_ends() -> None:
    """A Facebook that refuses what isn't even asked ends in an error, not in a loop."""
    found = FacebookResources(Facebook(Always(no_field("biography", "IGUser"))).client())
    with pytest.raises(GraphRefusal):
        await walked(found)


# -- portfolios


async def test_businesses() -> None:
    """Ids alone; malformed ones counted (graph-facts 7.6)."""
    body = {
        "data": [{"id": "2000000000000031", "name": "G"}, None, 3, {"name": "no id"}, {"id": 32}]
    }
    found, script = resources(answer(body))
    businesses = await found.businesses(TOKEN)

    assert businesses.ids == ("2000000000000031", "32")
    assert (businesses.malformed, businesses.complete) == (3, True)
    assert script.last.url.path == "/v26.0/me/businesses"


async def test_businesses_cut_by_a_bound() -> None:
    """A foreign host ends this walk as well (R-19)."""
    paging = {"cursors": {"after": "A"}, "next": "https://evil.test/"}
    found, _ = resources(answer({"data": [{"id": "31"}], "paging": paging}))

    assert not (await found.businesses(TOKEN)).complete


# -- nodes by id


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
    found, script = resources(answer(page(1)))
    outcomes = await found.read_pages(TOKEN, [PageId("100000000000001")])

    assert outcomes == {
        "100000000000001": PageNode(Page(PageId("100000000000001"), "Page 1", ("MANAGE",)), None)
    }
    assert script.last.url.path == "/v26.0/100000000000001"
    assert script.query()["fields"] == PAGE_FIELDS


async def test_a_batch() -> None:
    """Token and proof as form fields; the parts carry neither (graph-facts 12.1 to 12.4)."""
    found, script = resources(batching)
    outcomes = await found.read_pages(TOKEN, ids(3))

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
    found, script = resources(*([batching] * 20))
    outcomes = await found.read_pages(TOKEN, ids(1_000))

    assert len(outcomes) == 1_000
    assert {len(parts_of(request)) for request in script.requests} == {50}


async def test_no_ids_no_call_and_repeated_ids_once() -> None:
    """Nothing is asked twice."""
    found, script = resources(batching)

    assert await found.read_pages(TOKEN, []) == {}
    await found.read_pages(TOKEN, [*ids(2), *ids(2)])
    assert parts_of(script.last) == ["1", "2"]


async def test_each_part_has_its_own_outcome() -> None:
    """HTTP 200 outside, failures inside, bodies as JSON strings (trap 33)."""
    gone = {"error": {"code": 100, "error_subcode": 33, "message": "x"}}
    two_factor = {"error": {"code": 415, "error_subcode": 1404120}}
    body = [part({"id": "1"}), part(gone, 400), part(two_factor, 400), part({"name": "no id"})]
    found, script = resources(answer([*body, 7, {"code": 200, "body": {}}, {"body": "{}"}]))
    outcomes = await found.read_pages(TOKEN, ids(7))

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
    found, script = resources(answer([part({"id": "1"}), open_part]), answer({"id": "2"}))
    outcomes = await found.read_pages(TOKEN, ids(2))

    assert all(isinstance(each, PageNode) for each in outcomes.values())
    assert script.last.url.path == "/v26.0/2"


async def test_missing_parts_are_asked_again() -> None:
    """A shorter array than asked is an array with nulls."""
    found, script = resources(answer([part({"id": "1"})]), batching, batching)
    outcomes = await found.read_pages(TOKEN, ids(3))

    assert len(script.requests) == 3
    assert all(isinstance(each, PageNode) for each in outcomes.values())


async def test_a_dead_token_fails_the_lot() -> None:
    """A bad top-level token gives an object, not an array (12.7)."""
    found, script = resources(refusal(190, 460))
    outcomes = await found.read_pages(TOKEN, ids(9))

    assert len(script.requests) == 1
    for error in outcomes.values():
        assert isinstance(error, GraphRefusal)
        assert error.meaning is Meaning.RECONNECT


async def test_an_outage_is_not_multiplied() -> None:
    """A batch that fails as a whole isn't asked again part by part (contract §8)."""
    found, script = resources(*([refusal(2, status=503)] * 3))
    await found.read_pages(TOKEN, ids(50))

    assert len(script.requests) == 3


async def test_too_much_data_halves_the_batch() -> None:
    """Graph-facts 6.7: smaller, not again."""
    too_much = refusal(1, message="Please reduce the amount of data", status=500)
    found, script = resources(too_much, batching, batching)
    outcomes = await found.read_pages(TOKEN, ids(4))

    assert list(outcomes) == ["1", "2", "3", "4"]
    assert [parts_of(each) for each in script.requests[1:]] == [["1", "2"], ["3", "4"]]


@pytest.mark.parametrize("alone", [True, False])
async def test_a_merged_page_is_read_under_its_new_id(alone: bool) -> None:
    """Code 21 (graph-facts 7.9): the answer stands under the id that was asked."""
    moved = {"error": {"code": 21, "message": "(#21) Page ID 1 was migrated to page ID 99."}}
    first = answer(moved, 400) if alone else answer([part(moved, 400), part({"id": "2"})])
    found, script = resources(first, answer({"id": "99"}))
    outcome = (await found.read_pages(TOKEN, ids(1 if alone else 2)))[PageId("1")]

    assert isinstance(outcome, PageNode)
    assert outcome.page.id == "99"
    assert script.last.url.path == "/v26.0/99"


async def test_a_chain_of_merges_ends() -> None:
    """A loop of migrations is bounded."""
    loop = refusal(21, message="(#21) Page ID 1 was migrated to page ID 1.")
    found, script = resources(*([loop] * 3))
    outcome = (await found.read_pages(TOKEN, ids(1)))[PageId("1")]

    assert isinstance(outcome, GraphRefusal)
    assert len(script.requests) == 3


async def test_a_refused_field_in_a_batch() -> None:
    """The whole batch again with the smaller set."""
    message = "(#100) Tried accessing nonexisting field (website) on node type (IGUser)"
    refused = part({"error": {"code": 100, "message": message}}, 400)
    found, script = resources(answer([refused, refused]), batching)
    outcomes = await found.read_pages(TOKEN, ids(2))

    assert all(isinstance(each, PageNode) for each in outcomes.values())
    assert "website" not in script.form()["batch"]


async def test_a_throttled_part_stops_that_page_only() -> None:
    """80001 for one Page: the others are read, and next time it isn't asked (contract §8)."""
    header = {"2": [{"type": "pages", "estimated_time_to_regain_access": 12}]}
    throttled = part({"error": {"code": 80001}}, 400)
    found, script = resources(
        answer(
            [part({"id": "1"}), throttled, part({"id": "3"})],
            headers={"x-business-use-case-usage": json.dumps(header)},
        ),
        batching,
    )
    first = await found.read_pages(TOKEN, ids(3))
    second = await found.read_pages(TOKEN, ids(3))

    for outcomes in (first, second):
        assert isinstance(outcomes[PageId("1")], PageNode)
        assert getattr(outcomes[PageId("2")], "retry_after_seconds", None) == 720
    assert parts_of(script.last) == ["1", "3"]


async def test_instagram_accounts_by_id() -> None:
    """The person's own token reads them (graph-facts 7.6 C, 8.3)."""
    account_id = InstagramAccountId("17841400000000021")
    found, script = resources(answer(ACCOUNT))

    assert await found.read_instagram_accounts(TOKEN, [account_id]) == {account_id: BAKERY}
    assert script.query()["fields"] == IG_FIELDS


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "data",
                    "paging",
                    "cursors",
                    "next",
                    "after",
                    "error",
                    "code",
                    "message",
                    "body",
                    "instagram_business_account",
                    "permissions",
                    "picture",
                    "url",
                    "tasks",
                    "status",
                ]
            )
            | st.text(),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@given(body=JSON_VALUES)
async def test_any_answer_is_read_or_a_graph_error(body: object) -> None:
    """Arbitrary JSON at every call raises nothing but GraphError (security.md F-07)."""
    raw = json.dumps(body).encode()
    found = FacebookResources(Facebook(Always(lambda _: httpx.Response(200, content=raw))).client())
    for call in (
        lambda: found.profile(TOKEN),
        lambda: found.permissions(TOKEN),
        lambda: found.businesses(TOKEN),
        lambda: walked(found),
        lambda: found.read_pages(TOKEN, ids(3)),
        lambda: found.read_pages(TOKEN, ids(1)),
        lambda: found.read_instagram_accounts(TOKEN, [InstagramAccountId("1")]),
    ):
        try:
            await call()
        except GraphError:
            continue
