"""What a refusal means for one entry of a listing, or for one of its sources (contract §6)."""

from enum import StrEnum
from typing import Final

from igauth.domain import (
    NotListedReason,
)
from igauth.errors import (
    FacebookRateLimited,
    FacebookRefused,
    FacebookTimeout,
    FacebookUnavailable,
    PermissionMissing,
)
from igauth.meta.errors import (
    TOKEN_DEATHS,
    GraphError,
    GraphMalformed,
    GraphRefusal,
    GraphTimeout,
    GraphUnavailable,
    Meaning,
)

_ABOUT_ONE_NODE: Final = frozenset(
    {
        Meaning.NOT_VISIBLE,
        Meaning.PERMISSION,
        Meaning.PERSON_MUST_ACT,
        Meaning.MIGRATED,
        Meaning.FIELD_REFUSED,
        Meaning.OTHER,
    }
)


class Cause(StrEnum):
    """Why a granted node can't be read: picks the sentence of a `not_listed` row."""

    TWO_FACTOR = "two_factor"
    CHECKPOINT = "checkpoint"
    RESTRICTED = "restricted"
    ROLE_LOST = "role_lost"
    PERMISSION = "permission"
    NOT_VISIBLE = "not_visible"
    REFUSED = "refused"


def cause_of(refusal: GraphRefusal) -> Cause:
    """The cause behind a refusal of one Page or account (graph-facts 7.9, 8.7)."""
    if refusal.meaning is Meaning.NOT_VISIBLE:
        return Cause.NOT_VISIBLE
    if refusal.meaning is Meaning.PERMISSION:
        return Cause.RESTRICTED if refusal.code in range(200, 300) else Cause.PERMISSION
    if refusal.meaning is not Meaning.PERSON_MUST_ACT:
        return Cause.REFUSED
    by_code = {415: Cause.TWO_FACTOR, 368: Cause.CHECKPOINT}
    return by_code.get(
        refusal.code or 0, Cause.ROLE_LOST if refusal.subcode == 492 else Cause.RESTRICTED
    )


def warning_code(error: GraphError) -> str:
    """The warning for a source that didn't answer in full (contract §6)."""
    if isinstance(error, GraphTimeout):
        return FacebookTimeout.code
    if isinstance(error, GraphUnavailable):
        return FacebookUnavailable.code
    codes = {
        Meaning.THROTTLED: FacebookRateLimited.code,
        Meaning.PERMISSION: PermissionMissing.code,
        Meaning.TRANSIENT: FacebookUnavailable.code,
    }
    meaning = error.meaning if isinstance(error, GraphRefusal) else Meaning.OTHER
    return codes.get(meaning, FacebookRefused.code)


def is_token_death(error: GraphError) -> bool:
    """Whether the error ends every call with this token."""
    return isinstance(error, GraphRefusal) and error.meaning in TOKEN_DEATHS


def is_about_one_node(error: GraphError) -> bool:
    """Whether the error concerns one Page or account alone, not its source."""
    if isinstance(error, GraphRefusal):
        return error.meaning in _ABOUT_ONE_NODE
    return isinstance(error, GraphMalformed)


def reason_of(error: GraphError, otherwise: NotListedReason) -> NotListedReason:
    """The reason behind an entry that can't be read."""
    return NotListedReason.MALFORMED if isinstance(error, GraphMalformed) else otherwise


def cause_word(error: GraphError) -> str | None:
    """The cause behind a refusal; None where there was none."""
    return cause_of(error) if isinstance(error, GraphRefusal) else None
