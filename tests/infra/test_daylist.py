import unicodedata
from datetime import date, datetime, timedelta

import psycopg
import pytest

from domain.calendar import RIYADH
from domain.commands import Cancel, CheckIn, RecordOutcome
from infra.bootstrap import views_for
from infra.daylist import COLUMNS, LINES_A_PAGE, DayList, UnknownOffice, day_list, pages
from projections.follow import Follower
from projections.projection import wait_for
from tests.offices import MONDAY

TODAY = MONDAY.date()
NOW = datetime(2011, 1, 2, 20, tzinfo=RIYADH)
QUARTER = timedelta(minutes=15)


def told_of(office, day=TODAY, name="CA-TB-01") -> DayList:
    instance = office.instance
    views = views_for(instance.settings, instance.dsn)
    with Follower(instance.dsn, views), psycopg.connect(instance.dsn, autocommit=True) as connection:
        assert wait_for(connection, [view.name for view in views], office.head(), 20)
        return day_list(instance, name, day, NOW)


def test_it_lists_who_may_still_come_in_the_order_of_their_starts(office):
    later, first, cancelled, served, here = (
        office.booking(seed, start=MONDAY + n * QUARTER) for seed, n in enumerate((2, 0, 1, 3, 4))
    )
    for command in (later, first, cancelled, served, here):
        assert office.submit(command).refusal is None
    office.submit(office.command(Cancel, booking=cancelled.booking))
    office.submit(office.command(RecordOutcome, at=MONDAY, booking=served.booking, outcome="served"))
    office.submit(office.command(CheckIn, at=MONDAY, booking=here.booking))

    told = told_of(office)

    reference = office.instance.reference_of
    assert [(each.reference, each.is_checked_in) for each in told.expected] == [
        (reference(first.booking), False),
        (reference(later.booking), False),
        (reference(here.booking), True),
    ]
    assert told.position == office.head()


def test_a_customer_is_named_by_their_name_and_the_last_digits_of_their_number(office):
    office.submit(office.booking(1, name="نورة العتيبي"))
    office.submit(office.booking(2, start=MONDAY + QUARTER))

    named, unnamed = told_of(office).expected

    number = office.beneficiary(1).number
    assert (named.name, named.last_digits) == ("نورة العتيبي", number[-4:])
    assert unnamed.name is None
    assert number not in "".join(pages(told_of(office)))


def test_each_opening_of_the_vault_is_logged(office):
    for seed in (1, 2):
        office.submit(office.booking(seed))

    told_of(office)

    query = "SELECT who, why FROM vault.opening JOIN vault.person USING (person)"
    with psycopg.connect(office.instance.dsn) as connection:
        assert connection.execute(query).fetchall() == [("operator", "day list of CA-TB-01 for 2011-01-03")] * 2


def test_whoever_was_erased_is_listed_without_a_name(office):
    office.submit(office.booking(1, name="نورة"))
    with psycopg.connect(office.instance.dsn) as connection:
        connection.execute("DELETE FROM vault.person")

    (expected,) = told_of(office).expected

    assert (expected.name, expected.last_digits) == (None, None)


def test_an_office_that_does_not_exist_has_no_list(office):
    with pytest.raises(UnknownOffice, match="CA-XX-99"):
        told_of(office, name="CA-XX-99")


# -- on paper ---------------------------------------------------------------------------------------------------------


def test_a_page_says_in_both_languages_and_calendars_what_it_is_of(office):
    office.submit(office.booking(1, name="نورة"))

    (page,) = pages(told_of(office))

    for said in ("CA-TB-01", "1 / 1", "Monday 3 January 2011", "28 Muharram 1432", "الاثنين ٣ يناير ٢٠١١", "محرم ١٤٣٢"):
        assert said in page
    assert "1 expected; printed 2011-01-02 20:00" in page
    assert "Walk-ins" in page


def test_a_full_day_fits_its_pages_and_parts_no_customer(make_office):
    office = make_office(counters=3)
    for seed in range(60):
        office.submit(office.booking(seed, start=office.start_after(seed // 3), name="عبد الرحمن " * 9))

    told = told_of(office)
    printed = pages(told)

    assert len(printed) > 1
    for page in printed:
        lines = page.splitlines()
        assert len(lines) <= LINES_A_PAGE
        assert max(sum(unicodedata.category(mark) != "Cf" for mark in line) for line in lines) <= COLUMNS
        assert "CA-TB-01" in lines[1]
    for expected in told.expected:
        (page,) = (page for page in printed if expected.reference in page)
        after = page[page.index(expected.reference) :].splitlines()
        assert "عبد الرحمن" in after[1]


def test_what_is_arabic_turns_nothing_around_it(office):
    office.submit(office.booking(1, name="نورة"))

    printed = [*pages(told_of(office)), *pages(told_of(office, date(2011, 1, 5)))]

    for line in "".join(printed).splitlines():
        outside, depth = [], 0
        for mark in line:
            depth += {"\N{FIRST STRONG ISOLATE}": 1, "\N{POP DIRECTIONAL ISOLATE}": -1}.get(mark, 0)
            outside += [mark] if depth == 0 else []
        assert depth == 0
        assert not [mark for mark in outside if unicodedata.bidirectional(mark) in ("R", "AL", "AN")]


def test_an_empty_day_has_room_for_walk_ins(office):
    (page,) = pages(told_of(office, date(2011, 1, 5)))

    assert "Nobody is expected" in page
    assert page.count("number ____") == 10
