"""Settings: read from the environment, `.env` and `/run/secrets`; checked whole, refused whole.

A refusal names each setting that is at fault, never its value (contract §2).
"""

import base64
import binascii
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SECRETS_DIR = Path("/run/secrets")
FACEBOOK_GRAPH_URL = "https://graph.facebook.com"
FACEBOOK_DIALOG_URL = "https://www.facebook.com"
DEFAULT_SCOPES = (
    "pages_show_list,instagram_basic,instagram_content_publish,"
    "pages_read_engagement,business_management"
)
_RATE = re.compile(r"([1-9]\d{0,8})/(second|minute|hour|day)", re.ASCII)
_RATE_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_KID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_VERSION = re.compile(r"v\d{1,3}\.\d")
_SCOPE = re.compile(r"[a-z][a-z0-9_]{1,63}")
_PLACEHOLDER = re.compile(r"^(change.?me|your[-_ ]|placeholder|secret$|x+$|<).*", re.I)
_POSTGRES = re.compile(r"([^@?]*@)?(\[[^\]/?]+\]|[^/:?@]*)(:\d+)?(/[^?]*)?(\?.*)?")
_POSTGRES_OPTIONS = frozenset(
    {"", "ssl", "host", "port", "user", "password", "database", "passfile", "target_session_attrs"}
)
_DATABASE_SCHEMES = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so many seconds."""

    amount: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Reads `30/minute`. Raises ValueError for anything else, and for a rate of none."""
        matched = _RATE.fullmatch(text)
        if matched is None:
            raise ValueError("must look like 30/minute")
        return cls(int(matched[1]), _RATE_SECONDS[matched[2]])


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with the settings, said without the value."""

    setting: str
    text: str

    def __str__(self) -> str:
        return f"{self.setting}: {self.text}"


class SettingsRefused(Exception):
    """The settings can't be used. `faults` holds every reason, not only the first."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(frozen=True, slots=True)
class RootKey:
    """One key of the ring: its id, and 32 bytes that never print."""

    kid: str
    secret: bytes = field(repr=False)


def origin_of(url: str) -> str:
    """The origin (RFC 6454) of an absolute http(s) URL: lower case, without a default port.

    Raises ValueError for anything else, user info and odd characters included.
    """
    if re.search(r"[\s\\\x00-\x1f\x7f]", url):
        raise ValueError("has blanks, backslashes or control characters")
    try:
        parts = urlsplit(url)
        number = parts.port
    except ValueError:  # its text repeats what was given
        raise ValueError("is not a well-formed URL") from None
    host = _host(parts)
    port = "" if number in (None, {"http": 80, "https": 443}[parts.scheme]) else f":{number}"
    return f"{parts.scheme}://{host}{port}"


def _host(parts: SplitResult) -> str:
    if parts.scheme not in ("http", "https"):
        raise ValueError("must begin with http:// or https://")
    if "@" in parts.netloc or not parts.hostname:
        raise ValueError("must name a host, without user info")
    if not re.fullmatch(r"[a-z0-9._-]+|[0-9a-f:.]+", parts.hostname):
        raise ValueError("has a host name with characters that are not allowed")
    return f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine itself."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _bare_origin(url: str) -> str:
    """`url` as an origin; refuses one that has a path, query or fragment."""
    origin = origin_of(url)
    parts = urlsplit(url)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("must be an origin only: scheme, host, port")
    return origin


def _listed(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part for part in (piece.strip() for piece in value.split(",")) if part)
    return value


class Settings(BaseSettings):
    """What one process of igauth is told from outside. Frozen; `serving` demands everything."""

    model_config = SettingsConfigDict(
        frozen=True, env_file=".env", env_ignore_empty=True, extra="ignore", validate_default=True
    )
    serving: ClassVar[bool] = False

    allow_fake_facebook: bool = False
    example_app: bool = False
    base_url: str = "http://localhost:8000"
    facebook_client_id: str | None = None
    facebook_client_secret: SecretStr | None = None
    facebook_scopes: Annotated[tuple[str, ...], NoDecode] = tuple(DEFAULT_SCOPES.split(","))
    facebook_config_id: str | None = None
    facebook_api_version: str = "v26.0"
    facebook_graph_url: str = FACEBOOK_GRAPH_URL
    facebook_dialog_url: str = FACEBOOK_DIALOG_URL
    frontend_url: str | None = None
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    database_url: SecretStr = SecretStr("sqlite+aiosqlite:///igauth.db")
    keys: Annotated[tuple[RootKey, ...], NoDecode] = Field(default=(), repr=False)
    session_idle_days: int = Field(default=14, ge=1, le=400)
    session_max_days: int = Field(default=60, ge=1, le=400)
    accounts_max_age: int = Field(default=300, ge=0, le=86_400 * 30)
    expiring_days: int = Field(default=7, ge=0, le=60)
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ()
    rate_limit_login: str = "30/minute"
    rate_limit_refresh: str = "6/minute"
    metrics_token: SecretStr | None = None
    api_docs: bool = True
    log_format: Literal["console", "json"] | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"

    @field_validator("facebook_scopes", "allowed_origins", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return _listed(value)

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _any_case(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, str):
            return value
        return value.upper() if info.field_name == "log_level" else value.lower()

    @field_validator("facebook_client_id", "facebook_client_secret", "keys")
    @classmethod
    def _required(cls, value: Any) -> Any:
        if cls.serving and not value:
            raise ValueError("is required")
        return value

    @field_validator("base_url")
    @classmethod
    def _public_origin(cls, value: str) -> str:
        origin = _bare_origin(value)
        if not origin.startswith("https://") and not is_loopback(origin):
            raise ValueError("must be https unless its host is loopback")
        return origin

    @field_validator("facebook_client_id")
    @classmethod
    def _app_id(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"\d{1,32}", value):
            raise ValueError("must be the app's number, digits only")
        return value

    @field_validator("facebook_client_secret")
    @classmethod
    def _app_secret(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and _PLACEHOLDER.match(value.get_secret_value()):
            raise ValueError("is a placeholder, not a secret")
        return value

    @field_validator("facebook_scopes")
    @classmethod
    def _scope_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value or not all(_SCOPE.fullmatch(scope) for scope in value):
            raise ValueError("must be a comma list of permission names")
        return tuple(dict.fromkeys(value))

    @field_validator("facebook_config_id")
    @classmethod
    def _config_id(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value):
            raise ValueError("must be the configuration's id")
        return value

    @field_validator("facebook_api_version")
    @classmethod
    def _version(cls, value: str) -> str:
        if not _VERSION.fullmatch(value):
            raise ValueError("must look like v26.0")
        return value

    @field_validator("facebook_graph_url", "facebook_dialog_url")
    @classmethod
    def _facebook_origin(cls, value: str, info: ValidationInfo) -> str:
        graph = info.field_name == "facebook_graph_url"
        real = FACEBOOK_GRAPH_URL if graph else FACEBOOK_DIALOG_URL
        if value.rstrip("/") == real:
            return real
        if not info.data.get("allow_fake_facebook"):
            raise ValueError("must be Facebook's own unless ALLOW_FAKE_FACEBOOK is true")
        origin_of(value)
        return value.rstrip("/")

    @field_validator("frontend_url")
    @classmethod
    def _frontend(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("example_app"):
            base_url = info.data.get("base_url")
            return base_url and f"{base_url}/"
        if value is None:
            if cls.serving:
                raise ValueError("is required unless EXAMPLE_APP is true")
            return None
        origin_of(value)
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _exact_origins(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if "*" in value or "null" in value:
            raise ValueError("must name exact origins; * and null are refused")
        if not value:
            frontend = info.data.get("frontend_url")
            return (origin_of(frontend),) if frontend else ()
        return tuple(dict.fromkeys(_bare_origin(origin) for origin in value))

    @field_validator("database_url")
    @classmethod
    def _driver(cls, value: SecretStr) -> SecretStr:
        scheme, separator, rest = value.get_secret_value().partition("://")
        if not separator or scheme not in _DATABASE_SCHEMES:
            raise ValueError("must begin with sqlite:/// or postgresql://")
        driver = _DATABASE_SCHEMES[scheme]
        return SecretStr(f"{driver}://{_sqlite(rest) if 'sqlite' in driver else _postgres(rest)}")

    @field_validator("keys", mode="before")
    @classmethod
    def _ring(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        keys = tuple(_parse_key(line) for line in _listed(value.replace("\n", ",")))
        if len({key.kid for key in keys}) < len(keys):
            raise ValueError("repeats a key id")
        if len({key.secret for key in keys}) < len(keys):
            raise ValueError("repeats a key")
        return keys

    @field_validator("session_max_days")
    @classmethod
    def _idle_within_max(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("session_idle_days", 0):
            raise ValueError("must not be less than SESSION_IDLE_DAYS")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(str(ipaddress.ip_network(proxy, strict=False)) for proxy in value)
        except ValueError:
            raise ValueError("must be a comma list of addresses or networks") from None

    @field_validator("rate_limit_login", "rate_limit_refresh")
    @classmethod
    def _rate(cls, value: str) -> str:
        Rate.parse(value)
        return value

    @property
    def app(self) -> tuple[str, SecretStr]:
        """App id and secret. Raises SettingsRefused where one is missing."""
        if self.facebook_client_id is None or self.facebook_client_secret is None:
            raise SettingsRefused(
                Fault(name, "is required")
                for name in ("FACEBOOK_CLIENT_ID", "FACEBOOK_CLIENT_SECRET")
                if getattr(self, name.lower()) is None
            )
        return self.facebook_client_id, self.facebook_client_secret

    @property
    def secure(self) -> bool:
        """Whether browsers reach this service over https."""
        return self.base_url.startswith("https://")

    @property
    def redirect_uri(self) -> str:
        """The OAuth callback: a constant of the settings, the same bytes everywhere."""
        return f"{self.base_url}/auth/facebook/callback"

    @property
    def frontend(self) -> str:
        """Where a login ends by default; this service itself when nothing else is said."""
        return self.frontend_url or f"{self.base_url}/"

    @property
    def login_rate(self) -> Rate:
        """`RATE_LIMIT_LOGIN`, parsed."""
        return Rate.parse(self.rate_limit_login)

    @property
    def refresh_rate(self) -> Rate:
        """`RATE_LIMIT_REFRESH`, parsed."""
        return Rate.parse(self.rate_limit_refresh)


class ServeSettings(Settings):
    """The same settings, with everything that `igauth serve` demands."""

    serving: ClassVar[bool] = True


def _sqlite(rest: str) -> str:
    if not rest.startswith("/"):
        raise ValueError("must begin with sqlite:/// (three strokes, four for an absolute path)")
    path, _, query = rest.lstrip("/").partition("?")
    if not path or ":memory:" in path or "mode=memory" in query:
        raise ValueError("must name a file: an SQLite database in memory keeps nothing")
    return rest


def _postgres(rest: str) -> str:
    """What asyncpg understands, with libpq's `sslmode` under its name there."""
    if not _POSTGRES.fullmatch(rest):
        raise ValueError(
            "must look like postgresql://user:password@host:port/database, "
            "with special characters percent-encoded"
        )
    address, question, query = rest.partition("?")
    options = re.sub(r"(^|&)sslmode=", r"\1ssl=", query)
    if not {option.partition("=")[0] for option in options.split("&")} <= _POSTGRES_OPTIONS:
        raise ValueError("has a parameter that asyncpg does not take; sslmode and host it does")
    return f"{address}{question}{options}"


def _parse_key(line: str) -> RootKey:
    kid, separator, text = line.partition(":")
    if not separator or not _KID.fullmatch(kid):
        raise ValueError("must be a comma list of kid:base64url(32 bytes)")
    try:
        secret = base64.b64decode(
            text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), altchars=b"-_", validate=True
        )
    except (binascii.Error, ValueError):
        raise ValueError("has a key that is not base64url") from None
    _refuse_weak(secret)
    return RootKey(kid, secret)


def _refuse_weak(secret: bytes) -> None:
    if len(secret) != 32:
        raise ValueError("has a key that is not 32 bytes long")
    if len(set(secret)) < 16 or secret[:16] == secret[16:]:
        raise ValueError("has a key that is all zero, repeated or too regular to be random")
    if _PLACEHOLDER.match(secret.decode("latin-1")):
        raise ValueError("has a sample key; make one with: igauth keys new")


def load(kind: type[Settings] = Settings, **overrides: Any) -> Settings:
    """The settings of this process. Raises SettingsRefused with every fault at once."""
    try:
        secrets_dir = SECRETS_DIR if SECRETS_DIR.is_dir() else None
        return kind(_secrets_dir=secrets_dir, **overrides)
    except ValidationError as error:
        raise SettingsRefused(_faults(error)) from None


def _faults(error: ValidationError) -> Iterable[Fault]:
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        name = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
        yield Fault(name, problem["msg"].removeprefix("Value error, "))
