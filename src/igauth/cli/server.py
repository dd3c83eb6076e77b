"""uvicorn as igauth needs it, and the port it will listen on."""

import errno
import signal
import socket
import sys
from functools import partial
from types import FrameType
from typing import Any

import click

from igauth.upkeep.open_files import reachable_limit

GRACE_SECONDS = 25
"""For what is in flight at a SIGTERM."""
_KEEP_ALIVE_SECONDS = 65
_MOST_CONNECTIONS = 10_000
_OTHER_FILES = 200
"""Open files that aren't browsers: database, Meta, the program itself."""


def run_server(app: Any, *, host: str, port: int, **more: Any) -> None:
    """Serves until told to stop."""
    import uvicorn

    signal.signal(signal.SIGTERM, _leave)
    uvicorn.run(
        app,
        host=host,
        port=port,
        http=_protocol(),
        access_log=False,  # it prints `code`
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        **more,
    )


def _protocol() -> Any:
    """Our bounds around httptools; h11, where that isn't, has its own for the head."""
    try:
        from igauth.cli.protocol import BoundedHttp
    except ImportError:  # PyPy
        return "h11"
    most = min(_MOST_CONNECTIONS, max(_OTHER_FILES, reachable_limit() - _OTHER_FILES))
    return partial(BoundedHttp, most_connections=most)


def claim(host: str, port: int) -> None:
    """Raises ClickException where the address can't be listened on, and says what to do."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        raise click.UsageError("--host must be an address or a name of this machine") from None
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind(address)
            except OSError as error:
                _refuse(error, host, port)


def _refuse(error: OSError, host: str, port: int) -> None:
    """A family that this machine lacks is no reason; uvicorn passes over it as well."""
    if error.errno == errno.EADDRINUSE:
        raise click.ClickException(
            f"port {port} of {host} is taken; stop what listens there, or choose another: --port"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        raise click.ClickException(
            f"port {port} may not be opened by this user; choose one above 1023: --port"
        )
    if error.errno == errno.EADDRNOTAVAIL and host not in ("localhost", "::1"):
        raise click.ClickException(f"{host} is no address of this machine; see --host")


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """uvicorn raises the signal again when it has finished: then the log's last lines go out."""
    sys.exit(0)
