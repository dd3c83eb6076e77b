"""What becomes of a grant: how each state comes about at Facebook, what is seen, how it ends."""

from datetime import timedelta
from typing import Any

import pytest

from igauth.store.connections import ConnectionRow
from tests.stage import FACEBOOK, FRONTEND, Browser, Stage, error_of


async def happens(stage: Stage, person: str, action: str, **body: Any) -> None:
    """Something happens to a person at Facebook, by the sandbox's control API."""
    answer = await stage.browser().http.post(
        f"{FACEBOOK}/_control/people/{person}/{action}", json=body
    )
    assert answer.status_code < 300, answer.text
    await stage.sandbox.settle()


async def row_of(stage: Stage, browser: Browser) -> ConnectionRow:
    """The stored connection behind a browser's session."""
    connection = await browser.connection()
    row = await stage.connection(connection["id"])
    assert row is not None
    return row


@pytest.mark.parametrize(
    ("action", "status", "code"),
    [
        ("change_password", "reconnect_required", "reconnect_required"),
        ("expire_token", "reconnect_required", "reconnect_required"),
        ("log_out", "reconnect_required", "reconnect_required"),
        ("checkpoint", "checkpoint_required", "checkpoint_required"),
        ("unconfirm", "checkpoint_required", "checkpoint_required"),
        ("remove_app", "revoked", "reconnect_required"),
    ],
)
async def test_what_happens_at_facebook_is_seen(
    stage: Stage, browser: Browser, action: str, status: str, code: str
) -> None:
    """A dead grant is noticed by the next call, named, and mended by a login (facts 10.2)."""
    await browser.log_in("ada")
    assert (await browser.accounts()).status_code == 200
    before = await browser.connection()
    await happens(stage, "ada", action)

    refused = await browser.accounts(refresh="true")
    assert (refused.status_code, refused.json()["code"]) == (409, code)
    assert refused.json()["action"]["url"]
    stage.clock.advance(seconds=301)
    stale = await browser.accounts()
    assert stale.status_code == 200
    assert stale.json()["meta"]["stale"] is True
    assert stale.json()["meta"]["connections"][0]["status"] == status
    assert (await browser.connection())["status"] == status

    for mended in ("clear_checkpoint", "confirm"):
        await happens(stage, "ada", mended)
    assert error_of(await browser.log_in("ada", reconnect=before["id"])) is None
    after = await browser.connection()
    assert (after["status"], after["id"]) == ("active", before["id"])


async def test_a_dead_grant_is_not_asked_again(stage: Stage, browser: Browser) -> None:
    """`reconnect_required` and `revoked` ask Facebook nothing until a login or `verify`."""
    await browser.log_in("ada")
    await browser.accounts()
    await happens(stage, "ada", "change_password")
    await browser.accounts(refresh="true")
    stage.clock.advance(hours=1)
    asked = len(stage.graph_calls)

    await browser.accounts()
    await browser.accounts(refresh="true")
    assert len(stage.graph_calls) == asked

    verified = await browser.send(
        "POST", f"/me/connections/{(await browser.connection())['id']}/verify"
    )
    assert verified.status_code == 200
    assert verified.json()["status"] == "reconnect_required"
    assert len(stage.graph_calls) > asked


async def test_a_checkpoint_asks_one_question_each_max_age(stage: Stage, browser: Browser) -> None:
    """`checkpoint_required` asks one debug_token each ACCOUNTS_MAX_AGE, and heals by itself."""
    await browser.log_in("ada")
    await browser.accounts()
    await happens(stage, "ada", "checkpoint")
    stage.clock.advance(seconds=301)
    await browser.accounts()
    stage.clock.advance(seconds=301)
    asked = len(stage.graph_calls)

    await browser.accounts()
    await browser.accounts()
    assert stage.graph_calls[asked:] == ["debug_token"]

    await happens(stage, "ada", "clear_checkpoint")
    stage.clock.advance(seconds=301)
    healed = (await browser.accounts()).json()
    assert healed["meta"]["stale"] is False
    assert healed["meta"]["connections"][0]["status"] == "active"


async def test_the_end_comes_into_sight(stage: Stage, browser: Browser) -> None:
    """`expiring` from EXPIRING_DAYS on, by Facebook's own dates; past them, reconnect (§7)."""
    await browser.log_in("ada")
    row = await row_of(stage, browser)
    assert row.token_expires_at is not None

    stage.clock.now = row.token_expires_at - timedelta(days=6)
    browser_again = stage.browser()
    await browser_again.log_in("ben")
    assert stage.services.rules.status(row, stage.clock()) == "expiring"
    stage.clock.now = row.token_expires_at
    assert stage.services.rules.status(row, stage.clock()) == "reconnect_required"


async def test_lapsed_data_access_asks_to_renew_it(stage: Stage, browser: Browser) -> None:
    """90 days without a login: the reconnect link renews data access (facts 3.8)."""
    await browser.log_in("ada")
    await happens(stage, "ada", "lapse_data_access")

    verified = await browser.send(
        "POST", f"/me/connections/{(await browser.connection())['id']}/verify"
    )

    assert verified.json()["status"] == "reconnect_required"
    assert "prompt=reauthorize" in verified.json()["reconnect_url"]
    again = await browser.log_in("ada", prompt="reauthorize")
    assert error_of(again) is None
    assert (await browser.connection())["status"] == "active"


@pytest.mark.parametrize("path", ["/me", "/me/connections/{id}"])
async def test_disconnecting_ends_everything(stage: Stage, browser: Browser, path: str) -> None:
    """204: revoked at Facebook, nothing left here, every session ended (§5)."""
    await browser.log_in("ada")
    elsewhere = stage.browser()
    await elsewhere.log_in("ada")
    connection = await browser.connection()

    ended = await browser.send("DELETE", path.format(id=connection["id"]))

    assert ended.status_code == 204
    assert stage.graph_calls[-1] == "revoke"
    assert [await browser.user(), await elsewhere.user()] == [None, None]
    for table in ("people", "connections", "sessions", "listings", "revocations"):
        assert await stage.count(table) == 0, table


async def test_disconnecting_while_facebook_is_down(stage: Stage, browser: Browser) -> None:
    """202: all is gone here at once; the next sweep tells Facebook (§5, §7)."""
    await browser.log_in("ada")
    fault = stage.sandbox.faults.preset("unavailable", endpoint="revoke")

    ended = await browser.send("DELETE", "/me")

    assert ended.status_code == 202
    assert await browser.user() is None
    assert [await stage.count("people"), await stage.count("revocations")] == [0, 1]
    assert await stage.services.keeper.revocations.sweep() == 0
    stage.sandbox.faults.remove(fault.id)
    stage.clock.advance(minutes=10)
    assert await stage.services.keeper.revocations.sweep() == 1
    assert await stage.count("revocations") == 0
    assert stage.sandbox.world.person("ada").grant is None


async def test_a_login_cancels_the_queued_revocation(stage: Stage, browser: Browser) -> None:
    """A login in between isn't harmed by what was queued before it (§3)."""
    await browser.log_in("ada")
    fault = stage.sandbox.faults.preset("unavailable", endpoint="revoke")
    await browser.send("DELETE", "/me")
    stage.sandbox.faults.remove(fault.id)

    assert error_of(await browser.log_in("ada")) is None
    assert await stage.count("revocations") == 0
    stage.clock.advance(hours=1)
    asked = len(stage.graph_calls)
    await stage.services.keeper.renew()

    assert "revoke" not in stage.graph_calls[asked:]
    assert (await browser.connection())["status"] == "active"


async def test_a_foreign_connection_is_not_there(stage: Stage, browser: Browser) -> None:
    """404 for another person's connection, whatever is asked of it (security R-44)."""
    await browser.log_in("ada")
    foreign = (await browser.connection())["id"]
    other = stage.browser()
    await other.log_in("ben")

    answers = [
        await other.get(f"/me/connections/{foreign}"),
        await other.send("POST", f"/me/connections/{foreign}/verify"),
        await other.send("DELETE", f"/me/connections/{foreign}"),
    ]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert (await browser.connection())["status"] == "active"


async def test_sessions_can_be_seen_and_ended(stage: Stage, browser: Browser) -> None:
    """A person sees their sessions, ends one, ends all others; never another person's (§5)."""
    await browser.log_in("ada")
    others = [stage.browser() for _ in range(2)]
    for other in others:
        await other.log_in("ada")
    stranger = stage.browser()
    await stranger.log_in("ben")

    listed = (await browser.get("/me/sessions")).json()["data"]
    assert [entry["current"] for entry in listed].count(True) == 1
    assert set(listed[0]) == {"id", "created_at", "last_seen_at", "user_agent", "current"}
    mine = (await others[0].get("/me/sessions")).json()["data"]
    target = next(entry["id"] for entry in mine if entry["current"])
    assert (await stranger.send("DELETE", f"/me/sessions/{target}")).status_code == 404
    assert (await browser.send("DELETE", f"/me/sessions/{target}")).status_code == 204
    assert await others[0].user() is None
    assert (await browser.send("DELETE", "/me/sessions")).status_code == 204
    assert await others[1].user() is None
    assert await browser.user() is not None
    assert await stranger.user() is not None


async def test_changing_needs_an_allowed_origin(stage: Stage, browser: Browser) -> None:
    """A foreign origin can't disconnect anybody (§4)."""
    await browser.log_in("ada")

    refused = await browser.send("DELETE", "/me", origin="https://evil.test")

    assert (refused.status_code, refused.json()["code"]) == (403, "csrf_failed")
    assert await browser.user() is not None
    assert FRONTEND in stage.settings.allowed_origins
