"""The indicators are what somebody would count who only had the facts; in whatever pages these were folded."""

import random
from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any

import pytest

from domain import events
from domain.measurement import fraction_of
from projections.indicator_values import Asked, measurements, periods, values
from projections.measurement import MeasurementInputs
from tests.projections.measured import DAYS, FIRST, History, counted, noon, start

PERIODS = [(DAYS[0], DAYS[-1]), (DAYS[3], DAYS[9]), (DAYS[4], DAYS[4]), (FIRST - timedelta(days=40), FIRST)]
WHENEVER = [noon(DAYS[-1] + timedelta(days=60)), noon(DAYS[6]), start(DAYS[4], 2)]


@pytest.mark.parametrize("seed", range(25))
def test_the_values_are_those_counted_straight_from_the_facts(folded, seed):
    history = History(seed)
    page_size = random.Random(seed).choice([1, 7, 50, 5000])

    with folded([MeasurementInputs()], history.facts, page_size) as connection:
        for first, last in PERIODS:
            for at in WHENEVER:
                found = values(connection, Asked(first, last, at))

                expected = counted(history.facts, first, last, at)
                assert {name: fraction_of(value) for name, value in found.items()} == expected
                assert list(found) == sorted(found)


def test_the_histories_hold_all_that_is_counted():
    facts = [fact for seed in range(25) for _, fact in History(seed).facts]

    kinds = {type(fact.event) for fact in facts}
    displaced = [fact.event for fact in facts if isinstance(fact.event, events.BookingDisplacedOut)]
    assert {event.to_starts_at is None for event in displaced} == {True, False}
    assert kinds >= {
        events.WalkedIn,
        events.BookingDisplacedIn,
        events.BookingCancelled,
        events.OutcomeCorrected,
        events.CustomerCalled,
        events.HourOperated,
        events.SlotWithdrawn,
    }
    names = set(counted(History(0).facts, DAYS[0], DAYS[-1], WHENEVER[0]))
    assert names == {"A1", "A2", "A3", "B1", "B2", "B3", "C1", "C3", "D1", "D2", "D3", "D4", "D5", "D6"}


def test_shares_keep_the_numbers_they_were_counted_as(folded):
    history = History(1)
    booked = [(fact.at.date(), fact.event) for _, fact in history.facts if isinstance(fact.event, events.SlotBooked)]
    (first, _), *_, (last, _) = sorted(booked, key=lambda each: each[0])

    with folded([MeasurementInputs()], history.facts) as connection:
        found = values(connection, Asked(first, last, WHENEVER[0]))

    assert found["C1"] == f"{sum(event.reachable for _, event in booked)}/{len(booked)}"


def test_an_empty_log_has_no_data_for_anything(folded):
    history = History(0)

    with folded([MeasurementInputs()], history.facts[:1]) as connection:
        assert values(connection, Asked(DAYS[0], DAYS[-1], WHENEVER[0])) == {"A1": "0/1"}


def operated(since: datetime, watched: str, ready: str | None = None, **differs: object):
    told: dict[str, Any] = {"process": "p", "minutes_fresh": watched, "confirmations": 0, "confirmations_prompt": 0}
    told |= {"minutes_watched": watched, "minutes_ready": ready or watched} | differs
    return events.HourOperated(by="system", since=since, **told)


def test_reminders_count_in_the_hour_they_were_tried_in(folded):
    history = History(0)
    history.facts.clear()
    for hour, sent, delivered in ((-9, 5, 5), (0, 20, 18), (8, 10, 10), (16, 7, 0)):
        since = start(FIRST, 0) + timedelta(hours=hour)
        event = events.RemindersDelivered(by="system", since=since, sent=sent, delivered=delivered)
        history.tell(event, since + timedelta(days=1))

    with folded([MeasurementInputs()], history.facts) as connection:
        found = values(connection, Asked(FIRST, FIRST, WHENEVER[0]))

    assert found["C2"] == "28/30"


@pytest.mark.parametrize(
    ("hours", "b1", "b3"),
    [
        ([(8, "0-59")], "60/60", "60/60"),
        ([(8, "30-59")], "30/30", "30/30"),  # it began at 8:30
        ([(8, "0-29"), (9, "30-59")], "60/120", "60/60"),  # it was down for an hour, and that counts
        ([(8, "0-29"), (8, "31-59")], "59/60", "59/59"),  # started again
        ([(8, "0-59"), (8, "0-59")], "60/60", "60/60"),  # two workers
        ([(7, "0-59"), (10, "0-59")], "0/120", "120/120"),  # up before and after the opening hours
        ([(6, "0-59")], None, "60/60"),
    ],
)
def test_minutes_in_which_the_service_was_down_count_against_it(folded, hours, b1, b3):
    history = History(0)
    history.facts.clear()
    for n in range(8):  # 8:00 to 10:00
        history.tell(events.SlotOpened(by="o", office="O", starts_at=start(FIRST, n), capacity=1), noon(FIRST))
    for hour, watched in hours:
        history.tell(operated(start(FIRST, 0) + timedelta(hours=hour - 8), watched), noon(FIRST))

    with folded([MeasurementInputs()], history.facts) as connection:
        found = values(connection, Asked(FIRST, FIRST, WHENEVER[0]))

    assert (found.get("B1"), found.get("B3")) == (b1, b3)


def test_what_one_process_saw_stale_was_not_fresh(folded):
    history = History(0)
    history.facts.clear()
    history.tell(operated(start(FIRST, 0), "0-59"), noon(FIRST))
    history.tell(operated(start(FIRST, 0), "0-29", minutes_fresh="0-9"), noon(FIRST))

    with folded([MeasurementInputs()], history.facts) as connection:
        assert values(connection, Asked(FIRST, FIRST, WHENEVER[0])) == {"B3": "40/60"}


@pytest.mark.parametrize(
    ("leads", "value"), [([3], 3), ([1, 2], Fraction(3, 2)), ([0, 0, 9], 0), ([5, 1, 3, 3], 3), ([1, 4, 4, 9], 4)]
)
def test_a_median_is_exact(folded, leads, value):
    history = History(0)
    history.facts.clear()
    told: dict[str, Any] = {"by": "o", "office": "O", "service": "S", "minutes": 15, "channel": "portal"}
    for n, lead in enumerate(leads):
        booked = events.SlotBooked(**told, reference_key="k", starts_at=start(FIRST + timedelta(days=lead), 0))
        history.tell(booked, noon(FIRST), f"b{n}")

    with folded([MeasurementInputs()], history.facts) as connection:
        found = values(connection, Asked(FIRST, FIRST, WHENEVER[0]))

    assert fraction_of(found["D2"]) == value


def test_measurements_are_listed_as_they_were_made(folded):
    history = History(0)
    history.facts.clear()
    told: dict[str, Any] = {
        "by": "o",
        "period_from": date(2011, 1, 1),
        "period_to": date(2011, 1, 31),
        "as_of": 0,
        "values": {},
    }
    history.tell(events.MeasurementMade(**told, measurement="m1", overall_index="0.5"), noon(FIRST))
    history.tell(events.MeasurementMade(**told, measurement="m2", missing=("A1",)), noon(FIRST))

    with folded([MeasurementInputs()], history.facts) as connection:
        assert measurements(connection, 2) == ["m1", "m2"]
        assert measurements(connection, 1) == ["m1"]
        assert periods(connection) == [("m1", date(2011, 1, 1), date(2011, 1, 31), 1)]
