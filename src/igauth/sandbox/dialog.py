"""The login dialog: what was asked, whether it may be shown, and where it ends (facts 1)."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlencode, urlsplit

from igauth.sandbox.config import SandboxConfig
from igauth.sandbox.consent import KNOWN_PERMISSIONS, split_scope
from igauth.sandbox.world import Grant

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


def understand(params: Mapping[str, str], config: SandboxConfig) -> DialogRequest:
    """Check the query as the dialog does; raises `DialogUnavailable` (facts 1.3, 1.7)."""
    _check_app(params, config)
    redirect_uri = _check_redirect_uri(params.get("redirect_uri", ""), config)
    _check_response_type(params.get("response_type", "code"))
    scopes = split_scope(_scope_text(params, config))
    unknown = [name for name in scopes if name not in KNOWN_PERMISSIONS]
    if unknown:
        raise DialogUnavailable(
            "Invalid Scopes",
            f"Invalid Scopes: {', '.join(unknown)}. This message is only shown to developers.",
        )
    return DialogRequest(
        redirect_uri,
        params.get("state"),
        tuple(scopes),
        frozenset(params.get("auth_type", "").replace(",", " ").split()),
        params.get("return_scopes") == "true"
        or "granted_scopes" in params.get("response_type", ""),
        params.get("code_challenge") or None,
        params.get("code_challenge_method", "plain"),
        config.login_for_business,
    )


def _check_app(params: Mapping[str, str], config: SandboxConfig) -> None:
    client_id = params.get("client_id") or params.get("app_id")
    if client_id != config.app_id:
        raise DialogUnavailable(
            "Invalid App ID", "The provided app ID does not look like a valid app ID."
        )


def _check_redirect_uri(redirect_uri: str, config: SandboxConfig) -> str:
    allowed = config.redirect_uris
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


def _check_response_type(text: str) -> None:
    kinds = set(text.replace(",", " ").split())
    if "code" not in kinds or not kinds <= _RESPONSE_TYPES:
        raise DialogUnavailable(
            "Invalid response_type",
            "The parameter response_type is invalid. The sandbox gives codes only.",
        )


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


# --- where it ends ---


def ended(asked: DialogRequest, code: str, grant: Grant) -> str:
    """The success redirect, with the junk fragment (facts 1.4)."""
    params = {"code": code, **_state(asked)}
    if asked.return_scopes:
        params["granted_scopes"] = ",".join(grant.names("granted"))
        params["denied_scopes"] = ",".join(grant.names("declined"))
    return _back(asked.redirect_uri, params)


def refused(asked: DialogRequest) -> str:
    """The redirect of a person who pressed Cancel (facts 1.5)."""
    params = {
        "error": "access_denied",
        "error_code": "200",
        "error_description": "Permissions error",
        "error_reason": "user_denied",
    }
    return _back(asked.redirect_uri, {**params, **_state(asked)})


def misconfigured(asked: DialogRequest, code: int, message: str) -> str:
    """A redirect with `error_code` and `error_message`, and no `error` (facts 1.6, trap 4)."""
    params = {"error_code": str(code), "error_message": message}
    return _back(asked.redirect_uri, {**params, **_state(asked)})


def _state(asked: DialogRequest) -> dict[str, str]:
    return {} if asked.state is None else {"state": asked.state}


def _back(redirect_uri: str, params: Mapping[str, str]) -> str:
    bare = redirect_uri.partition("#")[0]
    joint = "&" if "?" in bare else "?"
    return f"{bare}{joint}{urlencode(params, errors='replace')}#_=_"
