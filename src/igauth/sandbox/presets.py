"""Faults by name: facts 17.11 and the code table of facts 10.2.

Each is a set of fields of `Fault`; all can be changed when it is planned.
"""

import json

Preset = dict[str, object]

_APP_USAGE_FULL = json.dumps({"call_count": 100, "total_cputime": 25, "total_time": 25})
_HTML_SORRY = (
    "<!DOCTYPE html><html><head><title>Error</title></head>"
    "<body><h1>Sorry, something went wrong.</h1></body></html>"
)


def _usage(kind: str, asset_id: str, minutes: int) -> str:
    entry = {"type": kind, "call_count": 100, "total_cputime": 30, "total_time": 30}
    return json.dumps({asset_id: [{**entry, "estimated_time_to_regain_access": minutes}]})


def _error(code: int | None, message: str, **more: object) -> Preset:
    return {"endpoint": "any", "kind": "graph_error", "code": code, "message": message, **more}


def _dead(subcode: int | None, why: str) -> Preset:
    return _error(190, f"Error validating access token: {why}", subcode=subcode, status=400)


_GENERAL: dict[str, Preset] = {
    "unknown_error": _error(1, "An unknown error occurred", status=500),
    "unknown_error_99": _error(1, "An unknown error occurred", subcode=99, status=500),
    "reduce_data": _error(
        1,
        "Please reduce the amount of data you're asking for, then retry your request",
        status=500,
        endpoint="accounts",
    ),
    "unavailable": _error(
        2, "An unexpected error has occurred. Please retry.", status=503, is_transient=True
    ),
    "unavailable_500": _error(2, "Service temporarily unavailable", status=500, is_transient=True),
    "method_missing": _error(3, "(#3) Application does not have the capability to make this call."),
    "permission_denied": _error(
        10, "(#10) Application does not have permission for this action", status=403
    ),
    "permission_denied_400": _error(
        10, "(#10) Application does not have permission for this action", status=400
    ),
    "page_migrated": _error(
        21, "(#21) Page ID 1 was migrated to page ID 2.", endpoint="page", status=400
    ),
    "invalid_parameter": _error(100, "(#100) Invalid parameter"),
    "nonexisting_field": _error(
        100,
        "(#100) Tried accessing nonexisting field (biography) on node type (ShadowIGUser)",
        endpoint="accounts",
    ),
    "not_visible": _error(
        100,
        "Unsupported get request. Object with ID '1' does not exist, cannot be loaded due to "
        "missing permissions, or does not support this operation.",
        subcode=33,
        type="GraphMethodException",
        endpoint="page",
    ),
    "bad_proof": _error(
        100,
        "Invalid appsecret_proof provided in the API argument",
        type="GraphMethodException",
    ),
    "proof_required": _error(
        100,
        "API calls from the server require an appsecret_proof argument",
        type="GraphMethodException",
    ),
    "ids_removed": _error(100, "The ids query parameter is deprecated in v26.0+", status=500),
    "app_unknown": _error(
        101,
        "Error validating application. Cannot get application info due to a system error.",
        endpoint="exchange",
    ),
    "session_invalid": _error(102, "Session key invalid or no longer valid", status=401),
    "bad_signature": _error(104, "Incorrect signature"),
    "redirect_not_allowed": _error(
        191,
        "The redirect_uri is not allowed by the Application configuration.",
        endpoint="exchange",
    ),
    "parameter_missing": _error(194, "(#194) Missing at least one parameter"),
    "api_blocked": _error(200, "API access blocked.", status=403),
    "not_on_behalf": _error(
        200, "Cannot call API for app 901234567890123 on behalf of user 10200000000000001"
    ),
    "needs_business_management": _error(
        200,
        "(#200) Requires business_management permission to manage the object",
        endpoint="businesses",
        status=403,
    ),
    "blocked": _error(
        368,
        "The action attempted has been deemed abusive or is otherwise disallowed",
        subcode=1390008,
        is_transient=False,
        title="You're temporarily blocked",
    ),
    "two_factor": _error(
        415,
        "Two-factor authentication is required to access this object",
        subcode=1404120,
        is_transient=False,
        title="Two-factor authentication required",
        endpoint="page",
    ),
    "legacy_session": _error(452, "Session key invalid. The session has been invalidated."),
    "alias_not_found": _error(
        803, "(#803) Some of the aliases you requested do not exist: x", status=404, endpoint="page"
    ),
    "unknown_path": _error(2500, "Unknown path components: /me"),
    "deprecated_version": _error(2635, "You are calling a deprecated version of the Ads API."),
    "bad_cursor": _error(2642, "Invalid cursors values", endpoint="accounts"),
    "internal": _error(3919, "There was an unexpected technical issue.", status=500),
    "instagram_restricted": _error(
        100, "The Instagram account is restricted", subcode=2207050, endpoint="instagram_account"
    ),
}

_THROTTLES: dict[str, Preset] = {
    "throttled_app": _error(
        4,
        "(#4) Application request limit reached",
        status=403,
        is_transient=True,
        headers={"x-app-usage": _APP_USAGE_FULL},
    ),
    "throttled_app_400": _error(
        4, "(#4) Application request limit reached", status=400, is_transient=True
    ),
    "throttled_user": _error(17, "(#17) User request limit reached", status=400),
    "throttled_page": _error(32, "(#32) Page request limit reached", status=403),
    "app_limit": _error(341, "(#341) Application limit reached", status=403),
    "throttled_custom": _error(613, "(#613) Calls to this api have exceeded the rate limit."),
    "throttled_pages": _error(
        80001,
        "(#80001) There have been too many calls to this Page account.",
        status=400,
        headers={"x-business-use-case-usage": _usage("pages", "100001000000001", 12)},
    ),
    "throttled_instagram": _error(
        80002,
        "(#80002) There have been too many calls to this Instagram account. "
        "Wait a bit and try again.",
        status=400,
        headers={"x-business-use-case-usage": _usage("instagram", "17841401000000001", 12)},
    ),
    "usage_high": {
        "endpoint": "any",
        "kind": "delay",
        "headers": {"x-app-usage": _APP_USAGE_FULL.replace("100", "95")},
    },
}

_DEATHS: dict[str, Preset] = {
    "token_bad": _error(190, "Invalid OAuth access token."),
    "token_bad_401": _error(190, "Invalid OAuth access token.", status=401),
    "token_undecryptable": _error(190, "The access token could not be decrypted"),
    "impersonation": _error(
        190,
        "Any of the pages_read_engagement, pages_manage_metadata permission(s) must be granted "
        "before impersonating a user's page.",
        endpoint="page",
    ),
    "token_malformed": _dead(456, "The session is malformed."),
    "app_removed": _dead(458, "The user has not authorized application 901234567890123."),
    "checkpoint": _dead(
        459,
        "You cannot access the app till you log in to www.facebook.com and follow the "
        "instructions given.",
    ),
    "password_changed": _dead(
        460, "The session has been invalidated because the user changed their password."
    ),
    "password_changed_bare": _dead(
        None, "The session has been invalidated because the user changed their password."
    ),
    "app_reinstalled": _dead(461, "The user has reinstalled the application."),
    "token_stale": _dead(462, "The session is of a stale version."),
    "token_expired": _dead(
        463,
        "Session has expired on Sunday, 22-Nov-26 18:00:00 PST. The "
        "current time is Sunday, 22-Nov-26 18:05:11 PST.",
    ),
    "user_unconfirmed": _dead(464, "The user is not a confirmed user."),
    "token_invalidated": _dead(466, "The session was explicitly invalidated through an API call."),
    "logged_out": _dead(467, "The session is invalid because the user logged out."),
    "token_unused": _dead(468, "The session has been unused for too long."),
    "page_role_lost": {
        **_dead(492, "The user must be an administrator of the page."),
        "endpoint": "page",
    },
    "data_access_lapsed": _dead(
        493, "The user has not engaged with the app in longer than 90 days."
    ),
}

_EXCHANGE: dict[str, Preset] = {
    "code_expired": _error(
        100, "This authorization code has expired.", subcode=36007, endpoint="exchange"
    ),
    "redirect_mismatch": _error(
        100,
        "Error validating verification code. redirect_uri must be identical to the dialog's.",
        subcode=36008,
        endpoint="exchange",
    ),
    "code_used": _error(
        100, "This authorization code has been used.", subcode=36009, endpoint="exchange"
    ),
    "code_used_bare": _error(100, "This authorization code has been used.", endpoint="exchange"),
    "code_garbled": _error(100, "Invalid verification code format.", endpoint="exchange"),
    "wrong_secret": _error(1, "Error validating client secret.", status=400, endpoint="exchange"),
    "exchange_cut_after": {"endpoint": "exchange", "kind": "cut", "after_effect": True},
    "exchange_timeout_after": {"endpoint": "exchange", "kind": "hang", "after_effect": True},
    "upgrade_fails": _error(
        2, "Service temporarily unavailable", status=503, is_transient=True, endpoint="upgrade"
    ),
}

_TRANSPORT: dict[str, Preset] = {
    "bad_gateway": {"endpoint": "any", "kind": "html", "status": 502, "body": _HTML_SORRY},
    "gateway_timeout": {"endpoint": "any", "kind": "html", "status": 504, "body": _HTML_SORRY},
    "html_ok": {"endpoint": "any", "kind": "html", "status": 200, "body": _HTML_SORRY},
    "empty_ok": {"endpoint": "any", "kind": "empty", "status": 200},
    "empty_500": {"endpoint": "any", "kind": "empty", "status": 500},
    "null_ok": {"endpoint": "any", "kind": "garbage", "status": 200, "body": "null"},
    "false_ok": {"endpoint": "any", "kind": "garbage", "status": 200, "body": "false"},
    "list_ok": {"endpoint": "any", "kind": "garbage", "status": 200, "body": "[1,2]"},
    "half_json": {"endpoint": "any", "kind": "garbage", "status": 200},
    "bare_error": {
        "endpoint": "any",
        "kind": "garbage",
        "status": 503,
        "body": '{"error":{"message":"Call was not successful"}}',
    },
    "error_at_200": {
        "endpoint": "any",
        "kind": "garbage",
        "status": 200,
        "body": '{"error":{"message":"Invalid OAuth access token.","type":"OAuthException",'
        '"code":190,"fbtrace_id":"Ainvented0009"}}',
    },
    "code_as_text": {
        "endpoint": "any",
        "kind": "garbage",
        "status": 400,
        "body": '{"error":{"message":"Invalid OAuth access token.","code":"190"}}',
    },
    "cut": {"endpoint": "any", "kind": "cut"},
    "cut_after": {"endpoint": "any", "kind": "cut", "after_effect": True},
    "hang": {"endpoint": "any", "kind": "hang"},
    "slow": {"endpoint": "any", "kind": "delay", "delay_seconds": 3.0},
    "drip": {"endpoint": "any", "kind": "drip", "delay_seconds": 1.0},
    "oversize": {"endpoint": "any", "kind": "oversize"},
    "redirect": {"endpoint": "any", "kind": "redirect"},
    "null_part": {"endpoint": "batch_part", "kind": "cut"},
}

_DIALOG: dict[str, Preset] = {
    "dialog_development_mode": {
        "endpoint": "dialog",
        "kind": "redirect",
        "code": 901,
        "message": "This app is in sandbox mode.  Edit the app configuration at "
        "http://developers.facebook.com/apps to make the app publicly visible.",
    },
    "dialog_cannot_load": {
        "endpoint": "dialog",
        "kind": "redirect",
        "code": 1349048,
        "message": "Can't Load URL: The domain of this URL isn't included in the app's domains. "
        "To be able to load this URL, add all domains and subdomains of your app to the App "
        "Domains field in your app settings.",
    },
    "dialog_broken": {"endpoint": "dialog", "kind": "html", "status": 500, "body": _HTML_SORRY},
    "dialog_server_error": {
        "endpoint": "dialog",
        "kind": "graph_error",
        "code": 2,
        "message": "An unexpected error has occurred",
    },
}

PRESETS: dict[str, Preset] = {
    **_GENERAL,
    **_THROTTLES,
    **_DEATHS,
    **_EXCHANGE,
    **_TRANSPORT,
    **_DIALOG,
}
