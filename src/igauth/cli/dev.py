"""`igauth dev`: the service and the offline Facebook in one process, with nothing to configure."""

import asyncio
import os
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from igauth.app import create_app
from igauth.backends.service_keys import ServiceKeys
from igauth.bootstrap import Wiring
from igauth.cli.running import preflight
from igauth.domain import ServiceScope, utc_now
from igauth.errors import ServiceKeyInvalid
from igauth.key_lines import new_key_line, parse_key_lines
from igauth.observability import configure_logging
from igauth.sandbox.app import Sandbox, SandboxConfig
from igauth.security.keyring import KeyRing
from igauth.settings import FACEBOOK_GRAPH_URL, Settings, SettingsRefused, load
from igauth.store.database import Database
from igauth.upkeep.database_faults import DatabaseRefused
from igauth.upkeep.startup import bring_to_head

STATE = Path(".igauth")
SERVICE_KEY = STATE / "service-key"
PORT_VARIABLE = "IGAUTH_DEV_PORT"
_SANDBOX_PATH = "/sandbox"
_DATABASE = STATE / "igauth.db"
_DATABASE_URL = f"sqlite+aiosqlite:///{_DATABASE}"
_IGNORED = ("facebook_", "instagram_")


def prepare(port: int) -> Iterator[str]:
    """Once, before the server starts: the state folder, the keys (0600), the database.

    Yields a sentence for what had to be begun anew. Nothing that lies in the folder keeps the
    demo from starting: what can't be used any more is put aside.
    """
    os.environ[PORT_VARIABLE] = str(port)
    STATE.mkdir(mode=0o700, exist_ok=True)
    if _make_keys():
        yield "the keys of this folder could not be used; new ones were made"
    settings = _settings_at(port)
    try:
        _open_database(settings)
    except SettingsRefused as refused:
        if isinstance(refused, DatabaseRefused) and refused.passing:
            raise
        _put_aside(_DATABASE)
        yield f"the database did not fit; it lies in {_DATABASE}.old now"
        _open_database(settings)
    asyncio.run(_make_service_key(settings))


def _open_database(settings: Settings) -> None:
    bring_to_head(_DATABASE_URL)
    preflight(settings)


def _put_aside(path: Path) -> None:
    """With SQLite's files beside it; what was put aside before makes room."""
    for each in path.parent.glob(f"{path.name}*"):
        if not each.name.endswith(".old"):
            each.replace(f"{each}.old")


def create_dev_app() -> ASGIApp:
    """Service and sandbox on one origin; `prepare` has run in this folder."""
    port = int(os.environ.get(PORT_VARIABLE, "8000"))
    settings = _settings_at(port)
    configure_logging(settings.log_format, settings.log_level)
    sandbox = Sandbox(_sandbox_config(settings.base_url))
    return SideBySide(create_app(settings, Wiring(transport=sandbox.transport())), sandbox.app)


def _settings_at(port: int) -> Settings:
    base_url = f"http://localhost:{port}"
    return dev_settings(base_url, _sandbox_config(base_url), keys=(STATE / "keys").read_text())


def dev_settings(base_url: str, sandbox: SandboxConfig, *, keys: str, **overrides: Any) -> Settings:
    """The demo's settings: `FACEBOOK_*`, `INSTAGRAM_*`, `KEYS` and `DATABASE_URL` are ignored."""
    values: dict[str, Any] = {
        name: field.default
        for name, field in Settings.model_fields.items()
        if name.startswith(_IGNORED)
    }
    values |= {
        "base_url": base_url,
        "example_app": True,
        "allow_fake_facebook": True,
        "facebook_client_id": sandbox.app_id,
        "facebook_client_secret": SecretStr(sandbox.app_secret),
        "facebook_graph_url": FACEBOOK_GRAPH_URL,
        "facebook_dialog_url": sandbox.public_url,
        "instagram_client_id": sandbox.instagram_app_id,
        "instagram_client_secret": SecretStr(sandbox.instagram_app_secret),
        "instagram_authorize_url": sandbox.instagram,
        "instagram_token_url": sandbox.instagram,
        "instagram_graph_url": sandbox.instagram,
        "database_url": SecretStr(_DATABASE_URL),
        "keys": keys,
    }
    return load(Settings, **(values | overrides))


class SideBySide:
    """Sends what is below `/sandbox` to the sandbox, all else to the service.

    Answers this machine's own names only: a page of anybody's whose name was pointed here (DNS
    rebinding) would else read the demo's answers as its own.
    """

    def __init__(self, service: FastAPI, sandbox: ASGIApp) -> None:
        self._service = service
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One event of either; the lifespan is the service's."""
        if scope["type"] == "lifespan":
            await self._service(scope, receive, send)
        elif not _names_this_machine(scope):
            await _misdirected(scope, receive, send)
        elif (scope["path"] + "/").startswith(_SANDBOX_PATH + "/"):
            scope = {**scope, "root_path": scope.get("root_path", "") + _SANDBOX_PATH}
            await self._sandbox(scope, receive, send)
        else:
            await self._service(scope, receive, send)


def _names_this_machine(scope: Scope) -> bool:
    """Whether there is one Host header (RFC 9112 §3.2), and it names localhost or loopback."""
    hosts: list[str] = [
        value.decode("latin-1") for name, value in scope["headers"] if name == b"host"
    ]
    if len(hosts) != 1:
        return False
    name = hosts[0].rpartition("]")[0].removeprefix("[") or hosts[0].partition(":")[0]
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"


async def _misdirected(scope: Scope, receive: Receive, send: Send) -> None:
    """421 (RFC 9110 §15.5.20); a WebSocket is closed before it opens."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    text = "igauth dev answers at http://localhost only.\n"
    await PlainTextResponse(text, status_code=421)(scope, receive, send)


def _sandbox_config(base_url: str) -> SandboxConfig:
    return SandboxConfig(
        public_url=base_url + _SANDBOX_PATH,
        redirect_uris=(f"{base_url}/auth/facebook/callback",),
        deauthorize_url=f"{base_url}/auth/facebook/deauthorize",
        data_deletion_url=f"{base_url}/auth/facebook/data-deletion",
        instagram_redirect_uris=(f"{base_url}/auth/instagram/callback",),
        instagram_deauthorize_url=f"{base_url}/auth/instagram/deauthorize",
        instagram_data_deletion_url=f"{base_url}/auth/instagram/data-deletion",
        state_file=str(STATE / "sandbox.json"),
    )


def _make_keys() -> bool:
    """Makes the demo's key ring where there is none; True where there was one to put aside."""
    path = STATE / "keys"
    spoilt = path.exists() and not _are_keys(path)
    if spoilt:
        path.replace(f"{path}.old")
    if not path.exists():
        _write_secret(path, new_key_line())
    return spoilt


async def _make_service_key(settings: Settings) -> None:
    """One service key for the folder's database, kept as long as it opens anything."""
    database = Database(settings.database_url.get_secret_value())
    keys = ServiceKeys(KeyRing(settings.keys), database, utc_now)
    try:
        await keys.resolve(SERVICE_KEY.read_text().strip())
    except (FileNotFoundError, UnicodeDecodeError, ServiceKeyInvalid):
        _write_secret(SERVICE_KEY, await keys.make("igauth dev", tuple(ServiceScope), None))
    finally:
        await database.close()


def _write_secret(path: Path, text: str) -> None:
    """A file for its owner alone, whole or not at all."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{text}\n")
    fresh.replace(path)


def _are_keys(path: Path) -> bool:
    try:
        return bool(parse_key_lines(path.read_text()))
    except ValueError:  # UnicodeDecodeError is one
        return False
