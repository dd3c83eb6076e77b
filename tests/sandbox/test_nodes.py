"""Users, Pages, Instagram accounts, permissions, portfolios (facts 6, 7, 8, 9)."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from igauth.sandbox.graph.answers import Refused
from igauth.sandbox.graph.request import Selection, parse_fields, unparse
from tests.sandbox.facebook import Facebook, TestClock, error_of

PAGE = "100001000000001"
INSTAGRAM = "17841401000000001"

# --- /me, facts 6 ---


async def test_me_without_fields(facebook: Facebook) -> None:
    """name and id only (facts 6.2)."""
    answer = await facebook.get("/me", await facebook.token())

    assert answer.json() == {"name": "Ada Invented", "id": "10200000000000001"}


async def test_keys_follow_fields_and_id_comes_last(facebook: Facebook) -> None:
    """The order of `fields`; id is added when it wasn't asked (facts 0.5)."""
    token = await facebook.token(scope="email")
    unasked = await facebook.get("/me", token, fields="email,name")
    asked = await facebook.get("/me", token, fields="id,name")

    assert list(unasked.json()) == ["email", "name", "id"]
    assert list(asked.json()) == ["id", "name"]


async def test_email_is_absent_when_not_granted(facebook: Facebook) -> None:
    """Never null (facts 6.3)."""
    token = await facebook.token(scope="pages_show_list,email", declined=["email"])
    answer = await facebook.get("/me", token, fields="id,email")

    assert answer.json() == {"id": "10200000000000001"}


async def test_pictures_with_and_without_sub_fields(facebook: Facebook) -> None:
    """All four keys, or only those asked (facts 6.1)."""
    token = await facebook.token()
    full = (await facebook.get("/me", token, fields="picture")).json()["picture"]["data"]
    url = (await facebook.get("/me", token, fields="picture{url}")).json()["picture"]["data"]
    fields = "picture.width(200).height(200){width,is_silhouette}"
    sized = (await facebook.get("/me", token, fields=fields)).json()["picture"]["data"]

    assert list(full) == ["height", "is_silhouette", "url", "width"]
    assert (full["height"], full["width"]) == (50, 50)
    assert list(url) == ["url"]
    assert sized == {"width": 200, "is_silhouette": False}


@pytest.mark.parametrize(
    ("fields", "node_type"),
    [
        ("id,wat", "User"),
        ("accounts{wat}", "Page"),
        ("accounts{instagram_business_account{account_type}}", "ShadowIGUser"),
        ("picture{wat}", "ProfilePictureSource"),
        ("businesses{owned_pages{user_id}}", "Page"),
    ],
)
async def test_an_unknown_field_kills_the_call(
    facebook: Facebook, fields: str, node_type: str
) -> None:
    """100 with the node type, even where no node has that edge filled (facts 6.5, trap 24)."""
    answer = await facebook.get("/me", await facebook.token("ben"), fields=fields)

    assert error_of(answer) == (400, 100, None)
    message = answer.json()["error"]["message"]
    assert message.startswith("(#100) Tried accessing nonexisting field (")
    assert message.endswith(f"on node type ({node_type})")


async def test_me_needs_a_persons_token(facebook: Facebook) -> None:
    """No token or an app token is 400/2500 invalid_request (facts 6.8)."""
    for token in (None, facebook.sandbox.ledger.app_token):
        answer = await facebook.get("/me", token)

        assert error_of(answer) == (400, 2500, None)
        assert '"invalid_request"' in answer.headers["www-authenticate"]


async def test_expansion_nests_edges(facebook: Facebook) -> None:
    """Profile, permissions and Pages in one call, with their own data and paging (facts 6.6)."""
    fields = (
        "id,name,permissions{permission,status},"
        "accounts.limit(2){id,instagram_business_account{id,username}}"
    )
    body = (await facebook.get("/me", await facebook.token(), fields=fields)).json()

    assert list(body) == ["id", "name", "permissions", "accounts"]
    assert body["permissions"]["data"][0] == {"permission": "public_profile", "status": "granted"}
    assert body["accounts"]["data"][0] == {
        "id": PAGE,
        "instagram_business_account": {"id": INSTAGRAM, "username": "invented.bakery"},
    }
    following = urlsplit(body["accounts"]["paging"]["next"])
    assert following.path == "/v26.0/10200000000000001/accounts"
    assert parse_qs(following.query)["fields"] == ["id,instagram_business_account{id,username}"]


async def test_a_login_in_one_call(facebook: Facebook) -> None:
    """Profile, permissions and the first hundred Pages: keys, nesting, cursors and `next` (6.6)."""
    fields = (
        "id,name,picture{url},permissions{permission,status},"
        "accounts.limit(100){id,name,tasks,instagram_business_account{id,username}}"
    )
    body = (await facebook.get("/me", await facebook.token("fay"), fields=fields)).json()
    accounts = body["accounts"]
    following = urlsplit(accounts["paging"]["next"])

    assert list(body) == ["id", "name", "picture", "permissions", "accounts"]
    assert list(body["picture"]["data"]) == ["url"]
    assert list(body["permissions"]) == ["data"]
    assert len(accounts["data"]) == 100
    assert list(accounts["data"][0]) == ["id", "name", "tasks", "instagram_business_account"]
    assert accounts["paging"]["cursors"].keys() == {"before", "after"}
    assert following.path == "/v26.0/10200000000000006/accounts"
    assert parse_qs(following.query)["limit"] == ["100"]
    assert parse_qs(following.query)["after"] == [accounts["paging"]["cursors"]["after"]]


async def test_an_empty_nested_edge_is_omitted(facebook: Facebook) -> None:
    """As all that is empty; asked as an edge, the same list is there and empty (0.8, 7.4)."""
    token = await facebook.token("ben")
    nested = await facebook.get("/me", token, fields="id,accounts{id}")
    edge = await facebook.get("/me/accounts", token, fields="id")

    assert nested.json() == {"id": "10200000000000002"}
    assert edge.json() == {"data": []}


async def test_a_forbidden_expansion_kills_all(facebook: Facebook) -> None:
    """One forbidden edge kills the call, not only its branch (facts 6.6)."""
    token = await facebook.token(scope="pages_show_list")
    answer = await facebook.get("/me", token, fields="id,businesses{id}")

    assert error_of(answer) == (403, 200, None)


async def test_the_numeric_id_is_me(facebook: Facebook) -> None:
    """The person's own id works as `me` (facts 6.4)."""
    answer = await facebook.get("/10200000000000001", await facebook.token())

    assert answer.json()["name"] == "Ada Invented"


async def test_somebody_else_is_not_visible(facebook: Facebook) -> None:
    """100/33 (facts 8.7)."""
    answer = await facebook.get("/10200000000000002", await facebook.token())

    assert error_of(answer) == (400, 100, 33)


async def test_the_picture_edge_redirects(facebook: Facebook) -> None:
    """302 to the picture unless redirect=0 (facts 6.4)."""
    token = await facebook.token()
    moved = await facebook.get("/me/picture", token)
    data = await facebook.get(f"/{PAGE}/picture", token, redirect="0", type="large")

    assert moved.status_code == 302
    assert (await facebook.http.get(moved.headers["location"])).status_code == 200
    assert data.json()["data"]["width"] == 200


# --- fields parser, facts 6.6 ---


@pytest.mark.parametrize(
    "text",
    [
        "id",
        "id,name",
        "accounts.limit(100){id,picture.width(200).height(100){url}},name",
        "a{b{c{d}}}",
    ],
)
def test_fields_survive_parsing(text: str) -> None:
    """What is parsed can be written again, as paging.next needs it (facts 6.6)."""
    assert unparse(parse_fields(text)) == text


def test_spaces_in_fields_are_tolerated() -> None:
    """A space after a comma is no error."""
    assert parse_fields(" id , name { first } ") == (
        Selection("id"),
        Selection("name", {}, (Selection("first"),)),
    )


@pytest.mark.parametrize(
    "text", [",", "id,", "id,,name", "a{", "a{b", "a}", "a b", "a" + "{a" * 40]
)
def test_fields_that_cant_be_read(text: str) -> None:
    """2500, a syntax error (facts 10.2)."""
    with pytest.raises(Refused) as caught:
        parse_fields(text)

    assert caught.value.error.code == 2500


async def test_an_alias_names_the_key(facebook: Facebook) -> None:
    """`.as(…)` renames a key in the answer (facts 6.6)."""
    answer = await facebook.get("/me", await facebook.token(), fields="name.as(called)")

    assert answer.json()["called"] == "Ada Invented"


# --- /me/accounts, facts 7 ---


async def test_default_fields_of_pages(facebook: Facebook) -> None:
    """No instagram_business_account unless asked; bare it has only an id (facts 7.2)."""
    token = await facebook.token()
    default = (await facebook.get("/me/accounts", token)).json()["data"][0]
    bare = (await facebook.get("/me/accounts", token, fields="instagram_business_account")).json()

    assert list(default) == ["access_token", "category", "category_list", "name", "id", "tasks"]
    assert bare["data"][0] == {"instagram_business_account": {"id": INSTAGRAM}, "id": PAGE}


async def test_a_page_without_instagram_has_no_key(facebook: Facebook) -> None:
    """Absent, not null (facts 7.7, trap 22)."""
    fields = "id,instagram_business_account{id}"
    body = (await facebook.get("/me/accounts", await facebook.token(), fields=fields)).json()

    assert body["data"][2] == {"id": "100001000000003"}


async def test_an_instagram_account_that_was_not_ticked(facebook: Facebook) -> None:
    """Its key is absent from the Page, and its node isn't visible (facts 7.7, 8.7)."""
    token = await facebook.token(instagram_accounts=["17841401000000002"])
    fields = "instagram_business_account{id}"
    body = (await facebook.get("/me/accounts", token, fields=fields)).json()

    assert [INSTAGRAM in str(page) for page in body["data"]] == [False] * 4
    assert error_of(await facebook.get(f"/{INSTAGRAM}", token)) == (400, 100, 33)


async def test_a_page_that_was_not_ticked(facebook: Facebook) -> None:
    """It is missing from the list, though the permission is granted (trap 7)."""
    token = await facebook.token(pages=[PAGE])
    body = (await facebook.get("/me/accounts", token, fields="id")).json()
    permissions = (await facebook.get("/me/permissions", token)).json()["data"]

    assert body["data"] == [{"id": PAGE}]
    assert {"permission": "pages_show_list", "status": "granted"} in permissions


async def test_without_pages_show_list_the_list_is_empty(facebook: Facebook) -> None:
    """HTTP 200 with an empty list, and no paging (facts 7.9, 7.4)."""
    token = await facebook.token(declined=["pages_show_list"])

    assert (await facebook.get("/me/accounts", token)).json() == {"data": []}


async def walk(facebook: Facebook, token: str, path: str, **params: str) -> list[dict[str, Any]]:
    """Every answer of a list, following paging.next with a fresh proof (facts 5.7)."""
    answers = [(await facebook.get(path, token, **params)).json()]
    while "next" in answers[-1].get("paging", {}):
        url = answers[-1]["paging"]["next"]
        answer = await facebook.http.get(f"{url}&appsecret_proof={facebook.proof(token)}")
        assert answer.status_code == 200, answer.text
        answers.append(answer.json())
    return answers


async def test_twenty_five_by_default(facebook: Facebook) -> None:
    """250 Pages are ten answers of 25, in order, each once (facts 7.4, trap 18)."""
    answers = await walk(facebook, await facebook.token("fay"), "/me/accounts", fields="id")
    ids = [page["id"] for answer in answers for page in answer["data"]]

    assert [len(answer["data"]) for answer in answers] == [25] * 10
    assert ids == list(facebook.sandbox.world.person("fay").pages)


async def test_next_is_a_complete_address(facebook: Facebook) -> None:
    """Numeric id instead of `me`, the token in clear, no proof (facts 7.4, 5.7, trap 20)."""
    token = await facebook.token("fay")
    body = (await facebook.get("/me/accounts", token, fields="id,name", limit="100")).json()
    address = urlsplit(body["paging"]["next"])

    assert body["paging"]["next"].startswith("http://localhost:9000/v26.0/10200000000000006/")
    assert parse_qs(address.query) == {
        "access_token": [token],
        "fields": ["id,name"],
        "limit": ["100"],
        "after": [body["paging"]["cursors"]["after"]],
    }


async def test_next_repeats_the_host_that_was_asked(facebook: Facebook) -> None:
    """Asked at graph.facebook.com, the next address is there as well (facts 7.4)."""
    token = await facebook.token("fay")
    params = {"access_token": token, "appsecret_proof": facebook.proof(token)}
    url = "https://graph.facebook.com/v26.0/me/accounts"
    body = (await facebook.http.get(url, params=params)).json()

    assert body["paging"]["next"].startswith("https://graph.facebook.com/v26.0/1020")


async def test_the_last_page_has_cursors_but_no_next(facebook: Facebook) -> None:
    """Loop on `next`, not on the cursor (facts 7.4, trap 19)."""
    paging = (await facebook.get("/me/accounts", await facebook.token())).json()["paging"]

    assert paging.keys() == {"cursors"}
    assert paging["cursors"].keys() == {"before", "after"}


async def test_previous_leads_back(facebook: Facebook) -> None:
    """paging.previous and `before` (facts 7.4)."""
    token = await facebook.token("fay")
    first, second = (await walk(facebook, token, "/me/accounts", fields="id", limit="100"))[:2]
    url = f"{second['paging']['previous']}&appsecret_proof={facebook.proof(token)}"
    back = (await facebook.http.get(url)).json()

    assert "previous" not in first["paging"]
    assert back["data"] == first["data"]


async def test_a_summary_on_request(facebook: Facebook) -> None:
    """summary=total_count (facts 7.4)."""
    body = (await facebook.get("/me/accounts", await facebook.token("fay"), summary="1")).json()

    assert body["summary"] == {"total_count": 250}


@pytest.mark.parametrize("cursor", ["wat", "QVFIUüü", "", "QVFIUZm9v", "====="])
async def test_a_bad_cursor(facebook: Facebook, cursor: str) -> None:
    """Code 100 with a text on the cursor: restart (facts 7.5)."""
    answer = await facebook.get("/me/accounts", await facebook.token(), after=cursor)

    assert error_of(answer) == (400, 100, None)
    assert "cursor" in answer.json()["error"]["message"]


async def test_too_large_a_limit(facebook: Facebook) -> None:
    """HTTP 500 code 1 'reduce the amount of data'; the bound can be lowered (6.7, 7.5)."""
    token = await facebook.token("fay")
    large = await facebook.get("/me/accounts", token, limit="501")
    facebook.sandbox.world.largest_limit = 50
    nested = await facebook.get("/me", token, fields="accounts.limit(100){id}")
    halved = await facebook.get("/me/accounts", token, limit="50")

    assert error_of(large) == error_of(nested) == (500, 1, None)
    assert "Please reduce the amount of data" in large.json()["error"]["message"]
    assert len(halved.json()["data"]) == 50


async def test_short_and_empty_pages_have_a_next(facebook: Facebook) -> None:
    """Only the absence of `next` ends a list (facts 7.4)."""
    token = await facebook.token("nia")
    answers = await walk(facebook, token, "/me/accounts", fields="id", limit="100")

    assert [len(answer["data"]) for answer in answers] == [2, 0, 1, 0, 0, 3, 3]


# --- portfolios, facts 7.6 ---


async def test_portfolio_pages_vanish_without_business_management(facebook: Facebook) -> None:
    """HTTP 200 with fewer entries (facts 7.6, trap 21)."""
    token = await facebook.token("dora", declined=["business_management"])
    few = (await facebook.get("/me/accounts", token, fields="name")).json()["data"]
    token = await facebook.token("dora")
    more = (await facebook.get("/me/accounts", token, fields="name")).json()["data"]

    assert [page["name"] for page in few] == ["Outside the portfolio"]
    assert [page["name"] for page in more] == ["Outside the portfolio", "In the portfolio"]


async def test_granular_ids_open_portfolio_pages(facebook: Facebook) -> None:
    """Work-around A: the Page can be read by its id without business_management (facts 7.6)."""
    token = await facebook.token("dora", declined=["business_management"])
    fields = "name,access_token,instagram_business_account{username}"
    body = (await facebook.get("/100004000000002", token, fields=fields)).json()

    assert body.keys() == {"name", "access_token", "instagram_business_account", "id"}


async def test_businesses_and_their_pages(facebook: Facebook) -> None:
    """Work-around B: union over owned_pages and client_pages (facts 7.6)."""
    token = await facebook.token("dora")
    (business,) = (await facebook.get("/me/businesses", token)).json()["data"]
    path = f"/{business['id']}"
    fields = "id,name,access_token,instagram_business_account{id}"
    owned = (await facebook.get(f"{path}/owned_pages", token, fields=fields)).json()["data"]
    client = (await facebook.get(f"{path}/client_pages", token, fields=fields)).json()["data"]

    assert business == {"id": "2000004000000001", "name": "Dora's Invented Group"}
    assert [page["name"] for page in owned] == [
        "In the portfolio",
        "Owned by the portfolio",
        "Not granted to Dora",
    ]
    assert [page["name"] for page in client] == ["Client of the portfolio"]
    assert owned[2].keys() == {"id", "name"}


async def test_businesses_need_their_permission(facebook: Facebook) -> None:
    """403 code 200 (facts 7.6); a portfolio's edges aren't visible either."""
    token = await facebook.token("dora", declined=["business_management"])
    answer = await facebook.get("/me/businesses", token)
    pages = await facebook.get("/2000004000000001/owned_pages", token)

    assert error_of(answer) == (403, 200, None)
    assert '"insufficient_scope"' in answer.headers["www-authenticate"]
    assert error_of(pages) == (400, 100, 33)


async def test_business_fields_on_request(facebook: Facebook) -> None:
    """Times have no colon in the offset (facts 0.7, 7.6)."""
    token = await facebook.token("dora")
    fields = "id,verification_status,created_time,owned_pages.limit(1){id}"
    body = (await facebook.get("/2000004000000001", token, fields=fields)).json()

    assert body["created_time"] == "2018-01-04T07:12:08+0000"
    assert body["verification_status"] == "verified"
    assert len(body["owned_pages"]["data"]) == 1


# --- Page nodes, facts 7.8, 7.9 ---


async def test_tasks_exist_in_the_list_of_pages_alone(facebook: Facebook) -> None:
    """Asked of a Page by its id, alone or in a batch, or in a portfolio, the call fails (7.2a)."""
    token = await facebook.token("dora")
    listed = await facebook.get("/me/accounts", token, fields="id,tasks")
    node = await facebook.get("/100004000000001", token, fields="id,tasks")
    owned = await facebook.get("/2000004000000001/owned_pages", token, fields="tasks")
    part = {"method": "GET", "relative_url": "100004000000001?fields=tasks"}
    (answered,) = (await facebook.batch(token, [part])).json()

    assert "MANAGE" in listed.json()["data"][0]["tasks"]
    assert error_of(node) == error_of(owned) == (400, 100, None)
    assert node.json()["error"]["message"] == (
        "(#100) Tried accessing nonexisting field (tasks) on node type (Page)"
    )
    assert answered["code"] == 400


async def test_without_fields_a_page_tells_its_name(facebook: Facebook) -> None:
    """The many default fields belong to /me/accounts (facts 7.2)."""
    answer = await facebook.get(f"/{PAGE}", await facebook.token())

    assert answer.json() == {"name": "Invented Bakery", "id": PAGE}


@pytest.mark.parametrize(("code", "expected"), [(100, (400, 100, None)), (10, (403, 10, None))])
async def test_one_node_refuses_a_field_wherever_it_is_shown(
    facebook: Facebook, code: int, expected: tuple[int, int, None]
) -> None:
    """By its id, nested, and in a list, for this person alone; without the field all is well."""
    token, other = await facebook.token(), await facebook.token("cleo")
    body = {"node_id": INSTAGRAM, "field": "username", "code": code}
    refused = await facebook.http.post("/_control/people/ada/refuse_field", json=body)
    nested = "id,instagram_business_account{id,username}"
    struck = [
        await facebook.get(f"/{INSTAGRAM}", token, fields="username"),
        await facebook.get(f"/{PAGE}", token, fields=nested),
        await facebook.get("/me/accounts", token, fields=nested),
        await facebook.get("/me", token, fields=f"id,accounts{{{nested}}}"),
    ]
    spared = [
        await facebook.get(f"/{INSTAGRAM}", token, fields="name"),
        await facebook.get("/17841401000000002", token, fields="username"),
        await facebook.get("/me/accounts", other, fields=nested),
    ]
    await facebook.http.post("/_control/people/ada/allow_fields", json={"node_id": INSTAGRAM})
    after = await facebook.get("/me/accounts", token, fields=nested)

    assert refused.status_code == 200, refused.text
    assert [error_of(answer) for answer in struck] == [expected] * 4
    assert [answer.status_code for answer in (*spared, after)] == [200] * 4


async def test_page_tokens_are_the_same_each_time(facebook: Facebook) -> None:
    """Specific to Page, person and app (facts 3.6, 7.8)."""
    token = await facebook.token()
    listed = (await facebook.get("/me/accounts", token, fields="access_token")).json()["data"]
    single = (await facebook.get(f"/{PAGE}", token, fields="access_token")).json()

    assert listed[0] == single
    assert len({page["access_token"] for page in listed}) == 4


async def test_a_page_may_give_no_token(facebook: Facebook) -> None:
    """The key is absent in that entry, the others are fine (facts 7.8)."""
    facebook.sandbox.world.person("ada").change_page(PAGE, gives_token=False)
    body = (
        await facebook.get("/me/accounts", await facebook.token(), fields="access_token")
    ).json()

    assert [sorted(page) for page in body["data"]] == [["id"], *[["access_token", "id"]] * 3]


async def test_impersonation_without_permission(facebook: Facebook) -> None:
    """190 without a subcode that is a permission problem (facts 7.9, trap 30)."""
    token = await facebook.token(declined=["pages_show_list", "pages_read_engagement"])
    asking = await facebook.get(f"/{PAGE}", token, fields="access_token")
    plain = await facebook.get(f"/{PAGE}", token, fields="name")

    assert error_of(asking) == (400, 190, None)
    assert "before impersonating a user's page" in asking.json()["error"]["message"]
    assert error_of(plain) == (400, 100, None)


async def test_somebody_elses_page(facebook: Facebook) -> None:
    """Code 100 with the text on pages_read_engagement (facts 7.9)."""
    facebook.sandbox.world.person("cleo")
    answer = await facebook.get("/100003000000001", await facebook.token())

    assert error_of(answer) == (400, 100, None)
    assert "Page Public Content Access" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("100010000000002", (400, 415, 1404120)),
        ("100010000000003", (400, 368, 4854002)),
        ("100010000000005", (400, 21, None)),
        ("17841410000000004", (400, 100, 2207050)),
    ],
)
async def test_jos_troubles(
    facebook: Facebook, page: str, expected: tuple[int, int | None, int | None]
) -> None:
    """Two-factor, checkpoint, migrated Page, restricted account (facts 7.9, 8.7)."""
    assert error_of(await facebook.get(f"/{page}", await facebook.token("jo"))) == expected


async def test_a_migrated_page_is_found_under_its_new_id(facebook: Facebook) -> None:
    """Code 21 names it, and it can be read (facts 7.9)."""
    token = await facebook.token("jo")
    message = (await facebook.get("/100010000000005", token)).json()["error"]["message"]
    new = message.partition("to page ID ")[2].partition(".")[0]
    answer = await facebook.get(f"/{new}", token, fields="instagram_business_account{username}")

    assert answer.json()["instagram_business_account"]["username"] == "jo.moved"


# --- Instagram accounts, facts 8 ---


async def test_an_instagram_node(facebook: Facebook) -> None:
    """Every field of facts 8.1; numbers are integers (facts 8.4)."""
    fields = (
        "id,username,name,profile_picture_url,biography,website,"
        "followers_count,follows_count,media_count"
    )
    body = (await facebook.get(f"/{INSTAGRAM}", await facebook.token(), fields=fields)).json()

    assert list(body) == fields.split(",")
    assert body["followers_count"] == 1204


async def test_empty_instagram_fields_are_omitted(facebook: Facebook) -> None:
    """name and profile_picture_url may be absent (facts 8.4, trap 23)."""
    fields = "id,username,name,profile_picture_url,has_profile_pic,followers_count,media_count"
    body = (await facebook.get("/17841401000000003", await facebook.token(), fields=fields)).json()

    assert body == {
        "id": "17841401000000003",
        "username": "ada.quiet",
        "has_profile_pic": False,
        "followers_count": 3,
        "media_count": 0,
    }


async def test_without_fields_only_the_id(facebook: Facebook) -> None:
    """Facts 8.2."""
    answer = await facebook.get(f"/{INSTAGRAM}", await facebook.token())

    assert answer.json() == {"id": INSTAGRAM}


async def test_a_page_token_reads_its_own_account_only(facebook: Facebook) -> None:
    """The token of the linked Page does, another Page's doesn't (facts 8.3)."""
    token = await facebook.token()
    listed = (await facebook.get("/me/accounts", token, fields="access_token")).json()["data"]
    own = await facebook.get(f"/{INSTAGRAM}", listed[0]["access_token"], fields="username")
    other = await facebook.get(f"/{INSTAGRAM}", listed[1]["access_token"])

    assert own.json()["username"] == "invented.bakery"
    assert error_of(other) == (400, 100, 33)


@pytest.mark.parametrize("declined", ["instagram_basic", "pages_read_engagement"])
async def test_instagram_needs_two_permissions(facebook: Facebook, declined: str) -> None:
    """Code 10 with HTTP 403 (facts 8.3, 8.7)."""
    token = await facebook.token(declined=[declined])

    assert error_of(await facebook.get(f"/{INSTAGRAM}", token)) == (403, 10, None)


async def test_an_account_turned_personal(facebook: Facebook) -> None:
    """Oli's key vanishes from the Page, a direct read is 100/33 (facts 8.8, trap 41)."""
    token = await facebook.token("oli")
    fields = "id,instagram_business_account,connected_instagram_account"
    body = (await facebook.get("/me/accounts", token, fields=fields)).json()
    granular = (await facebook.debug(token))["granular_scopes"]

    assert body["data"] == [
        {"id": "100015000000001", "connected_instagram_account": {"id": "17841415000000001"}}
    ]
    assert "17841415000000001" in str(granular)
    assert error_of(await facebook.get("/17841415000000001", token)) == (400, 100, 33)


# --- permissions, facts 9 ---


async def test_permissions_list_what_was_asked(facebook: Facebook) -> None:
    """Granted, declined and expired; what was never asked isn't listed; unpaged (facts 9.1)."""
    token = await facebook.token(scope="email,pages_show_list", declined=["email"])
    await facebook.http.post(
        "/_control/people/ada/expire_permission", json={"permission": "pages_show_list"}
    )
    body = (await facebook.get("/me/permissions", token)).json()
    declined = (await facebook.get("/me/permissions", token, status="declined")).json()

    assert body == {
        "data": [
            {"permission": "public_profile", "status": "granted"},
            {"permission": "email", "status": "declined"},
            {"permission": "pages_show_list", "status": "expired"},
        ]
    }
    assert declined["data"] == [{"permission": "email", "status": "declined"}]


@pytest.mark.parametrize("path", ["/me/permissions", "/10200000000000001/permissions"])
async def test_revoking_the_app(facebook: Facebook, path: str) -> None:
    """`{"success":true}`, then 190/458 (facts 9.2)."""
    token = await facebook.token()
    answer = await facebook.get(path, token, method="DELETE")

    assert answer.json() == {"success": True}
    assert error_of(await facebook.get("/me", token)) == (400, 190, 458)
    assert error_of(await facebook.get(path, token, method="DELETE")) == (400, 190, 458)


async def test_revoking_with_the_app_token(facebook: Facebook) -> None:
    """The numeric id and the app token, even when the person's token is dead (facts 9.4)."""
    await facebook.token()
    await facebook.http.post("/_control/people/ada/change_password")
    app_token = facebook.sandbox.ledger.app_token
    path = "/10200000000000001/permissions"
    first = await facebook.get(path, app_token, method="DELETE")
    second = await facebook.get(path, app_token, method="DELETE")
    nobody = await facebook.get("/10200000000000999/permissions", app_token, method="DELETE")

    assert first.json() == {"success": True}
    assert error_of(second) == error_of(nobody) == (400, 100, None)


async def test_revoking_one_permission(facebook: Facebook) -> None:
    """Only that one, which is then declined (facts 9.3)."""
    token = await facebook.token()
    answer = await facebook.get("/me/permissions/instagram_basic", token, method="DELETE")
    grant = facebook.sandbox.world.person("ada").grant

    assert answer.json() == {"success": True}
    assert grant is not None
    assert grant.names("declined") == ["instagram_basic"]


async def test_delete_by_post(facebook: Facebook) -> None:
    """POST with method=delete is tolerated (facts 9.3)."""
    token = await facebook.token()
    form = {"method": "delete", "access_token": token, "appsecret_proof": facebook.proof(token)}
    answer = await facebook.http.post("/v26.0/me/permissions", data=form)

    assert answer.json() == {"success": True}


async def test_nobody_revokes_for_somebody_else(facebook: Facebook) -> None:
    """A person's token works for that person alone (facts 9.2)."""
    await facebook.token("ben")
    token = await facebook.token("ada")
    path = "/10200000000000002/permissions"

    assert error_of(await facebook.get(path, token, method="DELETE")) == (400, 100, 33)
    assert facebook.sandbox.world.person("ben").grant is not None


# --- pictures, facts 8.5 ---


async def test_picture_links_die_after_days(facebook: Facebook, clock: TestClock) -> None:
    """`oe` is hex unix seconds; afterwards 403 'URL signature expired' (facts 8.5, trap 26)."""
    fields = "profile_picture_url"
    token = await facebook.token()
    body = (await facebook.get(f"/{INSTAGRAM}", token, fields=fields)).json()
    url = body["profile_picture_url"]
    ends = int(parse_qs(urlsplit(url).query)["oe"][0], 16)
    alive = await facebook.http.get(url)
    clock.advance(ends - facebook.sandbox.clock.unix())
    dead = await facebook.http.get(url)

    assert alive.headers["content-type"] == "image/svg+xml"
    assert alive.headers["cross-origin-resource-policy"] == "cross-origin"
    assert alive.content.startswith(b"<svg")
    assert (dead.status_code, dead.text) == (403, "URL signature expired")


async def test_a_changed_picture_link_is_broken(facebook: Facebook) -> None:
    """Any change to the query breaks it (facts 8.5)."""
    url = facebook.sandbox.config.pictures
    answers = [
        await facebook.http.get(f"{url}/_pictures/{name}.svg?oh=00&oe={ends}")
        for name, ends in (("1", "6B0A1980"), ("1", "zz"), ("../x", "6B0A1980"))
    ]

    assert [answer.status_code for answer in answers] == [403, 403, 404]


async def test_picture_links_are_steady_for_a_day(facebook: Facebook, clock: TestClock) -> None:
    """The same link comes again, so that a listing's ETag can hold."""
    token = await facebook.token()
    first = await facebook.get(f"/{INSTAGRAM}", token, fields="profile_picture_url")
    clock.advance(3600)
    second = await facebook.get(f"/{INSTAGRAM}", token, fields="profile_picture_url")

    assert first.json() == second.json()


async def test_a_page_token_reads_its_page_by_id(facebook: Facebook) -> None:
    """With a Page token `me` and the Page's id are the same node (facts 6.8)."""
    token = await facebook.token()
    listed = (await facebook.get("/me/accounts", token, fields="access_token")).json()["data"]
    answer = await facebook.get(f"/{PAGE}", listed[0]["access_token"], fields="name")

    assert answer.json() == {"name": "Invented Bakery", "id": PAGE}


async def test_pages_name_their_portfolio(facebook: Facebook) -> None:
    """owner_business, and the portfolio's own link, which stays offline (facts 7.2, 7.6)."""
    token = await facebook.token("dora")
    page = await facebook.get("/100004000000002", token, fields="owner_business")
    business = await facebook.get("/2000004000000001", token, fields="link")

    assert page.json()["owner_business"] == {
        "id": "2000004000000001",
        "name": "Dora's Invented Group",
    }
    assert business.json()["link"] == "http://localhost:9000/2000004000000001"


async def test_a_limit_that_is_no_number(facebook: Facebook) -> None:
    """Code 100 (facts 10.2)."""
    answer = await facebook.get("/me/accounts", await facebook.token(), limit="many")

    assert error_of(answer) == (400, 100, None)


async def test_edges_that_a_known_node_doesnt_have(facebook: Facebook) -> None:
    """A Page has no accounts: a nonexisting field (facts 6.5)."""
    answer = await facebook.get(f"/{PAGE}/accounts", await facebook.token())

    assert error_of(answer) == (400, 100, None)
    assert "node type (Page)" in answer.json()["error"]["message"]


async def test_what_revoking_refuses(facebook: Facebook) -> None:
    """`me` with the app token has no person; a permission can't be read by its name."""
    app_token = facebook.sandbox.ledger.app_token
    me = await facebook.get("/me/permissions", app_token, method="DELETE")
    read = await facebook.get("/me/permissions/email", await facebook.token())

    assert error_of(me) == (400, 2500, None)
    assert error_of(read) == (400, 100, 33)


async def test_assets_can_be_changed_by_tests(facebook: Facebook) -> None:
    """Fields of Pages and accounts are swapped; fresh ids never collide."""
    ada = facebook.sandbox.world.person("ada")
    ada.change_account(INSTAGRAM, username="renamed")
    del ada.pages[PAGE]
    fresh = ada.add_page("A new one")
    token = await facebook.token()

    assert fresh.id not in ("100001000000004", PAGE)
    body = (await facebook.get(f"/{INSTAGRAM}", token, fields="username")).json()
    assert body["username"] == "renamed"
    with pytest.raises(KeyError):
        ada.link_instagram(fresh.id, "1")
