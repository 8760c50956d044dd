import zipfile

import psycopg
import pytest

from infra.demo import DAYS_PUBLISHED, DemoSummary, demo
from infra.postgres import database
from infra.settings import Settings
from projections.comparison import Difference
from projections.milestones import Ladder
from projections.rebuild import Rebuilt

OFFICES = 171


@pytest.fixture
def settings(database_url, tmp_path):
    return Settings.load({"MAWID_DATABASE_URL": database_url, "MAWID_DATA_DIR": str(tmp_path / "data")})


def rows(url, query):
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def test_a_demo_ends_with_bookings_free_places_and_views_that_equal_the_log(settings, database_url):
    with database(settings) as found:
        first = demo(settings, found, bookings=300)
        again = demo(settings, found, bookings=300)

    assert first.views_equal_log
    assert (first.ladder.running, [milestone.threshold for milestone in first.ladder.milestones]) == (300, [1, 10, 100])
    assert first.offices_published == OFFICES
    [[days]] = rows(database_url, "SELECT count(*) FROM view_availability.day WHERE day >= current_date")
    assert days >= OFFICES * (DAYS_PUBLISHED - 1)  # one less when midnight has passed meanwhile
    [[free]] = rows(database_url, "SELECT sum(capacity - taken) FROM view_availability.slot WHERE starts_at > now()")
    assert free > 0
    assert again.views_equal_log
    assert (again.bookings, again.ladder) == (first.bookings, first.ladder)


def test_a_demo_of_the_clinic_file_plays_that_instead(settings, tmp_path):
    path = tmp_path / "clinic.zip"
    header = "PatientId,AppointmentID,ScheduledDay,AppointmentDay,Neighbourhood,No-show"
    lines = [f"{n},{n},2016-04-29T18:38:08Z,2016-04-29T00:00:00Z,CENTRO,No" for n in range(20)]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("visits.csv", "\n".join([header, *lines]))

    with database(settings) as found:
        summary = demo(settings, found, clinic=path)

    assert summary.views_equal_log
    assert (summary.bookings, summary.ladder.running, summary.offices_published) == (20, 20, OFFICES)
    assert "read 20, refused 0, booked 20, no-shows 0" in list(summary.lines())


def test_the_summary_names_the_view_that_differs():
    difference = Difference("tally", "(t,1)", "(t,2)")
    check = Rebuilt(view="milestones", events=5, seconds=0.1, compared_s=0.1, equal=False, difference=difference)
    summary = DemoSummary(
        played=[],
        events=5,
        bookings=1,
        offices_published=0,
        ladder=Ladder([], 1, 0),
        checks=[check],
        played_s=1,
        seconds=2,
    )

    assert not summary.views_equal_log
    assert any("milestones DIFFERS" in line for line in summary.lines())
