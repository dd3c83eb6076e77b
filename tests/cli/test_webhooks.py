"""`igauth webhooks …` (contract §12, Commands)."""

import json
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import httpx
import pytest
from standardwebhooks import Webhook

from tests.cli.commands import Command, free_port, listens, running, serving, until
from tests.cli.rows import log_ada_in
from tests.keys import KEY

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class Hook(BaseHTTPRequestHandler):
    """A receiver that answers with a status, and keeps what came."""

    status: ClassVar[int] = 204
    got: ClassVar[list[tuple[dict[str, str], bytes]]] = []

    def do_POST(self) -> None:
        """One message."""
        body = self.rfile.read(int(self.headers["content-length"]))
        self.got.append((dict(self.headers), body))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_add_prints_the_secret_alone_and_list_knows_the_endpoint(
    command: Command, database_url: str
) -> None:
    """One line on stdout; `list --json` has id, url, events, status, oldest_pending_seconds."""
    settings = serving(database_url)
    added = command(
        "webhooks",
        "add",
        "https://hooks.example.com/in",
        "--events",
        "connection.created,accounts.changed",
        **settings,
    )
    (found,) = json.loads(command("webhooks", "list", "--json", **settings).out)["data"]
    rotated = command("webhooks", "rotate", found["id"], **settings)
    table = command("webhooks", "list", **settings).out

    assert (added.code, rotated.code) == (0, 0)
    (secret,), (other,) = added.out.splitlines(), rotated.out.splitlines()
    assert secret.startswith("whsec_")
    assert other.startswith("whsec_")
    assert secret != other
    assert found["url"] == "https://hooks.example.com/in"
    assert found["events"] == ["connection.created", "accounts.changed"]
    assert (found["status"], found["oldest_pending_seconds"]) == ("enabled", None)
    assert found["id"] in table
    assert "whsec_" not in table


@pytest.mark.parametrize(
    "arguments",
    [
        ("add", "https://user:pw@hooks.example.com/in"),
        ("add", "http://hooks.example.com/in"),
        ("add", "https://127.0.0.1/in"),
        ("add", "https://hooks.example.com/in", "--events", "connection.created,nonsense"),
        ("add", "https://hooks.example.com/in", "--events", "webhook.test"),
        ("add", "https://hooks.example.com/in", "--events", ""),
        ("add",),
        ("test", "we_unknown"),
        ("rotate", "we_unknown"),
        ("enable", "we_unknown"),
        ("remove", "we_unknown"),
        ("replay", "we_unknown", "--since", "2d"),
        ("replay", "we_unknown"),
        ("replay", "we_unknown", "--since", "soon"),
    ],
)
def test_bad_input_is_one_clear_line(
    command: Command, sqlite_url: str, arguments: tuple[str, ...]
) -> None:
    """Non-zero, nothing on stdout, and no secret of a URL said again."""
    ended = command("webhooks", *arguments, **serving(sqlite_url))

    assert "user:pw" not in ended.complaint


def test_test_exits_0_only_on_2xx(command: Command, sqlite_url: str) -> None:
    """Over a real socket, to a host that the setting names."""
    server = HTTPServer(("127.0.0.1", 0), Hook)
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/in"
    settings = serving(sqlite_url, WEBHOOK_ALLOWED_HOSTS="127.0.0.1")
    with closing(server.socket):
        secret = command("webhooks", "add", url, **settings).out.strip()
        (found,) = json.loads(command("webhooks", "list", "--json", **settings).out)["data"]
        codes = {}
        for status in (200, 204, 301, 400, 410, 500):
            Hook.status = status
            codes[status] = command("webhooks", "test", found["id"], **settings).code
        server.shutdown()
    headers, body = Hook.got[0]

    assert {status: code == 0 for status, code in codes.items()} == {
        200: True,
        204: True,
        301: False,
        400: False,
        410: False,
        500: False,
    }
    assert Webhook(secret).verify(body, headers)["type"] == "webhook.test"


def test_replay_queues_what_happened(command: Command, database_url: str) -> None:
    """`--since` and `--failed`; then `remove`, and it is gone."""
    settings = serving(database_url)
    log_ada_in(database_url, KEY)
    command("webhooks", "add", "https://hooks.example.com/in", **settings)
    (found,) = json.loads(command("webhooks", "list", "--json", **settings).out)["data"]
    replayed = command("webhooks", "replay", found["id"], "--since", "9000d", **settings)
    failed = command("webhooks", "replay", found["id"], "--since", "9000d", "--failed", **settings)
    (waits,) = json.loads(command("webhooks", "list", "--json", **settings).out)["data"]
    enabled = command("webhooks", "enable", found["id"], **settings)
    removed = command("webhooks", "remove", found["id"], **settings)

    assert (replayed.out, failed.out) == ("queued 1\n", "queued 0\n")
    assert waits["oldest_pending_seconds"] is not None
    assert (enabled.out, removed.out) == ("enabled\n", "removed\n")
    assert json.loads(command("webhooks", "list", "--json", **settings).out)["data"] == []


def test_listen_verifies_and_prints(tmp_path: Path) -> None:
    """One JSON line for what is signed; 400 and nothing for all else."""
    secret_file = tmp_path / "secret"
    secret_file.write_text(f"{SECRET}\n")
    port = free_port()
    arguments = ("listen", "--port", str(port), "--secret-file", str(secret_file))
    now, body = datetime.now(UTC), '{"type":"webhook.test","data":{}}'
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRET).sign("msg_1", now, body),
    }
    with running({}, "igauth", "webhooks", *arguments, folder=tmp_path) as service:
        until(lambda: listens(port), "nobody listens", service.output)
        url = f"http://127.0.0.1:{port}/"
        good = httpx.post(url, content=body, headers=headers, trust_env=False)
        bad = httpx.post(url, content=body + " ", headers=headers, trust_env=False)
        bare = httpx.post(url, content=body, trust_env=False)
        until(lambda: "webhook.test" in service.output(), "nothing printed", service.output)
        said = service.output()

    assert (good.status_code, bad.status_code, bare.status_code) == (204, 400, 400)
    assert [json.loads(line) for line in said.splitlines() if line.startswith("{")] == [
        json.loads(body)
    ]


@pytest.mark.parametrize("text", ["", "whsec_", "secret", "whsec_!!!"])
def test_listen_refuses_what_is_no_secret(command: Command, tmp_path: Path, text: str) -> None:
    """One line, without the file's text."""
    secret_file = tmp_path / "secret"
    secret_file.write_text(text)
    ended = command("webhooks", "listen", "--port", "1", "--secret-file", str(secret_file))

    assert "whsec_… secret" in ended.complaint
