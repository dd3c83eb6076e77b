"""One list behind both doors (contract §6, §10)."""

from typing import Any

import pytest

from igauth.sandbox.graph.answers import dead_token
from tests.journeys.test_second_door import connections_of
from tests.stage import Browser, Stage

BAKERY, FLOWERS = "17841401000000001", "17841401000000002"


@pytest.fixture
def stage(two_doors: Stage) -> Stage:
    """Both doors are open here."""
    return two_doors


async def listed(browser: Browser, **query: str) -> dict[str, Any]:
    """The listing, which must be there."""
    answer = await browser.accounts(**query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def by_name(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Entries by user name; each is there once."""
    entries = {each["username"]: each for each in body["data"]}
    assert len(entries) == len(body["data"])
    return entries


async def ids(browser: Browser) -> dict[str, str]:
    """Ids of the connections by what they are to."""
    return {each["name"]: each["id"] for each in await connections_of(browser)}


async def test_one_account_of_this_door(browser: Browser) -> None:
    """In every field; nothing of Pages."""
    await browser.connect("studio")
    (account,) = (await listed(browser))["data"]
    connection = await browser.connection()

    assert account == {
        "id": "17841490000000004",
        "username": "studio.invented",
        "name": "Studio Invented",
        "biography": None,
        "website": None,
        "profile_picture_url": account["profile_picture_url"],
        "picture_url": "http://localhost:8000/me/instagram-accounts/17841490000000004/picture",
        "followers_count": 100,
        "follows_count": 87,
        "media_count": 342,
        "pages": [],
        "account_type": "creator",
        "can_publish": True,
        "connection_ids": [connection["id"]],
    }


async def test_an_account_behind_both_doors_is_one_entry(browser: Browser) -> None:
    """Joined on `user_id`, with both `connection_ids`, Facebook's first, and the Pages."""
    await browser.log_in("ada")
    await browser.connect("bakery")
    await browser.connect("studio")
    body = await listed(browser)
    names, known = by_name(body), await ids(browser)

    assert set(names) == {"ada.quiet", "invented.bakery", "invented_flowers", "studio.invented"}
    facebook, bakery, studio = (
        known["Ada Invented"],
        known["Invented Bakery"],
        known["Studio Invented"],
    )
    assert names["invented.bakery"]["connection_ids"] == [facebook, bakery]
    assert names["invented_flowers"]["connection_ids"] == [facebook]
    assert names["studio.invented"]["connection_ids"] == [studio]
    assert names["invented.bakery"]["account_type"] == "business"
    assert names["invented.bakery"]["biography"] == "Invented Bakery, est. 2010"
    assert [page["name"] for page in names["invented.bakery"]["pages"]] == ["Invented Bakery"]
    assert [each["username"] for each in body["data"]] == sorted(names)
    assert body["meta"]["complete"] is True


async def test_meta_names_every_connection_facebook_first(stage: Stage, browser: Browser) -> None:
    """All of the person's, in one order: Facebook's, then the older ones."""
    await browser.connect("studio")
    stage.clock.advance(seconds=1)
    await browser.log_in("ada", link="true")
    await browser.connect("bakery")
    known = await ids(browser)
    meta = (await listed(browser))["meta"]

    assert [each["provider"] for each in meta["connections"]] == [
        "facebook",
        "instagram",
        "instagram",
    ]
    assert [each["id"] for each in meta["connections"]] == [
        known["Ada Invented"],
        known["Studio Invented"],
        known["Invented Bakery"],
    ]


async def test_three_accounts_here_and_pages_there(stage: Stage, browser: Browser) -> None:
    """One list of the right length; each account opens with the right token."""
    await browser.log_in("cleo")
    for account in ("ceramics", "studio", "market"):
        await browser.connect(account)
    names = by_name(await listed(browser))
    stage.sandbox.calls.clear()
    again = by_name(await listed(browser, refresh="true"))

    assert set(names) == {"cleo.ceramics", "studio.invented", "night.market"}
    assert again.keys() == names.keys()
    asked = [call.person for call in stage.sandbox.calls.of("instagram_me")]
    assert sorted(filter(None, asked)) == ["ceramics", "market", "studio"]
    for each in again.values():
        assert (await browser.get(f"/me/instagram-accounts/{each['id']}")).json() == each


async def test_the_living_connection_comes_first(stage: Stage, browser: Browser) -> None:
    """Active before dead, then Facebook before Instagram."""
    await browser.log_in("ada")
    await browser.connect("bakery")
    await listed(browser)  # what the login began has ended
    known = await ids(browser)
    stage.sandbox.ledger.kill("ada", dead_token(460))
    stage.clock.advance(minutes=10)
    body = await listed(browser)

    bakery = by_name(body)["invented.bakery"]
    assert bakery["connection_ids"] == [known["Invented Bakery"], known["Ada Invented"]]
    statuses = {each["provider"]: each["status"] for each in body["meta"]["connections"]}
    assert statuses == {"facebook": "reconnect_required", "instagram": "active"}


@pytest.mark.parametrize("down", ["facebook", "instagram"])
async def test_a_door_that_is_down_leaves_the_other_fresh(
    stage: Stage, browser: Browser, down: str
) -> None:
    """`refresh=true`: 200, `complete` false, a warning, what the failing one showed stays."""
    await browser.log_in("ada")
    await browser.connect("studio")
    await listed(browser)  # what the login began has ended
    if down == "facebook":
        stage.sandbox.faults.preset("unavailable")
    else:
        stage.sandbox.faults.preset("instagram_down")
    stage.clock.advance(hours=1)
    stage.sandbox.world.person("ada").change_account(BAKERY, followers_count=7)
    stage.sandbox.instagram.accounts["studio"].followers_count = 9
    body = await listed(browser, refresh="true")
    names = by_name(body)

    assert len(names) == 4
    assert body["meta"]["complete"] is False
    assert "facebook_unavailable" in {each["code"] for each in body["meta"]["warnings"]}
    counts = (
        names["invented.bakery"]["followers_count"],
        names["studio.invented"]["followers_count"],
    )
    assert counts == ((1204, 9) if down == "facebook" else (7, 100))


async def test_an_error_only_where_no_connection_answered(stage: Stage, browser: Browser) -> None:
    """`refresh=true` with both doors down is 503; without it the stored list is stale."""
    await browser.log_in("ada")
    await browser.connect("studio")
    await listed(browser)  # what the login began has ended
    stage.sandbox.faults.preset("unavailable")
    stage.sandbox.faults.preset("instagram_down")
    stage.clock.advance(hours=1)
    refreshed = await browser.accounts(refresh="true")
    stored = await listed(browser)

    assert (refreshed.status_code, refreshed.json()["code"]) == (503, "facebook_unavailable")
    assert stored["meta"]["stale"] is True
    assert len(stored["data"]) == 4


async def test_a_declined_permission_is_missing(browser: Browser) -> None:
    """`missing_scopes` from the exchange; `can_publish` false; a warning; nothing is declined."""
    await browser.connect("studio", form={"declined": "instagram_business_content_publish"})
    body, connection = await listed(browser), await browser.connection()

    assert connection["granted_scopes"] == ["instagram_business_basic"]
    assert connection["missing_scopes"] == ["instagram_business_content_publish"]
    assert connection["declined_scopes"] == []
    assert body["data"][0]["can_publish"] is False


async def test_unknown_permissions_are_not_missing_ones(browser: Browser) -> None:
    """No `permissions` in the exchange: none granted, none missing, `can_publish` null."""
    await browser.connect("market")
    body, connection = await listed(browser), await browser.connection()

    assert (connection["granted_scopes"], connection["missing_scopes"]) == ([], [])
    assert body["data"][0]["can_publish"] is None
    assert body["meta"]["warnings"] == []


async def test_a_merged_entry_may_publish_if_any_connection_may(browser: Browser) -> None:
    """Declined at one door, granted at the other."""
    await browser.log_in("ada")
    await browser.connect("bakery", form={"declined": "instagram_business_content_publish"})

    assert by_name(await listed(browser))["invented.bakery"]["can_publish"] is True


async def test_a_dead_connection_lends_no_right_to_publish(stage: Stage, browser: Browser) -> None:
    """Of a merged entry true if any *live* connection may."""
    await browser.log_in("ada", form={"declined": "instagram_content_publish"})
    await browser.connect("bakery")
    await listed(browser)  # what the login began has ended
    assert by_name(await listed(browser))["invented.bakery"]["can_publish"] is True
    await browser.http.post(
        "http://facebook.test:9000/_control/instagram-accounts/bakery/change_password"
    )
    stage.clock.advance(hours=1)

    assert by_name(await listed(browser))["invented.bakery"]["can_publish"] is False


async def test_an_account_that_became_personal_is_explained(stage: Stage, browser: Browser) -> None:
    """A living connection whose account can't be used any more (facts 12.5)."""
    await browser.connect("studio")
    await listed(browser)  # what the login began has ended
    stage.sandbox.instagram.accounts["studio"].kind = "PERSONAL"
    body = await listed(browser, refresh="true")

    assert body["data"] == []
    (reason,) = body["meta"]["not_listed"]
    assert (reason["reason"], reason["instagram_account_id"]) == (
        "instagram_unreachable",
        "17841490000000004",
    )


async def test_a_young_list_asks_nobody(stage: Stage, browser: Browser) -> None:
    """The profile of the login was the listing."""
    await browser.connect("studio")
    stage.sandbox.calls.clear()
    await listed(browser)

    assert stage.graph_calls == []


async def test_the_picture_of_this_doors_account(stage: Stage, browser: Browser) -> None:
    """302 to the link that Instagram gave."""
    await browser.connect("studio")
    answer = await browser.get("/me/instagram-accounts/17841490000000004/picture")

    assert answer.status_code == 302
    assert answer.headers["location"].startswith(
        "http://facebook.test:9000/instagram/_pictures/17841490000000004"
    )


async def test_the_tag_changes_with_a_connection(browser: Browser) -> None:
    """A second account, another ETag."""
    await browser.log_in("ada")
    before = (await browser.accounts()).headers["etag"]
    await browser.connect("studio")
    after = await browser.accounts()

    assert after.headers["etag"] != before
    same = await browser.get("/me/instagram-accounts", if_none_match=after.headers["etag"])
    assert same.status_code == 304
