"""`igauth dev` as a process of its own, for browsers to visit."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from igauth.settings import Settings

PATIENCE_SECONDS = 40
_NO_LIMIT = {"RATE_LIMIT_LOGIN": "9000/minute", "RATE_LIMIT_REFRESH": "9000/minute"}
_REQUESTS = count()


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@dataclass
class Service:
    """A running service with its sandbox, and the strings to pull behind the scenes."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    met: set[str] = field(default_factory=set)
    """Who logged in since the last reset."""

    @property
    def origin(self) -> str:
        """Where the service, and below it the sandbox, is."""
        return f"http://localhost:{self.port}"

    @property
    def panel(self) -> str:
        """The sandbox's control panel, and the root of its control API."""
        return f"{self.origin}/sandbox/_control/"

    async def reset(self) -> None:
        """Nobody allows the app, nothing fails, and nobody is known here."""
        await self.control("POST", "reset")
        for person in self.met:
            sent = await self.sign("data_deletion", person)
            assert sent["status"] == 200, sent
        self.met.clear()

    async def happen(self, person: str, action: str, **fields: str) -> None:
        """Lets something happen to a person at Facebook."""
        await self.control("POST", f"people/{person}/{action}", fields)

    async def sign(self, kind: str, person: str) -> Any:
        """A signed callback from Facebook to the service, each with a moment of its own."""
        issued_at = int(time.time()) + next(_REQUESTS)
        wanted = {"kind": kind, "person": person, "issued_at": issued_at}
        return await self.control("POST", "signed-requests", wanted)

    async def grant_of(self, person: str) -> Any:
        """What the person allows the app at Facebook; None where nothing."""
        return (await self.control("GET", f"people/{person}"))["grant"]

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """A request of the sandbox's control API."""
        async with httpx.AsyncClient(base_url=self.panel, trust_env=False) as http:
            answer = await http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def output(self) -> str:
        """All that the process said."""
        return self.log.read_text("utf-8", "replace")

    def is_ready(self) -> bool:
        """Whether it serves; fails if it has ended."""
        assert self.process.poll() is None, self.output()
        try:
            return httpx.get(f"{self.origin}/readyz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def running(folder: Path, *, port: int | None = None, **environment: str) -> Iterator[Service]:
    """`igauth dev` in this folder for as long as the block runs; it must not have stumbled."""
    port = port or free_port()
    log = folder / "output.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [Path(sys.executable).parent / "igauth", "dev", "--port", str(port)],
            cwd=folder,
            env=_bare_environment() | _NO_LIMIT | environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    service = Service(port, process, log)
    try:
        _wait_until_ready(service)
        yield service
        process.terminate()
        process.wait(PATIENCE_SECONDS)
        assert "Traceback" not in service.output(), service.output()
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)


def _wait_until_ready(service: Service) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not service.is_ready():
        assert time.monotonic() < deadline, service.output()
        time.sleep(0.05)


def _bare_environment() -> dict[str, str]:
    names = {name.upper() for name in Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in names}
    return kept | {"PYTHONUNBUFFERED": "1"}
