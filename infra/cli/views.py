"""follow, rebuild: the read side by itself."""

import click

from infra.bootstrap import VIEWS, views_for
from infra.cli.failures import Failure
from infra.cli.opening import opened_database
from infra.migrate import migrate
from projections.follow import Follower
from projections.rebuild import rebuild as rebuild_views


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
@click.argument("view", nargs=-1, type=click.Choice(VIEWS))
@click.option("--compare", is_flag=True, help="Compare with the live one, byte for byte, before swapping.")
def rebuild(view: tuple[str, ...], *, compare: bool) -> None:
    """Build VIEWs (all of them by default) anew beside the live ones, and swap."""
    with opened_database() as (settings, found):
        migrate(found.dsn)
        wanted = [each for each in views_for(settings, found.dsn) if not view or each.name in view]
        rebuilt = rebuild_views(found.dsn, wanted, compare=compare)
    for one in rebuilt:
        verdict = {None: "", True: ", equal to the live view", False: f", DIFFERENT: {one.difference}"}[one.equal]
        click.echo(f"{one.view}: {one.events} events{verdict}")
    click.echo(f"folded in one pass of {rebuilt[0].seconds:.1f} s, compared in {rebuilt[0].compared_s:.1f} s")
    if any(one.equal is False for one in rebuilt):
        raise SystemExit(1)
