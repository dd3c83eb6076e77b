"""A partial answer over a stored listing (contract §6)."""

from dataclasses import replace

import pytest

from igauth.domain import (
    GranularScopes,
    InstagramAccount,
    InstagramAccountId,
    Listing,
    NotListed,
    NotListedReason,
    Page,
    PageId,
    Source,
)
from igauth.listing.merging import merge
from tests.meta.scene import NOW


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

    assert merge(stored(account(1, Source.ACCOUNTS)), fresh, None) is fresh


def test_what_the_failed_source_could_have_shown_stays() -> None:
    """Contract §6, partial truth."""
    old = stored(
        account(1, Source.ACCOUNTS),
        account(2, Source.OWNED_PAGES),
        account(3, Source.ACCOUNTS, Source.OWNED_PAGES),
    )
    fresh = failing(Source.OWNED_PAGES, accounts=(account(4, Source.ACCOUNTS),))
    merged = merge(old, fresh, None)

    assert [each.id for each in merged.accounts] == ["2", "3", "4"]
    assert not merged.complete
    assert merged.failed_sources == {Source.OWNED_PAGES}


def test_an_account_known_again_keeps_its_pages() -> None:
    """Read by its own id while its Page's edge failed: the Page isn't forgotten."""
    old = stored(account(1, Source.ACCOUNTS, Source.GRANULAR_INSTAGRAM, pages=("7",)))
    new = replace(account(1, Source.GRANULAR_INSTAGRAM, pages=("8",)), username="renamed")
    (merged,) = merge(old, failing(Source.ACCOUNTS, accounts=(new,)), None).accounts

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
    merged = merge(old, fresh, None)

    assert merged.not_listed == (row("1", Source.OWNED_PAGES), new_reason)


def test_merging_twice_changes_nothing() -> None:
    """The stored listing may itself be a merged one."""
    old = stored(
        account(1, Source.ACCOUNTS), rows=(row("1", Source.ACCOUNTS), row(None, Source.ACCOUNTS))
    )
    fresh = failing(Source.ACCOUNTS, accounts=(account(2, Source.OWNED_PAGES),))
    once = merge(old, fresh, None)

    assert merge(once, fresh, None) == once


@pytest.mark.parametrize("source", [Source.ACCOUNTS, Source.OWNED_PAGES, Source.CLIENT_PAGES])
def test_an_account_that_a_new_consent_lost_is_not_kept(source: Source) -> None:
    """Whichever source fails, for as long as it fails (contract §6, A21)."""
    lost = NotListed(
        NotListedReason.INSTAGRAM_UNREACHABLE,
        instagram_account_id=InstagramAccountId("3"),
        sources=frozenset({source}),
    )
    old = stored(account(1, source), account(2, source), rows=(lost,))
    certain = GranularScopes({"instagram_basic": ("1",), "pages_show_list": None})
    merged = merge(old, failing(source), certain)

    assert [each.id for each in merged.accounts] == ["1"]
    assert merged.not_listed == ()


@pytest.mark.parametrize(
    "granular",
    [
        None,
        GranularScopes(),
        GranularScopes({"instagram_basic": None}),
        GranularScopes({"instagram_basic": ()}),
        GranularScopes({"instagram_basic": ("1",), "instagram_content_publish": None}),
    ],
)
def test_a_choice_that_is_not_certain_excludes_nothing(granular: GranularScopes | None) -> None:
    """No ids isn't "no account" (graph-facts 4.4, trap 16)."""
    old = stored(account(2, Source.OWNED_PAGES))

    assert len(merge(old, failing(Source.OWNED_PAGES), granular).accounts) == 1


def test_a_kept_account_is_kept_for_the_failing_source_alone() -> None:
    """What another source answered for isn't held against it next time."""
    old = stored(account(1, Source.ACCOUNTS, Source.OWNED_PAGES))
    once = merge(old, failing(Source.OWNED_PAGES), None)
    again = merge(once, failing(Source.ACCOUNTS), None)

    assert [each.id for each in once.accounts] == ["1"]
    assert again.accounts == ()


def test_a_page_read_elsewhere_keeps_its_stored_tasks() -> None:
    """While /me/accounts fails, its Pages are read by id, without tasks (7.2a)."""
    told = replace(
        account(1, Source.ACCOUNTS), pages=(Page(PageId("7"), "Page", ("CREATE_CONTENT",)),)
    )
    read = replace(account(1, Source.GRANULAR_PAGES), pages=(Page(PageId("7"), "Renamed"),))
    (merged,) = merge(stored(told), failing(Source.ACCOUNTS, accounts=(read,)), None).accounts

    assert merged.pages == (Page(PageId("7"), "Renamed", ("CREATE_CONTENT",)),)
