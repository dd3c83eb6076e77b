"""Discovery of Instagram accounts, against the offline Facebook (contract §6)."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from dataclasses import replace

import pytest

from igauth.domain import (
    GranularScopes,
    InstagramAccount,
    InstagramAccountId,
    Listing,
    ListingWarning,
    NotListed,
    NotListedReason,
    Page,
    PageId,
    Permissions,
    Source,
)
from igauth.listing.causes import Cause, cause_of, warning_code
from igauth.listing.discovery import Discovery
from igauth.listing.findings import Progress
from igauth.listing.merging import merge
from igauth.meta.errors import (
    ErrorEnvelope,
    GraphError,
    GraphMalformed,
    GraphRefusal,
    GraphThrottled,
    GraphTimeout,
    GraphUnavailable,
    Meaning,
)
from igauth.meta.facebook.proof import UserToken
from igauth.meta.facebook.reading import ListPart, PageNode
from igauth.sandbox.app import DEFAULT_SCOPE
from tests.meta.scene import NOW, REDIRECT_URI, VERIFIER, Scene, open_scene

WANTED = tuple(DEFAULT_SCOPE.split(","))
ALL = Permissions(granted=frozenset(WANTED))
WITHOUT_BUSINESS = Permissions(granted=frozenset(WANTED) - {"business_management"})


@pytest.fixture
async def scene() -> AsyncGenerator[Scene]:
    """A fresh offline Facebook and a client of it."""
    async with open_scene() as opened:
        yield opened


async def consent(scene: Scene, person: str, **choice: Iterable[str]) -> UserToken:
    """A token after a consent to some assets."""
    code = scene.sandbox.authorize(person, redirect_uri=REDIRECT_URI, **choice)  # type: ignore[arg-type]
    return UserToken((await scene.oauth.exchange_code(code, VERIFIER)).access_token, person)


async def granular_of(scene: Scene, token: UserToken) -> GranularScopes:
    return (await scene.oauth.debug_token(token)).granular


async def permissions_of(scene: Scene, token: UserToken) -> Permissions:
    return await scene.resources.permissions(token)


def discovery(scene: Scene) -> Discovery:
    return Discovery(scene.resources, clock=lambda: NOW, wanted_scopes=WANTED)


async def discover(scene: Scene, token: UserToken, progress: Progress | None = None) -> Listing:
    """As a login discovers: debug_token and permissions run beside it."""
    return await discovery(scene).discover(
        token,
        permissions=permissions_of(scene, token),
        granular=granular_of(scene, token),
        progress=progress,
    )


async def listing_of(scene: Scene, person: str, **choice: Iterable[str]) -> Listing:
    return await discover(scene, await consent(scene, person, **choice))


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
    token = await consent(scene, "kim")
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
    token = await consent(scene, "cleo")
    scene.sandbox.calls.clear()
    scene.sandbox.state.latency_seconds = 0.2
    await discovery(scene).discover(
        token, permissions=WITHOUT_BUSINESS, granular=granular_of(scene, token)
    )

    assert {call.endpoint for call in scene.sandbox.calls.top()} == {"accounts", "debug_token"}
    assert scene.sandbox.calls.round_trips() == 1


async def test_what_is_missing_costs_one_more(scene: Scene) -> None:
    """Granular Pages and accounts that /me/accounts hid are read side by side."""
    token = await consent(scene, "emil")
    scene.sandbox.calls.clear()
    scene.sandbox.state.latency_seconds = 0.2
    await discovery(scene).discover(
        token, permissions=WITHOUT_BUSINESS, granular=granular_of(scene, token)
    )

    assert scene.sandbox.calls.round_trips() == 2


async def test_a_silent_first_edge_does_not_hold_the_others(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The head start of /me/accounts is short."""
    monkeypatch.setattr("igauth.listing.discovery.HEAD_START_SECONDS", 0.02)
    scene.be_impatient()
    scene.sandbox.faults.add("accounts", "hang")
    listing = await listing_of(scene, "ada")

    assert len(listing.accounts) == 3
    assert codes(listing) == {("facebook_timeout", Source.ACCOUNTS)}


async def test_portfolios_only_with_the_permission(scene: Scene) -> None:
    """business_management decides (contract §6)."""
    token = await consent(scene, "dora", declined=["business_management"])
    listing = await discover(scene, token)

    assert scene.sandbox.calls.of("businesses", "owned_pages", "client_pages") == []
    missing = [warning for warning in listing.warnings if warning.permission]
    assert missing == [ListingWarning("permission_missing", "business_management")]
    assert listing.complete


async def test_each_missing_scope_is_a_warning(scene: Scene) -> None:
    """Whatever was wanted and not granted; `complete` is about sources (contract §6)."""
    token = await consent(scene, "ada", declined=["instagram_content_publish"])
    listing = await discover(scene, token)

    assert listing.warnings == (ListingWarning("permission_missing", "instagram_content_publish"),)
    assert listing.complete


@pytest.mark.parametrize("unknown", [None, GraphTimeout("me", "x")])
async def test_unknown_permissions(scene: Scene, unknown: GraphError | None) -> None:
    """The granular scopes tell whether portfolios may be asked."""
    token = await consent(scene, "dora")

    async def permissions() -> Permissions | None:
        if unknown is not None:
            raise unknown
        return None

    listing = await discovery(scene).discover(
        token, permissions=permissions(), granular=await granular_of(scene, token)
    )
    assert len(listing.accounts) == 4
    assert listing.complete


async def test_no_granular_scopes(scene: Scene) -> None:
    """Old tokens name none: the edges are the way (graph-facts 4.3)."""
    token = await consent(scene, "dora")
    listing = await discovery(scene).discover(token, permissions=ALL, granular=None)

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
        ("permission_denied", "permission_missing"),
        ("unavailable", "facebook_unavailable"),
        ("bad_gateway", "facebook_unavailable"),
        ("html_ok", "facebook_unavailable"),
        ("invalid_parameter", "facebook_error"),
        ("api_blocked", "permission_missing"),
    ],
)
async def test_a_failing_edge_leaves_the_rest(scene: Scene, preset: str, code: str) -> None:
    """A warning with its source, complete false, the other sources' accounts (contract §6)."""
    token = await consent(scene, "dora")
    permissions, granular = ALL, await granular_of(scene, token)
    scene.sandbox.faults.preset(preset, endpoint="owned_pages")
    listing = await discovery(scene).discover(token, permissions=permissions, granular=granular)

    assert not listing.complete
    assert listing.failed_sources == {Source.OWNED_PAGES}
    assert (code, Source.OWNED_PAGES) in codes(listing)
    assert len(listing.accounts) == 4


async def test_failing_portfolios_fail_their_edges(scene: Scene) -> None:
    """What /me/businesses hid could have been shown by its edges; one warning tells it."""
    token = await consent(scene, "dora")
    scene.sandbox.faults.preset("needs_business_management")
    listing = await discover(scene, token)

    assert listing.failed_sources == {Source.BUSINESSES, Source.OWNED_PAGES, Source.CLIENT_PAGES}
    assert listing.warnings == (
        ListingWarning("permission_missing", "business_management", Source.BUSINESSES),
    )


async def test_failing_batches_fail_the_granular_sources(scene: Scene) -> None:
    """An outage isn't the fault of each Page."""
    token = await consent(scene, "kim")
    scene.sandbox.faults.preset("bad_gateway", endpoint="batch")
    listing = await discover(scene, token)

    assert listing.not_listed == ()
    assert listing.failed_sources == {Source.GRANULAR_PAGES, Source.GRANULAR_INSTAGRAM}


async def test_a_failing_debug_token_fails_the_granular_sources(scene: Scene) -> None:
    """What it would have named may be missing."""
    token = await consent(scene, "ada")
    scene.sandbox.faults.preset("bad_gateway", endpoint="debug_token")
    listing = await discover(scene, token)

    assert len(listing.accounts) == 3
    assert listing.failed_sources == {Source.GRANULAR_PAGES, Source.GRANULAR_INSTAGRAM}
    assert codes(listing) == {("facebook_unavailable", Source.GRANULAR_PAGES)}


async def test_an_edge_that_fails_in_the_middle(scene: Scene) -> None:
    """What it told before stays."""
    token = await consent(scene, "fay")

    async def after_the_first_answer(_seconds: float) -> None:
        if scene.sandbox.calls.of("accounts"):
            scene.sandbox.faults.preset("html_ok", endpoint="accounts")

    scene.sandbox.state.sleep = after_the_first_answer
    scene.sandbox.state.latency_seconds = 0.1
    listing = await discovery(scene).discover(
        token, permissions=WITHOUT_BUSINESS, granular=GranularScopes()
    )

    assert len(listing.accounts) == 100
    assert listing.failed_sources == {Source.ACCOUNTS}
    assert ("facebook_unavailable", Source.ACCOUNTS) in codes(listing)


async def test_a_bounded_walk_is_not_complete(scene: Scene) -> None:
    """10,000 Pages and more behind them (contract §6)."""
    scene.sandbox.world.person("lou").add_page("One too many")
    token = await consent(scene, "lou")
    listing = await discovery(scene).discover(token, permissions=WITHOUT_BUSINESS, granular=None)

    assert len(listing.accounts) == 10_000
    assert codes(listing) >= {("listing_truncated", Source.ACCOUNTS)}
    assert listing.failed_sources == {Source.ACCOUNTS}


# -- ends


@pytest.mark.parametrize(
    "endpoint", ["accounts", "businesses", "owned_pages", "batch", "debug_token"]
)
@pytest.mark.parametrize(
    ("preset", "meaning"),
    [
        ("password_changed", Meaning.RECONNECT),
        ("app_removed", Meaning.REVOKED),
        ("checkpoint", Meaning.CHECKPOINT),
    ],
)
async def test_a_dead_token_ends_everything(
    scene: Scene, endpoint: str, preset: str, meaning: Meaning
) -> None:
    """From whatever source, as itself: no group of errors, no partial truth."""
    token = await consent(scene, "dora")
    granular = await granular_of(scene, token)
    if endpoint == "debug_token":
        await scene.oauth.revoke((await scene.resources.profile(token)).id)
        meaning = Meaning.REVOKED
    else:
        scene.sandbox.faults.preset(preset, endpoint=endpoint)
        scene.sandbox.world.person("dora").change_page(
            next(iter(granular.ids("pages_"))), listed=False
        )
    with pytest.raises(GraphRefusal) as caught:
        await discovery(scene).discover(token, permissions=ALL, granular=granular)

    assert caught.value.meaning is meaning


async def test_a_dead_token_told_by_debug_token(scene: Scene) -> None:
    """The caller's own awaitable may be the one to say so."""
    token = await consent(scene, "ada")

    async def dead() -> GranularScopes:
        raise GraphRefusal("debug_token", ErrorEnvelope(code=190, subcode=458), 400)

    with pytest.raises(GraphRefusal, match="revoked"):
        await discovery(scene).discover(token, permissions=ALL, granular=dead())


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
    token = await consent(scene, "dora")
    scene.sandbox.faults.preset(preset)
    with pytest.raises(kind) as caught:
        await discover(scene, token)

    assert caught.value.endpoint == "me/accounts"


async def test_when_nothing_may_be_seen_it_is_a_listing(scene: Scene) -> None:
    """403 is the caller's to say, and only where both permissions are missing (contract §6)."""
    token = await consent(scene, "ben")
    scene.sandbox.faults.preset("permission_denied", endpoint="accounts")
    listing = await discovery(scene).discover(token, permissions=Permissions(), granular=None)

    assert listing.accounts == ()
    assert ("permission_missing", Source.ACCOUNTS) in codes(listing)
    assert not listing.complete


async def test_a_failure_of_the_callers_own_comes_as_itself(scene: Scene) -> None:
    """A check that the caller hung on debug_token isn't wrapped in a group."""
    token = await consent(scene, "ada")

    async def refused() -> GranularScopes:
        raise KeyError("ours")

    with pytest.raises(KeyError):
        await discovery(scene).discover(token, permissions=ALL, granular=refused())


async def test_leaving_does_not_cancel_the_callers_tasks(scene: Scene) -> None:
    """debug_token is shared with the login, which goes on."""
    token = await consent(scene, "ada")
    shared: asyncio.Task[GranularScopes] = asyncio.create_task(granular_of(scene, token))
    scene.sandbox.faults.add("accounts", "hang")
    walk = asyncio.create_task(discovery(scene).discover(token, permissions=ALL, granular=shared))
    await asyncio.sleep(0)
    walk.cancel()
    with pytest.raises(asyncio.CancelledError):
        await walk

    assert (await shared).ids("instagram_")


# -- progress


async def test_a_snapshot_while_the_walk_goes_on(scene: Scene) -> None:
    """10 s bound the answer; what is there by then is returned, as incomplete (contract §6)."""
    token = await consent(scene, "dora")
    scene.be_impatient()
    scene.sandbox.faults.add("client_pages", "hang")
    progress = Progress()
    assert progress.snapshot(NOW) is None
    walk = asyncio.create_task(discover(scene, token, progress))
    await asyncio.sleep(0.1)
    snapshot = progress.snapshot(NOW)

    assert snapshot is not None
    assert usernames(snapshot) == ["dora.client", "dora.inside", "dora.outside", "dora.owned"]
    assert not snapshot.complete
    assert Source.CLIENT_PAGES in snapshot.failed_sources
    assert ("facebook_timeout", Source.CLIENT_PAGES) in codes(snapshot)
    assert not walk.done()
    assert (await walk).failed_sources == {Source.CLIENT_PAGES}


def test_a_snapshot_names_each_source_once() -> None:
    """The portfolio's edges wait for its list: one warning for the three."""
    progress = Progress()
    progress.add_part(ListPart(()), Source.ACCOUNTS)
    progress.done(Source.ACCOUNTS)
    snapshot = progress.snapshot(NOW)

    assert snapshot is not None
    assert codes(snapshot) == {
        ("facebook_timeout", Source.BUSINESSES),
        ("facebook_timeout", Source.GRANULAR_PAGES),
        ("facebook_timeout", Source.GRANULAR_INSTAGRAM),
    }
    assert snapshot.failed_sources == set(Source) - {Source.ACCOUNTS}


# -- reasons


def refused(code: int, subcode: int | None = None, message: str = "") -> GraphRefusal:
    return GraphRefusal("{page}", ErrorEnvelope(code, subcode, message=message), 400)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (refused(415, 1404120), Cause.TWO_FACTOR),
        (refused(368, 4854002), Cause.CHECKPOINT),
        (refused(200), Cause.RESTRICTED),
        (refused(100, 2207050), Cause.RESTRICTED),
        (refused(190, 492), Cause.ROLE_LOST),
        (refused(10), Cause.PERMISSION),
        (refused(190, None, "before impersonating a user's page"), Cause.PERMISSION),
        (refused(100, 33), Cause.NOT_VISIBLE),
        (refused(803), Cause.NOT_VISIBLE),
        (refused(100), Cause.REFUSED),
    ],
)
def test_causes(error: GraphRefusal, cause: Cause) -> None:
    """Graph-facts 7.9, 8.7: the word that picks the sentence."""
    assert cause_of(error) is cause


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (GraphThrottled("x", 9), "facebook_rate_limited"),
        (GraphTimeout("x", "x"), "facebook_timeout"),
        (GraphUnavailable("x", "x"), "facebook_unavailable"),
        (refused(2), "facebook_unavailable"),
        (refused(10), "permission_missing"),
        (refused(101), "facebook_error"),
        (GraphError("x", "x"), "facebook_error"),
    ],
)
def test_warning_codes(error: GraphError, code: str) -> None:
    """One vocabulary with the problems (contract §5)."""
    assert warning_code(error) == code


BAKERY = InstagramAccount(InstagramAccountId("178"), username="bakery")


def node(
    page_id: str, instagram: InstagramAccount | None = None, token: bool | None = None
) -> PageNode:
    return PageNode(Page(PageId(page_id), f"Page {page_id}"), instagram, token)


@pytest.mark.parametrize(
    ("token", "chosen", "also_in", "listed"),
    [
        (False, (), None, False),
        (True, (), None, True),
        (False, ("1",), None, True),
        (False, (), Source.ACCOUNTS, True),
        (False, (), Source.GRANULAR_PAGES, True),
        (False, (), Source.CLIENT_PAGES, False),
    ],
)
def test_when_a_page_counts_as_granted(
    token: bool, chosen: tuple[str, ...], also_in: Source | None, listed: bool
) -> None:
    """page_not_granted: portfolio alone, and no granular scope, and no token (contract §6)."""
    progress = Progress()
    progress.chosen(chosen)
    progress.add_part(ListPart((node("1", BAKERY, token),)), Source.OWNED_PAGES)
    if also_in is not None:
        progress.add_part(ListPart((node("1", BAKERY),)), also_in)
    listing = progress.listing(NOW)

    assert [account.id for account in listing.accounts] == (["178"] if listed else [])
    assert [(row.reason, row.instagram_account_id) for row in listing.not_listed] == (
        [] if listed else [(NotListedReason.PAGE_NOT_GRANTED, "178")]
    )


def test_an_account_seen_twice_is_whole() -> None:
    """Each field from where it was given, Pages together."""
    progress = Progress()
    bare = InstagramAccount(InstagramAccountId("178"), name="Bakery")
    progress.add_part(ListPart((node("2", bare), node("1", BAKERY))), Source.ACCOUNTS)
    progress.add_account(replace(BAKERY, followers_count=7), Source.GRANULAR_INSTAGRAM)
    (account,) = progress.listing(NOW).accounts

    assert (account.username, account.name, account.followers_count) == ("bakery", "Bakery", 7)
    assert [page.id for page in account.pages] == ["1", "2"]
    assert account.sources == {Source.ACCOUNTS, Source.GRANULAR_INSTAGRAM}


def test_what_was_read_elsewhere_is_not_unavailable() -> None:
    """A Page or account that one source can't read and another shows is listed only."""
    progress = Progress()
    progress.add_unread_page(PageId("1"), refused(415))
    progress.add_unread_account(BAKERY.id, refused(100, 33))
    progress.add_part(ListPart((node("1", BAKERY),), 1, (PageId("1"),)), Source.ACCOUNTS)
    listing = progress.listing(NOW)

    assert len(listing.accounts) == 1
    assert listing.not_listed == ()


def test_malformed_rows() -> None:
    """One row for each thing with an id, with its sources; each nameless one counts."""
    progress = Progress()
    progress.add_part(ListPart((), 3, (PageId("1"),)), Source.ACCOUNTS)
    progress.add_part(ListPart((), 1, (PageId("1"),)), Source.OWNED_PAGES)
    progress.add_unread_page(PageId("2"), GraphMalformed("{page}", "x"))
    rows = progress.listing(NOW).not_listed

    assert {row.reason for row in rows} == {NotListedReason.MALFORMED}
    assert [row.page.id if row.page else None for row in rows] == [None, None, "1", "2"]
    assert rows[2].sources == {Source.ACCOUNTS, Source.OWNED_PAGES}


def test_order_of_accounts() -> None:
    """Username, case-folded, nulls last, then id (contract §6)."""
    progress = Progress()
    for number, username in enumerate(["b", "A", None, "a", "Ä", None, "ß"]):
        account = InstagramAccount(InstagramAccountId(str(9 - number)), username=username)
        progress.add_account(account, Source.GRANULAR_INSTAGRAM)
    listing = progress.listing(NOW)

    assert [(each.username, each.id) for each in listing.accounts] == [
        ("a", "6"),
        ("A", "8"),
        ("b", "9"),
        ("ß", "3"),
        ("Ä", "5"),
        (None, "4"),
        (None, "7"),
    ]


# -- merging a partial answer into the stored one


def stored(*accounts: InstagramAccount, rows: tuple[NotListed, ...] = ()) -> Listing:
    return Listing(fetched_at=NOW, accounts=accounts, not_listed=rows)


def account(number: int, *sources: Source, pages: tuple[str, ...] = ()) -> InstagramAccount:
    return InstagramAccount(
        InstagramAccountId(str(number)),
        username=f"u{number}",
        pages=tuple(Page(PageId(each)) for each in pages),
        sources=frozenset(sources),
    )


def failing(*sources: Source, accounts: tuple[InstagramAccount, ...] = ()) -> Listing:
    return Listing(
        fetched_at=NOW, accounts=accounts, complete=False, failed_sources=frozenset(sources)
    )


def test_a_whole_answer_replaces() -> None:
    """Nothing failed: what isn't there any more is gone."""
    fresh = stored(account(2, Source.ACCOUNTS))

    assert merge(stored(account(1, Source.ACCOUNTS)), fresh) is fresh


def test_what_the_failed_source_could_have_shown_stays() -> None:
    """Contract §6, partial truth."""
    old = stored(
        account(1, Source.ACCOUNTS),
        account(2, Source.OWNED_PAGES),
        account(3, Source.ACCOUNTS, Source.OWNED_PAGES),
    )
    fresh = failing(Source.OWNED_PAGES, accounts=(account(4, Source.ACCOUNTS),))
    merged = merge(old, fresh)

    assert [each.id for each in merged.accounts] == ["2", "3", "4"]
    assert not merged.complete
    assert merged.failed_sources == {Source.OWNED_PAGES}


def test_an_account_known_again_keeps_its_pages() -> None:
    """Read by its own id while its Page's edge failed: the Page isn't forgotten."""
    old = stored(account(1, Source.ACCOUNTS, Source.GRANULAR_INSTAGRAM, pages=("7",)))
    new = replace(account(1, Source.GRANULAR_INSTAGRAM, pages=("8",)), username="renamed")
    (merged,) = merge(old, failing(Source.ACCOUNTS, accounts=(new,))).accounts

    assert merged.username == "renamed"
    assert [page.id for page in merged.pages] == ["7", "8"]
    assert merged.sources == {Source.ACCOUNTS, Source.GRANULAR_INSTAGRAM}


def row(
    page_id: str | None, *sources: Source, reason: NotListedReason = NotListedReason.MALFORMED
) -> NotListed:
    page = Page(PageId(page_id)) if page_id else None
    return NotListed(reason, page, sources=frozenset(sources))


def test_reasons_stay_as_accounts_do() -> None:
    """Unless the fresh answer explains or lists the same thing."""
    old = stored(
        rows=(
            row("1", Source.OWNED_PAGES),
            row("2", Source.ACCOUNTS),
            row("3", Source.OWNED_PAGES),
            row("4", Source.OWNED_PAGES),
        )
    )
    new_reason = row("3", Source.ACCOUNTS, reason=NotListedReason.PAGE_WITHOUT_INSTAGRAM)
    fresh = replace(
        failing(Source.OWNED_PAGES, accounts=(account(9, Source.ACCOUNTS, pages=("4",)),)),
        not_listed=(new_reason,),
    )
    merged = merge(old, fresh)

    assert merged.not_listed == (row("1", Source.OWNED_PAGES), new_reason)


def test_merging_twice_changes_nothing() -> None:
    """The stored listing may itself be a merged one."""
    old = stored(
        account(1, Source.ACCOUNTS), rows=(row("1", Source.ACCOUNTS), row(None, Source.ACCOUNTS))
    )
    fresh = failing(Source.ACCOUNTS, accounts=(account(2, Source.OWNED_PAGES),))
    once = merge(old, fresh)

    assert merge(once, fresh) == once
