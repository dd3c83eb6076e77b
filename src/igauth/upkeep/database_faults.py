"""Why the database can't be used, and what mends it: one table for migrate, serve and doctor.

Foreign errors are told by SQLSTATE (PostgreSQL, "Error Codes") and by the kind of an OSError,
whatever a driver wraps them in. A text names a path, never a user, host or password.
"""

import os
import socket
import ssl
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from igauth.database_url import DatabaseAddress
from igauth.errors import DatabaseUnavailable
from igauth.setting_faults import Fault, SettingsRefused

_SQLITE_MARK = b"SQLite format 3\0"
_TRY_AGAIN = "try again in a moment"
_SQLSTATES = {
    "28P01": (
        "the database refuses the password",
        "put the right one into the URL, special characters percent-encoded",
    ),
    "28000": (
        "the database refuses this user, or this machine, or a connection without TLS",
        "create the role, let it in (pg_hba.conf), or ask for TLS: sslmode=require",
    ),
    "3D000": (
        "the server has no database of this name",
        "create it (createdb), or correct the name in the URL",
    ),
    "42501": (
        "the database user lacks a privilege",
        "make it the owner of the database, or GRANT it USAGE and CREATE on the schema",
    ),
    "25006": (
        "the database is read-only, as a standby is",
        "name the primary, or add target_session_attrs=read-write",
    ),
    "53300": (
        "the database server has no connection left",
        "raise its max_connections, or run fewer replicas",
    ),
    "57P03": ("the database server is starting up or shutting down", _TRY_AGAIN),
}
_SQLITE_TEXTS = {
    "not a database": ("the database file is not an SQLite database", "name another file"),
    "malformed": ("the SQLite database is damaged", "restore it from a backup"),
    "disk is full": ("the disk of the SQLite database is full", "make room"),
    "readonly": (
        "the SQLite database is read-only for this user",
        "give the user that runs igauth the file and its folder",
    ),
    "locked": ("the SQLite database is locked by another program", _TRY_AGAIN),
}
# First match wins: each is a kind of OSError, and most are kinds of each other.
_OS_ERRORS: tuple[tuple[type[OSError], tuple[str, str]], ...] = (
    (
        socket.gaierror,
        (
            "the host of the database is unknown",
            "correct the host in the URL, or the name service of this machine",
        ),
    ),
    (
        ssl.SSLCertVerificationError,
        (
            "the certificate of the database server is not trusted",
            "name its authority: sslrootcert=FILE; or the host that it was made for",
        ),
    ),
    (
        ssl.SSLError,
        ("the database server and igauth do not agree on TLS", "check sslmode and sslrootcert"),
    ),
    (
        ConnectionRefusedError,
        (
            "nothing listens at the address of the database",
            "start the server, or correct host and port in the URL",
        ),
    ),
    (
        TimeoutError,
        (
            "the database does not answer in time",
            "check host, port and firewall between here and the server",
        ),
    ),
    (
        FileNotFoundError,
        (
            "the database has no socket at this path",
            "start the server, or correct host in the URL",
        ),
    ),
    (
        OSError,
        ("the database is not reachable", "check host, port and network"),
    ),
)


class DatabaseRefused(SettingsRefused):
    """The database can't be used: what was found, and how to mend it."""

    def __init__(self, text: str, mend: str) -> None:
        self.text = text
        self.mend = mend
        super().__init__([Fault("DATABASE_URL", f"{text}; {mend}")])

    @property
    def passing(self) -> bool:
        """Whether it may be gone by itself in a moment."""
        return self.mend == _TRY_AGAIN


def check_address(address: DatabaseAddress) -> None:
    """Raises DatabaseRefused for what shows without asking: an absent driver, SQLite's path.

    Not for a process that has the file open: closing any other descriptor of it would drop
    SQLite's own locks (POSIX), and the next replica would take its log away from under it.
    """
    check_driver(address)
    if address.sqlite_path is not None:
        _check_path(address.sqlite_path.absolute())


def check_driver(address: DatabaseAddress) -> None:
    """Raises DatabaseRefused where nothing here speaks the database's language."""
    if not address.is_sqlite and find_spec("asyncpg") is None:
        raise DatabaseRefused(
            "the driver for a PostgreSQL database is not installed",
            "pip install 'igauth[postgres]'",
        )


def _check_path(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        missing = "is not a folder" if folder.exists() else "does not exist"
        raise DatabaseRefused(
            f"the folder of the database file {missing}: {folder}", "make it, or correct the path"
        )
    if path.is_dir():
        raise DatabaseRefused(f"the database file is a folder: {path}", "add the file's name")
    needed = [each for each in (folder, path) if each.exists()]
    for each in needed:
        if not os.access(each, os.R_OK | os.W_OK):
            raise DatabaseRefused(
                f"the database cannot be read and written by this user: {each}",
                "give the user that runs igauth the file and its folder",
            )
    if path.exists() and not _is_sqlite_file(path):
        raise DatabaseRefused(f"the file is not an SQLite database: {path}", "name another file")


def _is_sqlite_file(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE_MARK)) in (b"", _SQLITE_MARK)


def refusal_for(error: BaseException) -> DatabaseRefused | None:
    """The cause and the mend of an error that a driver raised; None where it is none of theirs."""
    for each in _chain(error):
        found = _told_by(each)
        if found is not None:
            return DatabaseRefused(*found)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what lies under it, innermost first."""
    layers: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in layers:
        layers.append(following)
        following = getattr(following, "orig", None) or following.__cause__
    yield from reversed(layers)


def _told_by(error: BaseException) -> tuple[str, str] | None:
    sqlstate = getattr(error, "sqlstate", None)
    if sqlstate is not None:
        unknown = (f"the database refuses (SQLSTATE {sqlstate})", "look the code up")
        return _SQLSTATES.get(sqlstate, unknown)
    if type(error).__module__ == "sqlite3":
        return _told_by_sqlite(str(error))
    if isinstance(error, OSError):
        return _told_by_system(error)
    if isinstance(error, DatabaseUnavailable):
        return ("the database does not answer", _TRY_AGAIN)
    return None


def _told_by_sqlite(text: str) -> tuple[str, str]:
    for words, found in _SQLITE_TEXTS.items():
        if words in text:
            return found
    return (f"the SQLite database cannot be used ({text})", "check the file and its folder")


def _told_by_system(error: OSError) -> tuple[str, str]:
    if "rejected SSL" in str(error):  # asyncpg's own words, in a plain ConnectionError
        return (
            "the database server speaks no TLS, which sslmode demands",
            "switch TLS on at the server, or leave sslmode out",
        )
    if "Connect call failed" in str(error):  # of several addresses, none answered
        error = ConnectionRefusedError()
    return next(found for kind, found in _OS_ERRORS if isinstance(error, kind))
