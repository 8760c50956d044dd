"""POL-08 to POL-10: a missed visit is a no-show at the office's close, and bars the person; a correction lifts it."""

from datetime import timedelta

import pytest

from domain.bans import refuse_if_banned
from domain.booking import Person
from domain.commands import SettleDay
from domain.errors import Banned
from domain.policy import Policy

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
POLICY = Policy()


def missed(*starts, service="SV-CA-02"):
    who = Person("p")
    who.no_shows = {f"b{n}": (service, start) for n, start in enumerate(starts)}
    return who


def banned(who, at, service="SV-CA-02"):
    try:
        refuse_if_banned(POLICY, who, service, at)
    except Banned as refusal:
        return refusal
    return None


def test_pol_09_a_no_show_bars_the_service_for_fifteen_days_from_the_day_after(monday, eight):
    who = missed(eight)

    assert banned(who, monday + DAY - SECOND) is None
    assert banned(who, monday + DAY).evidence == {
        "service": "SV-CA-02",
        "until": "2011-01-18",
        "no_shows": ["b0"],
    }
    assert banned(who, monday + 16 * DAY - SECOND) is not None
    assert banned(who, monday + 16 * DAY) is None
    assert banned(who, monday + DAY, service="SV-CA-03") is None


def test_pol_10_three_no_shows_in_180_days_bar_every_service_for_thirty_days(monday, eight):
    who = missed(eight - 100 * DAY, eight - 50 * DAY, eight)

    refusal = banned(who, monday + DAY, service="SV-CA-99")

    assert refusal.evidence == {"until": "2011-02-02", "no_shows": ["b0", "b1", "b2"]}
    assert banned(who, monday + 31 * DAY - SECOND, service="SV-CA-99") is not None
    assert banned(who, monday + 31 * DAY, service="SV-CA-99") is None


def test_pol_10_the_third_no_show_bars_from_the_day_after_it_and_a_fourth_shortens_nothing(monday, eight):
    third = missed(eight - 50 * DAY, eight - 5 * DAY, eight)
    fourth = missed(eight - 50 * DAY, eight - 6 * DAY, eight - 5 * DAY, eight)

    assert banned(third, monday + DAY - SECOND, service="SV-CA-99") is None
    assert banned(third, monday + DAY, service="SV-CA-99").until == "2011-02-02"
    assert banned(fourth, monday + DAY - SECOND, service="SV-CA-99").until == "2011-01-28"
    assert banned(fourth, monday + DAY, service="SV-CA-99").until == "2011-02-02"


def test_pol_10_a_no_show_counts_as_long_as_its_start_is_less_than_180_days_ago(eight):
    at = eight + 5 * DAY
    just_within = missed(at - 180 * DAY + SECOND, eight - DAY, eight)
    just_outside = missed(at - 180 * DAY, eight - DAY, eight)

    assert banned(just_within, at, service="SV-CA-99") is not None
    assert banned(just_outside, at, service="SV-CA-99") is None


def test_pol_08_the_system_records_the_no_show_at_the_offices_close_and_not_before(story, eight):
    booking = story.book(1, eight)
    closes_at = eight + timedelta(hours=6)

    story.book(1, eight + DAY, at=closes_at - SECOND)
    assert story.state.bookings[booking].status == "confirmed"

    with pytest.raises(Banned):
        story.book(1, eight + 2 * DAY, at=closes_at + DAY)
    missed = [fact for fact in story.log if fact.event.TOPIC == "OutcomeRecorded.v1"]
    assert next((fact.booking, fact.at, fact.event.by) for fact in missed) == (booking, closes_at, "system")


def test_the_sweep_records_every_missed_visit_of_the_day_dated_at_the_close(story, eight, monday):
    bookings = {story.book(seed, eight + timedelta(minutes=15 * seed)) for seed in (1, 2, 3)}
    before = len(story.log)

    story.when(SettleDay, office="CA-TB-01", day=monday.date(), at=monday + DAY)

    facts = story.log[before:]
    assert {fact.booking for fact in facts} == bookings
    assert {fact.at for fact in facts} == {eight + timedelta(hours=6)}
    assert {story.state.bookings[booking].status for booking in bookings} == {"no_show"}
    story.when(SettleDay, office="CA-TB-01", day=monday.date(), at=monday + DAY)
    assert len(story.log) == before + 3
