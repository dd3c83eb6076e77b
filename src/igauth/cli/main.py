"""The commands (contract §1): each a thin function."""

import asyncio
import http.client
import json
import os
import re
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Annotated, Any, NoReturn, TypeVar

import typer
import uvicorn

from igauth.api.schemas import iso_z
from igauth.app import create_app
from igauth.bootstrap import Services, open_examination, open_services
from igauth.cli import dev as development
from igauth.domain import Provider, Subject, utc_now
from igauth.errors import IgAuthError
from igauth.observability import configure_logging
from igauth.security.keyring import KeyRing
from igauth.settings import ServeSettings, Settings, SettingsRefused, load, origin_of
from igauth.store import migrations
from igauth.store.database import Database
from igauth.store.people import SignInRow
from igauth.upkeep.doctor import dashboard_urls, permission_notes
from igauth.upkeep.keeper import Sweep
from igauth.upkeep.rotation import KeyRotation, Rotation
from igauth.upkeep.startup import check_database, check_keys
from igauth.upkeep.status import Status

REFUSED = 3
_USER_ID = re.compile(r"[\x21-\x7e]{1,128}")
_GRACE_SECONDS = 25
_KEEP_ALIVE_SECONDS = 65
Result = TypeVar("Result")
_USAGE_ERROR: Any = typer.BadParameter.__mro__[2]
"""The base of every complaint about a command line; the library doesn't export it by name."""

app = typer.Typer(
    name="igauth",
    help="Connects people's Instagram professional accounts to your application.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
keys = typer.Typer(help="Make and rotate keys.", rich_markup_mode=None)
app.add_typer(keys, name="keys")
Port = Annotated[int, typer.Option(min=1, max=65_535, help="TCP port")]


def main() -> None:
    """The entry point: one clear line and a non-zero exit for whatever is wrong."""
    try:
        code = app(standalone_mode=False)
    except _USAGE_ERROR as error:
        _fail(error.format_message(), error.exit_code)
    except typer.Abort:
        _fail("stopped", 1)
    except SettingsRefused as refused:
        for fault in refused.faults:
            typer.echo(str(fault), err=True)
        sys.exit(REFUSED)
    except IgAuthError as error:
        _fail(error.public_detail, 1)
    except OSError as error:
        _fail(str(error), 1)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(text: str, code: int) -> NoReturn:
    typer.echo(f"igauth: {' '.join(text.split())}", err=True)
    sys.exit(code)


@app.command()
def dev(
    port: Port = 8000,
    reload: Annotated[bool, typer.Option(help="Restart when a source file changes")] = False,
) -> None:
    """Service and offline Facebook in one process; needs no configuration."""
    development.prepare(port)
    typer.echo(f"igauth dev: open http://localhost:{port}")
    uvicorn.run(
        "igauth.cli.dev:create_dev_app",
        factory=True,
        host="localhost",
        port=port,
        reload=reload,
        **_server_options(),
    )


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "127.0.0.1",
    port: Port = 8000,
) -> None:
    """Production: real Facebook. One process; scale by replicas."""
    settings = load(ServeSettings)
    configure_logging(settings.log_format, settings.log_level)
    _run(_preflight(settings))
    uvicorn.run(create_app(settings), host=host, port=port, **_server_options())


@app.command()
def migrate() -> None:
    """Bring the database to this program's version; several at once are safe."""
    settings = load(Settings)
    url = settings.database_url.get_secret_value()
    before = _run(_revision(url))
    if not migrations.is_known(before):
        _fail("the database was migrated by a newer program; upgrade this one first", 1)
    migrations.upgrade(url)
    typer.echo(f"database at {migrations.head_revision()}")


@app.command()
def sandbox(
    host: Annotated[str, typer.Option(help="Address to listen on")] = "localhost",
    port: Port = 9000,
    public_url: Annotated[
        str | None,
        typer.Option(
            envvar="SANDBOX_PUBLIC_URL",
            help="Where browsers find it, if not at http://localhost:PORT",
        ),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            envvar="SANDBOX_STATE_FILE",
            metavar="FILE",
            help="Keep grants and tokens in FILE over a restart",
        ),
    ] = None,
) -> None:
    """The offline Facebook alone, for other programs to use. More by SANDBOX_* variables."""
    from igauth.sandbox.app import Sandbox, config_from

    public_url = public_url or f"http://localhost:{port}"
    try:
        origin_of(public_url)
        config = replace(config_from(os.environ), public_url=public_url, state_file=state)
    except ValueError as error:
        _fail(f"the sandbox's public URL or a SANDBOX_ variable: {error}", 2)
    configure_logging(None, "INFO")
    made = Sandbox(config)
    typer.echo(f"igauth sandbox: {public_url}  (app id {config.app_id})")
    uvicorn.run(made.app, host=host, port=port, **_server_options())


@app.command()
def healthcheck(port: Port = 8000) -> None:
    """Ask `/readyz` of the local service; exit 0 if it is ready."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        _fail(f"nothing that speaks HTTP answers on port {port}", 1)
    finally:
        connection.close()
    if status != http.HTTPStatus.OK:
        _fail(f"not ready: {status}", 1)
    typer.echo("ready")


@app.command()
def openapi() -> None:
    """Print the OpenAPI document."""
    typer.echo(json.dumps(create_app(load(Settings)).openapi(), indent=2))


@app.command()
def renew(
    everything: Annotated[
        bool, typer.Option("--all", help="Re-check every connection, due or not")
    ] = False,
) -> None:
    """One sweep of the token keeper."""

    async def work(services: Services) -> Sweep:
        return await services.keeper.renew(everything=everything)

    swept = _with_services(work)
    states = ", ".join(f"{status} {number}" for status, number in sorted(swept.states.items()))
    typer.echo(f"checked {swept.checked}{f' ({states})' if states else ''}")
    typer.echo(f"postponed {swept.postponed}, revocations confirmed {swept.confirmed}")


@app.command()
def erase(
    facebook_user_id: Annotated[
        str, typer.Option("--facebook-user-id", help="The person's app-scoped id")
    ],
) -> None:
    """Delete everything of one person, as Meta's data-deletion callback does."""
    if not _USER_ID.fullmatch(facebook_user_id):
        _fail("--facebook-user-id must be the person's app-scoped id", 2)

    async def work(services: Services) -> bool:
        who = SignInRow(Provider.FACEBOOK, services.settings.app[0], Subject(facebook_user_id))
        return await services.ending.erase(who)

    typer.echo("erased" if _with_services(work) else "nothing stored about this person")


@app.command()
def status() -> None:
    """Counts of people, connections, sessions; the oldest check; queued revocations."""

    async def work(services: Services) -> Status:
        return await services.counting.count()

    found = _with_services(work)
    typer.echo(f"people: {found.people}")
    for state, number in found.connections.items():
        typer.echo(f"connections {state}: {number}")
    typer.echo(f"sessions: {found.sessions}")
    oldest = "none" if found.oldest_check is None else iso_z(found.oldest_check)
    typer.echo(f"oldest check: {oldest}")
    typer.echo(f"queued revocations: {found.queued_revocations}")


@app.command()
def doctor() -> None:
    """Check the configuration from end to end; exit 0 only if all is well."""
    try:
        settings = load(ServeSettings)
    except SettingsRefused as refused:
        for fault in refused.faults:
            typer.echo(f"NOT WELL  settings: {fault}")
        sys.exit(1)
    configure_logging(settings.log_format, "ERROR")
    well = _run(_examine(settings))
    typer.echo("\nFor Meta's dashboard:")
    for name, url in dashboard_urls(settings):
        typer.echo(f"  {name}: {url}")
    typer.echo("\nPermissions, and a sentence for the review:")
    for note in permission_notes(settings):
        typer.echo(f'  {note.permission}: {note.purpose}. "{note.sentence}"')
    sys.exit(0 if well else 1)


@keys.command("new")
def keys_new() -> None:
    """Print a fresh key line for KEYS."""
    typer.echo(development.new_key_line())


@keys.command("rotate")
def keys_rotate(
    drop_unreadable: Annotated[
        bool, typer.Option("--drop-unreadable", help="Empty values that can't be opened")
    ] = False,
) -> None:
    """Re-seal every stored value under the newest key, beside a running service."""

    async def work(services: Services) -> Rotation:
        app_ids = {provider: door.app_id for provider, door in services.doors.items()}
        rotation = KeyRotation(services.ring, services.database, services.clock, app_ids)
        return await rotation.rotate(drop_unreadable=drop_unreadable)

    done = _with_services(work, rotating=True)
    typer.echo(f"re-sealed {done.resealed}, unreadable {done.unreadable}, dropped {done.dropped}")
    unused = ", ".join(done.unused) or "none"
    typer.echo(f"key ids that no readable row uses any more: {unused}")


async def _examine(settings: Settings) -> bool:
    well = True
    async with open_examination(settings) as findings:
        async for finding in findings:
            well = well and finding.well
            mend = f"\n          mend: {finding.mend}" if finding.mend else ""
            mark = "well    " if finding.well else "NOT WELL"
            typer.echo(f"{mark}  {finding.subject}: {finding.text}{mend}")
    return well


def _with_services(
    work: Callable[[Services], Awaitable[Result]], *, rotating: bool = False
) -> Result:
    """Runs `work` on the services of a configuration that could serve."""
    settings = load(ServeSettings)
    configure_logging(settings.log_format, settings.log_level)

    async def run() -> Result:
        async with open_services(settings, rotating=rotating) as services:
            return await work(services)

    return _run(run())


async def _preflight(settings: Settings) -> None:
    database = Database(settings.database_url.get_secret_value())
    try:
        await check_database(database)
        await check_keys(database, KeyRing(settings.keys), utc_now)
    finally:
        await database.close()


async def _revision(url: str) -> str | None:
    database = Database(url)
    try:
        return await migrations.current_revision(database)
    finally:
        await database.close()


def _run(work: Coroutine[Any, Any, Result]) -> Result:
    return asyncio.run(work)


def _server_options() -> dict[str, Any]:
    """uvicorn as igauth needs it: our own log line, our own proxy rule, patience at the end."""
    return {
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "proxy_headers": False,
        "timeout_graceful_shutdown": _GRACE_SECONDS,
        "timeout_keep_alive": _KEEP_ALIVE_SECONDS,
    }
