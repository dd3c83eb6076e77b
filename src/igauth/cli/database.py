"""`migrate`: the database, brought to this program's version."""

import click


@click.command()
def migrate() -> None:
    """Bring the database to this program's version; several at once are safe."""
    from igauth.settings import load
    from igauth.store import migrations
    from igauth.upkeep.database_faults import check_address
    from igauth.upkeep.startup import bring_to_head

    settings = load()
    check_address(settings.database)
    bring_to_head(settings.database_url.get_secret_value())
    click.echo(f"database at {migrations.head_revision()}")
