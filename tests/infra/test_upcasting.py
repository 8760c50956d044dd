"""A fact in an old shape means what it meant, to the desk and to the views, and stays on disk as it was written."""

from datetime import date

import msgspec
import psycopg
import pytest
from psycopg.rows import namedtuple_row

from domain.events import LiveDateAnnounced
from domain.upcasting import UPCASTERS, Upcaster
from infra.bootstrap import views_for
from infra.merkle import leaf_hash
from infra.packing import microseconds
from infra.settings import Settings
from infra.stored_facts import StoredFact
from projections.follow import Follower
from projections.log import UnreadableLog, facts_after
from projections.rebuild import self_check
from tests.offices import ADVANCE

TOPIC = "LiveDateAnnounced.v0"
STREAM = "office/CA-TB-01"
STATE = b'{"who":"operator","office":"CA-TB-01","live":"15/02/2011"}'


class OldLiveDate(msgspec.Struct):
    """Before there was a role in every event, and dates were as people wrote them."""

    who: str
    office: str
    live: str


def read_today(old: OldLiveDate) -> LiveDateAnnounced:
    day, month, year = old.live.split("/")
    return LiveDateAnnounced(by=old.who, office=old.office, live_from=date(int(year), int(month), int(day)))


@pytest.fixture
def old_shape_is_known(monkeypatch):
    monkeypatch.setitem(UPCASTERS, TOPIC, Upcaster(OldLiveDate, read_today))


@pytest.fixture
def old_fact(office):
    """Its position; it says that the office is not live before 15 February."""
    recorder = office.instance.recorder
    last = recorder.select_events(STREAM, desc=True, limit=1)[0].originator_version
    fact = StoredFact(STREAM, last + 1, TOPIC, STATE, None, None, b"o" * 16, ADVANCE)
    (position,) = recorder.insert_events([fact])
    return position


def stored(database_url, position):
    with psycopg.connect(database_url, row_factory=namedtuple_row) as connection:
        row = connection.execute("SELECT * FROM log WHERE position = %s", (position,)).fetchone()
    assert row is not None
    return row


@pytest.mark.usefixtures("old_shape_is_known")
def test_the_desk_decides_by_an_old_fact(office, old_fact):
    refused = office.submit(office.booking(1))

    assert refused.refusal.name == "office-not-live"
    assert refused.position == old_fact


@pytest.mark.usefixtures("old_shape_is_known")
def test_the_views_show_an_old_fact_and_a_rebuilt_view_shows_the_same(old_fact, database_url, tmp_path):
    settings = Settings.load({"MAWID_DATABASE_URL": database_url, "MAWID_DATA_DIR": str(tmp_path)})
    views = views_for(settings, database_url)

    with Follower(database_url, views) as follower:
        follower.catch_up()
        checked = self_check(database_url, views)

    with psycopg.connect(database_url) as connection:
        live_from = connection.execute("SELECT live_from FROM view_catalogue.office WHERE office = 'CA-TB-01'")
        assert live_from.fetchone() == (date(2011, 2, 15),)
    assert {each.view for each in checked if each.equal is not True or each.events < old_fact} == set()


@pytest.mark.usefixtures("old_shape_is_known")
def test_reading_an_old_fact_changes_neither_its_bytes_nor_its_leaf(office, old_fact, database_url):
    office.submit(office.booking(1))
    [(_, read)] = office.instance.recorder.facts_after(old_fact - 1, 1)

    row = stored(database_url, old_fact)
    assert isinstance(read.event, LiveDateAnnounced)
    assert (row.type, row.state) == (TOPIC, STATE)
    times = microseconds(row.at), microseconds(row.recorded_at)
    tags = row.person, row.booking, row.command_id
    assert row.leaf == leaf_hash(row.position, row.stream, row.stream_version, row.type, *tags, *times, STATE)


def test_without_its_upcaster_an_old_fact_stops_the_reader_at_its_position(old_fact, database_url):
    with psycopg.connect(database_url) as connection, pytest.raises(UnreadableLog) as error:
        facts_after(connection, old_fact - 1, 10)

    assert error.value.position == old_fact
