"""What Graph refuses, and in which words: the envelope's content (facts 2.4, 10.1, 10.2)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

PACIFIC = timezone(timedelta(hours=-8), "PST")
DOCS = "https://developers.facebook.com/docs/graph-api"


@dataclass(frozen=True, slots=True)
class Problem:
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
        return self.word or _word_for(self.code or 0)


class Refused(Exception):
    """Graph says no: carries the `Problem`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def _word_for(code: int) -> str:
    if code == 10 or 200 <= code <= 299:
        return "insufficient_scope"
    words = {190: "invalid_token", 102: "invalid_token", 803: "not_found"}
    words |= {1: "unknown_error", 2: "unknown_error"}
    return words.get(code, "invalid_request")


# --- code exchange, facts 2.4: code problems are announced as "invalid_code" ---

CODE_EXPIRED = Problem("This authorization code has expired.", 100, 36007, word="invalid_code")
CODE_USED = Problem("This authorization code has been used.", 100, 36009, word="invalid_code")
REDIRECT_DIFFERS = Problem(
    "Error validating verification code. Please make sure your redirect_uri is identical to the "
    "one you used in the OAuth dialog request",
    100,
    36008,
    word="invalid_code",
)
CODE_GARBLED = Problem("Invalid verification code format.", 100, word="invalid_code")
VERIFIER_WRONG = Problem("Invalid code_verifier.", 100, word="invalid_code")
REDIRECT_NOT_ABSOLUTE = Problem(
    "redirect_uri isn't an absolute URI. Check RFC 3986.", 191, word="invalid_request"
)
SECRET_WRONG = Problem("Error validating client secret.", 1, word="invalid_client")
APP_UNKNOWN = Problem(
    "Error validating application. Cannot get application info due to a system error.", 101
)
CLIENT_ID_NOT_NUMERIC = Problem("Invalid Client ID", 1, status=500)
GRANT_TYPE_UNKNOWN = Problem("Invalid grant_type", 100)

# --- tokens ---

TOKEN_MISSING = Problem("An access token is required to request this resource.", 104)
TOKEN_UNPARSEABLE = Problem("Invalid OAuth access token - Cannot parse access token", 190)
TOKEN_INVALID = Problem("Invalid OAuth access token.", 190)
TOKEN_SIGNATURE = Problem("Invalid OAuth access token signature.", 190)
ME_NEEDS_USER = Problem(
    "An active access token must be used to query information about the current user.", 2500
)
FOREIGN_INPUT_TOKEN = Problem(
    "(#100) The App_id in the input_token did not match the Viewing App", 100
)
INPUT_TOKEN_MISSING = Problem("(#100) The parameter input_token is required", 100)
PROOF_WRONG = Problem(
    "Invalid appsecret_proof provided in the API argument", 100, type="GraphMethodException"
)
PROOF_MISSING = Problem(
    "API calls from the server require an appsecret_proof argument",
    100,
    type="GraphMethodException",
)

_PREFIX = "Error validating access token: "
DEATHS: dict[int, str] = {
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


def dead_token(subcode: int, app_id: str = "") -> Problem:
    """190 with one of its subcodes (facts 10.2)."""
    return Problem(_PREFIX + DEATHS[subcode].format(app=app_id), 190, subcode)


def expired_token(expired_at: datetime, now: datetime) -> Problem:
    """190/463, whose text gives both times (facts 10.4)."""
    message = (
        f"{_PREFIX}Session has expired on {_spoken(expired_at)}. "
        f"The current time is {_spoken(now)}."
    )
    return Problem(message, 190, 463)


def _spoken(instant: datetime) -> str:
    return instant.astimezone(UTC).astimezone(PACIFIC).strftime("%A, %d-%b-%y %H:%M:%S PST")


# --- nodes, edges, fields ---

NO_PERMISSION = Problem(
    "(#10) Application does not have permission for this action", 10, status=403
)
NEEDS_BUSINESS = Problem(
    "(#200) Requires business_management permission to manage the object", 200, status=403
)
IMPERSONATION = Problem(
    "Any of the pages_read_engagement, pages_manage_metadata, pages_read_user_content, "
    "pages_manage_ads, pages_show_list or pages_messaging permission(s) must be granted before "
    "impersonating a user's page.",
    190,
)
PAGE_NOT_YOURS = Problem(
    "(#100) Object does not exist, cannot be loaded due to missing permission or reviewable "
    "feature, or does not support this operation. This endpoint requires the "
    "'pages_read_engagement' permission or the 'Page Public Content Access' feature.",
    100,
)
TOO_MUCH_DATA = Problem(
    "Please reduce the amount of data you're asking for, then retry your request", 1, status=500
)
BAD_CURSOR = Problem("(#100) Invalid cursors values: the cursor can't be decoded", 100)
IDS_REMOVED = Problem("The ids query parameter is deprecated in v26.0+", 100, status=500)
BATCH_TOO_LONG = Problem(
    "Too many requests in batch message. Maximum batch size is 50", None, type="GraphBatchException"
)
BATCH_MALFORMED = Problem("(#100) param batch must be an array.", 100)
APP_NOT_CONNECTED = Problem("(#100) Param user must be a user who has authorized the app", 100)
TWO_FACTOR = Problem(
    "Error accessing the object: two-factor authentication is required",
    415,
    1404120,
    is_transient=False,
    title="Two-factor authentication required",
    user_message="Turn on two-factor authentication to work with this Page.",
)
PAGE_CHECKPOINT = Problem(
    "The action attempted has been deemed abusive or is otherwise disallowed",
    368,
    4854002,
    is_transient=False,
    title="Confirm the Page's identity",
    user_message="Facebook needs you to confirm this Page's identity.",
)
INSTAGRAM_RESTRICTED = Problem(
    "The Instagram account is restricted",
    100,
    2207050,
    is_transient=False,
    title="Account restricted",
    user_message="Sign in to Instagram and complete any required actions.",
)


def page_migrated(old: str, new: str) -> Problem:
    """Code 21 (facts 7.9)."""
    message = (
        f"(#21) Page ID {old} was migrated to page ID {new}.  "
        "Please update your API calls to the new ID"
    )
    return Problem(message, 21)


def not_visible(object_id: str, method: str = "get") -> Problem:
    """100/33: deleted, unlinked, not permitted, never there: Graph doesn't tell (facts 8.7)."""
    message = (
        f"Unsupported {method.lower()} request. Object with ID '{object_id}' does not exist, "
        "cannot be loaded due to missing permissions, or does not support this operation. "
        f"Please read the Graph API documentation at {DOCS}"
    )
    return Problem(message, 100, 33, type="GraphMethodException")


def no_such_alias(alias: str) -> Problem:
    """803 (facts 10.2)."""
    message = f"(#803) Some of the aliases you requested do not exist: {alias}"
    return Problem(message, 803, status=404)


def unknown_path(rest: str) -> Problem:
    """2500: too long a path, or a version of the future (facts 1.14)."""
    return Problem(f"Unknown path components: {rest}", 2500)


def no_such_field(field: str, node_type: str) -> Problem:
    """100 for the entire call (facts 6.5)."""
    message = f"(#100) Tried accessing nonexisting field ({field}) on node type ({node_type})"
    return Problem(message, 100)


def bad_fields(found: str, at: int) -> Problem:
    """2500 for a `fields` text that can't be read (facts 10.2)."""
    message = f'Syntax error "Expected name instead of "{found}"." at character {at}: {found}'
    return Problem(message, 2500)


def missing_parameter(name: str) -> Problem:
    """The token endpoint's complaint about an absent parameter (facts 2.4, last lines)."""
    return Problem(f"Missing {name} parameter.", 101 if name == "client_id" else 100)
