"""`keys new` and `keys rotate`: the ring that seals and signs."""

from typing import TYPE_CHECKING

import click

from igauth.key_lines import new_key_line

if TYPE_CHECKING:
    from igauth.bootstrap import Services
    from igauth.upkeep.rotation import Rotation


@click.group(no_args_is_help=False)
def keys() -> None:
    """Make and rotate keys."""


@keys.command()
def new() -> None:
    """Print a fresh key line for KEYS."""
    click.echo(new_key_line())


@keys.command()
@click.option("--drop-unreadable", is_flag=True, help="Empty values that can't be opened")
def rotate(drop_unreadable: bool) -> None:
    """Re-seal every stored value under the newest key, beside a running service."""
    from igauth.cli.running import with_services
    from igauth.upkeep.rotation import KeyRotation

    async def work(services: "Services") -> "Rotation":
        app_ids = {provider: door.app_id for provider, door in services.doors.items()}
        rotation = KeyRotation(services.ring, services.database, services.clock, app_ids)
        return await rotation.rotate(drop_unreadable=drop_unreadable)

    done = with_services(work, rotating=True)
    click.echo(f"re-sealed {done.resealed}, unreadable {done.unreadable}, dropped {done.dropped}")
    unused = ", ".join(done.unused) or "none"
    click.echo(f"key ids that no readable row uses any more: {unused}")
