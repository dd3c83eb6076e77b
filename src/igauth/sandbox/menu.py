"""What the sandbox's pages call things: faults in groups, actions, permissions."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """Buttons that belong together: (label, preset)."""

    title: str
    buttons: tuple[tuple[str, str], ...]


FAULT_MENU = (
    Group(
        "Facebook is unwell",
        (
            ("Facebook is down", "unavailable"),
            ("Unknown error", "unknown_error"),
            ("Sorry page (502)", "bad_gateway"),
            ("Gateway timeout (504)", "gateway_timeout"),
            ("Connection cut", "cut"),
            ("API access blocked", "api_blocked"),
        ),
    ),
    Group(
        "Slow",
        (
            ("3 seconds later", "slow"),
            ("Byte by byte", "drip"),
            ("No answer ever", "hang"),
        ),
    ),
    Group(
        "Throttled",
        (
            ("App", "throttled_app"),
            ("Person", "throttled_user"),
            ("Page", "throttled_page"),
            ("Instagram account", "throttled_instagram"),
            ("Nearly: 95 % used", "usage_high"),
        ),
    ),
    Group(
        "Access token refused",
        (
            ("Password changed", "password_changed"),
            ("Token expired", "token_expired"),
            ("App removed", "app_removed"),
            ("Checkpoint", "checkpoint"),
            ("Logged out", "logged_out"),
            ("Not confirmed", "user_unconfirmed"),
            ("Data access lapsed", "data_access_lapsed"),
            ("Invalid token", "token_bad"),
        ),
    ),
    Group(
        "Permission errors",
        (
            ("Permission denied", "permission_denied"),
            ("Needs business_management", "needs_business_management"),
            ("May not act for the Page", "impersonation"),
            ("Not on the person's behalf", "not_on_behalf"),
        ),
    ),
    Group(
        "Odd answers",
        (
            ("HTML instead of JSON", "html_ok"),
            ("JSON cut short", "half_json"),
            ("Empty answer", "empty_ok"),
            ("null", "null_ok"),
            ("Error with status 200", "error_at_200"),
            ("Error without a code", "bare_error"),
            ("3 MB answer", "oversize"),
            ("Redirect elsewhere", "redirect"),
        ),
    ),
    Group(
        "During the login",
        (
            ("App in development mode", "dialog_development_mode"),
            ("Domain not allowed", "dialog_cannot_load"),
            ("Dialog broken", "dialog_broken"),
            ("Code expired", "code_expired"),
            ("Code already used", "code_used"),
            ("Wrong app secret", "wrong_secret"),
            ("Answer lost, code used up", "exchange_cut_after"),
            ("No long-lived token", "upgrade_fails"),
        ),
    ),
    Group(
        "Pages and Instagram accounts",
        (
            ("Page needs two factors", "two_factor"),
            ("Page migrated", "page_migrated"),
            ("Role on the Page lost", "page_role_lost"),
            ("Page not visible", "not_visible"),
            ("Instagram restricted", "instagram_restricted"),
            ("Too much data", "reduce_data"),
            ("Batch part missing", "null_part"),
        ),
    ),
)
FAULT_LABELS = {
    preset: f"{group.title}: {label}" for group in FAULT_MENU for label, preset in group.buttons
}

TOKEN_ACTIONS = (
    ("change_password", "Change password", "190/460"),
    ("log_out", "Log out", "190/467"),
    ("expire_token", "Let token expire", "190/463"),
    ("lapse_data_access", "Let data access lapse", "190/493"),
    ("remove_app", "Remove the app", "190/458"),
)
"""Action, label, what the token then answers; each needs a person who allowed the app."""

SWITCHES = (
    ("at_checkpoint", "checkpoint", "clear_checkpoint", "Checkpoint", "190/459"),
    ("unconfirmed", "unconfirm", "confirm", "Unconfirmed", "190/464"),
)
"""Field of the person, action to set it, action to clear it, label, what the token answers."""

CALLBACK_LABELS = {"deauthorize": "Deauthorize", "data_deletion": "Data deletion"}

ENDPOINT_LABELS = {
    "any": "Every Graph call",
    "dialog": "Login dialog",
    "exchange": "Code exchange",
    "upgrade": "Long-lived token",
    "app_token": "App token",
    "batch_part": "Part of a batch",
    "instagram_account": "Instagram account",
    "picture": "Picture links",
}

PERMISSION_WORDS = {
    "business_management": "See the business portfolios you work in",
    "email": "Read your email address",
    "instagram_basic": "Read your Instagram accounts' profiles",
    "instagram_content_publish": "Publish to your Instagram accounts",
    "instagram_manage_comments": "Manage comments on Instagram",
    "instagram_manage_insights": "Read your Instagram accounts' insights",
    "instagram_manage_messages": "Manage your Instagram messages",
    "pages_manage_metadata": "Change settings of your Pages",
    "pages_manage_posts": "Publish to your Pages",
    "pages_messaging": "Manage your Pages' messages",
    "pages_read_engagement": "Read what your Pages post, and who follows",
    "pages_show_list": "See which Pages you manage",
}
