"""From the use cases' types to the answers' shapes."""

from datetime import datetime

from igauth.api.schemas import ConnectionOut, ConsentDiff, PersonOut, SessionOut
from igauth.grants.consent import Consent
from igauth.grants.state import GrantRules
from igauth.login.sessions import Viewer
from igauth.store.connections import ConnectionRow
from igauth.store.people import PersonRow
from igauth.store.sessions import SessionRow


def person_out(person: PersonRow) -> PersonOut:
    """A person, as `GET /me` answers."""
    return PersonOut(
        id=person.id,
        name=person.name,
        picture_url=person.picture_url,
        created_at=person.created_at,
        last_login_at=person.last_login_at,
    )


def session_out(row: SessionRow, viewer: Viewer) -> SessionOut:
    """A session, as its owner sees it."""
    return SessionOut(
        id=row.id,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        user_agent=row.user_agent,
        current=row.id == viewer.session.id,
    )


def connection_out(row: ConnectionRow, rules: GrantRules, now: datetime) -> ConnectionOut:
    """A connection with its state as of now."""
    status, cause = rules.state(row, now)
    return ConnectionOut(
        id=row.id,
        provider=row.provider,
        provider_user_id=row.subject,
        name=row.name,
        status=status,
        cause=cause,
        granted_scopes=sorted(row.granted_scopes),
        declined_scopes=sorted(row.declined_scopes),
        missing_scopes=rules.missing_scopes(row),
        token_expires_at=row.token_expires_at,
        data_access_expires_at=row.data_access_expires_at,
        connected_at=row.connected_at,
        verified_at=row.verified_at,
        last_consent=_consent_diff(row),
        used_at=row.used_at,
        reconnect_url=rules.reconnect_url(row, now),
        manage_url=rules.manage_url(row),
    )


def _consent_diff(row: ConnectionRow) -> ConsentDiff | None:
    if row.last_consent is None:
        return None
    consent = Consent.from_json(row.last_consent)
    if consent.now is None:
        return None
    return ConsentDiff(at=consent.at, added=consent.added, kept=consent.kept, lost=consent.lost)
