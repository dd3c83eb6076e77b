"""`igauth …`, run in this process or in one of its own; what it said, and how it ended."""

import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import structlog

from igauth.cli import main as cli
from igauth.settings import RootKey, Settings
from tests.keys import KEY, key_line

BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 40
MARK = "sEkReTvAlUe"
APP_ID = "901234567890123"
APP_SECRET = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line of a failure: nothing on standard output, no traceback."""
        assert self.code != 0, self
        assert self.out == "", self
        (line,) = self.err.splitlines()
        return line


Command = Callable[..., Ended]


def run_here(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *arguments: str,
    **environment: str,
) -> Ended:
    """`igauth …` in this process, with these settings."""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "argv", ["igauth", *arguments])
        for name, value in environment.items():
            patch.setenv(name, value)
        with pytest.raises(SystemExit) as left:
            cli.main()
    for handler in logging.getLogger().handlers:
        handler.flush()
    said = capsys.readouterr()
    return Ended(int(left.value.code or 0), said.out, said.err)


@contextmanager
def logging_as_it_was() -> Iterator[None]:
    """A command sets logging up for its own process; here it is put back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    named = {name: logging.getLogger(name).level for name in ("igauth", "uvicorn.error")}
    try:
        yield
    finally:
        for handler in set(root.handlers) - set(handlers):
            handler.close()
        root.handlers[:], root.level = handlers, level
        for name, each in named.items():
            logging.getLogger(name).setLevel(each)
        structlog.reset_defaults()


def serving(database_url: str, *keys: RootKey, **more: str) -> dict[str, str]:
    """Variables with which `serve` is content."""
    return {
        "FACEBOOK_CLIENT_ID": APP_ID,
        "FACEBOOK_CLIENT_SECRET": APP_SECRET,
        "FRONTEND_URL": "http://localhost:5173/",
        "DATABASE_URL": database_url,
        "KEYS": ",".join(map(key_line, keys or (KEY,))),
        **more,
    }


@dataclass
class Service:
    """A process of our own that serves, and where its output goes."""

    process: "subprocess.Popen[bytes]"
    folder: Path
    log: Path

    def output(self) -> str:
        """All that it said."""
        return self.log.read_text("utf-8", "replace")

    def wait_until_ready(self, port: int, host: str = "127.0.0.1") -> None:
        """Until /readyz is 200; fails if the process ends before."""
        until(lambda: self._is_ready(host, port), "not ready", self.output)

    def ended_well(self) -> str:
        """Waits for the end that was asked for; returns all that was said."""
        code = self.process.wait(PATIENCE_SECONDS)
        said = self.output()
        assert code in (0, -signal.SIGTERM, 128 + signal.SIGTERM), said
        assert "Traceback" not in said
        return said

    def _is_ready(self, host: str, port: int) -> bool:
        assert self.process.poll() is None, self.output()
        try:
            return httpx.get(f"http://{host}:{port}/readyz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def running(
    environment: dict[str, str], program: str, *arguments: str, folder: Path | None = None
) -> Iterator[Service]:
    """A process for as long as the block runs, in an empty folder unless told."""
    folder = folder or Path.cwd() / f"run-{program}-{time.monotonic_ns()}"
    folder.mkdir(exist_ok=True)
    log = folder / "output.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [BIN / program, *arguments],
            cwd=folder,
            env=bare_environment() | environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Service(process, folder, log)
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)


def finished(program: str, *arguments: str, **environment: str) -> Ended:
    """The real entry point, run to its end."""
    done = subprocess.run(
        [BIN / program, *arguments],
        env=bare_environment() | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def bare_environment() -> dict[str, str]:
    """This process's, without any setting; prints come out at once."""
    names = {name.upper() for name in Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in names}
    return kept | {"PYTHONUNBUFFERED": "1"}


def until(
    condition: Callable[[], bool], complaint: str, more: Callable[[], str] = lambda: ""
) -> None:
    """Asks again and again, but not for ever."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, complaint + more()
        time.sleep(0.02)


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody does."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
