"""What follows from what Meta said: for each `Meaning` one row, read across, and nowhere else.

A connection's state and why (contract §5, §7), what a front end is told (§5, §6), what ends a
login (§3), whether the call is worth a repeat and whom a throttle pauses (§8), what keeps one
Page or account out of a listing (§6), and whether the operator must be woken.
Only an answer about this token changes a state: rows without a `status` leave every grant alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Final

import structlog

from igauth.domain import ConnectionCause, ConnectionStatus, Provider
from igauth.errors import (
    AppAccessMissing,
    CheckpointRequired,
    CodeRejected,
    FacebookRateLimited,
    FacebookRefused,
    FacebookTimeout,
    FacebookUnavailable,
    IgAuthError,
    NotProfessional,
    PermissionMissing,
    ReconnectRequired,
    ServiceMisconfigured,
    TokenNotOurs,
)
from igauth.meta.errors import (
    GraphError,
    GraphMalformed,
    GraphRefusal,
    GraphThrottled,
    GraphTimeout,
    Meaning,
)

_log = structlog.stdlib.get_logger("igauth.graph")
_RETRY_AFTER_SECONDS: Final = 10


class Pause(StrEnum):
    """Whose calls a throttle stops (graph-facts 11.6)."""

    APP = "app"
    PERSON = "person"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from one meaning."""

    public: type[IgAuthError] = FacebookRefused
    at_login: type[IgAuthError] = FacebookRefused
    status: ConnectionStatus | None = None
    cause: ConnectionCause | None = None
    problem: Callable[[], IgAuthError] | None = None
    """The public error itself, where its class alone doesn't say enough."""
    repeat: bool = False
    pause: Pause | None = None
    obstacle: str | None = None
    """The word for a Page or account that can't be read; None: it speaks of the whole source."""
    alarm: bool = False


def _ended(cause: ConnectionCause, at_login: type[IgAuthError] = FacebookRefused) -> Verdict:
    return Verdict(ReconnectRequired, at_login, ConnectionStatus.RECONNECT_REQUIRED, cause)


def _held_up(cause: ConnectionCause, problem: Callable[[], IgAuthError]) -> Verdict:
    status = ConnectionStatus.CHECKPOINT_REQUIRED
    return Verdict(CheckpointRequired, status=status, cause=cause, problem=problem)


_OUTAGE: Final = Verdict(FacebookUnavailable, FacebookUnavailable, repeat=True)
_AT_FACEBOOK: Final = partial(CheckpointRequired.at, Provider.FACEBOOK)
_AT_INSTAGRAM: Final = partial(CheckpointRequired.at, Provider.INSTAGRAM)


def _throttle(pause: Pause | None) -> Verdict:
    return Verdict(FacebookRateLimited, FacebookRateLimited, pause=pause)


VERDICTS: Final[Mapping[Meaning, Verdict]] = {
    Meaning.TRANSIENT: _OUTAGE,
    Meaning.PERHAPS_TOO_MUCH: _OUTAGE,
    Meaning.REDUCE_DATA: Verdict(),
    Meaning.APP_THROTTLED: _throttle(Pause.APP),
    Meaning.PERSON_THROTTLED: _throttle(Pause.PERSON),
    Meaning.NODE_THROTTLED: _throttle(Pause.NODE),
    Meaning.PAUSED: _throttle(None),
    # -- about this token
    Meaning.TOKEN_EXPIRED: _ended(ConnectionCause.TOKEN_EXPIRED),
    Meaning.DATA_ACCESS_EXPIRED: _ended(ConnectionCause.DATA_ACCESS_EXPIRED),
    Meaning.PASSWORD_CHANGED: _ended(ConnectionCause.PASSWORD_CHANGED),
    Meaning.SESSION_INVALID: _ended(ConnectionCause.SESSION_INVALID),
    Meaning.NOT_OURS: _ended(ConnectionCause.NOT_OURS, TokenNotOurs),
    Meaning.APP_REMOVED: Verdict(
        ReconnectRequired, status=ConnectionStatus.REVOKED, cause=ConnectionCause.APP_REMOVED
    ),
    Meaning.CHECKPOINT: _held_up(ConnectionCause.CHECKPOINT, _AT_FACEBOOK),
    Meaning.INSTAGRAM_CHECKPOINT: _held_up(ConnectionCause.CHECKPOINT, _AT_INSTAGRAM),
    Meaning.UNCONFIRMED_USER: _held_up(ConnectionCause.UNCONFIRMED_USER, _AT_FACEBOOK),
    Meaning.APP_ACCESS_MISSING: replace(
        _held_up(ConnectionCause.APP_ACCESS_MISSING, CheckpointRequired.by_the_operator),
        at_login=AppAccessMissing,
    ),
    # -- about our app
    Meaning.APP_BLOCKED: Verdict(ServiceMisconfigured, ServiceMisconfigured, alarm=True),
    Meaning.MISCONFIGURED: Verdict(at_login=ServiceMisconfigured, alarm=True),
    Meaning.REDIRECT_REFUSED: Verdict(at_login=ServiceMisconfigured, alarm=True),
    Meaning.CODE_REJECTED: Verdict(at_login=CodeRejected),
    Meaning.NOT_PROFESSIONAL: Verdict(at_login=NotProfessional, obstacle="not_professional"),
    # -- about what was asked
    Meaning.PERMISSION: Verdict(PermissionMissing, obstacle="permission"),
    Meaning.BLOCKED: Verdict(obstacle="checkpoint"),
    Meaning.TWO_FACTOR: Verdict(obstacle="two_factor"),
    Meaning.IDENTITY_CHECK: Verdict(obstacle="checkpoint"),
    Meaning.RESTRICTED: Verdict(obstacle="restricted"),
    Meaning.ROLE_LOST: Verdict(obstacle="role_lost"),
    Meaning.PAGE_ITSELF: Verdict(obstacle="refused"),
    Meaning.NOT_VISIBLE: Verdict(obstacle="not_visible"),
    Meaning.MIGRATED: Verdict(obstacle="refused"),
    Meaning.FIELD_REFUSED: Verdict(obstacle="refused"),
    Meaning.BAD_CURSOR: Verdict(),
    Meaning.OTHER: Verdict(obstacle="refused"),
}

_OF_SOURCES: Final = frozenset(
    {
        FacebookRateLimited.code,
        FacebookUnavailable.code,
        FacebookTimeout.code,
        PermissionMissing.code,
    }
)


def verdict_of(error: GraphError) -> Verdict:
    """The row for an error; one without a refusal is an outage."""
    if isinstance(error, GraphRefusal):
        return VERDICTS[error.meaning]
    return Verdict(FacebookTimeout, FacebookUnavailable) if _is_timeout(error) else _OUTAGE


def status_of(error: GraphError) -> ConnectionStatus | None:
    """The state that a connection is in by this answer; None: it says nothing about the token."""
    return verdict_of(error).status


def cause_of(error: GraphError) -> ConnectionCause | None:
    """Why the connection is in that state."""
    return verdict_of(error).cause


def public_error(error: GraphError) -> IgAuthError:
    """What a front end is told of a failed call (contract §5, §6)."""
    verdict = verdict_of(error)
    if verdict.problem is not None:
        return verdict.problem()
    return verdict.public(retry_after=_wait(error, verdict.public))


def login_error(error: GraphError) -> IgAuthError:
    """What ends a login when a call fails in it (contract §3)."""
    kind = verdict_of(error).at_login
    return kind(retry_after=_wait(error, kind))


def log_failure(error: GraphError) -> None:
    """One line for a failed call, by whoever gives up on it; never Meta's own text (A17)."""
    event, level = "graph.failed", _log.warning
    if verdict_of(error).alarm:
        event, level = "facebook.misconfigured", _log.error
    level(
        event,
        endpoint=error.endpoint,
        reason=error.reason,
        graph_code=error.code,
        graph_subcode=error.subcode,
        fbtrace_id=error.fbtrace_id,
    )


def ends_everything(error: GraphError) -> bool:
    """Whether no other call with this token, or of this app, can succeed either."""
    return status_of(error) is not None or (
        isinstance(error, GraphRefusal) and error.meaning is Meaning.APP_BLOCKED
    )


def obstacle_of(error: GraphError) -> str | None:
    """What keeps one Page or account from being read; None: the error speaks of its source.

    "malformed" is an entry that Meta described wrongly.
    """
    return "malformed" if isinstance(error, GraphMalformed) else verdict_of(error).obstacle


def warning_code(error: GraphError) -> str:
    """The code of the warning for a source that didn't answer in full (contract §6)."""
    code = verdict_of(error).public.code
    return code if code in _OF_SOURCES else FacebookRefused.code


def _is_timeout(error: GraphError) -> bool:
    return isinstance(error, GraphTimeout)


def _wait(error: GraphError, kind: type[IgAuthError]) -> int | None:
    if isinstance(error, GraphThrottled):
        return max(1, error.retry_after_seconds)
    return _RETRY_AFTER_SECONDS if kind.retryable else None
