"""The second door's grants: kept alive, held up, ended, by whomever (contract §5, §7, §10)."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from igauth.sandbox.graph.instagram import PASSWORD_CHANGED
from igauth.store.connections import ConnectionRow
from tests.journeys.test_meta_callbacks import sign
from tests.journeys.test_second_door import connections_of, subjects, who
from tests.stage import FACEBOOK, START, Browser, Stage, error_of

CONTROL = f"{FACEBOOK}/_control/instagram-accounts"


@pytest.fixture
def stage(two_doors: Stage) -> Stage:
    """Both doors are open here."""
    return two_doors


async def happens(browser: Browser, account: str, action: str) -> None:
    """Something befalls an account at Instagram."""
    answer = await browser.http.post(f"{CONTROL}/{account}/{action}")
    assert answer.status_code == 200, answer.text


async def state(browser: Browser) -> tuple[str, str | None]:
    """Status and cause of the person's one connection."""
    connection = await browser.connection()
    return connection["status"], connection["cause"]


async def stored(stage: Stage) -> ConnectionRow:
    """The one connection as it is stored: sessions end before tokens do."""
    ((connection_id,),) = await stage.sql("SELECT id FROM connections")
    row = await stage.connection(connection_id)
    assert row is not None
    return row


# --- the keeper ---


async def test_a_token_is_refreshed_once_half_of_its_life_is_over(
    stage: Stage, browser: Browser
) -> None:
    """Not before; then the new one is stored with its end, after it answered `/me` (facts 4.2)."""
    await browser.connect("studio")
    stage.clock.advance(days=29)
    await stage.services.keeper.sweep()
    early = len(stage.sandbox.calls.of("instagram_refresh"))
    ((sealed,),) = await stage.sql("SELECT sealed_token FROM connections")
    stage.clock.advance(days=2)
    stage.sandbox.calls.clear()
    await stage.services.keeper.sweep()
    ((fresh,),) = await stage.sql("SELECT sealed_token FROM connections")

    assert early == 0
    assert stage.graph_calls == ["instagram_refresh", "instagram_me"]
    assert fresh != sealed
    assert (await stored(stage)).token_expires_at == START + timedelta(days=91)


async def test_a_short_life_waits_for_25_hours(stage: Stage, browser: Browser) -> None:
    """Half of a life below 50 hours is too young to be refreshed (facts 4.2)."""
    object.__setattr__(stage.sandbox.config, "instagram_long_token_seconds", 40 * 3600)
    await browser.connect("studio")
    asked = []
    for hours in (24, 2):
        stage.clock.advance(hours=hours)
        await stage.services.keeper.renew(everything=True)
        asked.append(len(stage.sandbox.calls.of("instagram_refresh")))

    assert asked == [0, 1]


async def test_a_refresh_that_gives_the_same_text(stage: Stage, browser: Browser) -> None:
    """Its end counts anew all the same (facts 4.2)."""
    await browser.connect("ceramics")
    stage.clock.advance(days=31)
    await stage.services.keeper.sweep()

    assert (await stored(stage)).token_expires_at == START + timedelta(days=91)


async def test_a_refresh_that_fails_is_tried_again_and_kills_nobody(
    stage: Stage, browser: Browser
) -> None:
    """A transient failure leaves token and state; the next attempt succeeds."""
    await browser.connect("studio")
    stage.clock.advance(days=31)
    stage.sandbox.faults.add("instagram_refresh", code=2, status=503)
    await stage.services.keeper.sweep()
    before = await stored(stage)
    stage.sandbox.faults.clear()
    stage.clock.advance(hours=1)
    await stage.services.keeper.sweep()
    after = await stored(stage)

    assert (before.status, before.token_expires_at) == ("active", START + timedelta(days=60))
    assert after.token_expires_at == START + timedelta(days=91, hours=1)


async def test_a_new_token_that_does_not_answer_me_is_not_believed(
    stage: Stage, browser: Browser
) -> None:
    """The old one stays until the new one has answered (facts 4.2)."""
    await browser.connect("studio")
    stage.clock.advance(days=31)
    ((before,),) = await stage.sql("SELECT sealed_token FROM connections")
    stage.sandbox.faults.add("instagram_me", code=190, subcode=0, message="garbled", times=1)
    await stage.services.keeper.sweep()
    ((after,),) = await stage.sql("SELECT sealed_token FROM connections")

    assert before == after
    assert (await stored(stage)).status == "active"


@pytest.mark.parametrize(
    ("action", "status", "cause"),
    [
        ("change_password", "reconnect_required", "password_changed"),
        ("expire_token", "reconnect_required", "token_expired"),
        ("remove_app", "revoked", "app_removed"),
        ("checkpoint", "checkpoint_required", "checkpoint"),
        ("lose_role", "checkpoint_required", "app_access_missing"),
    ],
)
@pytest.mark.parametrize("noticed_by", ["keeper", "listing", "verify"])
async def test_what_befalls_a_grant(
    stage: Stage, browser: Browser, action: str, status: str, cause: str, noticed_by: str
) -> None:
    """The state by the text of the refusal, whoever notices it (facts 6.2, 6.3)."""
    await browser.connect("studio")
    connection = await browser.connection()
    await happens(browser, "studio", action)
    if noticed_by == "keeper":
        stage.clock.advance(days=2)
        await stage.services.keeper.sweep()
    elif noticed_by == "listing":
        await browser.accounts(refresh="true")
    else:
        await browser.send("POST", f"/me/connections/{connection['id']}/verify")

    assert await state(browser) == (status, cause)


@pytest.mark.parametrize(
    ("action", "undo", "kind", "url"),
    [
        ("checkpoint", "clear_checkpoint", "visit_instagram", "https://www.instagram.com/"),
        ("lose_role", "give_role", "contact_operator", None),
    ],
)
async def test_what_is_held_up_says_where_to_go_and_heals(
    stage: Stage, browser: Browser, action: str, undo: str, kind: str, url: str | None
) -> None:
    """409 `checkpoint_required` with its action; the same token works again afterwards."""
    await browser.connect("studio")
    await happens(browser, "studio", action)
    refused = await browser.accounts(refresh="true")
    await happens(browser, "studio", undo)
    stage.clock.advance(days=2)
    await stage.services.keeper.sweep()

    assert (refused.status_code, refused.json()["code"]) == (409, "checkpoint_required")
    assert refused.json()["action"] == {"kind": kind, "url": url}
    assert await state(browser) == ("active", None)
    assert (await browser.accounts(refresh="true")).status_code == 200


async def test_a_checkpoint_heals_by_the_listings_probe_too(stage: Stage, browser: Browser) -> None:
    """At most one call each max age while it lasts (the cast's `held`)."""
    await browser.connect("held")
    stage.clock.advance(hours=2)
    await browser.accounts(refresh="true")
    held = await state(browser)
    await browser.accounts()
    stage.sandbox.calls.clear()
    await browser.accounts()
    quiet = stage.graph_calls
    stage.clock.advance(hours=6)

    assert held == ("checkpoint_required", "checkpoint")
    assert quiet == []
    assert (await browser.accounts()).json()["meta"]["stale"] is False
    assert await state(browser) == ("active", None)


async def many(stage: Stage, number: int) -> None:
    """So many people of this door."""
    for index in range(number):
        stage.sandbox.instagram.add_account(f"m{index}", f"m{index}")
        assert error_of(await stage.browser().connect(f"m{index}")) is None


async def statuses(stage: Stage) -> dict[str, int]:
    """Connections by state as it is stored."""
    rows = await stage.sql("SELECT status, count(*) FROM connections GROUP BY status")
    return {status: int(number) for status, number in rows}


@pytest.mark.parametrize("died", ["role", "password"])
async def test_many_deaths_at_once_are_the_apps(
    stage: Stage, capsys: pytest.CaptureFixture[str], died: str
) -> None:
    """At least ten and more than half: an alarm, and nobody is marked (facts 12.7)."""
    await many(stage, 12)
    for index in range(10):
        if died == "role":
            stage.sandbox.instagram.accounts[f"m{index}"].no_role = "graph"
        else:
            stage.sandbox.instagram.kill(f"m{index}", PASSWORD_CHANGED)
    stage.clock.advance(days=2)
    swept = await stage.services.keeper.sweep()

    assert swept.alarm is True
    assert await statuses(stage) == {"active": 12}
    assert "keeper.mass_failure" in "".join(capsys.readouterr())


@pytest.mark.parametrize(("dead", "living"), [(9, 0), (10, 10)])
async def test_fewer_deaths_are_peoples(stage: Stage, dead: int, living: int) -> None:
    """Nine of nine, or ten of twenty: each is believed."""
    await many(stage, dead + living)
    for index in range(dead):
        stage.sandbox.instagram.kill(f"m{index}", PASSWORD_CHANGED)
    stage.clock.advance(days=2)
    swept = await stage.services.keeper.sweep()

    assert swept.alarm is False
    expected = {"reconnect_required": dead, "active": living}
    assert await statuses(stage) == {name: count for name, count in expected.items() if count}


async def test_after_the_alarm_the_living_go_on(stage: Stage) -> None:
    """What was held back is asked again later, and found well once the app is."""
    await many(stage, 10)
    stage.sandbox.faults.preset("instagram_role_missing")
    stage.clock.advance(days=2)
    await stage.services.keeper.sweep()
    stage.sandbox.faults.clear()
    stage.clock.advance(hours=1)
    swept = await stage.services.keeper.sweep()

    assert (swept.checked, swept.alarm) == (10, False)


# --- the person ends it ---


async def test_disconnecting_one_of_several_ends_it_alone(stage: Stage, browser: Browser) -> None:
    """204 and nothing queued: Instagram has no call for it (facts 4.8)."""
    await browser.log_in("ada")
    await browser.connect("studio")
    facebook, instagram = await connections_of(browser)
    answer = await browser.send("DELETE", f"/me/connections/{instagram['id']}")

    assert answer.status_code == 204
    assert [each["id"] for each in await connections_of(browser)] == [facebook["id"]]
    assert await stage.count("revocations") == 0
    assert "studio.invented" not in (await browser.accounts()).text


async def test_disconnecting_facebook_leaves_the_account_that_signs_in(
    stage: Stage, browser: Browser
) -> None:
    """A second sign-in goes with its connection; the person stays."""
    await browser.connect("bakery")
    person = await who(browser)
    await browser.log_in("ada", link="true")
    facebook = (await connections_of(browser))[0]
    answer = await browser.send("DELETE", f"/me/connections/{facebook['id']}")

    assert answer.status_code == 204
    assert await who(browser) == person
    assert await subjects(browser) == [("instagram", "17841401000000001")]
    other = stage.browser()
    await other.log_in("ada")
    assert await who(other) != person


async def test_disconnecting_the_only_sign_in_ends_everything(
    stage: Stage, browser: Browser
) -> None:
    """The account that signs in goes, and all that was added with it."""
    await browser.connect("bakery")
    await browser.connect("studio")
    own = next(each for each in await connections_of(browser) if each["name"] == "Invented Bakery")
    answer = await browser.send("DELETE", f"/me/connections/{own['id']}")

    assert answer.status_code == 204
    assert await who(browser) is None
    assert (await stage.count("people"), await stage.count("connections")) == (0, 0)


async def test_erasing_oneself_is_204_here(stage: Stage, browser: Browser) -> None:
    """`DELETE /me` of a person without Facebook: nothing to wait for."""
    await browser.connect("studio")

    assert (await browser.send("DELETE", "/me")).status_code == 204
    assert await stage.count("people") == 0


# --- Meta's two callbacks ---


def claims(stage: Stage, account: str, which: str, *, number: bool = False) -> dict[str, Any]:
    """What Instagram says of an account, by one of its ids (facts 4.9)."""
    named = getattr(stage.sandbox.instagram.accounts[account], which)
    issued_at = int(stage.clock().timestamp())
    user_id = int(named) if number else named
    return {"user_id": user_id, "algorithm": "HMAC-SHA256", "issued_at": issued_at}


async def told(stage: Stage, kind: str, said: dict[str, Any], secret: str = "") -> httpx.Response:
    """Instagram calls."""
    signed = sign(said, secret or stage.sandbox.config.instagram_app_secret)
    address = f"{stage.settings.base_url}/auth/instagram/{kind}"
    return await stage.browser().http.post(address, data={"signed_request": signed})


EITHER_ID = pytest.mark.parametrize(
    ("which", "number"), [("id", False), ("id", True), ("user_id", False), ("user_id", True)]
)


@EITHER_ID
async def test_deauthorizing_ends_that_accounts_connections(
    stage: Stage, browser: Browser, which: str, number: bool
) -> None:
    """By either id, text or number; sessions end only where it is the account that signs in."""
    await browser.log_in("ada")
    await browser.connect("studio")
    own = stage.browser()
    await own.connect("studio")
    answer = await told(stage, "deauthorize", claims(stage, "studio", which, number=number))

    assert answer.status_code == 200
    states = {each["provider"]: each["status"] for each in await connections_of(browser)}
    assert states == {"facebook": "active", "instagram": "revoked"}
    assert await who(own) is None


@EITHER_ID
async def test_data_deletion_erases_that_door(
    stage: Stage, browser: Browser, which: str, number: bool
) -> None:
    """Its connections, sign-in and listing; the person too where no sign-in is left."""
    await browser.log_in("ada")
    await browser.connect("studio")
    own = stage.browser()
    await own.connect("studio")
    answer = await told(stage, "data-deletion", claims(stage, "studio", which, number=number))
    code = answer.json()["confirmation_code"]
    page = await browser.get(f"/auth/facebook/data-deletion/{code}", accept="application/json")

    assert answer.status_code == 200
    assert answer.json()["url"].endswith(f"/auth/facebook/data-deletion/{code}")
    assert page.json()["status"] == "deleted"
    assert [door for door, _ in await subjects(browser)] == ["facebook"]
    assert await who(own) is None
    assert (await stage.count("people"), await stage.count("connections")) == (1, 1)


async def test_deletion_leaves_who_signs_in_by_facebook_too(stage: Stage, browser: Browser) -> None:
    """The person stays, by the other way to sign in."""
    await browser.connect("bakery")
    person = await who(browser)
    await browser.log_in("ada", link="true")
    await told(stage, "data-deletion", claims(stage, "bakery", "user_id"))

    assert await who(browser) == person
    assert [door for door, _ in await subjects(browser)] == ["facebook"]


@pytest.mark.parametrize("kind", ["deauthorize", "data-deletion"])
async def test_the_facebook_secret_is_no_good_here(
    stage: Stage, browser: Browser, kind: str
) -> None:
    """Each door has its own (facts 4.9); a GET probe is answered."""
    await browser.connect("studio")
    answer = await told(
        stage, kind, claims(stage, "studio", "id"), secret=stage.sandbox.config.app_secret
    )
    probe = await stage.browser().get(f"/auth/instagram/{kind}")

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_signed_request")
    assert probe.status_code == 200
    assert await state(browser) == ("active", None)


async def test_a_login_revives_what_was_deauthorized(stage: Stage, browser: Browser) -> None:
    """Under the same id; a repeat of the old request changes nothing any more."""
    await browser.connect("studio")
    before = await browser.connection()
    said = claims(stage, "studio", "id")
    await told(stage, "deauthorize", said)
    stage.clock.advance(hours=1)
    await browser.connect("studio")
    await told(stage, "deauthorize", said)
    after = await browser.connection()

    assert (after["id"], after["status"]) == (before["id"], "active")
