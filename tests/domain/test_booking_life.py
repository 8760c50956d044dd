"""The diagram of docs/life-of-a-booking.md, held against some years of an office."""

import re
from pathlib import Path

from domain.booking import Booking
from tests.domain.year import live

DIAGRAM = Path(__file__).parents[2] / "docs" / "life-of-a-booking.md"
#: Arrows that lead from a state back to itself and yet are told.
MOVES = {"BookingMovedIn", "BookingDisplacedIn", "CustomerCalled"}


def stage_of(booking):
    if booking.status is not None:
        return booking.status
    if booking.hold is not None:
        return "held" if booking.has_place else "given_up"
    if booking.joined is None:
        return "[*]"
    if booking.left is not None:
        return "given_up"
    return "waiting" if booking.offer is None else "offered"


def travelled(log):
    arrows: set[tuple[str, str, str]] = set()
    bookings: dict[str, Booking] = {}
    for fact in log:
        if fact.booking is None:
            continue
        booking = bookings.setdefault(fact.booking, Booking(fact.booking))
        before, name = stage_of(booking), fact.event.TOPIC.removesuffix(".v1")
        booking.evolve(fact)
        if before != stage_of(booking) or name in MOVES:
            arrows.add((before, stage_of(booking), name))
    return arrows


def test_the_diagram_shows_every_way_a_booking_goes_and_no_other():
    drawn = set(re.findall(r"^ +(\S+) --> (\S+): (\w+)$", DIAGRAM.read_text(), re.MULTILINE))

    met = set.union(*(travelled(live(seed, steps=1_500).log) for seed in range(400, 408)))

    assert met == drawn
