"""The day of a visit: check-in, walk-ins, the call, outcomes, corrections: each at its boundary on both sides."""

from datetime import date, timedelta

import pytest

from domain.commands import (
    AdoptPolicy,
    Caller,
    CallNext,
    Cancel,
    CheckIn,
    CorrectOutcome,
    RecordOutcome,
    RegisterOffice,
    Reschedule,
    WalkIn,
)
from domain.errors import (
    ActiveBookingExists,
    AlreadyCancelled,
    AlreadyCheckedIn,
    Audience,
    InvalidRequest,
    NoShowTooEarly,
    NotFound,
    OfficeNotLive,
    Section,
    ServiceNotOffered,
    SlotClosed,
    SlotFull,
    SlotNotPublished,
    TooManyActiveBookings,
)
from domain.events import BookingDisplacedOut, Fact
from domain.identifiers import slot_stream
from domain.opening_hours import Calendar, Holiday
from domain.timetable import current_start

SECOND, MINUTE, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
QUARTER = timedelta(minutes=15)
KIOSK = Caller(role="kiosk", subject="kiosk@CA-TB-01", office="CA-TB-01")
CLERK = Caller(role="staff", subject="staff@CA-TB-01", office="CA-TB-01")


def walk_in(story, seed, at, *, caller=CLERK, booking=None, sex=None, kind="citizen", **asked):
    """The id of the walk-in."""
    booking = booking or f"walk-in-{seed}"
    told = {"office": "CA-TB-01", "service": "SV-CA-02", "channel": "counter"} | asked
    person = story.booking(seed, at, sex=sex, kind=kind).beneficiary
    story.when(WalkIn, at=at, caller=caller, booking=booking, beneficiary=person, **told)
    return booking


# -- check-in ---------------------------------------------------------------------------------------------------------


def test_a_booking_is_checked_in_on_its_day_by_the_offices_kiosk(story, eight):
    booking = story.book(1, eight)

    decision = story.when(CheckIn, booking=booking, caller=KIOSK, at=eight - 20 * MINUTE)

    assert [(fact.event.TOPIC, fact.event.by, fact.booking) for fact in decision.facts] == [
        ("CheckedIn.v1", "kiosk@CA-TB-01", booking)
    ]
    assert story.state.bookings[booking].status == "checked_in"


def test_check_in_begins_at_midnight_and_ends_with_the_offices_close(story, eight):
    midnight, close = eight.replace(hour=0), eight.replace(hour=14)
    first, second, third = (story.book(seed, eight + seed * QUARTER) for seed in (1, 2, 3))

    with pytest.raises(InvalidRequest) as too_early:
        story.when(CheckIn, booking=first, at=midnight - SECOND)
    assert too_early.value.field == "at"
    story.when(CheckIn, booking=first, at=midnight)

    story.when(CheckIn, booking=second, at=close - SECOND)
    with pytest.raises(AlreadyCheckedIn) as too_late:
        story.when(CheckIn, booking=third, at=close)
    assert too_late.value.status == "no_show"
    assert (story.log[-1].event.by, story.log[-1].at) == ("system", close)


def test_who_comes_late_is_checked_in_until_a_no_show_is_recorded(story, eight):
    late, missed = story.book(1, eight), story.book(2, eight)

    story.when(CheckIn, booking=late, at=eight + QUARTER + SECOND)
    story.when(RecordOutcome, booking=missed, outcome="no_show", at=eight + QUARTER)

    with pytest.raises(AlreadyCheckedIn) as refusal:
        story.when(CheckIn, booking=missed, at=eight + QUARTER + SECOND)
    assert refusal.value.status == "no_show"


def test_nobody_is_checked_in_twice(story, eight):
    booking = story.book(1, eight)
    story.when(CheckIn, booking=booking, at=eight)

    with pytest.raises(AlreadyCheckedIn) as refusal:
        story.when(CheckIn, booking=booking, at=eight + SECOND)

    assert refusal.value.evidence == {"booking": booking, "status": "checked_in"}


def test_a_cancelled_booking_is_not_checked_in(story, eight):
    booking = story.book(1, eight)
    story.when(Cancel, booking=booking, at=eight - SECOND)

    with pytest.raises(AlreadyCancelled):
        story.when(CheckIn, booking=booking, at=eight)


def test_who_is_checked_in_is_neither_moved_nor_cancelled(story, eight):
    booking = story.book(1, eight)
    story.when(CheckIn, booking=booking, at=eight - MINUTE)

    for command, asked in ((Cancel, {}), (Reschedule, {"starts_at": eight + QUARTER})):
        with pytest.raises(AlreadyCheckedIn):
            story.when(command, booking=booking, at=eight - MINUTE, **asked)


def test_a_booking_that_a_closure_left_without_a_place_is_not_visited(story, eight):
    booking = story.book(1, eight)
    given_displaced_without_a_place(story, booking)

    for command, asked in ((CheckIn, {}), (RecordOutcome, {"outcome": "served"})):
        with pytest.raises(SlotClosed):
            story.when(command, booking=booking, at=eight + QUARTER, **asked)


def test_another_office_learns_nothing_of_a_booking(story, eight):
    booking = story.book(1, eight)
    elsewhere = Caller(role="kiosk", subject="k", office="CA-TB-02")

    for command, asked in ((CheckIn, {}), (RecordOutcome, {"outcome": "served"})):
        with pytest.raises(NotFound):
            story.when(command, booking=booking, caller=elsewhere, at=eight, **asked)


# -- outcomes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("outcome", ["served", "not_completed"])
@pytest.mark.parametrize("is_checked_in", [True, False])
def test_a_visit_is_served_or_not_completed_with_or_without_a_check_in(story, eight, outcome, is_checked_in):
    booking = story.book(1, eight)
    if is_checked_in:
        story.when(CheckIn, booking=booking, at=eight)

    story.when(RecordOutcome, booking=booking, outcome=outcome, caller=CLERK, at=eight)

    assert story.state.bookings[booking].status == outcome


def test_pol_08_a_no_show_is_none_before_a_quarter_past(story, eight):
    booking = story.book(1, eight)

    with pytest.raises(NoShowTooEarly) as refusal:
        story.when(RecordOutcome, booking=booking, outcome="no_show", at=eight + QUARTER - SECOND)
    assert refusal.value.earliest == (eight + QUARTER).isoformat()

    story.when(RecordOutcome, booking=booking, outcome="no_show", at=eight + QUARTER)


def test_pol_08_who_is_checked_in_is_no_no_show(story, eight):
    booking = story.book(1, eight)
    story.when(CheckIn, booking=booking, at=eight + QUARTER)

    with pytest.raises(AlreadyCheckedIn) as refusal:
        story.when(RecordOutcome, booking=booking, outcome="no_show", at=eight + 2 * QUARTER)

    assert refusal.value.status == "checked_in"


def test_a_visit_has_one_outcome(story, eight):
    booking = story.book(1, eight)
    story.when(RecordOutcome, booking=booking, outcome="served", at=eight)

    for outcome in ("served", "not_completed", "no_show"):
        with pytest.raises(AlreadyCheckedIn) as refusal:
            story.when(RecordOutcome, booking=booking, outcome=outcome, at=eight + QUARTER)
        assert refusal.value.status == "served"


def test_nobody_is_served_on_a_day_before_the_visits(story, eight):
    booking = story.book(1, eight)
    midnight = eight.replace(hour=0)

    with pytest.raises(InvalidRequest) as refusal:
        story.when(RecordOutcome, booking=booking, outcome="served", at=midnight - SECOND)
    assert refusal.value.field == "at"

    story.when(RecordOutcome, booking=booking, outcome="served", at=midnight)


# -- corrections ------------------------------------------------------------------------------------------------------


def test_a_correction_stands_beside_what_it_corrects_and_its_words_go_to_the_vault(story, eight):
    booking = story.book(1, eight)
    story.when(RecordOutcome, booking=booking, outcome="no_show", at=eight + QUARTER)

    decision = story.when(
        CorrectOutcome, booking=booking, outcome="served", reason="wrong line", caller=CLERK, at=eight + DAY
    )

    (fact,) = decision.facts
    assert (fact.event.outcome, fact.event.corrected, fact.event.outcome_at) == ("served", "no_show", eight + QUARTER)
    assert [(note.about, note.text) for note in decision.notes] == [(booking, "wrong line")]
    assert "wrong line" not in repr(fact)
    assert story.state.bookings[booking].status == "served"
    assert story.state.persons[fact.person].no_shows == {}


def test_a_correction_may_be_corrected_and_keeps_to_the_first_outcomes_time(story, eight):
    booking = story.book(1, eight)
    story.when(RecordOutcome, booking=booking, outcome="served", at=eight + QUARTER)
    for outcome in ("no_show", "not_completed"):
        story.when(CorrectOutcome, booking=booking, outcome=outcome, reason="r", at=eight + DAY)

    assert [(fact.event.corrected, fact.event.outcome_at) for fact in story.log[-2:]] == [
        ("served", eight + QUARTER),
        ("no_show", eight + QUARTER),
    ]


def test_a_correction_that_makes_a_no_show_counts_for_the_person(story, eight):
    booking = story.book(1, eight)
    story.when(RecordOutcome, booking=booking, outcome="served", at=eight)

    story.when(CorrectOutcome, booking=booking, outcome="no_show", reason="r", at=eight + QUARTER)

    assert story.state.persons[story.log[-1].person].no_shows == {booking: ("SV-CA-02", eight)}


@pytest.mark.parametrize("is_checked_in", [True, False])
def test_there_is_nothing_to_correct_before_an_outcome(story, eight, is_checked_in):
    booking = story.book(1, eight)
    if is_checked_in:
        story.when(CheckIn, booking=booking, at=eight)

    with pytest.raises(InvalidRequest) as refusal:
        story.when(CorrectOutcome, booking=booking, outcome="served", reason="r", at=eight)

    assert refusal.value.field == "outcome"


def test_a_correction_changes_something(story, eight):
    booking = story.book(1, eight)
    story.when(RecordOutcome, booking=booking, outcome="served", at=eight)

    with pytest.raises(InvalidRequest) as refusal:
        story.when(CorrectOutcome, booking=booking, outcome="served", reason="r", at=eight)

    assert refusal.value.field == "outcome"


def test_a_correction_to_a_no_show_keeps_to_the_same_rules(story, eight):
    early, came = story.book(1, eight), story.book(2, eight)
    story.when(CheckIn, booking=came, at=eight)
    for booking in (early, came):
        story.when(RecordOutcome, booking=booking, outcome="served", at=eight)

    with pytest.raises(NoShowTooEarly):
        story.when(CorrectOutcome, booking=early, outcome="no_show", reason="r", at=eight + QUARTER - SECOND)
    with pytest.raises(AlreadyCheckedIn) as refusal:
        story.when(CorrectOutcome, booking=came, outcome="no_show", reason="r", at=eight + DAY)
    assert refusal.value.status == "checked_in"

    story.when(CorrectOutcome, booking=early, outcome="no_show", reason="r", at=eight + QUARTER)


# -- walk-ins ---------------------------------------------------------------------------------------------------------


def test_pol_12_a_walk_in_takes_a_place_of_the_current_start_and_is_checked_in(story, eight):
    booking = walk_in(story, 1, eight + QUARTER - SECOND)

    fact = story.log[-1]
    assert (fact.event.TOPIC, fact.event.starts_at, fact.event.by) == ("WalkedIn.v1", eight, "staff@CA-TB-01")
    assert story.state.bookings[booking].status == "checked_in"
    assert story.state.slot(fact.originator_id).free(fact.at) == 1


@pytest.mark.parametrize(
    ("after", "start"), [(timedelta(), 0), (QUARTER - SECOND, 0), (QUARTER, 1), (QUARTER + SECOND, 1)]
)
def test_the_current_start_is_the_quarter_that_the_time_lies_in(eight, after, start):
    assert current_start(eight + after) == eight + start * QUARTER


def test_pol_12_a_walk_in_never_takes_more_than_is_free(story, eight):
    story.book(1, eight)
    walk_in(story, 2, eight)

    with pytest.raises(SlotFull):
        walk_in(story, 3, eight + QUARTER - SECOND)

    walk_in(story, 3, eight + QUARTER)


def test_a_walk_in_of_a_longer_service_takes_its_further_slots(story, eight):
    story.given_a_service("SV-CA-30", minutes=30)
    for seed in (1, 2):
        story.book(seed, eight + QUARTER)

    with pytest.raises(SlotFull) as refusal:
        walk_in(story, 3, eight, service="SV-CA-30")
    assert refusal.value.slot == "CA-TB-01@2011-01-03T08:15"

    booking = walk_in(story, 3, eight + 2 * QUARTER, service="SV-CA-30")
    assert booking in story.state.slot("slot/CA-TB-01@2011-01-03T08:45").places


def test_a_walk_in_needs_an_open_start(story, eight):
    with pytest.raises(SlotNotPublished):
        walk_in(story, 1, eight - SECOND)
    with pytest.raises(SlotNotPublished):
        walk_in(story, 1, eight.replace(hour=14))
    story.given_published((eight + 3 * DAY).date())  # a Thursday
    with pytest.raises(SlotClosed):
        walk_in(story, 1, eight + 3 * DAY)


def test_a_walk_in_is_judged_like_a_booking_but_for_its_time(story, eight):
    story.given_a_service("SV-CA-10", audience="citizen")
    story.given_a_service("SV-CA-28", needs_visit=False)
    story.when(
        RegisterOffice,
        office="CA-TB-09",
        section="mixed",
        counters=1,
        name_ar="م",
        name_en="o",
        city_ar="م",
        city_en="c",
        region="TB",
    )
    story.given_an_office("CA-TB-08", section="women")

    refused = {
        OfficeNotLive: {"office": "CA-TB-09"},
        ServiceNotOffered: {"service": "SV-CA-28"},
        Audience: {"service": "SV-CA-10", "kind": "resident"},
        Section: {"office": "CA-TB-08", "sex": "male"},
    }
    for reason, asked in refused.items():
        with pytest.raises(reason):
            walk_in(story, 1, eight, **asked)


def test_a_walk_in_counts_among_the_persons_active_bookings(story, eight):
    """POL-01 and POL-02, until its end has passed or it has an outcome."""
    first = walk_in(story, 1, eight)

    with pytest.raises(ActiveBookingExists) as refusal:
        walk_in(story, 1, eight + QUARTER - SECOND, booking="again")
    assert refusal.value.booking == first
    for service in ("SV-CA-11", "SV-CA-12", "SV-CA-19"):
        story.given_a_service(service)
    walk_in(story, 1, eight, service="SV-CA-11", booking="another")
    story.book(1, eight + 2 * QUARTER, service="SV-CA-12")
    with pytest.raises(TooManyActiveBookings):
        story.book(1, eight + 3 * QUARTER, service="SV-CA-19")

    story.when(RecordOutcome, booking=first, outcome="served", at=eight + MINUTE)
    story.book(1, eight + 3 * QUARTER, service="SV-CA-19")


def test_a_kiosk_takes_in_walk_ins_for_what_its_channel_may_book(story, eight):
    story.when(AdoptPolicy, since=date(2011, 1, 1), rules={"channels": {"kiosk": {"services": ["SV-CA-03"]}}})

    with pytest.raises(ServiceNotOffered):
        walk_in(story, 1, eight, channel="kiosk", caller=KIOSK)

    walk_in(story, 1, eight, channel="counter")


def test_who_walks_in_leaves_the_waiting_list_for_that_service(story, eight):
    entry = story.wait(1, eight.date(), eight.date())

    walk_in(story, 1, eight)

    fact = story.log[-1]
    assert (fact.event.TOPIC, fact.booking, fact.event.reason) == ("WaitingListLeft.v1", entry, "booked")


# -- the call ---------------------------------------------------------------------------------------------------------


def called(story, at):
    """Booking and wait of who is called; None: nobody waits."""
    decision = story.when(CallNext, office="CA-TB-01", caller=CLERK, at=at)
    if not decision.facts:
        assert decision.said == {"booking": None}
        return None
    (fact,) = decision.facts
    return fact.booking, fact.event.waited_s


def test_the_earliest_start_is_called_first_and_the_booked_before_the_walk_in(story, eight):
    walked_in = walk_in(story, 1, eight)
    first, later = story.book(2, eight), story.book(3, eight + QUARTER)
    story.when(CheckIn, booking=later, at=eight - 5 * MINUTE)
    story.when(CheckIn, booking=first, at=eight + MINUTE)

    assert [called(story, eight + 5 * MINUTE) for _ in range(4)] == [
        (first, 240),
        (walked_in, 300),
        (later, 0),  # its start is still to come
        None,
    ]


def test_at_one_start_who_came_first_is_called_first(story, eight):
    first, second = story.book(1, eight), story.book(2, eight)
    story.when(CheckIn, booking=second, at=eight - 2 * MINUTE)
    story.when(CheckIn, booking=first, at=eight - MINUTE)

    assert [called(story, eight + n * SECOND) for n in (1, 2)] == [(second, 1), (first, 2)]


def test_nobody_is_called_who_has_not_come_or_is_done(story, eight):
    story.book(1, eight)
    done = story.book(2, eight)
    story.when(CheckIn, booking=done, at=eight)
    story.when(RecordOutcome, booking=done, outcome="not_completed", at=eight)

    assert called(story, eight + MINUTE) is None


def test_who_was_called_is_served_and_not_called_again(story, eight):
    booking = story.book(1, eight)
    story.when(CheckIn, booking=booking, at=eight)

    assert called(story, eight) == (booking, 0)
    assert called(story, eight + MINUTE) is None
    story.when(RecordOutcome, booking=booking, outcome="served", at=eight + 5 * MINUTE)

    assert story.state.bookings[booking].status == "served"


def test_a_day_published_anew_forgets_nobody_who_waits(new_story, eight):
    """Ramadan hours known late: 08:00 is no start of the day any more, but somebody has it."""
    story = new_story()
    story.given_an_office()
    story.given_a_service()
    story.given_published(eight.date())
    booking = story.book(1, eight)
    story.state.calendar = Calendar([Holiday("ramadan_hours", "رمضان", "Ramadan", eight.date(), eight.date(), None)])
    story.given_published(eight.date())
    story.when(CheckIn, booking=booking, at=eight)

    assert called(story, eight + MINUTE) == (booking, 60)


def test_an_office_that_does_not_exist_calls_nobody(story, eight):
    with pytest.raises(InvalidRequest) as refusal:
        story.when(CallNext, office="CA-XX-99", at=eight)

    assert refusal.value.field == "office"


def test_the_day_replays_to_the_same_state(story, eight):
    booking = story.book(1, eight)
    story.when(CheckIn, booking=booking, at=eight)
    walk_in(story, 2, eight)
    called(story, eight + MINUTE)
    story.when(RecordOutcome, booking=booking, outcome="served", at=eight + QUARTER)
    story.when(CorrectOutcome, booking=booking, outcome="not_completed", reason="r", at=eight + QUARTER)

    replayed = story.replayed()

    for tag, kept in story.state.bookings.items():
        again = replayed.bookings[tag]
        assert {name: getattr(again, name, None) for name in kept.__slots__} == {
            name: getattr(kept, name, None) for name in kept.__slots__
        }
    assert {tag: person.open_bookings for tag, person in replayed.persons.items()} == {
        tag: person.open_bookings for tag, person in story.state.persons.items()
    }


def given_displaced_without_a_place(story, booking):
    """As a closure records it."""
    stands = story.state.bookings[booking]
    slot = story.state.slot(slot_stream(stands.office, stands.starts_at))
    event = BookingDisplacedOut(
        by="operator",
        office=stands.office,
        service=stands.service,
        starts_at=stands.starts_at,
        minutes=stands.minutes,
        channel=stands.channel,
        reason="water",
    )
    fact = Fact(slot.stream, slot.version + 1, stands.last_at, bytes(16), stands.person, booking, event)
    story.state.apply(fact)
    story.log.append(fact)
