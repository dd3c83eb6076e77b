"""The pages for people say what is so: tables against the code, code blocks against a parser.

What can be run is run: the login with curl, the making of the secrets, the backup.
"""

import ast
import json
import os
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from igauth import settings as settings_module
from igauth.api.boundary import _LARGEST_BODY
from igauth.api.limiting import MOST_WINDOWS
from igauth.api.schemas import ListingMeta, ListingOut, Problem
from igauth.cli.main import app
from igauth.cli.server import GRACE_SECONDS
from igauth.domain import ActionKind, ConnectionStatus, NotListedReason, Provider
from igauth.errors import LISTING_TRUNCATED, LoginFailure, all_errors
from igauth.listing.freshness import ANSWER_SECONDS, WALK_SECONDS
from igauth.login.attempts import MOST_ATTEMPTS, MOST_BYTES
from igauth.login.recording import CALLBACK_SECONDS
from igauth.login.return_to import LONGEST
from igauth.meta.calls import Budgets
from igauth.meta.facebook.paging import MOST_ENTRIES
from igauth.observability import Metrics
from igauth.settings import ServeSettings, Settings, SettingsRefused, load
from igauth.store.login_writes import MOST_SESSIONS
from igauth.upkeep.doctor import dashboard_urls, permission_notes

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 60
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
DERIVED = {
    "ALLOWED_ORIGINS": "of `FRONTEND_URL`",
    "CONNECT_RETURN_URLS": "any path at `ALLOWED_ORIGINS`",
    "LOG_FORMAT": "`console` on a terminal, else `json`",
}
PROGRAMS = {
    *("cat", "cp", "curl", "docker", "git", "igauth", "make", "mkdir", "pip", "printf"),
    *("python3", "sqlite3", "sudo", "umask", "uvicorn"),
}


def text_of(name: str) -> str:
    """One page."""
    return (ROOT / name).read_text("utf-8")


def table(name: str, first: str) -> list[list[str]]:
    """The rows of the table whose first heading is `first`; escaped strokes are kept."""
    (body,) = re.findall(
        rf"^\| {re.escape(first)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", text_of(name), re.M
    )
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in body.splitlines()
    ]


def column(name: str, first: str) -> set[str]:
    """What stands as code in a table's first column."""
    return {code for row in table(name, first) for code in re.findall(r"`([^`]+)`", row[0])}


def blocks(language: str) -> list[Any]:
    """Every code block of that language, with its page and line for a name."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        for match in re.finditer(rf"^```{language}\n(.*?)^```$", text, re.M | re.S):
            line = text[: match.start()].count("\n") + 1
            found.append(pytest.param(match[1], id=f"{page.name}:{line}"))
    return found


def block_with(name: str, language: str, words: str) -> str:
    """The one code block of a page that has these words."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", text_of(name), re.M | re.S)
    (one,) = [block for block in found if words in block]
    return str(one)


# --- tables ---


def test_the_readme_lists_every_setting_with_its_default() -> None:
    """Name by name, default by default; what `serve` demands is called required."""
    rows = [row for row in table("README.md", "name") if row[0].strip("`").isupper()]

    assert {row[0]: row[1] for row in rows} == {
        f"`{name.upper()}`": _default_of(name) for name in Settings.model_fields
    }


def _default_of(name: str) -> str:
    if name.upper() in DERIVED:
        return DERIVED[name.upper()]
    if name.upper() in _required():
        return "required"
    default = Settings.model_fields[name].default
    if hasattr(default, "get_secret_value"):
        default = default.get_secret_value()
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, tuple):
        default = ",".join(default)
    return f"`{default}`" if default not in (None, "") else "none"


def _required() -> set[str]:
    with pytest.raises(SettingsRefused) as refused:
        load(ServeSettings, _env_file=None)
    return {fault.setting for fault in refused.value.faults}


def test_the_readme_lists_every_command() -> None:
    """No more, no less, and the options that it names exist."""
    rows = table("README.md", "command")

    assert {row[0] for row in rows} == {f"`igauth {name}`" for name in _commands()}
    for command, does in rows:
        known = _options(command.strip("`").removeprefix("igauth "))
        assert set(re.findall(r"`(--[a-z-]+)`", does)) <= known


def _commands() -> dict[str, click.Command]:
    """Every command, those of a group by both words."""
    context, commands = click.Context(app), {}
    for name in app.list_commands(context):
        command = app.get_command(context, name)
        assert command is not None
        inner = command.commands if isinstance(command, click.Group) else None
        if inner is None:
            commands[name] = command
        else:
            commands |= {f"{name} {each}": inner[each] for each in inner}
    return commands


def _options(name: str) -> set[str]:
    return {option for parameter in _commands()[name].params for option in parameter.opts}


def test_the_errors_page_lists_every_code() -> None:
    """Code, status, retryable, action and sentence, as `errors.py` has them, in its order."""
    rows = table("docs/errors.md", "code")

    assert rows == [
        [
            f"`{error.code}`",
            str(error.status),
            "yes" if error.retryable else "no",
            f"`{error.action}`" if error.action else "none",
            error.detail,
        ]
        for error in all_errors()
    ]


def test_the_errors_page_lists_every_failure_of_a_login() -> None:
    """Those that are a login's own, and those that may end one."""
    listed = column("docs/errors.md", "`error`")
    own = {
        error.code
        for error in all_errors()
        if issubclass(error, LoginFailure) and error is not LoginFailure
    }

    assert own < listed
    assert listed - own == {
        *("facebook_error", "facebook_rate_limited", "facebook_unavailable"),
        "service_misconfigured",
        *("database_unavailable", "server_error"),
    }


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("`kind`", set(ActionKind)),
        ("`status`", set(ConnectionStatus)),
        ("`reason`", set(NotListedReason)),
        (
            "`code`",
            {
                *("permission_missing", "facebook_error", "facebook_unavailable"),
                *("facebook_timeout", "facebook_rate_limited", LISTING_TRUNCATED),
            },
        ),
    ],
)
def test_the_errors_page_lists_every_word(heading: str, words: set[str]) -> None:
    """Kinds of action, states of a connection, reasons, warnings."""
    assert column("docs/errors.md", heading) - {"complete", "permission"} == {*map(str, words)}


def test_the_page_for_meta_has_the_reviewers_sentences() -> None:
    """The same that `igauth doctor` prints, and the same three URLs."""
    settings = Settings(_env_file=None)

    assert table("docs/meta-app.md", "permission") == [
        [f"`{note.permission}`", note.purpose, note.sentence]
        for note in permission_notes(settings.facebook_scopes)
    ]
    for each in dashboard_urls(settings, (Provider.FACEBOOK,)):
        url = each.url.replace(settings.base_url, "{BASE_URL}")
        assert f"`{url}`" in text_of("docs/meta-app.md")


def test_the_operations_page_lists_every_metric() -> None:
    """Names as scraped, labels, in the order of `Metrics`."""
    listed = [
        (name.strip("`"), tuple(re.findall(r"`(\w+)`", labels)))
        for name, labels, _ in table("docs/operations.md", "metric")
    ]
    kept = vars(Metrics()).values()
    collectors = [each for each in kept if hasattr(each, "_labelnames")]

    assert listed == [
        (each._name + ("_total" if each._type == "counter" else ""), each._labelnames)
        for each in collectors
    ]


def test_the_operations_page_names_events_that_exist() -> None:
    """Each stands in the source, and no event of security is left out."""
    sources = "\n".join(
        path.read_text("utf-8")
        for path in (ROOT / "src" / "igauth").rglob("*.py")
        if "sandbox" not in path.parts
    )
    listed = column("docs/operations.md", "event")
    recorded = re.findall(r'events\.(?:record|say)\(\s*(?:tx,\s*)?"([a-z_.]+)"', sources)
    passed_on = {"person.disconnected", "person.erased"}

    assert [event for event in listed if f'"{event}"' not in sources] == []
    assert {*recorded, *passed_on} <= listed


def test_the_operations_page_states_true_limits() -> None:
    """The figures of the code."""
    rows = table("docs/operations.md", "what")
    budgets = Budgets()
    figures = {
        "from Facebook's redirect to the end of a login": [f"{CALLBACK_SECONDS:.0f} s"],
        "the exchange of a code, and each other call to Facebook": [
            *(f"{budgets.exchange:.0f} s", f"{budgets.call:.0f} s", f"{budgets.connect:.0f} s"),
        ],
        "repeats of a call to Facebook": [f"{budgets.repeats},"],
        "an answer of Facebook": [f"{budgets.body_bytes // 1_000_000} MB"],
        "the answer to a listing": [f"{ANSWER_SECONDS:.0f} s", f"{WALK_SECONDS:.0f} s"],
        "a listing": [f"{MOST_ENTRIES:,} Pages"],
        "a login, from click to callback": [
            *("15 minutes", f"{MOST_ATTEMPTS} at once", f"{MOST_BYTES // 1024} kB"),
        ],
        "`return_to`": [f"{LONGEST:,} characters"],
        "addresses that a process counts at a time for a rate limit": [f"{MOST_WINDOWS:,};"],
        "live sessions of a person": [f"{MOST_SESSIONS};"],
        "a request's body": [f"{_LARGEST_BODY // 1024} kB"],
        "what is in flight at a SIGTERM": [f"{GRACE_SECONDS} s"],
    }
    for what, limit in rows:
        assert all(figure in limit for figure in figures.pop(what, [])), what
    assert figures == {}


# --- links, words ---


def _slugs(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """Files that exist, headings that exist in them."""
    prose = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if "://" not in link:
            path, _, heading = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), link
            assert not heading or heading in _slugs(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_names_a_machine(page: Path) -> None:
    """No path of whoever wrote it."""
    assert not re.search(r"(?<![\w.:/])/(work|root|home|Users)/", page.read_text("utf-8"))


# --- code blocks ---


@pytest.mark.parametrize("code", blocks("python"))
def test_python_blocks_parse(code: str) -> None:
    """Python reads it."""
    ast.parse(code)


@pytest.mark.parametrize("code", blocks("js"))
def test_js_blocks_parse(code: str, tmp_path: Path) -> None:
    """A JavaScript engine reads it, as a module."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("JAVASCRIPT OF THE PAGES IS NOT CHECKED: no node here")
    module = tmp_path / "block.mjs"
    module.write_text(code, "utf-8")
    done = subprocess.run(
        [node, "--check", module], capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", blocks("json"))
def test_json_blocks_parse(code: str) -> None:
    """JSON, whole."""
    json.loads(code)


@pytest.mark.parametrize("code", blocks("ini"))
def test_settings_blocks_name_settings(code: str) -> None:
    """Each line is a setting that exists."""
    names = [line.partition("=")[0].lower() for line in code.splitlines()]

    assert set(names) <= set(Settings.model_fields)


@pytest.mark.parametrize("code", blocks("sql"))
def test_sql_blocks_fit_the_tables(code: str, sqlite_template: Path) -> None:
    """The database understands each."""
    with sqlite3.connect(f"file:{sqlite_template}?mode=ro", uri=True) as database:
        database.execute(f"EXPLAIN {code}")
    database.close()


@pytest.mark.parametrize("code", blocks("(?:sh|console)"))
def test_shell_blocks_use_what_exists(code: str) -> None:
    """Programs that we know, commands and options of igauth, targets of make, files."""
    code = re.sub(r"^\$ ", "", code, flags=re.M)
    subprocess.run(["/bin/sh", "-n"], input=code, text=True, check=True, timeout=PATIENCE_SECONDS)
    for line in code.replace("\\\n", " ").splitlines():
        words = shlex.split(re.sub(r"[<>] ?\S+", "", line), comments=True)
        if words and not re.match(r"\w+=", words[0]):
            assert words[0].rpartition("/bin/")[2] in PROGRAMS, line
        for place, word in enumerate(words):
            _check_word(word, words[place + 1 :])


def _check_word(word: str, rest: list[str]) -> None:
    if word == "make" and rest:
        assert re.search(rf"^{rest[0]}:", text_of("Makefile"), re.M), rest
    elif word == "cp" or (word == "-c" and rest[0].endswith(".txt")):
        assert (ROOT / rest[0]).exists(), rest
    elif word == "igauth" or word.endswith("/bin/igauth"):
        _check_command(rest)


def _check_command(rest: list[str]) -> None:
    """What follows `igauth`, where that is the program and not an image, a role or a service."""
    if rest and rest[0].isalpha():
        name = rest[0] if rest[0] in _commands() else " ".join(rest[:2])
        assert name in _commands(), rest
        named = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert named <= _options(name), rest


def test_the_front_ends_twenty_lines_are_the_same_everywhere() -> None:
    """The README shows what docs/front-end.md explains; about twenty lines."""
    wanted = "const BASE ="
    code = block_with("README.md", "js", wanted)

    assert code == block_with("docs/front-end.md", "js", wanted)
    assert len(code.splitlines()) < 26


def test_the_examples_have_the_shape_of_the_answers() -> None:
    """A whole problem, and a shortened listing without a field that doesn't exist."""
    problem = json.loads(block_with("docs/errors.md", "json", "urn:igauth:problem"))
    listing = json.loads(block_with("README.md", "json", "invented.bakery"))
    account = ListingOut.model_fields["data"].annotation.__args__[0]  # type: ignore[union-attr]

    assert Problem.model_validate(problem).model_dump(mode="json") == problem
    assert set(listing["data"][0]) < set(account.model_fields)
    assert set(listing["meta"]) < set(ListingMeta.model_fields)


# --- what is run ---


def test_the_login_with_curl_works(tmp_path: Path) -> None:
    """The README's lines as they stand, against `igauth dev` on another port."""
    if shutil.which("curl") is None:
        pytest.skip("THE LOGIN WITH CURL IS NOT TRIED: no curl here")
    code = block_with("README.md", "sh", "person=ada")
    for port in _dev_server(tmp_path):
        said = _sh(code.replace(":8000", f":{port}"), tmp_path)
        status, _, listing = said.partition("\n")
        assert status == f"303 http://localhost:{port}/"
        assert len(json.loads(listing)["data"]) == 3


def test_the_secrets_for_production_are_made_as_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines as they stand, with stand-ins for docker and sudo, give settings that serve."""
    if shutil.which("openssl") is None:
        pytest.skip("THE MAKING OF SECRETS IS NOT TRIED: no openssl here")
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir()
    igauth = BIN / "igauth"
    for name, script in {
        "docker": f'[ "$1" = build ] || {{ shift 3; exec {igauth} "$@"; }}',
        "sudo": ":",
    }.items():
        (stand_ins / name).write_text(f"#!/bin/sh\n{script}\n")
        (stand_ins / name).chmod(0o755)
    code = block_with("docs/deployment.md", "sh", "openssl")
    _sh(code, tmp_path, stand_ins, stdin="0123456789abcdef0123456789abcdef\n")
    monkeypatch.setattr(settings_module, "SECRETS_DIR", tmp_path / "secrets" / "igauth")
    for line in block_with("docs/deployment.md", "ini", "BASE_URL").splitlines():
        monkeypatch.setenv(*line.split("=", 1))
    settings = load(ServeSettings, _env_file=None)
    password = (tmp_path / "secrets" / "db" / "password").read_text()

    assert settings.database_url.get_secret_value() == (
        f"postgresql+asyncpg://igauth:{password}@db/igauth"
    )
    assert settings.secure
    assert len(password) == 48
    assert (tmp_path / "secrets").stat().st_mode & 0o077 == 0


def test_the_backup_of_sqlite_is_whole(tmp_path: Path, sqlite_template: Path) -> None:
    """The statement as it stands, while the file is open elsewhere."""
    shutil.copy(sqlite_template, tmp_path / "igauth.db")
    (statement,) = re.findall(r'"(VACUUM INTO [^"]+)"', text_of("docs/operations.md"))
    monitored = sqlite3.connect(tmp_path / "igauth.db")
    monitored.execute("BEGIN")
    monitored.execute("SELECT * FROM people").fetchall()
    writer = sqlite3.connect(tmp_path / "igauth.db")
    writer.execute(statement.replace("igauth-backup.db", str(tmp_path / "igauth-backup.db")))
    writer.close()
    monitored.close()
    copy = sqlite3.connect(tmp_path / "igauth-backup.db")
    tables = copy.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()
    copy.close()

    assert tables[0] >= 11


def _sh(code: str, folder: Path, first: Path | None = None, stdin: str = "") -> str:
    done = subprocess.run(
        ["/bin/sh", "-eu"] if not stdin else ["/bin/sh", "-euc", code],
        cwd=folder,
        input=stdin or code,
        env={"PATH": f"{first or BIN}:{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _dev_server(folder: Path) -> Iterator[int]:
    """`igauth dev` while the loop's body runs."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    log = folder / "dev.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [BIN / "igauth", "dev", "--port", str(port)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield port
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
