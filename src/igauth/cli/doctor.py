"""`doctor`: what is well with a configuration, what isn't, and what mends it."""

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from igauth.cli import options

if TYPE_CHECKING:
    from igauth.settings import Settings
    from igauth.upkeep.findings import Finding


@click.command()
@options.as_json
def doctor(as_json: bool) -> None:
    """Check the configuration from end to end; exit 1 where something is not well."""
    from igauth.settings import ServeSettings, SettingsRefused, load
    from igauth.upkeep.database_faults import check_driver
    from igauth.upkeep.findings import Verdict, not_well

    try:
        settings = load(ServeSettings)
        check_driver(settings.database)
    except SettingsRefused as refused:
        mend = "set it right; .env.example explains each setting"
        found = [not_well("settings", str(fault), mend) for fault in refused.faults]
        _print_findings(found, as_json)
        sys.exit(1)
    found = _examined(settings, as_json)
    if not as_json:
        _print_for_meta(settings)
    sys.exit(any(each.verdict is Verdict.NOT_WELL for each in found))


def _examined(settings: "Settings", as_json: bool) -> "list[Finding]":
    """All findings; to a person each is shown as soon as it is made."""
    from igauth.bootstrap import open_examination
    from igauth.observability import configure_logging

    configure_logging(settings.log_format, "ERROR")

    async def work() -> "list[Finding]":
        found = []
        async with open_examination(settings) as findings:
            async for finding in findings:
                found.append(finding)
                if not as_json:
                    _print_findings([finding], as_json=False)
        return found

    found = asyncio.run(work())
    if as_json:
        _print_findings(found, as_json=True)
    return found


def _print_findings(found: "list[Finding]", as_json: bool) -> None:
    if as_json:
        options.print_data(
            [
                {
                    "verdict": each.verdict,
                    "subject": each.subject,
                    "text": each.text,
                    "mend": each.mend,
                }
                for each in found
            ]
        )
        return
    for each in found:
        click.echo(f"{each.verdict:<8}  {each.subject}: {each.text}")
        if each.mend:
            click.echo(f"          mend: {each.mend}")


def _print_for_meta(settings: "Settings") -> None:
    from igauth.upkeep.doctor import dashboard_urls, permission_notes

    click.echo("\nFor Meta's dashboard:")
    for each in dashboard_urls(settings, settings.open_doors):
        click.echo(f"  {each.door.capitalize()} Login, {each.field}: {each.url}")
    click.echo("\nPermissions, and a sentence for the review:")
    for door in settings.open_doors:
        for note in permission_notes(getattr(settings, f"{door}_scopes")):
            click.echo(f'  {note.permission}: {note.purpose}. "{note.sentence}"')
