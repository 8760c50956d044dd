import random
from collections import defaultdict
from datetime import date, datetime, timedelta
from itertools import combinations
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain import commands
from domain.calendar import RIYADH
from domain.events import (
    BookingCancelled,
    BookingDisplacedIn,
    BookingDisplacedOut,
    BookingEvent,
    BookingMovedIn,
    CheckedIn,
    CustomerCalled,
    OutcomeCorrected,
    OutcomeRecorded,
    SlotBooked,
    WalkedIn,
)
from projections.catalogue import Catalogue
from projections.totals import Total, Totals, running_count, totals
from tests.projections.story import EVE, OFFICES, WORKDAYS, Facts, Story, play, start

TB, RD = OFFICES
VISIT = ("office", "service", "sector", "region", "channel", "date", "hour")
LATER = start(WORKDAYS[0], 3)  # three quarters into the first day


def attributes(event: BookingEvent, at: datetime) -> dict[str, Any]:
    local = event.starts_at.astimezone(RIYADH)
    return {
        "office": event.office,
        "service": event.service,
        "sector": "passports" if "PP" in event.service else "civil_affairs",
        "region": event.office[3:5],
        "channel": event.channel,
        "date": local.date(),
        "hour": local.hour,
        "made_date": at.astimezone(RIYADH).date(),
    }


def expected(facts: Facts, by: tuple[str, ...], now: datetime, first: date, last: date) -> list[Total]:
    """One fact after another, each counted where its booking stood; live from the bookings themselves."""
    counts: defaultdict[tuple[Any, ...], dict[str, int]] = defaultdict(
        lambda: dict.fromkeys(("live", "made", "cancelled", "rescheduled", "served", "not_completed", "no_show"), 0)
    )
    stands: dict[str | None, tuple[tuple[Any, ...], datetime]] = {}
    made_date = "made_date" in by
    for _, fact in facts:
        event = fact.event
        if not isinstance(event, BookingEvent) or isinstance(event, CheckedIn | CustomerCalled):
            continue
        if isinstance(event, BookingDisplacedOut) and event.to_starts_at is None:
            continue  # without a place it is counted where it last had one
        of = attributes(event, event.outcome_at if isinstance(event, OutcomeCorrected) else fact.at)
        cell = tuple(of[name] for name in by)
        stands.pop(fact.booking, None)
        if not first <= of["made_date" if made_date else "date"] <= last:
            continue
        match event:
            case SlotBooked() | WalkedIn():
                counts[cell]["made"] += 1
            case BookingMovedIn():
                counts[cell]["rescheduled"] += 1
            case BookingCancelled():
                counts[cell]["cancelled"] += 1
            case OutcomeRecorded(outcome=outcome):
                counts[cell][outcome] += 1
            case OutcomeCorrected(corrected=corrected, outcome=outcome):
                counts[cell][corrected] -= 1
                counts[cell][outcome] += 1
            case BookingDisplacedIn() if not made_date:
                counts[cell]["made"] += 0
        if isinstance(event, SlotBooked | BookingMovedIn | BookingDisplacedIn | WalkedIn):
            stands[fact.booking] = cell, event.starts_at + timedelta(minutes=event.minutes)
    for cell, ends_at in () if made_date else stands.values():
        counts[cell]["live"] += ends_at > now
    if not by:
        counts[()]["live"] += 0
    order = sorted(counts)
    return [
        Total(dict(zip(by, cell, strict=True)), None if made_date else live, *rest)
        for cell in order
        for live, *rest in [counts[cell].values()]
    ]


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    steps=st.integers(1, 150),
    page_size=st.integers(1, 400),
    by=st.sampled_from(
        [
            *(group for n in range(4) for group in combinations(VISIT, n)),
            *((*group, "made_date") for n in range(3) for group in combinations(VISIT[:5], n)),
        ]
    ),
    days=st.sampled_from([(date.min, date.max), (WORKDAYS[0], WORKDAYS[0]), (EVE.date(), EVE.date())]),
)
def test_any_history_in_any_pages_is_counted_as_one_counts_by_hand(folded, *, seed, steps, page_size, by, days):
    story = play(random.Random(seed), steps)
    first, last = days

    with folded([Totals(), Catalogue()], story.facts, page_size) as connection:
        for now in (EVE, LATER):
            counted = totals(connection, by, now=now, date_from=first, date_to=last)
            assert counted == expected(story.facts, by, now, first, last)
        assert running_count(connection) == len(
            [fact for _, fact in story.facts if isinstance(fact.event, SlotBooked) and fact.event.channel != "counter"]
        )


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 2**32),
    share=st.floats(0, 1),
    by=st.sampled_from(
        [(), ("office",), ("date", "hour"), ("made_date",), ("sector", "channel"), ("made_date", "office")]
    ),
    days=st.sampled_from([(date.min, date.max), (WORKDAYS[0], WORKDAYS[0])]),
)
def test_counts_as_of_a_position_are_those_of_a_log_that_ended_there(folded, *, seed, share, by, days):
    story = play(random.Random(seed), 120)
    first, last = days
    ended = int(share * len(story.facts))

    with folded([Totals(), Catalogue()], story.facts, 150) as connection:
        for upto in (0, ended, len(story.facts)):
            then = totals(connection, by, now=LATER, date_from=first, date_to=last, upto=upto)
            assert then == expected(story.facts[:upto], by, LATER, first, last)


def test_totals_are_narrowed_by_what_they_could_be_grouped_by(folded):
    story = Story()
    story.book(1, office=TB, service="SV-CA-02", starts_at=start(WORKDAYS[0], 0))
    story.book(2, office=TB, service="SV-PP-01", starts_at=start(WORKDAYS[0], 0))
    story.book(3, office=RD, service="SV-PP-01", starts_at=start(WORKDAYS[0], 0), channel="counter")

    with folded([Totals(), Catalogue()], story.facts) as connection:
        of_passports = totals(connection, ["region"], now=EVE, sector=["passports"])
        of_counters = totals(connection, [], now=EVE, sector=["passports"], channel=["counter", "kiosk"])

    assert [(one.group, one.made) for one in of_passports] == [({"region": "RD"}, 1), ({"region": "TB"}, 1)]
    assert [(one.group, one.made, one.live) for one in of_counters] == [({}, 1, 1)]


def test_a_visit_that_is_over_is_not_live_and_stays_made(folded):
    story = Story()
    story.book(1, office=TB, service="SV-CA-01", starts_at=start(WORKDAYS[0], 0))  # 08:00 to 08:30

    with folded([Totals(), Catalogue()], story.facts) as connection:
        live = [totals(connection, [], now=start(WORKDAYS[0], n))[0] for n in (1, 2)]

    assert [(one.live, one.made) for one in live] == [(1, 1), (0, 1)]


def test_the_running_count_counts_first_confirmations_and_never_goes_down(folded):
    story = Story()
    asked = {"office": TB, "service": "SV-CA-02"}
    story.book(1, starts_at=start(WORKDAYS[1], 0), **asked)
    story.book(2, starts_at=start(WORKDAYS[1], 0), channel="counter", **asked)
    story.do(commands.Reschedule, booking=story.bookings[0], starts_at=start(WORKDAYS[1], 1))
    story.do(commands.Cancel, booking=story.bookings[0])

    with folded([Totals()], story.facts) as connection:
        assert running_count(connection) == 1


def test_a_correction_moves_the_visit_from_one_outcome_to_the_other_on_the_day_of_the_first(folded):
    story = Story()
    story.book(1, office=TB, service="SV-CA-02", starts_at=start(WORKDAYS[0], 0))
    told = {"booking": story.bookings[0]}
    story.do(commands.RecordOutcome, at=start(WORKDAYS[0], 1), outcome="no_show", **told)
    story.do(commands.CorrectOutcome, at=start(WORKDAYS[1], 0), outcome="served", reason="wrong line", **told)

    with folded([Totals(), Catalogue()], story.facts, page_size=1) as connection:
        by_day = totals(connection, ["made_date"], now=LATER, date_from=WORKDAYS[0])

    assert [(one.group["made_date"], one.served, one.no_show) for one in by_day] == [(WORKDAYS[0], 1, 0)]


def test_pol_12_a_walk_in_over_a_kiosk_is_made_and_not_electronic(folded):
    story = Story()
    story.walk_in(1, at=start(WORKDAYS[0], 0), office=TB, service="SV-CA-02", channel="kiosk")

    with folded([Totals(), Catalogue()], story.facts) as connection:
        (one,) = totals(connection, ["channel"], now=start(WORKDAYS[0], 0))
        assert running_count(connection) == 0

    assert (one.group, one.made, one.live) == ({"channel": "kiosk"}, 1, 1)


@pytest.mark.parametrize("by", [("made_date", "date"), ("hour", "made_date"), ("person",), ("office", "office")])
def test_what_cannot_be_grouped_by_is_refused(connection, by):
    with pytest.raises(ValueError, match=by[0]):
        totals(connection, by, now=EVE)


def test_what_cannot_be_narrowed_by_is_refused(connection):
    with pytest.raises(ValueError, match="person"):
        totals(connection, [], now=EVE, person=["1"])
