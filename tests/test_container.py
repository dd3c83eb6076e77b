"""The image and the compose files, as far as they can be tried without a container engine.

`make check` lints them; `make replay` runs the Dockerfile's first stage; here the demo's processes
are started by hand, in the order, with the commands and the very environment of the compose files.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML  # check-jsonschema's own; it reads compose files

from igauth import settings as settings_module
from igauth.cli.server import GRACE_SECONDS
from igauth.key_lines import new_key_line
from igauth.sandbox.app import SandboxConfig
from igauth.settings import ServeSettings, Settings, SettingsRefused, load
from tests.postgres import ABSENT, PostgresServer

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
PATIENCE_SECONDS = 60
SETTINGS = {name.upper() for name in Settings.model_fields}
HARMLESS = {
    *("SESSION_IDLE_DAYS", "SESSION_MAX_DAYS", "ACCOUNTS_MAX_AGE", "EXPIRING_DAYS", "API_DOCS"),
    *("RATE_LIMIT_LOGIN", "RATE_LIMIT_REFRESH", "RATE_LIMIT_SERVICE", "LOG_FORMAT", "LOG_LEVEL"),
    *("BRAND_NAME", "BRAND_LOGO_URL", "SUPPORT_URL"),
}
WITH_SECRETS = """
import sys
from pathlib import Path
from igauth import settings
settings.SECRETS_DIR = Path(sys.argv.pop(1))
from igauth.cli.main import main

main()
"""
Service = dict[str, Any]


def compose_file(name: str) -> dict[str, Any]:
    """One compose file, as YAML has it."""
    loaded: dict[str, Any] = YAML(typ="safe").load(ROOT / name)
    return loaded


def demo() -> dict[str, Service]:
    """The services of a bare `docker compose up`."""
    services: dict[str, Service] = compose_file("compose.yaml")["services"]
    for name, more in compose_file("compose.override.yaml")["services"].items():
        services[name] = _merged(services.get(name, {}), more)
    return services


def _merged(base: Service, more: Service) -> Service:
    """Compose's rules, as far as these files need them: one volume for each target."""
    result = dict(base)
    for key, value in more.items():
        if key == "volumes":
            targets = {volume.split(":")[1]: volume for volume in [*base.get(key, []), *value]}
            result[key] = list(targets.values())
        elif isinstance(value, dict) and isinstance(base.get(key), dict):
            result[key] = _merged(base[key], value)
        else:
            assert key not in base or not isinstance(value, list), "compose would append"
            result[key] = value
    return result


def dockerfile(stage: int = -1) -> list[tuple[str, str]]:
    """The instructions of one stage of the Dockerfile, each on one line."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.M)
    lines = re.sub(r"\\\n\s*", "", text.split("\nFROM ")[stage]).splitlines()
    return [(name, rest) for line in lines if line for name, _, rest in [line.partition(" ")]]


def instruction(wanted: str) -> str:
    """The argument of the one such instruction in the stage that runs."""
    (found,) = (rest for name, rest in dockerfile() if name == wanted)
    return found


# --- the image ---


def test_the_image_runs_as_nobody_in_particular() -> None:
    """A number, so that an orchestrator can tell that it isn't root; nothing after it is root's."""
    names = [name for name, _ in dockerfile()]

    assert instruction("USER") == "10001:10001"
    assert not {"RUN", "COPY", "ADD"} & set(names[names.index("USER") :])


def test_the_image_starts_without_a_shell() -> None:
    """Exec form: igauth itself receives SIGTERM, and the health check needs no curl."""
    assert json.loads(instruction("ENTRYPOINT")) == ["igauth"]
    assert json.loads(instruction("CMD")) == ["serve", "--host", "0.0.0.0"]
    assert json.loads(instruction("HEALTHCHECK").partition("CMD ")[2]) == ["igauth", "healthcheck"]
    assert instruction("STOPSIGNAL") == "SIGTERM"


def test_the_image_names_this_version() -> None:
    """The label follows pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

    assert f'org.opencontainers.image.version="{project["version"]}"' in instruction("LABEL")


def test_all_that_is_installed_is_known_by_hash() -> None:
    """Run-time and build requirements come by hash, the wheel without any requirement."""
    steps = " && ".join(rest for name, rest in dockerfile(1) if name == "RUN")
    installs = re.findall(r"pip (?:--python \S+ )?(?:install|wheel) [^&]*", steps)

    assert len(installs) == 4
    assert all("--require-hashes" in each or "--no-deps" in each for each in installs)
    for name in ("requirements.txt", "requirements-build.txt"):
        entries = re.split(r"\n(?=[a-z])", (ROOT / name).read_text("utf-8"))[1:]
        assert entries
        assert [each for each in entries if "--hash=sha256:" not in each] == []


def test_what_builds_the_wheel_is_what_pyproject_asks_for() -> None:
    """One backend, in pyproject.toml, in `make constraints` and in requirements-build.txt."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (backend,) = project["build-system"]["requires"]

    assert f'echo "{backend}" |' in (ROOT / "Makefile").read_text("utf-8")
    pins = (ROOT / "requirements-build.txt").read_text("utf-8")
    assert re.search(rf"^{backend.partition('>')[0]}==", pins, re.M)


def test_the_build_receives_what_it_copies_and_no_more() -> None:
    """`.dockerignore` shuts everything out, `.env` and `secrets/` with it, and names exceptions."""
    lines = [line for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line]
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copied = {part for name, rest in dockerfile(1) if name == "COPY" for part in rest.split()[:-1]}

    assert "*" in lines
    assert let_in == copied


# --- the compose files ---


def test_compose_names_settings_that_exist() -> None:
    """Of igauth for igauth, of the sandbox for the sandbox."""
    knobs = {f"SANDBOX_{each.name.upper()}" for each in fields(SandboxConfig)}
    for services in (compose_file("compose.yaml")["services"], demo()):
        for name, service in services.items():
            if name != "db":
                known = knobs if name == "sandbox" else SETTINGS
                assert set(service.get("environment", {})) <= known, name


def test_the_demo_answers_to_no_env_file() -> None:
    """Whatever a `.env` says, the demo says itself; what it leaves open can't lead astray."""
    for name in ("igauth", "migrate"):
        assert SETTINGS - set(demo()[name]["environment"]) == HARMLESS


def test_production_knows_nothing_of_the_demo() -> None:
    """No setting but the one that makes room for the file, another project, other volumes."""
    production, override = compose_file("compose.yaml"), compose_file("compose.override.yaml")
    services = production["services"]

    assert set(services) == {"igauth", "migrate", "db"}
    assert production["name"] != override["name"]
    for name in ("igauth", "migrate"):
        assert services[name]["environment"] == {"DATABASE_URL": ""}
        assert services[name]["volumes"] == ["./secrets/igauth:/run/secrets:ro"]


def test_production_refuses_to_start_with_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its environment alone is refused, and what is missing is named."""
    _set_environment(monkeypatch, compose_file("compose.yaml")["services"]["igauth"])
    with pytest.raises(SettingsRefused) as refused:
        load(ServeSettings)

    assert {fault.setting for fault in refused.value.faults} == {
        *("FACEBOOK_CLIENT_ID", "FACEBOOK_CLIENT_SECRET", "FRONTEND_URL", "KEYS")
    }


def test_production_reads_its_secrets_from_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Also where a copied `.env` names another database, and leaves the secrets empty."""
    (tmp_path / "database_url").write_text("postgresql://igauth:word@db/igauth\n")
    (tmp_path / "facebook_client_secret").write_text("0123456789abcdef0123456789abcdef\n")
    key = new_key_line()
    (tmp_path / "keys").write_text(f"{key}\n")
    monkeypatch.setattr(settings_module, "SECRETS_DIR", tmp_path)
    env_file = {"DATABASE_URL": "sqlite:///igauth.db", "KEYS": "", "FACEBOOK_CLIENT_ID": "1"}
    env_file |= {"FACEBOOK_CLIENT_SECRET": "", "FRONTEND_URL": "https://app.example.com/"}
    _set_environment(monkeypatch, compose_file("compose.yaml")["services"]["igauth"], env_file)
    settings = load(ServeSettings)

    assert settings.database_url.get_secret_value() == (
        "postgresql+asyncpg://igauth:word@db/igauth"
    )
    assert settings.app[1].get_secret_value() == "0123456789abcdef0123456789abcdef"
    assert [each.kid for each in settings.keys] == [key.partition(":")[0]]


def test_every_container_of_ours_is_hardened() -> None:
    """Read-only, without capabilities or new privileges, with an init; ports on loopback."""
    for name, service in demo().items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        assert service["security_opt"] == ["no-new-privileges:true"]
        if name != "db":
            assert (service["read_only"], service["init"]) == (True, True)
            assert (service["cap_drop"], service["tmpfs"]) == (["ALL"], ["/tmp"])  # noqa: S108
            assert service["image"] == "igauth"


def test_the_grace_period_outlasts_igauths_own() -> None:
    """Docker's SIGKILL comes after igauth has finished what was in flight."""
    patience = int(demo()["igauth"]["stop_grace_period"].removesuffix("s"))

    assert patience > GRACE_SECONDS


# --- the demo, by hand ---


def test_the_demo_logs_a_person_in(postgres: PostgresServer | None, tmp_path: Path) -> None:
    """Jobs, sandbox and service as compose would start them; then a login over real sockets."""
    if postgres is None:
        pytest.skip(ABSENT.upper())
    name = f"demo{uuid.uuid4().hex}"
    postgres.create_database(name)
    engine = Engine(tmp_path, postgres.url(name))
    try:
        with ExitStack() as stack:
            for service in engine.order():
                stack.enter_context(engine.up(service))
            _log_in(engine)
            first = engine.secret("keys")
            with engine.up("keys"):
                assert engine.secret("keys") == first
    finally:
        postgres.drop_database(name)


@dataclass
class Engine:
    """Stands in for the container engine: maps names, ports and folders to this machine."""

    folder: Path
    database_url: str

    def __post_init__(self) -> None:
        self.services = demo()
        self.port, self.sandbox_port = _free_port(), _free_port()
        self.secrets, self.data = self.folder / "secrets", self.folder / "data"
        self.secrets.mkdir()
        self.data.mkdir()

    @property
    def base_url(self) -> str:
        """Where the browser finds the service."""
        return f"http://localhost:{self.port}"

    def secret(self, name: str) -> str:
        """What lies in a file of /run/secrets."""
        return (self.secrets / name).read_text()

    def order(self) -> list[str]:
        """Each service after those that it depends on."""
        graph = {name: service.get("depends_on", {}) for name, service in self.services.items()}
        return list(TopologicalSorter(graph).static_order())

    @contextmanager
    def up(self, name: str) -> Iterator[None]:
        """A job has run to its end, or a service is healthy, while the block runs."""
        if name == "db":  # the tests' own server, which is up
            yield
        elif self._is_job(name):
            self._run(name)
            yield
        else:
            with self._running(name):
                yield

    def here(self, text: str) -> str:
        """A text of the compose files, with this machine's addresses and folders."""
        for there, here in {
            "localhost:8000": f"localhost:{self.port}",
            "igauth:8000": f"127.0.0.1:{self.port}",
            "localhost:9000": f"localhost:{self.sandbox_port}",
            "sandbox:9000": f"127.0.0.1:{self.sandbox_port}",
            "127.0.0.1:9000": f"127.0.0.1:{self.sandbox_port}",
            "postgresql://igauth@db/igauth": self.database_url,
            "/run/secrets": str(self.secrets),
            "/data": str(self.data),
        }.items():
            text = here.join(re.split(rf"(?<![\w.]){re.escape(there)}\b", text))
        return {"0.0.0.0": "127.0.0.1", "9000": str(self.sandbox_port)}.get(text, text)

    def _is_job(self, name: str) -> bool:
        return bool(self.services[name].get("restart") == "no")

    def _command(self, name: str) -> list[str]:
        service = self.services[name]
        arguments = service.get("command") or json.loads(instruction("CMD"))
        if "entrypoint" in service:
            return [*map(self.here, service["entrypoint"]), *map(self.here, arguments)]
        return self._igauth(*map(self.here, arguments), *self._moved_port(name))

    def _igauth(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", WITH_SECRETS, str(self.secrets), *arguments]

    def _moved_port(self, name: str) -> list[str]:
        return ["--port", str(self.port)] if name == "igauth" else []

    def _environment(self, name: str) -> dict[str, str]:
        """Nothing of this process but the way to the programs."""
        given = self.services[name].get("environment", {})
        own = {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONUNBUFFERED": "1"}
        return own | {key: self.here(value) for key, value in given.items()}

    def _run(self, name: str) -> None:
        done = subprocess.run(
            self._command(name),
            cwd=self.data,
            env=self._environment(name),
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{name}: {done.stderr}"

    @contextmanager
    def _running(self, name: str) -> Iterator[None]:
        log = self.folder / f"{name}.log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                self._command(name),
                cwd=self.data,
                env=self._environment(name),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait_until_healthy(name, process, log)
            yield
            process.send_signal(signal.SIGTERM)
            code = process.wait(PATIENCE_SECONDS)
        finally:
            process.kill()
            process.wait(PATIENCE_SECONDS)
        assert code in (0, -signal.SIGTERM, 128 + signal.SIGTERM), log.read_text()

    def _wait_until_healthy(self, name: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
        port = self.port if name == "igauth" else self.sandbox_port
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not _listens(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        subprocess.run(
            self._health_check(name),
            env=self._environment(name),
            check=True,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
        )

    def _health_check(self, name: str) -> list[str]:
        check = self.services[name].get("healthcheck")
        if check is None:
            _, *arguments = json.loads(instruction("HEALTHCHECK").partition("CMD ")[2])
            return self._igauth(*arguments, *self._moved_port(name))
        kind, *command = map(self.here, check["test"])
        assert kind == "CMD"
        return command


def _log_in(engine: Engine) -> None:
    """Consent, callback, listing, a picture; then the app is removed at Facebook."""
    with httpx.Client(base_url=engine.base_url, trust_env=False, timeout=30) as browser:
        dialog = browser.get("/auth/facebook").headers["location"]
        assert dialog.startswith(f"http://localhost:{engine.sandbox_port}/v")
        consent = browser.post(dialog, data={"person": "ada", "decision": "continue"})
        ended = browser.get(consent.headers["location"].partition("#")[0])
        assert (ended.status_code, ended.headers["location"]) == (303, f"{engine.base_url}/")
        assert "<title>" in browser.get("/").text
        listing = browser.get("/me/instagram-accounts").json()
        assert len(listing["data"]) == 3, listing
        pictured = [each for each in listing["data"] if each["profile_picture_url"]]
        picture = browser.get(pictured[0]["picture_url"], follow_redirects=True)
        assert picture.url.port == engine.sandbox_port
        assert picture.headers["content-type"].startswith("image/")
        control = f"http://localhost:{engine.sandbox_port}/_control"
        removed = browser.post(f"{control}/people/ada/remove_app", json={})
        assert removed.status_code == 200, removed.text
        _until(lambda: not browser.get("/auth/session").json()["authenticated"])


def _until(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _set_environment(
    monkeypatch: pytest.MonkeyPatch, service: Service, env_file: dict[str, str] | None = None
) -> None:
    """What a container would see: its `environment` wins over the `env_file`."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    for name, value in ((env_file or {}) | service["environment"]).items():
        monkeypatch.setenv(name, value)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
