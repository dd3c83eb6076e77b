"""A listing as a front end gets it: stored JSON as it lies, spliced with what depends on now.

One connection's accounts are passed on unread; only where several connections list something are
they decoded, to become one list (`joining`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic_core import to_json

from igauth.domain import ConnectionId, ConnectionStatus, ListingWarning
from igauth.errors import IgAuthError, PermissionMissing
from igauth.grants.state import LIVE, GrantRules
from igauth.listing.joining import joined
from igauth.listing.rendering import action_json, instant_json, warnings_of, with_origin
from igauth.listing.sentences import trouble, way_out
from igauth.store.views import StoredGrant


@dataclass(frozen=True, slots=True)
class ListingView:
    """What is shown: all that a person granted, what didn't answer, and whether it is old.

    The grants' `accounts` may be left out where only the tag is wanted.
    """

    grants: tuple[StoredGrant, ...]
    failures: Mapping[ConnectionId, IgAuthError] = field(default_factory=dict)
    stale: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The two halves of the body, and the weak entity tag over them (RFC 9110 §8.8.3)."""

    accounts: str
    meta: str
    etag: str

    @property
    def body(self) -> str:
        """The whole body (contract §6)."""
        return f'{{"data":[{self.accounts}],"meta":{self.meta}}}'


def answer(view: ListingView, rules: GrantRules, now: datetime) -> Answer:
    """The body and its tag; without accounts where the view has none."""
    listed = in_order([each for each in view.grants if each.listing is not None], rules, now)
    meta = _meta(view, listed, rules, now)
    digests = [each.listing.digest for each in listed if each.listing]
    order = [each.connection.id for each in listed]
    not_listed = ",".join(
        filter(None, (each.listing.not_listed for each in listed if each.listing))
    )
    told = to_json([digests, order, meta, not_listed, rules.base_url])
    fetched_at = min((each.listing.fetched_at for each in listed if each.listing), default=now)
    head = to_json({"fetched_at": instant_json(fetched_at), **meta}).decode()[:-1]
    rest = f',"not_listed":[{not_listed}],"warnings":{_warnings(view, listed, rules, now)}}}'
    tag = hashlib.sha256(told + rest.encode()).hexdigest()[:32]
    return Answer(
        accounts=with_origin(_accounts(listed, rules, now), rules.base_url),
        meta=head + with_origin(rest, rules.base_url),
        etag=f'W/"{tag}"',
    )


def in_order(grants: Sequence[StoredGrant], rules: GrantRules, now: datetime) -> list[StoredGrant]:
    """The grant to act with first: active, expiring, dead; then Facebook's, as they were read."""
    ranks = {ConnectionStatus.ACTIVE: 0, ConnectionStatus.EXPIRING: 1}
    return sorted(grants, key=lambda each: ranks.get(rules.status(each.connection, now), 2))


def join_in_order(ordered: Sequence[StoredGrant], rules: GrantRules, now: datetime) -> str:
    """The accounts of several grants, which are `in_order`, as one list."""
    living = sum(rules.status(each.connection, now) in LIVE for each in ordered)
    return joined([each.accounts or "" for each in ordered], living=living)


def _accounts(listed: Sequence[StoredGrant], rules: GrantRules, now: datetime) -> str:
    if len(listed) == 1:
        return listed[0].accounts or ""
    return join_in_order(listed, rules, now)


def _meta(
    view: ListingView, listed: Sequence[StoredGrant], rules: GrantRules, now: datetime
) -> dict[str, Any]:
    return {
        "stale": view.stale,
        "complete": not view.failures
        and len(listed) == len(view.grants)
        and all(each.listing.complete for each in listed if each.listing),
        "connections": [
            {
                "id": each.connection.id,
                "provider": each.connection.provider,
                "status": rules.status(each.connection, now),
                "reconnect_url": rules.reconnect_url(each.connection, now),
            }
            for each in view.grants
        ],
    }


def _warnings(
    view: ListingView, listed: Sequence[StoredGrant], rules: GrantRules, now: datetime
) -> str:
    told = [_warning(warning, each, rules) for each in listed for warning in _of_grant(each, rules)]
    if len(view.grants) > 1:
        told += [_failure(error) for error in view.failures.values()]
    return to_json(told).decode()


def _of_grant(grant: StoredGrant, rules: GrantRules) -> list[ListingWarning]:
    """What the grant lacks as of now, then what kept a source from answering in full."""
    missing = rules.missing_scopes(grant.connection)
    lacking = [ListingWarning(PermissionMissing.code, permission=scope) for scope in missing]
    stored = warnings_of(grant.listing) if grant.listing else ()
    troubles = [each for each in stored if each.source and each.permission not in missing]
    return lacking + list({(each.code, each.permission): each for each in troubles}.values())


def _warning(warning: ListingWarning, grant: StoredGrant, rules: GrantRules) -> dict[str, Any]:
    row = grant.connection
    return {
        "code": warning.code,
        "permission": warning.permission if warning.code == PermissionMissing.code else None,
        "message": trouble(warning, row),
        "action": action_json(way_out(warning, rules.select_path(row))),
    }


def _failure(error: IgAuthError) -> dict[str, Any]:
    """One of several connections that didn't answer."""
    return {
        "code": error.code,
        "permission": None,
        "message": error.public_detail,
        "action": action_json(error.way_out()),
    }
