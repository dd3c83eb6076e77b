"""What a login commits: person, sign-in, connection, token, listing, and a session or a link;
whole or not at all.

One read that locks person and connection (record 14), then all writes together: two round trips on
PostgreSQL, one visit on SQLite.
"""

import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy.exc import IntegrityError

from igauth.domain import ConnectionId, EventType, PersonId
from igauth.errors import AccountSwitched
from igauth.store import listings, outbox
from igauth.store.attempts import Outcome
from igauth.store.connections import ConnectionRow
from igauth.store.database import Database, Transaction
from igauth.store.login_targets import Target, find_target
from igauth.store.login_writes import writes
from igauth.store.new_logins import IntoLink, IntoSession, NewLogin

_COLLISIONS: Final = 5


@dataclass(frozen=True, slots=True)
class Recorded:
    """Whose login it was, by which connection, and whether it was only added to that person.

    `event`: what it is called in the trail.
    """

    person_id: PersonId
    connection_id: ConnectionId
    added: bool = False
    event: str = field(default="login.completed", compare=False)


async def record(database: Database, login: NewLogin, *, patience_seconds: float) -> Recorded:
    """Commits a login; its code is spent, so deadlocks and a busy database are waited out.

    Raises AccountSwitched where `reconnect` names another connection, DatabaseUnavailable.
    """

    def unit(tx: Transaction) -> Recorded:
        return _record(tx, login)

    for _ in range(_COLLISIONS):
        try:
            return await database.write(unit, patience_seconds=patience_seconds, owed=True)
        except IntegrityError:  # the same person's first login, side by side: now they are known
            continue
    return await database.write(unit, patience_seconds=patience_seconds, owed=True)


def _record(tx: Transaction, login: NewLogin) -> Recorded:
    target = find_target(tx, login)
    known = target.known
    if login.reconnect is not None and (known is None or known.id != login.reconnect):
        raise AccountSwitched
    ids = Recorded(
        target.person_id,
        known.id if known else ConnectionId(str(uuid.uuid4())),
        event=_event(login.into, target),
        added=target.is_adding,
    )
    listed = login.listing(tx, known, ids.connection_id)
    values = _values(login, ids, known)
    if listed is not None:
        values |= listings.parameters(ids.connection_id, *listed)
        values["account_ids"] = [each.instagram_account_id for each in listed[1]]
    is_link = isinstance(login.into, IntoLink)
    writes(target.kind, is_link=is_link, is_listed=listed is not None).execute(tx, values)
    return ids


def _values(login: NewLogin, ids: Recorded, known: ConnectionRow | None) -> dict[str, Any]:
    """Every parameter of the writes."""
    consent = login.consent(known.last_consent if known else None)
    told = login.tell(consent)
    return {
        "person_id": ids.person_id,
        "connection_id": ids.connection_id,
        "provider": login.provider.value,
        "app_id": login.app_id,
        "subject": login.subject,
        "other_subject": login.other_subject,
        "name": login.name,
        "picture_url": login.picture_url,
        **login.grant.columns(),
        **login.seal(ids.connection_id, ids.person_id).columns(),
        "last_consent": consent,
        "event_id": outbox.new_id(),
        "account_ids": None if told is None else told["added"] + told["kept"],
        "event_type": (EventType.RECONNECTED if known else EventType.CREATED).value,
        "linking": login.into.external_id if isinstance(login.into, IntoLink) else None,
        "event_more": {"consent": told} if known else {},
        "event": ids.event,
        **_into_values(login.into, ids),
        "cancelled": list(login.cancelled_revocations),
        "audit_id": str(uuid.uuid4()),
        "request_id": login.request_id,
        "now": login.now,
    }


def _event(into: IntoSession | IntoLink, target: Target) -> str:
    if isinstance(into, IntoLink):
        return "connection.linked"
    return "connection.added" if target.is_adding else "login.completed"


def _into_values(into: IntoSession | IntoLink, ids: Recorded) -> dict[str, Any]:
    if isinstance(into, IntoLink):
        return {
            "actor": into.actor,
            "external_id": into.external_id,
            "connect_session": into.connect_session,
            "parked": into.parked,
        }
    return {
        "actor": None,
        "session_key": str(uuid.uuid4()),
        "session_hash": into.session.id_hash,
        "made_session": None if ids.added else into.session.id_hash,
        "outcome": (Outcome.ADDED if ids.added else Outcome.COMPLETED).value,
        "user_agent": into.session.user_agent,
        "session_expires_at": into.session.expires_at,
        "session_ends_at": into.session.ends_at,
        "ended_sessions": list(into.ended_sessions),
        "state_hash": into.state_hash,
    }
