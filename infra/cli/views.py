"""follow, rebuild: the read side by itself."""

import signal

import click
from projections.follow import Follower
from projections.rebuild import rebuild as rebuild_view

from infra.bootstrap import reference_hash_by, views_of
from infra.cli.opening import Failure, opened_database
from infra.migrate import migrate

VIEWS = ("availability", "bookings", "catalogue", "milestones", "totals")


@click.command()
@click.argument("view", nargs=-1, type=click.Choice(VIEWS))
def follow(view: tuple[str, ...]) -> None:
    """Keep VIEWs (all of them by default) up with the log, until SIGTERM or Ctrl-C."""
    with opened_database() as (settings, found):
        migrate(found.dsn)
        views = [one for one in views_for(settings, found.dsn) if not view or one.name in view]
        follower = Follower(found.dsn, views, page_events_max=settings.views.follow_events_max)
        try:
            click.echo(f"following: {', '.join(one.name for one in views)}")
            while not follower.failure:
                Event().wait(0.5)  # Ctrl-C and SIGTERM end it
        finally:
            follower.close()
        if follower.failure:
            raise Failure(f"a view stopped: {follower.failure}")


@click.command()
@click.argument("view", type=click.Choice(VIEWS))
@click.option("--compare", is_flag=True, help="Compare with the live one, byte for byte, before swapping.")
def rebuild(view: str, compare: bool) -> None:
    """Build VIEW anew beside the live one, and swap."""
    with opened_database() as (settings, found):
        migrate(found.dsn)
        [built] = [one for one in views_for(settings, found.dsn) if one.name == view]
        rebuilt = rebuild_view(found.dsn, built, compare=compare)
    rate = rebuilt.events / max(rebuilt.seconds, 1e-9)
    click.echo(f"{view}: {rebuilt.events} events in {rebuilt.seconds:.1f} s ({rate:,.0f}/s)")
    if compare:
        click.echo("equal to the live view" if rebuilt.equal else f"DIFFERENT: {rebuilt.difference}")
    if rebuilt.equal is False:
        raise SystemExit(1)


COMMANDS = (follow, rebuild)
