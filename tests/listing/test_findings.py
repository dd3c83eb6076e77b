"""What a discovery found, merged and explained (contract §6)."""

from dataclasses import replace

import pytest

from igauth.domain import (
    GranularScopes,
    InstagramAccount,
    InstagramAccountId,
    Listing,
    ListingWarning,
    NotListedReason,
    Page,
    PageId,
    Permissions,
    Source,
)
from igauth.listing.findings import Findings
from igauth.meta import door
from igauth.meta.door import PageNode
from igauth.meta.errors import (
    ErrorEnvelope,
    GraphError,
    GraphMalformed,
    GraphRefusal,
    GraphThrottled,
    GraphUnavailable,
)
from igauth.meta.facebook.discovery import SOURCES
from igauth.meta.meanings import refusal_of
from tests.meta.scene import NOW

WANTED = ("pages_show_list", "instagram_basic", "business_management")


def findings() -> Findings:
    """Findings of a walk at Facebook that has begun."""
    found: door.Findings = Findings(WANTED)
    found.expect(*SOURCES)
    assert isinstance(found, Findings)
    return found


def refused(code: int, subcode: int | None = None, message: str = "") -> GraphRefusal:
    return refusal_of("{page}", ErrorEnvelope(code, subcode, message=message), 400)


def codes(listing: Listing) -> set[tuple[str, Source | None]]:
    return {(warning.code, warning.source) for warning in listing.warnings}


# -- snapshots


def test_nothing_begun_is_no_snapshot() -> None:
    """Nor while /me/accounts, worth waiting for, hasn't told anything."""
    assert Findings(WANTED).snapshot(NOW) is None
    found = findings()
    assert found.snapshot(NOW) is None
    found.done(Source.ACCOUNTS)

    assert found.snapshot(NOW) is not None


def test_a_snapshot_names_each_source_once() -> None:
    """The portfolio's edges wait for its list: one warning for the three."""
    found = findings()
    found.done(Source.ACCOUNTS)
    snapshot = found.snapshot(NOW)

    assert snapshot is not None
    assert codes(snapshot) == {
        ("facebook_timeout", Source.BUSINESSES),
        ("facebook_timeout", Source.GRANULAR_PAGES),
        ("facebook_timeout", Source.GRANULAR_INSTAGRAM),
    }
    assert snapshot.failed_sources == set(SOURCES) - {Source.ACCOUNTS}


def test_only_the_doors_own_sources_are_waited_for() -> None:
    """Instagram's door has one, Facebook's six."""
    found = Findings()
    found.expect(Source.INSTAGRAM_LOGIN)
    found.done(Source.INSTAGRAM_LOGIN)

    assert found.listing(NOW).complete


# -- warnings


def test_what_is_missing_is_told_once_it_is_known() -> None:
    """Each wanted scope that wasn't granted (contract §6)."""
    found = findings()
    found.done(*SOURCES)
    assert found.listing(NOW).warnings == ()
    found.grant(Permissions(frozenset({"pages_show_list"})))

    assert found.listing(NOW).warnings == (
        ListingWarning("permission_missing", "instagram_basic"),
        ListingWarning("permission_missing", "business_management"),
    )
    assert found.listing(NOW).complete


@pytest.mark.parametrize(
    ("granted", "warning"),
    [
        (None, ListingWarning("permission_missing", "business_management", Source.OWNED_PAGES)),
        (
            frozenset[str](),
            ListingWarning("permission_missing", "business_management", Source.OWNED_PAGES),
        ),
        (frozenset(WANTED), ListingWarning("facebook_error", None, Source.OWNED_PAGES)),
    ],
)
def test_a_source_refuses_for_what_it_lacks(
    granted: frozenset[str] | None, warning: ListingWarning
) -> None:
    """What was granted isn't called missing, whenever that becomes known (B24)."""
    found = findings()
    found.fail(refused(200), Source.OWNED_PAGES)
    found.done(*SOURCES)
    if granted is not None:
        found.grant(Permissions(granted))
    listing = found.listing(NOW)

    assert listing.warnings[-1] == warning
    assert listing.failed_sources == {Source.OWNED_PAGES}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (GraphThrottled("x", 9), "facebook_rate_limited"),
        (GraphUnavailable("x", "x"), "facebook_unavailable"),
        (refused(101), "facebook_error"),
    ],
)
def test_a_source_that_failed(error: GraphError, code: str) -> None:
    """Partial truth: a warning, and complete false (contract §6)."""
    found = findings()
    found.fail(error, Source.BUSINESSES, Source.OWNED_PAGES)
    found.done(*SOURCES)
    listing = found.listing(NOW)

    assert codes(listing) == {(code, Source.BUSINESSES)}
    assert listing.failed_sources == {Source.BUSINESSES, Source.OWNED_PAGES}
    assert not listing.complete


def test_a_bound_is_told() -> None:
    """10,000 Pages, and more behind them."""
    found = findings()
    found.truncate(Source.ACCOUNTS)
    found.done(*SOURCES)

    assert codes(found.listing(NOW)) == {("listing_truncated", Source.ACCOUNTS)}
    assert not found.listing(NOW).complete


# -- reasons

BAKERY = InstagramAccount(InstagramAccountId("178"), username="bakery")


def node(
    page_id: str, instagram: InstagramAccount | None = None, token: bool | None = None
) -> PageNode:
    return PageNode(Page(PageId(page_id), f"Page {page_id}"), instagram, token)


@pytest.mark.parametrize(
    ("token", "chosen", "also_in", "listed"),
    [
        (False, (), None, False),
        (None, ("2",), None, False),
        (None, (), None, True),
        (True, (), None, True),
        (False, ("1",), None, True),
        (False, (), Source.ACCOUNTS, True),
        (False, (), Source.GRANULAR_PAGES, True),
        (False, (), Source.CLIENT_PAGES, False),
    ],
)
def test_when_a_page_counts_as_granted(
    token: bool | None, chosen: tuple[str, ...], also_in: Source | None, listed: bool
) -> None:
    """page_not_granted: portfolio alone, and no granular scope, and no token (contract §6).

    Where the token can't be asked for (B24), granular scopes that aren't limited tell nothing.
    """
    found = findings()
    found.choose(GranularScopes({"pages_show_list": chosen}))
    found.add_page(node("1", BAKERY, token), Source.OWNED_PAGES)
    if also_in is not None:
        found.add_page(node("1", BAKERY), also_in)
    listing = found.listing(NOW)

    assert [account.id for account in listing.accounts] == (["178"] if listed else [])
    assert [(row.reason, row.instagram_account_id) for row in listing.not_listed] == (
        [] if listed else [(NotListedReason.PAGE_NOT_GRANTED, "178")]
    )


def test_an_account_seen_twice_is_whole() -> None:
    """Each field from where it was given, Pages together."""
    found = findings()
    bare = InstagramAccount(InstagramAccountId("178"), name="Bakery")
    found.add_page(node("2", bare), Source.ACCOUNTS)
    found.add_page(node("1", BAKERY), Source.ACCOUNTS)
    found.add_account(replace(BAKERY, followers_count=7), Source.GRANULAR_INSTAGRAM)
    (account,) = found.listing(NOW).accounts

    assert (account.username, account.name, account.followers_count) == ("bakery", "Bakery", 7)
    assert [page.id for page in account.pages] == ["1", "2"]
    assert account.sources == {Source.ACCOUNTS, Source.GRANULAR_INSTAGRAM}


def test_what_was_read_elsewhere_is_not_unavailable() -> None:
    """A Page or account that one source can't read and another shows is listed only."""
    found = findings()
    found.add_unread_page(PageId("1"), refused(415), Source.GRANULAR_PAGES)
    found.add_unread_account(BAKERY.id, refused(100, 33), Source.GRANULAR_INSTAGRAM)
    found.add_page(node("1", BAKERY), Source.ACCOUNTS)
    found.add_malformed(Source.ACCOUNTS, PageId("1"))
    listing = found.listing(NOW)

    assert len(listing.accounts) == 1
    assert listing.not_listed == ()


def test_malformed_rows() -> None:
    """One row for each thing with an id, with its sources; each nameless one counts."""
    found = findings()
    for page_id in (None, None, PageId("1")):
        found.add_malformed(Source.ACCOUNTS, page_id)
    found.add_malformed(Source.OWNED_PAGES, PageId("1"))
    found.add_unread_page(PageId("2"), GraphMalformed("{page}", "x"), Source.GRANULAR_PAGES)
    rows = found.listing(NOW).not_listed

    assert {row.reason for row in rows} == {NotListedReason.MALFORMED}
    assert [row.page.id if row.page else None for row in rows] == [None, None, "1", "2"]
    assert rows[2].sources == {Source.ACCOUNTS, Source.OWNED_PAGES}


def test_order_of_accounts() -> None:
    """Username, case-folded, nulls last, then id (contract §6)."""
    found = findings()
    for number, username in enumerate(["b", "A", None, "a", "Ä", None, "ß"]):
        account = InstagramAccount(InstagramAccountId(str(9 - number)), username=username)
        found.add_account(account, Source.GRANULAR_INSTAGRAM)
    listing = found.listing(NOW)

    assert [(each.username, each.id) for each in listing.accounts] == [
        ("a", "6"),
        ("A", "8"),
        ("b", "9"),
        ("ß", "3"),
        ("Ä", "5"),
        (None, "4"),
        (None, "7"),
    ]


def test_a_page_whose_account_could_not_be_asked_for() -> None:
    """It isn't one without Instagram: nothing is known of it (7.2b, B23)."""
    found = findings()
    hidden = replace(node("1"), shows_link=False)
    found.add_page(hidden, Source.ACCOUNTS)
    (row,) = found.listing(NOW).not_listed
    assert (row.reason, row.cause) == (NotListedReason.INSTAGRAM_UNREACHABLE, "permission")
    found.add_page(node("1"), Source.OWNED_PAGES)

    (row,) = found.listing(NOW).not_listed
    assert row.reason is NotListedReason.PAGE_WITHOUT_INSTAGRAM


def test_unknown_tasks_stay_unknown() -> None:
    """Only /me/accounts tells them, wherever the Page was seen first (7.2a, B1)."""
    found = findings()
    found.add_page(node("1", BAKERY), Source.GRANULAR_PAGES)
    assert found.listing(NOW).accounts[0].pages[0].tasks is None
    told = replace(node("1", BAKERY), page=Page(PageId("1"), "Page 1", ("MANAGE",)))
    found.add_page(told, Source.ACCOUNTS)

    assert found.listing(NOW).accounts[0].pages[0].tasks == ("MANAGE",)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (refused(415, 1404120), "two_factor"),
        (refused(368, 4854002), "checkpoint"),
        (refused(190, 2069032), "refused"),
        (refused(10), "permission"),
        (refused(100, 33), "not_visible"),
    ],
)
def test_a_page_that_cannot_be_read(error: GraphError, cause: str) -> None:
    """page_unavailable, with the word that picks the sentence (7.9)."""
    found = findings()
    found.add_unread_page(PageId("1"), error, Source.GRANULAR_PAGES)
    (row,) = found.listing(NOW).not_listed

    assert (row.reason, row.cause) == (NotListedReason.PAGE_UNAVAILABLE, cause)
    assert row.sources == {Source.GRANULAR_PAGES}
