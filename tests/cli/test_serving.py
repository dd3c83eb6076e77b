"""`igauth serve`, `healthcheck`, `openapi`, in processes of their own (contract §1, §9)."""

import http.server
import json
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.cli.commands import (
    APP_SECRET,
    BIN,
    PATIENCE_SECONDS,
    Command,
    bare_environment,
    free_port,
    listens,
    running,
    serving,
    until,
)
from tests.keys import KEY, key_line

# --- openapi ---


def test_openapi_prints_the_document(command: Command) -> None:
    """Needs no configuration and no database; every operation has a name, a tag and a sentence."""
    ended = command("openapi")
    document = json.loads(ended.out)
    operations = [each for path in document["paths"].values() for each in path.values()]
    names = [each["operationId"] for each in operations]

    assert (ended.code, ended.err) == (0, "")
    assert len(names) == len(set(names)) > 20
    assert all(re.fullmatch(r"[a-z_]+", name) for name in names)
    assert all(each["tags"] and each["summary"] for each in operations)
    assert list(Path.cwd().iterdir()) == []


# --- healthcheck ---


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 0, "ready\n"),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 1, "igauth: not ready: 503\n"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", 1, None),
        (b"", 1, None),
    ],
    ids=["ready", "not ready", "not HTTP", "hangs up"],
)
def test_healthcheck_asks_readyz(
    command: Command, answer: bytes, code: int, said: str | None
) -> None:
    """200 and nothing else is healthy; anything else is one line and non-zero."""
    with answering(answer) as (port, heard):
        ended = command("healthcheck", "--port", str(port))

    assert heard[0].startswith(b"GET /readyz HTTP/1.1\r\n")
    assert ended.code == code
    assert said is None or ended.out + ended.err == said
    assert code == 0 or ended.complaint


def test_healthcheck_of_nothing_fails(command: Command) -> None:
    """Nobody listens."""
    assert "nothing" in command("healthcheck", "--port", str(free_port())).complaint


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_healthcheck_asks_the_address_that_is_served(command: Command, host: str) -> None:
    """`serve --host ::` listens on ::1 alone (defect B27)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with _answering_at(family, host, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}") as port:
        asked = command("healthcheck", "--port", str(port))
        named = command("healthcheck", "--host", host, "--port", str(port))

    assert (asked.code, named.code) == (0, 0)


@contextmanager
def _answering_at(family: socket.AddressFamily, host: str, answer: bytes) -> Iterator[int]:
    """A server that answers two connections."""
    with socket.create_server((host, 0), family=family) as server:
        server.settimeout(PATIENCE_SECONDS)

        def answer_twice() -> None:
            for _ in range(2):
                connection, _address = server.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(answer)

        thread = threading.Thread(target=answer_twice)
        thread.start()
        yield int(server.getsockname()[1])
        thread.join(PATIENCE_SECONDS)


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers one connection with these bytes, and hangs up."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_SECONDS)

        def answer_once() -> None:
            connection, _ = server.accept()
            with connection:
                heard.append(connection.recv(4096))
                connection.sendall(answer)

        thread = threading.Thread(target=answer_once)
        thread.start()
        yield int(server.getsockname()[1]), heard
        thread.join(PATIENCE_SECONDS)


# --- serving for real ---


def test_serve_serves_and_finishes_what_is_in_flight(command: Command, tmp_path: Path) -> None:
    """Ready, healthy; told to stop in mid-login, it closes the door, answers, and ends well."""
    port = free_port()
    with _Stalling() as facebook:
        environment = serving(
            f"sqlite:///{tmp_path}/serve.db",
            BASE_URL=f"http://localhost:{port}",
            ALLOW_FAKE_FACEBOOK="true",
            FACEBOOK_GRAPH_URL=facebook.url,
            LOG_LEVEL="DEBUG",
        )
        assert command("migrate", **environment).code == 0
        with running(environment, "igauth", "serve", "--port", str(port)) as service:
            service.wait_until_ready(port)
            assert command("healthcheck", "--port", str(port)).out == "ready\n"
            answer: list[httpx.Response] = []
            with httpx.Client(
                base_url=f"http://localhost:{port}", trust_env=False, timeout=PATIENCE_SECONDS
            ) as browser:
                started = browser.get("/auth/facebook")
                query = parse_qs(urlsplit(started.headers["location"]).query)
                callback = {"code": "cAnArYcode", "state": query["state"][0]}
                login = threading.Thread(
                    target=lambda: answer.append(
                        browser.get("/auth/facebook/callback", params=callback)
                    )
                )
                login.start()
                assert facebook.asked.wait(PATIENCE_SECONDS)
                service.process.send_signal(signal.SIGTERM)
                until(lambda: not listens(port), "the listener is still open")
                facebook.go_on.set()
                login.join(PATIENCE_SECONDS)
            said = service.ended_well()

    (redirect,) = answer
    assert redirect.status_code == 303
    assert parse_qs(urlsplit(redirect.headers["location"]).query)["error"] == ["code_rejected"]
    assert "/auth/facebook/callback" in said
    for secret in ("cAnArYcode", query["state"][0], APP_SECRET, key_line(KEY)[3:]):
        assert secret not in said


def test_uvicorn_serves_the_factory_without_printing_a_code(
    command: Command, tmp_path: Path
) -> None:
    """`uvicorn --factory igauth.app:create_app`, even at its loudest."""
    port = free_port()
    environment = serving(f"sqlite:///{tmp_path}/factory.db", LOG_LEVEL="DEBUG")
    assert command("migrate", **environment).code == 0
    arguments = ["--factory", "igauth.app:create_app", "--log-level", "trace", "--port", str(port)]
    with running(environment, "uvicorn", *arguments) as service:
        service.wait_until_ready(port)
        with httpx.Client(base_url=f"http://localhost:{port}", trust_env=False) as browser:
            state = parse_qs(urlsplit(browser.get("/auth/facebook").headers["location"]).query)[
                "state"
            ][0]
            cookies = dict(browser.cookies)
            for query in (f"code=cAnArYcode&state={state}x", "code=cAnArYcode&state="):
                answer = browser.get(f"/auth/facebook/callback?{query}")
                assert answer.status_code == 303
        service.process.send_signal(signal.SIGTERM)
        said = service.ended_well()

    assert '"route": "/auth/facebook/callback"' in said
    for secret in ("cAnArYcode", state, *cookies.values()):
        assert secret not in said


def test_a_log_that_nobody_reads_stops_nothing(command: Command, tmp_path: Path) -> None:
    """Standard error is a pipe, full since the 300th request: the 900th is answered (C6)."""
    port = free_port()
    environment = serving(f"sqlite:///{tmp_path}/serve.db", LOG_FORMAT="json")
    assert command("migrate", **environment).code == 0
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [BIN / "igauth", "serve", "--port", str(port)],
        cwd=tmp_path,
        env=bare_environment() | environment,
        stdout=subprocess.DEVNULL,
        stderr=writing,
    )
    os.close(writing)
    try:
        until(lambda: listens(port), "not listening")
        with httpx.Client(
            base_url=f"http://localhost:{port}", trust_env=False, timeout=PATIENCE_SECONDS
        ) as browser:
            statuses = {browser.get(f"/{'x' * 200}").status_code for _ in range(900)}
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)
        os.close(reading)

    assert statuses == {404}


def test_serve_warns_at_its_start(command: Command, tmp_path: Path) -> None:
    """What doctor warns of, once, in the log; it serves all the same (defects B4, B11)."""
    port = free_port()
    environment = serving(
        f"sqlite:///{tmp_path}/serve.db",
        FRONTEND_URL="http://127.0.0.1:5173/",
        SESION_MAX_DAYS="3",
        LOG_FORMAT="json",
    )
    assert command("migrate", **environment).code == 0
    with running(environment, "igauth", "serve", "--port", str(port)) as service:
        service.wait_until_ready(port)
        service.process.send_signal(signal.SIGTERM)
        said = service.ended_well()

    warnings = [json.loads(line) for line in said.splitlines() if '"start.warning"' in line]
    assert [each["about"] for each in warnings] == ["settings", "front end"]
    assert "SESSION_MAX_DAYS" in warnings[0]["text"]


@pytest.mark.parametrize("host", ["::", "::1"])
def test_serve_on_ipv6_is_healthy(command: Command, tmp_path: Path, host: str) -> None:
    """The image's health check finds it, too (defect B27)."""
    port = free_port()
    environment = serving(f"sqlite:///{tmp_path}/serve.db")
    assert command("migrate", **environment).code == 0
    with running(environment, "igauth", "serve", "--host", host, "--port", str(port)) as service:
        service.wait_until_ready(port, "[::1]")
        assert command("healthcheck", "--port", str(port)).out == "ready\n"
        service.process.send_signal(signal.SIGTERM)
        service.ended_well()


def test_serve_raises_its_limit_of_open_files(command: Command, tmp_path: Path) -> None:
    """A soft limit of 256 becomes what the hard one allows (defect C23)."""
    port = free_port()
    environment = serving(f"sqlite:///{tmp_path}/serve.db")
    assert command("migrate", **environment).code == 0
    limited = ["-c", f"ulimit -Sn 256; exec {BIN / 'igauth'} serve --port {port}"]
    with running(environment, "/bin/sh", *limited, folder=tmp_path) as service:
        service.wait_until_ready(port)
        limits = Path(f"/proc/{service.process.pid}/limits")
        soft, hard = _open_files(limits) if limits.exists() else (4096, 4096)
        service.process.send_signal(signal.SIGTERM)
        service.ended_well()

    assert soft == min(hard, 65_536) > 256


def _open_files(limits: Path) -> tuple[int, int]:
    (line,) = re.findall(r"^Max open files +(\d+) +(\d+)", limits.read_text(), re.M)
    return int(line[0]), int(line[1])


class _Stalling:
    """A Facebook that keeps the code exchange waiting until told, and then rejects the code."""

    def __init__(self) -> None:
        self.asked, self.go_on = threading.Event(), threading.Event()
        stalling = self

        class Handler(http.server.BaseHTTPRequestHandler):
            """Every request is the exchange."""

            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", "0")))
                stalling.asked.set()
                stalling.go_on.wait(PATIENCE_SECONDS)
                error = {"message": "This authorization code has been used.", "code": 100}
                body = json.dumps({"error": error | {"error_subcode": 36009}}).encode()
                self.send_response(400)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Says nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "_Stalling":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE_SECONDS)
