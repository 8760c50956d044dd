"""Openings, daily pauses, pausing and resuming: what is announced of an office beside its closures."""

from datetime import timedelta

import pytest

from domain.commands import (
    AnnounceOpening,
    AssignDailyPause,
    AssignFairRelease,
    Cancel,
    CloseOffice,
    PauseOffice,
    PublishDay,
    Reschedule,
    ResumeOffice,
)
from domain.errors import HoldExpired, InvalidRequest, OfficeIsPaused, SlotClosed, SlotNotPublished
from tests.domain.conftest import ADVANCE, MONDAY

SLOT = timedelta(minutes=15)
DAY = timedelta(days=1)
OFFICE = "CA-TB-01"
THURSDAY = MONDAY + 3 * DAY
AFTERNOON = (("16:00", "18:00"),)


def close(story):
    return story.when(CloseOffice, office=OFFICE, since=MONDAY, until=MONDAY + DAY, reason="water")


def open_(story, *, since=MONDAY, until=None, hours=AFTERNOON, at=ADVANCE, **asked):
    days = {"since": since.date(), "until": (until or since).date()}
    return story.when(AnnounceOpening, office=OFFICE, hours=hours, at=at, **days, **asked)


def pause_daily(story, *pauses, since=MONDAY, at=ADVANCE):
    return story.when(AssignDailyPause, office=OFFICE, since=since.date(), pauses=pauses, at=at)


# -- openings ---------------------------------------------------------------------------------------------------------


def test_an_opening_adds_starts_to_a_published_day_at_once(story):
    told = open_(story).said

    assert told == {"units_published": 8 * 2, "days_published": 1, "days_to_publish": 0}
    story.book(1, MONDAY + timedelta(hours=16))
    story.book(2, MONDAY + timedelta(hours=17, minutes=45))
    with pytest.raises(SlotNotPublished):
        story.book(3, MONDAY + timedelta(hours=18))


def test_an_opening_opens_a_closed_day(story):
    story.given_published(THURSDAY.date())

    open_(story, since=THURSDAY, hours=(("08:00", "10:00"),))

    day = story.state.office(OFFICE).days[THURSDAY.date()]
    assert (len(day.starts), day.reason) == (8, None)
    story.book(1, THURSDAY + timedelta(hours=8))


def test_a_day_that_is_not_published_gets_the_hours_when_it_is(story):
    told = open_(story, since=THURSDAY, until=THURSDAY + 2 * DAY).said

    assert told == {"units_published": 0, "days_published": 0, "days_to_publish": 3}
    published = [story.when(PublishDay, office=OFFICE, day=(THURSDAY + n * DAY).date()).said for n in range(3)]
    assert [each["units_published"] for each in published] == [16, 16, 48 + 16]


def test_an_opening_announced_twice_changes_nothing(story):
    open_(story)
    before = len(story.log)

    told = open_(story).said

    assert told["units_published"] == 0
    assert len(story.log) == before


def test_the_last_announcement_counts(story, eight):
    close(story)
    open_(story, hours=(("08:00", "09:00"),))
    story.book(1, eight)

    again = story.when(PublishDay, office=OFFICE, day=MONDAY.date())
    told = [fact.event.TOPIC for fact in close(story).facts]

    assert again.facts == []
    assert (told.count("BookingDisplacedIn.v1"), told.count("SlotWithdrawn.v1")) == (1, 4)
    with pytest.raises(SlotClosed):
        story.book(2, eight)


def test_a_closure_of_announced_hours_closes_them_too(story):
    open_(story)
    start = MONDAY + timedelta(hours=16)
    story.book(1, start)

    told = story.when(CloseOffice, office=OFFICE, since=start, until=start + SLOT, reason="x")

    assert len(told.facts) == 5
    with pytest.raises(SlotClosed):
        story.book(2, start)


def test_who_waits_in_line_is_offered_the_new_places_first(story):
    entry = story.wait(1, MONDAY.date(), MONDAY.date())

    open_(story)

    assert story.state.bookings[entry].offer.starts_at == MONDAY + timedelta(hours=16)


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("to", {"until": MONDAY - DAY}),
        ("to", {"at": MONDAY + DAY}),
        ("to", {"until": MONDAY + 200 * DAY}),
        ("hours", {"hours": (("16:00", "16:10"),)}),
        ("hours", {"hours": (("18:00", "16:00"),)}),
        ("hours", {"hours": (("16:00", "16:00"),)}),
        ("hours", {"hours": (("16:00", "18:00"), ("17:00", "19:00"))}),
    ],
)
def test_an_opening_is_of_quarters_and_of_days_to_come(story, field, asked):
    before = len(story.log)

    with pytest.raises(InvalidRequest) as refusal:
        open_(story, **asked)

    assert refusal.value.field == field
    assert len(story.log) == before


def test_an_opening_of_today_is_not_past(story):
    assert open_(story, at=MONDAY + timedelta(hours=23)).said["days_published"] == 1


# -- daily pauses -----------------------------------------------------------------------------------------------------


def test_publication_leaves_the_starts_of_a_daily_pause_out(story):
    pause_daily(story, ("12:00", "12:30"))

    told = story.when(PublishDay, office=OFFICE, day=(MONDAY + 5 * DAY).date()).said

    assert told["units_published"] == 22 * 2
    with pytest.raises(SlotNotPublished):
        story.book(1, MONDAY + 5 * DAY + timedelta(hours=12))


def test_no_booking_of_several_slots_spans_a_pause(story):
    story.given_a_service("SV-CA-30", minutes=30)
    pause_daily(story, ("12:00", "12:30"))
    saturday = MONDAY + 5 * DAY
    story.given_published(saturday.date())

    with pytest.raises(SlotNotPublished):
        story.book(1, saturday + timedelta(hours=11, minutes=45), service="SV-CA-30")

    story.book(1, saturday + timedelta(hours=11, minutes=30), service="SV-CA-30")


def test_a_pause_of_published_days_withdraws_its_starts_at_once(story):
    noon = MONDAY + timedelta(hours=12)

    told = pause_daily(story, ("12:00", "12:30")).said

    assert told == {"office": OFFICE, "units_published": 0, "units_withdrawn": 3 * 2 * 2}
    with pytest.raises(SlotClosed):
        story.book(1, noon)


def test_who_is_booked_in_the_pause_keeps_the_time_and_nobody_else_gets_it(story):
    noon = MONDAY + timedelta(hours=12)
    booking = story.book(1, noon)

    pause_daily(story, ("12:00", "12:30"))

    assert story.state.bookings[booking].starts_at == noon
    with pytest.raises(SlotClosed):
        story.book(2, noon)
    story.when(Cancel, booking=booking)
    assert story.slot_at(noon).places == set()


def test_what_is_held_or_offered_in_the_pause_ends(story):
    story.given_a_service("SV-CA-30", minutes=30)
    before_noon = MONDAY + timedelta(hours=11, minutes=45)
    hold = story.hold(1, before_noon, service="SV-CA-30")
    bookings = [story.book(n, MONDAY + timedelta(hours=12)) for n in (2,)]
    entry = story.wait(3, MONDAY.date(), MONDAY.date())
    story.book(4, before_noon)
    story.when(Cancel, booking=bookings[0])
    assert story.state.bookings[entry].offer.starts_at == MONDAY + timedelta(hours=12)

    pause_daily(story, ("12:00", "12:30"))

    assert story.state.bookings[entry].left == "withdrawn"
    assert [story.slot_at(before_noon + n * SLOT).claims for n in range(2)] == [{}, {}]
    with pytest.raises(HoldExpired):
        story.book(1, before_noon, service="SV-CA-30", hold=hold)


def test_what_is_given_up_in_the_pause_rests_for_nobody(story):
    noon = MONDAY + timedelta(hours=12)
    story.when(AssignFairRelease, office=OFFICE, is_on=True)
    booking = story.book(1, noon)
    pause_daily(story, ("12:00", "12:30"))

    story.when(Cancel, booking=booking, at=noon - timedelta(hours=1))

    assert (story.slot_at(noon).places, story.slot_at(noon).claims) == (set(), {})


def test_a_closure_moves_those_who_stayed_in_a_pause(story):
    noon = MONDAY + timedelta(hours=12)
    booking = story.book(1, noon)
    pause_daily(story, ("12:00", "12:30"))

    close(story)

    assert story.state.bookings[booking].starts_at > noon
    assert booking not in story.slot_at(noon).places


def test_pauses_hold_from_their_date_until_the_next_setting(story):
    wednesday = MONDAY + 2 * DAY
    pause_daily(story, ("12:00", "12:30"))
    told = pause_daily(story, since=wednesday).said

    office = story.state.office(OFFICE)
    assert [len(office.days[(MONDAY + n * DAY).date()].starts) for n in range(3)] == [22, 22, 24]
    assert told["units_published"] == 2 * 2


def test_a_pause_set_again_changes_nothing(story):
    pause_daily(story, ("12:00", "12:30"))
    before = len(story.log)

    pause_daily(story, ("12:00", "12:30"))

    assert len(story.log) == before


def test_a_pause_holds_in_announced_hours_too(story):
    pause_daily(story, ("16:30", "17:00"))

    assert open_(story).said["units_published"] == 6 * 2


def test_a_pause_that_ends_gives_the_announced_hours_back(story):
    pause_daily(story, ("16:30", "17:00"))
    open_(story)

    assert pause_daily(story).said["units_published"] == 2 * 2


def test_a_slot_opens_again_for_as_many_as_stayed_in_it(story):
    """A cut meanwhile sees no open slot: who is booked there is not counted out."""
    noon = MONDAY + timedelta(hours=12)
    story.book(1, noon)
    pause_daily(story, ("12:00", "12:30"))

    pause_daily(story)

    assert (story.slot_at(noon).capacity, story.slot_at(noon).free(ADVANCE)) == (2, 1)


@pytest.mark.parametrize("pauses", [(("12:00", "11:00"),), (("12:00", "12:20"),), (("12:00", "13:00"),) * 2])
def test_pauses_are_quarters_in_order(story, pauses):
    with pytest.raises(InvalidRequest) as refusal:
        pause_daily(story, *pauses)

    assert refusal.value.field == "pauses"


# -- pausing and resuming ---------------------------------------------------------------------------------------------


def test_a_paused_office_takes_no_booking_commands_and_what_is_booked_stands(story, eight):
    booking, other = story.book(1, eight), story.book(2, eight)
    story.when(PauseOffice, office=OFFICE, reason="network")

    with pytest.raises(OfficeIsPaused) as refusal:
        story.book(3, eight + SLOT)
    with pytest.raises(OfficeIsPaused):
        story.when(Reschedule, booking=booking, starts_at=eight + SLOT)
    story.when(Cancel, booking=other)

    assert refusal.value.name == "office-not-live"
    assert refusal.value.evidence == {"office": OFFICE, "paused": True}
    assert story.state.bookings[booking].status == "confirmed"


def test_a_resumed_office_takes_bookings_again(story, eight):
    story.when(PauseOffice, office=OFFICE)
    story.when(ResumeOffice, office=OFFICE)

    story.book(1, eight)


def test_paused_or_resumed_twice_changes_nothing(story):
    story.when(ResumeOffice, office=OFFICE)
    before = len(story.log)
    for command in (PauseOffice, PauseOffice, ResumeOffice, ResumeOffice):
        story.when(command, office=OFFICE)

    assert story.topics(before) == ["OfficePaused.v1", "OfficeResumed.v1"]
