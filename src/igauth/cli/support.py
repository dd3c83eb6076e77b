"""For a support case: `connections list`, `connections show`, `audit`. Never a token."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from igauth.cli import options

if TYPE_CHECKING:
    from igauth.bootstrap import Services
    from igauth.store.audit import AuditRow
    from igauth.store.support import FoundConnection

_limit = click.option(
    "--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="The newest"
)


@click.group(no_args_is_help=False)
def connections() -> None:
    """People's connections: state, cause, dates, accounts."""


@connections.command("list")
@click.argument("known", required=False, metavar="[ID|NAME]")
@_limit
@options.as_json
def list_(known: str | None, limit: int, as_json: bool) -> None:
    """The connections of whoever this is about, or the newest of all.

    By an id of Facebook's or Instagram's, one of ours, or a part of a name.
    """
    found = _found(known, limit)
    if as_json:
        options.print_data(found)
        return
    columns = ("id", "provider", "name", "status", "cause", "verified_at", "accounts")
    options.print_rows([{name: each[name] for name in columns} for each in found], as_json=False)


@connections.command()
@click.argument("known", metavar="ID")
@options.as_json
def show(known: str, as_json: bool) -> None:
    """All that is known of a connection, by any id that `list` takes."""
    found = _found(known, 100)
    if not found:
        raise click.ClickException("there is no connection that this is about")
    if as_json:
        options.print_data(found)
        return
    for each in found:
        click.echo("\n".join(f"{name}: {options.cell(value)}" for name, value in each.items()))
        click.echo()


def _found(known: str | None, limit: int) -> list[dict[str, Any]]:
    from igauth.cli.running import with_services
    from igauth.store.support import find_connections

    async def work(services: "Services") -> list[dict[str, Any]]:
        found = await services.database.read(lambda tx: find_connections(tx, known, limit=limit))
        return [_shown(each, services) for each in found]

    return with_services(work)


def _shown(found: "FoundConnection", services: "Services") -> dict[str, Any]:
    row = found.connection
    status, cause = services.rules.state(row, services.clock())
    return {
        "id": row.id,
        "person_id": row.person_id,
        "provider": row.provider,
        "provider_user_id": row.subject,
        "name": row.name,
        "status": status,
        "cause": cause,
        "granted_scopes": sorted(row.granted_scopes),
        "declined_scopes": sorted(row.declined_scopes),
        "missing_scopes": services.rules.missing_scopes(row),
        "connected_at": options.iso(row.connected_at),
        "verified_at": options.iso(row.verified_at),
        "token_expires_at": options.iso(row.token_expires_at),
        "data_access_expires_at": options.iso(row.data_access_expires_at),
        "used_at": options.iso(row.used_at),
        "next_check_at": options.iso(row.next_check_at),
        "check_failures": row.check_failures,
        "accounts": [{"id": account, "username": name} for account, name in found.accounts],
    }


@click.command()
@click.option(
    "--since", type=options.Duration(), default="1d", show_default=True, help="How far back"
)
@click.option("--person", metavar="ID", help="Of this person (our id) alone")
@click.option("--key", metavar="ID", help="By this service key alone")
@_limit
@options.as_json
def audit(since: timedelta, person: str | None, key: str | None, limit: int, as_json: bool) -> None:
    """The trail of security events, oldest first."""
    from igauth.cli.running import with_services
    from igauth.store.audit import list_events

    async def work(services: "Services") -> "list[AuditRow]":
        began = services.clock() - since
        return await services.database.read(
            lambda tx: list_events(tx, since=began, person=person, actor=key, limit=limit)
        )

    rows = [
        {name: getattr(event, name) for name in event.__slots__} | {"at": options.iso(event.at)}
        for event in with_services(work)
    ]
    options.print_rows(rows, as_json)
