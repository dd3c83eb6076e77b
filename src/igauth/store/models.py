"""The tables. Instants are UTC; what Meta gave is sealed; session ids and states are hashed.

`alembic check` keeps this file and the migrations equal (a test runs it on both databases), and
`tests/store/test_query_plans.py` shows that every question has its index.
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
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from igauth.domain import ConnectionStatus, Provider


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
        list[Any]: JSON,
        list[str]: JSON,
    }


class Leased:
    """A row that one process works on at a time (`leases`); null or past: nobody does."""

    leased_until: Mapped[datetime | None]
    lease_owner: Mapped[str | None]


def _one_of(column: str, words: type[ConnectionStatus] | type[Provider]) -> CheckConstraint:
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class Person(Base):
    """Somebody who uses the operator's application; what they are called is Meta's word."""

    __tablename__ = "people"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str | None]
    picture_url: Mapped[str | None]
    created_at: Mapped[datetime]
    last_login_at: Mapped[datetime]


class SignIn(Base):
    """What signs a person in: a subject of an app behind a door (contract §10)."""

    __tablename__ = "sign_ins"
    __table_args__ = (Index(None, "person_id"), _one_of("provider", Provider))

    provider: Mapped[str] = mapped_column(primary_key=True)
    app_id: Mapped[str] = mapped_column(primary_key=True)
    subject: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))


class Connection(Leased, Base):
    """A person's grant through one door, and its sealed token.

    `next_check_at` is null while the keeper has nothing to do; `upgrade_pending`: the token is
    still the short-lived one; `token_version` grows with the token, `version` with every change
    that others are told of.
    """

    __tablename__ = "connections"
    __table_args__ = (
        UniqueConstraint("person_id", "provider", "app_id", "subject"),
        _one_of("status", ConnectionStatus),
        _one_of("provider", Provider),
        Index(None, "provider", "app_id", "subject"),
        Index(None, "provider", "app_id", "other_subject"),
        Index(None, "next_check_at"),
        Index(None, "token_kid", "id"),
        Index(None, "status", "ends_at"),
        Index(
            "ix_connections_live_verified_at",
            "verified_at",
            sqlite_where=text("next_check_at IS NOT NULL"),
            postgresql_where=text("next_check_at IS NOT NULL"),
        ),
        Index(
            "ix_connections_upgrade_pending",
            "id",
            sqlite_where=text("upgrade_pending"),
            postgresql_where=text("upgrade_pending"),
        ),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    provider: Mapped[str]
    app_id: Mapped[str]
    subject: Mapped[str]
    other_subject: Mapped[str | None]
    name: Mapped[str | None]
    status: Mapped[str]
    cause: Mapped[str | None]
    sealed_token: Mapped[str | None]
    token_kid: Mapped[str | None]
    token_version: Mapped[int]
    token_issued_at: Mapped[datetime | None]
    upgrade_pending: Mapped[bool]
    token_expires_at: Mapped[datetime | None]
    data_access_expires_at: Mapped[datetime | None]
    ends_at: Mapped[datetime | None]
    granted_scopes: Mapped[list[str]]
    declined_scopes: Mapped[list[str]]
    granular_scopes: Mapped[dict[str, Any] | None]
    connected_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]
    last_consent: Mapped[dict[str, Any] | None]
    used_at: Mapped[datetime | None]
    next_check_at: Mapped[datetime | None]
    check_failures: Mapped[int]
    version: Mapped[int]


class Session(Base):
    """A browser that is logged in. `id` is public to its owner; the cookie's value is hashed.

    `ends_at`: the earlier of its own end and of its idle end, as of when it was last seen.
    """

    __tablename__ = "sessions"
    __table_args__ = (Index(None, "person_id", "created_at"), Index(None, "ends_at"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    id_hash: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    user_agent: Mapped[str | None]


class SpentState(Leased, Base):
    """A login's state after its first arrival. `outcome`: null while that login runs.

    Its lease tells whether whoever runs it still lives. `session_hash` is the session that the
    login made, so that its own browser is recognised.
    """

    __tablename__ = "spent_states"
    __table_args__ = (Index(None, "expires_at"),)

    state_hash: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
    outcome: Mapped[str | None]
    session_hash: Mapped[str | None]


class StoredListing(Leased, Base):
    """The last listing of a connection, and the lease of whoever refreshes it.

    `fetched_at` null: none yet. `digest` covers the rendered accounts, so that an ETag costs no
    decoding; the accounts themselves are rows of `listed_accounts`; `not_listed` is rendered too.
    """

    __tablename__ = "listings"

    connection_id: Mapped[str] = mapped_column(
        ForeignKey("connections.id", ondelete="CASCADE"), primary_key=True
    )
    fetched_at: Mapped[datetime | None]
    complete: Mapped[bool]
    digest: Mapped[str | None]
    not_listed: Mapped[str | None]
    explanations: Mapped[dict[str, Any] | None]


class ListedAccount(Base):
    """One account of a stored listing, rendered: `body` is the JSON that a front end gets."""

    __tablename__ = "listed_accounts"
    __table_args__ = (Index(None, "instagram_account_id"),)

    connection_id: Mapped[str] = mapped_column(
        ForeignKey("listings.connection_id", ondelete="CASCADE"), primary_key=True
    )
    instagram_account_id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    sources: Mapped[str]
    body: Mapped[str]


class Revocation(Leased, Base):
    """A revocation that Meta hasn't confirmed yet: the sealed id, its keyed hash, no person.

    `subject_hash` lies under the key that sealed it (`kid`), so that a login finds it by key.
    """

    __tablename__ = "revocations"
    __table_args__ = (
        Index(None, "next_attempt_at"),
        Index(None, "subject_hash"),
        Index(None, "kid", "id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    sealed_subject: Mapped[str | None]
    subject_hash: Mapped[str | None]
    kid: Mapped[str | None]
    queued_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime]
    attempts: Mapped[int]


class SignedRequest(Base):
    """A `signed_request` of Meta's that was carried out, by hash; the same again changes nothing.

    A data deletion's row is its receipt: `code_hash` leads to it, nothing in it to anybody.
    """

    __tablename__ = "signed_requests"
    __table_args__ = (Index(None, "completed_at"),)

    request_hash: Mapped[str] = mapped_column(primary_key=True)
    code_hash: Mapped[str | None] = mapped_column(unique=True)
    outcome: Mapped[str]
    requested_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]


class Pause(Base):
    """How long calls for an app, a person or a Page must wait; all replicas read it."""

    __tablename__ = "pauses"
    __table_args__ = (Index(None, "until"),)

    scope: Mapped[str] = mapped_column(primary_key=True)
    until: Mapped[datetime]
    seconds: Mapped[int]


class KeyCheck(Base):
    """The check value of every key that this database has ever been used with."""

    __tablename__ = "key_checks"

    kid: Mapped[str] = mapped_column(primary_key=True)
    check_value: Mapped[str]
    first_seen_at: Mapped[datetime]


class Turn(Leased, Base):
    """A piece of upkeep that one replica does at a time, e.g. pruning."""

    __tablename__ = "turns"

    name: Mapped[str] = mapped_column(primary_key=True)


class ServiceKey(Base):
    """A key of the operator's own servers. `key_hash` covers secret, id, scopes and end, under the
    ring's key `kid`; `ends_early_at` can only shorten what `expires_at` allows (contract §11)."""

    __tablename__ = "service_keys"
    __table_args__ = (Index(None, "kid", "id"),)

    id: Mapped[str] = mapped_column(String(8), primary_key=True)
    name: Mapped[str]
    scopes: Mapped[list[str]]
    key_hash: Mapped[str]
    kid: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    ends_early_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]


class Link(Base):
    """An operator's user and a person of ours; each may have many of the other."""

    __tablename__ = "links"
    __table_args__ = (Index(None, "person_id"),)

    external_id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(
        ForeignKey("people.id", ondelete="CASCADE"), primary_key=True
    )
    linked_at: Mapped[datetime]


class ConnectSession(Base):
    """An operator's wish that one of its users connects something, by a link.

    `expires_at`: until when the link opens a dialog, and once a browser came back, until when its
    code lies here. A session that is neither `completed` nor `failed` by then has expired.
    """

    __tablename__ = "connect_sessions"
    __table_args__ = (
        _one_of("provider", Provider),
        Index(None, "external_id", "created_at"),
        Index(None, "created_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    link_hash: Mapped[str] = mapped_column(unique=True)
    external_id: Mapped[str]
    provider: Mapped[str]
    return_to: Mapped[str]
    prompt: Mapped[str | None]
    reconnect: Mapped[str | None]
    state: Mapped[str | None]
    status: Mapped[str]
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]
    connection_id: Mapped[str | None]


class ParkedCode(Leased, Base):
    """What one consent of a connect session brought: the sealed code, until it is exchanged.

    `sealed_code` null: it was taken or destroyed, and `error` tells how that ended, null while
    whoever took it is alive or where it ended well. The columns beside it say whose it is.
    """

    __tablename__ = "parked_codes"
    __table_args__ = (
        Index(None, "connect_session_id"),
        Index(None, "kid", "id"),
        _one_of("provider", Provider),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    connect_session_id: Mapped[str] = mapped_column(
        ForeignKey("connect_sessions.id", ondelete="CASCADE")
    )
    code_hash: Mapped[str] = mapped_column(unique=True)
    provider: Mapped[str]
    app_id: Mapped[str]
    external_id: Mapped[str]
    sealed_code: Mapped[str | None]
    kid: Mapped[str | None]
    error: Mapped[str | None]
    parked_at: Mapped[datetime]


class Handoff(Base):
    """A code by which a front end hands its person over to the operator's server, once."""

    __tablename__ = "handoffs"
    __table_args__ = (Index(None, "expires_at"), Index(None, "person_id"))

    code_hash: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("people.id", ondelete="CASCADE"))
    expires_at: Mapped[datetime]


class AuditEvent(Base):
    """A security event: who (`actor`) did what to whose grant.

    `person` is our own id, or a keyed hash once the person is erased.
    """

    __tablename__ = "audit_events"
    __table_args__ = (
        Index(None, "at", "id"),
        Index(None, "person", "at"),
        Index(None, "actor", "at"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    at: Mapped[datetime]
    event: Mapped[str]
    outcome: Mapped[str | None]
    actor: Mapped[str | None]
    person: Mapped[str | None]
    connection: Mapped[str | None]
    purpose: Mapped[str | None]
    request_id: Mapped[str | None]
