"""daylist: an office's day on paper."""

from datetime import date

import click

from infra.cli.opening import Day, now, opened_instance
from infra.daylist import day_list, pages
from infra.following import following


@click.command()
@click.argument("office")
@click.argument("day", metavar="DATE", type=Day())
def daylist(office: str, day: date) -> None:
    """Print the day of OFFICE, for when the system is away.

    It holds names: each is opened from the vault, and each opening is logged.
    """
    with opened_instance() as instance, following(instance.settings, instance.dsn) as views:
        views.catch_up()
        told = day_list(instance, office, day, now())
    click.echo("\f".join(pages(told)), nl=False)
