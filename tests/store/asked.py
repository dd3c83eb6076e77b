"""Every function of the store, called once at least with each kind of argument it may get."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final

from igauth.domain import (
    ConnectionCause,
    ConnectionId,
    ConnectionStatus,
    InstagramAccountId,
    Permissions,
    PersonId,
    Provider,
    SessionHash,
    Subject,
)
from igauth.store import (
    attempts,
    audit,
    connections,
    counts,
    listings,
    logins,
    outbox,
    pauses,
    people,
    revocations,
    sealed,
    sessions,
    signed_requests,
    support,
    turns,
    views,
    webhooks,
)
from igauth.store.attempts import Outcome
from igauth.store.connections import ConnectionRow
from igauth.store.database import Transaction
from igauth.store.leases import Lease, claim_due
from igauth.store.models import Connection
from igauth.store.people import SignInRow
from igauth.store.revocations import RevocationRow
from igauth.store.sealed import SEALED, SealedRow
from igauth.store.signed_requests import ReceiptRow
from igauth.store.webhooks import DeliveryRow, EndpointRow
from tests.store.asked_by_backends import BACKENDS_ASKED
from tests.store.many_rows import FUTURE
from tests.store.rows import (
    GRANT,
    NOW,
    TOKEN,
    a_listing,
    account,
    listing_of,
    new_connection,
    new_login,
)

Ask = Callable[[Transaction], Any]
IDS: Final = [f"{number:036}" for number in range(1, 1_001)]
PERSON, OTHER_PERSON = PersonId(IDS[77]), PersonId(IDS[78])
CONNECTION = ConnectionId(IDS[77])
FACEBOOK_78: Final[dict[str, Any]] = {
    "provider": Provider.FACEBOOK,
    "app_id": "1",
    "subject": Subject("78"),
}
HASHES: Final = [SessionHash("h78"), SessionHash("older")]
SINCE: Final = NOW - timedelta(days=14)
LEASE: Final = Lease(Connection, Connection.id == CONNECTION)
ALL: Final[dict[str, Any]] = {"limit": 1_000, "after": IDS[3]}


def _all_of(*asked: Ask) -> Ask:
    return lambda tx: [ask(tx) for ask in asked]


def _of_row(function: Callable[..., Any], **given: Any) -> Ask:
    """For what wants a connection's row."""

    def ask(tx: Transaction) -> Any:
        row: ConnectionRow | None = connections.find(tx, CONNECTION)
        return function(tx, row, **given)

    return ask


def _of_sealed(function: Callable[..., Any], **given: Any) -> Ask:
    """For what wants a sealed column and a row of it."""
    row = SealedRow(CONNECTION, "v1.k1.A", "k1", Provider.FACEBOOK, "1", PERSON)
    return _all_of(*(partial(function, column=each, row=row, **given) for each in SEALED))


def _log_in(tx: Transaction) -> None:
    """Every kind of login, with a listing and without."""
    under = {"adding_under": HASHES, "idle_since": SINCE}
    for number, changes in enumerate(
        (
            {"subject": "78"},
            {"subject": "78", **listing_of(account(1), account(2))},
            {"subject": "nobody yet"},
            {"subject": "nobody yet, too", **listing_of(account(1))},
            {"subject": "a shop", "provider": Provider.INSTAGRAM, **under},
            {"subject": "nobody at all", **under},
        )
    ):
        common: dict[str, Any] = {
            "app_id": "1",
            "state_hash": f"new {number}",
            "ended_sessions": [SessionHash("h90"), SessionHash("older")],
            "cancelled_revocations": ["s90", "older"],
        }
        logins._record(tx, new_login(**(common | changes)))
    for subject in ("78", "a shop"):
        for provider in Provider:
            more = {"app_id": "1", "provider": provider, "cancelled_revocations": ["s90"]}
            logins._record(tx, new_connection(subject, "u78", IDS[77], **more))


_ATTEMPTS: Final[Mapping[str, Ask]] = {
    "attempts.consume": partial(
        attempts.consume, state_hash="new", owner="me", now=NOW, expires_at=NOW
    ),
    "attempts.find": partial(attempts.find, state_hash="s78"),
    "attempts.finish": partial(attempts.finish, state_hash="s78", outcome=Outcome.FAILED),
    "attempts.made_session": partial(attempts.made_session, state_hash="s78", hashes=HASHES),
    "attempts.prune": partial(attempts.prune, now=NOW, limit=500),
    "audit.add": partial(audit.add, event="e", at=NOW),
    "audit.forget_person": partial(audit.forget_person, person_id=PERSON, audit_hash="h"),
    "audit.list_events": _all_of(
        *(
            partial(audit.list_events, since=NOW - days, person=person, actor=actor, limit=1_000)
            for days in (timedelta(hours=1), timedelta(days=2))
            for person, actor in ((None, None), (PERSON, None), (None, "key78"))
        )
    ),
    "audit.prune": partial(audit.prune, before=NOW - timedelta(days=90), limit=500),
}
_CONNECTIONS: Final[Mapping[str, Ask]] = {
    "connections.claim_checks": partial(connections.claim_checks, now=NOW, limit=25),
    "connections.find": partial(connections.find, connection_id=CONNECTION),
    "connections.list_by_subject": partial(connections.list_by_subject, **FACEBOOK_78),
    "connections.list_for_person": partial(connections.list_for_person, person_id=PERSON),
    "connections.list_missing_upgrade": partial(connections.list_missing_upgrade, **ALL),
    "connections.list_readable": partial(connections.list_readable, **ALL),
    "connections.lock": partial(connections.lock, connection_id=CONNECTION),
    "connections.mark_used": partial(connections.mark_used, connection_id=CONNECTION, now=NOW),
    "connections.lock_ending": partial(
        connections.lock_ending, status=ConnectionStatus.ACTIVE, until=NOW, limit=100
    ),
    "connections.lock_for_person": partial(connections.lock_for_person, person_id=PERSON),
    "connections.lock_same": _of_row(connections.lock_same),
    "connections.mark_due": partial(
        connections.mark_due, ids=[ConnectionId(each) for each in IDS], now=NOW
    ),
    "connections.mark_unreadable": _of_row(connections.mark_unreadable),
    "connections.postpone": _of_row(connections.postpone, lease=LEASE, next_check_at=NOW),
    "connections.remove": _of_row(connections.remove),
    "connections.save_check": _of_row(connections.save_check, grant=GRANT, token=TOKEN),
    "connections.save_consent_diff": _of_row(connections.save_consent_diff, last_consent={}),
    "connections.raise_version": _of_row(connections.raise_version),
    "connections.save_dates": _of_row(
        connections.save_dates, status=ConnectionStatus.EXPIRING, cause=None
    ),
    "connections.save_permissions": _of_row(
        connections.save_permissions, permissions=Permissions()
    ),
    "connections.save_removed": _of_row(connections.save_removed),
    "connections.save_status": _of_row(
        connections.save_status,
        status=ConnectionStatus.EXPIRING,
        cause=ConnectionCause.TOKEN_ENDS_SOON,
        verified_at=NOW,
        next_check_at=NOW,
    ),
    "counts.connections_by_status": partial(
        counts.connections_by_status, now=NOW, soon=NOW + timedelta(days=7)
    ),
    "counts.oldest_check": counts.oldest_check,
    "counts.revocations": counts.revocations,
    "support.find_connections": _all_of(
        *(partial(support.find_connections, known=each, limit=50) for each in (None, "78"))
    ),
}
_LEASES: Final[Mapping[str, Ask]] = {
    "leases.claim_due": partial(
        claim_due, table=Connection, due=Connection.next_check_at, now=NOW, limit=25
    ),
    "Lease.claim": _all_of(
        *(
            partial(each.claim, now=NOW)
            for each in (LEASE, attempts.lease("s78"), listings.lease(CONNECTION))
        )
    ),
    "Lease.renew": partial(listings.lease(CONNECTION).renew, now=NOW),
    "Lease.release": Lease(Connection, Connection.id.in_(IDS[:25])).release,
    "turns.claim": partial(turns.claim, turn=turns.lease("t"), name="t", now=NOW),
    "turns.note": partial(turns.note, name="t", now=NOW),
}
_LISTINGS: Final[Mapping[str, Ask]] = {
    "listings.find": partial(listings.find, connection_id=CONNECTION),
    "listings.list_accounts": partial(listings.list_accounts, connection_id=CONNECTION),
    "listings.list_ids": partial(listings.list_ids, connection_id=CONNECTION),
    "listings.look": partial(listings.look, connection_id=CONNECTION, now=NOW),
    "listings.remove": partial(listings.remove, connection_id=CONNECTION),
    "listings.reserve": partial(listings.reserve, connection_id=CONNECTION),
    "listings.save": partial(
        listings.save,
        connection_id=CONNECTION,
        listing=a_listing(),
        accounts=[account(number) for number in range(300)],
    ),
    "views.find_viewed": _all_of(
        *(
            partial(
                views.find_viewed,
                hashes=HASHES,
                now=NOW,
                idle_since=SINCE,
                with_accounts=each,
            )
            for each in (True, False)
        )
    ),
    "views.list_grants": _all_of(
        *(
            partial(views.list_grants, people=whose, with_accounts=with_accounts)
            for with_accounts in (True, False)
            for whose in ([PERSON], [PersonId(each) for each in IDS[:50]])
        )
    ),
    "views.list_kept_accounts": partial(
        views.list_kept_accounts,
        people=[PERSON, OTHER_PERSON],
        account_id=InstagramAccountId("a78"),
    ),
}
_PAUSES: Final[Mapping[str, Ask]] = {
    "pauses.find": partial(pauses.find, scope="s78"),
    "pauses.list_active": partial(pauses.list_active, now=NOW, limit=10_000),
    "pauses.prune": partial(pauses.prune, before=NOW - timedelta(hours=1), limit=500),
    "pauses.remove": partial(pauses.remove, scopes=["s78", "s79"]),
    "pauses.remove_ended": partial(pauses.remove_ended, scopes=["s78", "s79"], now=NOW),
    "pauses.save": partial(pauses.save, scope="s78", until=FUTURE, seconds=9),
}
_PEOPLE: Final[Mapping[str, Ask]] = {
    "logins.record": _log_in,
    "people.count": people.count,
    "people.find": partial(people.find, person_id=PERSON),
    "people.find_by_sign_in": partial(people.find_by_sign_in, **FACEBOOK_78),
    "people.list_sign_ins": partial(people.list_sign_ins, person_id=PERSON),
    "people.lock": partial(people.lock, person_id=PERSON),
    "people.remove": partial(people.remove, person_id=OTHER_PERSON),
    "people.remove_sign_in": partial(people.remove_sign_in, sign_in=SignInRow(**FACEBOOK_78)),
    "sessions.count_live": partial(sessions.count_live, now=NOW),
    "sessions.find": partial(sessions.find, hashes=HASHES, now=NOW, idle_since=SINCE),
    "sessions.list_live": partial(sessions.list_live, person_id=PERSON, now=NOW, idle_since=SINCE),
    "sessions.prune": partial(sessions.prune, now=NOW, limit=500),
    "sessions.remove": partial(sessions.remove, person_id=PERSON, session_id=IDS[77]),
    "sessions.remove_all": _all_of(
        partial(sessions.remove_all, person_id=PERSON),
        partial(sessions.remove_all, person_id=PERSON, except_id=IDS[77]),
    ),
    "sessions.remove_by_hash": partial(sessions.remove_by_hash, hashes=HASHES),
    "sessions.touch": lambda tx: sessions.touch(
        tx,
        sessions.list_live(tx, PERSON, now=NOW, idle_since=SINCE)[0],
        id_hash=SessionHash("newer"),
        now=NOW,
        ends_at=NOW,
    ),
}
_REVOCATIONS: Final[Mapping[str, Ask]] = {
    "revocations.add": partial(
        revocations.add,
        row_id="new",
        sealed_subject="v1.k1.A",
        subject_hash="s78",
        kid="k1",
        now=NOW,
        next_attempt_at=NOW,
    ),
    "revocations.cancel": partial(revocations.cancel, subject_hashes=["s78", "older"]),
    "revocations.claim_attempts": partial(revocations.claim_attempts, now=NOW, limit=10),
    "revocations.list_ids": partial(revocations.list_ids, **ALL),
    "revocations.lock": partial(revocations.lock, row_id=IDS[5]),
    "revocations.mark_due": partial(revocations.mark_due, ids=IDS, now=NOW),
    "revocations.mark_unreadable": partial(revocations.mark_unreadable, row_id=IDS[5]),
    "revocations.postpone": partial(
        revocations.postpone,
        row=RevocationRow(IDS[5], "v1.k1.A", "k1", 0),
        lease=LEASE,
        next_attempt_at=NOW,
    ),
    "revocations.remove": partial(revocations.remove, row_id=IDS[6]),
    "signed_requests.add": partial(
        signed_requests.add,
        request_hash="new",
        code_hash="new",
        receipt=ReceiptRow("deleted", NOW, None),
    ),
    "signed_requests.complete": partial(signed_requests.complete, now=NOW),
    "signed_requests.find_code_hash": partial(signed_requests.find_code_hash, request_hash="r78"),
    "signed_requests.find_receipt": partial(
        signed_requests.find_receipt, code_hashes=["c78", "older"]
    ),
}
_SEALED: Final[Mapping[str, Ask]] = {
    "sealed.add_check_value": partial(sealed.add_check_value, kid="k9", value="v", now=NOW),
    "sealed.check_values": sealed.check_values,
    "sealed.empty": _of_sealed(sealed.empty),
    "sealed.give_up": _of_sealed(sealed.give_up),
    "sealed.kids_in_use": partial(sealed.kids_in_use, now=NOW),
    "sealed.knows": partial(sealed.knows, kid="k1"),
    "sealed.list_sealed": _all_of(
        *(
            partial(sealed.list_sealed, column=column, kid=kid, after=IDS[3], limit=100)
            for column in SEALED
            for kid in ("k1", "k2", "unknown", None)
        )
    ),
    "sealed.reseal": _of_sealed(sealed.reseal, sealed="v1.k2.A", kid="k2"),
    "sealed.take_up": _of_sealed(sealed.take_up, kid="k1", now=NOW),
}
_EVENTS: Final[Mapping[str, Ask]] = {
    "outbox.add_bare": partial(
        outbox.add_bare, event_type="e", connection_id=None, external_ids=[], at=NOW, more={}
    ),
    "outbox.add_change": partial(
        outbox.add_change, event_type="e", connection_id=CONNECTION, at=NOW, more={}
    ),
    "outbox.forget_person": partial(outbox.forget_person, person_id=PERSON),
    "outbox.has_unnumbered": outbox.has_unnumbered,
    "outbox.kept": outbox.kept,
    "outbox.list_after": _all_of(
        *(
            partial(outbox.list_after, after=1_000_078, types=types, limit=500)
            for types in (None, ["connection.created"])
        )
    ),
    "outbox.list_by_keys": partial(outbox.list_by_keys, keys=[-77, -78]),
    "outbox.list_external_ids": partial(outbox.list_external_ids, person_id=PERSON),
    "outbox.number": partial(outbox.number, limit=500),
    "outbox.prune": partial(outbox.prune, before=NOW - timedelta(days=30), limit=500),
}
_ENDPOINT: Final = "we_100"
_DELIVERY: Final = DeliveryRow(IDS[99], _ENDPOINT, -100, 0)
_RECEIVER: Final = EndpointRow(_ENDPOINT, "https://x", None, NOW, None, 0, None, NOW, 0)
_WEBHOOKS: Final[Mapping[str, Ask]] = {
    "webhooks.add": partial(webhooks.add, endpoint_id="new", url="https://x", types=None, now=NOW),
    "webhooks.add_secret": partial(
        webhooks.add_secret,
        secret_id="new",
        endpoint_id=_ENDPOINT,
        sealed="v1.k1.A",
        kid="k1",
        ends=NOW,
    ),
    "webhooks.claim": partial(webhooks.claim, endpoint_id=_ENDPOINT, now=NOW, limit=10),
    "webhooks.claim_probe": _all_of(
        partial(webhooks.note_failure, endpoint=_RECEIVER),
        partial(webhooks.claim_probe, endpoint=_RECEIVER, next_at=FUTURE, now=NOW),
    ),
    "webhooks.count_pending": webhooks.count_pending,
    "webhooks.delivered": partial(webhooks.delivered, delivery=_DELIVERY, now=NOW),
    "webhooks.enable": partial(webhooks.enable, endpoint_id=_ENDPOINT),
    "webhooks.find": partial(webhooks.find, endpoint_id=_ENDPOINT),
    "webhooks.list_all": webhooks.list_all,
    "webhooks.list_due": partial(webhooks.list_due, now=NOW),
    "webhooks.list_secrets": partial(webhooks.list_secrets, endpoint_id=_ENDPOINT, now=NOW),
    "webhooks.list_since": partial(
        webhooks.list_since, since=NOW - timedelta(days=2), after=-78, limit=500
    ),
    "webhooks.lock": partial(webhooks.lock, endpoint_id=_ENDPOINT),
    "webhooks.note_failure": partial(webhooks.note_failure, endpoint=_RECEIVER),
    "webhooks.postpone": partial(
        webhooks.postpone, delivery=_DELIVERY, failure="f", attempts=1, at=FUTURE
    ),
    "webhooks.queue": partial(webhooks.queue, events=[(-78, "e")], now=NOW),
    "webhooks.remove": partial(webhooks.remove, endpoint_id=_ENDPOINT),
    "webhooks.replay": _all_of(
        *(
            partial(webhooks.replay, endpoint_id=_ENDPOINT, keys=[-78], now=NOW, failed=failed)
            for failed in (True, False)
        )
    ),
    "webhooks.settle": partial(webhooks.settle, endpoint_id=_ENDPOINT, now=NOW),
}
ASKED: Final[Mapping[str, Ask]] = {
    **_EVENTS,
    **_WEBHOOKS,
    **_ATTEMPTS,
    **_CONNECTIONS,
    **_LEASES,
    **_LISTINGS,
    **_PAUSES,
    **_PEOPLE,
    **_REVOCATIONS,
    **_SEALED,
    **BACKENDS_ASKED,
}
