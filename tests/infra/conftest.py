from contextlib import ExitStack

import pytest

from infra.export import Signed, export_log
from infra.settings import Settings
from tests.conftest import temporary_database
from tests.exam.tampering import Log, log_of, story
from tests.offices import OfficeOnADatabase


@pytest.fixture
def make_office(database_url, tmp_path):
    with ExitStack() as parts:

        def make(*, counters: int = 2, **environ: str) -> OfficeOnADatabase:
            environ |= {"MAWID_DATABASE_URL": database_url, "MAWID_DATA_DIR": str(tmp_path)}
            return OfficeOnADatabase(Settings.load(environ), parts, counters=counters)

        yield make


@pytest.fixture
def office(make_office):
    return make_office()


@pytest.fixture(scope="session")
def story_url(postgres_server, migrated_template, tmp_path_factory):
    """A log of some thousand events, to be read and copied: the first days of the article's story."""
    with temporary_database(postgres_server, migrated_template) as url:
        data_dir = str(tmp_path_factory.mktemp("story"))
        story(Settings.load({"MAWID_DATABASE_URL": url, "MAWID_DATA_DIR": data_dir}), bookings=2_000)
        yield url


@pytest.fixture(scope="session")
def exam_log(story_url, tmp_path_factory) -> Log:
    """Its first 5,000 events, under checkpoints of the exam's own key."""
    path = tmp_path_factory.mktemp("exam") / "story"
    export_log(story_url, path, Signed([], []))
    return log_of(path.read_bytes(), events=5_000, checkpoint_every=500)
