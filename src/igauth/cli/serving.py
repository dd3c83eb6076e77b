"""Production: `serve`, `healthcheck`, `openapi`."""

import json
from http import HTTPStatus

import click

from igauth.cli import options

_LOOPBACK = ("127.0.0.1", "::1")


@click.command()
@options.host("127.0.0.1")
@options.port(8000)
def serve(host: str, port: int) -> None:
    """Production: Meta's real servers. One process; scale by replicas."""
    from igauth.app import create_app
    from igauth.cli.running import configured, preflight
    from igauth.cli.server import claim, run_server
    from igauth.upkeep.findings import warn_at_start
    from igauth.upkeep.open_files import raise_limit

    settings = configured()
    claim(host, port)
    preflight(settings)
    warn_at_start(settings)
    raise_limit()
    run_server(create_app(settings), host=host, port=port)


@click.command()
@click.option("--host", help="Address that is served; this machine's own unless told")
@options.port(8000)
def healthcheck(host: str | None, port: int) -> None:
    """Ask /readyz of the local service; exit 0 if it is ready."""
    answers = [_status(each, port) for each in ((host,) if host else _LOOPBACK)]
    if HTTPStatus.OK in answers:
        click.echo("ready")
        return
    answered = [status for status in answers if status is not None]
    if answered:
        raise click.ClickException(f"not ready: {answered[0]}")
    raise click.ClickException(f"nothing that speaks HTTP answers on port {port}")


def _status(host: str, port: int) -> int | None:
    from http.client import HTTPConnection, HTTPException

    connection = HTTPConnection(host, port, timeout=3)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


@click.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    from igauth.app import create_app
    from igauth.settings import load

    click.echo(json.dumps(create_app(load()).openapi(), indent=2))
