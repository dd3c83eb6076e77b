"""`webhooks …`: receivers of events, and one to try things with (contract §12)."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from igauth.cli import options

if TYPE_CHECKING:
    from igauth.bootstrap import Services
    from igauth.domain import EventType
    from igauth.events.endpoints import Endpoints

Result = TypeVar("Result")
_endpoint = click.argument("endpoint_id", metavar="ID")


@click.group(no_args_is_help=False)
def webhooks() -> None:
    """Receivers of events: what happens to people's grants, told to your own program."""


@webhooks.command()
@click.argument("url")
@click.option("--events", metavar="A,B", help="Of these types alone; all of them unless told")
def add(url: str, events: str | None) -> None:
    """Add a receiver. Prints its signing secret, once; its id is in `webhooks list`."""
    from igauth.events.addresses import AddressRefused

    types = None if events is None else _types(events)
    try:
        endpoint_id, secret = _done(lambda endpoints: endpoints.add(url, types))
    except AddressRefused as refused:
        raise click.UsageError(f"the URL {refused}") from None
    click.echo(secret)
    click.echo(f"added {endpoint_id}", err=True)


@webhooks.command("list")
@options.as_json
def list_(as_json: bool) -> None:
    """All receivers: status, and how long the oldest event has waited."""
    rows = [asdict(each) for each in _done(lambda endpoints: endpoints.list())]
    options.print_rows(rows, as_json)


@webhooks.command()
@_endpoint
def test(endpoint_id: str) -> None:
    """Send `webhook.test` on the way of every delivery. Exit 0 only on a 2xx."""
    answer = _done(lambda endpoints: endpoints.test(endpoint_id))
    if answer.failure is not None:
        raise click.ClickException(f"it did not arrive: {answer.failure}")
    click.echo(f"arrived: status {answer.status}")


@webhooks.command()
@_endpoint
@click.option("--since", type=options.Duration(), required=True, help="How far back")
@click.option("--failed", is_flag=True, help="Only what was given up")
def replay(endpoint_id: str, since: timedelta, failed: bool) -> None:
    """Send events once more."""
    number = _done(lambda endpoints: endpoints.replay(endpoint_id, since, failed=failed))
    click.echo(f"queued {number}")


@webhooks.command()
@_endpoint
def rotate(endpoint_id: str) -> None:
    """Print a fresh signing secret; the one before is valid for 24 hours more."""
    click.echo(_done(lambda endpoints: endpoints.rotate(endpoint_id)))


@webhooks.command()
@_endpoint
def enable(endpoint_id: str) -> None:
    """Send to a receiver again that was disabled or is held."""
    _done(lambda endpoints: endpoints.enable(endpoint_id))
    click.echo("enabled")


@webhooks.command()
@_endpoint
def remove(endpoint_id: str) -> None:
    """End a receiver, its secrets, and what waits for it."""
    _done(lambda endpoints: endpoints.remove(endpoint_id))
    click.echo("removed")


@webhooks.command()
@options.port(8001)
@click.option(
    "--secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="Holds the whsec_… secret",
)
def listen(port: int, secret_file: Path) -> None:
    """Receive, verify and print events, for development: one JSON line for each."""
    from igauth.cli.server import claim, run_server
    from igauth.events.receiving import Receiver, SecretRefused

    try:
        receiver = Receiver(secret_file.read_text("utf-8"), _print)
    except (SecretRefused, UnicodeDecodeError):
        raise click.UsageError("--secret-file must hold one whsec_… secret") from None
    claim("127.0.0.1", port)
    click.echo(f"listening on http://127.0.0.1:{port}/", err=True)
    run_server(receiver, host="127.0.0.1", port=port)


def _print(told: dict[str, Any]) -> None:
    click.echo(json.dumps(told, ensure_ascii=True))


def _types(names: str) -> "list[EventType]":
    from igauth.domain import EventType

    known = {each.value: each for each in EventType if each is not EventType.TEST}
    given = [name.strip() for name in names.split(",")]
    unknown = [name for name in given if name not in known]
    if unknown:
        raise click.UsageError(f"--events knows {', '.join(known)}")
    return [known[name] for name in dict.fromkeys(given)]


def _done(work: "Callable[[Endpoints], Awaitable[Result]]") -> Result:
    from igauth.cli.running import with_services

    async def run(services: "Services") -> Result:
        return await work(services.events.endpoints)

    return with_services(run)
