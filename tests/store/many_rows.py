"""A hundred thousand rows in every big table, by one statement each."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from tests.store.rows import NOW

MANY: Final = 100_000
FUTURE: Final = NOW + timedelta(days=30)
_UNCHECKED: Final = """
DO $$ BEGIN
    IF (SELECT usesuper FROM pg_user WHERE usename = current_user) THEN
        PERFORM set_config('session_replication_role', 'replica', true);
    END IF;
END $$
"""
"""Rows made to fit need no look at each foreign key."""

_PAST: Final = NOW - timedelta(days=1)
_LONG_AGO: Final = NOW - timedelta(days=99)


def filling(is_sqlite: bool) -> Iterator[str]:
    """What fills the tables; the n-th row of each belongs to the n-th person."""
    up = f"SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < {MANY}"  # noqa: S608  # ours
    rows = f"(WITH RECURSIVE counted(n) AS ({up}) SELECT n FROM counted) AS counted"  # noqa: S608
    tables = _Tables(is_sqlite)
    if not is_sqlite:
        yield _UNCHECKED
        yield from (f"ALTER TABLE {name} SET UNLOGGED" for name in reversed(tables.all()))
    for name, columns in tables.all().items():
        yield (
            f"INSERT INTO {name} ({', '.join(columns)}) "  # noqa: S608  # our own
            f"SELECT {', '.join(columns.values())} FROM {rows}"
        )
    then = tables.at(_PAST)
    yield f"INSERT INTO key_checks VALUES ('k1', 'v', {then}), ('k2', 'v', {then})"  # noqa: S608  # our own
    if not is_sqlite:
        yield "ANALYZE"  # what autovacuum does now and then


class _Tables:
    """An expression for each column. One row in a hundred is due, has ended, or is old."""

    def __init__(self, is_sqlite: bool) -> None:
        self._is_sqlite = is_sqlite
        self._key = "printf('%036d', n)" if is_sqlite else "lpad(CAST(n AS TEXT), 36, '0')"
        self._past = self.at(_PAST)
        self._due = self._few(self._past, self.at(FUTURE))

    def at(self, moment: datetime) -> str:
        """An instant as this database reads it."""
        text = moment.strftime("%Y-%m-%d %H:%M:%S.%f")
        return f"'{text}'" if self._is_sqlite else f"CAST('{text}+00' AS TIMESTAMPTZ)"

    def _few(self, then: str, other: str) -> str:
        return f"CASE WHEN n % 100 = 0 THEN {then} ELSE {other} END"

    def all(self) -> dict[str, dict[str, str]]:
        """The tables, those that others refer to first."""
        return {
            "people": {"id": self._key, "created_at": self._past, "last_login_at": self._past},
            "sign_ins": self._subject() | {"person_id": self._key},
            "connections": self._connections(),
            "sessions": self._sessions(),
            "listings": {
                "connection_id": self._key,
                "fetched_at": self._past,
                "complete": "n > 0",
            },
            "listed_accounts": {
                "connection_id": self._key,
                "instagram_account_id": "'a' || n",
                "position": "0",
                "sources": "''",
                "body": "'{}'",
            },
            "revocations": self._revocations(),
            "audit_events": {
                "id": self._key,
                "at": self._few(self.at(_LONG_AGO), self._past),
                "event": "'login.completed'",
                "person": self._key,
                "actor": "'key' || n",
            },
            "links": {
                "external_id": "'u' || n",
                "person_id": self._key,
                "linked_at": self._past,
            },
            "connect_sessions": {
                "id": "'cs_' || n",
                "link_hash": "'l' || n",
                "external_id": "'u' || n",
                "provider": "'facebook'",
                "return_to": "''",
                "status": "'open'",
                "created_at": self._few(self.at(_LONG_AGO), self._past),
                "expires_at": self._few(self.at(_LONG_AGO), self.at(FUTURE)),
            },
            "parked_codes": {
                "id": self._key,
                "connect_session_id": "'cs_' || n",
                "code_hash": "'p' || n",
                "provider": "'facebook'",
                "app_id": "'1'",
                "external_id": "'u' || n",
                "sealed_code": "'v1.k1.A'",
                "kid": self._few("NULL", "'k1'"),
                "parked_at": self._past,
            },
            "handoffs": {
                "code_hash": "'c' || n",
                "person_id": self._key,
                "expires_at": self._few(self.at(_LONG_AGO), self.at(FUTURE)),
            },
            "events": {
                "key": "-n",
                "id": "'msg_' || n",
                "number": self._few("NULL", "n + 1000000"),
                "type": "'connection.created'",
                "at": self._few(self.at(_LONG_AGO), self._past),
                "person_id": self._key,
                "external_ids": "'[]'",
                "more": "'{}'",
            },
            "webhook_endpoints": {
                "id": "'we_' || n",
                "url": "'https://hooks.example.com/' || n",
                "created_at": self._past,
                "disabled_cause": "CASE WHEN n = 100 THEN NULL ELSE 'gone' END",
                "failures": "0",
                "probes": "0",
            },
            "webhook_secrets": {
                "id": self._key,
                "endpoint_id": "'we_' || n",
                "sealed_secret": "'v1.k1.A'",
                "kid": self._few("NULL", "'k1'"),
            },
            "deliveries": {
                "id": self._key,
                "endpoint_id": "'we_' || n",
                "event_key": "-n",
                "queued_at": self._past,
                "next_attempt_at": self._few(self._past, "NULL"),
                "attempts": "0",
            },
            "spent_states": {"state_hash": "'s' || n", "expires_at": self._due},
            "pauses": {
                "scope": "'s' || n",
                "until": f"CASE n % 100 WHEN 0 THEN {self.at(_LONG_AGO)} "
                f"WHEN 1 THEN {self.at(FUTURE)} ELSE {self.at(NOW)} END",
                "seconds": "60",
            },
            "signed_requests": {
                "request_hash": "'r' || n",
                "code_hash": "'c' || n",
                "outcome": "'deleted'",
                "requested_at": self._past,
                "completed_at": self._few("NULL", self._past),
            },
        }

    def _subject(self) -> dict[str, str]:
        return {"provider": "'facebook'", "app_id": "'1'", "subject": "CAST(n AS TEXT)"}

    def _connections(self) -> dict[str, str]:
        return self._subject() | {
            "id": self._key,
            "person_id": self._key,
            "other_subject": "'o' || n",
            "status": self._few("'revoked'", "'active'"),
            "sealed_token": "'v1.k1.A'",
            "token_kid": self._few("NULL", "'k1'"),
            "token_version": "1",
            "upgrade_pending": "n % 100 = 0",
            "ends_at": self._due,
            "granted_scopes": "'[]'",
            "declined_scopes": "'[]'",
            "connected_at": self._past,
            "verified_at": self._past,
            "next_check_at": self._due,
            "check_failures": "0",
            "version": "1",
        }

    def _sessions(self) -> dict[str, str]:
        return {
            "id": self._key,
            "id_hash": "'h' || n",
            "person_id": self._key,
            "created_at": self._past,
            "last_seen_at": self._past,
            "expires_at": self.at(FUTURE),
            "ends_at": self._due,
        }

    def _revocations(self) -> dict[str, str]:
        return {
            "id": self._key,
            "sealed_subject": "'v1.k1.A'",
            "subject_hash": "'s' || n",
            "kid": self._few("NULL", "'k1'"),
            "queued_at": self._past,
            "next_attempt_at": self._due,
            "attempts": "0",
        }
