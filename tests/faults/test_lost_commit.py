"""The answer of a COMMIT is lost. The caller is told the truth all the same: booked is never called taken."""

import pytest

pytestmark = pytest.mark.faults

CUTS = 10


def test_a_booking_whose_commit_was_answered_into_the_void_is_confirmed_once(relay, office_behind):
    office = office_behind(relay.dsn, counters=3)
    commands = [office.booking(n, start=office.start_after(n % 24)) for n in range(CUTS * 3)]

    receipts = []
    for n, command in enumerate(commands):
        if n % 3 == 0:
            relay.arm()
        receipts.append(office.submit(command))

    assert relay.cuts == CUTS
    assert [receipt.refusal for receipt in receipts] == [None] * len(commands)
    assert all(office.topics_of(command.booking) == ["SlotBooked.v1"] for command in commands)
    assert office.positions() == list(range(1, office.head() + 1))
    assert office.instance.desk.counts.lost_connections >= CUTS


def test_the_last_place_stays_with_whoever_got_it(relay, office_behind):
    """The classic trap: the retry meets its own row and says the slot is full to the one who holds the place."""
    office = office_behind(relay.dsn, counters=1)
    winner, loser = office.booking(1), office.booking(2)

    relay.arm()
    won, lost = office.submit(winner), office.submit(loser)

    assert relay.cuts == 1
    assert won.refusal is None
    assert lost.refusal.name == "slot-full"
    assert office.submit(winner).answer == won.answer
