"""audit check, audit export, audit erasures."""

from pathlib import Path

import click

from infra.cli.erasures import erasures
from infra.cli.opening import opened_database
from infra.export import export_log
from infra.migrate import migrate
from infra.self_check import LOG, check_all


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


audit.add_command(erasures)
