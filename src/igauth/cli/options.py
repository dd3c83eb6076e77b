"""What commands take and print, the same everywhere: ports, durations, `--json`."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

as_json = click.option("--json", "as_json", is_flag=True, help='Print {"data": […]}')


def port(default: int) -> Callable[[Command], Command]:
    """`--port`, with this default."""
    return click.option(
        "--port",
        type=click.IntRange(1, 65_535),
        default=default,
        show_default=True,
        help="TCP port",
    )


def host(default: str) -> Callable[[Command], Command]:
    """`--host`, with this default."""
    return click.option("--host", default=default, show_default=True, help="Address to listen on")


class Duration(click.ParamType[timedelta]):
    """A duration, written as a number and a unit: 90s, 15m, 24h, 30d."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """The duration; fails as click does for what is none."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,6})([smhd])", str(value), re.ASCII)
        if found is None:
            self.fail("must be a number with s, m, h or d, like 24h", param, ctx)
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


def print_rows(rows: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Rows of the same columns: a table for people, `{"data": […]}` for scripts."""
    if as_json:
        print_data(rows)
        return
    lines = [list(rows[0]), *(list(map(cell, row.values())) for row in rows)] if rows else []
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def cell(value: Any) -> str:
    """A value on one line of a terminal, which no name of a person's may steer."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        return " ".join(map(cell, value.values()))
    if isinstance(value, list):
        return ", ".join(map(cell, value)) or "-"
    return "".join(each if each.isprintable() else "\ufffd" for each in str(value))


def print_data(rows: Sequence[Mapping[str, Any]]) -> None:
    """What `--json` prints, for scripts."""
    click.echo(json.dumps({"data": list(rows)}, ensure_ascii=False, default=str))


def iso(instant: datetime | None) -> str | None:
    """An instant as every answer writes it."""
    return None if instant is None else f"{instant:%Y-%m-%dT%H:%M:%SZ}"
