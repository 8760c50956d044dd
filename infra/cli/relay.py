"""relay: the log put on Kafka's topic."""

import time

import click
import psycopg

from infra.child_process import LOOK_S
from infra.cli.failures import Failure
from infra.cli.opening import opened_database
from infra.migrate import migrate
from infra.relay_position import FACTS, begin_again, relayed
from infra.relaying import relay_to_the_end, relay_while
from projections.log import head


@click.command()
@click.option("--from", "begin", type=click.IntRange(1), help="Publish anew from this position; 1: the whole log.")
@click.option("--exit", "then_exit", is_flag=True, help="End when the log as it is now is on the topic.")
def relay(begin: int | None, *, then_exit: bool) -> None:
    """Put facts on Kafka's topic mawid.facts.v1, in the log's order, until SIGTERM or Ctrl-C."""
    with opened_database() as (settings, found):
        if not settings.kafka.kafka_bootstrap:
            raise Failure("MAWID_KAFKA_BOOTSTRAP names no broker: set it to the host:port of one or more")
        migrate(found.dsn)
        with psycopg.connect(found.dsn, autocommit=True) as connection:
            last = head(connection)
            if begin is not None:
                if begin > last + 1:
                    raise Failure(f"the log ends at position {last}: --from {begin} would leave out what comes next")
                begin_again(connection, begin)
            begins = relayed(connection).position + 1
        click.echo(f"{FACTS} at {settings.kafka.kafka_bootstrap} from position {begins}")
        if then_exit:
            click.echo(f"on the topic up to position {relay_to_the_end(settings, found)}")
            return

        def goes_on() -> bool:
            time.sleep(LOOK_S)
            found.ensure_running()
            return True

        relay_while(settings, found.dsn, goes_on)
