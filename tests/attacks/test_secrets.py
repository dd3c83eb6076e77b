"""A sweep for canaries over real processes: logs at DEBUG, database, replies, arguments, commands.

Every secret that came into being in a whole life of the service is looked for wherever it has no
business (contract §7; security R-18, R-46, R-65, R-72, P-35).
"""

import base64
import hashlib
import hmac
import json
import secrets
import shutil
import subprocess
import time
import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import httpx
import pytest
from sqlalchemy.engine import make_url

from igauth.sandbox.app import SandboxConfig
from tests.attacks.processes import BIN, KEY, PATIENCE_SECONDS, Fleet, open_fleet
from tests.attacks.signing import claims_of, sign
from tests.postgres import PostgresServer
from tests.stage import Browser, error_of

METRICS_TOKEN = f"metrics-{secrets.token_hex(12)}"
PASSWORD = f"password-{secrets.token_hex(12)}"
CONFIG = SandboxConfig()


@dataclass
class Watched:
    """A service, and every secret and every reply that was seen at its doors."""

    fleet: Fleet
    stack: AsyncExitStack
    seen: set[str] = field(default_factory=set)
    replies: list[httpx.Response] = field(default_factory=list)

    async def browser(self) -> Browser:
        """A browser whose every reply from the service is kept, and its cookies as canaries."""
        browser = await self.stack.enter_async_context(self.fleet.browser())
        browser.http.event_hooks["response"].append(self._keep)
        return browser

    async def _keep(self, reply: httpx.Response) -> None:
        query = parse_qs(urlsplit(reply.headers.get("location", "")).query)
        for name in ("state", "code"):
            self.seen.update(query.get(name, []))
        if reply.url.port == self.fleet.replicas[0].port:
            await reply.aread()
            self.replies.append(reply)
            self.seen.update(value for value in reply.cookies.values() if value)

    def canaries(self) -> set[str]:
        """All secrets, in clear and percent-encoded; the short ones are words, not secrets."""
        tokens = self._tokens()
        proofs = {
            hmac.new(CONFIG.app_secret.encode(), token.encode(), hashlib.sha256).hexdigest()
            for token in tokens
        }
        known = {CONFIG.app_secret, METRICS_TOKEN, PASSWORD, KEY.partition(":")[2]}
        plain = {each for each in self.seen | tokens | proofs | known if len(each) > 11}
        return plain | {quote(each, safe="") for each in plain}

    def _tokens(self) -> set[str]:
        """Every token and code that Facebook has given out, from its own memory."""
        memory = (self.fleet.folder / "facebook.json").read_text()
        found: set[str] = set()

        def walk(node: Any) -> None:
            if isinstance(node, dict):
                for key, value in node.items():
                    walk(key)
                    walk(value)
            elif isinstance(node, list):
                for value in node:
                    walk(value)
            elif isinstance(node, str) and node.startswith(("EAA", "AQ")):
                found.add(node)

        walk(json.loads(memory))
        return found


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path
) -> Iterator[str]:
    """A migrated database of our own; the PostgreSQL address has a password."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("database") / "igauth.db"
        shutil.copy(sqlite_template, path)
        yield f"sqlite:///{path}"
        return
    server: PostgresServer | None = request.getfixturevalue("postgres")
    if server is None:
        pytest.skip("PostgreSQL IS NOT TESTED: no server binaries here and no TEST_POSTGRES_URL")
    name = f"t{uuid.uuid4().hex}"
    server.create_database(name, template="igauth_template")
    url = make_url(server.url(name))
    with_password = url if url.password else url.set(password=PASSWORD)
    yield with_password.render_as_string(hide_password=False)
    server.drop_database(name)


@pytest.fixture(scope="module")
async def watched(
    database: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[Watched]:
    """One replica that says all that it has to say, after a whole life."""
    settings = {
        "LOG_LEVEL": "DEBUG",
        "METRICS_TOKEN": METRICS_TOKEN,
        "ACCOUNTS_MAX_AGE": "0",
    }
    with open_fleet(tmp_path_factory.mktemp("secrets"), database, replicas=1, **settings) as fleet:
        async with AsyncExitStack() as stack:
            made = Watched(fleet, stack)
            await _live(made)
            yield made
            fleet.assert_alive()


async def _live(watched: Watched) -> None:
    """Good and bad days of a service."""
    ada = await watched.browser()
    assert error_of(await ada.log_in("ada")) is None
    await _log_in_badly(watched)
    await _look_around(watched, ada)
    await _let_facebook_be_ill(watched, ada)
    await _be_asked_by_meta(watched)
    await _leave(watched)


async def _log_in_badly(watched: Watched) -> None:
    browser = await watched.browser()
    callback = await browser.approach("ben")
    stranger = await watched.browser()
    await stranger.http.get(callback)
    await browser.http.get(callback + "&code=twice")
    await browser.http.head(callback)
    await browser.http.get(callback + "&state=again")
    await browser.http.get(callback.replace("/callback?", "/callback/?"))
    await browser.log_in("ben", mode="popup")
    await browser.log_in("ben", reconnect="nobody")
    for preset in ("code_used", "blocked", "cut_after", "wrong_secret", "html_ok", "half_json"):
        await watched.fleet.control("POST", "faults", {"preset": preset, "endpoint": "exchange"})
        await browser.log_in("ben")
        await watched.fleet.control("DELETE", "faults")


async def _look_around(watched: Watched, ada: Browser) -> None:
    listing = (await ada.accounts(refresh="true")).json()
    connection = (await ada.connection())["id"]
    (session, *_) = (await ada.get("/me/sessions")).json()["data"]
    ids = {
        "account_id": listing["data"][0]["id"],
        "connection_id": connection,
        "session_id": session["id"],
        "code": "0" * 32,
    }
    document = (await ada.get("/openapi.json")).json()
    for path, operations in document["paths"].items():
        if "get" in operations and not path.endswith("/callback"):
            target = path
            for name, value in ids.items():
                target = target.replace(f"{{{name}}}", value)
            await ada.get(target, authorization=f"Bearer {METRICS_TOKEN}")
    await ada.get("/metrics", authorization="Bearer wrong")
    await ada.get("/nowhere", accept="text/html", sec_fetch_mode="navigate")
    await ada.send("POST", f"/me/connections/{connection}/verify")
    await ada.send("DELETE", "/me", origin="https://evil.example")


async def _let_facebook_be_ill(watched: Watched, ada: Browser) -> None:
    for preset in ("half_json", "cut", "redirect", "throttled_user", "bad_proof", "token_bad"):
        await watched.fleet.control("POST", "faults", {"preset": preset, "times": 3})
        await ada.accounts(refresh="true")
        await watched.fleet.control("DELETE", "faults")


async def _be_asked_by_meta(watched: Watched) -> None:
    browser = await watched.browser()
    for path in ("deauthorize", "data-deletion"):
        for user in ("10200000000000002", "0", "\0"):
            signed = sign(claims_of(user, time.time()), CONFIG.app_secret)
            watched.seen.add(signed)
            for text in (signed, signed + "x"):
                answer = await browser.http.post(
                    f"{browser.base_url}/auth/facebook/{path}", data={"signed_request": text}
                )
                if path == "data-deletion" and answer.status_code == 200:
                    await browser.get(urlsplit(answer.json()["url"]).path)


async def _leave(watched: Watched) -> None:
    cleo, dora = await watched.browser(), await watched.browser()
    await cleo.log_in("cleo")
    await cleo.send("DELETE", "/me")
    await dora.log_in("dora")
    await watched.fleet.control("POST", "faults", {"preset": "unavailable", "endpoint": "revoke"})
    await dora.send("DELETE", f"/me/connections/{(await dora.connection())['id']}")
    await watched.fleet.control("DELETE", "faults")
    emil = await watched.browser()
    await emil.log_in("emil")
    await emil.send("POST", "/auth/logout")


def _leaks(text: str, canaries: set[str]) -> list[str]:
    """What was found, without printing a secret in a test's report."""
    return sorted(f"{each[:4]}…({len(each)})" for each in canaries if each in text)


async def _stored(watched: Watched) -> str:
    """Every byte of the SQLite files, or every row of every PostgreSQL table."""
    url = make_url(watched.fleet.database_url)
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        files = sorted(path.parent.glob(f"{path.name}*"))
        return "".join(file.read_bytes().decode("latin-1") for file in files)
    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(plain)
    try:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        rows = [
            await connection.fetch(f'SELECT t::text FROM "{table[0]}" t')  # noqa: S608  # our own
            for table in tables
        ]
    finally:
        await connection.close()
    return "\n".join(str(row[0]) for table in rows for row in table)


async def test_no_secret_is_where_it_has_no_business(watched: Watched) -> None:
    """Logs at DEBUG, database, arguments: not one canary of a whole life (R-72, R-46)."""
    canaries, service = watched.canaries(), watched.fleet.replicas[0]

    assert len(canaries) > 60
    assert '"level": "debug"' in service.output()
    assert _leaks(service.output(), canaries) == []
    assert _leaks(await _stored(watched), canaries) == []
    assert "igauth" in service.arguments()
    assert _leaks(service.arguments(), canaries) == []


async def test_no_secret_is_answered(watched: Watched) -> None:
    """A cookie in its own Set-Cookie, a state in the dialog's address; nothing anywhere else."""
    canaries = watched.canaries()

    assert len(watched.replies) > 60
    for reply in watched.replies:
        to_dialog = "/dialog/oauth" in reply.headers.get("location", "")
        shown = [
            f"{name}: {value}"
            for name, value in reply.headers.multi_items()
            if name != "set-cookie" and not (name == "location" and to_dialog)
        ]
        assert _leaks("\n".join(shown) + reply.text, canaries) == [], reply.url.path
        for header in reply.headers.get_list("set-cookie"):
            assert _leaks(header.partition(";")[2], canaries) == []


async def test_no_secret_is_in_a_url_to_facebook(watched: Watched) -> None:
    """But for `input_token`, and the proof of a GET, where there is no other way (R-09, P-35)."""
    calls = (await watched.fleet.control("GET", "calls?limit=10000"))["data"]

    assert len(calls) > 30
    shown = {name for call in calls for name in call["secrets_in_query"]}
    assert shown <= {"input_token", "appsecret_proof"}
    assert not [call for call in calls if not call["known"]]


async def test_no_command_prints_one(watched: Watched) -> None:
    """What operators type shows counts, ids and states; beside the running service (§1)."""
    canaries, said = watched.canaries(), ""
    for command in (
        ["status"],
        ["renew", "--all"],
        ["keys", "rotate"],
        ["doctor"],
        ["erase", "--facebook-user-id", "10200000000000001"],
        ["serve", "--port", "not a port"],
    ):
        said += _run(watched, *command)

    assert "people" in said
    assert _leaks(said, canaries) == []


def _run(watched: Watched, *command: str) -> str:
    """A command in the service's own environment; all that it said."""
    environ = Path(f"/proc/{watched.fleet.replicas[0].popen.pid}/environ").read_text()
    pairs = (pair.partition("=") for pair in environ.split("\0") if pair)
    done = subprocess.run(
        [BIN / "igauth", *command],
        cwd=watched.fleet.folder,
        env={name: value for name, _, value in pairs},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "fault",
    [
        {"KEYS": ""},
        {"KEYS": "{key},{key}"},
        {"KEYS": "k1:{secret}"},
        {"FACEBOOK_CLIENT_ID": "{secret}"},
        {"DATABASE_URL": "postgresql://u:{secret}@127.0.0.1:1/d"},
        {"DATABASE_URL": "postgresql://u:{secret}@127.0.0.1:{secret}/d"},
        {"DATABASE_URL": "mysql://u:{secret}@h/d"},
        {"BASE_URL": "https://u:{secret}@h"},
        {"ALLOWED_ORIGINS": "https://{secret}@h"},
        {"METRICS_TOKEN": "{secret}", "RATE_LIMIT_LOGIN": "{secret}"},
    ],
    ids=lambda fault: " ".join(fault),
)
def test_a_refused_start_shows_no_value(fault: dict[str, str], tmp_path: Path) -> None:
    """A line for each fault, naming the setting; nothing of what it said (§1)."""
    secret = secrets.token_hex(16)
    key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    environment = {
        "FACEBOOK_CLIENT_ID": CONFIG.app_id,
        "FACEBOOK_CLIENT_SECRET": secrets.token_hex(16),
        "FRONTEND_URL": "http://localhost:5173/",
        "DATABASE_URL": f"sqlite:///{tmp_path}/x.db",
        "KEYS": f"k1:{key}",
    } | {name: value.format(secret=secret, key=f"k1:{key}") for name, value in fault.items()}
    done = subprocess.run(
        [BIN / "igauth", "serve", "--port", "1"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    said = done.stdout + done.stderr

    assert done.returncode == 3
    assert any(line.startswith(tuple(fault)) for line in said.splitlines())
    for canary in (secret, key, key[:8], environment["FACEBOOK_CLIENT_SECRET"]):
        assert canary not in said
    assert "Traceback" not in said
