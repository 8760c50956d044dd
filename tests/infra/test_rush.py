"""The benchmark holds its logs against the rules, and its ratios do not fall back (those run alone: `-m ratio`)."""

import statistics
from collections import Counter
from itertools import islice

import psycopg
import pytest

from infra.bench import desk, rounds
from infra.bench.meter import Meter
from infra.bench.report import table
from infra.bench.rules import refuse_breach

#: Median of the rounds. The bounds hold on a busy machine; what is aimed at and not reached yet stands in
#: DECISIONS.md, 12.
BOUNDS = {
    "in process, 32 callers ÷ stock library, 32 threads": 3,
    "in process, 1,024 callers ÷ L": 0.03,
    "whole policy in use ÷ first rules alone, 32 callers": 0.5,
    "HTTP single bookings ÷ FastAPI no-op POST": 0.2,
    "NDJSON ÷ HTTP single bookings": 1,
}


@pytest.mark.ratio
def test_no_ratio_has_fallen_back():
    wanted = {name for title, *names in rounds.RATIOS if title in BOUNDS for name in names}

    figures = rounds.run(2, 0.8, wanted=wanted.__contains__, told=lambda _: None)

    print(*table(figures), sep="\n")  # noqa: T201 - shown when a bound is missed
    ratios = {title: statistics.median(values) for title, values in figures.ratios()}
    assert ratios.keys() == BOUNDS.keys()
    assert {title: ratio for title, ratio in ratios.items() if ratio <= BOUNDS[title]} == {}


def test_the_mix_moves_and_cancels_and_keeps_every_rule(database_url, postgres_server, tmp_path):
    """The trial itself holds its log against the rules."""
    meter = Meter(PostgreSQL=postgres_server.postmaster_pid)

    measured = desk.trial(database_url, tmp_path, 32, seconds=60, most=1_000, meter=meter, mix=True)

    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT type, count(*) FROM log GROUP BY type").fetchall()
    counts: Counter[str] = Counter(dict(rows))
    assert counts["BookingCancelled.v1"] == pytest.approx(100, abs=10)
    assert counts["BookingMovedIn.v1"] == pytest.approx(50, abs=5)
    assert measured.cpu_s["PostgreSQL"] > 0


@pytest.fixture
def log_of_two_bookings(database_url, tmp_path):
    with desk.opened(database_url, tmp_path) as instance:
        for command in islice(desk.bookings(instance), 2):
            assert instance.desk.submit(command).result(10).refusal is None
    refuse_breach(database_url, capacity=1, accepted=Counter(book=2))
    return database_url


@pytest.mark.parametrize(
    ("breach", "change"),
    [
        ("a gap in the positions", "DELETE FROM log WHERE position = 1"),
        ("a gap in a stream", "UPDATE log SET stream_version = 99 WHERE position = (SELECT max(position) FROM log)"),
        ("two active bookings", "UPDATE log SET person = 'one' WHERE person IS NOT NULL"),
        ("were accepted", "UPDATE log SET type = 'SlotOccupied.v1' WHERE position = (SELECT max(position) FROM log)"),
    ],
)
def test_a_log_that_breaks_a_rule_fails_the_run(log_of_two_bookings, breach, change):
    with psycopg.connect(log_of_two_bookings) as connection:
        connection.execute("ALTER TABLE log DISABLE TRIGGER USER")
        connection.execute(change)

    with pytest.raises(RuntimeError, match=breach):
        refuse_breach(log_of_two_bookings, capacity=1, accepted=Counter(book=2))


def test_a_slot_over_its_capacity_fails_the_run(log_of_two_bookings):
    with pytest.raises(RuntimeError, match="over its capacity"):
        refuse_breach(log_of_two_bookings, capacity=0, accepted=Counter(book=2))
