"""Stored listings, and the lease of whoever refreshes one."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import or_, select, update

from igauth.domain import Listing, PersonId
from igauth.store.database import Transaction
from igauth.store.models import StoredListing
from igauth.store.statements import insert_into

_ADAPTER = TypeAdapter(Listing)


@dataclass(frozen=True, slots=True)
class ListingRow:
    """A person's stored listing, if any; when it was last asked for; and who refreshes it."""

    listing: Listing | None
    asked_at: datetime | None
    leased_until: datetime | None
    lease_owner: str | None


async def find(tx: Transaction, person_id: PersonId) -> ListingRow | None:
    """What is stored for a person."""
    statement = select(
        StoredListing.body,
        StoredListing.asked_at,
        StoredListing.leased_until,
        StoredListing.lease_owner,
    ).where(StoredListing.person_id == person_id)
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else ListingRow(_listing(row.body), *row[1:])


async def save(tx: Transaction, person_id: PersonId, listing: Listing) -> None:
    """Stores a listing in place of the one before, and frees the lease."""
    values: dict[str, Any] = {
        "body": _ADAPTER.dump_python(listing, mode="json"),
        "fetched_at": listing.fetched_at,
        "asked_at": listing.fetched_at,
        "leased_until": None,
        "lease_owner": None,
    }
    statement = insert_into(tx, StoredListing).values(person_id=person_id, **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=["person_id"], set_=values))


async def claim(
    tx: Transaction, person_id: PersonId, *, owner: str, now: datetime, until: datetime
) -> bool:
    """Takes the refresh of this person's listing; False while another holds it."""
    values = {"leased_until": until, "lease_owner": owner}
    insert = insert_into(tx, StoredListing).values(person_id=person_id, **values)
    free = or_(StoredListing.leased_until.is_(None), StoredListing.leased_until <= now)
    statement = insert.on_conflict_do_update(
        index_elements=["person_id"], set_=values, where=free
    ).returning(StoredListing.person_id)
    return (await tx.execute(statement)).first() is not None


async def release(tx: Transaction, person_id: PersonId, owner: str, asked_at: datetime) -> None:
    """Gives the lease back after a refresh that brought nothing to store."""
    statement = (
        update(StoredListing)
        .where(StoredListing.person_id == person_id, StoredListing.lease_owner == owner)
        .values(leased_until=None, lease_owner=None, asked_at=asked_at)
    )
    await tx.execute(statement)


def _listing(body: Any) -> Listing | None:
    """A body that an older program wrote and this one can't read counts as none."""
    if body is None:
        return None
    try:
        return _ADAPTER.validate_python(body, strict=False)
    except ValidationError:
        return None
