"""A grant that is there: checked, renewed, walked, revoked (contract §6, §7)."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from igauth.domain import GranularScopes, Permissions, Provider, Source
from igauth.meta.calls import Budgets
from igauth.meta.door import Door, GrantFacts
from igauth.meta.errors import GraphError, GraphRefusal, GraphThrottled, GraphUnavailable, Meaning
from igauth.meta.facebook.caller import WALK_AT_ONCE
from igauth.meta.pauses import MemoryPauseBook
from igauth.meta.verdicts import status_of
from tests.meta.facebook.graph import (
    ACCOUNTS,
    LIVE,
    NOW,
    PAGE,
    PERMISSIONS,
    SUBJECT,
    TOKEN,
    Graph,
    dead,
    debugged,
    findings,
    well,
)
from tests.meta.scripted import APP_ID, Answer, answer, raw, refusal

BUSY = refusal(2, status=503)
GRANTED = Permissions(frozenset({"pages_show_list", "instagram_basic"}))
END = datetime.fromtimestamp(1800576000, UTC)
KNOWN = GrantFacts(permissions=GRANTED, granular=GranularScopes({"instagram_basic": ("171",)}))


def kept(**changed: Any) -> Graph:
    """A Graph that answers for a kept token; names with "/" as "__"."""
    usual: dict[str, Any] = {
        "me__permissions": answer(PERMISSIONS),
        "me__accounts": answer(ACCOUNTS),
    }
    return well(**(usual | changed))


def test_it_is_a_door() -> None:
    """What the rooms above know of it."""
    door: Door = kept().door()

    assert (door.provider, door.app_id) == (Provider.FACEBOOK, APP_ID)
    assert door.can_revoke
    assert door.served_version is None
    assert door.dialog_address(state="s", code_challenge="c", prompt=None).startswith("https://")


async def test_the_served_version_is_told() -> None:
    """For `doctor` (graph-facts 1.18)."""
    graph = kept(debug_token=answer({"data": LIVE}, headers={"facebook-api-version": "v21.0"}))
    door = graph.door()
    await door.check(TOKEN, SUBJECT)

    assert door.served_version == "v21.0"


async def test_warming_a_stand_in_opens_nothing() -> None:
    """It has no connections to open."""
    graph = kept()
    await graph.door().warm()

    assert graph.asked == []


# -- check


async def test_a_live_grant() -> None:
    """debug_token's dates and granular scopes, then the permissions (contract §7)."""
    graph = kept()
    check = await graph.door().check(TOKEN, SUBJECT)

    assert graph.asked == ["debug_token", "me/permissions"]
    assert (check.is_ours, check.refusal) == (True, None)
    assert check.facts is not None
    assert check.facts.token_expires_at == END
    assert check.facts.permissions == GRANTED
    assert check.facts.granular is not None


@pytest.mark.parametrize(
    ("subcode", "meaning"),
    [
        (463, Meaning.TOKEN_EXPIRED),
        (460, Meaning.PASSWORD_CHANGED),
        (458, Meaning.APP_REMOVED),
        (459, Meaning.CHECKPOINT),
        (None, Meaning.SESSION_INVALID),
    ],
)
async def test_a_dead_token(subcode: int | None, meaning: Meaning) -> None:
    """Its refusal tells the state, and nothing more is asked (4.5)."""
    graph = kept(debug_token=dead(subcode))
    check = await graph.door().check(TOKEN, SUBJECT)

    assert check.facts is None
    assert check.refusal is not None
    assert check.refusal.meaning is meaning
    assert check.is_ours
    assert graph.asked == ["debug_token"]


@pytest.mark.parametrize(
    "answered",
    [
        debugged(app_id="999"),
        debugged(user_id="10299"),
        refusal(100, message="(#100) The App_id in the input_token did not match"),
    ],
)
async def test_a_token_of_somebody_else(answered: Answer) -> None:
    """Another app's, or another person's (4.6)."""
    check = await kept(debug_token=answered).door().check(TOKEN, SUBJECT)

    assert (check.facts, check.is_ours) == (None, False)


async def test_old_answers_that_name_nobody() -> None:
    """Optional fields that are absent say nothing against it (4.3)."""
    answered = debugged(app_id=None, user_id=None, type=None)
    check = await kept(debug_token=answered).door().check(TOKEN, SUBJECT)

    assert check.is_ours
    assert check.facts is not None


@pytest.mark.parametrize(
    "answered",
    [
        BUSY,
        refusal(4, status=403),
        refusal(190),
        refusal(200, message="API access blocked."),
        refusal(100, message="(#100) Invalid parameter"),
        answer({"data": {}}),
        answer({"data": {"is_valid": False}}),
        answer({"data": {"is_valid": False, "error": {"code": 2}}}),
        raw(b""),
        raw(b"<html>"),
        httpx.ConnectError("x"),
    ],
)
async def test_debug_token_in_trouble_says_nothing(answered: Answer) -> None:
    """It raises, and ends no grant (4.6a, A18, A20)."""
    with pytest.raises(GraphError) as caught:
        await kept(debug_token=answered).door().check(TOKEN, SUBJECT)

    assert status_of(caught.value) is None


async def test_a_live_token_that_is_of_no_use() -> None:
    """Data access lapsed after 90 days (3.8): its dates, and the refusal beside them."""
    check = await kept(me__permissions=refusal(190, 493)).door().check(TOKEN, SUBJECT)

    assert check.facts is not None
    assert check.refusal is not None
    assert check.refusal.meaning is Meaning.DATA_ACCESS_EXPIRED


@pytest.mark.parametrize("fault", [BUSY, refusal(10), raw(b"")])
async def test_permissions_that_are_not_answered(fault: Answer) -> None:
    """That isn't about the token: nothing changes."""
    with pytest.raises(GraphError) as caught:
        await kept(me__permissions=fault).door().check(TOKEN, SUBJECT)

    assert status_of(caught.value) is None


async def test_a_check_keeps_pauses_and_has_its_own_budget() -> None:
    """It isn't a login: a throttle stops it; a hang costs one call's budget (C16, C17)."""

    async def hanging(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    graph = kept(me__permissions=hanging)
    with pytest.raises(GraphUnavailable):
        await graph.door(budgets=Budgets(call=0.02)).check(TOKEN, SUBJECT)
    assert graph.asked == ["debug_token", "me/permissions"]

    pauses = MemoryPauseBook()
    await pauses.throttled({"person:p1": 600.0})
    with pytest.raises(GraphThrottled):
        await kept().door(pauses=pauses).check(TOKEN, SUBJECT)


# -- renew


async def test_a_renewed_token() -> None:
    """What debug_token says of the new one is believed (graph-facts 3.3)."""
    graph = kept()
    known = GrantFacts(token_expires_at=NOW, permissions=GRANTED)
    renewed = await graph.door().renew(TOKEN, SUBJECT, known)

    assert renewed is not None
    assert renewed.token.access_token.get_secret_value() == "EAAlong"
    assert renewed.facts.token_expires_at == END
    assert renewed.facts.permissions == GRANTED
    assert graph.requests["debug_token"][0].url.params["input_token"] == "EAAlong"
    assert graph.asked == ["upgrade", "debug_token"]


@pytest.mark.parametrize(
    ("expires_at", "known", "better"),
    [
        (1800576000, END, False),
        (1800576001, END, True),
        (0, END, True),
        (0, None, True),
        (1800576000, None, False),
    ],
)
async def test_only_a_longer_life_is_better(
    expires_at: int, known: datetime | None, better: bool
) -> None:
    """An exchange need not extend anything (3.3)."""
    graph = kept(debug_token=debugged(expires_at=expires_at))
    facts = GrantFacts(token_expires_at=known, permissions=GRANTED)

    assert (await graph.door().renew(TOKEN, SUBJECT, facts) is not None) is better


@pytest.mark.parametrize(
    "changed",
    [
        {"upgrade": refusal(190, 463)},
        {"debug_token": dead(463)},
        {"debug_token": debugged(user_id="10299")},
        {"debug_token": debugged(app_id="999")},
    ],
)
async def test_no_better_token(changed: dict[str, Any]) -> None:
    """The kept one stays, and is checked by itself."""
    known = GrantFacts(token_expires_at=NOW, permissions=GRANTED)

    assert await kept(**changed).door().renew(TOKEN, SUBJECT, known) is None


@pytest.mark.parametrize("changed", [{"upgrade": BUSY}, {"debug_token": raw(b"")}])
async def test_a_renewal_that_is_not_answered(changed: dict[str, Any]) -> None:
    """A transient failure never marks a connection dead (contract §7)."""
    with pytest.raises(GraphError) as caught:
        await kept(**changed).door().renew(TOKEN, SUBJECT, KNOWN)

    assert status_of(caught.value) is None


async def test_permissions_that_changed_are_asked_with_the_new_token() -> None:
    """As known where that fails."""
    known = GrantFacts(token_expires_at=NOW, permissions=Permissions())
    renewed = await kept().door().renew(TOKEN, SUBJECT, known)
    failing = await kept(me__permissions=BUSY).door().renew(TOKEN, SUBJECT, known)

    assert renewed is not None
    assert renewed.facts.permissions == GRANTED
    assert failing is not None
    assert failing.facts.permissions == Permissions()


# -- discover


async def test_a_walk_and_what_it_learns() -> None:
    """debug_token beside the edges; permissions only where its scopes differ (contract §6)."""
    graph, found = kept(), findings()
    facts = await graph.door().discover(TOKEN, found, KNOWN)

    assert sorted(graph.asked) == ["debug_token", "me/accounts"]
    assert facts is not None
    assert (facts.token_expires_at, facts.permissions) == (END, GRANTED)
    listing = found.listing(NOW)
    assert [account.username for account in listing.accounts] == ["bakery"]
    assert listing.complete


async def test_changed_permissions_are_learned_by_a_walk() -> None:
    """Something was given or taken at Facebook meanwhile."""
    graph, found = kept(), findings()
    facts = await graph.door().discover(TOKEN, found, GrantFacts(permissions=Permissions()))

    assert facts is not None
    assert facts.permissions == GRANTED
    assert "me/permissions" in graph.asked
    assert [warning.permission for warning in found.listing(NOW).warnings] == [
        "business_management"
    ]


@pytest.mark.parametrize("fault", [BUSY, answer({"data": {}}), refusal(100, message="Invalid")])
async def test_a_walk_without_debug_token(fault: Answer) -> None:
    """By the last known choice, and no whole truth; nothing is learned (A18)."""
    graph = kept(debug_token=fault, **{"171": answer({"id": "171", "username": "bakery"})})
    graph.answers["me/accounts"] = answer({"data": []})
    found = findings()
    facts = await graph.door().discover(TOKEN, found, KNOWN)

    assert facts is None
    listing = found.listing(NOW)
    assert [account.username for account in listing.accounts] == ["bakery"]
    assert listing.failed_sources == {Source.GRANULAR_PAGES, Source.GRANULAR_INSTAGRAM}


@pytest.mark.parametrize("subcode", [458, 460, None])
async def test_a_dead_token_ends_the_walk_whatever_the_edges_say(subcode: int | None) -> None:
    """debug_token is the one to say so."""
    with pytest.raises(GraphRefusal) as caught:
        await kept(debug_token=dead(subcode)).door().discover(TOKEN, findings(), KNOWN)

    assert status_of(caught.value) is not None


async def test_a_blocked_app_is_no_fresh_listing() -> None:
    """It raises what the caller answers 502 or stale for, and ends no grant (A20)."""
    blocked = refusal(200, message="API access blocked.", status=403)
    graph = kept(debug_token=blocked, me__accounts=blocked)
    with pytest.raises(GraphRefusal) as caught:
        await graph.door().discover(TOKEN, findings(), KNOWN)

    assert caught.value.meaning is Meaning.APP_BLOCKED
    assert status_of(caught.value) is None


@pytest.mark.parametrize("pages", [("11",), ("11", "12")])
@pytest.mark.parametrize("fault", [refusal(100, message="(#100) Invalid parameter"), BUSY])
async def test_where_everything_refuses_it_is_no_listing(
    fault: Answer, pages: tuple[str, ...]
) -> None:
    """Rows for each Page once known would hide that nobody answered (contract §6)."""
    known = GrantFacts(granular=GranularScopes({"pages_show_list": pages}))
    graph = kept(debug_token=fault, me__accounts=fault, batch=fault, **{"11": fault})
    with pytest.raises(GraphRefusal) as caught:
        await graph.door().discover(TOKEN, findings(), known)

    assert caught.value.endpoint == "me/accounts"


async def test_a_walk_that_is_given_up_leaves_nothing_behind() -> None:
    """The walk's bound ends its debug_token as well."""

    async def hanging(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    graph = kept(debug_token=hanging, me__accounts=hanging)
    before = asyncio.all_tasks()
    walk = asyncio.create_task(graph.door().discover(TOKEN, findings(), KNOWN))
    for _ in range(9):
        await asyncio.sleep(0)
    walk.cancel()
    with pytest.raises(asyncio.CancelledError):
        await walk
    for _ in range(9):
        await asyncio.sleep(0)

    assert asyncio.all_tasks() - before == set()


async def test_a_walk_is_bounded_in_flight() -> None:
    """So many calls of one walk at once, however many portfolios it finds (A6)."""
    now, most = 0, 0

    async def counted(request: httpx.Request) -> httpx.Response:
        nonlocal now, most
        now, most = now + 1, max(most, now + 1)
        for _ in range(3):
            await asyncio.sleep(0)
        now -= 1
        return httpx.Response(200, json={"data": []})

    granted = {"data": [{"permission": "business_management", "status": "granted"}]}
    businesses = {"data": [{"id": str(number)} for number in range(1, 31)]}
    edges = {f"{n}__{e}": counted for n in range(1, 31) for e in ("owned_pages", "client_pages")}
    graph = kept(me__permissions=answer(granted), me__businesses=answer(businesses), **edges)
    await graph.door().discover(TOKEN, findings(), GrantFacts())

    assert most == WALK_AT_ONCE


async def test_a_long_walk_gives_the_loop_back() -> None:
    """After each hundred Pages others have their turn (C24)."""
    parts = 30

    def listed(request: httpx.Request) -> httpx.Response:
        start = int(request.url.params.get("after", "0"))
        pages = [{**PAGE, "id": str(start * 100 + number)} for number in range(1, 101)]
        paging = {"cursors": {"after": str(start + 1)}}
        if start + 1 < parts:
            paging["next"] = "https://graph.facebook.com/v26.0/1/accounts"  # type: ignore[assignment]
        return httpx.Response(200, json={"data": pages, "paging": paging})

    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    waiting, found = asyncio.create_task(others()), findings()
    await kept(me__accounts=listed).door().discover(TOKEN, found, KNOWN)
    waiting.cancel()

    assert len(found.listing(NOW).accounts[0].pages) == parts * 100
    assert turns >= parts


# -- the rest


async def test_revoking_by_the_app() -> None:
    """With the app's own token (graph-facts 9.2)."""
    graph = kept(**{f"{SUBJECT}__permissions": answer({"success": True})})
    await graph.door().revoke(SUBJECT)

    assert graph.requests[f"{SUBJECT}/permissions"][0].method == "DELETE"


async def test_checking_the_app() -> None:
    """Id and secret in a POST body (2.7)."""
    graph = kept(client_credentials=answer({"access_token": "9|x"}))
    await graph.door().check_app()
    graph.answers["client_credentials"] = refusal(1)
    with pytest.raises(GraphRefusal) as caught:
        await graph.door().check_app()

    assert caught.value.meaning is Meaning.MISCONFIGURED


def test_whoever_holds_a_door_sees_no_secret() -> None:
    """Secrets print as stars (contract §7)."""
    assert "0123456789abcdef" not in repr(vars(kept().door()))
