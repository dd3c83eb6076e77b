"""`igauth dev`: nothing to configure, nothing that keeps it from starting (contract §1)."""

import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from igauth.cli import dev as development
from igauth.cli.dev import SideBySide
from igauth.key_lines import new_key_line, parse_key_lines
from tests.cli.commands import MARK, free_port, logging_as_it_was, running
from tests.cli.rows import stored_token


def test_dev_needs_nothing_and_remembers(tmp_path: Path) -> None:
    """Prints its address, logs a person in; after a restart session and token are still there."""
    port = free_port()
    base_url, start = f"http://localhost:{port}", ("igauth", "dev", "--port", str(port))
    with (
        running({"KEYS": MARK, "DATABASE_URL": MARK}, *start) as service,
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
    assert stored_token(folder / ".igauth" / "igauth.db", line).startswith("EAA")
    with (
        running({}, *start, folder=folder) as service,
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


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `igauth dev` is run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(development.PORT_VARIABLE, "8000")
    return tmp_path


@pytest.mark.parametrize(
    "spoilt",
    ["", "changeme", "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "k1:\udcff"],
    ids=["empty", "no key", "a weak key", "no text"],
)
def test_a_bad_key_in_the_folder_is_replaced(folder: Path, spoilt: str) -> None:
    """Once, with a word about it; the second start is as quiet as ever (defect A4)."""
    keys = folder / ".igauth" / "keys"
    assert list(development.prepare(8000)) == []
    keys.write_bytes(spoilt.encode("utf-8", "surrogateescape"))

    first, second = list(development.prepare(8000)), list(development.prepare(8000))

    assert "new ones were made" in first[0]
    assert second == []
    assert len(parse_key_lines(keys.read_text())) == 1
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600


def test_a_database_of_other_keys_is_put_aside(folder: Path) -> None:
    """Somebody deleted the keys: the demo begins anew, and the old file is kept."""
    assert list(development.prepare(8000)) == []
    line = (folder / ".igauth" / "keys").read_text()
    (folder / ".igauth" / "keys").write_text(line.split(":")[0] + ":" + _another_key() + "\n")

    (said,) = development.prepare(8000)

    assert "igauth.db.old" in said
    assert (folder / ".igauth" / "igauth.db.old").exists()
    assert list(development.prepare(8000)) == []


def test_a_spoilt_database_is_put_aside(folder: Path) -> None:
    """Junk in its place."""
    (folder / ".igauth").mkdir()
    (folder / ".igauth" / "igauth.db").write_text("not a database at all, but notes")

    (said,) = development.prepare(8000)

    assert "igauth.db.old" in said


def _another_key() -> str:
    return new_key_line().split(":")[1]


# --- only this machine ---


@pytest.fixture
def demo(folder: Path) -> Iterator[httpx.AsyncClient]:
    """The demo's application, without a socket."""
    list(development.prepare(8000))
    with logging_as_it_was():
        app = development.create_dev_app()
        assert isinstance(app, SideBySide)
        transport = httpx.ASGITransport(app)
        yield httpx.AsyncClient(transport=transport, base_url="http://localhost:8000")


@pytest.mark.parametrize("path", ["/healthz", "/sandbox/_control/people"])
@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8000", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "[::1]"],
)
async def test_this_machines_names_are_answered(
    demo: httpx.AsyncClient, path: str, host: str
) -> None:
    """By name or number, with a port or without."""
    answer = await demo.get(path, headers={"host": host})

    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/", "/sandbox/_control/people", "/auth/session"])
@pytest.mark.parametrize(
    "host",
    [
        *("evil.test", "evil.test:8000", "localhost.evil.test", "10.0.0.7:8000", "", "[::2]"),
        *("127.0.0.1.evil.test", "localhost@evil.test", "::1", "0.0.0.0:8000", "[evil]"),
    ],
)
async def test_any_other_name_is_refused(demo: httpx.AsyncClient, path: str, host: str) -> None:
    """A foreign page whose name was pointed at this machine learns nothing (defect S13)."""
    answer = await demo.get(path, headers={"host": host})

    assert answer.status_code == 421
    assert "localhost" in answer.text
    assert answer.cookies == httpx.Cookies()


async def test_two_hosts_are_none(demo: httpx.AsyncClient) -> None:
    """RFC 9112 §3.2: which of them would it be?"""
    request = httpx.Request("GET", "http://localhost:8000/healthz")
    request.headers = httpx.Headers([("host", "localhost:8000"), ("host", "evil.test")])

    assert (await demo.send(request)).status_code == 421
