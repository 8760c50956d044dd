"""Fair release: places given up late rest for a while drawn by chance, and are not the same person's again."""

from datetime import date, timedelta

import pytest

from domain.commands import AcceptOffer, AdoptPolicy, AssignFairRelease, BookGroup, Cancel, Reschedule, WalkIn
from domain.errors import InvalidRequest, OnlyTheirOwnFreed, SlotFull
from domain.events import FairReleaseAssigned, PlaceClaimed
from tests.domain.conftest import beneficiary

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SLOT = "slot/CA-TB-01@2011-01-03T08:00"


@pytest.fixture
def fair(story):
    story.when(AssignFairRelease, office="CA-TB-01", is_on=True)
    return story


@pytest.fixture
def late(eight):
    """Ten hours before the start."""
    return eight - 10 * HOUR


@pytest.fixture
def full(fair, eight):
    """Monday at eight is full: persons 1 and 2 have the two places. Their bookings."""
    return fair.book(1, eight), fair.book(2, eight)


def rests(story):
    return [fact for fact in story.log if isinstance(fact.event, PlaceClaimed) and fact.event.rests]


def test_a_place_given_up_late_rests_for_one_to_thirty_minutes(fair, eight, late, full):
    fair.when(Cancel, booking=full[0], at=late)

    (rest,) = rests(fair)
    until = rest.event.until
    assert MINUTE <= until - late <= 30 * MINUTE
    with pytest.raises(SlotFull):
        fair.book(3, eight, at=until - SECOND)
    fair.book(3, eight, at=until)


def test_its_return_is_a_fact_of_its_own_time(fair, eight, late, full):
    fair.when(Cancel, booking=full[0], at=late)
    (rest,) = rests(fair)
    before = len(fair.log)

    fair.book(3, eight, at=late + HOUR)

    returned, _ = fair.log[before:]
    assert (returned.event.TOPIC, returned.at, returned.event.by) == ("PlaceReturned.v1", rest.event.until, "system")


def test_a_place_given_up_24_hours_before_is_free_at_once_and_a_second_later_it_rests(fair, eight, full):
    fair.when(Cancel, booking=full[0], at=eight - 24 * HOUR)
    assert fair.state.slot(SLOT).free(eight - 24 * HOUR) == 1

    fair.when(Cancel, booking=full[1], at=eight - 24 * HOUR + SECOND)
    assert fair.state.slot(SLOT).free(eight - 24 * HOUR + SECOND) == 1


def test_no_place_rests_beyond_its_start(fair, eight, full):
    fair.when(Cancel, booking=full[0], at=eight - SECOND)

    (rest,) = rests(fair)
    assert rest.event.until == eight


def test_the_time_is_drawn_from_the_command_and_so_is_the_same_in_a_replay(fair, eight, late):
    for seed in range(40):
        booking = fair.book(seed, eight + seed % 20 * 15 * MINUTE, at=late)
        fair.when(Cancel, booking=booking, at=late)

    drawn = {int((rest.event.until - late) / MINUTE) for rest in rests(fair)}
    assert min(drawn) < 6
    assert max(drawn) > 25
    replayed = fair.replayed()
    assert replayed.slot(SLOT).claims == fair.state.slot(SLOT).claims
    assert replayed.slot(SLOT).freed == fair.state.slot(SLOT).freed


def test_whoever_gave_a_place_up_is_not_given_it_again(fair, eight, late, full):
    fair.when(Cancel, booking=full[0], at=late)
    after = late + HOUR

    with pytest.raises(OnlyTheirOwnFreed) as refusal:
        fair.book(1, eight, at=after)
    with pytest.raises(OnlyTheirOwnFreed):
        fair.hold(1, eight, at=after)

    assert refusal.value.name == "slot-full"
    assert refusal.value.evidence == {"slot": "CA-TB-01@2011-01-03T08:00", "capacity": 2, "freed": 1}
    fair.book(3, eight, at=after)


def test_they_may_take_a_place_that_another_gave_up(fair, eight, late, full):
    for booking in full:
        fair.when(Cancel, booking=booking, at=late)

    fair.book(1, eight, at=late + HOUR)


def test_what_was_taken_again_is_theirs_no_more(fair, eight, late, full):
    fair.when(Cancel, booking=full[0], at=late)
    taken = fair.book(3, eight, at=late + HOUR)
    fair.when(Cancel, booking=taken, at=late + 2 * HOUR)

    fair.book(1, eight, at=late + 3 * HOUR)


def test_nobody_walks_in_on_or_moves_to_a_place_they_gave_up(fair, eight, late, full):
    fair.when(AdoptPolicy, since=date(2011, 1, 1), rules={"reschedule_lead_h": 0})
    fair.when(Cancel, booking=full[0], at=late)
    walk_in = {"office": "CA-TB-01", "service": "SV-CA-02", "beneficiary": beneficiary(1), "channel": "counter"}
    other = fair.book(1, eight + HOUR, at=late + HOUR)

    with pytest.raises(OnlyTheirOwnFreed):
        fair.when(Reschedule, booking=other, starts_at=eight, at=late + 2 * HOUR)
    fair.when(Cancel, booking=other, at=late + 2 * HOUR)
    with pytest.raises(OnlyTheirOwnFreed):
        fair.when(WalkIn, booking="w", at=eight, **walk_in)


def test_a_group_is_told_which_of_it_asks_for_its_own_place(fair, eight, late, full):
    fair.when(Cancel, booking=full[0], at=late)
    bookings = tuple(fair.booking(seed, eight + n * HOUR, at=late + HOUR) for n, seed in enumerate((1, 3)))

    with pytest.raises(OnlyTheirOwnFreed) as refusal:
        fair.when(BookGroup, bookings=bookings, at=late + HOUR)

    assert refusal.value.evidence["index"] == 0


def test_a_move_gives_up_what_it_leaves_and_nothing_that_it_keeps(fair, eight, late):
    fair.when(AdoptPolicy, since=date(2011, 1, 1), rules={"reschedule_lead_h": 0})
    fair.given_a_service("SV-CA-30", minutes=30)
    booking = fair.book(1, eight, service="SV-CA-30")

    fair.when(Reschedule, booking=booking, starts_at=eight + 15 * MINUTE, at=late)

    assert [rest.originator_id for rest in rests(fair)] == [SLOT]


def test_a_longer_visits_places_return_together(fair, eight, late):
    fair.given_a_service("SV-CA-30", minutes=30)
    booking = fair.book(1, eight, service="SV-CA-30")

    fair.when(Cancel, booking=booking, at=late)

    first, second = rests(fair)
    assert first.event.until == second.event.until
    assert first.booking != second.booking


def test_those_in_line_go_before(fair, eight, late, full):
    entry = fair.wait(3, eight.date(), eight.date())

    fair.when(Cancel, booking=full[0], at=late)

    assert rests(fair) == []
    fair.when(AcceptOffer, entry=entry, at=late)


def test_who_joins_the_line_meanwhile_is_offered_the_place_when_it_has_rested(fair, eight, late, full):
    fair.when(Cancel, booking=full[0], at=late)
    entry = fair.wait(3, eight.date(), eight.date(), at=late)

    with pytest.raises(SlotFull):
        fair.book(4, eight, at=late + HOUR)

    assert fair.state.bookings[entry].offer is not None
    assert fair.state.bookings[entry].offer.starts_at == eight


def test_nobody_in_line_is_offered_what_they_gave_up(fair, eight, late, full):
    fair.given_a_service("SV-CA-03")
    entry = fair.wait(1, eight.date(), eight.date(), service="SV-CA-03")

    fair.when(Cancel, booking=full[0], at=late)
    fair.book(4, eight, at=late + HOUR)

    assert fair.state.bookings[entry].offer is None


def test_a_resting_place_is_nobodys_share(fair, eight, late, full):
    fair.when(AdoptPolicy, since=date(2011, 1, 1), rules={"channels": {"sms": {"share_percent": 50}}})
    fair.when(Cancel, booking=full[0], at=late)

    with pytest.raises(SlotFull) as refusal:
        fair.book(3, eight, at=late, channel="sms")

    assert refusal.value.channel is None


def test_without_fair_release_a_place_is_free_at_once_for_everybody(story, eight, late):
    booking = story.book(1, eight)

    story.when(Cancel, booking=booking, at=late)

    story.book(1, eight, at=late)
    assert rests(story) == []


def test_it_is_turned_on_and_off_once_each(story):
    turned = [story.when(AssignFairRelease, office="CA-TB-01", is_on=is_on) for is_on in (False, True, True, False)]

    facts = [fact.event for fact in story.log if isinstance(fact.event, FairReleaseAssigned)]
    assert [event.is_on for event in facts] == [True, False]
    assert [decision.said["on"] for decision in turned] == [False, True, True, False]
    with pytest.raises(InvalidRequest):
        story.when(AssignFairRelease, office="CA-XX-99", is_on=True)
