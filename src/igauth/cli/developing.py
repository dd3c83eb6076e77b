"""On one's own machine: `dev`, and `sandbox`, the offline Facebook alone."""

import os
from dataclasses import replace

import click

from igauth.cli import options


@click.command()
@options.port(8000)
@click.option("--reload", is_flag=True, help="Restart when a source file changes")
def dev(port: int, reload: bool) -> None:
    """Service and offline Facebook in one process; needs no configuration."""
    from igauth.cli import dev as development
    from igauth.cli.server import claim, run_server

    claim("localhost", port)
    for said in development.prepare(port):
        click.echo(f"igauth dev: {said}")
    click.echo(f"igauth dev: open http://localhost:{port}")
    bearer = f'"Authorization: Bearer $(cat {development.SERVICE_KEY})"'
    click.echo(f"igauth dev: curl -H {bearer} http://localhost:{port}/v1/service-key")
    run_server(
        "igauth.cli.dev:create_dev_app", factory=True, host="localhost", port=port, reload=reload
    )


@click.command()
@options.host("localhost")
@options.port(9000)
@click.option(
    "--public-url",
    envvar="SANDBOX_PUBLIC_URL",
    metavar="URL",
    help="Where browsers find it, if not at http://localhost:PORT",
)
@click.option(
    "--state",
    envvar="SANDBOX_STATE_FILE",
    metavar="FILE",
    help="Keep grants and tokens in FILE over a restart",
)
def sandbox(host: str, port: int, public_url: str | None, state: str | None) -> None:
    """The offline Facebook alone, for other programs to use. More by SANDBOX_* variables."""
    from igauth.cli.server import claim, run_server
    from igauth.observability import configure_logging
    from igauth.origins import origin_of
    from igauth.sandbox.app import Sandbox, config_from

    public_url = public_url or f"http://localhost:{port}"
    try:
        origin_of(public_url)
        config = replace(config_from(os.environ), public_url=public_url, state_file=state)
    except ValueError as error:
        raise click.UsageError(
            f"the sandbox's public URL or a SANDBOX_ variable: {error}"
        ) from None
    claim(host, port)
    configure_logging(None, "INFO")
    click.echo(f"igauth sandbox: {public_url}  (app id {config.app_id})")
    run_server(Sandbox(config).app, host=host, port=port)
