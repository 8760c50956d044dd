from contextlib import ExitStack

import pytest

from infra.migrate import migrate
from infra.settings import Settings
from tests.faults.relay import CommitCuttingRelay
from tests.offices import OfficeOnADatabase


@pytest.fixture
def relay(database_url, tmp_path):
    folder = tmp_path / "relay"
    folder.mkdir()
    relay = CommitCuttingRelay(database_url, folder)
    yield relay
    relay.close()


@pytest.fixture
def office_behind(tmp_path):
    """An office whose desk reaches its database by the given DSN."""
    with ExitStack() as parts:

        def make(dsn: str, *, counters: int = 2) -> OfficeOnADatabase:
            settings = Settings.load({"MAWID_DATABASE_URL": dsn, "MAWID_DATA_DIR": str(tmp_path)})
            return OfficeOnADatabase(settings, parts, counters=counters)

        yield make


@pytest.fixture
def durable_office(durable_postgres, office_behind):
    """An office on a server of its own that keeps what it acknowledged: (server, office)."""
    server = durable_postgres()
    migrate(server.dsn)
    return server, office_behind(server.dsn, counters=40)
