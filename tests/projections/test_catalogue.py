from datetime import date, timedelta

from domain import commands
from projections.catalogue import (
    Catalogue,
    Coverage,
    Region,
    coverage_of_regions,
    coverage_of_services,
    offices,
    regions,
    services,
)
from tests.projections.story import EVE, OFFICES, WORKDAYS, Story, start

TB, RD = OFFICES


def test_the_catalogue_is_in_both_languages(folded):
    with folded([Catalogue()], Story().facts) as connection:
        assert regions(connection) == [Region("RD", "منطقة RD", "RD"), Region("TB", "منطقة TB", "TB")]
        assert [(one.service, one.sector, one.minutes, one.name_ar) for one in services(connection)] == [
            ("SV-CA-01", "civil_affairs", 30, "خدمة"),
            ("SV-CA-02", "civil_affairs", 15, "خدمة"),
            ("SV-PP-01", "passports", 45, "خدمة"),
        ]
        assert [one.service for one in services(connection, sector="passports")] == ["SV-PP-01"]
        assert [(one.office, one.name_ar, one.region, one.live_from) for one in offices(connection, now=EVE)] == [
            (RD, f"مكتب {RD}", "RD", EVE.date()),
            (TB, f"مكتب {TB}", "TB", EVE.date()),
        ]


def test_offices_are_found_by_region_service_and_live_date(folded):
    story = Story()
    story.do(commands.AnnounceLiveDate, office=RD, live_from=date(2011, 5, 14))

    with folded([Catalogue()], story.facts) as connection:
        live = {
            day: [one.office for one in offices(connection, now=EVE, live_on=day)]
            for day in (date(2011, 5, 13), date(2011, 5, 14))
        }
        assert live == {date(2011, 5, 13): [TB], date(2011, 5, 14): [RD, TB]}
        assert [one.office for one in offices(connection, now=EVE, region="TB")] == [TB]
        assert [one.office for one in offices(connection, now=EVE, office=RD)] == [RD]
        assert [one.office for one in offices(connection, now=EVE, service="SV-PP-01")] == [RD, TB]
        assert offices(connection, now=EVE, service="SV-XX-01") == []


def test_the_last_assignment_of_counters_holds_for_its_time(folded):
    story, opening = Story(), start(WORKDAYS[0], 0)
    for hours, assigned in ((4, 5), (1, 7)):
        until = opening + timedelta(hours=hours)
        story.do(commands.AssignCounters, office=TB, since=opening, until=until, counters=assigned)

    with folded([Catalogue()], story.facts) as connection:
        asked = [opening + timedelta(minutes=minutes) for minutes in (-1, 0, 60, 240)]
        counters = [offices(connection, now=now, office=TB)[0].counters for now in asked]

    registered = story.state.office(TB)
    assert registered is not None
    assert counters == [2, 7, 5, 2]
    assert counters == [registered.counters_at(now) for now in asked]


def test_coverage_counts_offices_and_those_live_on_a_day(folded):
    story = Story()
    story.do(commands.AnnounceLiveDate, office=RD, live_from=date(2011, 5, 14))

    with folded([Catalogue()], story.facts) as connection:
        asked = [date(2011, 1, 31), EVE.date(), date(2011, 5, 14)]
        assert [coverage_of_services(connection, day)["SV-CA-01"].live for day in asked] == [0, 1, 2]
        assert coverage_of_regions(connection, EVE.date()) == {"RD": Coverage(1, 0), "TB": Coverage(1, 1)}


def test_an_office_is_paused_until_it_resumes(folded):
    story, paused = Story(), []
    for command in (commands.PauseOffice, commands.ResumeOffice):
        story.do(command, office=TB)
        with folded([Catalogue()], story.facts) as connection:
            paused += [one.paused for one in offices(connection, now=EVE)]

    assert paused == [False, True, False, False]
