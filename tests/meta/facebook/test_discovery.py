"""Discovery of Instagram accounts, against the offline Facebook (contract §6)."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable
from typing import Any, TypeVar

import pytest

from igauth.domain import (
    GranularScopes,
    Listing,
    ListingWarning,
    NotListedReason,
    Permissions,
    Source,
)
from igauth.listing.findings import Findings
from igauth.meta.calls import Purpose
from igauth.meta.door import UserToken
from igauth.meta.errors import (
    ErrorEnvelope,
    GraphError,
    GraphRefusal,
    GraphThrottled,
    GraphTimeout,
    GraphUnavailable,
    Meaning,
)
from igauth.meta.facebook.caller import Caller
from igauth.meta.facebook.discovery import Beside, Discovery
from igauth.meta.facebook.nodes import NodeParser
from igauth.meta.facebook.reading import Reading
from igauth.meta.meanings import refusal_of
from igauth.meta.side_by_side import begin
from tests.meta.scene import NOW, WANTED, Scene, findings, open_scene

T = TypeVar("T")
ALL = Permissions(granted=frozenset(WANTED))
WITHOUT_BUSINESS = Permissions(granted=frozenset(WANTED) - {"business_management"})


@pytest.fixture
async def scene() -> AsyncGenerator[Scene]:
    """A fresh offline Facebook and a door to it."""
    async with open_scene() as opened:
        yield opened


async def walk(
    scene: Scene,
    token: UserToken,
    permissions: Permissions | GraphError | None,
    granular: GranularScopes | GraphError,
    found: Findings | None = None,
) -> Listing:
    """A walk beside calls that tell this."""
    return await walk_beside(scene, token, answered(permissions), answered(granular), found)


async def discover(scene: Scene, token: UserToken, found: Findings | None = None) -> Listing:
    """A walk beside calls that ask the sandbox."""
    permissions = scene.reading(token).permissions()
    return await walk_beside(scene, token, permissions, granular_of(scene, token), found)


async def walk_beside(
    scene: Scene,
    token: UserToken,
    permissions: Coroutine[Any, Any, Permissions | None],
    granular: Coroutine[Any, Any, GranularScopes],
    found: Findings | None = None,
) -> Listing:
    found = found or findings()
    beside = Beside(begin(permissions), begin(granular))
    reading = Reading(Caller.of_walk(scene.graph, token), NodeParser())
    await Discovery(reading, found, beside).walk()
    return found.listing(NOW)


async def answered(value: T | GraphError) -> T:
    if isinstance(value, GraphError):
        raise value
    return value


async def granular_of(scene: Scene, token: UserToken) -> GranularScopes:
    return (await scene.tokens.debug(token, Purpose.LISTING)).granular


async def listing_of(scene: Scene, person: str, **choice: Iterable[str]) -> Listing:
    """As a login discovers."""
    found = findings()
    issued = await scene.consent(person, **choice)
    login = await scene.door.identify(issued, found)
    await login.discovery
    return found.listing(NOW)


def usernames(listing: Listing) -> list[str | None]:
    return [account.username for account in listing.accounts]


def reasons(listing: Listing) -> list[tuple[str, str | None, str | None]]:
    return [
        (row.reason, row.page.name if row.page else None, row.cause) for row in listing.not_listed
    ]


def codes(listing: Listing) -> set[tuple[str, Source | None]]:
    return {(warning.code, warning.source) for warning in listing.warnings}


# -- the cast


async def test_all_is_well(scene: Scene) -> None:
    """Several accounts behind several Pages, ordered, each explained (contract §6)."""
    listing = await listing_of(scene, "ada")

    assert usernames(listing) == ["ada.quiet", "invented.bakery", "invented_flowers"]
    assert reasons(listing) == [("page_without_instagram", "Invented Reading Circle", None)]
    assert (listing.complete, listing.warnings, listing.failed_sources) == (True, (), frozenset())
    assert listing.fetched_at == NOW
    assert listing.accounts[1].pages[0].name == "Invented Bakery"
    assert "CREATE_CONTENT" in (listing.accounts[1].pages[0].tasks or ())
    assert Source.ACCOUNTS in listing.accounts[1].sources
    assert scene.sandbox.calls.unknown() == []


async def test_nothing_at_all_is_an_answer(scene: Scene) -> None:
    """Zero accounts is a listing, not an error."""
    listing = await listing_of(scene, "ben")

    assert (listing.accounts, listing.not_listed, listing.complete) == ((), (), True)


async def test_a_portfolio_is_searched(scene: Scene) -> None:
    """owned_pages and client_pages; what nobody granted is explained (graph-facts 7.6)."""
    listing = await listing_of(scene, "dora")

    assert usernames(listing) == ["dora.client", "dora.inside", "dora.outside", "dora.owned"]
    assert reasons(listing) == [("page_not_granted", "Not granted to Dora", None)]
    assert listing.complete


async def test_a_page_nobody_ticked_that_a_portfolio_shows(scene: Scene) -> None:
    """Contract §6: a portfolio edge alone, no granular scope, no token."""
    dora = scene.sandbox.world.person("dora")
    ticked = [page.id for page in dora.pages.values() if page.offered][:2]
    shown = list(dora.accounts)[:2]
    listing = await listing_of(scene, "dora", pages=ticked, instagram_accounts=shown)

    assert usernames(listing) == ["dora.inside", "dora.outside"]
    assert {row.reason for row in listing.not_listed} == {NotListedReason.PAGE_NOT_GRANTED}
    assert len(listing.not_listed) == 3


async def test_an_account_without_its_page(scene: Scene) -> None:
    """The Instagram ids of granular scopes are read by themselves (7.6, work-around C)."""
    listing = await listing_of(scene, "emil")

    assert usernames(listing) == ["emil.alone"]
    assert listing.accounts[0].pages == ()
    assert listing.accounts[0].sources == {Source.GRANULAR_INSTAGRAM}


async def test_all_cursors_are_walked(scene: Scene) -> None:
    """250 Pages are three pages of 100 (trap 18)."""
    listing = await listing_of(scene, "fay")

    assert len(listing.accounts) == 250
    assert listing.complete


async def test_one_entry_for_each_account(scene: Scene) -> None:
    """Two Pages, one account, both Pages with it in order (F-19)."""
    (account,) = (await listing_of(scene, "gus")).accounts

    assert [page.name for page in account.pages] == ["Gus North", "Gus South"]
    assert [page.id for page in account.pages] == sorted(page.id for page in account.pages)


async def test_hostile_names(scene: Scene) -> None:
    """Nothing that can't be stored or sent comes through (F-20)."""
    listing = await listing_of(scene, "hana")

    assert len(listing.accounts) == 8
    for account in listing.accounts:
        f"{account}".encode()
        assert "\x00" not in repr(account.name)
        assert account.website is None
        assert account.profile_picture_url is None
        assert len(account.name or "") <= 300


async def test_troubled_pages(scene: Scene) -> None:
    """Each with its reason and cause; the rest is listed (graph-facts 7.9, 8.7)."""
    listing = await listing_of(scene, "jo")

    assert usernames(listing) == ["jo.moved", "jo.works"]
    causes = {(row.reason, row.cause) for row in listing.not_listed}
    assert {
        ("page_unavailable", "two_factor"),
        ("page_unavailable", "checkpoint"),
        ("instagram_unreachable", "restricted"),
    } <= causes
    assert listing.complete
    assert listing.accounts[0].pages[0].name == "After the move"


async def test_pages_known_from_granular_scopes_only(scene: Scene) -> None:
    """1,000 Pages; sequential trips don't grow with their number (contract §6)."""
    token = await scene.token("kim")
    scene.sandbox.calls.clear()
    scene.sandbox.state.latency_seconds = 0.2
    listing = await discover(scene, token)

    assert len(listing.accounts) == 1_000
    assert scene.sandbox.calls.round_trips() <= 3


async def test_ten_thousand_pages(scene: Scene) -> None:
    """The bound itself is reached whole."""
    listing = await listing_of(scene, "lou")

    assert len(listing.accounts) == 10_000
    assert listing.complete


async def test_malformed_entries(scene: Scene) -> None:
    """Each is counted or explained, none spoils the list (F-18)."""
    listing = await listing_of(scene, "max")

    assert usernames(listing) == ["max.fine"]
    malformed = [row for row in listing.not_listed if row.reason is NotListedReason.MALFORMED]
    known = {row.page.id for row in malformed if row.page}
    assert {"100013000000078", "100013000000079"} <= known
    assert len(malformed) > len(known)
    without = {row.page.name for row in listing.not_listed if row.page} - {None}
    assert {"An id that is a number", "The good owned Page"} <= without


async def test_short_and_empty_pages(scene: Scene) -> None:
    """Only the absence of next ends a list (7.4)."""
    assert len((await listing_of(scene, "nia")).accounts) == 9


async def test_an_account_that_went_personal(scene: Scene) -> None:
    """The key vanishes from the Page, the node can't be read (8.8): both are told."""
    listing = await listing_of(scene, "oli")

    assert listing.accounts == ()
    assert [row.reason for row in listing.not_listed] == [
        NotListedReason.INSTAGRAM_UNREACHABLE,
        NotListedReason.PAGE_WITHOUT_INSTAGRAM,
    ]


# -- calls and trips


async def test_a_login_beside_discovery_costs_one_trip(scene: Scene) -> None:
    """Where /me/accounts shows everything, nothing is asked after it; 11.8 counts each part."""
    token = await scene.token("cleo")
    scene.sandbox.calls.clear()
    scene.sandbox.state.latency_seconds = 0.2
    await walk_beside(scene, token, answered(WITHOUT_BUSINESS), granular_of(scene, token))

    assert {call.endpoint for call in scene.sandbox.calls.top()} == {"accounts", "debug_token"}
    assert scene.sandbox.calls.round_trips() == 1


async def test_what_is_missing_costs_one_more(scene: Scene) -> None:
    """Granular Pages and accounts that /me/accounts hid are read side by side."""
    token = await scene.token("emil")
    scene.sandbox.calls.clear()
    scene.sandbox.state.latency_seconds = 0.2
    await walk_beside(scene, token, answered(WITHOUT_BUSINESS), granular_of(scene, token))

    assert scene.sandbox.calls.round_trips() == 2


async def test_a_silent_first_edge_does_not_hold_the_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head start of /me/accounts is short."""
    monkeypatch.setattr("igauth.meta.facebook.discovery.HEAD_START_SECONDS", 0.02)
    scene.be_impatient()
    token = await scene.token("ada")
    scene.sandbox.faults.add("accounts", "hang")
    listing = await discover(scene, token)

    assert len(listing.accounts) == 3
    assert codes(listing) == {("facebook_timeout", Source.ACCOUNTS)}


async def test_portfolios_only_with_the_permission(scene: Scene) -> None:
    """business_management decides (contract §6)."""
    token = await scene.token("dora", declined=["business_management"])
    listing = await discover(scene, token)

    assert scene.sandbox.calls.of("businesses", "owned_pages", "client_pages") == []
    missing = [warning for warning in listing.warnings if warning.permission]
    assert missing == [ListingWarning("permission_missing", "business_management")]
    assert listing.complete


async def test_each_missing_scope_is_a_warning(scene: Scene) -> None:
    """Whatever was wanted and not granted; `complete` is about sources (contract §6)."""
    token = await scene.token("ada", declined=["instagram_content_publish"])
    listing = await discover(scene, token)

    assert listing.warnings == (ListingWarning("permission_missing", "instagram_content_publish"),)
    assert listing.complete


@pytest.mark.parametrize("unknown", [None, GraphTimeout("me", "x")])
async def test_unknown_permissions(scene: Scene, unknown: GraphError | None) -> None:
    """The granular scopes tell whether portfolios may be asked."""
    token = await scene.token("dora")
    listing = await walk(scene, token, unknown, await granular_of(scene, token))

    assert len(listing.accounts) == 4
    assert listing.complete


async def test_no_granular_scopes(scene: Scene) -> None:
    """Old tokens name none: the edges are the way (graph-facts 4.3)."""
    token = await scene.token("dora")
    listing = await walk(scene, token, ALL, GranularScopes())

    assert len(listing.accounts) == 4
    assert listing.complete


@pytest.mark.parametrize("variant", ["absent", "null", "empty", "missing"])
async def test_unlimited_scopes(scene: Scene, variant: str) -> None:
    """No ids isn't "nothing granted" (trap 16)."""
    scene.sandbox.world.person("ada").quirks.granular = variant  # type: ignore[assignment]
    listing = await listing_of(scene, "ada")

    assert len(listing.accounts) == 3
    assert listing.complete


# -- partial truth


@pytest.mark.parametrize(
    ("preset", "code"),
    [
        ("throttled_user", "facebook_rate_limited"),
        ("permission_denied", "facebook_error"),
        ("unavailable", "facebook_unavailable"),
        ("bad_gateway", "facebook_unavailable"),
        ("html_ok", "facebook_unavailable"),
        ("invalid_parameter", "facebook_error"),
    ],
)
async def test_a_failing_edge_leaves_the_rest(scene: Scene, preset: str, code: str) -> None:
    """A warning with its source, complete false, the other sources' accounts (contract §6)."""
    token = await scene.token("dora")
    permissions, granular = ALL, await granular_of(scene, token)
    scene.sandbox.faults.preset(preset, endpoint="owned_pages")
    listing = await walk(scene, token, permissions, granular)

    assert not listing.complete
    assert listing.failed_sources == {Source.OWNED_PAGES}
    assert (code, Source.OWNED_PAGES) in codes(listing)
    assert len(listing.accounts) == 4


async def test_failing_portfolios_fail_their_edges(scene: Scene) -> None:
    """What /me/businesses hid could have been shown by its edges; one warning tells it."""
    token = await scene.token("dora")
    scene.sandbox.faults.preset("needs_business_management")
    listing = await discover(scene, token)

    assert listing.failed_sources == {Source.BUSINESSES, Source.OWNED_PAGES, Source.CLIENT_PAGES}
    assert listing.warnings == (ListingWarning("facebook_error", source=Source.BUSINESSES),)


async def test_failing_batches_fail_the_granular_sources(scene: Scene) -> None:
    """An outage isn't the fault of each Page."""
    token = await scene.token("kim")
    scene.sandbox.faults.preset("bad_gateway", endpoint="batch")
    listing = await discover(scene, token)

    assert listing.not_listed == ()
    assert listing.failed_sources == {Source.GRANULAR_PAGES, Source.GRANULAR_INSTAGRAM}


async def test_a_failing_debug_token_fails_the_granular_sources(scene: Scene) -> None:
    """What it would have named may be missing."""
    token = await scene.token("ada")
    scene.sandbox.faults.preset("bad_gateway", endpoint="debug_token")
    listing = await discover(scene, token)

    assert len(listing.accounts) == 3
    assert listing.failed_sources == {Source.GRANULAR_PAGES, Source.GRANULAR_INSTAGRAM}
    assert codes(listing) == {("facebook_unavailable", Source.GRANULAR_PAGES)}


async def test_an_edge_that_fails_in_the_middle(scene: Scene) -> None:
    """What it told before stays."""
    token = await scene.token("fay")

    async def after_the_first_answer(_seconds: float) -> None:
        if scene.sandbox.calls.of("accounts"):
            scene.sandbox.faults.preset("html_ok", endpoint="accounts")

    scene.sandbox.state.sleep = after_the_first_answer
    scene.sandbox.state.latency_seconds = 0.1
    listing = await walk(scene, token, WITHOUT_BUSINESS, GranularScopes())

    assert len(listing.accounts) == 100
    assert listing.failed_sources == {Source.ACCOUNTS}
    assert ("facebook_unavailable", Source.ACCOUNTS) in codes(listing)


async def test_a_bounded_walk_is_not_complete(scene: Scene) -> None:
    """10,000 Pages and more behind them (contract §6)."""
    scene.sandbox.world.person("lou").add_page("One too many")
    token = await scene.token("lou")
    listing = await walk(scene, token, WITHOUT_BUSINESS, GranularScopes())

    assert len(listing.accounts) == 10_000
    assert codes(listing) >= {("listing_truncated", Source.ACCOUNTS)}
    assert listing.failed_sources == {Source.ACCOUNTS}


@pytest.mark.parametrize("preset", ["permission_denied", "needs_business_management"])
async def test_a_portfolio_that_wants_a_role_says_so(scene: Scene, preset: str) -> None:
    """`business_management` was granted, so that isn't what is missing (B24)."""
    token = await scene.token("dora")
    scene.sandbox.faults.preset(preset, endpoint="owned_pages")
    listing = await discover(scene, token)

    assert listing.warnings == (ListingWarning("facebook_error", source=Source.OWNED_PAGES),)
    assert listing.failed_sources == {Source.OWNED_PAGES}


async def test_only_what_was_declined_is_called_missing(scene: Scene) -> None:
    """Where Graph throws for a nested field, it is asked for less (7.2b, B23)."""
    token = await scene.token("ada", declined=["instagram_basic"])
    scene.sandbox.faults.preset("permission_denied", endpoint="accounts", times=2)
    scene.sandbox.faults.preset("permission_denied", endpoint="page", times=2)
    listing = await discover(scene, token)

    assert listing.warnings == (ListingWarning("permission_missing", "instagram_basic"),)
    assert listing.complete
    assert listing.accounts == ()
    assert len([row for row in listing.not_listed if row.page]) == 4
    assert {row.reason for row in listing.not_listed} == {NotListedReason.INSTAGRAM_UNREACHABLE}
    assert {row.cause for row in listing.not_listed} == {"permission"}


# -- ends


@pytest.mark.parametrize("endpoint", ["accounts", "businesses", "owned_pages", "batch"])
@pytest.mark.parametrize(
    ("preset", "meaning"),
    [
        ("password_changed", Meaning.PASSWORD_CHANGED),
        ("app_removed", Meaning.APP_REMOVED),
        ("checkpoint", Meaning.CHECKPOINT),
        ("api_blocked", Meaning.APP_BLOCKED),
    ],
)
async def test_a_dead_token_ends_everything(
    scene: Scene, endpoint: str, preset: str, meaning: Meaning
) -> None:
    """From whatever source, as itself: no group of errors, no partial truth; so does a blocked
    app (A20)."""
    token = await scene.token("dora")
    granular = await granular_of(scene, token)
    scene.sandbox.faults.preset(preset, endpoint=endpoint)
    scene.sandbox.world.person("dora").change_page(next(iter(granular.ids("pages_"))), listed=False)
    scene.sandbox.world.person("dora").change_page(granular.ids("pages_")[1], listed=False)
    with pytest.raises(GraphRefusal) as caught:
        await walk(scene, token, ALL, granular)

    assert caught.value.meaning is meaning


async def test_a_dead_token_told_by_debug_token(scene: Scene) -> None:
    """A call beside the walk may be the one to say so."""
    token = await scene.token("ada")
    dead = refusal_of("debug_token", ErrorEnvelope(code=190, subcode=458), 400)

    with pytest.raises(GraphRefusal, match="app_removed"):
        await walk(scene, token, ALL, dead)


async def test_a_page_of_its_own_190_is_a_row(scene: Scene) -> None:
    """That Page is unavailable, and the connection lives on (A22, graph-facts 10.2)."""
    token = await scene.token("kim")
    fault = {"code": 190, "subcode": 2069032, "message": "x", "times": 1}
    scene.sandbox.faults.add("batch_part", "graph_error", **fault)
    listing = await discover(scene, token)

    rows = [row for row in listing.not_listed if row.reason is NotListedReason.PAGE_UNAVAILABLE]
    assert [row.cause for row in rows] == ["refused"]
    assert listing.complete


@pytest.mark.parametrize(
    ("preset", "kind"),
    [
        ("throttled_app", GraphThrottled),
        ("bad_gateway", GraphUnavailable),
        ("invalid_parameter", GraphRefusal),
    ],
)
async def test_when_nothing_answers_the_first_error_is_raised(
    scene: Scene, preset: str, kind: type[GraphError]
) -> None:
    """The caller answers 503, 504 or 502, or serves what is stored (contract §6)."""
    token = await scene.token("dora")
    scene.sandbox.faults.preset(preset)
    with pytest.raises(kind) as caught:
        await discover(scene, token)

    assert caught.value.endpoint == "me/accounts"


async def test_when_nothing_may_be_seen_it_is_a_listing(scene: Scene) -> None:
    """403 is the caller's to say, and only where both permissions are missing (contract §6)."""
    token = await scene.token("ben")
    scene.sandbox.faults.preset("permission_denied", endpoint="accounts")
    listing = await walk(scene, token, Permissions(), GranularScopes())

    assert listing.accounts == ()
    assert ("permission_missing", Source.ACCOUNTS) in codes(listing)
    assert not listing.complete


async def test_leaving_does_not_cancel_the_callers_tasks(scene: Scene) -> None:
    """debug_token is shared with the login, which goes on."""
    token = await scene.token("ada")
    shared = asyncio.create_task(granular_of(scene, token))
    scene.sandbox.faults.add("accounts", "hang")
    beside = Beside(begin(answered(ALL)), shared)
    reading = Reading(Caller.of_walk(scene.graph, token), NodeParser())
    going = asyncio.create_task(Discovery(reading, findings(), beside).walk())
    await asyncio.sleep(0)
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going

    assert (await shared).ids("instagram_")


# -- progress


async def test_a_snapshot_while_the_walk_goes_on(scene: Scene) -> None:
    """10 s bound the answer; what is there by then is returned, as incomplete (contract §6)."""
    token = await scene.token("dora")
    scene.be_impatient()
    scene.sandbox.faults.add("client_pages", "hang")
    found = findings()
    assert found.snapshot(NOW) is None
    going = asyncio.create_task(discover(scene, token, found))
    await asyncio.sleep(0.1)
    snapshot = found.snapshot(NOW)

    assert snapshot is not None
    assert usernames(snapshot) == ["dora.client", "dora.inside", "dora.outside", "dora.owned"]
    assert not snapshot.complete
    assert Source.CLIENT_PAGES in snapshot.failed_sources
    assert ("facebook_timeout", Source.CLIENT_PAGES) in codes(snapshot)
    assert not going.done()
    assert (await going).failed_sources == {Source.CLIENT_PAGES}
