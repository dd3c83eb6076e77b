"""The second round trip of a login: whose token, and what it shows (contract §3)."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from igauth.domain import Permissions, Source
from igauth.errors import IgAuthError, ServiceMisconfigured, TokenNotOurs
from igauth.meta.calls import Budgets, Purpose
from igauth.meta.door import Identified
from igauth.meta.errors import GraphError, GraphRefusal, GraphThrottled, GraphUnavailable, Meaning
from igauth.meta.pauses import MemoryPauseBook
from igauth.meta.verdicts import login_error
from tests.meta.facebook.graph import (
    ACCOUNTS,
    LIVE,
    ME,
    NOW,
    PAGE,
    PERMISSIONS,
    SHORT,
    SUBJECT,
    Graph,
    Slow,
    dead,
    debugged,
    findings,
    well,
)
from tests.meta.scripted import APP_ID, Answer, answer, raw, refusal

BUSY = refusal(2, status=503)
SIDE_BY_SIDE = {"upgrade", "debug_token", "me"}


async def identified(graph: Graph, **more: Any) -> Identified:
    found = await graph.door(**more).identify(SHORT, findings())
    await found.discovery
    return found


async def refused(graph: Graph) -> Exception:
    with pytest.raises((GraphError, IgAuthError)) as caught:
        await graph.door().identify(SHORT, findings())
    return caught.value


async def test_a_login_is_three_calls_beside_each_other() -> None:
    """Upgrade, debug_token, and one /me with permissions and the first Pages (contract §3)."""
    graph = well()
    together = asyncio.Barrier(3)

    def at_once(body: Any) -> Slow:
        async def answered(request: httpx.Request) -> httpx.Response:
            await together.wait()
            return httpx.Response(200, json=body)

        return answered

    graph.answers |= {
        "upgrade": at_once({"access_token": "EAAlong", "expires_in": 5183944}),
        "debug_token": at_once({"data": LIVE}),
        "me": at_once(ME),
    }
    found = findings()
    login = await graph.door().identify(SHORT, found)
    await login.discovery

    assert sorted(graph.asked) == sorted(SIDE_BY_SIDE)
    listing = found.listing(NOW)
    assert [account.username for account in listing.accounts] == ["bakery"]
    assert listing.accounts[0].pages[0].tasks == ("MANAGE",)
    assert listing.complete


async def test_what_a_login_knows() -> None:
    """Person, long-lived token with its own end, dates, permissions, granular scopes."""
    login = await identified(well())

    assert (login.identity.subject, login.identity.name) == (SUBJECT, "Ada")
    assert login.long_lived
    assert login.token.access_token.get_secret_value() == "EAAlong"
    assert login.facts.token_expires_at == NOW + timedelta(seconds=5183944)
    assert login.facts.data_access_expires_at == datetime.fromtimestamp(1803168000, UTC)
    assert login.facts.permissions == Permissions(frozenset({"pages_show_list", "instagram_basic"}))
    assert login.facts.granular is not None
    assert login.facts.granular.ids("instagram_") == ("171",)


@pytest.mark.parametrize("fault", [BUSY, refusal(1), refusal(190, 463), raw(b"<html>")])
async def test_a_failed_upgrade_leaves_the_short_lived_token(fault: Answer) -> None:
    """The keeper tries again later (contract §3, graph-facts 3.9); one line says why (A17)."""
    with capture_logs() as logs:
        login = await identified(well(upgrade=fault))

    assert not login.long_lived
    assert login.token is SHORT
    assert login.facts.token_expires_at == datetime.fromtimestamp(1800576000, UTC)
    assert [entry["endpoint"] for entry in logs] == ["oauth/access_token"]


# -- whose token it is


@pytest.mark.parametrize(
    "answered",
    [
        dead(463),
        dead(None),
        answer({"data": {"is_valid": False}}),
        refusal(100, message="(#100) The App_id in the input_token did not match"),
        debugged(app_id="999"),
        debugged(app_id=None),
        debugged(type="PAGE"),
        debugged(user_id="10299"),
        debugged(user_id=None),
    ],
)
async def test_a_token_that_is_not_ours(answered: Answer) -> None:
    """Invalid, another app's, no user's, or another user's than /me (RFC 9700 §4.6)."""
    assert type(await refused(well(debug_token=answered))) is TokenNotOurs


@pytest.mark.parametrize("me", [BUSY, refusal(190, 463), refusal(10)])
async def test_what_debug_token_says_of_a_bad_token_comes_first(me: Answer) -> None:
    """Whatever /me says of it."""
    graph = well(debug_token=dead(460), me=me, me__accounts=BUSY, me__permissions=BUSY)

    assert type(await refused(graph)) is TokenNotOurs


async def test_nobody_waits_for_the_rest_of_a_foreign_tokens_login() -> None:
    """What hangs is left behind, and gone."""

    async def hanging(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    graph = well(debug_token=dead(463), me=hanging, upgrade=hanging)
    before = asyncio.all_tasks()

    assert type(await refused(graph)) is TokenNotOurs
    assert asyncio.all_tasks() - before == set()


async def test_a_hanging_upgrade_does_not_lose_the_login() -> None:
    """It is tried again, and given up a moment before the callback is (contract §3)."""

    async def hanging(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    budgets = Budgets(call=0.02, exchange=0.02, callback=1.04)
    login = await identified(well(upgrade=hanging), budgets=budgets)

    assert budgets.whole(Purpose.LOGIN) == pytest.approx(0.02)
    assert not login.long_lived


@pytest.mark.parametrize("me", [answer(ME), refusal(100, 33)])
async def test_a_system_users_token_is_an_alarm(me: Answer) -> None:
    """The Login configuration yields system users, for whom /me may even fail (1.9)."""
    graph = well(debug_token=debugged(type="SYSTEM_USER"), me=me)
    with capture_logs() as logs:
        assert type(await refused(graph)) is ServiceMisconfigured

    assert ("facebook.misconfigured", "error") in [
        (entry["event"], entry["log_level"]) for entry in logs
    ]


@pytest.mark.parametrize(
    ("answered", "code"),
    [
        (refusal(100, message="(#100) Invalid parameter"), "facebook_error"),
        (answer({"data": {}}), "facebook_unavailable"),
        (raw(b""), "facebook_unavailable"),
        (BUSY, "facebook_unavailable"),
        (answer({"data": {"is_valid": False, "error": {"code": 2}}}), "facebook_unavailable"),
        (answer({"data": {"is_valid": False, "error": {"code": 4}}}), "facebook_rate_limited"),
        (refusal(4, status=403), "facebook_rate_limited"),
        (refusal(190), "service_misconfigured"),
        (refusal(200, message="API access blocked."), "service_misconfigured"),
    ],
)
async def test_debug_token_in_trouble_is_not_a_foreign_token(answered: Answer, code: str) -> None:
    """Only an answer about this token says that it isn't ours (4.6a, A18, B5)."""
    error = await refused(well(debug_token=answered))

    assert isinstance(error, GraphError)
    assert login_error(error).code == code


# -- single faults


@pytest.mark.parametrize("endpoint", ["debug_token", "me", "upgrade"])
@pytest.mark.parametrize("fault", [raw(b""), raw(b"<html>"), BUSY, httpx.ReadTimeout("x")])
async def test_a_single_fault_loses_no_login(endpoint: str, fault: Answer) -> None:
    """A login's reads are tried again within the callback's time (contract §8, C18)."""
    graph = well()
    graph.answers["me/accounts"] = answer(ACCOUNTS)
    graph.answers[endpoint] = [fault, graph.answers[endpoint]]  # type: ignore[list-item]
    login = await identified(graph)

    assert login.long_lived
    assert login.identity.name == "Ada"


@pytest.mark.parametrize("endpoint", ["debug_token", "me"])
async def test_a_lasting_fault_ends_the_login_and_its_listing(endpoint: str) -> None:
    """Three tries; then nobody needs the listing."""
    graph = well(**{endpoint: raw(b"<html>")})
    graph.answers["me/accounts"] = answer(ACCOUNTS)
    error = await refused(graph)

    assert isinstance(error, GraphUnavailable)
    assert graph.asked.count(endpoint) == 3
    assert not [task for task in asyncio.all_tasks() if "Discovery" in repr(task)]


async def test_the_permissions_are_asked_alone_where_they_are_missing() -> None:
    """Where not even that is answered, debug_token's scopes are what was granted."""
    body = {key: value for key, value in ME.items() if key != "permissions"}
    login = await identified(well(me=answer(body), me__permissions=BUSY))

    assert login.facts.permissions == Permissions(frozenset(LIVE["scopes"]))


async def test_whoever_leaves_ends_all_of_it() -> None:
    """A callback that ran out of time leaves no call behind."""
    gate = asyncio.Event()

    async def hanging(request: httpx.Request) -> httpx.Response:
        await gate.wait()
        raise AssertionError("nobody waits any more")

    graph = well(debug_token=hanging, me=hanging, upgrade=hanging)
    before = asyncio.all_tasks()
    login = asyncio.create_task(graph.door().identify(SHORT, findings()))
    for _ in range(9):
        await asyncio.sleep(0)
    login.cancel()
    with pytest.raises(asyncio.CancelledError):
        await login
    for _ in range(9):
        await asyncio.sleep(0)

    assert asyncio.all_tasks() - before == set()


# -- the first listing


async def test_pages_that_spoil_the_profile_are_walked_alone() -> None:
    """Profile and permissions again without Pages, and /me/accounts as a source (contract §3)."""
    found = findings()
    graph = well(me=[refusal(10), answer({**ME, "accounts": None})], me__accounts=answer(ACCOUNTS))
    login = await graph.door().identify(SHORT, found)
    await login.discovery

    assert sorted(graph.asked) == sorted([*SIDE_BY_SIDE, "me", "me/accounts"])
    assert [account.username for account in found.listing(NOW).accounts] == ["bakery"]


async def test_the_rest_of_the_pages_comes_later() -> None:
    """The callback waits for the other three only; discovery goes on (contract §3)."""
    gate = asyncio.Event()

    async def slow(request: httpx.Request) -> httpx.Response:
        await gate.wait()
        return httpx.Response(200, json={"data": [{**PAGE, "id": "12"}]})

    paging = {"cursors": {"after": "A"}, "next": "https://graph.facebook.com/v26.0/1/accounts"}
    first = {"data": [PAGE], "paging": paging}
    graph = well(me=answer({**ME, "accounts": first}), me__accounts=slow)
    found = findings()
    login = await graph.door().identify(SHORT, found)

    assert not login.discovery.done()
    snapshot = found.snapshot(NOW)
    assert snapshot is not None
    assert [len(account.pages) for account in snapshot.accounts] == [1]
    assert Source.ACCOUNTS in snapshot.failed_sources
    gate.set()
    await login.discovery
    listing = found.listing(NOW)
    assert [len(account.pages) for account in listing.accounts] == [2]
    assert listing.complete
    assert graph.requests["me/accounts"][0].url.params["after"] == "A"


async def test_a_failing_listing_never_fails_a_login() -> None:
    """Contract §3: it is told by the discovery alone."""
    graph = well(me=[refusal(10), answer({**ME, "accounts": None})], me__accounts=BUSY)
    graph.answers["debug_token"] = debugged(granular_scopes=[])
    login = await graph.door().identify(SHORT, findings())

    assert login.identity.subject == SUBJECT
    with pytest.raises(GraphRefusal) as caught:
        await login.discovery
    assert caught.value.meaning is Meaning.TRANSIENT


async def test_a_login_in_spite_of_a_pause_leaves_the_listing_waiting() -> None:
    """Exchange, upgrade, debug_token and profile are tried; Pages aren't asked (C17)."""
    pauses = MemoryPauseBook()
    await pauses.throttled({"app": 600.0})
    graph = well()
    door = graph.door(pauses=pauses)
    issued = await door.exchange("code", "verifier")
    login = await door.identify(issued, findings())

    assert login.long_lived
    assert sorted(graph.asked) == sorted(["exchange", *SIDE_BY_SIDE])
    assert "accounts" not in graph.requests["me"][0].url.params["fields"]
    with pytest.raises(GraphThrottled):
        await login.discovery


async def test_a_hanging_profile_does_not_hold_the_login_for_good() -> None:
    """Each attempt has its own budget; the second one asks for less (C18, 6.7)."""

    async def hanging(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    graph = well(me=[hanging, answer({**ME, "accounts": None})], me__accounts=answer(ACCOUNTS))
    login = await identified(graph, budgets=Budgets(call=0.02))

    assert login.identity.name == "Ada"
    assert graph.requests["me"][1].url.params["fields"] == (
        "id,name,picture{url},permissions{permission,status}"
    )


def test_the_fake_and_the_wire_agree_on_the_permissions() -> None:
    """`PERMISSIONS` is what the profile carries (graph-facts 9.1)."""
    assert ME["permissions"] is PERMISSIONS
    assert LIVE["app_id"] == APP_ID
