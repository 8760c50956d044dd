"""The process watches itself: which minutes count, and that each hour becomes one fact."""

from concurrent.futures import Future
from datetime import datetime, timedelta
from threading import Event

import psycopg
import pytest

from domain.calendar import RIYADH
from domain.events import HourOperated
from domain.ports import OutcomeUnknown, Overloaded, Receipt
from infra.operation import LOOK_S, OperationWatch, Watched
from infra.web import _record_operation
from projections import history

NINE = datetime(2011, 2, 5, 9, tzinfo=RIYADH)


class Process:
    """A process whose clock, readiness, lag and confirmations are the test's."""

    def __init__(self, since=NINE):
        self.at = since
        self.is_ready: bool | Exception = True
        self.lag = 0.0
        self.confirmed = (0, 0)
        self.recorded = []
        self.on_look = lambda: None
        self.fails = []  # what recording meets, one after another
        watched = Watched(
            is_ready=self._ready,
            lag_s=lambda: self.lag,
            confirmations=lambda: self.confirmed,
            now=lambda: self.at,
        )
        self.watch = OperationWatch(watched, self._record)

    def run(self, minutes=0, *, looks=None):
        for _ in range(minutes * 60 // LOOK_S if looks is None else looks):
            self.watch.look()
            self.at += timedelta(seconds=LOOK_S)

    def _ready(self):
        self.on_look()
        if isinstance(self.is_ready, Exception):
            raise self.is_ready
        return self.is_ready

    def _record(self, hour):
        fault = self.fails.pop(0) if self.fails else None
        if isinstance(fault, Overloaded):
            raise fault
        future: Future[Receipt] = Future()
        if fault is not None:
            future.set_exception(fault)
        else:
            self.recorded.append(hour)
            future.set_result(Receipt(1, {}, None))
        return future


def test_an_hour_becomes_one_fact_when_it_is_over():
    process = Process()
    process.run(40)
    process.confirmed = (120, 119)
    process.run(20)
    assert process.recorded == []

    process.run(5)

    (hour,) = process.recorded
    assert (hour.since, hour.minutes_watched, hour.minutes_ready, hour.minutes_fresh) == (NINE, "0-59", "0-59", "0-59")
    assert (hour.confirmations, hour.confirmations_prompt) == (120, 119)


def test_a_minute_counts_when_every_look_at_it_found_what_is_promised():
    process = Process()
    process.run(2)
    process.is_ready = False
    process.run(looks=1)
    process.is_ready, process.lag = True, 5.1
    process.run(looks=6)
    process.lag = 5.0
    process.run(looks=5)
    process.is_ready = psycopg.OperationalError("away")
    process.run(1)
    process.is_ready = True
    process.at += timedelta(seconds=LOOK_S)  # a look that was missed
    process.run(looks=5)
    process.run(1)

    process.watch.end()

    (hour,) = process.recorded
    assert hour.minutes_watched == "0-4,6"
    assert hour.minutes_ready == "0-1,3,6"
    assert hour.minutes_fresh == "0-1,6"


def test_a_process_that_ends_leaves_what_it_has_watched_and_one_that_saw_no_whole_minute_leaves_nothing():
    long, short = Process(NINE + timedelta(minutes=30, seconds=20)), Process()
    long.run(10)
    short.run(looks=5)

    long.watch.end()
    short.watch.end()

    assert [hour.minutes_ready for hour in long.recorded] == ["31-39"]
    assert short.recorded == []


def test_confirmations_are_told_once():
    process = Process()
    process.confirmed = (10, 10)
    process.run(61)
    process.confirmed = (25, 20)
    process.run(60)

    process.watch.end()

    assert [(hour.confirmations, hour.confirmations_prompt) for hour in process.recorded] == [
        (10, 10),
        (15, 10),
        (0, 0),
    ]


@pytest.mark.parametrize("fault", [Overloaded(1.0), OutcomeUnknown()], ids=repr)
def test_an_hour_that_could_not_be_recorded_is_asked_for_again(fault):
    process = Process()
    process.fails = [fault, fault]

    process.run(62)

    assert [hour.since for hour in process.recorded] == [NINE]


def test_it_looks_by_itself_and_ends_with_what_it_runs_beside():
    looked = Event()
    process = Process()
    process.at = datetime(2011, 2, 5, 9, 0, 9, 990_000, tzinfo=RIYADH)  # the next look is due in 10 ms
    process.on_look = looked.set

    with process.watch.running():
        assert looked.wait(20)

    assert process.recorded == []


# -- in the log -------------------------------------------------------------------------------------------------------


def test_the_fact_of_an_hour_is_written_once_for_each_process(office):
    process = Process()
    process.run(60)
    process.watch.end()
    (hour,) = process.recorded
    before = office.head()

    for name in ("7f3a90c1", "7f3a90c1", "c0ffee00"):
        _record_operation(office.instance, name, hour).result(20)

    assert office.head() == before + 2
    with psycopg.connect(office.instance.dsn) as connection:
        told = history.of_stream(connection, "operation/2011-02-05")
    assert [each.fact.event for each in told] == [
        HourOperated(
            by="system",
            since=NINE,
            process=name,
            minutes_watched="0-59",
            minutes_ready="0-59",
            minutes_fresh="0-59",
            confirmations=0,
            confirmations_prompt=0,
        )
        for name in ("7f3a90c1", "c0ffee00")
    ]
