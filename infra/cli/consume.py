"""consume: work from the facts' topic. parked: what a consumer gave up on."""

import time

import click
import psycopg

from infra import parked as stored
from infra.cli.failures import Failure
from infra.cli.opening import opened_database, opened_instance
from infra.consuming import EFFECTS, consume_while, retry_parked
from infra.migrate import migrate
from infra.relay_position import FACTS

_LOOK_S = 0.25
_ROWS_MAX = 1_000


@click.command()
@click.argument("name", type=click.Choice(list(EFFECTS)))
def consume(name: str) -> None:
    """Do what NAME does with each fact on Kafka's topic mawid.facts.v1, once, until SIGTERM or Ctrl-C."""
    with opened_instance() as instance:
        settings = instance.settings
        if not settings.kafka.kafka_bootstrap:
            raise Failure("MAWID_KAFKA_BOOTSTRAP names no broker: set it to the host:port of one or more")
        click.echo(f"{name} from {FACTS} at {settings.kafka.kafka_bootstrap}")

        def goes_on() -> bool:
            time.sleep(_LOOK_S)
            return True

        consume_while(name, instance, goes_on)
        raise Failure("a part of the consumer has ended by itself: the log above says why")


@click.group()
def parked() -> None:
    """Messages that a consumer gave up on."""


@parked.command("list")
@click.option("--after", default=0, help="Only those parked later than this id.")
def list_(after: int) -> None:
    """One a line, the oldest first: id, consumer, where it lies, bytes, when, why."""
    with opened_database() as (_, found):
        migrate(found.dsn)
        with psycopg.connect(found.dsn) as connection:
            rows = stored.listed(connection, after=after, limit=_ROWS_MAX)
    for row in rows:
        where = f"{row.topic}/{row.partition}/{row.offset}"
        click.echo(f"{row.id} {row.consumer} {where} {row.size} {row.parked_at.isoformat()} {row.why}")
    if len(rows) == _ROWS_MAX:
        click.echo(f"more: --after {rows[-1].id}", err=True)


@parked.command()
@click.argument("ids", type=int, nargs=-1)
@click.option("--all", "every", is_flag=True, help="All of them, the oldest first.")
def retry(ids: tuple[int, ...], *, every: bool) -> None:
    """Try again, as after an upgrade or a repair."""
    if bool(ids) == every:
        raise click.UsageError("name the ids, or --all")
    with opened_database() as (settings, found):
        migrate(found.dsn)
        with psycopg.connect(found.dsn, autocommit=True) as connection:
            rows = {row.id: row for row in stored.listed(connection)}
        stays = 0
        for each in ids or rows:
            if each not in rows:
                raise Failure(f"{each} is not parked: `mawid parked list` tells what is")
            why = retry_parked(settings, found.dsn, rows[each])
            click.echo(f"{each} taken" if why is None else f"{each} stays parked: {why}")
            stays += why is not None
    if stays:
        raise SystemExit(1)


@parked.command()
@click.argument("ids", type=int, nargs=-1, required=True)
def drop(ids: tuple[int, ...]) -> None:
    """Forget them. What lies on the topic stays there."""
    with opened_database() as (_, found):
        migrate(found.dsn)
        with psycopg.connect(found.dsn, autocommit=True) as connection:
            for each in ids:
                if not stored.drop(connection, each):
                    raise Failure(f"{each} is not parked: `mawid parked list` tells what is")
                click.echo(f"{each} dropped")
