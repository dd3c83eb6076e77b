"""`make bench`: what a login and a listing cost, over real sockets, against the offline Facebook.

Prints figures, asserts nothing: speed is told here, correctness in `tests/`.
"""

import argparse
import asyncio
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from igauth.app import create_app
from igauth.observability import configure_logging
from igauth.sandbox.app import SandboxConfig
from igauth.settings import RootKey, Settings, load
from igauth.store import migrations

BASE_URL = "http://localhost:8000"
KEY = RootKey("bench", bytes(range(7, 39)))


def free_port() -> int:
    """A port of the loopback that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Facebook:
    """The sandbox as a process of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "igauth", "sandbox", "--port", str(self.port)],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    async def ready(self) -> None:
        """Waits until it answers."""
        async with httpx.AsyncClient(trust_env=False) as http:
            for _ in range(200):
                try:
                    await http.get(f"{self.url}/_control/people")
                    return
                except httpx.TransportError:
                    await asyncio.sleep(0.1)
        raise SystemExit("the sandbox did not start")

    async def delay(self, seconds: float) -> None:
        """Every answer of Graph waits this long."""
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.post(f"{self.url}/_control/delay", json={"seconds": seconds})
            answer.raise_for_status()

    async def forget_calls(self) -> None:
        """Empties the log of calls."""
        async with httpx.AsyncClient(trust_env=False) as http:
            (await http.delete(f"{self.url}/_control/calls")).raise_for_status()

    async def calls(self) -> tuple[int, int]:
        """How many Graph calls it has answered, and in how many rounds, one after the other."""
        async with httpx.AsyncClient(trust_env=False) as http:
            answer = await http.get(f"{self.url}/_control/calls")
            meta = answer.json()["meta"]
            return int(meta["total"]), int(meta["round_trips"])

    def stop(self) -> None:
        """Ends the process."""
        self._process.terminate()
        self._process.wait(10)


def settings_for(facebook: Facebook, folder: Path, **overrides: Any) -> Settings:
    """Settings of a service that talks to this sandbox."""
    values: dict[str, Any] = {
        "base_url": BASE_URL,
        "facebook_client_id": SandboxConfig().app_id,
        "facebook_client_secret": SecretStr(SandboxConfig().app_secret),
        "facebook_graph_url": facebook.url,
        "facebook_dialog_url": facebook.url,
        "allow_fake_facebook": True,
        "frontend_url": f"{BASE_URL}/",
        "database_url": SecretStr(f"sqlite+aiosqlite:///{folder / 'bench.db'}"),
        "keys": (KEY,),
        "rate_limit_login": "100000/minute",
        "rate_limit_refresh": "100000/minute",
    }
    return load(Settings, **(values | overrides))


@asynccontextmanager
async def service(settings: Settings) -> AsyncGenerator[Callable[[], httpx.AsyncClient]]:
    """Makes browsers whose requests reach a fresh service, and the real sandbox beside it."""
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state:

        async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
            await app({**scope, "state": dict(state or {})}, receive, send)

        shared = httpx.AsyncHTTPTransport()

        def browser() -> httpx.AsyncClient:
            mounts = {BASE_URL: httpx.ASGITransport(asgi)}
            return httpx.AsyncClient(transport=shared, mounts=mounts, trust_env=False, timeout=120)

        yield browser
        await shared.aclose()


async def consent(browser: httpx.AsyncClient, person: str) -> str:
    """Starts a login and answers the dialog; the callback's address."""
    started = await browser.get(f"{BASE_URL}/auth/facebook")
    form = {"person": person, "decision": "continue"}
    answer = await browser.post(started.headers["location"], data=form)
    return str(answer.headers["location"]).partition("#")[0]


async def callback_seconds(browser: httpx.AsyncClient, silence: float) -> float:
    """How long one callback takes, after `silence` seconds in the dialog."""
    callback = await consent(browser, "ada")
    await asyncio.sleep(silence)
    began = time.perf_counter()
    answer = await browser.get(callback)
    took = time.perf_counter() - began
    if "error=" in answer.headers["location"]:
        raise SystemExit(f"the login failed: {answer.headers['location']}")
    return took


async def bench_callback(facebook: Facebook, folder: Path, silence: float) -> None:
    """Two round trips: a callback must take less than 2.5 × the delay."""
    delay = 0.150
    await facebook.delay(delay)
    async with service(settings_for(facebook, folder)) as browsers:
        browser = browsers()
        first = await callback_seconds(browser, 0.3)
        later = [await callback_seconds(browser, 0.1) for _ in range(5)]
        quiet = await callback_seconds(browser, silence)
    print(f"callback, delay {delay * 1000:.0f} ms on every answer of Facebook")
    print(f"  first login of the process   {first * 1000:6.0f} ms = {first / delay:.2f} trips")
    median = statistics.median(later)
    print(f"  later logins (median of 5)   {median * 1000:6.0f} ms = {median / delay:.2f} trips")
    print(
        f"  after {silence:.0f} s of silence    {quiet * 1000:6.0f} ms = {quiet / delay:.2f} trips"
    )


async def bench_cpu(facebook: Facebook, folder: Path, logins: int) -> None:
    """CPU of this process for one login, alone and sixteen at once."""
    await facebook.delay(0)
    async with service(settings_for(facebook, folder)) as browsers:
        await callback_seconds(browsers(), 0)
        print(f"logins without delay ({logins} each; CPU of service and browser together)")
        for at_once in (1, 16):
            cpu, wall = time.process_time(), time.perf_counter()
            limit = asyncio.Semaphore(at_once)

            async def one(limit: asyncio.Semaphore = limit) -> None:
                async with limit:
                    await callback_seconds(browsers(), 0)

            await asyncio.gather(*(one() for _ in range(logins)))
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            print(
                f"  {at_once:2d} at once  {cpu / logins * 1000:5.1f} ms CPU, {logins / wall:5.0f}/s"
            )


async def bench_listing(facebook: Facebook, folder: Path) -> None:
    """1,000 Pages known from granular scopes: sequential rounds; 10,000 by cursors: memory."""
    delay = 0.100
    async with service(settings_for(facebook, folder, accounts_max_age=0)) as browsers:
        browser = browsers()
        await facebook.delay(0)
        await browser.get(await consent(browser, "kim"))
        await browser.get(f"{BASE_URL}/me/instagram-accounts")
        await facebook.delay(delay)
        await facebook.forget_calls()
        began = time.perf_counter()
        answer = await browser.get(f"{BASE_URL}/me/instagram-accounts?refresh=true")
        took = time.perf_counter() - began
        body = answer.json()
        print(f"listing of {len(body['data'])} accounts known from granular scopes, delay 100 ms")
        calls, rounds = await facebook.calls()
        print(f"  {rounds} sequential rounds, {calls} calls and batch parts, {took * 1000:.0f} ms")
        await facebook.delay(0)
        await browser.get(await consent(browser, "lou"))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        answer = await browser.get(f"{BASE_URL}/me/instagram-accounts?refresh=true")
        took, peak = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        body = answer.json()
        print(f"listing of {len(body['data'])} accounts over cursors")
        print(f"  {took:.1f} s, complete: {body['meta']['complete']}")
        print(f"  peak memory {peak / 1024:.0f} MB ({(peak - before) / 1024:+.0f} MB by this)")


async def main(arguments: argparse.Namespace) -> None:
    """All of it, one after the other."""
    configure_logging("json", "ERROR")
    facebook = Facebook()
    try:
        await facebook.ready()
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            await asyncio.to_thread(
                migrations.upgrade, f"sqlite+aiosqlite:///{folder / 'bench.db'}"
            )
            await bench_callback(facebook, folder, arguments.silence)
            await bench_cpu(facebook, folder, arguments.logins)
            await bench_listing(facebook, folder)
    finally:
        facebook.stop()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--silence", type=float, default=20.0, help="seconds of quiet (20)")
    parser.add_argument("--logins", type=int, default=100, help="logins to average over (100)")
    asyncio.run(main(parser.parse_args()))
