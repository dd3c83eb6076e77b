"""What Facebook's refusals mean: one table, read by code first, then subcode, then text.

    GraphError
    ├── GraphUnavailable     no readable answer: network fault, 5xx, nonsense, oversize, redirect
    │   ├── GraphTimeout     the wall-clock budget, or the connecting, ran out
    │   └── GraphMalformed   one node without an id, or with parts of the wrong kind
    └── GraphRefusal         an error envelope (graph-facts 10.1), with its `meaning`
        └── GraphThrottled   asked to wait, just now or by a pause that is still on

Texts of these errors never hold a URL, token, code, secret, name or Facebook's own message.
Source: Meta, Graph API guides, "Handle errors"; graph-facts §10.2 and its traps 11, 29-31, 36.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Self


class Meaning(StrEnum):
    """What a refusal asks of us, whatever its HTTP status (graph-facts 10.5)."""

    TRANSIENT = "transient"
    REDUCE_DATA = "reduce_data"
    THROTTLED = "throttled"
    RECONNECT = "reconnect"
    REVOKED = "revoked"
    CHECKPOINT = "checkpoint"
    PERMISSION = "permission"
    PERSON_MUST_ACT = "person_must_act"
    NOT_VISIBLE = "not_visible"
    FIELD_REFUSED = "field_refused"
    BAD_CURSOR = "bad_cursor"
    MIGRATED = "migrated"
    CODE_REJECTED = "code_rejected"
    MISCONFIGURED = "misconfigured"
    OTHER = "other"


TOKEN_DEATHS: Final = frozenset({Meaning.RECONNECT, Meaning.REVOKED, Meaning.CHECKPOINT})
"""Refusals after which no call with the same token can succeed."""

TOKEN_ENDPOINT: Final = "oauth/access_token"  # noqa: S105 - a path
"""Where code 1 with HTTP 400 is a wrong client_secret, not a transient fault (trap 11)."""

_IMPERSONATING: Final = "impersonating a user's page"
_TOKEN_MEANINGS: Final[Mapping[int | None, Meaning]] = {
    None: Meaning.RECONNECT,  # garbage, signature; 460 has been seen without its subcode (10.3)
    458: Meaning.REVOKED,
    459: Meaning.CHECKPOINT,
    464: Meaning.CHECKPOINT,
    492: Meaning.PERSON_MUST_ACT,
}
_BY_CODE: Final[Mapping[int, Mapping[int | None, Meaning]]] = {
    1: {None: Meaning.TRANSIENT},
    2: {None: Meaning.TRANSIENT},
    3: {None: Meaning.MISCONFIGURED},
    4: {None: Meaning.THROTTLED},
    10: {None: Meaning.PERMISSION},
    12: {None: Meaning.MISCONFIGURED},
    17: {None: Meaning.THROTTLED},
    21: {None: Meaning.MIGRATED},
    32: {None: Meaning.THROTTLED},
    100: {
        None: Meaning.OTHER,
        33: Meaning.NOT_VISIBLE,
        36007: Meaning.CODE_REJECTED,
        36008: Meaning.MISCONFIGURED,
        36009: Meaning.CODE_REJECTED,
    },
    101: {None: Meaning.MISCONFIGURED},
    102: _TOKEN_MEANINGS,
    104: {None: Meaning.MISCONFIGURED},
    190: _TOKEN_MEANINGS,
    191: {None: Meaning.MISCONFIGURED},
    194: {None: Meaning.MISCONFIGURED},
    **{code: {None: Meaning.PERMISSION} for code in range(200, 300)},
    341: {None: Meaning.THROTTLED},
    368: {None: Meaning.PERSON_MUST_ACT},
    415: {None: Meaning.PERSON_MUST_ACT},
    450: {None: Meaning.RECONNECT},
    452: {None: Meaning.RECONNECT},
    506: {None: Meaning.OTHER},
    613: {None: Meaning.THROTTLED},
    803: {None: Meaning.NOT_VISIBLE},
    2500: {None: Meaning.MISCONFIGURED},
    2635: {None: Meaning.MISCONFIGURED},
    2642: {None: Meaning.BAD_CURSOR},
    3919: {None: Meaning.TRANSIENT},
    **{code: {None: Meaning.THROTTLED} for code in range(80000, 80015)},
    2446079: {None: Meaning.THROTTLED},
}
_BY_SUBCODE: Final[Mapping[int, Meaning]] = {
    2207050: Meaning.PERSON_MUST_ACT,  # restricted Instagram account, under varying codes
}
# Where facts know a meaning from the text alone. Parameter names and Graph's own jargon aren't
# localized, so these hold in every language that was seen (graph-facts 0.13).
_BY_TEXT: Final[Mapping[int, tuple[tuple[str, Meaning], ...]]] = {
    1: (("reduce the amount of data", Meaning.REDUCE_DATA),),
    100: (
        ("appsecret_proof", Meaning.MISCONFIGURED),
        ("nonexisting field", Meaning.FIELD_REFUSED),
        ("ids query parameter", Meaning.MISCONFIGURED),
        ("cannot be loaded due to missing permission", Meaning.NOT_VISIBLE),
        ("missing permission", Meaning.PERMISSION),
        ("cursor", Meaning.BAD_CURSOR),
    ),
    102: ((_IMPERSONATING, Meaning.PERMISSION),),
    190: ((_IMPERSONATING, Meaning.PERMISSION),),
}
_REFUSED_FIELD: Final = re.compile(
    r"nonexisting field \((\w{1,64})\)(?:.*node type \((\w{1,64})\))?"
)
_MIGRATED_TO: Final = re.compile(r"migrated to page ID (\d{1,32})")
_TRACE_ID: Final = re.compile(r"[\w+/=-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ErrorEnvelope:
    """Graph's error object, read leniently; the text never shows (graph-facts 10.1)."""

    code: int | None = None
    subcode: int | None = None
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
            # debug_token's inner error says `subcode` (graph-facts 4.5)
            subcode=_number(error.get("error_subcode", error.get("subcode"))),
            is_transient=error.get("is_transient") is True,
            fbtrace_id=_trace_id(error.get("fbtrace_id")),
            message=_text(error.get("message")),
        )


def meaning_of(envelope: ErrorEnvelope, http_status: int, endpoint: str) -> Meaning:
    """The one reading of a refusal; the endpoint matters only where a token is issued."""
    code = envelope.code
    if endpoint == TOKEN_ENDPOINT and code == 1 and http_status < 500:
        return Meaning.MISCONFIGURED
    if envelope.subcode is not None and envelope.subcode in _BY_SUBCODE:
        return _BY_SUBCODE[envelope.subcode]
    if code is not None and code in _BY_CODE:
        return _by_code(code, envelope)
    return _of_unknown_code(envelope, http_status)


def _by_code(code: int, envelope: ErrorEnvelope) -> Meaning:
    meanings = _BY_CODE[code]
    if envelope.subcode in meanings and envelope.subcode is not None:
        return meanings[envelope.subcode]
    text = envelope.message.casefold()
    for part, meaning in _BY_TEXT.get(code, ()):
        if part in text:
            return meaning
    return meanings[None]


def _of_unknown_code(envelope: ErrorEnvelope, http_status: int) -> Meaning:
    if http_status == 429:
        return Meaning.THROTTLED
    if envelope.is_transient or http_status >= 500:
        return Meaning.TRANSIENT
    return Meaning.OTHER


class GraphError(Exception):
    """A call to Facebook that gave no result. `endpoint` is a template, without ids.

    `repeatable`: the same call, sent again soon, may succeed (contract §8).
    """

    def __init__(self, endpoint: str, text: str, *, repeatable: bool = False) -> None:
        self.endpoint = endpoint
        self.repeatable = repeatable
        super().__init__(f"{endpoint}: {text}")


class GraphUnavailable(GraphError):
    """Facebook wasn't reached, or answered nothing that can be read."""


class GraphTimeout(GraphUnavailable):
    """The time for connecting, or for the whole call, ran out."""


class GraphMalformed(GraphUnavailable):
    """One node's answer lacks what it must have; the rest of the world may be well."""


class GraphRefusal(GraphError):
    """Facebook said no, in its envelope. A pause that stops a call has HTTP status 0."""

    def __init__(
        self,
        endpoint: str,
        envelope: ErrorEnvelope,
        http_status: int,
        *,
        meaning: Meaning | None = None,
    ) -> None:
        self.meaning = meaning or meaning_of(envelope, http_status, endpoint)
        self.http_status = http_status
        self.code = envelope.code
        self.subcode = envelope.subcode
        self.fbtrace_id = envelope.fbtrace_id
        self.is_transient = envelope.is_transient
        self._envelope = envelope
        # A throttle may say is_transient too, and isn't: never repeated (graph-facts 10.8, 10.9).
        super().__init__(endpoint, self._summary(), repeatable=self.meaning is Meaning.TRANSIENT)

    def _summary(self) -> str:
        subcode = "" if self.subcode is None else f"/{self.subcode}"
        trace = "" if self.fbtrace_id is None else f", fbtrace_id {self.fbtrace_id}"
        return f"{self.meaning} (code {self.code}{subcode}, HTTP {self.http_status}{trace})"

    def read_as(self, meaning: Meaning) -> "GraphRefusal":
        """The same refusal where the caller knows better what it means."""
        return GraphRefusal(self.endpoint, self._envelope, self.http_status, meaning=meaning)

    def throttled(self, retry_after_seconds: int) -> "GraphThrottled":
        """The same refusal as a wait."""
        return GraphThrottled(self.endpoint, retry_after_seconds, self._envelope, self.http_status)

    def refused_field(self) -> tuple[str, str] | None:
        """The field Graph doesn't know, and the node type it named or "" (graph-facts 6.5)."""
        found = _REFUSED_FIELD.search(self._envelope.message)
        return (found[1], found[2] or "") if found else None

    def migrated_to(self) -> str | None:
        """The id that a merged Page has now (code 21, graph-facts 7.9)."""
        found = _MIGRATED_TO.search(self._envelope.message)
        return found[1] if found else None


class GraphThrottled(GraphRefusal):
    """Facebook wants us to wait; also raised without a call while a pause is on."""

    def __init__(
        self,
        endpoint: str,
        retry_after_seconds: int,
        envelope: ErrorEnvelope | None = None,
        http_status: int = 0,
    ) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(
            endpoint, envelope or ErrorEnvelope(), http_status, meaning=Meaning.THROTTLED
        )


def _number(value: Any) -> int | None:
    """A code as an int: it may rarely be a string (graph-facts 10.1)."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value, re.ASCII):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9:
        return value
    return None


def _text(value: Any) -> str:
    return value[:4_000] if isinstance(value, str) else ""


def _trace_id(value: Any) -> str | None:
    return value if isinstance(value, str) and _TRACE_ID.fullmatch(value) else None
