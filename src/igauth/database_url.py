"""DATABASE_URL: from the address that a provider prints to what the driver takes (contract §2).

libpq's parameters (PostgreSQL, "Parameter Key Words") are not asyncpg's: the usual ones become
arguments of its `connect`, those that SQLAlchemy passes on stay in the address, and any other is
refused by its name. No text here repeats a value.
"""

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

_SCHEMES = {
    "sqlite": "sqlite+aiosqlite",
    "sqlite+aiosqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
    "postgresql+asyncpg": "postgresql+asyncpg",
}
_POSTGRES = re.compile(r"([^@?]*@)?(\[[^\]/?]+\]|[^/:?@]*)(:\d+)?(/[^?@]*)?(\?[^@]*)?")
_PARAMETER = re.compile(r"[a-z][a-z_]{1,40}")
_KEPT = frozenset(
    {"host", "port", "user", "password", "database", "passfile", "target_session_attrs"}
)
_TAKEN = frozenset(
    {"sslmode", "ssl", "sslrootcert", "application_name", "connect_timeout", "pgbouncer"}
)
_NOT_ENFORCED = "channel_binding"
_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """Where the database is, in the words of SQLAlchemy and of its driver.

    `url` holds the password. `sqlite_path` is None for PostgreSQL, and for a `file:` URI.
    `pooled`: a pooler hands each transaction another connection, so nothing may be prepared.
    `demands_channel_binding`: asked for, though the driver has none (SCRAM-SHA-256-PLUS).
    """

    url: str = field(repr=False)
    sqlite_path: Path | None = None
    sslmode: str | None = None
    sslrootcert: str | None = None
    application_name: str | None = None
    connect_timeout_seconds: int | None = None
    pooled: bool = False
    demands_channel_binding: bool = False

    @property
    def is_sqlite(self) -> bool:
        """Whether it is a file of this machine."""
        return self.url.startswith("sqlite")

    def connect_args(self) -> dict[str, Any]:
        """What asyncpg's `connect` is given beside the URL; empty for SQLite.

        Raises OSError where the root certificate can't be read.
        """
        given: dict[str, Any] = {}
        if self.sslmode is not None:
            given["ssl"] = self._tls(self.sslmode)
        if self.application_name is not None:
            given["server_settings"] = {"application_name": self.application_name}
        if self.connect_timeout_seconds:
            given["timeout"] = self.connect_timeout_seconds
        if self.pooled:
            given |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
        return given

    def _tls(self, mode: str) -> ssl.SSLContext | str:
        """As libpq: a root certificate turns `require` into `verify-ca` (libpq, "SSL Support").

        Unlike libpq, who verifies without naming one trusts the system's authorities.
        """
        named = self.sslrootcert not in (None, "system")
        if mode not in ("verify-ca", "verify-full") and not (mode == "require" and named):
            return mode
        context = ssl.create_default_context(cafile=self.sslrootcert if named else None)
        context.check_hostname = mode == "verify-full"
        return context


def parse_database_url(text: str) -> DatabaseAddress:
    """Raises ValueError for what can't be an address of ours; names parameters, shows no value."""
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in _SCHEMES:
        raise ValueError("must begin with sqlite:/// or postgresql://")
    driver = _SCHEMES[scheme]
    return _sqlite(driver, rest) if driver.startswith("sqlite") else _postgres(driver, rest)


def _sqlite(driver: str, rest: str) -> DatabaseAddress:
    if not rest.startswith("/"):
        raise ValueError("must begin with sqlite:/// (three strokes, four for an absolute path)")
    path, _, query = rest[1:].partition("?")
    if not path or ":memory:" in path or "mode=memory" in query:
        raise ValueError("must name a file: an SQLite database in memory keeps nothing")
    return DatabaseAddress(
        f"{driver}://{rest}", sqlite_path=None if path.startswith("file:") else Path(path)
    )


def _postgres(driver: str, rest: str) -> DatabaseAddress:
    if not _POSTGRES.fullmatch(rest):
        raise ValueError(
            "must look like postgresql://user:password@host:port/database, "
            "with special characters percent-encoded"
        )
    address, _, query = rest.partition("?")
    given = dict(parse_qsl(query, keep_blank_values=True))
    _refuse_unknown(given)
    kept = urlencode({name: given[name] for name in given if name in _KEPT}, quote_via=quote)
    mode, root = _tls_of(given)
    return DatabaseAddress(
        f"{driver}://{address}" + (f"?{kept}" if kept else ""),
        sslmode=mode,
        sslrootcert=root,
        application_name=given.get("application_name"),
        connect_timeout_seconds=_seconds(given.get("connect_timeout", "0")),
        pooled=given.get("pgbouncer", "false").lower() in ("true", "1", "yes", "on"),
        demands_channel_binding=given.get(_NOT_ENFORCED) == "require",
    )


def _refuse_unknown(given: dict[str, str]) -> None:
    for name in sorted(given.keys() - _KEPT - _TAKEN - {_NOT_ENFORCED}):
        shown = name if _PARAMETER.fullmatch(name) else "without a proper name"
        raise ValueError(
            f"has a parameter that igauth does not know: {shown} "
            f"(it knows {', '.join(sorted(_KEPT | _TAKEN | {_NOT_ENFORCED}))})"
        )


def _tls_of(given: dict[str, str]) -> tuple[str | None, str | None]:
    """`sslmode` (`ssl`, as asyncpg calls it) and `sslrootcert`, checked as libpq checks them."""
    mode, root = given.get("sslmode", given.get("ssl")), given.get("sslrootcert")
    mode = "require" if mode == "true" else mode
    if mode is not None and mode not in _MODES:
        raise ValueError(f"has an sslmode other than {', '.join(_MODES)}")
    if root == "system":
        if mode not in (None, "verify-full"):
            raise ValueError("has sslrootcert=system, which needs sslmode=verify-full")
        mode = "verify-full"
    elif root is not None and not Path(root).is_file():
        raise ValueError("has an sslrootcert that is not a file here")
    return mode, root


def _seconds(text: str) -> int:
    """libpq's connect_timeout: whole seconds, 0 for none of its own."""
    if not re.fullmatch(r"\d{1,4}", text, re.ASCII):
        raise ValueError("has a connect_timeout that is not a number of seconds")
    return int(text)
