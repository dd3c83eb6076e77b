"""Each event, provoked at Meta, by the person, a command, time: exactly one (contract §12)."""

import asyncio
import json
from functools import partial
from typing import Any

import pytest

from igauth.domain import ConnectionId, ConnectionStatus, Provider, Subject
from igauth.errors import IgAuthError, NotFound
from igauth.events import outbox
from igauth.security.keyring import KeyRing
from igauth.store import connections, listings
from igauth.store.people import SignInRow
from igauth.upkeep.dates import Dates
from igauth.upkeep.rotation import KeyRotation
from tests.events.told import told, types_told
from tests.journeys.test_custody import happens, row_of
from tests.journeys.test_meta_callbacks import (
    DEAUTHORIZE,
    DELETION,
    claims_of,
    post,
    secret_of,
    sign,
)
from tests.stage import KEY, OLDER_KEY, Browser, Stage, make_settings, open_stage, replica

SHAPE = {"id", "provider", "status", "cause", "version", "expires_at"}


async def mark_dates(stage: Stage) -> int:
    """The keeper's look at dates."""
    rules, database = stage.services.rules, stage.services.database
    return await Dates(database, rules, stage.clock).mark()


async def test_a_first_login_is_created(stage: Stage, browser: Browser) -> None:
    """One event in the contract's shape, with the ids of the accounts and no name or token."""
    await browser.log_in("ada")
    connection = await browser.connection()
    listed = [each["id"] for each in (await browser.accounts()).json()["data"]]
    (event,) = await told(stage)

    assert event["type"] == "connection.created"
    assert event["id"].startswith("msg_")
    assert event["timestamp"] == "2026-11-23T12:00:00Z"
    assert set(event) == {"id", "type", "timestamp", "data"}
    assert set(event["data"]) == {"connection", "external_ids", "instagram_account_ids"}
    assert event["data"]["connection"] == {
        "id": connection["id"],
        "provider": "facebook",
        "status": "active",
        "cause": None,
        "version": 1,
        "expires_at": connection["token_expires_at"],
    }
    assert sorted(event["data"]["instagram_account_ids"]) == sorted(listed)
    text = json.dumps(event)
    assert [each for each in ("Ada", "EAA", "username") if each in text] == []


async def test_a_login_again_is_reconnected_alone(stage: Stage, browser: Browser) -> None:
    """Whatever the state was before: `reconnected`, with the consent, and no `recovered`."""
    await browser.log_in("ada")
    listed = sorted(each["id"] for each in (await browser.accounts()).json()["data"])
    await happens(stage, "ada", "change_password")
    await browser.accounts(refresh="true")
    await browser.log_in("ada")
    await browser.accounts(refresh="true")
    *before, event = await told(stage)

    assert [each["type"] for each in before] == [
        "connection.created",
        "connection.reconnect_required",
    ]
    assert event["type"] == "connection.reconnected"
    assert event["data"]["consent"] == {"added": [], "kept": listed, "lost": []}
    versions = [each["data"]["connection"]["version"] for each in (*before, event)]
    assert versions == sorted(set(versions))


async def test_a_consent_that_lost_accounts_says_so_and_nothing_else_does(
    stage: Stage, browser: Browser
) -> None:
    """`lost` of the consent; a listing that a consent changed makes no `accounts.changed`."""
    await browser.log_in("ada")
    pages = list(stage.sandbox.world.person("ada").pages)
    await browser.log_in("ada", form={"pages": pages[:1]}, prompt="select")
    await browser.accounts(refresh="true")
    event = (await told(stage))[-1]

    assert await types_told(stage) == ["connection.created", "connection.reconnected"]
    assert set(event["data"]["consent"]) == {"added", "kept", "lost"}
    assert sorted(event["data"]["consent"]["kept"]) == sorted(
        event["data"]["instagram_account_ids"]
    )


@pytest.mark.parametrize(
    ("action", "type_", "cause"),
    [
        ("change_password", "connection.reconnect_required", "password_changed"),
        ("expire_token", "connection.reconnect_required", "token_expired"),
        ("checkpoint", "connection.checkpoint_required", "checkpoint"),
        ("remove_app", "connection.revoked", "app_removed"),
    ],
)
async def test_what_happens_at_meta_is_told_once_whoever_notices(
    stage: Stage, browser: Browser, action: str, type_: str, cause: str
) -> None:
    """A listing, a `verify`, the keeper: the first one tells it."""
    await browser.log_in("ada")
    await browser.accounts()
    connection = await browser.connection()
    await happens(stage, "ada", action)
    await asyncio.gather(*(browser.accounts(refresh="true") for _ in range(3)))
    await browser.send("POST", f"/me/connections/{connection['id']}/verify")
    await stage.services.keeper.renew(everything=True)
    first, event = await told(stage)

    assert (first["type"], event["type"]) == ("connection.created", type_)
    assert set(event["data"]["connection"]) == SHAPE
    assert event["data"]["connection"]["status"] == type_.removeprefix("connection.")
    assert event["data"]["connection"]["cause"] == cause


async def test_two_checks_at_once_tell_it_once(stage: Stage, browser: Browser) -> None:
    """Two replicas that read the same row both learn that it died; the second tells nothing."""
    await browser.log_in("ada")
    row = await row_of(stage, browser)
    await happens(stage, "ada", "change_password")
    async with replica(stage) as other:
        checks = (stage.services.checks, other.services.checks)
        found = await asyncio.gather(*(each.check(row) for each in checks))

    assert found == [ConnectionStatus.RECONNECT_REQUIRED] * 2
    assert await types_told(stage) == ["connection.created", "connection.reconnect_required"]


async def test_a_return_without_a_login_is_recovered(stage: Stage, browser: Browser) -> None:
    """The person passed Meta's checkpoint: the next look says so."""
    await browser.log_in("ada")
    await browser.accounts()
    connection = await browser.connection()
    await happens(stage, "ada", "checkpoint")
    await browser.accounts(refresh="true")
    await happens(stage, "ada", "clear_checkpoint")
    await browser.send("POST", f"/me/connections/{connection['id']}/verify")
    event = (await told(stage))[-1]

    assert (await types_told(stage))[1:] == [
        "connection.checkpoint_required",
        "connection.recovered",
    ]
    assert (event["data"]["connection"]["status"], event["data"]["connection"]["cause"]) == (
        "active",
        None,
    )


async def test_what_ends_soon_is_told_once_and_its_end_too(stage: Stage, browser: Browser) -> None:
    """`expiring` by time alone, once, however often anybody looks; then `reconnect_required`."""
    await browser.log_in("ada")
    await browser.accounts()  # the first listing is over: nobody holds the connection
    row = await row_of(stage, browser)
    assert row.token_expires_at is not None
    assert await mark_dates(stage) == 0
    stage.clock.now = row.token_expires_at - stage.services.rules.expiring
    first = [await mark_dates(stage), await mark_dates(stage)]
    (expiring,) = (await told(stage))[1:]
    stage.clock.now = row.token_expires_at
    second = [await mark_dates(stage), await mark_dates(stage)]
    ended = (await told(stage))[-1]

    assert (first, second) == ([1, 0], [1, 0])
    assert expiring["type"] == "connection.expiring"
    assert expiring["data"]["connection"]["cause"] == "token_ends_soon"
    assert ended["type"] == "connection.reconnect_required"
    assert ended["data"]["connection"]["cause"] == "token_expired"
    assert await types_told(stage) == [
        "connection.created",
        "connection.expiring",
        "connection.reconnect_required",
    ]


async def test_a_check_of_what_ends_soon_tells_it_no_second_time(
    stage: Stage, browser: Browser
) -> None:
    """A check that finds the same date leaves the state as it is."""
    await browser.log_in("ada")
    await browser.accounts()  # the first listing is over: nobody holds the connection
    row = await row_of(stage, browser)
    assert row.token_expires_at is not None
    stage.clock.now = row.token_expires_at - stage.services.rules.expiring
    await mark_dates(stage)
    marked = await stage.connection(row.id)
    assert marked is not None
    await stage.services.checks.check(marked)
    await mark_dates(stage)

    assert (await types_told(stage)).count("connection.expiring") == 1


async def test_deauthorizing_at_meta_is_revoked(stage: Stage, browser: Browser) -> None:
    """By Meta's callback; the same request again tells nothing new."""
    await browser.log_in("ada")
    stage.clock.advance(minutes=5)
    signed = sign(claims_of(stage), secret_of(stage))
    for _ in range(2):
        assert (await post(stage, DEAUTHORIZE, signed)).status_code == 200
    event = (await told(stage))[-1]

    assert await types_told(stage) == ["connection.created", "connection.revoked"]
    assert event["data"]["connection"]["cause"] == "app_removed"


async def end_by_person(stage: Stage, browser: Browser) -> None:
    """The person disconnects."""
    assert (await browser.send("DELETE", "/me")).status_code in (202, 204)


async def end_by_backend(stage: Stage, browser: Browser) -> None:
    """The operator's server does."""
    row = await row_of(stage, browser)
    await stage.services.ending.end_connection(row, actor="key1")


async def end_by_meta(stage: Stage, browser: Browser) -> None:
    """The person asks Facebook to have their data deleted."""
    stage.clock.advance(minutes=5)
    await post(stage, DELETION, sign(claims_of(stage), secret_of(stage)))


async def end_by_command(stage: Stage, browser: Browser) -> None:
    """`igauth erase`."""
    row = await row_of(stage, browser)
    who = SignInRow(Provider.FACEBOOK, row.app_id, Subject(row.subject))
    assert await stage.services.ending.erase(who)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (end_by_person, "person"),
        (end_by_backend, "backend"),
        (end_by_meta, "data_deletion_requested"),
        (end_by_command, "operator"),
    ],
)
async def test_of_an_erased_person_only_the_deletion_is_told(
    stage: Stage, browser: Browser, end: Any, reason: str
) -> None:
    """Earlier events go; `connection.deleted` stays with id, external ids and reason alone."""
    await browser.log_in("ada")
    await browser.accounts()
    connection = await browser.connection()
    await happens(stage, "ada", "checkpoint")
    await browser.accounts(refresh="true")
    assert len(await told(stage)) == 2
    await end(stage, browser)
    (event,) = await told(stage)

    assert event["type"] == "connection.deleted"
    assert event["data"] == {
        "connection": {"id": connection["id"]},
        "external_ids": [],
        "reason": reason,
    }
    ((person_id,),) = await stage.sql("SELECT person_id FROM events")
    assert person_id is None


async def test_accounts_that_come_and_go_are_told(stage: Stage, browser: Browser) -> None:
    """Not by the first listing, but by a later one that differs; a same one tells nothing."""
    await browser.log_in("ada")
    before = sorted(each["id"] for each in (await browser.accounts()).json()["data"])
    ada = stage.sandbox.world.person("ada")
    page = next(page for page in ada.pages.values() if page.instagram in before)
    gone = page.instagram
    assert gone is not None
    ada.unlink_instagram(page.id)
    account = ada.accounts.pop(gone)
    for _ in range(2):
        stage.clock.advance(seconds=1)
        await browser.accounts(refresh="true")
    ada.accounts[gone] = account
    ada.link_instagram(page.id, gone)
    stage.clock.advance(seconds=1)
    await browser.accounts(refresh="true")
    created, lost, found = await told(stage)

    assert (lost["type"], found["type"]) == ("accounts.changed", "accounts.changed")
    assert (lost["data"]["added"], lost["data"]["removed"]) == ([], [gone])
    assert (found["data"]["added"], found["data"]["removed"]) == ([gone], [])
    assert gone not in lost["data"]["instagram_account_ids"]
    assert gone in found["data"]["instagram_account_ids"]
    versions = [each["data"]["connection"]["version"] for each in (created, lost, found)]
    assert versions == [1, 2, 3]


async def test_a_listing_that_is_made_whole_brings_no_news(stage: Stage, browser: Browser) -> None:
    """What the consent named, and a first, partial listing lacked, isn't `added`."""
    stage.sandbox.faults.preset("unavailable", endpoint="accounts")
    await browser.log_in("ada")
    await browser.accounts()
    stage.sandbox.faults.clear()
    stage.clock.advance(seconds=301)
    assert (await browser.accounts(refresh="true")).json()["meta"]["complete"] is True

    assert await types_told(stage) == ["connection.created"]


async def test_a_token_that_can_not_be_opened_is_told(stage: Stage, browser: Browser) -> None:
    """Altered in the database: `reconnect_required`, by whoever comes upon it."""
    await browser.log_in("ada")
    await stage.sql("UPDATE connections SET sealed_token = 'v1.k1.AAAA'")
    for _ in range(2):
        await browser.accounts(refresh="true")
    event = (await told(stage))[-1]

    assert await types_told(stage) == ["connection.created", "connection.reconnect_required"]
    assert event["data"]["connection"]["cause"] == "token_unreadable"


async def test_a_rotation_that_gives_a_token_up_tells_it(database_url: str) -> None:
    """By a command: its key is gone, then it is back."""
    async with open_stage(make_settings(database_url, keys=(OLDER_KEY,))) as stage:
        await stage.browser().log_in("ada")
        database, clock = stage.services.database, stage.clock
        door = {Provider.FACEBOOK: stage.sandbox.config.app_id}
        for _ in range(2):
            await KeyRotation(KeyRing((KEY,)), database, clock, door).rotate()
        await KeyRotation(KeyRing((KEY, OLDER_KEY)), database, clock, door).rotate()

        assert await types_told(stage) == [
            "connection.created",
            "connection.reconnect_required",
            "connection.recovered",
        ]


async def test_a_refused_connect_session_is_told(stage: Stage) -> None:
    """`data` is the session's id and the user's."""
    at = stage.clock()
    await stage.services.database.write(
        lambda tx: outbox.record_refusal(tx, "cs_1", ["user-17"], at)
    )
    (event,) = await told(stage)

    assert event["type"] == "connect_session.refused"
    assert event["data"] == {"connect_session": {"id": "cs_1"}, "external_ids": ["user-17"]}


async def test_what_is_rolled_back_is_never_told(stage: Stage, browser: Browser) -> None:
    """The event stands in the transaction of the change, and falls with it."""
    await browser.log_in("ada")
    row = await row_of(stage, browser)

    def unit(tx: Any) -> None:
        connections.save_removed(tx, row)
        outbox.record_change(tx, row.id, row.status, ConnectionStatus.REVOKED, stage.clock())
        raise NotFound

    with pytest.raises(IgAuthError):
        await stage.services.database.write(unit)

    assert await types_told(stage) == ["connection.created"]
    assert (await row_of(stage, browser)).status is ConnectionStatus.ACTIVE


async def test_an_event_tells_the_listing_of_its_own_connection(stage: Stage) -> None:
    """Two people's accounts don't get mixed."""
    for name in ("ada", "gus"):
        await stage.browser().log_in(name)
    for event in await told(stage):
        own = ConnectionId(event["data"]["connection"]["id"])
        listed = await stage.services.database.read(partial(listings.list_ids, connection_id=own))
        assert set(event["data"]["instagram_account_ids"]) == listed
