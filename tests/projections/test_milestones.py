from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.events import BookingMovedIn, Fact, SlotBooked
from projections.milestones import Milestone, Milestones, ladder
from tests.projections.story import Facts, Story

AT = datetime(2011, 2, 1, tzinfo=UTC)
ELECTRONIC = ("portal", "kiosk", "sms")


def booked(position: int, channel: str = "portal") -> tuple[int, Fact]:
    event = SlotBooked(
        by="citizen",
        reference_key="k1",
        office="CA-TB-01",
        service="SV-CA-02",
        starts_at=AT,
        minutes=15,
        channel=channel,
    )
    return position, Fact("slot/x", position, AT, b"c", "p", f"booking-{position}", event)


def moved(position: int) -> tuple[int, Fact]:
    event = BookingMovedIn(
        by="citizen",
        office="CA-TB-01",
        service="SV-CA-02",
        starts_at=AT,
        minutes=15,
        channel="portal",
        from_office="CA-TB-01",
        from_starts_at=AT,
    )
    return position, Fact("slot/x", position, AT, b"c", "p", "booking-1", event)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from(["portal", "sms", "kiosk", "counter", "moved"]), min_size=1, max_size=300),
    page_size=st.integers(1, 400),
)
def test_in_any_pages_the_booking_that_crossed_a_threshold_is_named(folded, kinds, page_size):
    facts: Facts = [moved(n) if kind == "moved" else booked(n, kind) for n, kind in enumerate(kinds, start=1)]
    confirmations = [n for n, kind in enumerate(kinds, start=1) if kind in ELECTRONIC]

    with folded([Milestones()], facts, page_size) as connection:
        crossed = ladder(connection)

    assert crossed.milestones == [
        Milestone(threshold, f"booking-{confirmations[threshold - 1]}", confirmations[threshold - 1], AT)
        for threshold in (1, 10, 100)
        if threshold <= len(confirmations)
    ]
    assert crossed.running == len(confirmations)


def test_one_page_may_cross_several_thresholds(folded):
    facts = [booked(n) for n in range(1, 10_051)]

    with folded([Milestones()], facts, page_size=20_000) as connection:
        crossed = ladder(connection)

    assert [(one.threshold, one.position) for one in crossed.milestones] == [
        (n, n) for n in (1, 10, 100, 1_000, 10_000)
    ]
    assert crossed.next_threshold == 100_000


def test_a_page_that_ends_on_a_threshold_has_crossed_it(folded):
    with folded([Milestones()], [booked(n) for n in range(1, 21)], page_size=10) as connection:
        crossed = ladder(connection)

    assert [(one.threshold, one.booking) for one in crossed.milestones] == [(1, "booking-1"), (10, "booking-10")]


def test_before_the_first_booking_the_first_threshold_is_next(folded):
    with folded([Milestones()], Story().facts) as connection:
        assert ladder(connection) == ([], 1, 0)
