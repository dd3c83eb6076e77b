"""How Graph answers: compact escaped JSON, headers, the error envelope, and what it refuses.

Facts 0.6 (escapes), 0.9 and 0.10 (headers), 2.4 and 10.2 (codes), 10.1 (envelope), 10.6
(`WWW-Authenticate`).
"""

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from igauth.sandbox.transport import GZIP_FROM, Answer

_PACIFIC = timezone(timedelta(hours=-8), "PST")
_DOCS = "https://developers.facebook.com/docs/graph-api"
_WORDS = {1: "unknown_error", 2: "unknown_error", 102: "invalid_token", 190: "invalid_token"}
_WORDS |= {803: "not_found"}


@dataclass(frozen=True, slots=True)
class GraphError:
    """One Graph error, before it is put into the envelope (facts 10.1)."""

    message: str
    code: int | None = None
    subcode: int | None = None
    type: str = "OAuthException"
    status: int = 400
    is_transient: bool | None = None
    title: str | None = None
    user_message: str | None = None
    word: str | None = None

    @property
    def challenge_word(self) -> str:
        """The word of the `WWW-Authenticate` header (facts 10.6)."""
        if self.code is not None and (self.code == 10 or 200 <= self.code <= 299):
            return self.word or "insufficient_scope"
        return self.word or _WORDS.get(self.code or 0, "invalid_request")


class Refused(Exception):
    """Graph says no: carries the `GraphError`."""

    def __init__(self, error: GraphError) -> None:
        super().__init__(error.message)
        self.error = error


# --- code exchange, facts 2.4: code problems are announced as "invalid_code" ---


def _code_error(message: str, subcode: int | None = None) -> GraphError:
    return GraphError(message, 100, subcode, word="invalid_code")


CODE_EXPIRED = _code_error("This authorization code has expired.", 36007)
CODE_USED = _code_error("This authorization code has been used.", 36009)
REDIRECT_DIFFERS = _code_error(
    "Error validating verification code. Please make sure your redirect_uri is identical to the "
    "one you used in the OAuth dialog request",
    36008,
)
CODE_GARBLED = _code_error("Invalid verification code format.")
VERIFIER_WRONG = _code_error("Invalid code_verifier.")
REDIRECT_NOT_ABSOLUTE = GraphError("redirect_uri isn't an absolute URI. Check RFC 3986.", 191)
SECRET_WRONG = GraphError("Error validating client secret.", 1, word="invalid_client")
APP_UNKNOWN = GraphError(
    "Error validating application. Cannot get application info due to a system error.", 101
)
CLIENT_ID_NOT_NUMERIC = GraphError("Invalid Client ID", 1, status=500)

# --- tokens ---

TOKEN_MISSING = GraphError("An access token is required to request this resource.", 104)
TOKEN_UNPARSEABLE = GraphError("Invalid OAuth access token - Cannot parse access token", 190)
TOKEN_INVALID = GraphError("Invalid OAuth access token.", 190)
TOKEN_SIGNATURE = GraphError("Invalid OAuth access token signature.", 190)
ME_NEEDS_USER = GraphError(
    "An active access token must be used to query information about the current user.", 2500
)
FOREIGN_INPUT_TOKEN = GraphError(
    "(#100) The App_id in the input_token did not match the Viewing App", 100
)
PROOF_WRONG = GraphError(
    "Invalid appsecret_proof provided in the API argument", 100, type="GraphMethodException"
)
PROOF_MISSING = GraphError(
    "API calls from the server require an appsecret_proof argument",
    100,
    type="GraphMethodException",
)

_DEATHS = {
    456: "The session is malformed.",
    457: "The session has an invalid origin.",
    458: "The user has not authorized application {app}.",
    459: "You cannot access the app till you log in to www.facebook.com and follow the "
    "instructions given.",
    460: "The session has been invalidated because the user changed their password or Facebook "
    "has changed the session for security reasons.",
    461: "The user has reinstalled the application.",
    462: "The session is of a stale version.",
    464: "Sessions for the user are not allowed because the user is not a confirmed user.",
    465: "The user is not valid.",
    466: "The session was explicitly invalidated through an API call.",
    467: "The session is invalid because the user logged out.",
    468: "The session has been unused for too long.",
    492: "The user must be an administrator, editor, or moderator of the page in order to "
    "impersonate it.",
    493: "The user has not engaged with the app in longer than 90 days.",
}


def dead_token(subcode: int, app_id: str = "901234567890123") -> GraphError:
    """190 with one of its subcodes (facts 10.2)."""
    why = _DEATHS[subcode].format(app=app_id)
    return GraphError(f"Error validating access token: {why}", 190, subcode)


def expired_token(expired_at: datetime, now: datetime) -> GraphError:
    """190/463, whose text gives both times (facts 10.4)."""
    message = (
        f"Error validating access token: Session has expired on {_spoken(expired_at)}. "
        f"The current time is {_spoken(now)}."
    )
    return GraphError(message, 190, 463)


def _spoken(instant: datetime) -> str:
    return instant.astimezone(UTC).astimezone(_PACIFIC).strftime("%A, %d-%b-%y %H:%M:%S PST")


# --- nodes, edges, fields ---

NO_PERMISSION = GraphError(
    "(#10) Application does not have permission for this action", 10, status=403
)
NEEDS_BUSINESS = GraphError(
    "(#200) Requires business_management permission to manage the object", 200, status=403
)
IMPERSONATION = GraphError(
    "Any of the pages_read_engagement, pages_manage_metadata, pages_read_user_content, "
    "pages_manage_ads, pages_show_list or pages_messaging permission(s) must be granted before "
    "impersonating a user's page.",
    190,
)
PAGE_NOT_YOURS = GraphError(
    "(#100) Object does not exist, cannot be loaded due to missing permission or reviewable "
    "feature, or does not support this operation. This endpoint requires the "
    "'pages_read_engagement' permission or the 'Page Public Content Access' feature.",
    100,
)
PAGE_TOKEN_NEEDED = GraphError(
    "A page access token is required for this call for the new Pages experience.", 190, 2069032
)
TOO_MUCH_DATA = GraphError(
    "Please reduce the amount of data you're asking for, then retry your request", 1, status=500
)
IDS_REMOVED = GraphError("The ids query parameter is deprecated in v26.0+", 100, status=500)
APP_NOT_CONNECTED = GraphError("(#100) Param user must be a user who has authorized the app", 100)


def _for_people(code: int, subcode: int, message: str, title: str, said: str) -> GraphError:
    """One that Facebook explains to people (facts 10.1, 10.9)."""
    return GraphError(message, code, subcode, is_transient=False, title=title, user_message=said)


TWO_FACTOR = _for_people(
    415,
    1404120,
    "Error accessing the object: two-factor authentication is required",
    "Two-factor authentication required",
    "Turn on two-factor authentication to work with this Page.",
)
PAGE_CHECKPOINT = _for_people(
    368,
    4854002,
    "The action attempted has been deemed abusive or is otherwise disallowed",
    "Confirm the Page's identity",
    "Facebook needs you to confirm this Page's identity.",
)
INSTAGRAM_RESTRICTED = _for_people(
    100,
    2207050,
    "The Instagram account is restricted",
    "Account restricted",
    "Sign in to Instagram and complete any required actions.",
)


def page_migrated(old: str, new: str) -> GraphError:
    """Code 21 (facts 7.9)."""
    message = f"(#21) Page ID {old} was migrated to page ID {new}.  "
    return GraphError(f"{message}Please update your API calls to the new ID", 21)


def not_visible(object_id: str, method: str = "get") -> GraphError:
    """100/33: deleted, unlinked, not permitted, never there: Graph doesn't tell (facts 8.7)."""
    message = (
        f"Unsupported {method.lower()} request. Object with ID '{object_id}' does not exist, "
        "cannot be loaded due to missing permissions, or does not support this operation. "
        f"Please read the Graph API documentation at {_DOCS}"
    )
    return GraphError(message, 100, 33, type="GraphMethodException")


def no_such_alias(alias: str) -> GraphError:
    """803 (facts 10.2)."""
    message = f"(#803) Some of the aliases you requested do not exist: {alias}"
    return GraphError(message, 803, status=404)


def unknown_path(rest: str) -> GraphError:
    """2500: too long a path, or a version of the future (facts 1.14)."""
    return GraphError(f"Unknown path components: {rest}", 2500)


def no_such_field(name: str, node_type: str) -> GraphError:
    """100 for the entire call (facts 6.5)."""
    message = f"(#100) Tried accessing nonexisting field ({name}) on node type ({node_type})"
    return GraphError(message, 100)


# --- on the wire ---


def encode(content: object) -> bytes:
    """Compact JSON with `/` as `\\/`, non-ASCII as `\\uXXXX`, `@` as `\\u0040` (facts 0.6, 6.1)."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=True)
    return text.replace("/", "\\/").replace("@", "\\u0040").encode("ascii")


def success(content: object, version: str) -> Answer:
    """HTTP 200 with the headers of facts 0.9. The ETag is never matched (facts 1.17)."""
    body = encode(content)
    small = len(body) < GZIP_FROM
    headers = {
        "content-type": "application/json; charset=UTF-8" if small else "application/json",
        "cache-control": "private, no-cache, no-store, must-revalidate",
        "pragma": "no-cache",
        "expires": "Sat, 01 Jan 2000 00:00:00 GMT",
        "etag": f'"{hashlib.sha1(body, usedforsecurity=False).hexdigest()}"',
        "vary": "Origin",
        **_common_headers(version, _new_trace_id()),
    }
    return Answer(200, body, headers)


def failure(error: GraphError, version: str) -> Answer:
    """A Graph error: envelope, `no-store`, `WWW-Authenticate`, no ETag (facts 0.10, 10.1, 10.6)."""
    trace_id = _new_trace_id()
    word, message = error.challenge_word, _header_text(error.message)
    headers = {
        "content-type": "application/json; charset=UTF-8",
        "cache-control": "no-store",
        "www-authenticate": f'OAuth "Facebook Platform" "{word}" "{message}"',
        **_common_headers(version, trace_id),
    }
    return Answer(error.status, encode({"error": _envelope(error, trace_id)}), headers)


def _envelope(error: GraphError, trace_id: str) -> dict[str, object]:
    """The `error` object; absent facts are omitted (facts 10.1)."""
    content: dict[str, object] = {
        "message": error.message,
        "type": error.type,
        "code": error.code,
        "error_subcode": error.subcode,
        "is_transient": error.is_transient,
        "error_user_title": error.title,
        "error_user_msg": error.user_message,
        "fbtrace_id": trace_id,
    }
    return {name: value for name, value in content.items() if value is not None}


def _header_text(text: str) -> str:
    """Text that may stand in a header: printable Latin-1."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return printable.encode("latin-1", "replace").decode("latin-1")


def _new_trace_id() -> str:
    """What `fbtrace_id` and `x-fb-request-id` have in common (facts 0.10)."""
    return "A" + secrets.token_urlsafe(16)


def _common_headers(version: str, trace_id: str) -> dict[str, str]:
    return {
        "access-control-allow-origin": "*",
        "strict-transport-security": "max-age=15552000; preload",
        "facebook-api-version": version,
        "x-fb-request-id": trace_id,
        "x-fb-trace-id": secrets.token_urlsafe(8),
        "x-fb-rev": "1030012345",
        "x-fb-rlafr": "0",
        "x-fb-debug": secrets.token_urlsafe(32) + "==",
    }
