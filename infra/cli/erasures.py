"""audit erasures replay."""

import click

from infra.bootstrap import open_instance
from infra.cli.opening import opened_database
from infra.erasure_replay import replay_erasures
from infra.migrate import migrate


@click.group()
def erasures() -> None:
    """The erasure ledger, which outlives every backup."""


@erasures.command()
def replay() -> None:
    """Repeat what a restored database has forgotten; every start does the same."""
    with opened_database() as (settings, found):
        migrate(found.dsn)
        with open_instance(settings, found.dsn) as instance:
            repeated = replay_erasures(instance, instance.erasures)
    click.echo(f"{repeated} erasures repeated, of {len(instance.erasures.erasures())} in {instance.erasures.path}")
