"""Settings: read from the environment, `.env` and `/run/secrets`; checked whole, refused whole.

A refusal names each setting that is at fault, never its value (contract §2). How each kind of
value is checked stands in `setting_values`, what belongs together in `doors`.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from igauth.database_url import DatabaseAddress, parse_database_url
from igauth.domain import Provider
from igauth.doors import pair_faults, pair_of
from igauth.key_lines import RootKey, parse_key_lines
from igauth.origins import bare_origin, origin_of
from igauth.rates import Rate
from igauth.setting_faults import Fault, SettingsRefused
from igauth.setting_sources import ENCODING, UnknownName, unknown_names, unreadable_files
from igauth.setting_values import (
    META_ADDRESSES,
    ApiVersion,
    AppId,
    AppSecret,
    CommaList,
    ConfigId,
    DatabaseUrl,
    Hosts,
    LogoUrl,
    MetaAddress,
    Networks,
    ProxyUrl,
    PublicOrigin,
    ReturnUrls,
    Scopes,
    SupportUrl,
    secure_beside,
)

__all__ = ["Fault", "RootKey", "ServeSettings", "Settings", "SettingsRefused", "load", "origin_of"]

ENV_FILE = Path(".env")
SECRETS_DIR = Path("/run/secrets")
FACEBOOK_GRAPH_URL = META_ADDRESSES["facebook_graph_url"]
FACEBOOK_DIALOG_URL = META_ADDRESSES["facebook_dialog_url"]
_FACEBOOK_SCOPES = (
    *("pages_show_list", "instagram_basic", "instagram_content_publish"),
    *("pages_read_engagement", "business_management"),
)
_INSTAGRAM_SCOPES = ("instagram_business_basic", "instagram_business_content_publish")


class Settings(BaseSettings):
    """What one process of igauth is told from outside. Frozen; `serving` demands everything.

    Raises SettingsRefused, with every fault at once.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        env_file=ENV_FILE,
        env_file_encoding=ENCODING,
        env_ignore_empty=True,
        extra="ignore",
        validate_default=True,
    )
    serving: ClassVar[bool] = False

    allow_fake_facebook: bool = False
    example_app: bool = False
    base_url: PublicOrigin = "http://localhost:8000"
    facebook_client_id: AppId | None = None
    facebook_client_secret: AppSecret | None = None
    facebook_scopes: Scopes = _FACEBOOK_SCOPES
    facebook_config_id: ConfigId | None = None
    facebook_api_version: ApiVersion = "v26.0"
    facebook_graph_url: MetaAddress = FACEBOOK_GRAPH_URL
    facebook_dialog_url: MetaAddress = FACEBOOK_DIALOG_URL
    instagram_client_id: AppId | None = None
    instagram_client_secret: AppSecret | None = None
    instagram_scopes: Scopes = _INSTAGRAM_SCOPES
    instagram_api_version: ApiVersion = "v26.0"
    instagram_authorize_url: MetaAddress = META_ADDRESSES["instagram_authorize_url"]
    instagram_token_url: MetaAddress = META_ADDRESSES["instagram_token_url"]
    instagram_graph_url: MetaAddress = META_ADDRESSES["instagram_graph_url"]
    outbound_proxy: ProxyUrl | None = None
    frontend_url: str | None = None
    allowed_origins: CommaList = ()
    connect_return_urls: ReturnUrls = ()
    webhook_allowed_hosts: Hosts = ()
    database_url: DatabaseUrl = SecretStr("sqlite+aiosqlite:///igauth.db")
    keys: Annotated[tuple[RootKey, ...], NoDecode] = Field(default=(), repr=False)
    session_idle_days: int = Field(default=14, ge=1, le=400)
    session_max_days: int = Field(default=60, ge=1, le=400)
    accounts_max_age: int = Field(default=300, ge=0, le=86_400 * 30)
    expiring_days: int = Field(default=7, ge=0, le=60)
    trusted_proxies: Networks = ()
    rate_limit_login: str = "30/minute"
    rate_limit_refresh: str = "6/minute"
    rate_limit_service: str = "1200/minute"
    metrics_token: SecretStr | None = None
    api_docs: bool = True
    log_format: Annotated[
        Literal["console", "json"] | None, BeforeValidator(lambda value: value and value.lower())
    ] = None
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)
    ] = "INFO"
    brand_name: str | None = Field(default=None, max_length=80)
    brand_logo_url: LogoUrl | None = None
    support_url: SupportUrl | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _all_at_once(cls, given: Any, check: ModelWrapValidatorHandler[Self]) -> Self:
        """What each value and what all of them together have against them, in one refusal."""
        faults = [*pair_faults(given)] if cls.serving else []
        try:
            settings = check(given)
        except ValidationError as error:
            raise SettingsRefused(cls._in_order([*_faults(error), *faults])) from None
        if faults:
            raise SettingsRefused(cls._in_order(faults))
        return settings

    @classmethod
    def _in_order(cls, faults: Iterable[Fault]) -> list[Fault]:
        places = {name.upper(): place for place, name in enumerate(cls.model_fields)}
        return sorted(faults, key=lambda fault: places.get(fault.setting, -1))

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
        secure_beside(origin_of(value), info)
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _exact_origins(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if "*" in value or "null" in value:
            raise ValueError("must name exact origins; * and null are refused")
        if not value:
            frontend = info.data.get("frontend_url")
            return (origin_of(frontend),) if frontend else ()
        return tuple(dict.fromkeys(secure_beside(bare_origin(each), info) for each in value))

    @field_validator("keys", mode="before")
    @classmethod
    def _ring(cls, value: Any) -> Any:
        return parse_key_lines(value) if isinstance(value, str) else value

    @field_validator("keys")
    @classmethod
    def _one_key_at_least(cls, value: tuple[RootKey, ...]) -> tuple[RootKey, ...]:
        if cls.serving and not value:
            raise ValueError("is required")
        return value

    @field_validator("session_max_days")
    @classmethod
    def _idle_within_max(cls, value: int, info: ValidationInfo) -> int:
        if value < info.data.get("session_idle_days", 0):
            raise ValueError("must not be less than SESSION_IDLE_DAYS")
        return value

    @field_validator("rate_limit_login", "rate_limit_refresh", "rate_limit_service")
    @classmethod
    def _rate(cls, value: str) -> str:
        Rate.parse(value)
        return value

    @property
    def facebook_open(self) -> bool:
        """Whether people may come by Facebook Login: its pair is there."""
        return None not in (self.facebook_client_id, self.facebook_client_secret)

    @property
    def instagram_open(self) -> bool:
        """Whether people may come by Instagram Login: its pair is there."""
        return None not in (self.instagram_client_id, self.instagram_client_secret)

    @property
    def open_doors(self) -> tuple[Provider, ...]:
        """The doors whose pair is there, Facebook's first (contract §2)."""
        return tuple(
            door
            for door, is_open in (
                (Provider.FACEBOOK, self.facebook_open),
                (Provider.INSTAGRAM, self.instagram_open),
            )
            if is_open
        )

    @property
    def app(self) -> tuple[str, SecretStr]:
        """Facebook's app id and secret. Raises SettingsRefused where one is missing."""
        return self.app_of(Provider.FACEBOOK)

    def app_of(self, door: Provider) -> tuple[str, SecretStr]:
        """A door's app id and secret. Raises SettingsRefused where one is missing."""
        client_id, secret = (getattr(self, name) for name in pair_of(door))
        if client_id is None or secret is None:
            raise SettingsRefused(
                Fault(name.upper(), "is required")
                for name in pair_of(door)
                if getattr(self, name) is None
            )
        return client_id, secret

    def redirect_uri_of(self, door: Provider) -> str:
        """A door's OAuth callback: a constant of the settings, the same bytes everywhere."""
        return f"{self.base_url}/auth/{door}/callback"

    @property
    def redirect_uri(self) -> str:
        """Facebook's OAuth callback."""
        return self.redirect_uri_of(Provider.FACEBOOK)

    @property
    def database(self) -> DatabaseAddress:
        """`DATABASE_URL`, taken apart."""
        return parse_database_url(self.database_url.get_secret_value())

    @property
    def secure(self) -> bool:
        """Whether browsers reach this service over https."""
        return self.base_url.startswith("https://")

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

    @property
    def service_rate(self) -> Rate:
        """`RATE_LIMIT_SERVICE`, parsed."""
        return Rate.parse(self.rate_limit_service)


class ServeSettings(Settings):
    """The same settings, with everything that `igauth serve` demands."""

    serving: ClassVar[bool] = True


def load(
    kind: type[Settings] = Settings, *, _env_file: Path | None = ENV_FILE, **overrides: Any
) -> Settings:
    """The settings of this process. Raises SettingsRefused with every fault at once."""
    secrets_dir = SECRETS_DIR if SECRETS_DIR.is_dir() else None
    unreadable = [*unreadable_files(_env_file, secrets_dir, kind.model_fields)]
    if unreadable:
        raise SettingsRefused(unreadable)
    return kind(_env_file=_env_file, _secrets_dir=secrets_dir, **overrides)


def unknown_settings() -> list[UnknownName]:
    """Names in the environment and in `.env` that look like settings, and are none."""
    known = [name.upper() for name in Settings.model_fields]
    return unknown_names(known, os.environ, ENV_FILE)


def _faults(error: ValidationError) -> Iterable[Fault]:
    for problem in error.errors(include_url=False, include_input=False, include_context=False):
        name = str(problem["loc"][0]).upper() if problem["loc"] else "settings"
        yield Fault(name, problem["msg"].removeprefix("Value error, "))
