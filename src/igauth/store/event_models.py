"""The tables of events: what happened, who is told, and what is on its way to them."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from igauth.store.models import Base, Leased


class Event(Base):
    """What happened to a grant, for those who must hear of it (contract §12).

    `key` is the order of writing; `number`, the feed's cursor, is given afterwards to what is
    committed (`outbox.number`), so that no reader's cursor ever passes one by. `person_id` is null
    for what outlives the person; `provider` is null where nothing but the connection's id stays.
    """

    __tablename__ = "events"
    __table_args__ = (
        Index(None, "number", unique=True),
        Index(None, "person_id"),
        Index(None, "at"),
        Index(
            "ix_events_unnumbered",
            "key",
            sqlite_where=text("number IS NULL"),
            postgresql_where=text("number IS NULL"),
        ),
    )

    key: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    id: Mapped[str] = mapped_column(unique=True)
    number: Mapped[int | None] = mapped_column(BigInteger)
    type: Mapped[str]
    at: Mapped[datetime]
    person_id: Mapped[str | None]
    connection_id: Mapped[str | None]
    provider: Mapped[str | None]
    status: Mapped[str | None]
    cause: Mapped[str | None]
    version: Mapped[int | None]
    expires_at: Mapped[datetime | None]
    external_ids: Mapped[list[str]]
    instagram_account_ids: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    more: Mapped[dict[str, Any]]


class EventMark(Base):
    """How far something got in the events: `numbered`, `pruned`. The row is the lock of whoever
    moves it."""

    __tablename__ = "event_marks"

    name: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)


class WebhookEndpoint(Base):
    """A receiver of events. `types` null: all of them.

    `failing_since` and `failures` count what failed in a row; `probe_at` isn't null while its
    queue is held, and says when one delivery tries it again; `disabled_cause`: it gets nothing.
    """

    __tablename__ = "webhook_endpoints"

    id: Mapped[str] = mapped_column(primary_key=True)
    url: Mapped[str]
    types: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]
    disabled_cause: Mapped[str | None]
    failures: Mapped[int]
    failing_since: Mapped[datetime | None]
    probe_at: Mapped[datetime | None]
    probes: Mapped[int]


class WebhookSecret(Base):
    """What an endpoint's messages are signed with, sealed. `ends_at` null: the present one."""

    __tablename__ = "webhook_secrets"
    __table_args__ = (Index(None, "endpoint_id"), Index(None, "kid", "id"))

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    sealed_secret: Mapped[str | None]
    kid: Mapped[str | None]
    ends_at: Mapped[datetime | None]


class Delivery(Leased, Base):
    """An event on its way to an endpoint. `next_attempt_at` null: it arrived, or was given up."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_key"),
        Index(None, "event_key"),
        Index(None, "endpoint_id", "next_attempt_at"),
        Index(
            "ix_deliveries_pending",
            "endpoint_id",
            "queued_at",
            sqlite_where=text("next_attempt_at IS NOT NULL"),
            postgresql_where=text("next_attempt_at IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    endpoint_id: Mapped[str] = mapped_column(ForeignKey("webhook_endpoints.id", ondelete="CASCADE"))
    event_key: Mapped[int] = mapped_column(BigInteger, ForeignKey("events.key", ondelete="CASCADE"))
    queued_at: Mapped[datetime]
    next_attempt_at: Mapped[datetime | None]
    delivered_at: Mapped[datetime | None]
    attempts: Mapped[int]
    failure: Mapped[str | None]
