"""What commands share: settings, the database, and an instance on it."""

import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from types import FrameType

import click
import psycopg

from infra import logs
from infra.bootstrap import GC_THRESHOLDS, Instance, open_instance
from infra.cli.failures import Failure
from infra.postgres import Database, database
from infra.processes import prepare
from infra.settings import Settings


@contextmanager
def opened_database() -> Iterator[tuple[Settings, Database]]:
    """The database reachable, and left in order."""
    with opened_settings() as settings, database(settings) as found:
        yield settings, found


@contextmanager
def opened_settings() -> Iterator[Settings]:
    """Settings read, logging on; SIGTERM ends like Ctrl-C, and a database that fails is told in a sentence."""
    settings = Settings.load()
    logs.configure(settings.instance.log_format)
    gc.set_threshold(*GC_THRESHOLDS)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield settings
    except psycopg.errors.DiskFull as error:
        raise Failure("the disk of the database is full: make room, then run the same again") from error
    except psycopg.OperationalError as error:
        raise Failure(f"the database went away ({type(error).__name__}): run the same again when it is back") from error


@contextmanager
def opened_instance() -> Iterator[Instance]:
    """An instance on a migrated database with the catalogue in its log, beside whatever else runs on it."""
    with opened_database() as (settings, found):
        prepare(settings, found)
        with open_instance(settings, found.dsn) as instance:
            yield instance


def now() -> datetime:
    return datetime.now(UTC)


class Day(click.ParamType[date]):
    name = "date"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a date such as 2011-02-05", param, ctx)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
