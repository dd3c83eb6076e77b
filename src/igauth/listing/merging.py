"""Merging: the same account seen twice becomes one; a partial listing spares a stored one (§6)."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace

from igauth.domain import (
    GranularScopes,
    InstagramAccount,
    Listing,
    NotListed,
    Page,
    Source,
)


def merge(stored: Listing, fresh: Listing, granular: GranularScopes | None) -> Listing:
    """A partial answer over the stored one: what a failed source could have shown stays.

    But for what the present consent certainly excludes: its ids name what is left (A21).
    """
    if not fresh.failed_sources:
        return fresh
    certain = _certain_accounts(granular)

    def could_show(old: InstagramAccount | NotListed, account_id: str | None) -> bool:
        excluded = certain is not None and account_id is not None and account_id not in certain
        return bool(old.sources & fresh.failed_sources) and not excluded

    accounts = {account.id: account for account in fresh.accounts}
    for old in stored.accounts:
        if could_show(old, old.id):
            accounts[old.id] = _kept(old, accounts.get(old.id), fresh.failed_sources)
    kept = (row for row in stored.not_listed if could_show(row, row.instagram_account_id))
    explained = {row_key(row) for row in fresh.not_listed}
    shown = {page.id for account in accounts.values() for page in account.pages}
    rows = [
        row
        for row in (*fresh.not_listed, *(row for row in kept if row_key(row) not in explained))
        if row.instagram_account_id not in accounts and not (row.page and row.page.id in shown)
    ]
    return replace(
        fresh,
        accounts=in_order(accounts.values()),
        not_listed=tuple(sorted(rows, key=row_order)),
    )


def _certain_accounts(granular: GranularScopes | None) -> frozenset[str] | None:
    """The only accounts that are granted; None where the scopes aren't limited to chosen ids, or
    name none (graph-facts 4.4, trap 16)."""
    if granular is None or not granular.limits("instagram_"):
        return None
    return frozenset(granular.ids("instagram_"))


def in_order(accounts: Iterable[InstagramAccount]) -> tuple[InstagramAccount, ...]:
    """By username, case-folded, nulls last, then by id (contract §6)."""
    return tuple(
        sorted(
            accounts,
            key=lambda each: (each.username is None, (each.username or "").casefold(), each.id),
        )
    )


def _kept(
    old: InstagramAccount, new: InstagramAccount | None, failed: frozenset[Source]
) -> InstagramAccount:
    """An account that was stored, with what is newly known of it."""
    if new is None:
        return replace(old, sources=old.sources & failed)
    pages = {page.id: page for page in old.pages}
    for page in new.pages:  # read elsewhere than where tasks are told, it keeps the stored ones
        pages[page.id] = richer_page(page, pages.get(page.id, page))
    return replace(
        new,
        pages=tuple(pages[page_id] for page_id in sorted(pages)),
        sources=new.sources | (old.sources & failed),
    )


def richer(known: InstagramAccount, other: InstagramAccount) -> InstagramAccount:
    """The same account seen twice: each field from where it was given, sources together."""
    filled = {
        each.name: getattr(other, each.name)
        for each in fields(InstagramAccount)
        if getattr(known, each.name) is None
    }
    return replace(known, **filled, sources=known.sources | other.sources)


def richer_page(known: Page, other: Page) -> Page:
    """The same Page seen twice. Only /me/accounts tells tasks (graph-facts 7.2a)."""
    tasks = other.tasks if known.tasks is None else known.tasks
    return Page(known.id, known.name or other.name, tasks)


def once_each(rows: Iterable[NotListed]) -> Iterator[NotListed]:
    """Rows about the same thing become one, with every source; nameless ones all count."""
    known: dict[tuple[str | None, str | None], NotListed] = {}
    for row in rows:
        key = row_key(row)
        if key == (None, None):
            yield row
        elif key in known:
            known[key] = replace(known[key], sources=known[key].sources | row.sources)
        else:
            known[key] = row
    yield from known.values()


def row_key(row: NotListed) -> tuple[str | None, str | None]:
    """What a row is about: Page id, Instagram id."""
    return (row.page.id if row.page else None, row.instagram_account_id)


def row_order(row: NotListed) -> tuple[str, str, str]:
    """Rows by reason, then by what they are about."""
    page_id, account_id = row_key(row)
    return (row.reason, page_id or "", account_id or "")
