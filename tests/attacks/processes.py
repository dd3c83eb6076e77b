"""The program as operators run it: processes on loopback, and raw bytes to them.

`igauth serve` and `igauth sandbox` are started with nothing but their own settings in the
environment, and only they are ended.
"""

import asyncio
import base64
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from igauth.sandbox.app import SandboxConfig
from tests.browser.service import free_port
from tests.stage import FRONTEND, Browser

BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 60
KEY = "k1:" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")
_BARE = {
    name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ
}


@dataclass
class Process:
    """One running program of ours: where it listens, and what it has said so far."""

    port: int
    popen: "subprocess.Popen[bytes]"
    log: Path

    @property
    def origin(self) -> str:
        """Its own address; not `BASE_URL`, where it is one replica of several."""
        return f"http://localhost:{self.port}"

    def output(self) -> str:
        """Standard output and standard error."""
        return self.log.read_text("utf-8", "replace")

    def arguments(self) -> str:
        """What `ps` shows of it and of its children."""
        shown = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                if str(self.popen.pid) in (folder.name, parent):
                    shown.append((folder / "cmdline").read_text().replace("\0", " "))
            except OSError:  # it has ended meanwhile
                continue
        return "\n".join(shown)

    def assert_alive(self) -> None:
        """It runs still, and nothing in it has crashed."""
        said = self.output()
        assert self.popen.poll() is None, said[-3_000:]
        crash = said.find("Traceback")
        assert crash < 0, said[max(0, crash - 300) :][:3_000]

    def healthy(self, path: str = "/healthz") -> bool:
        """Whether it answers that all is well."""
        assert self.popen.poll() is None, self.output()[-3_000:]
        try:
            return httpx.get(self.origin + path, trust_env=False, timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def cpu_seconds(self) -> float:
        """The processor time that it has used, by the kernel's account."""
        fields = Path(f"/proc/{self.popen.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def idle(self) -> None:
        """Waits until it uses no more processor time: what was asked of it is done."""
        before, now = -1.0, self.cpu_seconds()
        while now > before:
            await asyncio.sleep(2 / os.sysconf("SC_CLK_TCK"))
            before, now = now, self.cpu_seconds()


@contextmanager
def running(
    folder: Path, port: int, *command: str, ready: str = "/healthz", **environment: str
) -> Iterator[Process]:
    """A program of this project for as long as the block runs; it must answer `ready` first."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{'-'.join(command[:2])}-{port}.log"
    with log.open("wb") as file:
        popen = subprocess.Popen(
            [BIN / command[0], *command[1:], "--port", str(port)],
            cwd=folder,
            env=_BARE | {"PYTHONUNBUFFERED": "1"} | environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    process = Process(port, popen, log)
    try:
        wait_for(lambda: process.healthy(ready), process.output)
        yield process
    finally:
        popen.send_signal(signal.SIGCONT)
        popen.kill()
        popen.wait(PATIENCE_SECONDS)


def wait_for(condition: Callable[[], bool], said: Callable[[], str]) -> None:
    """Asks again and again, but not for ever."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, said()
        time.sleep(0.02)


@dataclass
class Fleet:
    """Replicas of one service, with one database and one offline Facebook behind them."""

    replicas: Sequence[Process]
    facebook: Process
    base_url: str
    database_url: str
    folder: Path

    @asynccontextmanager
    async def browser(self, replica: int = 0) -> AsyncGenerator[Browser]:
        """A browser that talks to one replica as if it were the service."""
        address = self.replicas[replica].origin
        host = self.base_url.partition("//")[2]

        async def name_the_service(request: httpx.Request) -> None:
            if request.url.port in {each.port for each in self.replicas}:
                request.headers["host"] = host

        async with httpx.AsyncClient(
            trust_env=False,
            timeout=PATIENCE_SECONDS,
            event_hooks={"request": [name_the_service], "response": []},
        ) as http:
            yield Browser(http, address)

    def at(self, replica: int, callback: str) -> str:
        """The same callback address, but at another replica."""
        return callback.replace(self.base_url, self.replicas[replica].origin)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """A request of the offline Facebook's control API."""
        async with httpx.AsyncClient(
            base_url=f"{self.facebook.origin}/_control/", trust_env=False, timeout=PATIENCE_SECONDS
        ) as http:
            answer = await http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def calls(self, endpoint: str) -> int:
        """How often Facebook was asked this since its last reset."""
        found = await self.control("GET", f"calls?endpoint={endpoint}&limit=1")
        total: int = found["meta"]["total"]
        return total

    async def grant_of(self, person: str) -> Any:
        """What the person allows the app at Facebook; None where nothing."""
        return (await self.control("GET", f"people/{person}"))["grant"]

    def assert_alive(self) -> None:
        """Every replica runs still, and none has stumbled."""
        for replica in self.replicas:
            replica.assert_alive()


@contextmanager
def open_fleet(
    folder: Path, database_url: str, *, replicas: int = 2, **settings: str
) -> Iterator[Fleet]:
    """`igauth serve`, once or more, beside `igauth sandbox`, on a migrated database."""
    config, facebook_port = SandboxConfig(), free_port()
    ports = [free_port() for _ in range(replicas)]
    base_url = f"http://localhost:{ports[0]}"
    facebook_url = f"http://localhost:{facebook_port}"
    environment = {
        "BASE_URL": base_url,
        "FRONTEND_URL": f"{FRONTEND}/",
        "FACEBOOK_CLIENT_ID": config.app_id,
        "FACEBOOK_CLIENT_SECRET": config.app_secret,
        "FACEBOOK_GRAPH_URL": facebook_url,
        "FACEBOOK_DIALOG_URL": facebook_url,
        "ALLOW_FAKE_FACEBOOK": "true",
        "DATABASE_URL": database_url,
        "KEYS": KEY,
        "LOG_FORMAT": "json",
        "RATE_LIMIT_LOGIN": "100000/minute",
        "RATE_LIMIT_REFRESH": "100000/minute",
    }
    with ExitStack() as stack:
        facebook = stack.enter_context(_sandbox(folder, facebook_port, base_url))
        serving = [
            stack.enter_context(
                running(folder, port, "igauth", "serve", ready="/readyz", **environment | settings)
            )
            for port in ports
        ]
        yield Fleet(serving, facebook, base_url, database_url, folder)


@contextmanager
def _sandbox(folder: Path, port: int, base_url: str) -> Iterator[Process]:
    with running(
        folder,
        port,
        "igauth",
        "sandbox",
        ready="/_control/presets",
        SANDBOX_REDIRECT_URIS=f"{base_url}/auth/facebook/callback",
        SANDBOX_DEAUTHORIZE_URL=f"{base_url}/auth/facebook/deauthorize",
        SANDBOX_DATA_DELETION_URL=f"{base_url}/auth/facebook/data-deletion",
        SANDBOX_STATE_FILE=str(folder / "facebook.json"),
    ) as process:
        yield process


@dataclass(frozen=True)
class RawAnswer:
    """What came back for raw bytes; `status` is 0 where the connection just closed."""

    status: int
    head: str
    body: str

    @property
    def whole(self) -> str:
        """Head and body."""
        return self.head + self.body

    def header(self, name: str) -> str | None:
        """The value of a header, None where it is absent."""
        found = re.search(rf"(?im)^{re.escape(name)}: (.*)\r$", self.head)
        return found[1] if found else None


async def send_raw(port: int, request: bytes) -> RawAnswer:
    """Sends bytes to a process and reads until it closes; add `Connection: close` yourself."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            writer.write(request)
            received = await _read_to_end(reader)
    finally:
        writer.close()
    head, _, body = received.decode("latin-1").partition("\r\n\r\n")
    status = re.match(r"HTTP/1\.[01] (\d{3})", head)
    return RawAnswer(int(status[1]) if status else 0, f"{head}\r\n", body)


async def _read_to_end(reader: asyncio.StreamReader) -> bytes:
    received = b""
    try:
        while piece := await reader.read(65_536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def raw(target: str, *headers: str, method: str = "GET", body: bytes = b"") -> bytes:
    """A request as bytes; no header but those that are given, and `Connection: close`."""
    lines = [f"{method} {target} HTTP/1.1", *headers, "Connection: close"]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body
