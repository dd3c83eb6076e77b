"""People, and what signs them in: one row for each (door, app, subject)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, delete, func, select

from igauth.domain import PersonId, Provider, Subject
from igauth.store.database import Transaction
from igauth.store.models import Person, SignIn


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person as stored; instants in UTC."""

    id: PersonId
    name: str | None
    picture_url: str | None
    created_at: datetime
    last_login_at: datetime


@dataclass(frozen=True, slots=True)
class SignInRow:
    """What signs a person in."""

    provider: Provider
    app_id: str
    subject: Subject


COLUMNS = tuple(Person.__table__.c)
_FIND = select(*COLUMNS).where(Person.id == bindparam("person_id"))
_SIGN_INS = select(SignIn.provider, SignIn.app_id, SignIn.subject).where(
    SignIn.person_id == bindparam("person_id")
)
_SIGNED_IN_BY: Select[Any] = select(SignIn.person_id).where(
    SignIn.provider == bindparam("provider"),
    SignIn.app_id == bindparam("app_id"),
    SignIn.subject == bindparam("subject"),
)


def find(tx: Transaction, person_id: PersonId) -> PersonRow | None:
    """The person of our own id."""
    row = tx.execute(_FIND, {"person_id": person_id}).one_or_none()
    return None if row is None else PersonRow(*row)


def find_by_sign_in(
    tx: Transaction, provider: Provider, app_id: str, subject: Subject
) -> PersonId | None:
    """Whom this subject of this app signs in."""
    named: dict[str, Any] = {"provider": provider.value, "app_id": app_id, "subject": subject}
    person_id: PersonId | None = tx.execute(_SIGNED_IN_BY, named).scalar_one_or_none()
    return person_id


def list_sign_ins(tx: Transaction, person_id: PersonId) -> list[SignInRow]:
    """All that signs this person in."""
    rows = tx.execute(_SIGN_INS, {"person_id": person_id}).all()
    return [SignInRow(Provider(row.provider), row.app_id, row.subject) for row in rows]


def remove_sign_in(tx: Transaction, sign_in: SignInRow) -> None:
    """This subject signs nobody in any more."""
    tx.execute(
        delete(SignIn).where(
            SignIn.provider == sign_in.provider.value,
            SignIn.app_id == sign_in.app_id,
            SignIn.subject == sign_in.subject,
        )
    )


def lock(tx: Transaction, person_id: PersonId) -> bool:
    """Nobody else changes what this person has until the transaction ends; False: gone.

    The first lock of everything that changes more than one of a person's rows (record 14).
    """
    locked = select(Person.id).where(Person.id == person_id).with_for_update()
    return tx.execute(locked).first() is not None


def remove(tx: Transaction, person_id: PersonId) -> bool:
    """Deletes the person and, by cascade, sign-ins, connections, sessions and listings."""
    return bool(tx.execute(delete(Person).where(Person.id == person_id)).rowcount)


def count(tx: Transaction) -> int:
    """How many people there are."""
    return int(tx.execute(select(func.count()).select_from(Person)).scalar_one())
