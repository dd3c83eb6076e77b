"""From a login to the exact listing: each situation of a person, each fault of Facebook (§6)."""

import asyncio
from typing import Any

import httpx
import pytest

from igauth.bootstrap import Wiring
from igauth.meta.calls import Budgets
from tests.stage import (
    FACEBOOK,
    Browser,
    FakeClock,
    Gate,
    Stage,
    error_of,
    make_sandbox,
    make_settings,
    no_wait,
    open_stage,
    replica,
)

SOURCES_AT_LOGIN = ("accounts", "debug_token", "businesses")


async def listed(browser: Browser, **query: str) -> dict[str, Any]:
    """The listing, which must be there."""
    answer = await browser.accounts(**query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def names(body: dict[str, Any]) -> list[str | None]:
    """The usernames in their order."""
    return [account["username"] for account in body["data"]]


def reasons(body: dict[str, Any]) -> set[tuple[str, str | None, str | None]]:
    """Reason, Page id and Instagram id of everything that isn't listed."""
    return {
        (row["reason"], (row["page"] or {}).get("id"), row["instagram_account_id"])
        for row in body["meta"]["not_listed"]
    }


def warnings(body: dict[str, Any]) -> set[tuple[str, str | None]]:
    """Code and permission of every warning."""
    return {(row["code"], row["permission"]) for row in body["meta"]["warnings"]}


async def test_nobody_sees_the_accounts_of_others(stage: Stage) -> None:
    """A stored listing holds what its own person granted, whoever else has one (§6)."""
    ada, gus = stage.browser(), stage.browser()
    await ada.log_in("ada")
    alone = names(await listed(ada))
    await gus.log_in("gus")
    others = names(await listed(gus))

    assert alone == names(await listed(ada))
    assert others == names(await listed(gus))
    assert not set(alone) & set(others)


async def test_the_exact_shape(stage: Stage, browser: Browser) -> None:
    """One account in every field, and the listing's meta (§6)."""
    await browser.log_in("gus")
    body = await listed(browser)
    connection = await browser.connection()

    (account,) = body["data"]
    node = stage.sandbox.world.person("gus").accounts[account["id"]]
    assert account == {
        "id": node.id,
        "username": node.username,
        "name": node.name,
        "biography": account["biography"],
        "website": account["website"],
        "profile_picture_url": account["profile_picture_url"],
        "picture_url": f"http://localhost:8000/me/instagram-accounts/{node.id}/picture",
        "followers_count": account["followers_count"],
        "follows_count": account["follows_count"],
        "media_count": account["media_count"],
        "pages": account["pages"],
        "can_publish": True,
        "account_type": None,
        "connection_ids": [connection["id"]],
    }
    assert [set(page) for page in account["pages"]] == [{"id", "name", "tasks"}] * 2
    assert body["meta"] == {
        "fetched_at": "2026-11-23T12:00:00Z",
        "stale": False,
        "complete": True,
        "connections": [
            {
                "id": connection["id"],
                "provider": "facebook",
                "status": "active",
                "reconnect_url": connection["reconnect_url"],
            }
        ],
        "not_listed": [],
        "warnings": [],
    }


async def test_several_accounts_in_order(browser: Browser) -> None:
    """By username, case-folded; each with the Page that leads to it (§6)."""
    await browser.log_in("ada")
    body = await listed(browser)

    assert names(body) == sorted(names(body), key=str)
    assert len(body["data"]) == 3
    assert [account["can_publish"] for account in body["data"]].count(False) == 1


async def test_nothing_at_all_is_an_answer(browser: Browser) -> None:
    """No Page, no account: 200 and an empty list, not an error (§6)."""
    await browser.log_in("ben")
    body = await listed(browser)

    assert (body["data"], body["meta"]["complete"]) == ([], True)


async def test_a_page_without_instagram(browser: Browser) -> None:
    """The key is absent: said, with where to link it (facts 7.7)."""
    await browser.log_in("cleo")
    body = await listed(browser)

    assert len(body["data"]) == 1
    (row,) = body["meta"]["not_listed"]
    assert row["reason"] == "page_without_instagram"
    assert row["page"]["name"]
    assert row["instagram_account_id"] is None
    assert row["message"]
    assert row["action"]["kind"] == "link_page"
    assert row["action"]["url"].startswith("https://www.facebook.com/")


async def test_pages_of_a_portfolio(stage: Stage, browser: Browser) -> None:
    """Owned and client Pages are found; the one not granted is named (facts 7.6, 7.8)."""
    await browser.log_in("dora")
    body = await listed(browser)

    assert {"owned_pages", "client_pages"} <= set(stage.graph_calls)
    not_granted = [row for row in body["meta"]["not_listed"] if row["reason"] == "page_not_granted"]
    assert [row["page"]["id"] for row in not_granted] == ["100004000000005"]
    assert not_granted[0]["action"]["kind"] == "grant_permissions"
    assert "prompt=select" in not_granted[0]["action"]["url"]
    assert len(body["data"]) >= 2
    assert body["meta"]["complete"] is True


async def test_a_portfolio_without_the_permission(stage: Stage, browser: Browser) -> None:
    """Without business_management we can't see, and say so, with a way to grant it (trap 21)."""
    await browser.log_in("dora", form={"declined": "business_management"})
    body = await listed(browser)

    assert "businesses" not in stage.graph_calls
    assert ("permission_missing", "business_management") in warnings(body)
    warning = body["meta"]["warnings"][0]
    assert warning["action"]["kind"] == "grant_permissions"

    again = await browser.log_in("dora", prompt="select")
    assert error_of(again) is None
    now = await listed(browser, refresh="true")
    assert ("permission_missing", "business_management") not in warnings(now)
    assert "page_not_granted" in {reason for reason, _, _ in reasons(now)}
    assert "page_not_granted" not in {reason for reason, _, _ in reasons(body)}


async def test_an_account_without_its_page(browser: Browser) -> None:
    """Known by its granular id alone: listed, with no Page and no verdict on publishing (7.6 C)."""
    await browser.log_in("emil")
    body = await listed(browser)

    assert [(account["pages"], account["can_publish"]) for account in body["data"]] == [([], None)]


async def test_two_pages_to_one_account(browser: Browser) -> None:
    """One entry for each Instagram id, with every Page that leads to it (trap 25)."""
    await browser.log_in("gus")
    body = await listed(browser)

    assert [len(account["pages"]) for account in body["data"]] == [2]


async def test_hundreds_of_pages(browser: Browser) -> None:
    """Every cursor is followed (facts 7.4, 7.5)."""
    await browser.log_in("fay")

    assert len((await listed(browser))["data"]) == 250


async def test_short_pages_do_not_end_the_list(browser: Browser) -> None:
    """Only the absence of `next` ends it (facts 7.4)."""
    await browser.log_in("nia")
    body = await listed(browser)

    assert body["meta"]["complete"] is True
    assert len(body["data"]) >= 3


async def test_hostile_names_do_no_harm(browser: Browser) -> None:
    """Scripts, odd Unicode, NUL, surrogates, a javascript picture: clean JSON (security F-20)."""
    await browser.log_in("hana")
    answer = await browser.accounts()
    text = answer.content.decode()

    assert "\x00" not in text
    assert "\\u0000" not in text
    assert "javascript:" not in text
    for account in answer.json()["data"]:
        assert account["profile_picture_url"] is None or account["profile_picture_url"].startswith(
            ("https://", FACEBOOK)
        )
        assert len(account["name"] or "") <= 300
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_malformed_entries_spoil_nothing(browser: Browser) -> None:
    """A number, null, an entry without id: named as malformed, the rest is listed (§8)."""
    await browser.log_in("max")
    body = await listed(browser)

    assert body["data"]
    assert "malformed" in {reason for reason, _, _ in reasons(body)}


async def test_troubled_pages_are_explained(browser: Browser) -> None:
    """Two-factor, checkpoint, restricted, migrated: each its cause, the rest listed (facts 7.9)."""
    await browser.log_in("jo")
    body = await listed(browser)

    unavailable = {
        row["page"]["id"]: row
        for row in body["meta"]["not_listed"]
        if row["reason"] == "page_unavailable"
    }
    assert "two-factor" in unavailable["100010000000002"]["message"]
    assert unavailable["100010000000002"]["action"]["kind"] == "visit_facebook"
    assert "identity" in unavailable["100010000000003"]["message"]
    assert {"jo.works", "jo.moved"} <= set(names(body))


async def test_an_account_that_became_personal(browser: Browser) -> None:
    """Granted, but its node can't be read (facts 8.8)."""
    await browser.log_in("oli")
    body = await listed(browser)

    assert ("instagram_unreachable", None, "17841415000000001") in reasons(body)


async def test_a_thousand_pages_hidden_from_the_list(stage: Stage, browser: Browser) -> None:
    """Known from granular scopes: all listed, in batches side by side (§6)."""
    await browser.log_in("kim")
    await listed(browser)
    stage.sandbox.calls.clear()

    body = await listed(browser, refresh="true")

    assert len(body["data"]) == 1_000
    assert body["meta"]["complete"] is True
    assert len([call for call in stage.sandbox.calls.top() if call.endpoint == "batch"]) <= 40


async def test_ten_thousand_pages(browser: Browser) -> None:
    """10,000 Pages over cursors: all of them, and honest about it (§6)."""
    await browser.log_in("lou")
    body = await listed(browser)

    assert len(body["data"]) == 10_000
    assert body["meta"]["complete"] is True


async def test_no_permission_at_all(stage: Stage, browser: Browser) -> None:
    """403 only where both needed scopes are missing and nothing is stored (§6)."""
    declined = {"declined": ["pages_show_list", "instagram_basic"]}
    await browser.log_in("ada", form=declined)

    refused = await browser.accounts()

    assert (refused.status_code, refused.json()["code"]) == (403, "permission_missing")
    assert refused.json()["action"]["kind"] == "grant_permissions"
    assert "prompt=select" in refused.json()["action"]["url"]
    await browser.log_in("ada", prompt="select")
    assert len((await listed(browser))["data"]) == 3
    await browser.log_in("ada", prompt="select", form=declined)
    stored = await listed(browser)
    assert {"pages_show_list", "instagram_basic"} <= {what for _, what in warnings(stored)}


async def test_young_listings_cost_nothing(stage: Stage, browser: Browser) -> None:
    """A stored listing younger than ACCOUNTS_MAX_AGE asks Facebook nothing (§6)."""
    await browser.log_in("ada")
    await listed(browser)
    asked = len(stage.graph_calls)

    stage.clock.advance(seconds=299)
    await listed(browser)
    assert len(stage.graph_calls) == asked
    stage.clock.advance(seconds=2)
    assert (await listed(browser))["meta"]["fetched_at"] == "2026-11-23T12:05:01Z"
    assert len(stage.graph_calls) > asked


async def test_an_unchanged_listing_is_not_sent_again(stage: Stage, browser: Browser) -> None:
    """A weak ETag over the body without `fetched_at`; 304 on If-None-Match (§5)."""
    await browser.log_in("ada")
    first = await browser.accounts()
    etag = first.headers["etag"]
    stage.clock.advance(seconds=400)

    path = "/me/instagram-accounts"
    again = await browser.get(path, if_none_match=f'"other", {etag}')
    fresh = await browser.get(path, if_none_match='W/"other"')

    assert etag.startswith('W/"')
    assert first.headers["cache-control"] == "private, no-cache"
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert (fresh.status_code, fresh.headers["etag"]) == (200, etag)


async def test_ten_at_once_make_one_refresh(stage: Stage, browser: Browser) -> None:
    """One refresh for all who wait (§6), counted at the sandbox."""
    await browser.log_in("ada")
    await listed(browser)
    stage.clock.advance(seconds=400)
    stage.sandbox.calls.clear()

    bodies = await asyncio.gather(*(listed(browser) for _ in range(10)))

    assert [len(body["data"]) for body in bodies] == [3] * 10
    assert stage.graph_calls.count("accounts") == 1


async def test_replicas_share_one_refresh(stage: Stage, browser: Browser) -> None:
    """The same across replicas, by a row lease (§6)."""
    await browser.log_in("ada")
    await listed(browser)
    stage.clock.advance(seconds=400)
    stage.sandbox.calls.clear()
    async with replica(stage) as other:
        elsewhere = other.browser()
        elsewhere.take_jar_of(browser)

        await asyncio.gather(
            *(listed(browser) for _ in range(5)), *(listed(elsewhere) for _ in range(5))
        )

    assert stage.graph_calls.count("accounts") == 1


FAULTS = [
    ("unavailable", 503, "facebook_unavailable"),
    ("unknown_error", 503, "facebook_unavailable"),
    ("bad_gateway", 503, "facebook_unavailable"),
    ("html_ok", 503, "facebook_unavailable"),
    ("empty_ok", 503, "facebook_unavailable"),
    ("empty_500", 503, "facebook_unavailable"),
    ("null_ok", 503, "facebook_unavailable"),
    ("half_json", 503, "facebook_unavailable"),
    ("cut", 503, "facebook_unavailable"),
    ("oversize", 503, "facebook_unavailable"),
    ("redirect", 503, "facebook_unavailable"),
    ("hang", 504, "facebook_timeout"),
    ("throttled_app", 503, "facebook_rate_limited"),
    ("throttled_user", 503, "facebook_rate_limited"),
    ("throttled_instagram", 503, "facebook_rate_limited"),
    ("bad_proof", 502, "facebook_error"),
    ("app_unknown", 502, "facebook_error"),
    ("ids_removed", 502, "facebook_error"),
    ("invalid_parameter", 502, "facebook_error"),
    ("password_changed", 409, "reconnect_required"),
    ("token_expired", 409, "reconnect_required"),
    ("token_bad", 409, "reconnect_required"),
    ("app_removed", 409, "reconnect_required"),
    ("checkpoint", 409, "checkpoint_required"),
    ("user_unconfirmed", 409, "checkpoint_required"),
]


@pytest.mark.parametrize(("preset", "status", "code"), FAULTS)
async def test_faults_end_in_their_status_and_pass(
    database_url: str, preset: str, status: int, code: str
) -> None:
    """Each fault during a listing: stale while stored, its status on demand, then recovery (§5)."""
    budgets = Budgets(call=0.5, backoff=0.0)
    wiring = Wiring(budgets=budgets, sleep=no_wait, answer_seconds=2.0, walk_seconds=2.0)
    async with open_stage(make_settings(database_url), wiring=wiring) as stage:
        browser = stage.browser()
        await browser.log_in("ada")
        before = await listed(browser)
        stage.clock.advance(seconds=400)
        endpoint = "accounts" if status == 409 else "any"
        fault = stage.sandbox.faults.preset(preset, endpoint=endpoint)

        stale = await listed(browser)
        refused = await browser.accounts(refresh="true")

        assert (stale["data"], stale["meta"]["stale"]) == (before["data"], True)
        assert (refused.status_code, refused.json()["code"]) == (status, code)
        assert refused.headers["content-type"] == "application/problem+json"
        assert status != 503 or int(refused.headers["retry-after"]) > 0
        stage.sandbox.faults.remove(fault.id)
        stage.clock.advance(hours=1)
        if status == 409:
            assert error_of(await browser.log_in("ada")) is None
        after = await listed(browser, refresh="true")
        assert (after["data"], after["meta"]["complete"]) == (before["data"], True)


@pytest.mark.parametrize("endpoint", ["accounts", "businesses", "owned_pages", "batch"])
@pytest.mark.parametrize(
    "preset", ["unavailable", "throttled_page", "permission_denied", "html_ok"]
)
async def test_a_failing_source_spoils_nothing_else(
    stage: Stage, browser: Browser, endpoint: str, preset: str
) -> None:
    """Partial truth: the rest is listed, what was stored stays, `complete` tells (§6)."""
    await browser.log_in("dora")
    before = await listed(browser, refresh="true")
    assert before["meta"]["complete"] is True
    stage.sandbox.faults.preset(preset, endpoint=endpoint)

    answer = await browser.accounts(refresh="true")
    if preset == "throttled_page" and answer.status_code == 503:
        # The throttle came before the other sources were asked, and so stopped them too.
        assert answer.json()["code"] == "facebook_rate_limited"
        assert names(await listed(browser)) == names(before)
        return
    assert answer.status_code == 200, answer.text
    body = answer.json()

    if endpoint != "batch":
        assert body["meta"]["complete"] is False
        assert body["meta"]["warnings"]
    assert names(body) == names(before)


async def test_a_throttle_is_shared_and_ends(stage: Stage, browser: Browser) -> None:
    """The pause that the header names (minutes!) holds on every replica, then ends (§8)."""
    await browser.log_in("ada")
    await listed(browser)
    fault = stage.sandbox.faults.preset("throttled_instagram", endpoint="any")
    first = await browser.accounts(refresh="true")
    stage.sandbox.faults.remove(fault.id)
    asked = len(stage.graph_calls)
    async with replica(stage) as other:
        elsewhere = other.browser()
        elsewhere.take_jar_of(browser)
        again = [
            await browser.accounts(refresh="true"),
            await elsewhere.accounts(refresh="true"),
        ]

        assert [answer.status_code for answer in (first, *again)] == [503, 503, 503]
        assert int(again[1].headers["retry-after"]) >= 60
        assert len(stage.graph_calls) == asked
        stage.clock.advance(seconds=int(again[1].headers["retry-after"]) + 1)
        assert (await elsewhere.accounts(refresh="true")).status_code == 200


async def test_a_login_is_tried_even_while_throttled(stage: Stage, browser: Browser) -> None:
    """The code exchange goes out even then (§8)."""
    await browser.log_in("ada")
    fault = stage.sandbox.faults.preset("throttled_app", endpoint="accounts", times=1)
    await browser.accounts(refresh="true")
    stage.sandbox.faults.remove(fault.id)
    asked = len(stage.graph_calls)

    await stage.browser().log_in("ben")

    assert "exchange" in stage.graph_calls[asked:]


async def test_what_is_there_when_the_answer_is_due(database_url: str) -> None:
    """10 s bound the answer: what is there goes out as incomplete, the walk goes on (§6)."""
    settings, clock, gate = make_settings(database_url), FakeClock(), Gate()
    sandbox = make_sandbox(settings, clock, sleep=gate)
    wiring = Wiring(sleep=no_wait, answer_seconds=1.5, budgets=Budgets(backoff=0.0))
    async with open_stage(settings, sandbox=sandbox, clock=clock, wiring=wiring) as stage:
        browser = stage.browser()
        await browser.log_in("dora")
        whole = await listed(browser)
        stage.clock.advance(seconds=400)
        sandbox.faults.add("businesses", "delay", delay_seconds=30.0)

        early = await listed(browser, refresh="true")
        gate.open.set()
        late = await listed(browser, refresh="true")

    assert early["meta"]["complete"] is False
    assert "facebook_timeout" in {code for code, _ in warnings(early)}
    assert names(early) == names(whole)
    assert (late["meta"]["complete"], names(late)) == (True, names(whole))


async def test_a_slow_first_listing_does_not_hold_the_login(database_url: str) -> None:
    """The login ends without it; the first request joins the walk that goes on (§3)."""
    settings, clock, gate = make_settings(database_url), FakeClock(), Gate()
    sandbox = make_sandbox(settings, clock, sleep=gate)
    async with open_stage(settings, sandbox=sandbox, clock=clock) as stage:
        browser = stage.browser()
        sandbox.faults.add("accounts", "delay", delay_seconds=30.0, times=1)

        assert error_of(await browser.log_in("ada")) is None
        asking = asyncio.create_task(browser.accounts())
        await gate.reached.wait()
        gate.open.set()
        answer: httpx.Response = await asking

    assert len(answer.json()["data"]) == 3
    assert stage.graph_calls.count("accounts") == 1


async def test_a_failing_listing_never_fails_a_login(stage: Stage, browser: Browser) -> None:
    """A listing that breaks is the listing's matter alone (§3)."""
    fault = stage.sandbox.faults.preset("unavailable", endpoint="accounts")

    assert error_of(await browser.log_in("ada")) is None
    stage.sandbox.faults.remove(fault.id)
    assert len((await listed(browser))["data"]) == 3


async def test_what_a_consent_changed(stage: Stage, browser: Browser) -> None:
    """`last_consent`: the first all added; then what was added, kept, lost (§5)."""
    await browser.log_in("ada")
    await listed(browser)
    ids = [account["id"] for account in (await listed(browser))["data"]]
    first = (await browser.connection())["last_consent"]
    assert (sorted(first["added"]), first["kept"], first["lost"]) == (sorted(ids), [], [])

    pages = list(stage.sandbox.world.person("ada").pages)
    kept = ids[:2]
    await browser.log_in("ada", prompt="select", form={"pages": pages, "instagram_accounts": kept})
    await listed(browser)

    second = (await browser.connection())["last_consent"]
    assert (second["added"], second["kept"], second["lost"]) == ([], sorted(kept), [ids[2]])


async def test_one_account_by_its_id(stage: Stage, browser: Browser) -> None:
    """200 for one's own, 404 for any other (§5)."""
    await browser.log_in("ada")
    body = await listed(browser)
    account = body["data"][0]

    answer = await browser.get(f"/me/instagram-accounts/{account['id']}")

    assert answer.json() == account
    other = stage.browser()
    await other.log_in("gus")
    assert (await other.get(f"/me/instagram-accounts/{account['id']}")).status_code == 404


async def test_pictures_outlive_their_links(stage: Stage, browser: Browser) -> None:
    """302 to a live picture; an expired link (`oe`) makes us ask again (facts 8.5)."""
    await browser.log_in("ada")
    accounts = (await listed(browser))["data"]
    pictured = next(each for each in accounts if each["profile_picture_url"])
    path = f"/me/instagram-accounts/{pictured['id']}/picture"

    first = await browser.get(path)
    assert first.status_code == 302
    assert first.headers["cross-origin-resource-policy"] == "cross-origin"
    assert (await browser.http.get(first.headers["location"])).status_code == 200

    stage.clock.advance(days=30)
    await stage.browser().log_in("ada")
    fresh = stage.browser()
    await fresh.log_in("ada")
    later = await fresh.get(path)
    assert later.status_code == 302
    assert (await fresh.http.get(later.headers["location"])).status_code == 200
    assert (await fresh.get("/me/instagram-accounts/1/picture")).status_code == 404


async def test_refreshing_is_limited(database_url: str) -> None:
    """RATE_LIMIT_REFRESH counts `refresh=true` and `verify` for each person (§2)."""
    async with open_stage(make_settings(database_url, rate_limit_refresh="2/minute")) as stage:
        browser, other = stage.browser(), stage.browser()
        await browser.log_in("ada")
        await other.log_in("ben")
        connection = await browser.connection()

        answers = [
            await browser.accounts(refresh="true"),
            await browser.send("POST", f"/me/connections/{connection['id']}/verify"),
            await browser.accounts(refresh="true"),
            await browser.accounts(),
            await other.accounts(refresh="true"),
        ]

    assert [answer.status_code for answer in answers] == [200, 200, 429, 200, 200]
    assert answers[2].json()["code"] == "rate_limited"
    assert int(answers[2].headers["retry-after"]) >= 1


async def test_what_the_token_covers_is_a_source_too(stage: Stage, browser: Browser) -> None:
    """debug_token fails: the last known ids are read, and the listing isn't called whole (§6)."""
    await browser.log_in("kim")
    before = await listed(browser, refresh="true")
    stage.sandbox.faults.preset("unavailable", endpoint="debug_token")

    body = await listed(browser, refresh="true")

    assert (body["meta"]["complete"], len(body["data"])) == (False, len(before["data"]))
    assert ("facebook_unavailable", None) in warnings(body)


async def test_a_permission_withdrawn_at_facebook_is_noticed(
    stage: Stage, browser: Browser
) -> None:
    """A refresh sees what is granted now: publishing, warnings, the connection (§6)."""
    await browser.log_in("gus")
    assert (await listed(browser))["data"][0]["can_publish"] is True
    answer = await stage.browser().http.post(
        f"{FACEBOOK}/_control/people/gus/decline_permission",
        json={"permission": "instagram_content_publish"},
    )
    assert answer.status_code < 300, answer.text

    body = await listed(browser, refresh="true")

    assert body["data"][0]["can_publish"] is False
    assert ("permission_missing", "instagram_content_publish") in warnings(body)
    assert "instagram_content_publish" in (await browser.connection())["declined_scopes"]


async def test_everybody_sees_their_own_accounts_alone(stage: Stage) -> None:
    """Two people on one database: neither's list holds anything of the other's."""
    seen = {}
    for person in ("ada", "cleo"):
        browser = stage.browser()
        await browser.log_in(person)
        seen[person] = {each["username"] for each in (await browser.accounts()).json()["data"]}
        stage.clock.advance(hours=1)
        again = {each["username"] for each in (await browser.accounts()).json()["data"]}
        assert again == seen[person]

    assert seen["cleo"] == {"cleo.ceramics"}
    assert seen["ada"].isdisjoint(seen["cleo"])
