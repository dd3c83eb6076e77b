"""The stage: databases, the bench's Facebook and the service, each a process of its own."""

import json
import secrets
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.request import urlopen

from tests.postgres import PostgresServer, postgres_server

from benchmarks.graph_answers import APP_ID, APP_SECRET, SCOPES
from benchmarks.processes import ROOT, Child, child, free_port, run, wait_until_ready

KEYS: Final = f"bench:{secrets.token_urlsafe(32)}"
SQLITE: Final = "sqlite"
POSTGRES: Final = "postgres"


@dataclass(frozen=True, slots=True)
class Facebook:
    """The bench's Facebook while it runs."""

    port: int

    def calls(self, *, forget: bool = False) -> dict[str, int]:
        """Its Graph calls by endpoint."""
        calls: dict[str, int] = self._told(forget)["calls"]
        return calls

    def connections(self) -> int:
        """How many connections were opened since `calls(forget=True)`."""
        return int(self._told(forget=False)["connections"])

    def delay(self, milliseconds: float) -> None:
        """Every answer waits this long from now on."""
        self._ask(f"latency?ms={milliseconds}")

    def _told(self, forget: bool) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self._ask("calls?forget=1" if forget else "calls"))
        return told

    def _ask(self, what: str) -> bytes:
        with urlopen(f"http://127.0.0.1:{self.port}/_bench/{what}") as answer:  # ours
            body: bytes = answer.read()
            return body


@dataclass(frozen=True, slots=True)
class Service:
    """One igauth while it runs."""

    process: Child
    port: int
    facebook: Facebook
    environment: Mapping[str, str] = field(repr=False)
    ready_seconds: float


@dataclass(frozen=True)
class Stage:
    """What every row plays on. `source`: the checkout whose igauth is measured."""

    folder: Path
    source: Path
    facebook: Facebook
    postgres: PostgresServer | None
    _numbers: Iterator[int]

    @property
    def engines(self) -> tuple[str, ...]:
        """The databases that can be had here."""
        return (SQLITE, POSTGRES) if self.postgres else (SQLITE,)

    def new_database(self, engine: str) -> str:
        """The DATABASE_URL of an empty database at head."""
        name = f"bench{next(self._numbers)}"
        if engine == SQLITE:
            url = f"sqlite+aiosqlite:///{self.folder / name}.db"
        else:
            if self.postgres is None:
                raise SystemExit("PostgreSQL can't be had here")
            self.postgres.create_database(name)
            url = self.postgres.url(name)
        self.igauth("migrate", environment=self.environment(0, url))
        return url

    def environment(self, port: int, database_url: str, **more: str) -> dict[str, str]:
        """Settings as an operator would have them, but for the limits and for Facebook."""
        facebook = f"http://127.0.0.1:{self.facebook.port}"
        return {
            "BASE_URL": f"http://localhost:{port or 8000}",
            "FRONTEND_URL": f"http://localhost:{port or 8000}/",
            "FACEBOOK_CLIENT_ID": APP_ID,
            "FACEBOOK_CLIENT_SECRET": APP_SECRET,
            "FACEBOOK_SCOPES": ",".join(SCOPES),
            "FACEBOOK_GRAPH_URL": facebook,
            "FACEBOOK_DIALOG_URL": facebook,
            "ALLOW_FAKE_FACEBOOK": "true",
            "KEYS": KEYS,
            "DATABASE_URL": database_url,
            "TRUSTED_PROXIES": "127.0.0.1",
            "RATE_LIMIT_LOGIN": "1000000/minute",
            "RATE_LIMIT_REFRESH": "1000000/minute",
            "ACCOUNTS_MAX_AGE": "3600",
            "PYTHONPATH": f"{self.source / 'src'}:{ROOT}",
            **more,
        }

    def igauth(self, *arguments: str, environment: Mapping[str, str]) -> str:
        """What a command of igauth prints."""
        return run(
            [sys.executable, "-m", "igauth", *arguments],
            folder=self.folder,
            environment=environment,
        )

    @contextmanager
    def serving(self, database_url: str, **more: str) -> Iterator[Service]:
        """`igauth serve` on this database."""
        port = free_port()
        environment = self.environment(port, database_url, **more)
        command = [sys.executable, "-m", "igauth", "serve", "--port", str(port)]
        with child(command, folder=self.folder, environment=environment) as process:
            seconds = wait_until_ready(process, port, "/healthz")
            yield Service(process, port, self.facebook, environment, seconds)

    @contextmanager
    def app(self, factory: str, database_url: str, **more: str) -> Iterator[Service]:
        """An application of `benchmarks`, by uvicorn with the options that `igauth serve` has."""
        port = free_port()
        environment = self.environment(port, database_url, **more)
        command = [sys.executable, "-m", "benchmarks.uvicorn_runner", str(port), factory]
        with child(command, folder=self.folder, environment=environment) as process:
            seconds = wait_until_ready(process, port, "/healthz")
            yield Service(process, port, self.facebook, environment, seconds)


@contextmanager
def open_stage(source: Path = ROOT) -> Iterator[Stage]:
    """Starts Facebook and PostgreSQL, in a folder that goes when the block ends."""
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="igauth-bench-")))
        postgres = opened.enter_context(postgres_server())
        port = free_port()
        command = [sys.executable, "-m", "benchmarks.fake_facebook", "--port", str(port)]
        process = opened.enter_context(child(command, folder=folder))
        wait_until_ready(process, port, "/_bench/calls")
        yield Stage(folder, source.resolve(), Facebook(port), postgres, iter(range(1_000_000)))
