"""The kinds of values that settings have, each with its check. Texts never repeat a value."""

import ipaddress
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo
from pydantic_settings import NoDecode

from igauth.database_url import parse_database_url
from igauth.domain import Provider
from igauth.doors import refuse_foreign
from igauth.origins import bare_origin, is_loopback, origin_of

META_ADDRESSES = {
    "facebook_graph_url": "https://graph.facebook.com",
    "facebook_dialog_url": "https://www.facebook.com",
    "instagram_authorize_url": "https://www.instagram.com",
    "instagram_token_url": "https://api.instagram.com",
    "instagram_graph_url": "https://graph.instagram.com",
}
"""Where Meta is; a setting names another place only with ALLOW_FAKE_FACEBOOK."""
_PLACEHOLDER = re.compile(r"(change.?me|your[-_ ]|placeholder|secret$|x+$|<)", re.I)
_EVERYBODY = {ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0")}
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def _split(value: Any) -> Any:
    if isinstance(value, str):
        parts = (piece.strip() for piece in value.split(","))
        return tuple(dict.fromkeys(part for part in parts if part))
    return value


def _public_origin(value: str) -> str:
    origin = bare_origin(value)
    if not origin.startswith("https://") and not is_loopback(origin):
        raise ValueError("must be https unless its host is loopback")
    return origin


def _app_id(value: str) -> str:
    if not re.fullmatch(r"\d{1,32}", value, re.ASCII):
        raise ValueError("must be the app's number, digits only")
    return value


def _app_secret(value: SecretStr, info: ValidationInfo) -> SecretStr:
    """Meta's app secrets are 32 hexadecimal characters; a stand-in's may be anything.

    Of 32 random ones, two or fewer different: under C(16,2) · (2/16)³² = 2⁻⁸⁹.
    """
    text = value.get_secret_value()
    if _PLACEHOLDER.match(text):
        raise ValueError("is a placeholder, not a secret")
    if not info.data.get("allow_fake_facebook") and (
        not re.fullmatch(r"[0-9a-fA-F]{32}", text) or len(set(text)) < 3
    ):
        raise ValueError("must be the app's secret, 32 hexadecimal characters")
    return value


def _version(value: str) -> str:
    if not re.fullmatch(r"v\d{1,3}\.\d", value, re.ASCII):
        raise ValueError("must look like v26.0")
    return value


def _config_id(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value):
        raise ValueError("must be the configuration's id")
    return value


def _scopes(value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    if not value or not all(re.fullmatch(r"[a-z][a-z0-9_]{1,63}", scope) for scope in value):
        raise ValueError("must be a comma list of permission names")
    refuse_foreign(value, Provider(str(info.field_name).partition("_")[0]))
    return value


def _meta_address(value: str, info: ValidationInfo) -> str:
    own = META_ADDRESSES[str(info.field_name)]
    if value.rstrip("/") == own:
        return own
    if not info.data.get("allow_fake_facebook"):
        raise ValueError(f"must be {own} unless ALLOW_FAKE_FACEBOOK is true")
    origin_of(value)
    return value.rstrip("/")


def _https(value: str) -> str:
    """An address that our pages may show or lead to."""
    if not origin_of(value).startswith("https://"):
        raise ValueError("must be an https URL")
    return value


def _support(value: str) -> str:
    """Help may also be by mail."""
    if re.fullmatch(r"mailto:[^@\s]+@[^@\s]+", value):
        return value
    try:
        return _https(value)
    except ValueError:
        raise ValueError("must be an https or mailto: URL") from None


def _networks(value: tuple[str, ...]) -> tuple[str, ...]:
    """Whose word on a client's address is believed: everybody's is nobody's."""
    try:
        networks = [ipaddress.ip_network(proxy, strict=False) for proxy in value]
    except ValueError:
        raise ValueError("must be a comma list of addresses or networks") from None
    v4 = [network for network in networks if isinstance(network, ipaddress.IPv4Network)]
    v6 = [network for network in networks if isinstance(network, ipaddress.IPv6Network)]
    united = {*ipaddress.collapse_addresses(v4)} | {*ipaddress.collapse_addresses(v6)}
    if united & _EVERYBODY:
        raise ValueError("must not name every address; then anybody chooses the address they show")
    return tuple(map(str, networks))


def _driver(value: SecretStr) -> SecretStr:
    """With the driver's scheme; what else is in it, `Settings.database` takes apart."""
    address = parse_database_url(value.get_secret_value())
    _, _, rest = value.get_secret_value().partition("://")
    return SecretStr(f"{address.url.partition('://')[0]}://{rest}")


def _proxy(value: SecretStr) -> SecretStr:
    if not re.fullmatch(
        r"https?://([^\s/?#@]+@)?([A-Za-z0-9._-]+|\[[0-9a-fA-F:.]+\])(:\d{1,5})?/?",
        value.get_secret_value(),
    ):
        raise ValueError("must look like http://proxy.example.com:3128, with user:password@ if any")
    return SecretStr(value.get_secret_value().rstrip("/"))


def _hosts(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_host_name(host) for host in value))


def _host_name(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        name = host.lower()
    if not _HOST.fullmatch(name):
        raise ValueError("must be a comma list of host names, without scheme, port or *")
    return name


def secure_beside(origin: str, info: ValidationInfo) -> str:
    """Raises ValueError for plain http beside an https BASE_URL: whoever is on the line reads all.

    This machine itself is excepted.
    """
    secure = str(info.data.get("base_url", "")).startswith("https://")
    if secure and origin.startswith("http://") and not is_loopback(origin):
        raise ValueError("must be https, as BASE_URL is, unless its host is loopback")
    return origin


def _return_urls(value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_return_url(url, info) for url in value))


def _return_url(url: str, info: ValidationInfo) -> str:
    origin, parts = secure_beside(origin_of(url), info), urlsplit(url)
    if parts.query or parts.fragment:
        raise ValueError("must name addresses without query or fragment")
    return f"{origin}{parts.path or '/'}"


CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
PublicOrigin = Annotated[str, AfterValidator(_public_origin)]
AppId = Annotated[str, AfterValidator(_app_id)]
AppSecret = Annotated[SecretStr, AfterValidator(_app_secret)]
ApiVersion = Annotated[str, AfterValidator(_version)]
ConfigId = Annotated[str, AfterValidator(_config_id)]
Scopes = Annotated[CommaList, AfterValidator(_scopes)]
MetaAddress = Annotated[str, AfterValidator(_meta_address)]
Networks = Annotated[CommaList, AfterValidator(_networks)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_driver)]
LogoUrl = Annotated[str, AfterValidator(_https)]
SupportUrl = Annotated[str, AfterValidator(_support)]
ProxyUrl = Annotated[SecretStr, AfterValidator(_proxy)]
Hosts = Annotated[CommaList, AfterValidator(_hosts)]
ReturnUrls = Annotated[CommaList, AfterValidator(_return_urls)]
