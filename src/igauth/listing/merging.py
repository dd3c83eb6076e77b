"""Merging: the same account seen twice becomes one; a partial listing spares a stored one (§6)."""

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace

from igauth.domain import (
    InstagramAccount,
    Listing,
    NotListed,
    Page,
    Source,
)


def merge(stored: Listing, fresh: Listing) -> Listing:
    """A partial answer over the stored one: what a failed source could have shown stays."""
    if not fresh.failed_sources:
        return fresh
    accounts = {account.id: account for account in fresh.accounts}
    for old in stored.accounts:
        if old.sources & fresh.failed_sources:
            accounts[old.id] = _kept(old, accounts.get(old.id), fresh.failed_sources)
    kept = (row for row in stored.not_listed if row.sources & fresh.failed_sources)
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
        return old
    pages = {page.id: page for page in (*old.pages, *new.pages)}
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
    """The same Page seen twice."""
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
