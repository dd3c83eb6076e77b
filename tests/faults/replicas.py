"""Replicas as processes, and browsers that talk to them over real sockets."""

import asyncio
import re
import signal
from asyncio.subprocess import DEVNULL, STDOUT
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import aiohttp

from tests.cli.commands import BIN, bare_environment, free_port, serving
from tests.faults.facebook import Facebook

PATIENCE_SECONDS: Final = 25.0
BASE_URL: Final = "http://localhost:8000"
"""The public origin of all replicas."""


@dataclass(frozen=True)
class Answer:
    """One answer of a replica."""

    status: int
    headers: dict[str, str]
    cookies: dict[str, str]
    body: bytes

    @property
    def error(self) -> str | None:
        """The `error` that a callback ended with; None for success."""
        assert self.status == 303, (self.status, self.body)
        return parse_qs(urlsplit(self.headers["location"]).query).get("error", [None])[0]


@dataclass
class Replica:
    """A process that serves."""

    port: int
    process: asyncio.subprocess.Process
    log: Path
    http: aiohttp.ClientSession

    async def ask(
        self, path: str, *, method: str = "GET", cookies: dict[str, str] | None = None
    ) -> Answer:
        """One request, as a browser at the public origin sends it."""
        pairs = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
        headers = {"Host": "localhost:8000", "Origin": BASE_URL} | (
            {"Cookie": pairs} if pairs else {}
        )
        url = f"http://127.0.0.1:{self.port}{path}"
        async with self.http.request(method, url, headers=headers, allow_redirects=False) as answer:
            body = await answer.read()
            named = {name.lower(): value for name, value in answer.headers.items()}
            given = {name: morsel.value for name, morsel in answer.cookies.items()}
            return Answer(answer.status, named, given, body)

    async def approach(self, person: int) -> "Attempt":
        """A login up to the return from the dialog."""
        started = await self.ask("/auth/facebook")
        assert started.status == 302, started
        state = parse_qs(urlsplit(started.headers["location"]).query)["state"][0]
        return Attempt(f"/auth/facebook/callback?code=code-{person}&state={state}", started.cookies)

    async def finish(self, attempt: "Attempt") -> Answer:
        """The return from the dialog."""
        return await self.ask(attempt.callback, cookies=attempt.cookies)

    async def log_in(self, person: int) -> dict[str, str]:
        """A whole login; the session's cookie."""
        answer = await self.finish(await self.approach(person))
        assert answer.error is None, answer
        return session_of(answer)

    async def ended(self) -> int:
        """Its exit status."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.wait()

    def said(self) -> str:
        """Its log."""
        return self.log.read_text("utf-8", "replace")


@dataclass(frozen=True)
class Attempt:
    """What a browser brings back from the dialog."""

    callback: str
    cookies: dict[str, str] = field(repr=False)


def session_of(answer: Answer) -> dict[str, str]:
    """The session's cookie alone."""
    return {name: value for name, value in answer.cookies.items() if name == "igauth_session"}


@asynccontextmanager
async def open_replica(
    database_url: str, facebook: Facebook, folder: Path, **more: str
) -> AsyncGenerator[Replica]:
    """`igauth serve`, ready."""
    port = free_port()
    environment = environment_of(database_url, facebook, **more)
    log = folder / f"replica-{port}.log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            BIN / "igauth",
            "serve",
            "--port",
            str(port),
            cwd=folder,
            env=bare_environment() | environment,
            stdin=DEVNULL,
            stdout=file,
            stderr=STDOUT,
        )
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    timeout = aiohttp.ClientTimeout(PATIENCE_SECONDS)
    jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=jar) as http:
        replica = Replica(port, process, log, http)
        try:
            await _until_ready(replica)
            yield replica
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            await process.wait()


def environment_of(database_url: str, facebook: Facebook, **more: str) -> dict[str, str]:
    """Settings of a replica behind one public origin."""
    given: dict[str, Any] = {
        "BASE_URL": BASE_URL,
        "ALLOW_FAKE_FACEBOOK": "true",
        "FACEBOOK_GRAPH_URL": facebook.url,
        "FACEBOOK_DIALOG_URL": facebook.url,
        "RATE_LIMIT_LOGIN": "1000000/minute",
        "RATE_LIMIT_REFRESH": "1000000/minute",
        "LOG_FORMAT": "json",
    }
    return serving(database_url, **(given | more))


async def _until_ready(replica: Replica) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            assert replica.process.returncode is None, replica.said()
            try:
                if (await replica.ask("/readyz")).status == 200:
                    return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.05)


def warnings_in(said: str) -> list[str]:
    """Lines of a log that tell of trouble."""
    return [line for line in said.splitlines() if re.search(r'"level": "(warning|error)"', line)]
