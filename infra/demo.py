"""`mawid demo`: from an empty database to bookings, views that follow them, and free places to book from today on."""

import time as clock
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from pathlib import Path

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from domain.calendar import RIYADH, hijri, local_date
from domain.commands import PublishDay
from domain.events import SlotBooked
from infra import catalogue
from infra.bootstrap import OPERATOR, Instance, open_instance, views_for
from infra.catalogue_loading import load_catalogue
from infra.clinic import import_clinic
from infra.following import following
from infra.kafka.cluster import running_cluster
from infra.kafka.unavailable import KafkaUnavailable
from infra.migrate import migrate
from infra.playing import OnProgress, play
from infra.policy_adoption import adopt_policies
from infra.policy_file import read_policies
from infra.postgres import Database
from infra.settings import Settings
from infra.simulate import LAUNCH, simulate
from projections.log import head
from projections.milestones import Ladder, ladder
from projections.rebuild import Rebuilt, self_check

DAYS_PUBLISHED = 14
#: An office-day is 25 facts: so many fill a batch at the desk, and more would only be looked at in vain.
OFFICE_DAYS_IN_FLIGHT_MAX = 96


@contextmanager
def own_kafka(settings: Settings) -> Iterator[Settings]:
    """A Kafka of one node in DATA_DIR, for as long as it lasts, and the settings that name it."""
    if settings.kafka.kafka_bootstrap:
        raise KafkaUnavailable("MAWID_KAFKA_BOOTSTRAP names a Kafka already: unset it, or leave out --kafka")
    folder, repository = settings.storage.data_dir / "kafka", settings.kafka.maven_repository.expanduser()
    with running_cluster(folder, repository=repository) as cluster:
        yield replace(settings, kafka=replace(settings.kafka, kafka_bootstrap=cluster.bootstrap))


@dataclass(frozen=True)
class DemoSummary:
    played: Sequence[str]  # what became of the bookings that were played in
    events: int
    bookings: int
    offices_published: int
    ladder: Ladder
    checks: Sequence[Rebuilt]
    played_s: float
    seconds: float

    @property
    def views_equal_log(self) -> bool:
        return all(check.equal for check in self.checks)

    def lines(self) -> Iterator[str]:
        yield from self.played
        yield f"offices with {DAYS_PUBLISHED} days published from today: {self.offices_published}"
        yield f"events {self.events}, bookings {self.bookings}, running count {self.ladder.running}"
        if self.ladder.milestones:
            last = self.ladder.milestones[-1]
            day = local_date(last.at)
            yield f"last milestone {last.threshold}: booking {last.booking} on {day} ({hijri(day)})"
        if self.views_equal_log:
            took = f"folded in {self.checks[0].seconds:.1f} s, compared in {self.checks[0].compared_s:.1f} s"
            yield f"self-check: the {len(self.checks)} views equal the log ({took})"
        for check in self.checks:
            if not check.equal:
                yield f"self-check: {check.view} DIFFERS from the log: {check.difference}"
        yield f"{self.seconds:.1f} s in all, {self.played_s:.1f} s of them for the bookings"


def demo(
    settings: Settings,
    database: Database,
    *,
    bookings: int = 20_000,
    clinic: Path | None = None,
    on_progress: OnProgress | None = None,
) -> DemoSummary:
    """Plays the story up to a running count of `bookings`, or the clinic file instead. Again: what is there stays."""
    started = clock.monotonic()
    policies = read_policies(path) if (path := settings.instance.policy_file) is not None else []
    migrate(database.dsn)
    views = views_for(settings, database.dsn)
    with following(settings, database.dsn) as follower, open_instance(settings, database.dsn) as instance:
        load_catalogue(instance, datetime.combine(LAUNCH - timedelta(days=1), time(), RIYADH))
        adopt_policies(instance, policies, datetime.now(RIYADH))
        if clinic is not None:
            played = list(import_clinic(instance, clinic, on_progress=on_progress).lines())
        else:
            played = list(simulate(instance, bookings=bookings, on_progress=on_progress).lines())
        played_s = clock.monotonic() - started
        offices = publish_ahead(instance, datetime.now(RIYADH), on_progress)
        follower.catch_up()
    checks = self_check(database.dsn, views)
    with psycopg.connect(database.dsn, autocommit=True) as connection:
        return DemoSummary(
            played=played,
            events=head(connection),
            bookings=_bookings(connection),
            offices_published=offices,
            ladder=ladder(connection),
            checks=checks,
            played_s=played_s,
            seconds=clock.monotonic() - started,
        )


def publish_ahead(instance: Instance, now: datetime, on_progress: OnProgress | None = None) -> int:
    """The coming days of every office that is live, so that a visitor can book at once. Returns how many offices."""
    today = local_date(now)
    live = [office.office for office in catalogue.offices() if office.live_from <= today]
    days = [today + timedelta(days=ahead) for ahead in range(DAYS_PUBLISHED)]
    commands = (
        PublishDay(
            **instance.stamp(OPERATOR, f"demo/publish/{office}/{day}", now, f"{office} {day}"), office=office, day=day
        )
        for office in live
        for day in days
    )
    total = len(live) * len(days)
    play(
        instance.desk,
        commands,
        stage="office days published",
        total=total,
        in_flight_max=OFFICE_DAYS_IN_FLIGHT_MAX,
        on_progress=on_progress,
    )
    return len(live)


def _bookings(connection: Connection[TupleRow]) -> int:
    row = connection.execute("SELECT count(*) FROM log WHERE type = %s", [SlotBooked.TOPIC]).fetchone()
    assert row is not None
    return int(row[0])
