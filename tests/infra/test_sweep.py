"""What the clock has decided is recorded soon, whoever comes by, and dated when it was due."""

from datetime import timedelta

import psycopg
import pytest

from domain import commands
from domain.identifiers import booking_id
from infra.bootstrap import views_for
from infra.settings import Settings
from infra.sweep import Sweep
from projections.follow import Follower
from tests.offices import ADVANCE, MONDAY

DAY = timedelta(days=1)


@pytest.fixture
def sweep_at(office, database_url, tmp_path):
    """Sweeps as of an instant, with every view at the head of the log; how many office-days it settled."""
    settings = Settings.load({"MAWID_DATABASE_URL": database_url, "MAWID_DATA_DIR": str(tmp_path)})
    follower = Follower(database_url, views_for(settings, database_url), page_events_max=1_000)

    def sweep(now):
        follower.catch_up()
        settled = Sweep(office.instance).once(now)
        follower.catch_up()
        return settled

    yield sweep
    follower.close()


def facts_since(database_url, position):
    """Type, time and author of what came after the position."""
    query = """
        SELECT type, at, convert_from(state, 'UTF8')::json ->> 'by' FROM log WHERE position > %s ORDER BY position
    """
    with psycopg.connect(database_url) as connection:
        return connection.execute(query, (position,)).fetchall()


def test_a_hold_that_nobody_touches_is_recorded_as_expired_at_its_end(office, database_url, sweep_at):
    hold = booking_id(b"h" * 16, key=b"test")
    beneficiary = office.booking(1).beneficiary
    told = {"office": "CA-TB-01", "service": "SV-CA-02", "starts_at": MONDAY, "channel": "portal"}
    held = office.submit(office.command(commands.PlaceHold, hold=hold, beneficiary=beneficiary, **told))

    early = sweep_at(ADVANCE + timedelta(minutes=10) - timedelta(seconds=1))
    settled = sweep_at(ADVANCE + timedelta(minutes=10, seconds=1))
    again = sweep_at(ADVANCE + timedelta(minutes=11))

    assert (early, settled, again) == (0, 1, 0)
    expired = ("HoldExpired.v1", ADVANCE + timedelta(minutes=10), "system")
    assert facts_since(database_url, held.position) == [expired]


def test_a_visit_nobody_came_to_is_a_no_show_once_its_office_has_closed(office, database_url, sweep_at):
    booked = office.submit(office.booking(1))
    closes_at = MONDAY.replace(hour=14)

    early = sweep_at(closes_at - timedelta(seconds=1))
    settled = sweep_at(closes_at + timedelta(hours=3))
    again = sweep_at(closes_at + DAY)

    assert (early, settled, again) == (0, 1, 0)
    assert facts_since(database_url, booked.position) == [("OutcomeRecorded.v1", closes_at, "system")]


def test_an_entry_whose_last_day_is_past_leaves_the_line(office, database_url, sweep_at):
    entry = booking_id(b"e" * 16, key=b"test")
    beneficiary = office.booking(1).beneficiary
    told = {"office": "CA-TB-01", "service": "SV-CA-02", "since": MONDAY.date(), "until": MONDAY.date()}
    joining = office.command(commands.JoinWaitingList, entry=entry, beneficiary=beneficiary, channel="portal", **told)
    joined = office.submit(joining)

    settled = sweep_at(MONDAY + DAY)

    assert settled == 1
    assert [kind for kind, *_ in facts_since(database_url, joined.position)] == ["WaitingListLeft.v1"]


def test_history_older_than_the_sweep_looks_back_stays_as_it_is(office, sweep_at):
    office.submit(office.booking(1))

    assert sweep_at(MONDAY + 40 * DAY) == 0


def test_a_day_that_cannot_be_settled_stops_no_sweep_and_is_tried_again(office, database_url, sweep_at, monkeypatch):
    def break_down(*_):
        raise ZeroDivisionError

    booked = office.submit(office.booking(1))
    with monkeypatch.context() as broken:
        broken.setattr("domain.sweep.end_windows", break_down)
        assert sweep_at(MONDAY + DAY) == 1
    assert facts_since(database_url, booked.position) == []

    sweep_at(MONDAY + DAY)

    assert [kind for kind, *_ in facts_since(database_url, booked.position)] == ["OutcomeRecorded.v1"]
