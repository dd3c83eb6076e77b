"""The cast: each person shows the situation that their sentence promises (facts 17.7)."""

from typing import Any

import pytest

from igauth.sandbox.app import Sandbox
from igauth.sandbox.world.cast import CAST
from igauth.sandbox.world.world import UnknownPerson
from tests.sandbox.facebook import Facebook, error_of

FIELDS = "id,name,access_token,instagram_business_account{id,username,name}"


async def pages_of(facebook: Facebook, person: str, **params: str) -> list[Any]:
    """The first page of /me/accounts, after a fresh consent."""
    token = await facebook.token(person)
    answer = await facebook.get("/me/accounts", token, fields=FIELDS, **params)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["data"]
    return found


def instagram_ids(pages: list[Any]) -> list[str | None]:
    """The Instagram id of each Page, None without."""
    return [page.get("instagram_business_account", {}).get("id") for page in pages]


def test_ids_are_stable_and_distinct(sandbox: Sandbox) -> None:
    """Strings of digits in Facebook's lengths, some beyond 2^53 (facts 0.4, trap 27)."""
    seen: set[str] = set()
    for member in CAST:
        person = sandbox.world.person(member.key)
        ids = [person.id, *person.pages, *person.accounts, *person.businesses]

        assert all(found.isdigit() for found in ids)
        assert not seen.intersection(ids)
        seen.update(ids)
        assert member.summary.endswith(".")
    assert {len(found) for found in seen} == {15, 16, 17}


async def test_ada_has_several(facebook: Facebook) -> None:
    """Four Pages, three Instagram accounts; one of them modest."""
    assert instagram_ids(await pages_of(facebook, "ada")) == [
        "17841401000000001",
        "17841401000000002",
        None,
        "17841401000000003",
    ]


async def test_ben_has_nothing(facebook: Facebook) -> None:
    """An empty list without paging (facts 7.4)."""
    assert await pages_of(facebook, "ben") == []


async def test_cleo_has_one_of_each(facebook: Facebook) -> None:
    """A Page with and a Page without Instagram (facts 7.7)."""
    assert instagram_ids(await pages_of(facebook, "cleo")) == ["17841403000000001", None]


async def test_dora_has_a_page_that_was_not_granted(facebook: Facebook) -> None:
    """Shown by the portfolio alone, without token, in no granular scope (contract 6)."""
    token = await facebook.token("dora")
    granular = str((await facebook.debug(token))["granular_scopes"])
    path = "/2000004000000001/owned_pages"
    owned = (await facebook.get(path, token, fields=FIELDS)).json()["data"]

    assert owned[2] == {"id": "100004000000005", "name": "Not granted to Dora"}
    assert "100004000000005" not in granular
    assert "17841404000000005" not in granular


async def test_emil_granted_an_account_without_its_page(facebook: Facebook) -> None:
    """No Page in the list; the Instagram id in the granular scopes can be read (7.6 C)."""
    token = await facebook.token("emil")
    granular = {
        scope["scope"]: scope.get("target_ids")
        for scope in (await facebook.debug(token))["granular_scopes"]
    }
    account = await facebook.get("/17841405000000001", token, fields="username")

    assert (await facebook.get("/me/accounts", token)).json()["data"] == []
    assert granular["pages_show_list"] == []
    assert granular["instagram_basic"] == ["17841405000000001"]
    assert account.json()["username"] == "emil.alone"
    assert error_of(await facebook.get("/100005000000001", token)) == (400, 100, None)


async def test_gus_reaches_one_account_by_two_pages(facebook: Facebook) -> None:
    """Dedupe on the Instagram id (trap 25)."""
    assert instagram_ids(await pages_of(facebook, "gus")) == ["17841407000000001"] * 2


async def test_hana_is_hostile(facebook: Facebook) -> None:
    """Scripts, U+2028, RTL override, joiners, NUL, a lone surrogate, very long, bad links."""
    token = await facebook.token("hana")
    fields = "name,instagram_business_account{username,name,profile_picture_url,website}"
    text = (await facebook.get("/me/accounts", token, fields=fields)).text

    for expected in (
        "<script>",
        "\\u2028",
        "\\u202e",
        "\\u200d",
        "\\u0000",
        "\\ud800",
        "javascript:",
    ):
        assert expected in text
    assert len(text) > 6000


async def test_ivans_token_dies_right_after_the_login(facebook: Facebook) -> None:
    """Each place answers once, so that a login ends well; then 190/460 (facts 10.2)."""
    token = await facebook.token("ivan")
    login = [
        await facebook.get("/me", token, fields="id,name"),
        await facebook.get("/me/accounts", token),
    ]
    data = await facebook.debug(token)
    later = await facebook.get("/me/accounts", token)
    inspected = await facebook.debug(token)

    assert [answer.status_code for answer in login] == [200, 200]
    assert data["is_valid"] is True
    assert error_of(later) == (400, 190, 460)
    assert inspected["error"]["subcode"] == 460


async def test_ivan_can_log_in_again(facebook: Facebook) -> None:
    """A new consent starts anew."""
    for _ in range(2):
        token = await facebook.token("ivan")
        first = await facebook.get("/me", token)
        second = await facebook.get("/me", token)

        assert first.status_code == 200
        assert error_of(second) == (400, 190, 460)


async def test_jo_lists_only_what_works(facebook: Facebook) -> None:
    """Troubled Pages are known from granular scopes alone (facts 7.9)."""
    assert [page["name"] for page in await pages_of(facebook, "jo")] == [
        "Jo works",
        "Page of a restricted account",
    ]


async def test_kim_is_known_from_granular_scopes_only(facebook: Facebook) -> None:
    """1,000 ids, none in the list, each readable (facts 7.6 A)."""
    token = await facebook.token("kim")
    granular = (await facebook.debug(token))["granular_scopes"]
    (ids,) = [scope["target_ids"] for scope in granular if scope["scope"] == "pages_show_list"]
    page = await facebook.get(f"/{ids[-1]}", token, fields=FIELDS)

    assert (await facebook.get("/me/accounts", token)).json() == {"data": []}
    assert len(ids) == 1000
    assert page.json()["instagram_business_account"]["username"] == "kim.shop01000"


async def test_lou_has_ten_thousand(facebook: Facebook) -> None:
    """Walked over cursors, with no ids in the granular scopes (facts 7.4)."""
    token = await facebook.token("lou")
    seen: list[str] = []
    params: dict[str, str] = {}
    while True:
        body = (
            await facebook.get("/me/accounts", token, fields="id", limit="500", **params)
        ).json()
        seen += [page["id"] for page in body["data"]]
        if "next" not in body["paging"]:
            break
        params = {"after": body["paging"]["cursors"]["after"]}

    assert len(set(seen)) == len(seen) == 10_000
    assert "target_ids" not in (await facebook.debug(token))["granular_scopes"][0]


async def test_max_mixes_malformed_entries_in(facebook: Facebook) -> None:
    """Numbers, null, texts, missing ids among good entries, in every list."""
    token = await facebook.token("max")
    pages = (await facebook.get("/me/accounts", token, fields=FIELDS)).json()["data"]
    permissions = (await facebook.get("/me/permissions", token)).json()["data"]
    businesses = (await facebook.get("/me/businesses", token)).json()["data"]
    granular = (await facebook.debug(token))["granular_scopes"]

    assert pages[0]["name"] == "The good entry"
    assert [type(page).__name__ for page in pages[1:6]] == [
        "int",
        "NoneType",
        "str",
        "list",
        "dict",
    ]
    assert None in permissions
    assert None in businesses
    assert None in granular


async def test_pia_has_what_is_hers_alone(facebook: Facebook) -> None:
    """A Page's own 190, a field that one account refuses, a portfolio that refuses her edges."""
    token = await facebook.token("pia")
    listed = await facebook.get("/me/accounts", token, fields=FIELDS)
    own = await facebook.get("/100016000000003", token, fields="name")
    picture = await facebook.get("/17841416000000002", token, fields="profile_picture_url")
    without = await facebook.get("/17841416000000002", token, fields="username")
    (portfolio,) = (await facebook.get("/me/businesses", token)).json()["data"]
    edges = [
        await facebook.get(f"/{portfolio['id']}/{edge}", token)
        for edge in ("owned_pages", "client_pages")
    ]

    assert instagram_ids(listed.json()["data"]) == ["17841416000000001"]
    assert error_of(own) == (400, 190, 2069032)
    assert error_of(picture) == (400, 100, None)
    assert without.json()["username"] == "pia.shy"
    assert [error_of(edge) for edge in edges] == [(403, 200, None)] * 2
    assert (await facebook.debug(token))["is_valid"] is True


def test_people_are_built_when_first_asked_for(sandbox: Sandbox) -> None:
    """Nobody pays for lou's 10,000 Pages who doesn't need them."""
    assert sandbox.world._people == {}
    assert sandbox.world.person("ada") is sandbox.world.person("ada")
    assert list(sandbox.world._people) == ["ada"]


def test_an_unknown_person_is_named(sandbox: Sandbox) -> None:
    """The error says who is missing."""
    with pytest.raises(UnknownPerson, match="zed"):
        sandbox.world.person("zed")


async def test_tests_can_make_people(facebook: Facebook) -> None:
    """Somebody new, with Pages, accounts and portfolios of their own."""
    world = facebook.sandbox.world
    pat = world.add_person("pat", "Pat Own")
    group = pat.add_business("Pat's Group")
    account = pat.add_instagram("pat.own", followers_count=7)
    pat.add_page("Pat's Page", instagram=account, business=group.id)
    pages = await pages_of(facebook, "pat")

    assert instagram_ids(pages) == ["17841417000000001"]
    assert pat.id == "10200000000000017"


async def test_reset_brings_the_original_cast_back(facebook: Facebook) -> None:
    """People made by tests are gone, changes undone."""
    facebook.sandbox.world.add_person("pat", "Pat Own")
    facebook.sandbox.world.person("cleo").pages.clear()
    facebook.sandbox.reset()

    assert not facebook.sandbox.world.known("pat")
    assert len(facebook.sandbox.world.person("cleo").pages) == 2
