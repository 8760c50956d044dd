"""Each rule of the booking policy at its boundary, on both sides: one second or one unit either way."""

from datetime import date, datetime, timedelta

import pytest

from domain.calendar import RIYADH
from domain.commands import AnnounceLiveDate, BookGroup, Caller, Cancel, RecordOutcome, Reschedule
from domain.errors import (
    ActiveBookingExists,
    AlreadyCancelled,
    AlreadyCheckedIn,
    Audience,
    BeyondHorizon,
    InvalidRequest,
    NoShowTooEarly,
    NotFound,
    OfficeNotLive,
    RescheduleLimit,
    Section,
    ServiceNotOffered,
    SlotFull,
    SlotInThePast,
    TooLateToBook,
    TooLateToCancel,
    TooLateToReschedule,
    TooManyActiveBookings,
)
from domain.policy import milestone_after

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)


def test_pol_01_one_active_booking_per_beneficiary_and_service(story, eight):
    first = story.book(1, eight)

    with pytest.raises(ActiveBookingExists) as refusal:
        story.book(1, eight + timedelta(hours=1))
    assert refusal.value.booking == first

    story.given_a_service("SV-CA-03")
    story.book(1, eight, service="SV-CA-03")


def test_pol_01_a_booking_is_active_until_its_end_has_passed(story, eight):
    story.book(1, eight)
    tomorrow = eight + DAY
    ends_at = eight + timedelta(minutes=15)

    with pytest.raises(ActiveBookingExists):
        story.book(1, tomorrow, at=ends_at - SECOND)

    story.book(1, tomorrow, at=ends_at)


def test_pol_02_at_most_three_active_bookings(story, eight):
    services = [f"SV-CA-1{n}" for n in range(4)]
    for n, service in enumerate(services):
        story.given_a_service(service)
        if n < 3:
            story.book(1, eight + timedelta(minutes=15 * n), service=service)

    with pytest.raises(TooManyActiveBookings) as refusal:
        story.book(1, eight + timedelta(hours=2), service=services[3])

    assert refusal.value.evidence == {"active": 3, "most": 3}


def test_pol_03_thirty_days_ahead_and_no_further(story, eight):
    at = eight.replace(hour=0) - timedelta(days=30)
    story.book(1, eight, at=at)

    with pytest.raises(BeyondHorizon):
        story.book(2, eight, at=at - SECOND)


def test_pol_04_portal_and_sms_book_up_to_an_hour_before(story, eight):
    for seed, channel in enumerate(("portal", "sms")):
        story.book(seed, eight, at=eight - timedelta(minutes=60), channel=channel)
        with pytest.raises(TooLateToBook):
            story.book(seed + 2, eight, at=eight - timedelta(minutes=60) + SECOND, channel=channel)


def test_pol_04_kiosk_and_counter_book_up_to_the_start(story, eight):
    for seed, channel in enumerate(("kiosk", "counter")):
        story.book(seed, eight, at=eight, channel=channel)
        with pytest.raises(SlotInThePast):
            story.book(seed + 2, eight, at=eight + SECOND, channel=channel)


def test_pol_06_a_move_is_allowed_exactly_24_hours_before_and_not_a_second_later(story, eight):
    story.given_published((eight + 4 * DAY).date())
    first, second = story.book(1, eight), story.book(2, eight)
    later = eight + timedelta(hours=1)

    story.when(Reschedule, booking=first, starts_at=later, at=eight - DAY)

    with pytest.raises(TooLateToReschedule):
        story.when(Reschedule, booking=second, starts_at=later, at=eight - DAY + SECOND)


def test_pol_06_two_moves_and_no_third(story, eight):
    booking = story.book(1, eight)
    for n in (1, 2):
        story.when(Reschedule, booking=booking, starts_at=eight + timedelta(minutes=15 * n))

    with pytest.raises(RescheduleLimit) as refusal:
        story.when(Reschedule, booking=booking, starts_at=eight)

    assert refusal.value.reschedules == 2


def test_pol_07_cancel_any_time_before_the_start_and_late_within_24_hours(story, eight):
    early, late, missed = (story.book(n, eight + timedelta(minutes=15 * n)) for n in range(3))

    on_time = story.when(Cancel, booking=early, at=eight - DAY)
    too_late = story.when(Cancel, booking=late, at=eight + timedelta(minutes=15) - DAY + SECOND)

    assert not on_time.facts[0].event.late
    assert too_late.facts[0].event.late
    with pytest.raises(TooLateToCancel):
        story.when(Cancel, booking=missed, at=eight + timedelta(minutes=30))
    story.when(Cancel, booking=missed, at=eight + timedelta(minutes=30) - SECOND)


@pytest.mark.parametrize(("section", "theirs", "other"), [("men", "male", "female"), ("women", "female", "male")])
def test_pol_13_a_section_refuses_the_other(new_story, eight, section, theirs, other):
    story = new_story()
    story.given_an_office(section=section)
    story.given_a_service()
    story.given_published(eight.date())

    story.book(1, eight, sex=theirs)

    with pytest.raises(Section):
        story.book(2, eight, sex=other)
    with pytest.raises(InvalidRequest) as refusal:
        story.book(3, eight)
    assert refusal.value.field == "beneficiary.sex"


def test_pol_14_limits_count_on_the_beneficiary_not_on_who_books(story, eight):
    desk = Caller(role="staff", subject="staff@CA-TB-01", office="CA-TB-01")
    for child in range(4):
        command = story.booking(child, eight + timedelta(minutes=15 * child), channel="counter")
        parent = story.booking(99, eight).beneficiary
        story.decide(type(command)(**{**_fields(command), "caller": desk, "booker": parent}))

    assert {fact.event.booker for fact in story.log if fact.booking} == {story.state.people[parent.lookup]}


@pytest.mark.parametrize(
    ("audience", "admitted"),
    [("citizen", {"citizen"}), ("resident", {"resident"}), ("both", {"citizen", "resident"})],
)
def test_pol_15_the_audience_of_a_service(story, eight, audience, admitted):
    story.given_a_service("SV-CA-09", audience=audience)

    for seed, kind in enumerate(("citizen", "resident", "border")):
        if kind in admitted:
            story.book(seed, eight, service="SV-CA-09", kind=kind)
        else:
            with pytest.raises(Audience):
                story.book(seed, eight, service="SV-CA-09", kind=kind)


def test_pol_15_a_border_number_where_the_service_allows_it(story, eight):
    story.given_a_service("SV-CA-08", audience="resident", border_number=True)

    story.book(1, eight, service="SV-CA-08", kind="border")


def test_pol_21_an_office_takes_bookings_from_midnight_of_its_live_date(story, eight):
    midnight = datetime(2011, 1, 2, tzinfo=RIYADH)
    story.when(AnnounceLiveDate, office="CA-TB-01", live_from=date(2011, 1, 2))

    with pytest.raises(OfficeNotLive):
        story.book(1, eight, at=midnight - SECOND)

    story.book(1, eight, at=midnight)


def test_a_service_that_needs_no_visit_cannot_be_booked(story, eight):
    story.given_a_service("SV-CA-28", needs_visit=False)

    with pytest.raises(ServiceNotOffered):
        story.book(1, eight, service="SV-CA-28")


def test_a_group_is_booked_whole_or_not_at_all(story, eight):
    """Two counters, three people: the third refusal gives back what the first two took."""
    three = tuple(story.booking(n, eight) for n in range(3))
    before = len(story.log)

    with pytest.raises(SlotFull) as refusal:
        story.when(BookGroup, bookings=three)

    assert refusal.value.evidence["index"] == 2
    assert len(story.log) == before
    assert story.state.slot("slot/CA-TB-01@2011-01-03T08:00").places == set()
    story.when(BookGroup, bookings=three[:2])
    assert len(story.state.slot("slot/CA-TB-01@2011-01-03T08:00").places) == 2


def test_one_person_twice_in_a_group_is_one_too_many(story, eight):
    twice = (story.booking(1, eight), story.booking(1, eight + timedelta(minutes=15)))

    with pytest.raises(ActiveBookingExists) as refusal:
        story.when(BookGroup, bookings=twice)

    assert refusal.value.evidence["index"] == 1


def test_a_cancelled_booking_stays_cancelled(story, eight):
    booking = story.book(1, eight)
    story.when(Cancel, booking=booking)

    for command in (Cancel, Reschedule):
        asked = {"starts_at": eight} if command is Reschedule else {}
        with pytest.raises(AlreadyCancelled):
            story.when(command, booking=booking, **asked)


def test_a_no_show_is_none_before_a_quarter_past(story, eight):
    booking = story.book(1, eight)
    quarter_past = eight + timedelta(minutes=15)

    with pytest.raises(NoShowTooEarly):
        story.when(RecordOutcome, booking=booking, outcome="no_show", at=quarter_past - SECOND)
    story.when(RecordOutcome, booking=booking, outcome="no_show", at=quarter_past)

    with pytest.raises(AlreadyCheckedIn) as refusal:
        story.when(Cancel, booking=booking, at=quarter_past)
    assert refusal.value.status == "no_show"


def test_a_command_earlier_than_its_bookings_last_fact_is_refused(story, eight):
    booking = story.book(1, eight)
    booked_at = story.log[-1].at

    with pytest.raises(InvalidRequest) as refusal:
        story.when(Cancel, booking=booking, at=booked_at - SECOND)

    assert refusal.value.field == "at"


def test_another_persons_booking_answers_as_one_that_does_not_exist(story, eight):
    booking = story.book(1, eight)
    stranger = story.booking(2, eight).beneficiary
    caller = Caller(role="citizen", subject="person:2", lookup=stranger.lookup)

    with pytest.raises(NotFound) as foreign:
        story.when(Cancel, booking=booking, caller=caller)
    with pytest.raises(NotFound) as missing:
        story.when(Cancel, booking="0" * 20, caller=caller)

    assert foreign.value.evidence == missing.value.evidence == {}
    assert str(foreign.value) == str(missing.value)


def test_a_desk_acts_on_its_own_offices_bookings_only(story, eight):
    booking = story.book(1, eight)

    with pytest.raises(NotFound):
        story.when(Cancel, booking=booking, caller=Caller(role="staff", subject="x", office="CA-TB-02"))

    story.when(Cancel, booking=booking, caller=Caller(role="staff", subject="y", office="CA-TB-01"))


def test_the_ladder_of_milestones():
    thresholds, count = [], 0
    while count < 3_000_000:
        count = milestone_after(count)
        thresholds.append(count)

    assert thresholds == [1, 10, 100, 1_000, 10_000, 100_000, 250_000, 500_000, 1_000_000, 2_000_000, 3_000_000]


def _fields(command):
    return {name: getattr(command, name) for name in command.__struct_fields__}
