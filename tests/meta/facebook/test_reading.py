"""Profile, permissions, Pages, portfolios, Instagram accounts (graph-facts §6-§9)."""

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
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
from igauth.meta.calls import Purpose
from igauth.meta.door import PageNode
from igauth.meta.errors import GraphError, GraphRefusal, GraphThrottled, GraphUnavailable
from igauth.meta.facebook.reading import ListPart, Reading
from tests.meta.facebook.reads import (
    ACCOUNT,
    ACCOUNTS_FIELDS,
    BAKERY,
    LINK,
    PAGE_FIELDS,
    PICTURE,
    accounts_of,
    no_field,
    page,
    pages_of,
    reading,
    reading_over,
    walked,
)
from tests.meta.scripted import TOKEN_TEXT, Always, Answer, Facebook, answer, raw, refusal

NOT_PERMITTED = [
    refusal(10, message="(#10) Application does not have permission for this action", status=403),
    refusal(200, status=403),
    refusal(100, message="(#100) Missing permission(s)"),
    refusal(190, message="… must be granted before impersonating a user's page."),
]

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
    found, script = reading(answer({**body, "permissions": PERMISSIONS}))
    profile = await found.profile()

    assert (profile.subject, profile.name, profile.picture_url) == (
        "10200000000000001",
        "Ada",
        PICTURE,
    )
    assert profile.permissions == GRANTED
    assert script.last.url.path == "/v26.0/me"
    assert script.query()["fields"] == "id,name,picture{url},permissions{permission,status}"


@pytest.mark.parametrize(
    "nested",
    [None, {}, {"data": None}, {"data": [], "paging": {"next": "https://graph.facebook.com/x"}}, 7],
)
async def test_absent_permissions_are_asked_for(nested: object) -> None:
    """A call of its own where the expansion gave nothing, or only a first page."""
    found, script = reading(answer({"id": "1", "permissions": nested}), answer(PERMISSIONS))

    assert (await found.profile()).permissions == GRANTED
    assert script.last.url.path == "/v26.0/me/permissions"


async def test_optional_parts_of_a_profile_may_be_absent() -> None:
    """Trap 23; a picture that isn't https is dropped."""
    for picture in (None, {}, {"data": None}, {"data": {"url": "javascript:alert(1)"}}, "x"):
        found, _ = reading(answer({"id": "1", "picture": picture, "permissions": PERMISSIONS}))
        profile = await found.profile()
        assert (profile.name, profile.picture_url) == (None, None)


@pytest.mark.parametrize("body", [{}, {"id": None}, {"id": "x"}, {"id": []}])
async def test_a_profile_without_id_is_unavailable(body: object) -> None:
    """The one thing that can't be missing."""
    found, _ = reading(answer(body))
    with pytest.raises(GraphUnavailable):
        await found.profile()


async def test_a_refused_profile_field_is_dropped() -> None:
    """Contract §6: the call is repeated with the smaller set."""
    found, script = reading(
        no_field("picture", "User"), answer({"id": "1", "name": "Ada", "permissions": PERMISSIONS})
    )

    assert (await found.profile()).name == "Ada"
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
    found, _ = reading(answer({"data": [*odd, *PERMISSIONS["data"]]}))

    assert await found.permissions() == GRANTED


async def test_permissions_over_several_pages() -> None:
    """Not paged in practice; read to the end if it is."""
    paging = {"cursors": {"after": "A"}, "next": "https://graph.facebook.com/v26.0/1/permissions"}
    first = {"data": [{"permission": "email", "status": "granted"}], "paging": paging}
    found, script = reading(answer(first), answer(PERMISSIONS))

    assert (await found.permissions()).granted == {"instagram_basic"}
    assert script.query()["after"] == "A"


@pytest.mark.parametrize("fault", [refusal(10, status=403), raw(b"", 502), raw(b"<html>")])
async def test_a_profile_does_without_permissions_if_it_must(fault: Answer) -> None:
    """The consent is known from debug_token as well; a login isn't lost for the list."""
    found, _ = reading(answer({"id": "1", "name": "Ada"}), *([fault] * 3))

    assert (await found.profile()).permissions is None


# -- the profile with the first Pages

ME: dict[str, Any] = {"id": "10200000000000001", "name": "Ada", "permissions": PERMISSIONS}
NEXT = f"https://graph.facebook.com/v26.0/1/accounts?access_token={TOKEN_TEXT}&after=NEVERTAKEN"


async def test_profile_permissions_and_first_pages_are_one_call() -> None:
    """Field expansion with a limit of its own (6.6); the rest by our own cursor (7.4)."""
    nested = {
        "data": [page(1, instagram_business_account=ACCOUNT), None],
        "paging": {"cursors": {"after": "A1"}, "next": NEXT},
    }
    found, script = reading(answer({**ME, "accounts": nested}), answer({"data": [page(2)]}))
    profile, first = await found.profile_with_pages(found)

    assert (profile.name, profile.permissions) == ("Ada", GRANTED)
    assert script.query()["fields"] == (
        "id,name,picture{url},permissions{permission,status},"
        f"accounts.limit(100){{{ACCOUNTS_FIELDS}}}"
    )
    assert first is not None
    assert [node.instagram for node in first.part.nodes] == [BAKERY]
    assert first.part.malformed == (None,)
    assert first.rest is not None
    rest = [part async for part in first.rest.parts()]
    assert [node.page.name for part in rest for node in part.nodes] == ["Page 2"]
    assert script.last.url.path == "/v26.0/me/accounts"
    assert (script.query()["after"], script.query()["limit"]) == ("A1", "100")


@pytest.mark.parametrize("nested", [None, {"data": []}, {"data": [], "paging": {}}])
async def test_an_edge_without_entries_may_be_left_out(nested: object) -> None:
    """What is empty is omitted (0.8): no Pages then, and no call more."""
    body = ME if nested is None else {**ME, "accounts": nested}
    found, script = reading(answer(body))
    _, first = await found.profile_with_pages(found)

    assert first is not None
    assert (first.part, first.rest) == (ListPart(()), None)
    assert len(script.requests) == 1


@pytest.mark.parametrize("nested", [7, "x", [], {"data": None}, {"data": {}}])
async def test_pages_that_cannot_be_read_are_asked_for_alone(nested: object) -> None:
    """The profile is read all the same."""
    found, script = reading(answer({**ME, "accounts": nested}))
    profile, first = await found.profile_with_pages(found)

    assert (profile.name, first) == ("Ada", None)
    assert len(script.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        *NOT_PERMITTED,
        no_field("biography", "ShadowIGUser"),
        refusal(100),
        refusal(415, 1404120),
        refusal(190, 2069032),
        refusal(1, message="Please reduce the amount of data", status=500),
        refusal(1, message="Bitte weniger Daten", status=500),
        refusal(-3, status=500),
        refusal(80002),
        refusal(2, status=503),
        raw(b"", 502),
        raw(b"<html>"),
        raw(b'{"id":"1' + b"x" * 2_000_001),
        httpx.ReadTimeout("x"),
    ],
)
async def test_what_the_pages_may_have_spoilt_is_asked_without_them(fault: Answer) -> None:
    """Where it is refused, or too much, the profile is asked again before the login is judged
    (contract §3, 6.6, 6.7, 7.2b)."""
    found, script = reading(fault, answer(ME), purpose=Purpose.LOGIN)
    profile, first = await found.profile_with_pages(found)

    assert (profile.name, profile.permissions, first) == ("Ada", GRANTED, None)
    assert script.query()["fields"] == "id,name,picture{url},permissions{permission,status}"


@pytest.mark.parametrize(
    "fault", [refusal(190, 460), refusal(200, message="API access blocked."), refusal(368, 1390008)]
)
async def test_what_the_pages_have_not_spoilt_is_refused(fault: Answer) -> None:
    """A dead token, a blocked app or person: the same would come again."""
    found, script = reading(fault, purpose=Purpose.LOGIN)
    with pytest.raises(GraphRefusal):
        await found.profile_with_pages(found)

    assert len(script.requests) == 1


async def test_a_throttle_of_the_app_is_not_asked_again() -> None:
    """Calling on extends the block (contract §8)."""
    found, script = reading(refusal(4), purpose=Purpose.LOGIN)
    with pytest.raises(GraphThrottled):
        await found.profile_with_pages(found)

    assert len(script.requests) == 1


# -- a listing edge


async def test_me_accounts() -> None:
    """100 a page, Instagram fields expanded, no account_type, no page token asked (7.1, 7.5)."""
    entries = [page(11, instagram_business_account=ACCOUNT), page(12)]
    found, script = reading(answer({"data": entries}))
    parts = await walked(found)

    first = Page(PageId("100000000000011"), "Page 11", ("MANAGE",))
    second = Page(PageId("100000000000012"), "Page 12", ("MANAGE",))
    assert parts == [ListPart((PageNode(first, BAKERY), PageNode(second, None)))]
    assert script.last.url.path == "/v26.0/me/accounts"
    assert script.query()["fields"] == ACCOUNTS_FIELDS
    assert script.query()["limit"] == "100"
    assert "account_type" not in str(script.last.url)


@pytest.mark.parametrize("edge", [Source.OWNED_PAGES, Source.CLIENT_PAGES])
async def test_portfolio_edges_tell_whether_there_is_a_token(edge: Any) -> None:
    """access_token is asked, looked at and dropped at once (contract §6, graph-facts 7.8)."""
    entries = [page(1, access_token="EAAinventedPage"), page(2), page(3, access_token="")]
    found, script = reading(answer({"data": entries}))
    walk = found.walk_business_pages(BusinessId("2000000000000031"), edge)
    parts = [part async for part in walk.parts()]

    assert [node.has_page_token for node in parts[0].nodes] == [True, False, False]
    assert "EAAinventedPage" not in repr(parts)
    assert script.last.url.path == f"/v26.0/2000000000000031/{edge}"
    assert script.query()["fields"] == f"id,name,access_token,{LINK}"


async def test_a_token_that_was_not_asked_for_says_nothing() -> None:
    """/me/accounts gives tokens by default; the flag is for portfolio edges."""
    found, _ = reading(answer({"data": [page(1, access_token="EAAinventedPage")]}))

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
    found, _ = reading(answer({"data": [*ODD, good, {"id": 100000000000002}]}))
    (part,) = await walked(found)

    assert [node.page.id for node in part.nodes] == ["100000000000001", "100000000000002"]
    assert part.nodes[0] == PageNode(Page(PageId("100000000000001")), None)
    assert len(part.malformed) == len(ODD)
    assert part.malformed[-2:] == ("100000000000078", "100000000000079")
    assert set(part.malformed[:-2]) == {None}


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
    found, _ = reading(lambda _: httpx.Response(200, content=body))
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
    found, _ = reading(
        answer({"data": [page(1, instagram_business_account=account)]}),
        stand_in_url="http://localhost:9000",
    )
    ((node,),) = [part.nodes for part in await walked(found)]

    assert node.instagram is not None
    assert node.instagram.profile_picture_url == "http://localhost:9000/_pictures/1"


# -- refused fields


async def test_a_refused_field_is_dropped_for_that_walk_only() -> None:
    """It costs one extra call, not the listing; the next person is asked everything (A19)."""
    paging = {"cursors": {"after": "A"}, "next": "https://graph.facebook.com/x"}
    found, script = reading(
        no_field("biography", "ShadowIGUser"),
        answer({"data": [], "paging": paging}),
        answer({"data": []}),
        answer({"data": []}),
    )
    await walked(found)
    await walked(found)

    without = ACCOUNTS_FIELDS.replace("biography,", "")
    assert [script.query(index)["fields"] for index in range(4)] == [
        ACCOUNTS_FIELDS,
        without,
        without,
        ACCOUNTS_FIELDS,
    ]


@pytest.mark.parametrize("fault", NOT_PERMITTED)
async def test_a_field_behind_a_missing_permission_is_dropped(fault: Answer) -> None:
    """Since v12 it may throw in place of being left out (7.2b, 7.9, B23)."""
    found, script = reading(fault, fault, answer({"data": [page(1)]}))
    ((node,),) = [part.nodes for part in await walked(found)]

    assert (node.page.name, node.instagram, node.shows_link) == ("Page 1", None, False)
    assert [script.query(index)["fields"] for index in range(3)] == [
        ACCOUNTS_FIELDS,
        "id,name,tasks,instagram_business_account{id}",
        "id,name,tasks",
    ]


async def test_an_edge_that_isnt_permitted_is_refused_in_the_end() -> None:
    """Fewer fields don't help where the edge itself isn't granted."""
    found, script = reading(*([NOT_PERMITTED[0]] * 3))
    with pytest.raises(GraphRefusal):
        await walked(found)

    assert len(script.requests) == 3


@pytest.mark.parametrize("fault", [no_field("access_token", "Page"), NOT_PERMITTED[0]])
async def test_a_portfolio_that_refuses_the_token_is_asked_without(fault: Answer) -> None:
    """A refused `access_token` doesn't cost the whole portfolio (B24)."""
    found, script = reading(fault, answer({"data": [page(1)]}))
    walk = found.walk_business_pages(BusinessId("31"), Source.OWNED_PAGES)
    ((node,),) = [part.nodes async for part in walk.parts()]

    assert (node.page.id, node.has_page_token) == ("100000000000001", None)
    assert script.query()["fields"] == PAGE_FIELDS


async def test_tasks_are_asked_on_me_accounts_alone() -> None:
    """On a Page by its id, or a portfolio's edge, Graph refuses them (7.2a, A19)."""
    found, script = reading(answer({"data": []}), answer(page(1)), answer({"data": []}))
    await walked(found)
    await pages_of(found, [PageId("1")])
    async for _ in found.walk_business_pages(BusinessId("31"), Source.OWNED_PAGES).parts():
        pass

    asked = [script.query(index)["fields"].split(",")[:3] for index in range(3)]
    assert ["tasks" in fields for fields in asked] == [True, False, False]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("ShadowIGUser", ACCOUNTS_FIELDS.replace("username,name", "username")),
        ("Page", ACCOUNTS_FIELDS.replace("id,name,tasks", "id,tasks")),
        (
            "",
            ACCOUNTS_FIELDS.replace("id,name,tasks", "id,tasks").replace(
                "username,name", "username"
            ),
        ),
    ],
)
async def test_the_node_type_says_whose_field_it_is(node: str, expected: str) -> None:
    """`name` is a field of both; without the type's name it is dropped from both (6.5)."""
    found, script = reading(no_field("name", node), answer({"data": []}))
    await walked(found)

    assert script.query()["fields"] == expected


@pytest.mark.parametrize("name", ["id", "instagram_business_account", "unheard_of"])
async def test_what_can_not_be_dropped_is_refused(name: str) -> None:
    """Without the account's key every Page would look unlinked."""
    found, script = reading(no_field(name, "Page"))
    with pytest.raises(GraphRefusal):
        await walked(found)

    assert len(script.requests) == 1


async def test_an_endless_refusal_ends() -> None:
    """A Facebook that refuses what isn't even asked ends in an error, not in a loop."""
    found = reading_over(Facebook(Always(no_field("biography", "IGUser"))))
    with pytest.raises(GraphRefusal):
        await walked(found)


# -- portfolios


async def test_businesses() -> None:
    """Ids alone; malformed ones counted (graph-facts 7.6)."""
    body = {
        "data": [{"id": "2000000000000031", "name": "G"}, None, 3, {"name": "no id"}, {"id": 32}]
    }
    found, script = reading(answer(body))
    told = [each async for each in found.businesses()]

    assert told == [(["2000000000000031", None, None, None, "32"], False)]
    assert script.last.url.path == "/v26.0/me/businesses"


async def test_businesses_cut_by_a_bound() -> None:
    """A foreign host ends this walk as well (R-19)."""
    paging = {"cursors": {"after": "A"}, "next": "https://evil.test/"}
    found, _ = reading(answer({"data": [{"id": "31"}], "paging": paging}))

    assert [truncated async for _, truncated in found.businesses()] == [True]


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


async def _consume(found: Reading) -> None:
    async for _ in found.businesses():
        pass


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=JSON_VALUES)
async def test_any_answer_is_read_or_a_graph_error(body: object) -> None:
    """Arbitrary JSON at every call raises nothing but GraphError (security.md F-07)."""
    found = reading_over(Facebook(Always(raw(json.dumps(body).encode()))))
    for call in (
        lambda: found.profile(),
        lambda: found.profile_with_pages(found),
        lambda: found.permissions(),
        lambda: _consume(found),
        lambda: walked(found),
        lambda: pages_of(found, [PageId("1"), PageId("2"), PageId("3")]),
        lambda: pages_of(found, [PageId("1")]),
        lambda: accounts_of(found, [InstagramAccountId("1")]),
    ):
        try:
            await call()
        except GraphError:
            continue
