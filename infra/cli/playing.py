"""demo, import, simulate: bookings played in, with a progress bar."""

from contextlib import ExitStack
from datetime import date
from pathlib import Path

import click

from infra.cli.failures import Failure
from infra.cli.opening import Day, opened_database, opened_instance
from infra.clinic import import_clinic
from infra.demo import demo as play_demo
from infra.demo import own_kafka
from infra.following import following
from infra.importing import import_lines
from infra.playing import Progress
from infra.processes import refuse_used_port, serve, web_links
from infra.relaying import relay_to_the_end
from infra.simulate import simulate as play_story

LAUNCH = date(2010, 11, 27)


@click.command()
@click.option("--bookings", type=click.IntRange(1, 5_000_000), default=20_000, show_default=True)
@click.option("--clinic", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Play this file instead.")
@click.option("--kafka", "with_kafka", is_flag=True, help="Start a Kafka too, and put the facts on its topic.")
@click.option("--exit", "then_exit", is_flag=True, help="Stop after the summary.")
def demo(bookings: int, clinic: Path | None, *, with_kafka: bool, then_exit: bool) -> None:
    """Fresh machine to bookings on screen: play bookings in, then serve pages and API."""
    with ExitStack() as parts:
        settings, found = parts.enter_context(opened_database())
        if with_kafka:
            settings = parts.enter_context(own_kafka(settings))
        if not then_exit:
            refuse_used_port(settings)
        with Progress() as progress:
            summary = play_demo(settings, found, bookings=bookings, clinic=clinic, on_progress=progress)
        for line in summary.lines():
            click.echo(line)
        if not summary.views_equal_log:
            raise Failure("a view does not equal the log: run `mawid rebuild VIEW --compare` for the difference")
        if with_kafka:
            position = relay_to_the_end(settings, found)
            brokers = settings.kafka.kafka_bootstrap
            click.echo(f"Kafka     {brokers} · topic mawid.facts.v1, up to position {position}")
        if not then_exit:
            for line in web_links(settings):
                click.echo(line)
            serve(settings, found)


@click.command("import")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--clinic", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="The clinic file, zipped.")
def import_(file: Path | None, clinic: Path | None) -> None:
    """Import NDJSON commands from FILE (- is standard input); twice changes nothing."""
    if (file is None) == (clinic is None):
        raise click.UsageError("name either a FILE or --clinic ZIP")
    with opened_instance() as instance, Progress() as progress:
        if clinic is not None:
            lines = import_clinic(instance, clinic, on_progress=progress).lines()
        else:
            assert file is not None
            with following(instance.settings, instance.dsn):  # a line may name a booking by its reference
                lines = import_lines(instance, file, on_progress=progress).lines()
    for line in lines:
        click.echo(line)


@click.command()
@click.option("--from", "since", type=Day(), default=LAUNCH, show_default=True, help="The launch.")
@click.option("--bookings", type=click.IntRange(1, 5_000_000), required=True, help="The running count to reach.")
@click.option("--seed", type=int, default=1432, show_default=True)
def simulate(since: date, bookings: int, seed: int) -> None:
    """Play the article's story from the fitted load model."""
    with opened_instance() as instance, following(instance.settings, instance.dsn) as views:
        with Progress() as progress:
            played = play_story(instance, since=since, bookings=bookings, seed=seed, on_progress=progress)
        views.catch_up()
    for line in played.lines():
        click.echo(line)
