"""`igauth`: the entry point, and where each command is found (contract §1).

A family of commands is imported when one of them is called or listed, and its heavy imports stand
inside the functions: what only prints a line is there in a tenth of a second.
"""

import sys
from importlib import import_module
from typing import NoReturn

import click

from igauth.errors import IgAuthError
from igauth.setting_faults import SettingsRefused

REFUSED = 3
_PLACES = {
    "dev": "developing",
    "serve": "serving",
    "migrate": "database",
    "sandbox": "developing",
    "doctor": "doctor",
    "keys": "keys",
    "renew": "people",
    "erase": "people",
    "status": "people",
    "connections": "support",
    "audit": "support",
    "service-keys": "service_keys",
    "webhooks": "webhooks",
    "healthcheck": "serving",
    "openapi": "serving",
}


class Commands(click.Group):
    """The commands by name, each from the module of its family."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the contract's order."""
        return list(_PLACES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now; None for a name that is none."""
        if cmd_name not in _PLACES:
            return None
        family = import_module(f"igauth.cli.{_PLACES[cmd_name]}")
        command: click.Command = getattr(family, cmd_name.replace("-", "_"))
        return command


@click.group(
    "igauth",
    cls=Commands,
    no_args_is_help=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="igauth", message="%(prog)s %(version)s")
def app() -> None:
    """Connects people's Instagram professional accounts to your application."""


def main() -> None:
    """The entry point: one clear line and a non-zero exit for whatever is wrong."""
    try:
        code = app.main(prog_name="igauth", standalone_mode=False)
    except click.ClickException as error:
        _fail(error.format_message(), error.exit_code)
    except click.Abort:
        _fail("stopped", 1)
    except SettingsRefused as refused:
        for fault in refused.faults:
            click.echo(str(fault), err=True)
        sys.exit(REFUSED)
    except IgAuthError as error:
        _fail(error.public_detail, 1)
    except OSError as error:
        _fail(str(error), 1)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(text: str, code: int) -> NoReturn:
    click.echo(f"igauth: {' '.join(text.split())}", err=True)
    sys.exit(code)
