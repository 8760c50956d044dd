"""Log and views are held against each other every night, and what is found is told."""

from datetime import datetime, timedelta

import psycopg
import pytest

from domain.calendar import RIYADH
from infra.bootstrap import VIEWS, views_for
from infra.self_check import LOG, NightlyCheck, check_all
from infra.settings import Settings
from infra.web import open_services
from infra.wholeness import check_log
from projections.follow import Follower


@pytest.fixture
def settings(database_url, tmp_path):
    return Settings.load({"MAWID_DATABASE_URL": database_url, "MAWID_DATA_DIR": str(tmp_path)})


@pytest.fixture
def booked(office, settings, database_url):
    """Some bookings, and views that have folded them."""
    for n in range(5):
        office.submit(office.booking(n))
    with Follower(database_url, views_for(settings, database_url)) as follower:
        follower.catch_up()
    return office


def as_superuser(database_url, *statements):
    with psycopg.connect(database_url) as connection:
        connection.execute("SET session_replication_role = replica")  # no trigger of ours is asked
        for statement in statements:
            connection.execute(statement)


@pytest.mark.usefixtures("booked")
def test_a_log_and_views_as_they_were_written_are_whole(settings, database_url):
    checked = check_all(settings, database_url)

    assert {each.part for each in checked} == {LOG, *VIEWS}
    assert {each.problem for each in checked} == {None}


@pytest.mark.parametrize(
    ("statement", "position"),
    [
        ("UPDATE log SET state = state || ' ' WHERE position = 7", 7),
        ("UPDATE log SET recorded_at = recorded_at - interval '1 microsecond' WHERE position = 7", 7),
        ("DELETE FROM log WHERE position = 7", 7),
        ("DELETE FROM log WHERE position = (SELECT max(position) FROM log)", None),
    ],
)
def test_a_log_that_was_changed_is_wrong_from_there_on(booked, database_url, statement, position):
    head = booked.head()

    as_superuser(database_url, statement)

    found = check_log(database_url)
    assert found.breach is not None
    assert (found.position, found.breach.position) == (head, position or head)


def test_rows_rewritten_with_their_leaves_do_not_fit_the_head(booked, settings, database_url):
    as_superuser(
        database_url,
        "UPDATE log_head SET frontier = set_byte(frontier, 12, (get_byte(frontier, 12) + 1) % 256)",
    )

    log, *views = check_all(settings, database_url)

    assert log.problem is not None
    assert views == []


@pytest.mark.usefixtures("booked")
def test_a_view_that_is_not_what_the_log_says_is_named_and_an_alarm(settings, database_url):
    as_superuser(database_url, "UPDATE view_availability.slot SET taken = taken + 1 WHERE taken = 0")

    wrong = {each.part for each in check_all(settings, database_url) if each.problem is not None}

    assert wrong == {"availability"}


def test_what_the_last_check_found_is_told_to_the_metrics(booked, settings, database_url):
    as_superuser(database_url, "UPDATE view_availability.slot SET taken = taken + 1 WHERE taken = 0")
    check_all(settings, database_url)

    with open_services(booked.instance) as services:
        told = services.checked()

    assert {part for part, found in told.items() if found.has_problem} == {"availability"}
    assert told[LOG].age_s < 60


@pytest.mark.usefixtures("booked")
def test_a_night_has_one_check_from_its_time_on(settings, database_url):
    night = NightlyCheck(settings, database_url)
    tonight = datetime.now(RIYADH).replace(hour=3, minute=0, second=0, microsecond=0)

    assert night.once(tonight - timedelta(seconds=1)) is None
    assert night.once(tonight) is not None
    assert night.once(tonight + timedelta(hours=1)) is None
    assert night.once(tonight + timedelta(days=1)) is not None


@pytest.mark.usefixtures("booked")
def test_two_processes_do_not_check_at_once(settings, database_url):
    tomorrow = datetime.now(RIYADH).replace(hour=4) + timedelta(days=1)
    with psycopg.connect(database_url) as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('mawid checks itself', 0))")

        assert NightlyCheck(settings, database_url).once(tomorrow) is None


def test_a_view_that_is_not_there_yet_is_not_said_to_be_equal(office, settings, database_url):
    office.submit(office.booking(1))

    assert [each.part for each in check_all(settings, database_url)] == [LOG]
