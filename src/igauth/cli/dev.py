"""`igauth dev`: the service and the offline Facebook in one process, with nothing to configure."""

import base64
import os
import secrets
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from igauth.app import create_app
from igauth.bootstrap import Wiring
from igauth.observability import configure_logging
from igauth.sandbox.app import Sandbox, SandboxConfig
from igauth.settings import FACEBOOK_GRAPH_URL, Settings, load
from igauth.store import migrations

STATE = Path(".igauth")
PORT_VARIABLE = "IGAUTH_DEV_PORT"
_SANDBOX_PATH = "/sandbox"
_DATABASE_URL = f"sqlite+aiosqlite:///{STATE / 'igauth.db'}"


def new_key_line() -> str:
    """A fresh line for `KEYS`: a random id and 32 random bytes, base64url."""
    kid = secrets.token_hex(4)
    return f"{kid}:{base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b'=').decode()}"


def prepare(port: int) -> None:
    """Once, before the server starts: the state folder, the keys (0600), the database."""
    os.environ[PORT_VARIABLE] = str(port)
    STATE.mkdir(mode=0o700, exist_ok=True)
    _kept_keys()
    migrations.upgrade(_DATABASE_URL)


def create_dev_app() -> ASGIApp:
    """Service and sandbox on one origin; `prepare` has run in this folder."""
    base_url = f"http://localhost:{os.environ.get(PORT_VARIABLE, '8000')}"
    facebook = _sandbox_config(base_url)
    settings = dev_settings(base_url, facebook)
    configure_logging(settings.log_format, settings.log_level)
    sandbox = Sandbox(facebook)
    return SideBySide(create_app(settings, Wiring(transport=sandbox.transport())), sandbox.app)


def dev_settings(base_url: str, facebook: SandboxConfig, **overrides: Any) -> Settings:
    """The settings of the demo: what `FACEBOOK_*`, `KEYS` and `DATABASE_URL` say is ignored."""
    values: dict[str, Any] = {
        "base_url": base_url,
        "example_app": True,
        "allow_fake_facebook": True,
        "facebook_client_id": facebook.app_id,
        "facebook_client_secret": SecretStr(facebook.app_secret),
        "facebook_config_id": None,
        "facebook_graph_url": FACEBOOK_GRAPH_URL,
        "facebook_dialog_url": facebook.public_url,
        "facebook_api_version": Settings.model_fields["facebook_api_version"].default,
        "facebook_scopes": Settings.model_fields["facebook_scopes"].default,
        "keys": _kept_keys(),
        "database_url": SecretStr(_DATABASE_URL),
    }
    return load(Settings, **(values | overrides))


class SideBySide:
    """Sends what is below `/sandbox` to the sandbox, all else to the service."""

    def __init__(self, service: FastAPI, sandbox: ASGIApp) -> None:
        self._service = service
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One event of either; the lifespan is the service's."""
        path = scope.get("path", "")
        if scope["type"] == "http" and (path + "/").startswith(_SANDBOX_PATH + "/"):
            scope = {**scope, "root_path": scope.get("root_path", "") + _SANDBOX_PATH}
            await self._sandbox(scope, receive, send)
        else:
            await self._service(scope, receive, send)


def _sandbox_config(base_url: str) -> SandboxConfig:
    return SandboxConfig(
        public_url=base_url + _SANDBOX_PATH,
        redirect_uris=(f"{base_url}/auth/facebook/callback",),
        deauthorize_url=f"{base_url}/auth/facebook/deauthorize",
        data_deletion_url=f"{base_url}/auth/facebook/data-deletion",
        state_file=str(STATE / "sandbox.json"),
    )


def _kept_keys() -> str:
    """The demo's key ring, made once; a file appears whole or not at all."""
    path = STATE / "keys"
    if not path.exists():
        fresh = STATE / f"keys.{os.getpid()}"
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(new_key_line() + "\n")
        fresh.rename(path)
    return path.read_text().strip()
