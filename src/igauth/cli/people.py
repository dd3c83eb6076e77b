"""People and their connections: `status`, `renew`, `erase`."""

import re
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from igauth.cli import options
from igauth.domain import Provider, Subject

if TYPE_CHECKING:
    from igauth.bootstrap import Services
    from igauth.upkeep.keeper import Sweep
    from igauth.upkeep.status import Status

_USER_ID = re.compile(r"[\x21-\x7e]{1,128}")


@click.command()
@options.as_json
def status(as_json: bool) -> None:
    """Counts of people, connections, sessions; the oldest check; queued revocations."""
    from igauth.cli.running import with_services

    async def work(services: "Services") -> "Status":
        return await services.counting.count()

    found = asdict(with_services(work))
    if found["oldest_check"] is not None:
        found["oldest_check"] = f"{found['oldest_check']:%Y-%m-%dT%H:%M:%SZ}"
    if as_json:
        options.print_data([found])
    else:
        click.echo("\n".join(f"{name}: {value}" for name, value in _flat(found)))


def _flat(found: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each count with its words; those by state, one a line."""
    for name, value in found.items():
        words = name.replace("_", " ")
        if isinstance(value, dict):
            yield from ((f"{words} {state}", number) for state, number in value.items())
        else:
            yield words, "none" if value is None else value


@click.command()
@click.option("--all", "everything", is_flag=True, help="Re-check every connection, due or not")
def renew(everything: bool) -> None:
    """One sweep of the token keeper."""
    from igauth.cli.running import with_services

    async def work(services: "Services") -> "Sweep":
        return await services.keeper.renew(everything=everything)

    swept = with_services(work)
    states = ", ".join(f"{state} {number}" for state, number in sorted(swept.states.items()))
    click.echo(f"checked {swept.checked}{f' ({states})' if states else ''}")
    if swept.alarm:
        text = "so many Instagram connections failed that none was marked: check the app at Meta"
        click.echo(f"igauth renew: {text}", err=True)
    click.echo(f"postponed {swept.postponed}, revocations confirmed {swept.confirmed}")


@click.command()
@click.option("--facebook-user-id", metavar="ID", help="The person's app-scoped id at Facebook")
@click.option("--instagram-user-id", metavar="ID", help="The account's id at Instagram")
def erase(facebook_user_id: str | None, instagram_user_id: str | None) -> None:
    """Delete everything of one person, as Meta's data-deletion callback does."""
    given = {Provider.FACEBOOK: facebook_user_id, Provider.INSTAGRAM: instagram_user_id}
    named = [(door, user_id) for door, user_id in given.items() if user_id is not None]
    if len(named) != 1:
        raise click.UsageError("give either --facebook-user-id or --instagram-user-id")
    ((door, user_id),) = named
    if not _USER_ID.fullmatch(user_id):
        raise click.UsageError("the id must be one that Meta gave, without blanks")
    erased = _erase(door, Subject(user_id))
    click.echo("erased" if erased else "nothing stored about this person")


def _erase(door: Provider, subject: Subject) -> bool:
    from igauth.cli.running import with_services
    from igauth.store.people import SignInRow

    async def work(services: "Services") -> bool:
        app_id, _ = services.settings.app_of(door)
        return await services.ending.erase(SignInRow(door, app_id, subject))

    return with_services(work)
