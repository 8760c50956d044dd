"""audit export, audit erasures."""

from pathlib import Path

import click

from infra.cli.erasures import erasures
from infra.cli.opening import opened_database
from infra.export import export_log


@click.group()
def audit() -> None:
    """For those who check: the log as a file."""


@audit.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
def export(path: Path) -> None:
    """Write the whole log to PATH, one event a line, and its manifest beside it."""
    with opened_database() as (_, found):
        exported = export_log(found.dsn, path)
    click.echo(f"{exported.events} events in {exported.seconds:.1f} s; root {exported.root}")


audit.add_command(erasures)
