"""A sibling host plants cookies in a real Chromium: none of them counts (contract §4, defect S1).

Browsers keep `__Host-` names from siblings. A byte before the name that the browser takes as a
part of it, and a lenient reader for a blank, would undo that: takeover by a planted attempt.
"""

import json
import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from playwright.async_api import Browser, Page
from playwright.async_api import Error as PlaywrightError
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.api.served import opened, served
from tests.browser.service import free_port
from tests.stage import Stage, make_settings, open_stage

pytestmark = pytest.mark.browser

HOST, SIBLING = "connect.igauth.test", "blog.igauth.test"
ODD_BLANKS = [b"\xa0", b"\x85", b"\xc2\xa0", b"\xe3\x80\x80", b"", b"="]


@dataclass
class Neighbours:
    """The service on https, a sibling host in the attacker's hands, and what was sent to us."""

    stage: Stage
    sibling_scheme: str
    sibling_port: int = 0
    planted: list[bytes] = field(default_factory=list)
    arrived: list[bytes] = field(default_factory=list)

    @property
    def origin(self) -> str:
        """Where the service is."""
        return self.stage.settings.base_url

    def plant(self, name: str, value: str) -> None:
        """What the sibling's pages set from now on: this cookie behind every odd blank."""
        cookie = f"{name}={value}; Domain=igauth.test; Path=/".encode()
        self.planted[:] = [blank + cookie for blank in ODD_BLANKS]

    async def sibling(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """The sibling's application: a page that sets cookies for the common domain."""
        headers = [(b"content-type", b"text/html")]
        secure = b"; Secure" if scope["scheme"] == "https" else b""
        headers += [(b"set-cookie", cookie + secure) for cookie in self.planted]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"<!doctype html><p>Hello"})

    def listening(self, app: ASGIApp) -> ASGIApp:
        """The service, and a note of each Cookie header that reaches it."""

        async def noting(scope: Scope, receive: Receive, send: Send) -> None:
            self.arrived += [value for name, value in scope["headers"] if name == b"cookie"]
            await app(scope, receive, send)

        return noting


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A certificate for every host of the domain, signed by itself, as uvicorn takes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "igauth.test")])
    today = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - timedelta(days=1))
        .not_valid_after(today + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("*.igauth.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder = tmp_path_factory.mktemp("certificate")
    paths = {"ssl_certfile": folder / "certificate.pem", "ssl_keyfile": folder / "key.pem"}
    pem = serialization.Encoding.PEM
    paths["ssl_certfile"].write_bytes(made.public_bytes(pem))
    paths["ssl_keyfile"].write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


@pytest.fixture(params=["http", "https"])
async def neighbours(
    request: pytest.FixtureRequest, certificate: dict[str, Path], sqlite_url: str
) -> AsyncGenerator[Neighbours]:
    """The service, and a sibling on plain http (or a network attacker's) or on https."""
    port = free_port()
    base_url = f"https://{HOST}:{port}"
    settings = make_settings(sqlite_url, base_url=base_url, frontend_url=f"{base_url}/healthz")
    tls: dict[str, Any] = certificate if request.param == "https" else {}
    async with open_stage(settings) as stage, AsyncExitStack() as running:
        made = Neighbours(stage, request.param)
        made.sibling_port = await running.enter_async_context(served(made.sibling, **tls))
        app = made.listening(opened(stage))
        await running.enter_async_context(served(app, port=port, **certificate))
        yield made


@pytest.fixture
async def victim(chromium: Browser, neighbours: Neighbours) -> AsyncGenerator[Page]:
    """Somebody with an empty jar who trusts the certificate, and leaves before the servers do."""
    context = await chromium.new_context(ignore_https_errors=True)
    yield await context.new_page()
    await context.close()


async def _visit_sibling(victim: Page, neighbours: Neighbours, name: str, value: str) -> None:
    """The victim follows a link to the attacker's page, which plants the cookie."""
    neighbours.plant(name, value)
    scheme = neighbours.sibling_scheme
    await victim.goto(f"{scheme}://{SIBLING}:{neighbours.sibling_port}/")
    planted = await victim.context.cookies(neighbours.origin)
    assert [each for each in planted if each["value"] == value], "the browser took none of them"


async def _is_logged_in(victim: Page, neighbours: Neighbours) -> bool:
    answer = await victim.goto(f"{neighbours.origin}/auth/session")
    assert answer is not None
    authenticated: bool = json.loads(await answer.text())["authenticated"]
    return authenticated


async def test_a_planted_session_is_nobodys(victim: Page, neighbours: Neighbours) -> None:
    """The attacker's live session reaches us under an odd name, and logs the victim not in."""
    attacker = neighbours.stage.browser()
    await attacker.log_in("ada")
    session = attacker.cookie("__Host-igauth_session") or ""
    await _visit_sibling(victim, neighbours, "__Host-igauth_session", session)

    logged_in = await _is_logged_in(victim, neighbours)

    assert any(session.encode() in line for line in neighbours.arrived)
    assert logged_in is False


async def test_a_planted_attempt_is_not_recognised(victim: Page, neighbours: Neighbours) -> None:
    """The attacker's attempt with its code ends as `state_mismatch`: no login that others know."""
    attacker = neighbours.stage.browser()
    callback = await attacker.approach("ada")
    (name,) = attacker.attempt_cookies()
    await _visit_sibling(victim, neighbours, name, attacker.cookies()[name])

    await victim.goto(callback)

    assert any(attacker.cookies()[name].encode() in line for line in neighbours.arrived)
    assert "error=state_mismatch" in victim.url
    assert await _is_logged_in(victim, neighbours) is False


async def test_what_was_planted_hinders_no_login(victim: Page, neighbours: Neighbours) -> None:
    """Beside all of it, the victim's own login works, and is the victim's."""
    await _visit_sibling(victim, neighbours, "__Host-igauth_session", "planted")
    await _visit_sibling(victim, neighbours, "__Host-igauth_login_0123456789abcdef", "planted")
    tab = await victim.context.new_page()
    async with tab.expect_request(re.compile("/dialog/oauth")) as asked:
        with pytest.raises(PlaywrightError, match="ERR_NAME_NOT_RESOLVED"):
            await tab.goto(f"{neighbours.origin}/auth/facebook")
    at_facebook = neighbours.stage.browser()

    await victim.goto(await at_facebook.consent((await asked.value).url, "ben"))

    assert victim.url.partition("#")[0] == f"{neighbours.origin}/healthz"
    assert await _is_logged_in(victim, neighbours) is True
