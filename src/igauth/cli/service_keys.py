"""`service-keys`: what the operator's own servers show at `/v1` (contract §11)."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from igauth.cli import options
from igauth.domain import ServiceScope, utc_now

if TYPE_CHECKING:
    from igauth.bootstrap import Services
    from igauth.store.service_keys import ServiceKeyRow

_LONGEST_NAME = 100


class Scopes(click.ParamType[tuple[ServiceScope, ...]]):
    """A comma list of scopes."""

    name = "scopes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[ServiceScope, ...]:
        """The scopes, once each; fails as click does for an unknown one, or for none."""
        named = dict.fromkeys(each.strip() for each in str(value).split(","))
        try:
            return tuple(ServiceScope(each) for each in named)
        except ValueError:
            self.fail(f"must be a comma list of: {', '.join(ServiceScope)}", param, ctx)


@click.group("service-keys", no_args_is_help=False)
def service_keys() -> None:
    """Keys for your own servers."""


@service_keys.command()
@click.option("--name", required=True, metavar="N", help="What it is for, to tell keys apart")
@click.option(
    "--scopes", type=Scopes(), required=True, metavar="A,B", help=f"Of: {', '.join(ServiceScope)}"
)
@click.option("--expires", type=options.Duration(), help="Its life, like 365d; without end unless")
def new(name: str, scopes: tuple[ServiceScope, ...], expires: timedelta | None) -> None:
    """Make a key, and print it alone, this once."""
    from igauth.cli.running import with_services

    if not 0 < len(name.strip()) <= _LONGEST_NAME or not name.isprintable():
        raise click.UsageError(f"--name must be 1 to {_LONGEST_NAME} printable characters")
    if expires is not None and not expires:
        raise click.UsageError("--expires must be more than nothing")
    _check_end(expires)

    async def work(services: "Services") -> str:
        return await services.service_keys.make(name.strip(), scopes, expires)

    click.echo(with_services(work))


@service_keys.command("list")
@options.as_json
def list_(as_json: bool) -> None:
    """All keys by id: names, scopes, dates; never a key."""
    from igauth.cli.running import with_services

    async def work(services: "Services") -> "list[dict[str, Any]]":
        now = services.clock()
        return [_shown(row, now) for row in await services.service_keys.list_all()]

    options.print_rows(with_services(work), as_json)


@service_keys.command()
@click.argument("key_id", metavar="ID")
@click.option(
    "--overlap",
    type=options.Duration(),
    default="24h",
    show_default=True,
    help="How long the old key lives on",
)
def rotate(key_id: str, overlap: timedelta) -> None:
    """Make a key in place of another, and print it alone, this once."""
    from igauth.cli.running import with_services

    _check_end(overlap)

    async def work(services: "Services") -> str:
        return await services.service_keys.rotate(key_id, overlap)

    click.echo(with_services(work))


@service_keys.command()
@click.argument("key_id", metavar="ID")
def revoke(key_id: str) -> None:
    """End a key at once."""
    from igauth.cli.running import with_services

    async def work(services: "Services") -> None:
        await services.service_keys.revoke(key_id)

    with_services(work)
    click.echo("revoked")


def _check_end(lifetime: timedelta | None) -> None:
    try:
        utc_now() + (lifetime or timedelta())
    except OverflowError:
        raise click.UsageError("that is further than any calendar goes") from None


def _shown(row: "ServiceKeyRow", now: datetime) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "scopes": sorted(row.scopes),
        "status": _status(row, now),
        "created_at": options.iso(row.created_at),
        "expires_at": options.iso(row.ends_at),
        "used_at": options.iso(row.used_at),
    }


def _status(row: "ServiceKeyRow", now: datetime) -> str:
    if row.revoked_at is not None:
        return "revoked"
    if not row.is_live(now):
        return "ended"
    return "active" if row.ends_early_at is None else "rotated"
