from contextlib import ExitStack

import pytest

from infra.settings import Settings
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
