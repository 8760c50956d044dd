"""2,000 holds confirmed within 100 ms of their end, either side, while somebody else tries for each place."""

import random
from collections import Counter
from datetime import date, timedelta

import psycopg

from domain import commands
from domain.identifiers import booking_id, slot_stream
from tests.offices import ADVANCE, MONDAY

HOLDS, STARTS = 2_000, 48
END = ADVANCE + timedelta(minutes=10)
NAMES = {"name_ar": "م", "name_en": "o", "city_ar": "م", "city_en": "c", "region": "TB", "section": "mixed"}


def given_more_offices(office, many):
    """With one counter each, published as the first one is. Their ids."""
    offices = ["CA-TB-01", *(f"CA-TB-{n:02}" for n in range(2, many + 1))]
    for name in offices[1:]:
        office.submit(office.command(commands.RegisterOffice, office=name, counters=1, **NAMES))
        office.submit(office.command(commands.AnnounceLiveDate, office=name, live_from=date(2010, 11, 27)))
        for n in range(2):
            office.submit(office.command(commands.PublishDay, office=name, day=MONDAY.date() + timedelta(days=n)))
    return offices


def test_two_thousand_holds_at_their_end_have_one_owner_each_and_keep_no_place_too_long(make_office, database_url):
    office, chance = make_office(counters=1), random.Random(5)
    beside = office.beside()
    offices = given_more_offices(office, -(-HOLDS // STARTS))
    told = {"service": "SV-CA-02", "channel": "portal"}
    confirming, trying, holding_now = {}, {}, []
    for n in range(HOLDS):
        place = {"office": offices[n // STARTS], "starts_at": office.start_after(n % STARTS)}
        hold = booking_id(n.to_bytes(16, "big"), key=b"test")
        holding = office.command(commands.PlaceHold, hold=hold, beneficiary=office.beneficiary(n), **place, **told)
        holding_now.append(office.instance.desk.submit(holding))
        moments = [END + timedelta(microseconds=chance.randrange(-100_000, 100_000)) for _ in range(2)]
        confirm = {"booking": f"c{n}", "hold": hold, "beneficiary": office.beneficiary(n)}
        attempt = {"booking": f"r{n}", "beneficiary": office.beneficiary(HOLDS + n)}
        confirming[n] = office.command(commands.Book, at=moments[0], **confirm, **place, **told)
        trying[n] = beside.command(commands.Book, at=moments[1], **attempt, **place, **told)
    assert all(future.result(120).refusal is None for future in holding_now)
    asked = [(office, ("hold", n), command) for n, command in confirming.items()]
    asked += [(beside, ("other", n), command) for n, command in trying.items()]
    chance.shuffle(asked)

    futures = {which: desk.instance.desk.submit(command) for desk, which, command in asked}
    receipts = {which: future.result(120) for which, future in futures.items()}

    with psycopg.connect(database_url) as connection:
        booked = Counter(row[0] for row in connection.execute("SELECT stream FROM log WHERE type = 'SlotBooked.v1'"))
    outcomes: Counter[tuple[bool, bool]] = Counter()
    for n in range(HOLDS):
        kept, other = receipts["hold", n], receipts["other", n]
        is_in_time, comes_after = confirming[n].at < END, trying[n].at >= END
        has_hold, has_other = kept.refusal is None, other.refusal is None
        outcomes[has_hold, has_other] += 1
        assert booked[slot_stream(confirming[n].office, confirming[n].starts_at)] == has_hold + has_other <= 1
        if has_hold:
            assert is_in_time
        elif is_in_time:  # not refused early: the other, by a clock past the end, was decided before
            assert has_other
            assert other.position <= kept.position
        if has_other:  # and before the end only where the hold itself came too late, which ended it for everybody
            assert comes_after or (not is_in_time and kept.position <= other.position)
        elif comes_after:  # not free too late: nobody is turned away but by a booking
            assert has_hold
    assert min(outcomes[True, False], outcomes[False, True], outcomes[False, False]) > HOLDS // 20
