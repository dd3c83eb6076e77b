"""Meta's refusals in its own numbers and words, each with its meaning: read by code first, then
subcode, then text (graph-facts 0.13, 10.2, 10.5; instagram-login-facts 3.4, 6.2, 6.3).

Both doors read the same tables. Parameter names and Graph's own jargon aren't localized, so the
texts here hold in every language that was seen. Whatever isn't listed is `OTHER`.
Source: Meta, Graph API guides, "Handle errors".
"""

from collections.abc import Mapping
from typing import Any, Final

from igauth.meta.errors import ErrorEnvelope, GraphRefusal, Meaning

TOKEN_ENDPOINT: Final = "oauth/access_token"  # noqa: S105 - a path
"""Where code 1 with HTTP 400 is a wrong client_secret, not a transient fault (trap 11)."""

_TOKEN: Final[Mapping[int | None, Meaning]] = {
    None: Meaning.SESSION_INVALID,  # garbage, signature, logged out, unused (10.3)
    458: Meaning.APP_REMOVED,
    459: Meaning.CHECKPOINT,
    460: Meaning.PASSWORD_CHANGED,
    463: Meaning.TOKEN_EXPIRED,
    464: Meaning.UNCONFIRMED_USER,
    492: Meaning.ROLE_LOST,
    493: Meaning.DATA_ACCESS_EXPIRED,
    2069032: Meaning.PAGE_ITSELF,
    **dict.fromkeys((456, 457, 461, 462, 465, 466, 467, 468), Meaning.SESSION_INVALID),
}
BY_CODE: Final[Mapping[int, Mapping[int | None, Meaning]]] = {
    -3: {None: Meaning.REDUCE_DATA},
    1: {None: Meaning.TRANSIENT},
    2: {None: Meaning.TRANSIENT},
    3: {None: Meaning.MISCONFIGURED},
    4: {None: Meaning.APP_THROTTLED},
    10: {None: Meaning.PERMISSION},
    12: {None: Meaning.MISCONFIGURED},
    17: {None: Meaning.PERSON_THROTTLED},
    21: {None: Meaning.MIGRATED},
    32: {None: Meaning.NODE_THROTTLED},
    100: {
        None: Meaning.OTHER,
        33: Meaning.NOT_VISIBLE,
        36007: Meaning.CODE_REJECTED,
        36008: Meaning.MISCONFIGURED,
        36009: Meaning.CODE_REJECTED,
    },
    101: {None: Meaning.MISCONFIGURED},
    102: _TOKEN,
    104: {None: Meaning.MISCONFIGURED},
    190: _TOKEN,
    191: {None: Meaning.MISCONFIGURED},
    194: {None: Meaning.MISCONFIGURED},
    **{code: {None: Meaning.PERMISSION} for code in range(200, 300)},
    341: {None: Meaning.APP_THROTTLED},
    368: {None: Meaning.BLOCKED, 4854002: Meaning.IDENTITY_CHECK},
    415: {None: Meaning.TWO_FACTOR},
    450: {None: Meaning.SESSION_INVALID},
    452: {None: Meaning.SESSION_INVALID},
    506: {None: Meaning.OTHER},
    613: {None: Meaning.PERSON_THROTTLED},
    803: {None: Meaning.NOT_VISIBLE},
    2500: {None: Meaning.MISCONFIGURED},
    2635: {None: Meaning.MISCONFIGURED},
    2642: {None: Meaning.BAD_CURSOR},
    3919: {None: Meaning.TRANSIENT},
    **{code: {None: Meaning.NODE_THROTTLED} for code in range(80000, 80015)},
    2446079: {None: Meaning.PERSON_THROTTLED},
}
BY_SUBCODE: Final[Mapping[int, Meaning]] = {
    2207050: Meaning.RESTRICTED,  # an Instagram account, under varying codes
}
_OF_TOKENS: Final = (
    ("impersonating a user's page", Meaning.PERMISSION),  # trap 30
    ("page access token", Meaning.PAGE_ITSELF),
    ("has not authorized application", Meaning.APP_REMOVED),
    ("changed their password", Meaning.PASSWORD_CHANGED),  # seen without its subcode (10.3)
    ("session has been invalidated", Meaning.PASSWORD_CHANGED),
    ("session has expired", Meaning.TOKEN_EXPIRED),
)
_OF_PERMISSIONS: Final = (
    ("api access blocked", Meaning.APP_BLOCKED),
    ("api access deactivated", Meaning.APP_BLOCKED),
    ("cannot call api for app", Meaning.MISCONFIGURED),  # development mode, or the wrong host
)
BY_TEXT: Final[Mapping[int, tuple[tuple[str, Meaning], ...]]] = {
    1: (
        ("reduce the amount of data", Meaning.REDUCE_DATA),
        ("unknown error", Meaning.TRANSIENT),
        ("unexpected error", Meaning.TRANSIENT),
        ("try again later", Meaning.TRANSIENT),
    ),
    10: _OF_PERMISSIONS,
    100: (
        ("appsecret_proof", Meaning.MISCONFIGURED),
        ("nonexisting field", Meaning.FIELD_REFUSED),
        ("ids query parameter", Meaning.MISCONFIGURED),
        ("app_id in the input_token", Meaning.NOT_OURS),  # 4.6
        ("cannot be loaded due to missing permission", Meaning.NOT_VISIBLE),
        ("missing permission", Meaning.PERMISSION),
        ("cursor", Meaning.BAD_CURSOR),
    ),
    102: _OF_TOKENS,
    190: _OF_TOKENS,
    200: _OF_PERMISSIONS,
}


def refusal_of(endpoint: str, envelope: ErrorEnvelope, http_status: int) -> GraphRefusal:
    """A refusal with its meaning."""
    return GraphRefusal(
        endpoint, envelope, http_status, meaning_of(envelope, http_status, endpoint)
    )


def refusal_in(endpoint: str, http_status: int, body: Any) -> GraphRefusal | None:
    """The refusal that a body holds, at whatever status (graph-facts 10.1); 429 is one too."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if error is not None:
        return refusal_of(endpoint, ErrorEnvelope.parse(error), http_status)
    if http_status == 429:
        return refusal_of(endpoint, ErrorEnvelope(), http_status)
    return None


def meaning_of(envelope: ErrorEnvelope, http_status: int, endpoint: str) -> Meaning:
    """The one reading of a refusal; the endpoint matters only where a token is issued."""
    code = envelope.code
    if endpoint == TOKEN_ENDPOINT and code == 1 and http_status < 500:
        return Meaning.MISCONFIGURED
    if envelope.subcode is not None and envelope.subcode in BY_SUBCODE:
        return BY_SUBCODE[envelope.subcode]
    if code is not None and code in BY_CODE:
        return _by_code(code, envelope, http_status)
    return _of_unknown_code(envelope, http_status)


def _by_code(code: int, envelope: ErrorEnvelope, http_status: int) -> Meaning:
    meanings = BY_CODE[code]
    if envelope.subcode is not None and envelope.subcode in meanings:
        return meanings[envelope.subcode]
    text = envelope.message.casefold()
    for part, meaning in BY_TEXT.get(code, ()):
        if part in text:
            return meaning
    if code == 1 and http_status >= 500 and text and not envelope.is_transient:
        return Meaning.PERHAPS_TOO_MUCH
    return meanings[None]


def _of_unknown_code(envelope: ErrorEnvelope, http_status: int) -> Meaning:
    if http_status == 429:
        return Meaning.APP_THROTTLED
    if envelope.is_transient or http_status >= 500:
        return Meaning.TRANSIENT
    return Meaning.OTHER
