"""The store's functions for backends, called as `asked` calls the others."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

from igauth.domain import ConnectionId, ConnectionStatus, PersonId, Provider
from igauth.store import (
    connect_sessions,
    handoffs,
    links,
    login_targets,
    service_keys,
)
from igauth.store.connect_sessions import ConnectSessionRow, ConnectStatus, ParkedRow
from igauth.store.database import Transaction
from igauth.store.service_keys import ServiceKeyRow
from tests.store.many_rows import FUTURE
from tests.store.rows import NOW, new_login

PERSON: Final = PersonId(f"{78:036}")
CONNECTION: Final = ConnectionId(f"{78:036}")
PARKED_ID: Final = f"{78:036}"
KEY: Final = ServiceKeyRow(
    id="aaaaaaaa",
    name="n",
    scopes=frozenset(),
    key_hash="h",
    kid="k1",
    created_at=NOW,
    expires_at=None,
    ends_early_at=None,
    revoked_at=None,
    used_at=None,
)
SESSION: Final = ConnectSessionRow(
    id="cs_new",
    link_hash="new",
    external_id="u78",
    provider=Provider.FACEBOOK,
    return_to="https://app.test/",
    prompt=None,
    reconnect=None,
    state=None,
    status=ConnectStatus.OPEN,
    error=None,
    created_at=NOW,
    expires_at=FUTURE,
    completed_at=None,
    connection_id=None,
)
PARKED: Final = ParkedRow("new", Provider.FACEBOOK, "1", "u78", None, None, None)


def _list_connections(tx: Transaction) -> None:
    """Of one user, of all, in each state."""
    for user in ("u78", None):
        for status in (None, *ConnectionStatus):
            links.list_connections(
                tx, external_id=user, status=status, after="", limit=101, now=NOW, soon=FUTURE
            )


BACKENDS_ASKED: Final[Mapping[str, Callable[[Transaction], Any]]] = {
    "connect_sessions.add": partial(connect_sessions.add, row=SESSION),
    "connect_sessions.fail": partial(connect_sessions.fail, session_id="cs_78", error="e"),
    "connect_sessions.find": partial(connect_sessions.find, session_id="cs_78"),
    "connect_sessions.find_by_link": partial(
        connect_sessions.find_by_link, hashes=["l78", "older"]
    ),
    "connect_sessions.find_parked": partial(
        connect_sessions.find_parked, session_id="cs_78", hashes=["p78", "older"]
    ),
    "connect_sessions.is_taken": partial(connect_sessions.is_taken, session_id="cs_78"),
    "connect_sessions.lock": partial(connect_sessions.lock, session_id="cs_78"),
    "connect_sessions.park": partial(
        connect_sessions.park,
        row=PARKED,
        sealed_code="v1.k1.A",
        session_id="cs_78",
        code_hash="new",
        kid="k1",
        now=NOW,
    ),
    "connect_sessions.prune": partial(connect_sessions.prune, now=NOW, before=NOW, limit=100),
    "connect_sessions.take": partial(
        connect_sessions.take, parked_id=PARKED_ID, owner="me", now=NOW
    ),
    "handoffs.add": partial(handoffs.add, code_hash="new", person_id=PERSON, expires_at=FUTURE),
    "handoffs.consume": partial(handoffs.consume, hashes=["c78", "older"], now=NOW),
    "handoffs.prune": partial(handoffs.prune, now=NOW, limit=100),
    "links.add": partial(links.add, external_id="new", person_id=PERSON, now=NOW),
    "links.find_connection": partial(links.find_connection, connection_id=CONNECTION),
    "links.list_connections": _list_connections,
    "links.list_people": partial(links.list_people, external_id="u78"),
    "links.list_users": partial(links.list_users, people=[PERSON]),
    "links.remove": partial(links.remove, external_id="u78"),
    "login_targets.find_target": partial(login_targets.find_target, login=new_login("78")),
    "service_keys.add": partial(service_keys.add, row=KEY),
    "service_keys.end_early": partial(service_keys.end_early, row=KEY, ends_at=NOW),
    "service_keys.find": partial(service_keys.find, key_id="aaaaaaaa"),
    "service_keys.kids_of_live": partial(service_keys.kids_of_live, now=NOW),
    "service_keys.list_all": service_keys.list_all,
    "service_keys.revoke": partial(service_keys.revoke, key_id="aaaaaaaa", now=NOW),
    "service_keys.touch": partial(service_keys.touch, row=KEY, key_hash="h", kid="k1", now=NOW),
}
