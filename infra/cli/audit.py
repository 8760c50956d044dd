"""audit check, erasures, export, history."""

from datetime import datetime
from pathlib import Path

import click

from api.clock import InvalidInstant, parse_instant
from infra.cli.erasures import erasures
from infra.cli.opening import now, opened_database
from infra.export import export_log
from infra.migrate import migrate
from infra.self_check import LOG, check_all
from infra.stream_history import UnusableStream, lines, stream_history

#: Of the auditor's commands: what was asked for is not there, or is no log of Mawid's.
UNUSABLE = 2


class Place(click.ParamType[int | datetime]):
    name = "position"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int | datetime:
        text = str(value)
        if text.isascii() and text.isdigit():
            return int(text)
        try:
            return parse_instant(text)
        except InvalidInstant:
            self.fail(f"{text!r} is neither a position nor an instant such as 2011-02-05T09:00:00+03:00", param, ctx)


@click.group()
def audit() -> None:
    """For those who check: the log as a file."""


@audit.command()
def check() -> None:
    """Hold the log against its leaves, and every view against the log. Exit 1: something is wrong."""
    with opened_database() as (settings, found):
        migrate(found.dsn)
        checked = check_all(settings, found.dsn)
    for each in checked:
        verdict = "whole" if each.part == LOG else "equal to the log"
        click.echo(f"{each.part}: {each.position} events, {each.problem or verdict}")
    if any(each.problem is not None for each in checked):
        raise SystemExit(1)


@audit.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
def export(path: Path) -> None:
    """Write the whole log to PATH, one event a line, and its manifest beside it."""
    with opened_database() as (_, found):
        exported = export_log(found.dsn, path)
    click.echo(f"{exported.events} events in {exported.seconds:.1f} s; root {exported.root}")


@audit.command()
@click.argument("stream")
@click.option("--at", type=Place(), help="As of this position, or of an instant; without it, as of the last fact.")
def history(stream: str, at: int | datetime | None) -> None:
    """Print the state of STREAM, and the facts that made it.

    STREAM is slot/OFFICE@START, office/ID, booking/ID, person/ID, policy, or any other stream of the log.
    """
    instant, position = (at, None) if isinstance(at, datetime) else (None, at)
    with opened_database() as (settings, found):
        migrate(found.dsn)
        folded_max = settings.http.stream_folded_events_max
        try:
            told = stream_history(found.dsn, stream, at=instant, at_position=position, now=now(), folded_max=folded_max)
        except UnusableStream as unusable:
            click.echo(f"mawid: {unusable}", err=True)
            raise SystemExit(UNUSABLE) from None
    for line in lines(told):
        click.echo(line)


audit.add_command(erasures)
