"""What a call to Meta can end with, instead of an answer.

    GraphError
    ├── GraphUnavailable      no answer: network fault, 5xx, a redirect
    │   ├── GraphTimeout      the wall-clock budget, or the connecting, ran out
    │   └── GraphUnreadable   an answer that makes no sense, or is too large
    │       └── GraphMalformed   one node without an id, or with parts of the wrong kind
    └── GraphRefusal          an error envelope (graph-facts 10.1), with its `meaning`
        └── GraphThrottled    asked to wait, just now or by a pause that is still on

What a refusal means is said by `meanings`, what follows from it by `verdicts`. Texts of these
errors never hold a URL, token, code, secret, name or Meta's own message.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

_REFUSED_FIELD: Final = re.compile(
    r"nonexisting field \((\w{1,64})\)(?:.{0,200}node type \((\w{1,64})\))?"
)
_MIGRATED_TO: Final = re.compile(r"migrated to page ID (\d{1,32})")
_TRACE_ID: Final = re.compile(r"[\w+/=-]{1,64}", re.ASCII)
_CODE: Final = re.compile(r"-?\d{1,9}", re.ASCII)


class Meaning(StrEnum):
    """What a refusal says, whatever its HTTP status (graph-facts 10.5)."""

    TRANSIENT = "transient"
    PERHAPS_TOO_MUCH = "perhaps_too_much"
    """Code 1 in words that nobody knows: an outage, or a page too large (graph-facts 10.2)."""
    REDUCE_DATA = "reduce_data"
    APP_THROTTLED = "app_throttled"
    PERSON_THROTTLED = "person_throttled"
    NODE_THROTTLED = "node_throttled"
    PAUSED = "paused"
    """Not asked at all: an earlier throttle is still on."""

    TOKEN_EXPIRED = "token_expired"  # noqa: S105  # a word
    DATA_ACCESS_EXPIRED = "data_access_expired"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  # a word
    SESSION_INVALID = "session_invalid"
    NOT_OURS = "not_ours"
    APP_REMOVED = "app_removed"
    CHECKPOINT = "checkpoint"
    INSTAGRAM_CHECKPOINT = "instagram_checkpoint"
    UNCONFIRMED_USER = "unconfirmed_user"
    APP_ACCESS_MISSING = "app_access_missing"
    """The account has no role on this app, or the app no Advanced Access (instagram 4.4)."""

    APP_BLOCKED = "app_blocked"
    MISCONFIGURED = "misconfigured"
    REDIRECT_REFUSED = "redirect_refused"
    CODE_REJECTED = "code_rejected"
    NOT_PROFESSIONAL = "not_professional"

    PERMISSION = "permission"
    BLOCKED = "blocked"
    TWO_FACTOR = "two_factor"
    IDENTITY_CHECK = "identity_check"
    RESTRICTED = "restricted"
    ROLE_LOST = "role_lost"
    PAGE_ITSELF = "page_itself"
    """A Page's own 190: the person's token is fine (graph-facts 10.2)."""
    NOT_VISIBLE = "not_visible"
    MIGRATED = "migrated"
    FIELD_REFUSED = "field_refused"
    BAD_CURSOR = "bad_cursor"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ErrorEnvelope:
    """Graph's error object, read leniently; the text never shows (graph-facts 10.1)."""

    code: int | None = None
    subcode: int | None = None
    type: str = ""
    is_transient: bool = False
    fbtrace_id: str | None = None
    message: str = field(default="", repr=False)

    @classmethod
    def parse(cls, error: Any) -> Self:
        """Anything at all becomes an envelope: a string or a list is one without a code."""
        if not isinstance(error, Mapping):
            return cls()
        return cls(
            code=_number(error.get("code")),
            # debug_token's inner error says `subcode` (graph-facts 4.5); 0 is none (6.2 of
            # instagram-login-facts)
            subcode=_number(error.get("error_subcode", error.get("subcode"))) or None,
            type=_text(error.get("type"))[:64],
            is_transient=error.get("is_transient") is True,
            fbtrace_id=_trace_id(error.get("fbtrace_id")),
            message=_text(error.get("message")),
        )

    @classmethod
    def parse_exchange(cls, body: Mapping[str, Any]) -> Self:
        """The other shape, of Instagram's code exchange; its `code` is the HTTP status
        (instagram-login-facts 3.4)."""
        return cls(
            type=_text(body.get("error_type"))[:64], message=_text(body.get("error_message"))
        )


class GraphError(Exception):
    """A call to Meta that gave no result. `endpoint` is a template, without ids.

    `repeatable`: the same call, sent again soon, may succeed (contract §8).
    """

    code: int | None = None
    subcode: int | None = None
    fbtrace_id: str | None = None

    def __init__(self, endpoint: str, text: str, *, repeatable: bool = False) -> None:
        self.endpoint = endpoint
        self.reason = text
        self.repeatable = repeatable
        super().__init__(f"{endpoint}: {text}")


class GraphUnavailable(GraphError):
    """Meta wasn't reached, or answered nothing."""


class GraphTimeout(GraphUnavailable):
    """The time for connecting, or for the whole call, ran out."""


class GraphUnreadable(GraphUnavailable):
    """Meta answered what can't be read. A login's own reads are tried again (contract §8)."""


class GraphMalformed(GraphUnreadable):
    """One node's answer lacks what it must have; the rest of the world may be well."""


class GraphRefusal(GraphError):
    """Meta said no, in its envelope. A pause that stops a call has HTTP status 0."""

    def __init__(
        self, endpoint: str, envelope: ErrorEnvelope, http_status: int, meaning: Meaning
    ) -> None:
        self.meaning = meaning
        self.http_status = http_status
        self.code = envelope.code
        self.subcode = envelope.subcode
        self.fbtrace_id = envelope.fbtrace_id
        self._envelope = envelope
        repeatable = meaning in (Meaning.TRANSIENT, Meaning.PERHAPS_TOO_MUCH)
        super().__init__(endpoint, self._summary(), repeatable=repeatable)

    def _summary(self) -> str:
        subcode = "" if self.subcode is None else f"/{self.subcode}"
        trace = "" if self.fbtrace_id is None else f", fbtrace_id {self.fbtrace_id}"
        return f"{self.meaning} (code {self.code}{subcode}, HTTP {self.http_status}{trace})"

    def read_as(self, meaning: Meaning) -> "GraphRefusal":
        """The same refusal where the caller knows better what it means."""
        return GraphRefusal(self.endpoint, self._envelope, self.http_status, meaning)

    def throttled(self, retry_after_seconds: int) -> "GraphThrottled":
        """The same refusal as a wait."""
        return GraphThrottled(self.endpoint, retry_after_seconds, self)

    def refused_field(self) -> tuple[str, str] | None:
        """The field Graph doesn't know, and the node type it named or "" (graph-facts 6.5)."""
        found = _REFUSED_FIELD.search(self._envelope.message)
        return (found[1], found[2] or "") if found else None

    def migrated_to(self) -> str | None:
        """The id that a merged Page has now (code 21, graph-facts 7.9)."""
        found = _MIGRATED_TO.search(self._envelope.message)
        return found[1] if found else None


class GraphThrottled(GraphRefusal):
    """Meta wants us to wait; also raised without a call while a pause is on."""

    def __init__(
        self, endpoint: str, retry_after_seconds: int, refusal: GraphRefusal | None = None
    ) -> None:
        self.retry_after_seconds = retry_after_seconds
        if refusal is None:
            super().__init__(endpoint, ErrorEnvelope(), 0, Meaning.PAUSED)
        else:
            super().__init__(endpoint, refusal._envelope, refusal.http_status, refusal.meaning)


def _number(value: Any) -> int | None:
    """A code as an int: it may rarely be a string (graph-facts 10.1)."""
    if isinstance(value, str) and _CODE.fullmatch(value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9:
        return value
    return None


def _text(value: Any) -> str:
    return value[:4_000] if isinstance(value, str) else ""


def _trace_id(value: Any) -> str | None:
    return value if isinstance(value, str) and _TRACE_ID.fullmatch(value) else None
