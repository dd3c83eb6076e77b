"""A throw-away PostgreSQL from the system's own binaries, or the one of TEST_POSTGRES_URL.

Each call starts a server of its own on a unix socket in a folder of its own, so that xdist's
workers never meet. As root the server runs as an ordinary user, since it refuses root. It ends,
and its folder goes, when the block ends or when this process dies in whatever way.
"""

import asyncio
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg
from sqlalchemy.engine import URL, make_url

ABSENT: Final = (
    "PostgreSQL is not tested: no server binaries here (apt-get install postgresql, or PG_BIN) "
    "and no TEST_POSTGRES_URL"
)
SUPERUSER: Final = "igauth"
START_SECONDS: Final = 60
MEMORY: Final = "/dev/shm"  # noqa: S108  # mkdtemp makes it 0700
ENOUGH_BYTES: Final = 2 * 1024**3
_FOLDERS: Final = (
    "usr/lib/postgresql/*/bin",  # Debian, Ubuntu
    "usr/pgsql-*/bin",
    "usr/libexec/postgresql*",
    "opt/homebrew/opt/postgresql@*/bin",
    "usr/local/opt/postgresql@*/bin",
)
_FLAGS: Final = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "min_wal_size": "32MB",
    "max_wal_size": "128MB",
    "max_connections": "200",
    "jit": "off",
}
# Becomes the server, and leaves a watcher behind: it ends the server when told so ("stop"), or
# when the pipe closes because this process is gone; then the folder goes too.
_KEEPER: Final = """
folder=$1; shift
exec 3<&0
( {
    read -r word <&3
    kill -QUIT $$
    if [ -z "$word" ]; then
        tries=200
        while [ -e "$folder/data/postmaster.pid" ] && [ $tries -gt 0 ]; do
            sleep 0.05; tries=$((tries - 1))
        done
        rm -rf "$folder"
    fi
} >/dev/null 2>&1 & )
exec "$@" </dev/null 3<&-
"""


class PostgresFailed(Exception):
    """The server can't be had, or doesn't start; says why."""


@dataclass
class Cluster:
    """A data folder of our own, and its server while that runs."""

    binaries: Path
    folder: Path
    user: pwd.struct_passwd | None
    _server: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def data(self) -> Path:
        """Where initdb puts everything."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What initdb and the server say."""
        return self.folder / "log"

    def create(self) -> None:
        """initdb, without waiting for the disk."""
        options = ["-U", SUPERUSER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        self.log.touch()
        self.own(self.log)
        initdb = self._popen([self.binaries / "initdb", "-D", self.data, *options])
        initdb.communicate()
        if initdb.returncode:
            raise PostgresFailed(self._said("initdb"))

    def start(self) -> None:
        """Starts the server and waits until it takes connections."""
        flags = _FLAGS | {"unix_socket_directories": str(self.folder)}
        settings = [part for name, value in flags.items() for part in ("-c", f"{name}={value}")]
        server = [self.binaries / "postgres", "-D", self.data, *settings]
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self._server = self._popen(["/bin/sh", "-c", _KEEPER, "keeper", self.folder, *server])
        self._wait_until_ready(self._server)

    def stop(self) -> None:
        """Ends the server at once and keeps its data; `start` brings it back."""
        self._dismiss(b"stop\n")

    def remove(self) -> None:
        """Ends the server, if it runs, and deletes the folder."""
        self._dismiss(b"")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _dismiss(self, word: bytes) -> None:
        if self._server is not None:
            self._server.communicate(word, timeout=START_SECONDS)
            self._server = None

    def _wait_until_ready(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if server.poll() is not None or time.monotonic() > deadline:
                raise PostgresFailed(self._said("postgres"))
            time.sleep(0.01)

    def _is_ready(self) -> bool:
        """The last line of postmaster.pid tells (src/include/utils/pidfile.h)."""
        try:
            return "ready" in (self.data / "postmaster.pid").read_text().splitlines()[-1]
        except (OSError, IndexError):
            return False

    def _said(self, program: str) -> str:
        text = self.log.read_text("utf-8", "replace")
        return f"{self.binaries / program} failed:\n{text[-2000:]}"

    def own(self, path: Path) -> None:
        """Gives a file to whom the server runs as."""
        if self.user is not None:
            os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def _popen(self, command: Sequence[object]) -> subprocess.Popen[bytes]:
        inherited = {name: value for name, value in os.environ.items() if name[:2] != "PG"}
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=inherited | {"LC_ALL": "C", "TZ": "UTC"},
                start_new_session=True,  # Ctrl-C is ours to answer, not the server's
                user=self.user.pw_uid if self.user else None,
                group=self.user.pw_gid if self.user else None,
                extra_groups=[] if self.user else None,
            )


@dataclass(frozen=True)
class PostgresServer:
    """A server on which the tests may make and drop databases. `cluster`: None if not ours."""

    root: URL
    cluster: Cluster | None = None

    def url(self, database: str) -> str:
        """The address of one database, as DATABASE_URL wants it."""
        return self.root.set(database=database).render_as_string(hide_password=False)

    def create_database(self, name: str, template: str | None = None) -> None:
        """Makes a database: empty, or a copy of `template`, to which nobody may be connected."""
        self._execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))

    def drop_database(self, name: str) -> None:
        """Drops it, whoever is still connected."""
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def _execute(self, statement: str) -> None:
        """In a thread with a loop of its own, since the caller's loop may be running."""
        with ThreadPoolExecutor(max_workers=1) as thread:
            thread.submit(asyncio.run, self._run(statement)).result()

    async def _run(self, statement: str) -> None:
        address = self.root.set(drivername="postgresql").render_as_string(hide_password=False)
        connection = await asyncpg.connect(address, timeout=START_SECONDS)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def postgres_server() -> Iterator[PostgresServer | None]:
    """A server for as long as the block runs.

    None where there are no binaries (`ABSENT` is the reason for the skip), or PostgresFailed if
    IGAUTH_REQUIRE_POSTGRES=1 forbids to do without.
    """
    if given := os.environ.get("TEST_POSTGRES_URL"):
        yield PostgresServer(make_url(given).set(drivername="postgresql+asyncpg"))
        return
    binaries = find_binaries()
    if binaries is None:
        if os.environ.get("IGAUTH_REQUIRE_POSTGRES") == "1":
            raise PostgresFailed(ABSENT)
        yield None
        return
    cluster = _new_cluster(binaries)
    try:
        cluster.create()
        cluster.start()
        yield PostgresServer(_socket_url(cluster.folder), cluster)
    finally:
        cluster.remove()


def find_binaries() -> Path | None:
    """The folder with initdb and postgres: $PG_BIN, else the newest installed, else on PATH."""
    if named := os.environ.get("PG_BIN"):
        return Path(named)
    found = [path for pattern in _FOLDERS for path in Path("/").glob(pattern)]
    found.sort(key=lambda path: [int(n) for n in _digits(path)], reverse=True)
    on_path = shutil.which("initdb")
    if on_path:
        found.append(Path(on_path).resolve().parent)
    return next((each for each in found if _is_complete(each)), None)


def _digits(path: Path) -> list[str]:
    return "".join(char if char.isdigit() else " " for char in str(path)).split()


def _is_complete(folder: Path) -> bool:
    return all(os.access(folder / program, os.X_OK) for program in ("initdb", "postgres"))


def _new_cluster(binaries: Path) -> Cluster:
    cluster = Cluster(
        binaries, Path(tempfile.mkdtemp(prefix="igpg-", dir=_parent())), _server_user()
    )
    cluster.own(cluster.folder)
    return cluster


def _parent() -> str | None:
    """Memory where there is plenty, since a copied database is three hundred files; else /tmp.

    Both have short names: a socket's path may have about a hundred characters.
    """
    if os.access(MEMORY, os.W_OK):
        room = os.statvfs(MEMORY)
        if room.f_bavail * room.f_frsize >= ENOUGH_BYTES:
            return MEMORY
    return "/tmp" if os.access("/tmp", os.W_OK) else None  # noqa: S108  # mkdtemp makes it 0700


def _server_user() -> pwd.struct_passwd | None:
    """Whom the server runs as: us, or as root the first of these that exists."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgresFailed("as root, the server needs a user `postgres` or `nobody` to run as")


def _socket_url(folder: Path) -> URL:
    return URL.create(
        "postgresql+asyncpg", SUPERUSER, database="postgres", query={"host": str(folder)}
    )
