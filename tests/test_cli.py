"""The commands (contract §1): what each prints, how each ends, and what it never shows.

Most run `main()` in this process; those that serve, and the exit codes of the real entry point,
run in processes of their own.
"""

import asyncio
import base64
import http.server
import json
import logging
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
import structlog
from sqlalchemy import text

from igauth import settings as settings_module
from igauth.cli import main as cli
from igauth.security.keyring import KeyRing
from igauth.security.sealing import Place, Sealer
from igauth.settings import RootKey, Settings, load
from igauth.store import connections, migrations
from igauth.store import sealed as sealed_store
from igauth.store.database import Database
from tests.stage import KEY, OLDER_KEY
from tests.store.rows import NOW, add_connection, add_person

Result = TypeVar("Result")
BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 40
MARK = "sEkReTvAlUe"
APP_ID = "901234567890123"
APP_SECRET = "0123456789abcdef0123456789abcdef"
COMMANDS = [
    *(["dev"], ["serve"], ["migrate"], ["sandbox"], ["doctor"], ["renew"], ["erase"]),
    *(["status"], ["healthcheck"], ["openapi"], ["keys", "new"], ["keys", "rotate"]),
]


def key_line(key: RootKey) -> str:
    """A key as KEYS wants it."""
    return f"{key.kid}:{base64.urlsafe_b64encode(key.secret).decode()}"


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


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Command]:
    """Runs `igauth …` in this process, in an empty folder, with only these settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings_module, "SECRETS_DIR", tmp_path / "secrets")
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)

    def run(*arguments: str, **environment: str) -> Ended:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["igauth", *arguments])
            for name, value in environment.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as left:
                cli.main()
        said = capsys.readouterr()
        return Ended(int(left.value.code or 0), said.out, said.err)

    with logging_as_it_was():
        yield run


@contextmanager
def logging_as_it_was() -> Iterator[None]:
    """A command sets logging up for its own process; here it is put back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    named = {name: logging.getLogger(name).level for name in ("igauth", "uvicorn.error")}
    try:
        yield
    finally:
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


# --- the command line ---


@pytest.mark.parametrize("name", COMMANDS, ids=" ".join)
def test_every_command_has_help(command: Command, name: list[str]) -> None:
    """`--help` says what a command does, and changes nothing."""
    ended = command(*name, "--help")

    assert (ended.code, ended.err) == (0, "")
    assert re.match(rf"Usage: .*igauth {' '.join(name)} ", ended.out)
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        *([], ["nonsense"], ["--nonsense"], ["serve", "--nonsense"], ["migrate", "now"]),
        *(["keys"], ["keys", "nonsense"], ["keys", "new", "more"], ["renew", "--everything"]),
        *(["serve", "--port", "x"], ["serve", "--port", "0"], ["serve", "--port", "65536"]),
        *(["dev", "--port"], ["sandbox", "--port", "-1"], ["healthcheck", "--port", "8e3"]),
        *(["erase"], ["erase", "--facebook-user-id", ""], ["serve", "--reload"]),
    ],
    ids=lambda each: " ".join(each) or "nothing",
)
def test_a_bad_command_line_is_one_clear_line(command: Command, arguments: list[str]) -> None:
    """Exit 2, one line on standard error, no traceback, nothing done."""
    database = f"sqlite:///{Path.cwd()}/x.db"
    ended = command(*arguments, **serving(database))

    assert ended.code == 2
    assert re.match(r"igauth: .{8,}", ended.complaint)
    assert list(Path.cwd().iterdir()) == []


def test_a_bad_user_id_is_refused_without_being_repeated(command: Command) -> None:
    """What isn't an app-scoped id reaches no database."""
    ended = command("erase", "--facebook-user-id", f"{MARK} \n")

    assert MARK not in ended.complaint


# --- keys, openapi, migrate ---


def test_keys_new_prints_a_line_for_keys(command: Command) -> None:
    """One line that the setting accepts, another each time."""
    first, second = command("keys", "new"), command("keys", "new")
    keys = [load(Settings, keys=each.out).keys for each in (first, second)]

    assert [(each.code, each.err, len(each.out.splitlines())) for each in (first, second)] == [
        (0, "", 1)
    ] * 2
    assert len({key.secret for (key,) in keys}) == len({key.kid for (key,) in keys}) == 2


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


def test_migrate_brings_a_new_database_to_head(command: Command) -> None:
    """Twice is once; the plain URL is mapped."""
    for _ in range(2):
        ended = command("migrate", DATABASE_URL="sqlite:///new.db")
        assert (ended.code, ended.err) == (0, "")
        assert migrations.head_revision() in ended.out

    migrations.check("sqlite+aiosqlite:///new.db")


def test_migrate_needs_no_other_setting_but_refuses_bad_ones(command: Command) -> None:
    """Exit 3 and a line for each fault."""
    ended = command("migrate", DATABASE_URL=f"mysql://u:{MARK}@h/d", BASE_URL=MARK)

    assert ended.code == 3
    assert [line.split(":")[0] for line in ended.err.splitlines()] == ["BASE_URL", "DATABASE_URL"]
    assert MARK not in ended.err


@pytest.mark.parametrize("name", ["migrate", "status", "renew"])
def test_an_absent_database_is_one_line_without_its_password(command: Command, name: str) -> None:
    """The port is closed: non-zero, no traceback, no password."""
    ended = command(name, **serving(f"postgresql://u:{MARK}@127.0.0.1:1/d"))

    assert "database" in ended.complaint
    assert MARK not in ended.err


def test_migrate_leaves_a_newer_database_alone(command: Command, database_url: str) -> None:
    """An older program doesn't touch what it doesn't know."""
    _set_revision(database_url, "20991231_tomorrow")

    assert "newer program" in command("migrate", DATABASE_URL=database_url).complaint
    assert _revision(database_url) == "20991231_tomorrow"


# --- serve refuses ---


def test_serve_names_each_missing_setting() -> None:
    """The real entry point: exit 3, one line for each, in one go."""
    ended = _finished("igauth", "serve")

    assert ended.code == 3
    assert ended.out == ""
    assert ended.err.splitlines() == [
        "FACEBOOK_CLIENT_ID: is required",
        "FACEBOOK_CLIENT_SECRET: is required",
        "FRONTEND_URL: is required unless EXAMPLE_APP is true",
        "KEYS: is required",
    ]


def test_serve_shows_no_value_of_what_it_refuses(command: Command) -> None:
    """Names and reasons only."""
    ended = command(
        "serve",
        **serving(
            f"postgresql://u:p@h:{MARK}/d",
            BASE_URL=f"http://localhost:{MARK}",
            KEYS=f"k1:{MARK}",
            FACEBOOK_CLIENT_ID=MARK,
        ),
    )

    assert ended.code == 3
    assert [line.split(":")[0] for line in ended.err.splitlines()] == [
        *("BASE_URL", "FACEBOOK_CLIENT_ID", "DATABASE_URL", "KEYS"),
    ]
    assert MARK not in ended.err


def test_serve_refuses_a_database_that_is_behind(command: Command) -> None:
    """Never migrated: the line names the command that mends it."""
    ended = command("serve", **serving("sqlite:///never.db"))

    assert (ended.code, ended.complaint) == (
        3,
        "DATABASE_URL: the database is behind this program; run: igauth migrate",
    )


def test_serve_refuses_a_database_that_is_ahead(command: Command, database_url: str) -> None:
    """A newer program was here: that is said, and the command is named, too."""
    _set_revision(database_url, "20991231_tomorrow")
    ended = command("serve", **serving(database_url))

    assert ended.code == 3
    assert "newer program" in ended.complaint
    assert "igauth migrate" in ended.complaint


def test_serve_refuses_an_absent_database(command: Command) -> None:
    """One clear line in place of a traceback."""
    ended = command("serve", **serving(f"postgresql://u:{MARK}@127.0.0.1:1/d"))

    assert (ended.code, ended.complaint) == (3, "DATABASE_URL: the database does not answer")


def test_serve_refuses_a_known_key_id_with_other_bytes(command: Command, database_url: str) -> None:
    """The database remembers a check value of every key: a mixed-up ring is named by its id."""
    assert command("status", **serving(database_url)).code == 0
    wrong = RootKey("k1", OLDER_KEY.secret)
    ended = command("serve", **serving(database_url, RootKey("k2", KEY.secret), wrong))

    assert ended.code == 3
    assert re.match(r"KEYS: key id k1 has other bytes", ended.complaint)
    _shows_no_key(ended)


def test_serve_refuses_a_ring_that_lacks_a_needed_key(command: Command, database_url: str) -> None:
    """A stored token lies under k0: without it the start is refused, with its id."""
    _add_person_with_token(database_url, OLDER_KEY)
    ended = command("serve", **serving(database_url, KEY))

    assert ended.code == 3
    assert re.match(r"KEYS: key id k0 is missing", ended.complaint)
    _shows_no_key(ended)


# --- what works on the database ---


def test_keys_rotate_frees_the_older_key(command: Command, database_url: str) -> None:
    """Re-sealed under the newest; then the older id may leave the ring."""
    _add_person_with_token(database_url, OLDER_KEY)
    rotated = command("keys", "rotate", **serving(database_url, KEY, OLDER_KEY))

    assert rotated.code == 0
    assert "re-sealed 1, unreadable 0, dropped 0" in rotated.out
    assert re.search(r"no readable row uses any more: k0$", rotated.out, re.M)
    assert command("status", **serving(database_url, KEY)).code == 0


@pytest.mark.parametrize(("options", "dropped"), [((), 0), (("--drop-unreadable",), 1)])
def test_a_lost_key_is_mended_by_keys_rotate(
    command: Command, database_url: str, options: tuple[str, ...], dropped: int
) -> None:
    """What lies under a key that is gone holds no key back: counted, marked, then it serves."""
    _add_person_with_token(database_url, OLDER_KEY)
    assert command("status", **serving(database_url, KEY)).code == 3
    rotated = command("keys", "rotate", *options, **serving(database_url, KEY))

    assert f"re-sealed 0, unreadable 1, dropped {dropped}" in rotated.out
    assert command("status", **serving(database_url, KEY)).code == 0


def test_status_counts_and_erase_deletes(command: Command, database_url: str) -> None:
    """A person is counted, erased by hand, and gone; a second time there is nothing."""
    settings = serving(database_url)
    _add_person_with_token(database_url, KEY)
    before = command("status", **settings).out
    erased = command("erase", "--facebook-user-id", "1001", **settings)
    again = command("erase", "--facebook-user-id", "1001", **settings)
    after = command("status", **settings).out

    assert "people: 1\n" in before
    assert "connections active: 1\n" in before
    assert (erased.code, erased.out) == (0, "erased\n")
    assert (again.code, again.out) == (0, "nothing stored about this person\n")
    assert "people: 0\n" in after
    assert "connections active: 1" not in after


def test_renew_with_nothing_to_do_asks_nobody(command: Command, database_url: str) -> None:
    """One sweep over an empty database."""
    ended = command("renew", **serving(database_url))

    assert (ended.code, ended.out) == (0, "checked 0, postponed 0, revoked 0, pruned 0\n")


def test_doctor_tells_what_is_missing(command: Command) -> None:
    """Exit 1 and a line for each fault, without values."""
    ended = command("doctor", FACEBOOK_CLIENT_ID=MARK)

    assert ended.code == 1
    assert ended.out.count("NOT WELL") == 4
    assert MARK not in ended.out + ended.err


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
    with _answering(answer) as (port, heard):
        ended = command("healthcheck", "--port", str(port))

    assert heard[0].startswith(b"GET /readyz HTTP/1.1\r\n")
    assert ended.code == code
    assert said is None or ended.out + ended.err == said
    assert code == 0 or ended.complaint


def test_healthcheck_of_nothing_fails(command: Command) -> None:
    """Nobody listens."""
    assert "nothing" in command("healthcheck", "--port", str(_free_port())).complaint


# --- serving for real ---


def test_help_lists_every_command(command: Command) -> None:
    """All of the contract's, and no other."""
    ended = command("--help")

    assert (ended.code, ended.err) == (0, "")
    listed = re.findall(r"^  (\w+)  ", ended.out, re.M)
    assert {"keys", *(name for (name, *_) in COMMANDS)} == set(listed)


def test_serve_serves_and_finishes_what_is_in_flight(command: Command, tmp_path: Path) -> None:
    """Ready, healthy; told to stop in mid-login, it closes the door, answers, and ends well."""
    port = _free_port()
    with _Stalling() as facebook:
        environment = serving(
            f"sqlite:///{tmp_path}/serve.db",
            BASE_URL=f"http://localhost:{port}",
            ALLOW_FAKE_FACEBOOK="true",
            FACEBOOK_GRAPH_URL=facebook.url,
            LOG_LEVEL="DEBUG",
        )
        assert command("migrate", **environment).code == 0
        with _running(environment, "igauth", "serve", "--port", str(port)) as service:
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
                _until(lambda: not _listens(port), "the listener is still open")
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
    port = _free_port()
    environment = serving(f"sqlite:///{tmp_path}/factory.db", LOG_LEVEL="DEBUG")
    assert command("migrate", **environment).code == 0
    arguments = ["--factory", "igauth.app:create_app", "--log-level", "trace", "--port", str(port)]
    with _running(environment, "uvicorn", *arguments) as service:
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


def test_dev_needs_nothing_and_remembers(tmp_path: Path) -> None:
    """Prints its address, logs a person in; after a restart session and token are still there."""
    port = _free_port()
    base_url, start = f"http://localhost:{port}", ("igauth", "dev", "--port", str(port))
    with (
        _running({"KEYS": MARK, "DATABASE_URL": MARK}, *start) as service,
        httpx.Client(base_url=base_url, trust_env=False) as browser,
    ):
        service.wait_until_ready(port)
        assert base_url in service.output()
        dialog = browser.get("/auth/facebook").headers["location"]
        consent = browser.post(dialog, data={"person": "ada", "decision": "continue"})
        ended = browser.get(consent.headers["location"].partition("#")[0])
        assert (ended.status_code, ended.headers["location"]) == (303, f"{base_url}/")
        accounts = browser.get("/me/instagram-accounts").json()
        assert accounts["data"]
        jar = dict(browser.cookies)
        folder = service.folder
        service.process.send_signal(signal.SIGTERM)
        service.ended_well()

    keys = folder / ".igauth" / "keys"
    line = keys.read_text()
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.parent.stat().st_mode) == 0o700
    assert _stored_token(folder / ".igauth" / "igauth.db", line).startswith("EAA")
    with (
        _running({}, *start, folder=folder) as service,
        httpx.Client(base_url=base_url, trust_env=False, cookies=jar) as browser,
    ):
        service.wait_until_ready(port)
        session = browser.get("/auth/session").json()
        connection = browser.get("/me/connections").json()["data"][0]
        again = browser.get("/me/instagram-accounts", params={"refresh": "true"}).json()
        service.process.send_signal(signal.SIGTERM)
        service.ended_well()

    assert session["authenticated"] is True
    assert connection["status"] == "active"
    assert [each["id"] for each in again["data"]] == [each["id"] for each in accounts["data"]]
    assert keys.read_text() == line


# --- helpers ---


@dataclass
class _Service:
    """A process of our own that serves, and where its output goes."""

    process: "subprocess.Popen[bytes]"
    folder: Path
    log: Path

    def output(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def wait_until_ready(self, port: int) -> None:
        _until(lambda: self._is_ready(port), "not ready", self.output)

    def ended_well(self) -> str:
        """Waits for the end that was asked for; returns all that was said."""
        code = self.process.wait(PATIENCE_SECONDS)
        said = self.output()
        assert code in (0, -signal.SIGTERM, 128 + signal.SIGTERM), said
        assert "Traceback" not in said
        return said

    def _is_ready(self, port: int) -> bool:
        assert self.process.poll() is None, self.output()
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def _running(
    environment: dict[str, str], program: str, *arguments: str, folder: Path | None = None
) -> Iterator[_Service]:
    """A process for as long as the block runs, in an empty folder unless told."""
    folder = folder or Path.cwd() / f"run-{program}-{time.monotonic_ns()}"
    folder.mkdir(exist_ok=True)
    log = folder / "output.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [BIN / program, *arguments],
            cwd=folder,
            env=_bare_environment() | environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        yield _Service(process, folder, log)
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)


def _finished(program: str, *arguments: str, **environment: str) -> Ended:
    done = subprocess.run(
        [BIN / program, *arguments],
        env=_bare_environment() | environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def _bare_environment() -> dict[str, str]:
    """This process's, without any setting; prints come out at once."""
    names = {name.upper() for name in Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name.upper() not in names}
    return kept | {"PYTHONUNBUFFERED": "1"}


def _until(
    condition: Callable[[], bool], complaint: str, more: Callable[[], str] = lambda: ""
) -> None:
    """Asks again and again, but not for ever."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, complaint + more()
        time.sleep(0.02)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _answering(answer: bytes) -> Iterator[tuple[int, list[bytes]]]:
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


def _shows_no_key(ended: Ended) -> None:
    for key in (KEY, OLDER_KEY):
        assert key_line(key).split(":")[1][:8] not in ended.out + ended.err


def _set_revision(database_url: str, revision: str) -> None:
    async def work(database: Database) -> None:
        async with database.transaction() as tx:
            await tx.execute(
                text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision}
            )

    _with_database(database_url, work)


def _revision(database_url: str) -> str | None:
    return _with_database(database_url, migrations.current_revision)


def _add_person_with_token(database_url: str, key: RootKey) -> None:
    """A person, app-scoped id 1001, whose token is sealed under this key."""

    async def work(database: Database) -> None:
        person = await add_person(database, "1001")
        async with database.transaction() as tx:
            row = await connections.reserve(tx, person, NOW)
        place = Place("connections", "sealed_token", row.id, APP_ID, person)
        sealed = Sealer(KeyRing([key])).seal("EAAinvented", place)
        await add_connection(database, person, sealed=sealed)

    _with_database(database_url, work)


def _stored_token(path: Path, line: str) -> str:
    """The one stored token, opened with this line of KEYS."""

    async def work(database: Database) -> sealed_store.SealedRow:
        async with database.reading() as tx:
            (row,) = await sealed_store.list_tokens(tx, "", 10)
        return row

    row = _with_database(f"sqlite+aiosqlite:///{path}", work)
    place = Place(row.table, row.column, row.row, row.app_id, row.person)
    return Sealer(KeyRing(load(Settings, keys=line).keys)).open(row.sealed, place)


def _with_database(url: str, work: Callable[[Database], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        database = Database(url)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(run())
