"""The tables. Instants are UTC; Facebook's tokens and ids in queues are sealed; session ids hashed.

`alembic check` keeps this file and the migrations equal (a test runs it on both databases).
"""

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from igauth.domain import ConnectionStatus


class UtcDateTime(TypeDecorator[datetime]):
    """An aware instant in UTC: `timestamptz` on PostgreSQL, naive UTC text on SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses naive values: a column never guesses a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant must carry its time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Always aware, always UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Names every constraint, so that SQLite's batch migrations can find it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {
        datetime: UtcDateTime,
        str: Text,
        dict[str, Any]: JSON,
        list[str]: JSON,
    }


class Person(Base):
    """Somebody who logged in; known by (Facebook app, app-scoped user id)."""

    __tablename__ = "people"
    __table_args__ = (UniqueConstraint("facebook_app_id", "facebook_user_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    facebook_app_id: Mapped[str]
    facebook_user_id: Mapped[str]
    name: Mapped[str | None]
    picture_url: Mapped[str | None]
    created_at: Mapped[datetime]
    last_login_at: Mapped[datetime]


class Connection(Base):
    """A person's grant at Facebook: exactly one for each person.

    `next_check_at` is null while the keeper has nothing to do; `upgrade_pending` says that the
    token is still the short-lived one.
    """

    __tablename__ = "connections"
    __table_args__ = (
        CheckConstraint(
            "status IN ({})".format(", ".join(f"'{status}'" for status in ConnectionStatus)),
            name="status",
        ),
        Index(None, "next_check_at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"), unique=True)
    status: Mapped[str]
    status_cause: Mapped[str | None]
    sealed_token: Mapped[str | None]
    token_unreadable: Mapped[bool]
    token_version: Mapped[int]
    upgrade_pending: Mapped[bool]
    token_expires_at: Mapped[datetime | None]
    data_access_expires_at: Mapped[datetime | None]
    granted_scopes: Mapped[list[str]]
    declined_scopes: Mapped[list[str]]
    granular_scopes: Mapped[dict[str, Any] | None]
    connected_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]
    last_consent: Mapped[dict[str, Any] | None]
    next_check_at: Mapped[datetime | None]
    check_failures: Mapped[int]
    leased_until: Mapped[datetime | None]
    lease_owner: Mapped[str | None]


class Session(Base):
    """A browser that is logged in. `id` is public to its owner; the cookie's value is hashed."""

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "person_id"), Index(None, "expires_at"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    id_hash: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    user_agent: Mapped[str | None]


class SpentState(Base):
    """A login's state after its first arrival. `outcome`: null while that login runs.

    `session_hash` is the session that the login made, so that its own browser is recognised.
    """

    __tablename__ = "spent_states"
    __table_args__ = (Index(None, "expires_at"),)

    state_hash: Mapped[str] = mapped_column(primary_key=True)
    spent_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    outcome: Mapped[str | None]
    session_hash: Mapped[str | None]


class StoredListing(Base):
    """The last listing of a person, and the lease of whoever refreshes it."""

    __tablename__ = "listings"

    person_id: Mapped[str] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True
    )
    body: Mapped[dict[str, Any] | None]
    fetched_at: Mapped[datetime | None]
    asked_at: Mapped[datetime | None]
    leased_until: Mapped[datetime | None]
    lease_owner: Mapped[str | None]


class Revocation(Base):
    """A revocation that Facebook hasn't confirmed yet: the sealed app-scoped id, no person."""

    __tablename__ = "revocations"
    __table_args__ = (Index(None, "next_attempt_at"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    sealed_user_id: Mapped[str | None]
    unreadable: Mapped[bool]
    queued_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime]
    attempts: Mapped[int]
    leased_until: Mapped[datetime | None]
    lease_owner: Mapped[str | None]


class DeletionReceipt(Base):
    """What remains of a data-deletion request: no identity, only that it was done."""

    __tablename__ = "deletion_receipts"

    code_hash: Mapped[str] = mapped_column(primary_key=True)
    outcome: Mapped[str]
    requested_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]


class Pause(Base):
    """How long calls for an app, a person or a Page must wait; all replicas read it."""

    __tablename__ = "pauses"

    scope: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]
    seconds: Mapped[int]


class KeyCheck(Base):
    """The check value of every key that this database has ever been used with."""

    __tablename__ = "key_checks"

    kid: Mapped[str] = mapped_column(primary_key=True)
    check_value: Mapped[str]
    first_seen_at: Mapped[datetime]


class AuditEvent(Base):
    """A security event; `person` is our own id, or a hash once the person is erased."""

    __tablename__ = "audit_events"
    __table_args__ = (Index(None, "at"), Index(None, "person"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    at: Mapped[datetime]
    event: Mapped[str]
    outcome: Mapped[str | None]
    person: Mapped[str | None]
    request_id: Mapped[str | None]
