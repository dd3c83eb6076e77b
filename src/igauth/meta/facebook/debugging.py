"""What `debug_token` says of a token, read leniently (Meta, "debug_token"; graph-facts §4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from igauth.domain import GranularScopes, Subject
from igauth.meta.door import GrantFacts
from igauth.meta.errors import ErrorEnvelope, GraphRefusal, GraphUnreadable
from igauth.meta.issuing import instant_of
from igauth.meta.meanings import refusal_of
from igauth.meta.text import as_id, clean_text
from igauth.meta.verdicts import status_of

DEBUG: Final = "debug_token"


@dataclass(frozen=True, slots=True)
class DebuggedToken:
    """What Facebook says of a token; a date of 0 is None.

    `refusal`: why it isn't valid, where that was said: the inner error of a 200, or the 400 of
    another app's token.
    """

    is_valid: bool
    app_id: str | None = None
    subject: Subject | None = None
    type: str | None = None
    expires_at: datetime | None = None
    data_access_expires_at: datetime | None = None
    scopes: frozenset[str] = frozenset()
    granular: GranularScopes = field(default_factory=GranularScopes)
    refusal: GraphRefusal | None = None

    def facts(self) -> GrantFacts:
        """What it says of the grant; permissions are asked elsewhere."""
        return GrantFacts(
            token_expires_at=self.expires_at,
            data_access_expires_at=self.data_access_expires_at,
            granular=self.granular,
        )

    def is_of(self, app_id: str, subject: Subject) -> bool:
        """Whether nothing in it names another app or another person."""
        return self.app_id in (app_id, None) and self.subject in (subject, None)

    def death(self) -> GraphRefusal | None:
        """The refusal that ended the token. Raises GraphError where it is invalid for a passing
        cause, or for none that was said: that is no answer about this token (4.6a)."""
        if self.is_valid:
            return None
        if self.refusal is None:
            raise GraphUnreadable(DEBUG, "invalid, without a reason")
        if status_of(self.refusal) is None:
            raise self.refusal
        return self.refusal


def read_debugged(body: Mapping[str, Any]) -> DebuggedToken:
    """The answer of `debug_token`. Raises GraphUnreadable where it says nothing."""
    data = body.get("data")
    if not isinstance(data, Mapping) or not isinstance(data.get("is_valid"), bool):
        raise GraphUnreadable(DEBUG, "the answer doesn't say whether the token is valid")
    subject = as_id(data.get("user_id"))
    return DebuggedToken(
        is_valid=data["is_valid"],
        app_id=as_id(data.get("app_id")),
        subject=Subject(subject) if subject else None,
        type=clean_text(data.get("type"), 32),
        expires_at=instant_of(data.get("expires_at")),
        data_access_expires_at=instant_of(data.get("data_access_expires_at")),
        scopes=_scopes(data.get("scopes")),
        granular=_granular(data.get("granular_scopes")),
        refusal=_inner_refusal(data.get("error")),
    )


def _inner_refusal(error: Any) -> GraphRefusal | None:
    """The error of an invalid token, which comes at HTTP 200 (trap 15)."""
    return None if error is None else refusal_of(DEBUG, ErrorEnvelope.parse(error), 200)


def _scopes(value: Any) -> frozenset[str]:
    names = (clean_text(name, 100) for name in _listed(value))
    return frozenset(name for name in names if name)


def _granular(value: Any) -> GranularScopes:
    """Scope → chosen ids; absent or null ids mean not limited (graph-facts 4.4, trap 16).

    A scope that comes twice covers what both name (B33).
    """
    targets: dict[str, tuple[str, ...] | None] = {}
    for entry in _listed(value):
        scope = clean_text(entry.get("scope"), 100) if isinstance(entry, Mapping) else None
        if scope is not None:
            ids = _target_ids(entry.get("target_ids"))
            targets[scope] = _united(targets[scope], ids) if scope in targets else ids
    return GranularScopes(targets)


def _united(one: tuple[str, ...] | None, other: tuple[str, ...] | None) -> tuple[str, ...] | None:
    return None if one is None or other is None else tuple(dict.fromkeys((*one, *other)))


def _target_ids(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    ids = (as_id(entry) for entry in value)
    return tuple(dict.fromkeys(found for found in ids if found))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
