from contextlib import contextmanager
from datetime import date, datetime, timedelta
from itertools import islice, takewhile
from random import Random

import psycopg
import pytest

from domain.calendar import RIYADH, local_date
from domain.commands import (
    Book,
    Cancel,
    CloseOffice,
    PublishDay,
    RecordOutcome,
    Reschedule,
    SettleDay,
)
from domain.identifiers import slot_stream
from domain.slot import Slot
from infra import catalogue
from infra.bootstrap import open_instance
from infra.catalogue_loading import load_catalogue
from infra.migrate import migrate
from infra.playing import Standing, play
from infra.settings import Settings
from infra.simulate import LAUNCH, running_count, simulate
from infra.simulation.people import Person
from infra.simulation.story import Story

OFFICES = {office.office: office for office in catalogue.offices()}
SERVICES = {service.service: service for service in catalogue.services()}


@pytest.fixture
def instance_on(tmp_path):
    """Instances of the same keys, on whatever database."""

    @contextmanager
    def opened(url):
        settings = Settings.load({"MAWID_DATABASE_URL": url, "MAWID_DATA_DIR": str(tmp_path)})
        with open_instance(settings, url) as instance:
            yield instance

    return opened


@pytest.fixture
def instance(instance_on, database_url):
    with instance_on(database_url) as instance:
        yield instance


def told(instance, *, since=LAUNCH, seed=1, commands=3_000):
    return list(islice(Story(instance, since, seed, Random(seed)).commands(), commands))


def rows(url, query):
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def log_of(url):
    return rows(
        url, "SELECT position, stream, stream_version, type, booking, command_id, at FROM log ORDER BY position"
    )


# -- the running count ------------------------------------------------------------------------------------------------


def test_the_running_count_is_reached_exactly_and_counter_bookings_come_on_top(instance):
    played = simulate(instance, bookings=400, seed=1)

    channel = "convert_from(state, 'UTF8')::jsonb ->> 'channel'"
    by_channel = dict(
        rows(instance.dsn, f"SELECT {channel}, count(*) FROM log WHERE type = 'SlotBooked.v1' GROUP BY 1")
    )
    assert set(by_channel) == {"portal", "kiosk", "sms", "counter"}
    assert (
        sum(by_channel.values()) - by_channel["counter"] == 400 == played.running_count == running_count(instance.dsn)
    )
    assert played.bookings == sum(by_channel.values())


def test_a_second_run_changes_nothing(instance):
    simulate(instance, bookings=200, seed=1)
    before = log_of(instance.dsn)

    again = simulate(instance, bookings=200, seed=1)

    assert log_of(instance.dsn) == before
    assert (again.running_count, again.bookings) == (200, 0)


def test_a_story_that_was_broken_off_goes_on_where_it_stopped(instance_on, database_url, empty_database_url):
    migrate(empty_database_url)

    with instance_on(database_url) as instance:
        simulate(instance, bookings=3_000, seed=1)
    with instance_on(database_url) as instance:
        simulate(instance, bookings=6_000, seed=1)
    with instance_on(empty_database_url) as instance:
        simulate(instance, bookings=6_000, seed=1)

    assert log_of(database_url) == log_of(empty_database_url)


def test_what_others_have_booked_is_part_of_the_running_count(instance):
    simulate(instance, bookings=100, seed=1)

    played = simulate(instance, bookings=250, seed=2)

    assert played.bookings < 250
    assert running_count(instance.dsn) == 250


def test_nearly_every_try_finds_its_place_and_the_rest_is_refused_for_what_people_cannot_see(instance):
    played = simulate(instance, bookings=2_000, seed=1).played

    assert 0 < played.refused.total() < 0.08 * played.commands
    assert set(played.refused) <= {"slot-full", "active-booking-exists", "too-many-active-bookings", "banned"}


def test_every_visit_of_a_day_that_is_over_has_come_to_something(instance):
    played = simulate(instance, bookings=5_500, seed=1)

    assert played.until > LAUNCH
    state = "convert_from(state, 'UTF8')::jsonb"
    outcomes = dict(
        rows(
            instance.dsn,
            f"SELECT {state} ->> 'outcome', count(*) FROM log WHERE type = 'OutcomeRecorded.v1' GROUP BY 1",
        )
    )
    open_still = f"""
        WITH last AS (SELECT DISTINCT ON (booking) type, {state} AS state FROM log
                      WHERE booking IS NOT NULL AND type <> ALL('{{SlotOccupied.v1,SlotReleased.v1}}')
                      ORDER BY booking, position DESC)
        SELECT count(*) FROM last WHERE type IN ('SlotBooked.v1', 'BookingMovedIn.v1')
                                    AND (state ->> 'starts_at')::timestamptz < '{played.until}T00:00:00+03:00'
    """
    assert rows(instance.dsn, open_still) == [(0,)]
    assert 0.1 < outcomes["no_show"] / sum(outcomes.values()) < 0.3
    assert not {"not-found", "already-checked-in", "no-show-too-early"} & set(played.played.refused)


def test_progress_ends_at_the_count_that_was_asked_for(instance):
    standings: list[Standing] = []

    simulate(instance, bookings=50, seed=1, on_progress=standings.append)

    assert (standings[-1].done, standings[-1].total, standings[-1].running_count) == (50, 50, 50)


# -- the story --------------------------------------------------------------------------------------------------------


def test_a_seed_tells_one_story_and_another_seed_another(instance):
    assert told(instance) == told(instance)
    assert told(instance) != told(instance, seed=2)


def test_time_never_steps_back(instance):
    times = [command.at for command in told(instance)]

    assert times == sorted(times)
    assert times[0] == datetime(2010, 11, 27, tzinfo=RIYADH)


def test_every_live_office_has_thirty_days_ahead_published(instance):
    first_day = takewhile(lambda command: isinstance(command, PublishDay), told(instance))

    days: dict[str, list[date]] = {}
    for command in first_day:
        days.setdefault(command.office, []).append(command.day)
    live = {name for name, office in OFFICES.items() if office.live_from == LAUNCH}
    assert set(days) == live
    assert all(published == [LAUNCH + timedelta(days=n) for n in range(31)] for published in days.values())


def test_each_day_one_day_more_is_published(instance):
    published = [command for command in told(instance) if isinstance(command, PublishDay)]

    second_day = [command for command in published if local_date(command.at) == LAUNCH + timedelta(days=1)]
    assert {command.day for command in second_day} == {LAUNCH + timedelta(days=31)}


def test_an_office_is_published_before_it_goes_live_and_booked_from_that_day_on(instance):
    wave = date(2011, 1, 15)

    story = told(instance, since=wave - timedelta(days=1))

    new = {name for name, office in OFFICES.items() if office.live_from == wave}
    published = [command for command in story if isinstance(command, PublishDay) and command.office in new]
    booked = [command for command in story if isinstance(command, Book) and command.office in new]
    assert min(local_date(command.at) for command in published) == wave - timedelta(days=1)
    assert min(command.day for command in published) == wave
    assert booked
    assert min(local_date(command.at) for command in booked) == wave


def test_people_fit_the_office_and_the_service_they_book(instance):
    sections = {"male": "men", "female": "women"}

    for command in told(instance):
        if isinstance(command, Book):
            office, service = OFFICES[command.office], SERVICES[command.service]
            assert office.section in ("mixed", sections[command.beneficiary.sex])
            assert service.audience in ("both", command.beneficiary.kind)
            assert service.needs_visit
            assert service.electronic or command.channel == "counter"


def test_kiosks_and_counters_book_while_the_offices_are_open(instance):
    on_site = [command for command in told(instance) if isinstance(command, Book) and command.caller.office is not None]

    assert {command.channel for command in on_site} == {"kiosk", "counter"}
    assert all(8 <= command.at.hour < 14 for command in on_site)
    assert not [command for command in on_site if command.at.weekday() in (3, 4)]


def test_visits_are_served_before_the_close_and_what_is_left_is_settled_at_it(instance):
    story = told(instance, commands=14_000)
    closes = {command.day: command.at for command in story if isinstance(command, SettleDay)}
    served = [command for command in story if isinstance(command, RecordOutcome)]

    assert closes[LAUNCH] == datetime(2010, 11, 27, 14, tzinfo=RIYADH)
    assert {command.outcome for command in served} == {"served"}
    assert len({command.booking for command in served}) == len(served) > 100
    for command in served:
        assert local_date(command.at) not in closes or command.at < closes[local_date(command.at)]


def test_who_has_missed_a_visit_tries_in_vain_while_they_are_banned(instance):
    story = Story(instance, LAUNCH, 1, Random(1))
    who = Person("1000000008", "citizen", "male", "CA-TB-01", None)
    morning = datetime(2011, 1, 3, 8, tzinfo=RIYADH)
    who.miss("b", "SV-CA-02", morning)

    refused = [
        who.is_refused(service, story._policy, morning + timedelta(days=days))
        for service, days in (("SV-CA-02", 0), ("SV-CA-02", 1), ("SV-CA-02", 15), ("SV-CA-02", 16), ("SV-CA-03", 1))
    ]

    assert refused == [False, True, True, False, False]


def test_bookings_are_changed_and_cancelled_before_their_start_by_whoever_holds_them(instance):
    story = told(instance, commands=6_000)

    standing = {}
    changed = cancelled = 0
    for command in story:
        match command:
            case Book():
                standing[command.booking] = command
            case Reschedule():
                changed += 1
                assert command.booking in standing
            case Cancel():
                cancelled += 1
                booked = standing.pop(command.booking)
                assert command.caller.lookup in (None, booked.beneficiary.lookup)
    assert changed > 100
    assert cancelled > 100


# -- the royal order --------------------------------------------------------------------------------------------------

CLOSED = date(2011, 2, 26)
LAST_WORKDAY = date(2011, 2, 23)


def told_until(story, day):
    """The commands before the first of `day`."""
    return takewhile(lambda command: local_date(command.at) < day, story.commands())


def test_the_royal_order_is_announced_to_every_office_the_day_after_the_last_working_day_before_it(instance):
    story = Story(instance, LAST_WORKDAY, 1, Random(1))

    until = LAST_WORKDAY + timedelta(days=2)
    closures = [command for command in told_until(story, until) if isinstance(command, CloseOffice)]

    assert [command.office for command in closures] == list(OFFICES)
    assert {command.at for command in closures} == {datetime(2011, 2, 24, tzinfo=RIYADH)}
    assert {(command.since.date(), command.until.date()) for command in closures} == {(CLOSED, date(2011, 2, 27))}
    assert {command.reason for command in closures} == {"إجازة بأمر ملكي: عودة خادم الحرمين الشريفين"}


def test_the_day_is_booked_until_then_and_who_is_booked_moves_where_the_story_sees_them(instance):
    load_catalogue(instance, datetime(2011, 2, 22, tzinfo=RIYADH))
    story = Story(instance, LAST_WORKDAY, 1, Random(1))

    closures = []

    def note(command, receipt):
        if isinstance(command, CloseOffice):
            closures.append(receipt.answer)

    play(instance.desk, told_until(story, LAST_WORKDAY + timedelta(days=2)), stage="days", on_receipt=note)

    moved = [move for answer in closures for move in answer["moved"]]
    assert len(moved) > 20
    assert {move["from"][:10] for move in moved} == {str(CLOSED)}
    assert min(move["to"] for move in moved) == "2011-02-27T08:00:00+03:00"
    slots = instance.desk._state.streams
    taken = {stream: len(kept.places) for stream, kept in slots.items() if isinstance(kept, Slot)}
    seen = {
        slot_stream(day.office, start): OFFICES[day.office].counters - day.free[n]
        for day in story._places._days.values()
        for n, start in enumerate(day.starts)
    }
    assert sum(seen.values()) > 500
    assert {stream: places for stream, places in seen.items() if taken.get(stream, 0) != places} == {}
