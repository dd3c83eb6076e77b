"""People: who logged in."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, select

from igauth.domain import AppScopedUserId, PersonId
from igauth.store.database import Transaction
from igauth.store.models import Person
from igauth.store.statements import insert_into


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person as stored; instants in UTC."""

    id: PersonId
    facebook_app_id: str
    facebook_user_id: AppScopedUserId
    name: str | None
    picture_url: str | None
    created_at: datetime
    last_login_at: datetime


COLUMNS = tuple(Person.__table__.c)


async def upsert(
    tx: Transaction,
    *,
    app_id: str,
    user_id: AppScopedUserId,
    name: str | None,
    picture_url: str | None,
    now: datetime,
) -> PersonId:
    """The person of this app-scoped id, made or brought up to date, in one statement."""
    insert = insert_into(tx, Person).values(
        id=str(uuid.uuid4()),
        facebook_app_id=app_id,
        facebook_user_id=user_id,
        name=name,
        picture_url=picture_url,
        created_at=now,
        last_login_at=now,
    )
    fresh = insert.excluded
    statement = insert.on_conflict_do_update(
        index_elements=["facebook_app_id", "facebook_user_id"],
        set_={
            "name": fresh.name,
            "picture_url": fresh.picture_url,
            "last_login_at": fresh.last_login_at,
        },
    ).returning(Person.id)
    return PersonId((await tx.execute(statement)).scalar_one())


async def find(tx: Transaction, person_id: PersonId) -> PersonRow | None:
    """The person of our own id."""
    row = (await tx.execute(select(*COLUMNS).where(Person.id == person_id))).one_or_none()
    return None if row is None else PersonRow(**row._mapping)


async def find_by_facebook_id(
    tx: Transaction, app_id: str, user_id: AppScopedUserId
) -> PersonRow | None:
    """The person of an app-scoped id."""
    statement = select(*COLUMNS).where(
        Person.facebook_app_id == app_id, Person.facebook_user_id == user_id
    )
    row = (await tx.execute(statement)).one_or_none()
    return None if row is None else PersonRow(**row._mapping)


async def remove(tx: Transaction, person_id: PersonId) -> bool:
    """Deletes the person and, by cascade, connection, sessions and listing."""
    return bool((await tx.execute(delete(Person).where(Person.id == person_id))).rowcount)


async def count(tx: Transaction) -> int:
    """How many people there are."""
    return int((await tx.execute(select(func.count()).select_from(Person))).scalar_one())
