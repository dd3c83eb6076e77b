"""Meta's refusals in its own numbers and words, each with its meaning: read by code first, then
subcode, then text (graph-facts 0.13, 10.2, 10.5; instagram-login-facts 3.4, 6.2, 6.3).

Both doors read the same tables. Parameter names and Graph's own jargon aren't localized, so the
texts here hold in every language that was seen. Whatever isn't listed is `OTHER`.
Source: Meta, Graph API guides, "Handle errors".
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from igauth.meta.errors import ErrorEnvelope, GraphRefusal, Meaning

TOKEN_ENDPOINT: Final = "oauth/access_token"  # noqa: S105 - a path
"""Where code 1 with HTTP 400 is a wrong client_secret, not a transient fault (trap 11)."""

INSTAGRAM_EXCHANGE: Final = "instagram/oauth/access_token"
"""Whose refusals have a shape of their own, without codes (instagram-login-facts 3.4)."""

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
        36008: Meaning.REDIRECT_REFUSED,
        36009: Meaning.CODE_REJECTED,
    },
    101: {None: Meaning.MISCONFIGURED},
    102: _TOKEN,
    104: {None: Meaning.MISCONFIGURED},
    190: _TOKEN,
    191: {None: Meaning.REDIRECT_REFUSED},
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
    # At Instagram's host 190 has no subcode, or 0: only the text tells (instagram 6.2)
    ("log in to www.instagram.com", Meaning.INSTAGRAM_CHECKPOINT),
    ("malformed because of invalid user id", Meaning.INSTAGRAM_CHECKPOINT),
    ("log in to www.facebook.com", Meaning.CHECKPOINT),
)
_OF_PERMISSIONS: Final = (
    ("api access blocked", Meaning.APP_BLOCKED),
    ("api access deactivated", Meaning.APP_BLOCKED),
    ("cannot call api for app", Meaning.MISCONFIGURED),  # development mode, or the wrong host
)
_NO_ROLE: Final = "insufficient developer role"
_OF_ANY_CODE: Final = (
    (_NO_ROLE, Meaning.APP_ACCESS_MISSING),  # instagram 1.7, 2.3, 3.4
    ("not an instagram business", Meaning.NOT_PROFESSIONAL),  # instagram 1.5
)
# Of Instagram's code exchange, which has no codes (instagram 3.4). What isn't listed may be in
# any language: `OTHER`.
_OF_EXCHANGE: Final = (
    ("matching code was not found", Meaning.CODE_REJECTED),
    ("authorization code", Meaning.CODE_REJECTED),
    ("redirect_uri", Meaning.REDIRECT_REFUSED),  # trap 10: perhaps the secret
    ("platform app", Meaning.MISCONFIGURED),
    ("client", Meaning.MISCONFIGURED),
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
    if isinstance(body, Mapping) and body.get("error_message") is not None:
        return refusal_of(endpoint, ErrorEnvelope.parse_exchange(body), http_status)
    if http_status == 429:
        return refusal_of(endpoint, ErrorEnvelope(), http_status)
    return None


def meaning_of(envelope: ErrorEnvelope, http_status: int, endpoint: str) -> Meaning:
    """The one reading of a refusal; the endpoint matters only where a token is issued."""
    code, text = envelope.code, envelope.message.casefold()
    if endpoint == TOKEN_ENDPOINT and code == 1 and http_status < 500:
        return Meaning.MISCONFIGURED
    said = _said(text, _OF_ANY_CODE)
    if said is not None:
        return said
    if envelope.subcode is not None and envelope.subcode in BY_SUBCODE:
        return BY_SUBCODE[envelope.subcode]
    if code is not None and code in BY_CODE:
        return _by_code(code, envelope, text, http_status)
    if endpoint == INSTAGRAM_EXCHANGE and code is None and 400 <= http_status < 429:
        return _said(text, _OF_EXCHANGE) or Meaning.OTHER
    return _of_unknown_code(envelope, http_status)


def lacks_role(words: str) -> bool:
    """Whether a dialog's own words say that the account has no role on this app: it isn't the
    person who refused then (instagram 2.5)."""
    return _NO_ROLE in words.casefold()


def _by_code(code: int, envelope: ErrorEnvelope, text: str, http_status: int) -> Meaning:
    meanings = BY_CODE[code]
    if envelope.subcode is not None and envelope.subcode in meanings:
        return meanings[envelope.subcode]
    if code == 100 and envelope.type == "IGApiException" and "method type" in text:
        return Meaning.APP_ACCESS_MISSING  # the misleading one (instagram 4.4)
    said = _said(text, BY_TEXT.get(code, ()))
    if said is not None:
        return said
    if code == 1 and http_status >= 500 and text and not envelope.is_transient:
        return Meaning.PERHAPS_TOO_MUCH
    return meanings[None]


def _of_unknown_code(envelope: ErrorEnvelope, http_status: int) -> Meaning:
    if http_status == 429:
        return Meaning.APP_THROTTLED
    if envelope.is_transient or http_status >= 500:
        return Meaning.TRANSIENT
    return Meaning.OTHER


def _said(text: str, words: Iterable[tuple[str, Meaning]]) -> Meaning | None:
    return next((meaning for part, meaning in words if part in text), None)
