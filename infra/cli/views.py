"""follow, rebuild: the read side by itself."""

import click

from infra.bootstrap import VIEWS, views_for
from infra.cli.failures import Failure
from infra.cli.opening import opened_database
from infra.migrate import migrate
from projections.follow import Follower
from projections.rebuild import rebuild as rebuild_view


@click.command()
@click.argument("view", nargs=-1, type=click.Choice(VIEWS))
def follow(view: tuple[str, ...]) -> None:
    """Keep VIEWs (all of them by default) up with the log, until SIGTERM or Ctrl-C."""
    with opened_database() as (settings, found):
        migrate(found.dsn)
        views = [each for each in views_for(settings, found.dsn) if not view or each.name in view]
        click.echo(f"following: {', '.join(each.name for each in views)}")
        with Follower(found.dsn, views, page_events_max=settings.views.follow_events_max) as follower:
            while not follower.wait(1.0):
                found.ensure_running()
        if follower.failure is not None:
            raise Failure(str(follower.failure))


@click.command()
@click.argument("view", type=click.Choice(VIEWS))
@click.option("--compare", is_flag=True, help="Compare with the live one, byte for byte, before swapping.")
def rebuild(view: str, *, compare: bool) -> None:
    """Build VIEW anew beside the live one, and swap."""
    with opened_database() as (settings, found):
        migrate(found.dsn)
        [built] = [each for each in views_for(settings, found.dsn) if each.name == view]
        rebuilt = rebuild_view(found.dsn, built, compare=compare)
    rate = rebuilt.events / max(rebuilt.seconds, 1e-9)
    click.echo(f"{view}: {rebuilt.events} events in {rebuilt.seconds:.1f} s ({rate:,.0f}/s)")
    if rebuilt.equal is not None:
        click.echo("equal to the live view" if rebuilt.equal else f"DIFFERENT: {rebuilt.difference}")
    if rebuilt.equal is False:
        raise SystemExit(1)
