"""The login dialog: what was asked, what a consent does, where it ends (facts 1, 3.8, 4.4)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import SplitResult, urlencode, urlsplit

from igauth.sandbox.state import SandboxConfig, State
from igauth.sandbox.world.people import Grant, Person

_PERMISSIONS = """
ads_management ads_read business_management catalog_management email instagram_basic
instagram_content_publish instagram_manage_comments instagram_manage_events
instagram_manage_insights instagram_manage_messages instagram_shopping_tag_products
leads_retrieval openid pages_manage_ads pages_manage_cta pages_manage_engagement
pages_manage_instant_articles pages_manage_metadata pages_manage_posts pages_messaging
pages_read_engagement pages_read_user_content pages_show_list public_profile publish_video
read_insights user_age_range user_birthday user_friends user_gender user_hometown user_likes
user_link user_location user_photos user_posts user_videos whatsapp_business_management
whatsapp_business_messaging
"""
KNOWN_PERMISSIONS = frozenset(_PERMISSIONS.split())
ALL = frozenset({"all"})
_ALWAYS = "public_profile"
_RESPONSE_TYPES = {"code", "granted_scopes"}


class DialogUnavailable(Exception):
    """A misconfiguration that ends in a page at Facebook; nothing reaches the app (facts 1.7)."""

    def __init__(self, title: str, text: str) -> None:
        super().__init__(title)
        self.title = title
        self.text = text


@dataclass(frozen=True, slots=True)
class DialogRequest:
    """The query of `/dialog/oauth`, understood (facts 1.1)."""

    redirect_uri: str
    state: str | None
    scopes: tuple[str, ...]
    auth_types: frozenset[str]
    return_scopes: bool
    challenge: str | None
    challenge_method: str
    all_or_nothing: bool = False

    @property
    def asks_again(self) -> bool:
        """Whether what was declined is asked once more (facts 1.1, trap 8)."""
        return "rerequest" in self.auth_types

    @property
    def renews(self) -> bool:
        """Whether lapsed data access is renewed (facts 3.8)."""
        return "reauthorize" in self.auth_types

    def ended(self, code: str, grant: Grant) -> str:
        """The success redirect, with the junk fragment (facts 1.4)."""
        scopes = {
            "granted_scopes": ",".join(grant.names("granted")),
            "denied_scopes": ",".join(grant.names("declined")),
        }
        return self._back({"code": code}, scopes if self.return_scopes else {})

    def refused(self) -> str:
        """The redirect of a person who pressed Cancel (facts 1.5)."""
        return self._back(
            {
                "error": "access_denied",
                "error_code": "200",
                "error_description": "Permissions error",
                "error_reason": "user_denied",
            }
        )

    def misconfigured(self, code: int, message: str) -> str:
        """A redirect with `error_code` and `error_message`, and no `error` (facts 1.6, trap 4)."""
        return self._back({"error_code": str(code), "error_message": message})

    def _back(self, params: Mapping[str, str], last: Mapping[str, str] | None = None) -> str:
        state = {} if self.state is None else {"state": self.state}
        bare = self.redirect_uri.partition("#")[0]
        joint = "&" if "?" in bare else "?"
        query = urlencode({**params, **state, **(last or {})}, errors="replace")
        return f"{bare}{joint}{query}#_=_"


def understand(params: Mapping[str, str], config: SandboxConfig) -> DialogRequest:
    """Check the query as the dialog does; raises `DialogUnavailable` (facts 1.3, 1.7)."""
    if (params.get("client_id") or params.get("app_id")) != config.app_id:
        raise DialogUnavailable(
            "Invalid App ID", "The provided app ID does not look like a valid app ID."
        )
    redirect_uri = check_redirect_uri(params.get("redirect_uri", ""), config.redirect_uris)
    response_type = params.get("response_type", "code")
    kinds = set(response_type.replace(",", " ").split())
    if "code" not in kinds or not kinds <= _RESPONSE_TYPES:
        raise DialogUnavailable(
            "Invalid response_type",
            "The parameter response_type is invalid. The sandbox gives codes only.",
        )
    return DialogRequest(
        redirect_uri,
        params.get("state"),
        _check_scopes(_scope_text(params, config)),
        frozenset(params.get("auth_type", "").replace(",", " ").split()),
        params.get("return_scopes") == "true" or "granted_scopes" in kinds,
        params.get("code_challenge") or None,
        params.get("code_challenge_method", "plain"),
        config.login_for_business,
    )


def check_redirect_uri(redirect_uri: str, allowed: tuple[str, ...]) -> str:
    """The address itself, if it is listed byte for byte; raises `DialogUnavailable` else."""
    listed = any(redirect_uri.encode() == uri.encode() for uri in allowed)
    parts = _split(redirect_uri)
    fits = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))
    if fits and (listed or (not allowed and is_loopback(parts.hostname))):
        return redirect_uri
    raise DialogUnavailable(
        "URL blocked",
        "This redirect failed because the redirect URI is not white-listed in the app's client "
        "OAuth settings. Make sure that the client and web OAuth logins are on and add all your "
        "app domains as valid OAuth redirect URIs.",
    )


def _split(uri: str) -> SplitResult:
    try:
        return urlsplit(uri)
    except ValueError:
        return urlsplit("")


def is_loopback(host: str | None) -> bool:
    """`localhost`, names under it, and loopback addresses."""
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _scope_text(params: Mapping[str, str], config: SandboxConfig) -> str:
    """A Login-for-Business app needs its `config_id`; a classic one ignores it (1.3, trap 6)."""
    if not config.login_for_business:
        return params.get("scope", "")
    config_id = params.get("config_id")
    if config_id is None:
        raise DialogUnavailable(
            "It looks like this app isn't available",
            "This app needs at least one supported permission.",
        )
    if config_id != config.config_id:
        raise DialogUnavailable("Invalid config id", "The provided config_id is invalid.")
    return config.config_scope


def _check_scopes(text: str) -> tuple[str, ...]:
    scopes = split_scope(text)
    unknown = [name for name in scopes if name not in KNOWN_PERMISSIONS]
    if unknown:
        raise DialogUnavailable(
            "Invalid Scopes",
            f"Invalid Scopes: {', '.join(unknown)}. This message is only shown to developers.",
        )
    return tuple(scopes)


def split_scope(text: str) -> list[str]:
    """`scope` is comma or space separated (facts 1.1); each name once, in order."""
    return list(dict.fromkeys(text.replace(",", " ").split()))


# --- what a consent does: permissions, assets, data access, the code (facts 1.4, 3.8, 4.4) ---


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person answered: ids by kind of asset, of those kinds that were asked about."""

    assets: Mapping[str, frozenset[str]]
    declined: frozenset[str] = frozenset()


def newly_asked(person: Person, wanted: Collection[str], *, again: bool) -> list[str]:
    """Permissions that the dialog asks for this time.

    What was declined once is silently skipped unless asked again (facts 1.1 auth_type, trap 8).
    """
    known = {} if again or person.grant is None else person.grant.permissions
    return [name for name in wanted if name != _ALWAYS and name not in known]


def agree(
    state: State,
    person: Person,
    wanted: Collection[str],
    decision: Decision,
    *,
    again: bool = False,
    renew: bool = False,
) -> Grant:
    """Make or extend the person's grant; the token's life is the exchange's business.

    `again` = `rerequest`: permissions and assets are asked anew. `renew` = `reauthorize`: data
    access that has lapsed begins anew (facts 3.8); while it lives, each login prolongs it. Of the
    assets, `all` is all, now and in future (facts 4.4).
    """
    asked = newly_asked(person, wanted, again=again)
    before, now = person.grant, state.clock()
    permissions = {_ALWAYS: "granted", **(before.permissions if before else {})}
    for name in asked:
        permissions[name] = "declined" if name in decision.declined else "granted"
    base = before.choice if before is not None and not again else person.everything()
    changes = {kind: None if ids == ALL else ids for kind, ids in decision.assets.items()}
    until = now + timedelta(days=state.config.data_access_days)
    if before is not None and before.data_access_until <= now and not renew:
        until = before.data_access_until
    person.grant = Grant(permissions, replace(base, **changes), now, until)
    person.answered.clear()
    state.touch()
    return person.grant


def issue_code(state: State, person: Person, redirect_uri: str, **more: str | None) -> str:
    """A code for the redirect (facts 1.4); `more`: challenge, challenge_method, auth_type."""
    system_user = state.config.login_for_business and state.config.config_system_user
    code = state.ledger.add_code(
        person.key, redirect_uri, state.clock(), system_user=system_user, **more
    )
    state.touch()
    return code.text
