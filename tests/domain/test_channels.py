"""What may be booked over a channel, from when, and how many places of a start: only where a policy says so."""

from datetime import date, timedelta

import pytest

from domain.commands import AdoptPolicy, BookGroup, Caller, Cancel, Reschedule
from domain.errors import ServiceNotOffered, SlotFull
from tests.domain.conftest import ADVANCE, OPERATOR, beneficiary

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
QUARTER = 15 * MINUTE


@pytest.fixture
def given(new_story, eight):
    """An office with so many counters, and rules for the channel sms."""

    def make(*, counters=4, **sms):
        story = new_story()
        story.given_an_office(counters=counters)
        for service, minutes in (("SV-CA-02", 15), ("SV-CA-03", 15), ("SV-CA-30", 30)):
            story.given_a_service(service, minutes=minutes)
        story.given_published(eight.date())
        restrict(story, **sms)
        return story

    return make


def restrict(story, **sms):
    story.when(AdoptPolicy, since=date(2011, 1, 1), rules={"channels": {"sms": sms}})


def refused(story, *asked, **named):
    with pytest.raises((ServiceNotOffered, SlotFull)) as refusal:
        story.book(*asked, **named)
    return refusal.value.evidence


def test_a_channel_books_the_services_it_is_given(given, eight):
    story = given(services=["SV-CA-02"])

    story.book(1, eight, channel="sms", service="SV-CA-02")
    story.book(2, eight, channel="portal", service="SV-CA-03")

    evidence = refused(story, 3, eight, channel="sms", service="SV-CA-03")
    assert evidence == {"office": "CA-TB-01", "service": "SV-CA-03", "channel": "sms"}


def test_a_channel_opens_at_its_instant(given, eight):
    story = given(opens_at=ADVANCE.isoformat())

    evidence = refused(story, 1, eight, channel="sms", at=ADVANCE - SECOND)
    story.book(1, eight, channel="sms", at=ADVANCE)

    assert evidence["opens_at"] == ADVANCE.isoformat()


def test_nobody_moves_over_a_channel_before_it_opens(given, eight):
    story = given()
    booking = story.book(1, eight, channel="sms", at=ADVANCE - 2 * SECOND)
    restrict(story, opens_at=ADVANCE.isoformat())
    citizen = Caller(role="citizen", subject="c", lookup=beneficiary(1).lookup)
    move = {"booking": booking, "starts_at": eight + QUARTER}

    with pytest.raises(ServiceNotOffered):
        story.when(Reschedule, **move, caller=citizen, at=ADVANCE - SECOND)

    story.when(Reschedule, **move, caller=citizen, at=ADVANCE)


@pytest.mark.parametrize(("counters", "share"), [(1, 1), (3, 1), (4, 2), (5, 2)])
def test_a_channel_takes_its_share_of_a_start_and_no_more(given, eight, counters, share):
    story = given(counters=counters, share_percent=50)
    for seed in range(share):
        story.book(seed, eight, channel="sms")

    evidence = refused(story, 90, eight, channel="sms")

    is_full = counters == share
    assert evidence["slot"] == "CA-TB-01@2011-01-03T08:00"
    assert evidence["capacity"] == counters
    assert (evidence.get("channel"), evidence.get("share")) == ((None, None) if is_full else ("sms", share))
    for seed in range(share, counters):
        story.book(seed, eight, channel="portal")


def test_a_share_counts_every_start_of_a_longer_visit(given, eight):
    story = given(share_percent=25)
    story.book(1, eight, channel="sms", service="SV-CA-30")

    assert refused(story, 2, eight + QUARTER, channel="sms")["slot"] == "CA-TB-01@2011-01-03T08:15"
    story.book(2, eight + 2 * QUARTER, channel="sms")


def test_a_place_given_back_counts_no_longer(given, eight):
    story = given(share_percent=25)
    booking = story.book(1, eight, channel="sms")
    story.when(Cancel, booking=booking)

    story.book(2, eight, channel="sms")


def test_a_move_takes_a_place_of_its_channels_share(given, eight):
    story = given(share_percent=25)
    story.book(1, eight, channel="sms")
    booking = story.book(2, eight + QUARTER, channel="sms")
    citizen = Caller(role="citizen", subject="c", lookup=beneficiary(2).lookup)

    with pytest.raises(SlotFull):
        story.when(Reschedule, booking=booking, starts_at=eight, caller=citizen)

    story.when(Reschedule, booking=booking, starts_at=eight, caller=OPERATOR)


def test_a_move_within_its_own_starts_needs_no_second_place(given, eight):
    story = given(share_percent=25)
    booking = story.book(1, eight, channel="sms", service="SV-CA-30")
    citizen = Caller(role="citizen", subject="c", lookup=beneficiary(1).lookup)

    story.when(Reschedule, booking=booking, starts_at=eight + QUARTER, caller=citizen)


def test_a_hold_takes_a_place_of_its_channels_share_and_is_confirmed_over_the_same(given, eight):
    story = given(share_percent=25)
    hold = story.hold(1, eight, channel="sms")

    refused(story, 2, eight, channel="sms")
    with pytest.raises(SlotFull):
        story.hold(2, eight, channel="sms")
    story.book(1, eight, channel="sms", hold=hold)


def test_a_hold_that_has_ended_counts_no_longer(given, eight):
    story = given(share_percent=25)
    story.hold(1, eight, channel="sms")

    refused(story, 2, eight, channel="sms", at=ADVANCE + 10 * MINUTE - SECOND)
    story.book(2, eight, channel="sms", at=ADVANCE + 10 * MINUTE)


def test_a_hold_is_confirmed_after_its_channel_was_restricted(given, eight):
    story = given()
    hold = story.hold(1, eight, channel="sms")
    restrict(story, services=["SV-CA-03"])

    story.book(1, eight, channel="sms", hold=hold)


def test_no_hold_leads_around_another_channels_rules(given, eight):
    story = given(share_percent=25)
    story.book(1, eight, channel="sms")
    hold = story.hold(2, eight, channel="portal")

    refused(story, 2, eight, channel="sms", hold=hold)
    restrict(story, services=["SV-CA-03"])
    refused(story, 2, eight, channel="sms", hold=hold)
    story.book(2, eight, channel="portal", hold=hold)


def test_nobody_waits_over_a_channel_for_what_it_does_not_book(given, eight):
    story = given(services=["SV-CA-02"])

    with pytest.raises(ServiceNotOffered):
        story.wait(1, eight.date(), eight.date(), channel="sms", service="SV-CA-03")

    story.wait(1, eight.date(), eight.date(), channel="sms")


def test_a_group_is_held_to_the_share(given, eight):
    story = given(share_percent=50)
    bookings = [story.booking(seed, eight, channel="sms") for seed in range(3)]

    with pytest.raises(SlotFull) as refusal:
        story.when(BookGroup, bookings=tuple(bookings))

    assert refusal.value.evidence["index"] == 2
    story.when(BookGroup, bookings=tuple(bookings[:2]))


def test_without_a_share_nobodys_channel_is_looked_at(given, eight):
    story = given(counters=1, services="all")
    story.book(1, eight, channel="sms")

    assert refused(story, 2, eight, channel="sms") == {"slot": "CA-TB-01@2011-01-03T08:00", "capacity": 1}
